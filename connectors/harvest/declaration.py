"""What the Harvest connector offers: logins, settings and streams, and what cannot happen here."""

from ..base import AuthMethod, CredentialField, SettingField, StreamSpec
from ..oauth import app_fields

TOKEN, OAUTH = "token", "oauth"
#: Harvest's largest page.
MAX_PAGE = 2000

AUTH_METHODS = (
    AuthMethod(TOKEN, "Personal access token", (
        CredentialField("access_token", "Access token", secret=True,
                        help="Of an administrator; id.getharvest.com/developers"),
    )),
    AuthMethod(OAUTH, "Consent of a user (OAuth 2)", app_fields(), interactive=True),
)

SETTINGS = (
    SettingField("account_id", "Account ID", required=True, help="Of the Harvest account; the token page shows it"),
    SettingField("approval_required", "Only approved time and expenses", "yes",
                 help="“no” when the account has no approval: every entry then counts as approved"),
    SettingField("sweep_days", "Days that may still be approved", "60",
                 help="Time and expenses of so many days are read again once a day; 0 does not"),
    SettingField("contact", "Contact for Harvest", "https://github.com/psa-hub/psa_hub",
                 help="E-mail or web address that Harvest can write to; sent with each call"),
    SettingField("base_url", "API address", "https://api.harvestapp.com", required=True),
    SettingField("login_url", "Login address", "https://id.getharvest.com", required=True),
)

STREAMS = (
    StreamSpec("client", "Clients", "Client", "party", 10, interval_minutes=60, page_size=MAX_PAGE),
    StreamSpec("user", "Users", "User", "resource", 30, interval_minutes=60, page_size=MAX_PAGE),
    StreamSpec("project", "Projects", "Project", "project", 50, page_size=MAX_PAGE),
    StreamSpec("rate", "Assignments", "UserAssignment", "assignment", 60, interval_minutes=60, page_size=MAX_PAGE),
    StreamSpec("time", "Time entries", "TimeEntry", "time", 80, page_size=MAX_PAGE),
    StreamSpec("expense", "Expenses", "Expense", "expense", 90, page_size=MAX_PAGE),
)

_NO_WEBHOOK = "Harvest sends no webhooks."
_NO_WRITE = "Nothing is written to Harvest: its API can neither mark chosen entries as invoiced nor approve them."

NOT_APPLICABLE = {
    **{f"webhook_{name}": _NO_WEBHOOK
       for name in ("vectors", "tampered", "stale", "second_secret", "duplicate", "reordered", "burst")},
    **{f"write_{name}": _NO_WRITE for name in ("lost_answer", "conflict", "locked", "deleted")},
    "null_cursor": "Every record has its change time.",
    "merge": "Harvest merges no records.",
}
