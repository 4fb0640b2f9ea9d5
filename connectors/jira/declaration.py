"""What the connector offers: logins, settings, streams, the write-back, and what cannot happen here."""

from ..base import AuthMethod, CredentialField, OutboundSpec, SettingField, StreamSpec
from ..oauth import app_fields

API_TOKEN, OAUTH = "api_token", "oauth"
USER, CUSTOMER, PROJECT, ISSUE, WORKLOG = "User", "Customer", "Project", "Issue", "Worklog"

_TEMPO_TOKEN = CredentialField("tempo_token", "Tempo token", secret=True,
                               help="Tempo > Settings > API integration, of a user who may view all worklogs")

AUTH_METHODS = (
    AuthMethod(API_TOKEN, "API tokens", (
        CredentialField("email", "Jira e-mail address", help="Of the integration user"),
        CredentialField("api_token", "Jira API token", secret=True),
        _TEMPO_TOKEN,
    )),
    AuthMethod(OAUTH, "Consent of a Jira user (OAuth 2.0)", (
        *app_fields("Of the OAuth 2.0 app in the Atlassian developer console"),
        _TEMPO_TOKEN,
    ), interactive=True),
)

SETTINGS = (
    SettingField("jira_url", "Jira address", required=True, help="https://your-site.atlassian.net"),
    SettingField("tempo_url", "Tempo address", "https://api.tempo.io", required=True,
                 help="https://api.eu.tempo.io or https://api.us.tempo.io when Tempo keeps your data there"),
    SettingField("login_url", "Atlassian login address", "https://auth.atlassian.com", required=True,
                 help="Used only for a consent; the API is then called at the same address with api. for auth."),
    SettingField("billed_attribute", "Work attribute for the invoice number", "_Invoiced_",
                 help="Key of a text attribute that a Tempo administrator has made"),
    SettingField("billed_property", "Jira worklog property for the invoice number", "odoo_invoice",
                 help="Key of the property that holds the number where Tempo refuses to change the worklog"),
    SettingField("account_attribute", "Work attribute of the account", "_Account_",
                 help="Key of the attribute that holds a worklog's Tempo account, for use in field maps"),
)

STREAMS = (
    StreamSpec("customer", "Customers", CUSTOMER, "party", 10, interval_minutes=60, page_size=1000),
    StreamSpec("user", "Users", USER, "resource", 30, webhook=True, interval_minutes=60, page_size=50),
    StreamSpec("project", "Projects", PROJECT, "project", 50, webhook=True, interval_minutes=60, page_size=50),
    StreamSpec("issue", "Issues", ISSUE, "task", 55, webhook=True, page_size=100),
    StreamSpec("worklog", "Worklogs", WORKLOG, "time", 80, webhook=True, page_size=1000),
)

OUTBOUND = (
    OutboundSpec("worklog_status", "Invoice number on worklogs", "billing_status", (WORKLOG,), batch_size=25),
)

WEBHOOK_SECRETS = (
    CredentialField("jira_webhook_secret", "Jira webhook secret", secret=True, required=False,
                    help="The secret entered at Jira's System > WebHooks"),
    CredentialField("tempo_webhook_secret", "Tempo webhook secrets", secret=True, required=False, multiline=True,
                    help="The shared secret of each Tempo subscription, a line each"),
)

NOT_APPLICABLE = {
    "merge": "Neither Jira nor Tempo merges the records that are read",
    "null_cursor": "Tempo stamps every worklog when it is made",
    "webhook_stale": "Tempo does not say whether a repeated delivery is signed anew, Jira signs no time: repeated "
                     "deliveries are known by their id",
}
