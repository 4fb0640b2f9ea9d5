"""What the DocuSign connector offers: logins, settings, the stream and the keys of its webhook."""

from ..base import AuthMethod, CredentialField, SettingField, StreamSpec

DEFAULT_OAUTH_URL = "https://account.docusign.com"
DEFAULT_REFERENCE_FIELD = "odoo_sow"
#: Rows of one page. A signed envelope brings its document along, and a page must fit into memory.
MAX_PAGE = 20

JWT, OAUTH = "jwt", "oauth"

_CLIENT_ID = CredentialField("client_id", "Integration key", help="Settings > Apps and Keys")

AUTH_METHODS = (
    AuthMethod(JWT, "JWT (RSA key pair)", (
        _CLIENT_ID,
        CredentialField("user_id", "User ID", help="API user name (a GUID) of the user that the hub acts as"),
        CredentialField("private_key", "Private key (PEM)", secret=True, multiline=True,
                        help="RSA key pair that was generated for the integration key"),
    )),
    AuthMethod(OAUTH, "Consent of a user (authorization code)", (
        _CLIENT_ID,
        CredentialField("client_secret", "Secret key", secret=True),
        CredentialField("refresh_token", "Refresh token", secret=True, required=False,
                        help="Filled by the consent; replaced at each renewal"),
    ), interactive=True),
)

SETTINGS = (
    SettingField("oauth_url", "Account server", DEFAULT_OAUTH_URL, required=True,
                 help="https://account.docusign.com; for a developer account https://account-d.docusign.com"),
    SettingField("base_url", "REST address",
                 help="Empty: where DocuSign says that the account lives; else like https://eu.docusign.net/restapi"),
    SettingField("account_id", "API account ID",
                 help="Empty: the user's default account. Webhooks of other accounts are ignored when it is filled in"),
    SettingField("reference_field", "Envelope field with the reference", DEFAULT_REFERENCE_FIELD, required=True,
                 help="Text custom field that says what is signed; envelopes without it are left alone"),
)

STREAMS = (
    StreamSpec("envelope", "Envelopes", "Envelope", "agreement", 45, webhook=True, near_real_time=True,
               interval_minutes=15, overlap_seconds=1800, page_size=MAX_PAGE),
)

WEBHOOK_SECRETS = (
    CredentialField("hmac_key", "Connect key", secret=True, help="Settings > Connect > Connect Keys; shown there once"),
    CredentialField("hmac_key_2", "Second Connect key", secret=True, required=False,
                    help="While keys are changed: a message signed with either is accepted"),
)

_READ_ONLY = "The connector writes nothing to DocuSign"
NOT_APPLICABLE = {
    "wrong_scope": "There is one stream and one right to read it, so nothing else could go on without it",
    "null_cursor": "Every envelope has the time of its last change of status",
    "merge": "Envelopes cannot be merged in DocuSign",
    "webhook_stale": "The signature of Connect holds no time; a repeated message only causes another look",
    "write_lost_answer": _READ_ONLY,
    "write_conflict": _READ_ONLY,
    "write_locked": _READ_ONLY,
    "write_deleted": _READ_ONLY,
}
