"""The connector: ties login, reading, writing and the connection test to the connector contract."""

from decimal import Decimal

from ..base import Connector, Part, WebhookReply
from ..errors import DataError
from . import auth, checks, declaration, wanted, webhook, worklog_status
from .client import client_of
from .reader import Reader
from .worklogs import WorklogReader

_HOUR, _HOURS_PLACES = Decimal(3600), Decimal("0.0001")


def _hours(seconds):
    return None if seconds is None else (Decimal(seconds) / _HOUR).quantize(_HOURS_PLACES)


class JiraConnector(Connector):
    """People, projects and issues of Jira; customers and approved time of Tempo; invoice numbers back to both."""

    code = "jira"
    label = "Jira Cloud and Tempo"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    consent = auth.CONSENT
    streams = declaration.STREAMS
    outbound = declaration.OUTBOUND
    has_webhook = True
    webhook_secrets = declaration.WEBHOOK_SECRETS
    rate_budget = (50, 10)
    not_applicable = declaration.NOT_APPLICABLE

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        try:
            return self._page(session, stream, cursor, options)
        except DataError:
            if not cursor.get("next"):
                raise
            # The place in the list is not valid any more (a token that expired): the list is read from its beginning.
            return self._page(session, stream, {key: cursor[key] for key in cursor if key != "next"}, options)

    @staticmethod
    def _page(session, stream, cursor, options):
        if stream.code == "worklog":
            return WorklogReader(session).page(cursor, options)
        return Reader(session).page(stream, cursor, options)

    def fetch_records(self, session, stream, external_ids):
        if stream.code == "worklog":
            return WorklogReader(session).by_ids(external_ids)
        return Reader(session).by_ids(stream, external_ids)

    def describe_fields(self, session, stream):
        return wanted.described(session) if stream.code == "issue" else None

    def split(self, stream, raw, external_id):
        """Add hours: billable ones where there are any, else the hours worked."""
        if stream.code == "worklog":
            billable = bool(raw.get("billableSeconds"))
            raw = {**raw, "billable": billable,
                   "hours": _hours(raw.get("billableSeconds" if billable else "timeSpentSeconds"))}
        elif stream.code == "issue":
            raw = {**raw, "planned_hours": _hours(raw["fields"].get("timeoriginalestimate"))}
        return [Part(stream.object_type, external_id, stream.canonical_type, raw)]

    # === WEBHOOK === #

    def webhook_challenge(self, settings, request):
        text = request.query.get("randomString")
        return WebhookReply(200, text.encode()) if request.method == "GET" and text else None

    def verify_webhook(self, secrets, settings, request, now):
        return webhook.verify(secrets, request)

    # === WRITING === #

    def push(self, session, outbound, items):
        return worklog_status.push(session, items)

    # === CHECK === #

    def check(self, session):
        return checks.check(client_of(session))

    def set_up(self, session):
        """Look for the work attribute; only a person can make it, with the permissions of a Tempo administrator."""
        return [checks.check_attribute(client_of(session))]
