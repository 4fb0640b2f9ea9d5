"""The Harvest connector: declaration, check, and one line to each of its parts."""

from ..base import Check, Connector
from ..checks import check_right
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError
from . import declaration
from .client import CONSENT, AccountClient, Client
from .reader import SOURCES, Reader, approval_required


class HarvestConnector(Connector):
    """Customers, people, projects, assignments, time and expenses; read only."""

    code = "harvest"
    label = "Harvest"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    consent = CONSENT
    streams = declaration.STREAMS
    rate_budget = (100, 15)
    not_applicable = declaration.NOT_APPLICABLE

    # === CHECK === #

    def check(self, session):
        """Log in, look for the account, the user's rights and the approval, and at each list.

        :raise TransientError: no answer; that says nothing about rights
        """
        client = Client(session)
        account = client.setting("account_id")
        try:
            accounts = AccountClient(session).accounts()
        except (ConnectionRefusedByVendor, DataError) as error:
            return [Check("login", "Login", False, str(error))]
        if account not in accounts:
            known = ", ".join(f"{number} ({name})" for number, name in sorted(accounts.items())) or "none"
            return [Check("account", "Account ID", False,
                          f"The token does not see the Harvest account “{account}”; it sees: {known}")]
        found = [Check("login", "Login", True, f"Logged in to {accounts[account]} ({account})")]
        found += [check_right(stream.code, stream.label, lambda stream=stream: self._look(client, stream))
                  for stream in self.streams]
        return [*found, self._check_user(client), self._check_approval(client)]

    @staticmethod
    def _look(client, stream):
        source = SOURCES[stream.code]
        client.page(source.path, source.name, {"per_page": 1})
        return f"{source.path} can be read"

    @staticmethod
    def _check_user(client):
        """Other people's time and the rates are hidden from anybody but an administrator, without an error."""
        try:
            roles = client.call("GET", "/users/me").get("access_roles")
        except (MissingScopeError, DataError) as error:
            return Check("rights", "Rights of the user", False, str(error), ("user", "rate", "time", "expense"))
        if roles is None or "administrator" in roles:
            return Check("rights", "Rights of the user", True, "The user is an administrator" if roles else
                         "Harvest does not tell the user's rights; use an administrator")
        return Check("rights", "Rights of the user", False, "The user is no administrator: Harvest would leave out "
                     "other people's time and all rates without saying so", ("user", "rate", "time", "expense"))

    @staticmethod
    def _check_approval(client):
        required = approval_required(client)
        try:
            offered = client.call("GET", "/company").get("approval_feature")
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
