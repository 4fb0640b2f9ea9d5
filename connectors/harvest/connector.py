"""The Harvest connector: declaration, check, and one line to each of its parts."""

import json
from pathlib import Path

from ..base import AuthMethod, Check, Connector, CredentialField, SettingField, StreamSpec
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError
from . import auth
from .client import DEFAULT_URL, MAX_PAGE, Client
from .reader import DEFAULT_SWEEP_DAYS, SOURCES, Reader

_NO_WEBHOOK = "Harvest sends no webhooks."
_NO_WRITE = "Nothing is written to Harvest: its API can neither mark chosen entries as invoiced nor approve them."


class HarvestConnector(Connector):
    """Customers, people, projects, assignments, time and expenses; read only."""

    code = "harvest"
    label = "Harvest"
    auth_methods = (
        AuthMethod(auth.TOKEN, "Personal access token", (
            CredentialField("access_token", "Access token", secret=True,
                            help="Of an administrator; id.getharvest.com/developers"),
        )),
        AuthMethod(auth.OAUTH, "Consent of a user (OAuth 2)", (
            CredentialField("client_id", "Client ID"),
            CredentialField("client_secret", "Client secret", secret=True),
            CredentialField("refresh_token", "Refresh token", secret=True, required=False,
                            help="Filled by the consent and replaced each time it is used"),
        ), interactive=True),
    )
    settings = (
        SettingField("account_id", "Account ID", required=True, help="Of the Harvest account; the token page shows it"),
        SettingField("approval_required", "Only approved time and expenses", "yes",
                     help="“no” when the account has no approval: every entry then counts as approved"),
        SettingField("sweep_days", "Days that may still be approved", DEFAULT_SWEEP_DAYS,
                     help="Time and expenses of so many days are read again once a day; 0 does not"),
        SettingField("contact", "Contact for Harvest", auth.DEFAULT_CONTACT,
                     help="E-mail or web address that Harvest can write to; sent with each call"),
        SettingField("base_url", "API address", DEFAULT_URL, required=True),
        SettingField("login_url", "Login address", auth.DEFAULT_LOGIN_URL, required=True),
    )
    streams = (
        StreamSpec("client", "Clients", "Client", "party", 10, interval_minutes=60, page_size=MAX_PAGE),
        StreamSpec("user", "Users", "User", "resource", 30, interval_minutes=60, page_size=MAX_PAGE),
        StreamSpec("project", "Projects", "Project", "project", 50, page_size=MAX_PAGE),
        StreamSpec("rate", "Assignments", "UserAssignment", "assignment", 60, interval_minutes=60, page_size=MAX_PAGE),
        StreamSpec("time", "Time entries", "TimeEntry", "time", 80, page_size=MAX_PAGE),
        StreamSpec("expense", "Expenses", "Expense", "expense", 90, page_size=MAX_PAGE),
    )
    rate_budget = (100, 15)
    not_applicable = {
        **{f"webhook_{name}": _NO_WEBHOOK
           for name in ("vectors", "tampered", "stale", "second_secret", "duplicate", "reordered", "burst")},
        **{f"write_{name}": _NO_WRITE for name in ("lost_answer", "conflict", "locked", "deleted")},
        "null_cursor": "Every record has its change time.",
        "merge": "Harvest merges no records.",
    }

    def default_mappings(self):
        return json.loads(Path(__file__).with_name("mappings.json").read_text(encoding="utf-8"))

    # === CHECK === #

    def check(self, session):
        """Log in, look for the account, the user's rights and the approval, and at each list.

        :raise TransientError: no answer; that says nothing about rights
        """
        client, account = Client(session), (session.settings.get("account_id") or "").strip()
        try:
            accounts = client.accounts()
        except (ConnectionRefusedByVendor, DataError) as error:
            return [Check("login", "Login", False, str(error))]
        if account not in accounts:
            known = ", ".join(f"{number} ({name})" for number, name in sorted(accounts.items())) or "none"
            return [Check("account", "Account ID", False,
                          f"The token does not see the Harvest account “{account}”; it sees: {known}")]
        found = [Check("login", "Login", True, f"Logged in to {accounts[account]} ({account})")]
        found += [self._check_list(client, stream) for stream in self.streams]
        return [*found, self._check_user(client), self._check_approval(client, session.settings)]

    @staticmethod
    def _check_list(client, stream):
        source = SOURCES[stream.code]
        try:
            client.page(source.path, source.name, {"per_page": 1})
        except (MissingScopeError, DataError) as error:
            return Check(stream.code, stream.label, False, str(error), (stream.code,))
        return Check(stream.code, stream.label, True, f"{source.path} can be read")

    @staticmethod
    def _check_user(client):
        """Other people's time and the rates are hidden from anybody but an administrator, without an error."""
        try:
            roles = client.get("/users/me").json().get("access_roles")
        except (MissingScopeError, DataError) as error:
            return Check("rights", "Rights of the user", False, str(error), ("user", "rate", "time", "expense"))
        if roles is None or "administrator" in roles:
            return Check("rights", "Rights of the user", True, "The user is an administrator" if roles else
                         "Harvest does not tell the user's rights; use an administrator")
        return Check("rights", "Rights of the user", False, "The user is no administrator: Harvest would leave out "
                     "other people's time and all rates without saying so", ("user", "rate", "time", "expense"))

    @staticmethod
    def _check_approval(client, settings):
        required = (settings.get("approval_required") or "yes").strip().lower() != "no"
        try:
            offered = client.get("/company").json().get("approval_feature")
        except (MissingScopeError, DataError) as error:
            return Check("approval", "Approval", True, f"Whether the account has approval is not known: {error}")
        if required and offered is False:
            return Check("approval", "Approval", False, "The account has no approval, so nothing would ever be billed: "
                         "set “Only approved time and expenses” to no, or switch approval on", ("time", "expense"))
        if required:
            return Check("approval", "Approval", True, "Approved time and expenses are billed")
        return Check("approval", "Approval", True, "All time and expenses count as approved"
                     + (", although the account has approval" if offered else ""))

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        return Reader(session, stream).page(cursor, options)

    def fetch_records(self, session, stream, external_ids):
        return Reader(session, stream).by_ids(external_ids)

    # === CONSENT === #

    def authorize_url(self, settings, credentials, redirect_uri, state, code_challenge):
        return auth.authorize_url(settings, credentials, redirect_uri, state)

    def exchange_code(self, session, code, redirect_uri, code_verifier):
        return auth.exchange_code(session, code)
