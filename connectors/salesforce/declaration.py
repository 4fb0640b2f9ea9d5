"""What the Salesforce connector offers: logins, settings, streams and write-backs."""

from ..base import AuthMethod, CredentialField, OutboundSpec, SettingField, StreamSpec

DEFAULT_LOGIN_URL = "https://login.salesforce.com"

JWT, CLIENT_CREDENTIALS, WEB_SERVER = "jwt_bearer", "client_credentials", "web_server"

_CLIENT_ID = CredentialField("client_id", "Consumer key", help="Of the external client app or connected app")
_CLIENT_SECRET = CredentialField("client_secret", "Consumer secret", secret=True)

AUTH_METHODS = (
    AuthMethod(JWT, "JWT bearer (certificate)", (
        _CLIENT_ID,
        CredentialField("username", "Integration user", help="The Salesforce username, not the e-mail address"),
        CredentialField("private_key", "Private key (PEM)", secret=True, multiline=True,
                        help="RSA key whose certificate is uploaded to the app"),
    )),
    AuthMethod(CLIENT_CREDENTIALS, "Client credentials (My Domain)", (_CLIENT_ID, _CLIENT_SECRET)),
    AuthMethod(WEB_SERVER, "Consent of a user (web server flow)", (
        _CLIENT_ID,
        CredentialField("client_secret", "Consumer secret", secret=True, required=False,
                        help="Empty when the app asks for none (PKCE only)"),
        CredentialField("refresh_token", "Refresh token", secret=True, required=False,
                        help="Filled by the consent; replaced each time when the app rotates it"),
    ), interactive=True),
)

SETTINGS = (
    SettingField("login_url", "Login address", DEFAULT_LOGIN_URL, required=True,
                 help="https://login.salesforce.com, https://test.salesforce.com or your My Domain"),
    SettingField("audience", "JWT audience",
                 help="Empty: https://test.salesforce.com for a sandbox address, else https://login.salesforce.com"),
    SettingField("api_version", "API version", "62.0", required=True),
    SettingField("organization_id", "Organization ID",
                 help="Setup > Company Information. Outbound messages are refused without it"),
    SettingField("default_currency", "Currency of the org",
                 help="Only for an org without multiple currencies whose currency cannot be read"),
    SettingField("bulk_threshold", "Bulk API from (records)", "10000",
                 help="A back-fill of more records uses Bulk API 2.0; 0 never does"),
    SettingField("quota_stop_percent", "Stop reading at API usage (%)", "90",
                 help="Share of the org's daily API calls above which only write-backs go on"),
)

STREAMS = (
    StreamSpec("account", "Accounts", "Account", "party", 10, webhook=True, page_size=2000),
    StreamSpec("contact", "Contacts", "Contact", "person", 20, webhook=True, page_size=2000),
    StreamSpec("user", "Users", "User", "user", 25, interval_minutes=60, page_size=2000),
    StreamSpec("opportunity", "Opportunities", "Opportunity", "deal", 40, webhook=True, near_real_time=True,
               interval_minutes=5, page_size=500),
)

OUTBOUND = (
    OutboundSpec("opportunity_billing_status", "Invoice status on opportunities", "billing_status",
                 ("Opportunity",), batch_size=200),
)

_UNSIGNED = ("Outbound Messages are not signed. The organization must be the connection's, and what they say is only a "
             "hint: the record is read again")
NOT_APPLICABLE = {
    "null_cursor": "Salesforce stamps every record with SystemModstamp",
    "webhook_vectors": _UNSIGNED,
    "webhook_tampered": _UNSIGNED,
    "webhook_stale": _UNSIGNED,
    "webhook_second_secret": _UNSIGNED,
    "write_conflict": "The status fields are the hub's own; nobody else writes them",
}
