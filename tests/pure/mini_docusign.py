"""A very small DocuSign account for client tests; the full stand-in is ``sandbox/docusign``."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from wire_server import Answer, session_for

from connectors import get
from connectors.cursor import format_instant, parse_instant

CONNECTOR = get("docusign")
STREAM = CONNECTOR.streams[0]
ACCOUNT = "9d1f0000-1111-4222-8333-444455556666"
OTHER_ACCOUNT = "9d1f0000-1111-4222-8333-777777777777"
ROOT = f"/restapi/v2.1/accounts/{ACCOUNT}"
NOW = datetime(2026, 9, 21, 12, 0, 0, tzinfo=timezone.utc)
PDF = b"%PDF-1.7 signed"
RUN = {"page_size": 3, "overlap_seconds": 1800, "new_run": True, "since": "", "backfill": False}


def seven(moment):
    """Return a time as DocuSign writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def ago(**delta):
    return NOW - timedelta(**delta)


def envelope(number, moment, status="sent", reference="555005", **values):
    fields = [{"fieldId": "1", "name": "colour", "value": "red"}]
    if reference is not None:
        fields.append({"fieldId": "2", "name": "odoo_sow", "value": reference})
    return {
        "envelopeId": f"3f1c0b9e-0000-4000-8000-{number:012d}", "status": status, "emailSubject": f"SOW {number}",
        "statusChangedDateTime": seven(moment), "sentDateTime": seven(moment), "emailBlurb": "not for the hub",
        **({"completedDateTime": seven(moment)} if status == "completed" else {}),
        "customFields": {"textCustomFields": fields, "listCustomFields": []},
        "recipients": {"signers": [
            {"recipientId": "1", "routingOrder": "1", "name": "Ada Client", "email": "Ada@Northwind.test"}]},
        **values}


class MiniDocuSign:
    """``handler`` for the wire server.

    :ivar rows: the account's envelopes
    :ivar now: its clock
    :ivar refuse: ``f(Asked) -> Answer or None``, asked before each REST call
    :ivar documents: ``{envelope id: Answer}`` of combined documents that are not the usual PDF
    """

    def __init__(self, *rows):
        self.rows = list(rows)
        self.now = NOW
        self.refuse = lambda asked: None
        self.documents = {}
        self.tokens = 0
        self.grant = {"expires_in": 3600}
        self.shuffle = False

    def __call__(self, asked):
        if asked.path == "/oauth/token":
            self.tokens += 1
            return Answer(body={"access_token": f"access-{self.tokens}", "token_type": "Bearer", **self.grant})
        answer = self.refuse(asked) or self._answer(asked)
        answer.headers = {"Date": format_datetime(self.now, usegmt=True), **(answer.headers or {})}
        return answer

    def _answer(self, asked):
        if asked.path == "/oauth/userinfo":
            url = f"http://{asked.headers['Host']}"
            return Answer(body={"sub": "u", "name": "Hub", "email": "hub@firm.test", "accounts": [
                {"account_id": OTHER_ACCOUNT, "account_name": "Other", "base_uri": f"{url}/other", "is_default": False},
                {"account_id": ACCOUNT, "account_name": "Firm", "base_uri": url, "is_default": True}]})
        if asked.path == f"{ROOT}/envelopes":
            return self._list(asked.query)
        envelope_id = asked.path.removeprefix(f"{ROOT}/envelopes/").removesuffix("/documents/combined")
        if asked.path != f"{ROOT}/envelopes/{envelope_id}/documents/combined":
            return Answer(404, {"errorCode": "RESOURCE_NOT_FOUND", "message": asked.path})
        assert asked.query == {"certificate": "true"}
        return self.documents.get(envelope_id) or Answer(body=PDF, headers={"Content-Type": "application/pdf"})

    def _list(self, query):
        assert query["include"] == "custom_fields,recipients"
        if "envelope_ids" in query:
            wanted = query["envelope_ids"].split(",")
            rows = [row for row in self.rows if row["envelopeId"] in wanted]
        else:
            start = parse_instant(query["from_date"])
            end = parse_instant(query.get("to_date") or format_instant(self.now))
            assert start <= end
            assert query["order_by"] == "status_changed"
            rows = sorted((row for row in self.rows if seven(start) <= row["statusChangedDateTime"] <= seven(end)),
                          key=lambda row: (row["statusChangedDateTime"], row["envelopeId"]),
                          reverse=query["order"] == "desc")
        position, count = int(query.get("start_position", 0)), int(query["count"])
        assert 1 <= count <= 100
        page = rows[position:position + count]
        if self.shuffle:
            page.reverse()
        body = {"resultSetSize": str(len(page)), "totalSetSize": str(len(rows)), "startPosition": str(position),
                "endPosition": str(position + len(page) - 1), "nextUri": "", "previousUri": ""}
        return Answer(body={**body, "envelopes": page} if page else body)


def session_of(server, settings=None, **transport):
    return session_for(server.url, "oauth", {"client_id": "key", "client_secret": "shh", "refresh_token": "r1"},
                       "first", {"oauth_url": server.url, **(settings or {})}, **transport)


def read_run(server, cursor=None, settings=None, **options):
    """Read one run in a session of its own. Return ``(records, cursor)``."""
    session, records, cursor, new_run = session_of(server, settings), [], cursor or {}, True
    for _number in range(100):
        page = CONNECTOR.fetch_page(session, STREAM, cursor, {**RUN, **options, "new_run": new_run})
        records += page.records
        cursor, new_run = page.cursor, False
        if not page.more:
            return records, cursor
    raise AssertionError("endless paging")
