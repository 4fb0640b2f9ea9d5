"""The shipped connectors against the stand-in over real HTTP: both were written apart, from the vendor's documents.

What is read must agree with the manifest, also when pages are small, rows tie, and the vendor stumbles; what is written
back must be found at the source.
"""

from contextlib import suppress
from datetime import date

import pytest

import connectors
from connectors.base import PushItem, Session
from connectors.errors import TransientError
from connectors.transport import Transport
from sandbox.server import start

WORDS = {"client_id": "consumer_key", "client_secret": "consumer_secret"}


class Tokens:
    """A token store for one process."""

    def __init__(self, credentials):
        self.credentials, self.token = credentials, None

    def get(self):
        return self.token

    def refresh(self, used, authenticate):
        if self.token is None or self.token is used:
            self.token = authenticate(self.credentials)
        return self.token


class Reader:
    """Salesforce and its packages on one session."""

    def __init__(self, sandbox):
        self.host = connectors.get("salesforce")
        self.owners = (self.host, *connectors.packages("salesforce").values())
        method = next(method for method in self.host.auth_methods if method.code == "jwt_bearer")
        known = sandbox.credentials
        credentials = {field.code: known[WORDS.get(field.code, field.code)] for field in method.fields}
        settings = {field.code: field.default for field in self.host.settings}
        settings.update(login_url=known["login_url"], organization_id=known["organization_id"])
        self.session = Session(credentials, settings, Transport(allow_private=True), Tokens(credentials), method.code)

    def stream(self, code):
        return next((owner, spec) for owner in self.owners for spec in owner.streams if spec.code == code)

    def read_all(self, code, cursor=None, page_size=500, backfill=False):
        """Return ``(records, cursor)`` of a whole run of a stream."""
        owner, spec = self.stream(code)
        found, cursor, new_run = [], cursor or {}, True
        for _page in range(500):
            page = owner.fetch_page(self.session, spec, cursor, {
                "page_size": page_size, "overlap_seconds": spec.overlap_seconds, "new_run": new_run, "since": "",
                "backfill": backfill})
            found, cursor, new_run = found + page.records, page.cursor, False
            if not page.more:
                return found, cursor
        raise AssertionError("the stream does not end")

    def parts(self, code, records):
        owner, spec = self.stream(code)
        return [part for record in records for part in owner.split(spec, record.raw, record.external_id)]

    def push(self, items):
        """Push each item with the first outbound stream that knows its object, and return the results."""
        results = []
        for item in items:
            owner, spec = next((owner, spec) for owner in self.owners for spec in owner.outbound
                               if item.object_type in spec.object_types)
            results += owner.push(self.session, spec, [item])
        return results


@pytest.fixture
def sandbox():
    running = start(scale="small")
    yield running
    running.stop()
    assert running.errors == []


def counts(sandbox):
    """Return ``{stream: records}`` that must be read; templates and resources have their own rules."""
    streams = sandbox.manifest["streams"]
    return {
        "account": streams["Account"]["records"], "contact": streams["Contact"]["customer_contacts"],
        "resource": streams["Contact"]["resources"], "user": streams["User"]["records"],
        "opportunity": streams["Opportunity"]["records"],
        "project": streams["pse__Proj__c"]["records"] - streams["pse__Proj__c"]["templates"],
        "assignment": streams["pse__Assignment__c"]["records"],
        "milestone": streams["pse__Milestone__c"]["records"],
        "timecard": streams["pse__Timecard__c"]["records"], "expense": streams["pse__Expense__c"]["records"],
    }


def test_the_connection_test_finds_nothing_wrong(sandbox):
    reader = Reader(sandbox)
    failed = [check for owner in reader.owners for check in owner.check(reader.session) if not check.ok]
    assert failed == []


@pytest.mark.parametrize("page_size", [2000, 200])
def test_every_stream_reads_each_record_once(sandbox, page_size):
    reader = Reader(sandbox)
    for code, expected in counts(sandbox).items():
        records, _cursor = reader.read_all(code, page_size=page_size)
        assert (code, len(records), len({record.external_id for record in records})) == (code, expected, expected)


def test_days_of_all_timecards_are_the_manifest_s(sandbox):
    reader = Reader(sandbox)
    records, _cursor = reader.read_all("timecard")
    parts = reader.parts("timecard", records)
    assert len(parts) == sandbox.manifest["time"]["days"]
    assert len({part.external_id for part in parts}) == len(parts)


def test_stumbles_on_the_way_lose_and_invent_nothing(sandbox):
    reader = Reader(sandbox)
    sandbox.faults.add("expired_token", path="query", skip=1)
    sandbox.faults.add("duplicate_rows", path="/query", skip=2)
    sandbox.faults.add("reordered_page", path="/query", skip=3)
    records, _cursor = reader.read_all("timecard", page_size=200)
    assert {record.external_id for record in records} == set(sandbox.app.store.table("pse__Timecard__c").rows)


def test_a_back_fill_over_bulk_jobs_reads_the_same(sandbox):
    reader = Reader(sandbox)
    reader.session.settings["bulk_threshold"] = "100"
    plain, _cursor = reader.read_all("timecard")
    bulk, _cursor = reader.read_all("timecard", backfill=True)
    assert {record.external_id for record in bulk} == {record.external_id for record in plain}
    assert any("/jobs/query" in entry["target"] for entry in sandbox.log())
    assert len(reader.parts("timecard", bulk)) == sandbox.manifest["time"]["days"]


def test_the_second_act_comes_through(sandbox):
    reader = Reader(sandbox)
    cursors = {code: reader.read_all(code)[1] for code in ("account", "timecard")}
    expected = sandbox.manifest["second_act"]
    sandbox.advance()
    reader = Reader(sandbox)
    accounts, _cursor = reader.read_all("account", cursors["account"])
    assert [(record.operation, record.external_id, record.raw["winner"]) for record in accounts] == [
        ("merge", item["loser"], item["winner"]) for item in expected["merge"]["items"]]
    changed, _cursor = reader.read_all("timecard", cursors["timecard"])
    gone = {record.external_id for record in changed if record.operation == "delete"}
    assert gone == {item["split"] for item in expected["delete_after_billing"]["items"]}
    assert {record.external_id for record in changed} - gone == {
        item["split"] for name in ("late_edit", "rejected_after_approval_billed", "rejected_after_approval_unbilled")
        for item in expected[name]["items"]}


def status(number):
    return {"event": "posted", "invoiced": True, "invoice_number": number, "invoice_date": "2026-07-03",
            "payment_state": "not_paid", "amount_total": "100.00", "amount_residual": "100.00", "currency": "USD",
            "credit_note": None, "url": "https://odoo.example/invoice/1"}


def test_invoices_are_written_back_once(sandbox):
    reader = Reader(sandbox)
    item = sandbox.manifest["second_act"]["late_edit"]["items"][0]
    day = f"{item['split']}:{date.fromisoformat(item['day']).isoformat()}"
    items = [PushItem("k1", "pse__Timecard__c#day", day, status("INV/2026/00001")),
             PushItem("k2", "Opportunity", item["contract"], status("INV/2026/00001"))]
    assert [(result.key, result.error, result.written) for result in reader.push(items)] == [
        ("k1", None, True), ("k2", None, True)]
    row = sandbox.app.store.table("pse__Timecard__c").rows[item["split"]]
    assert (row["pse__Invoiced__c"], row["pse__Billed__c"], row["pse__Invoice_Number__c"]) == (
        True, True, "INV/2026/00001")
    deal = sandbox.app.store.table("Opportunity").rows[item["contract"]]
    assert (deal["Odoo_Invoice_Number__c"], deal["Odoo_Amount_Residual__c"]) == ("INV/2026/00001", 100.0)
    stamps = row["SystemModstamp"], deal["SystemModstamp"]
    sandbox.clock.forward(10)
    assert all(result.error is None for result in reader.push(items))
    tables = sandbox.app.store
    assert (tables.table("pse__Timecard__c").rows[item["split"]]["SystemModstamp"],
            tables.table("Opportunity").rows[item["contract"]]["SystemModstamp"]) == stamps


def test_a_lost_answer_is_found_out(sandbox):
    reader = Reader(sandbox)
    item = sandbox.manifest["second_act"]["late_edit"]["items"][0]
    pushed = PushItem("k1", "Opportunity", item["contract"], status("INV/2026/00002"))
    sandbox.faults.add("lost_answer", method="PATCH")
    with suppress(TransientError):
        reader.push([pushed])
    again = PushItem("k1", "Opportunity", item["contract"], status("INV/2026/00002"), in_doubt=True)
    result, = reader.push([again])
    assert (result.error, result.written) == (None, False)
    patches = [entry for entry in sandbox.log() if entry["method"] == "PATCH"]
    assert len(patches) == 1
