import json
import time
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import formatdate

import pytest
from default_map import to_canonical
from wire_server import Answer, serving, session_for

from connectors import get
from connectors.base import DELETE
from connectors.canonical import Reference
from connectors.errors import (
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    PoisonError,
    TransientError,
)
from connectors.stripe import objects
from connectors.stripe.client import API_VERSION, version_at
from connectors.stripe.money import from_minor
from connectors.stripe.reader import FEEDS

CONNECTOR = get("stripe")
STREAMS = {stream.code: stream for stream in CONNECTOR.streams}
NOW = 1_790_000_000
OPTIONS = {"page_size": 2, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}


def transaction(number, amount, fee=0, kind="charge", source="ch_1"):
    return {"id": f"txn_{number}", "object": "balance_transaction", "amount": amount, "fee": fee, "net": amount - fee,
            "currency": "eur", "type": kind, "source": source, "created": NOW - 50}


def charge(number, **more):
    return {"id": f"ch_{number}", "object": "charge", "amount": 480000, "amount_captured": 480000, "captured": True,
            "status": "succeeded", "currency": "eur", "payment_intent": None, "metadata": {}, "created": NOW - 100,
            "livemode": False, "customer": "cus_1", "billing_details": {"email": "Ada@Nova.example", "name": "Ada"},
            "balance_transaction": transaction(number, 480000, 7225, source=f"ch_{number}"), **more}


def event(number, shown, kind="charge.updated", created=NOW - 10):
    return {"id": f"evt_{number}", "object": "event", "type": kind, "created": created, "livemode": False,
            "data": {"object": shown}}


class Stripe:
    """Lists and objects by path, newest first; ``date`` is its clock."""

    def __init__(self, **lists):
        self.lists = {f"/v1/{name}": rows for name, rows in lists.items()}
        self.date = NOW

    def __call__(self, asked):
        rows, headers = self.lists.get(asked.path), {"Date": formatdate(self.date, usegmt=True)}
        if rows is None:
            folder, _slash, name = asked.path.rpartition("/")
            for row in self.lists.get(folder, ()):
                if row["id"] == name:
                    return Answer(body=row, headers=headers)
            return Answer(404, {"error": {"type": "invalid_request_error", "code": "resource_missing",
                                          "message": f"No such object: '{name}'"}}, headers)
        ids = [row["id"] for row in rows]
        start = ids.index(asked.query["starting_after"]) + 1 if "starting_after" in asked.query else 0
        low = int(asked.query.get("created[gte]", 0))
        rows = [row for row in rows[start:] if row.get("created", NOW) >= low]
        limit = int(asked.query["limit"])
        return Answer(body={"object": "list", "has_more": len(rows) > limit, "data": rows[:limit]}, headers=headers)


def session(server, key="rk_test_1", **transport):
    return session_for(server.url, "secret_key", {"api_key": key}, settings={"base_url": server.url}, **transport)


def read(server, code="payment", cursor=None, **options):
    records, cursor, pages = [], cursor or {}, 0
    while pages < 30:
        page = CONNECTOR.fetch_page(session(server), STREAMS[code], cursor, {**OPTIONS, **options})
        records += page.records
        cursor, pages = json.loads(json.dumps(page.cursor)), pages + 1
        if not page.more:
            return records, cursor
    raise AssertionError("endless")


def test_a_first_load_reads_charges_refunds_and_disputes_over_page_limits():
    refund = {"id": "re_1", "object": "refund", "amount": 1000, "currency": "eur", "charge": "ch_1",
              "status": "succeeded", "created": NOW, "balance_transaction": None}
    dispute = {"id": "dp_1", "object": "dispute", "amount": 1000, "currency": "eur", "charge": "ch_2", "status": "lost",
               "created": NOW, "livemode": False, "balance_transactions": [transaction(9, -1000, 1500, "adjustment")]}
    stripe = Stripe(charges=[charge(number) for number in range(5)], refunds=[refund], disputes=[dispute], events=[])
    with serving(stripe) as server:
        records, cursor = read(server)
        again, later = read(server, cursor=cursor)
    assert [record.external_id for record in records] == [*(f"ch_{number}" for number in range(5)), "re_1", "dp_1"]
    assert cursor == {"at": NOW, "seen": []}
    assert (again, later["at"]) == ([], NOW)
    first = server.asked[0]
    assert first.headers["Stripe-Version"] == API_VERSION
    assert first.headers["Authorization"] == "Bearer rk_test_1"
    assert first.query["expand[]"] == "data.balance_transaction"


def test_an_event_is_only_a_hint_and_the_object_is_read_as_it_stands():
    shown = charge(1, amount=1, status="pending")
    stripe = Stripe(charges=[charge(1)], events=[event(1, shown)])
    with serving(stripe) as server:
        records, cursor = read(server, cursor={"at": NOW - 60, "seen": []})
        assert records[0].raw["amount"] == "4800.00"
        assert cursor == {"at": NOW, "seen": ["evt_1"]}
        # The next run steps back and meets the event again, and one of the same second that it has not seen yet.
        stripe.lists["/v1/events"].insert(0, event(2, charge(7)))
        stripe.lists["/v1/charges"].append(charge(7))
        records, cursor = read(server, cursor=cursor)
    assert [record.external_id for record in records] == ["ch_7"]
    assert cursor["seen"] == ["evt_1", "evt_2"]
    asked = next(item for item in server.asked if item.path == "/v1/events")
    assert asked.query["created[gte]"] == str(NOW - 660)


def test_every_event_of_a_burst_is_read_over_page_limits():
    stripe = Stripe(charges=[charge(number) for number in range(7)],
                    events=[event(number, charge(number), created=NOW - 1) for number in range(7)])
    with serving(stripe) as server:
        records, _cursor = read(server, cursor={"at": NOW - 60, "seen": []})
    assert sorted(record.external_id for record in records) == [f"ch_{number}" for number in range(7)]


def test_no_stream_asks_for_more_event_types_than_stripe_allows():
    for feed in FEEDS.values():
        assert len(set(feed.event_types)) == len(feed.event_types) <= 20
        assert not any("*" in name for name in feed.event_types)


def test_an_intent_leads_to_its_latest_charge():
    intent = {"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1", "created": NOW}
    old_shape = {"id": "pi_1", "object": "payment_intent"}
    waiting = {"id": "pi_2", "object": "payment_intent", "latest_charge": None}
    kind = "payment_intent.succeeded"
    stripe = Stripe(charges=[charge(1)], payment_intents=[intent], events=[
        event(1, intent, kind), event(2, charge(1), "charge.succeeded"), event(3, waiting, kind)])
    with serving(stripe) as server:
        records, _cursor = read(server, cursor={"at": NOW - 60, "seen": []})
        assert [record.external_id for record in records] == ["ch_1"]
        assert sum(asked.path == "/v1/charges/ch_1" for asked in server.asked) == 1
        stripe.lists["/v1/events"] = [event(4, old_shape, kind)]
        records, _cursor = read(server, cursor={"at": NOW - 60, "seen": []})
    assert [record.external_id for record in records] == ["ch_1"]


def test_a_cursor_older_than_the_events_begins_with_the_lists_again():
    stripe = Stripe(charges=[charge(1)], refunds=[], disputes=[], events=[])
    with serving(stripe) as server:
        records, cursor = read(server, cursor={"at": NOW - 31 * 86400, "seen": ["evt_0"]})
        assert [record.external_id for record in records] == ["ch_1"]
        assert cursor == {"at": NOW, "seen": []}
        asked = len(server.asked)
        records, _cursor = read(server, cursor={"at": NOW - 28 * 86400, "seen": []})
    assert records == []
    assert len(server.asked) == asked + 1


def test_what_changes_while_the_lists_are_read_is_told_by_the_events_since():
    stripe = Stripe(charges=[charge(1), charge(2), charge(3)], refunds=[], disputes=[], events=[])
    with serving(stripe) as server:
        page = CONNECTOR.fetch_page(session(server), STREAMS["payment"], {}, OPTIONS)
        stripe.date += 3600
        _records, cursor = read(server, cursor=page.cursor)
    assert cursor["at"] == NOW


def test_a_row_deleted_between_two_pages_restarts_its_list():
    rows = [{"id": f"cus_{number}", "object": "customer", "name": "N", "created": NOW} for number in range(5)]
    stripe = Stripe(customers=rows, events=[])

    def handler(asked):
        if asked.query.get("starting_after") not in [None, *(row["id"] for row in rows)]:
            return Answer(400, {"error": {"code": "resource_missing", "message": "No such customer",
                                          "param": "starting_after"}})
        return stripe(asked)

    with serving(handler) as server:
        page = CONNECTOR.fetch_page(session(server), STREAMS["customer"], {}, OPTIONS)
        rows.pop(1)
        records, _cursor = read(server, "customer", page.cursor)
    assert {record.external_id for record in records} == {"cus_0", "cus_2", "cus_3", "cus_4"}


def test_the_same_page_again_and_again_is_noticed():
    answer = Answer(body={"object": "list", "has_more": True, "data": [charge(1)]})
    with serving(lambda asked: answer) as server:
        page = CONNECTOR.fetch_page(session(server), STREAMS["payment"], {}, OPTIONS)
        with pytest.raises(PoisonError, match="end"):
            CONNECTOR.fetch_page(session(server), STREAMS["payment"], page.cursor, OPTIONS)


def test_objects_of_the_other_mode_are_left_out_and_reported(caplog):
    stripe = Stripe(charges=[charge(1, livemode=True), charge(2)], refunds=[], disputes=[], events=[])
    with serving(stripe) as server:
        records, _cursor = read(server)
    assert [record.external_id for record in records] == ["ch_2"]
    assert "ch_1 is of the other mode" in caplog.text


def test_records_by_id():
    stripe = Stripe(charges=[charge(1)], refunds=[], customers=[{"id": "cus_9", "object": "customer", "deleted": True}])
    with serving(stripe) as server:
        one, gone, none = CONNECTOR.fetch_records(session(server), STREAMS["payment"], ["ch_1", "re_9", "nonsense"])
        (customer,) = CONNECTOR.fetch_records(session(server), STREAMS["customer"], ["cus_9"])
    assert (one.external_id, one.operation) == ("ch_1", "upsert")
    assert [(item.external_id, item.operation) for item in (gone, none, customer)] == [
        ("re_9", DELETE), ("nonsense", DELETE), ("cus_9", DELETE)]
    assert gone.version > one.version


def test_a_wrong_address_deletes_nothing():
    with serving(lambda asked: Answer(404, b"<html>not here</html>")) as server:
        with pytest.raises(DataError):
            CONNECTOR.fetch_records(session(server), STREAMS["payment"], ["ch_1"])


def test_a_later_read_has_a_later_version_within_and_across_seconds():
    stripe, versions = Stripe(charges=[charge(1)]), []
    with serving(stripe) as server:
        for step in (0, 0, 1):
            time.sleep(0.002)
            stripe.date += step
            versions.append(CONNECTOR.fetch_records(session(server), STREAMS["payment"], ["ch_1"])[0].version)
    assert versions == sorted(set(versions))


def test_the_version_goes_by_stripes_clock_first():
    class Read:
        date = datetime(2026, 9, 21, 13, 0, 0, tzinfo=timezone.utc)

    assert version_at(Read).startswith("2026-09-21T13:00:00.000Z/")


@pytest.mark.parametrize(("amount", "currency", "text"), [
    (480000, "eur", "4800.00"), (480000, "jpy", "480000"), (5000, "kwd", "5.000"), (500, "isk", "5.00"),
    (0, "usd", "0.00"), (-1234, "EUR", "-12.34"), (None, "eur", None),
])
def test_whole_numbers_become_decimal_texts(amount, currency, text):
    assert from_minor(amount, currency) == text


def test_a_payment_in_the_shared_vocabulary():
    raw = objects.charge(charge(1, payment_intent={"id": "pi_1", "metadata": {"odoo_reference": "account.move:57"}},
                                metadata={"odoo_invoice": "INV/2026/00007"}, description="Order 9"))
    payment = to_canonical(CONNECTOR, STREAMS["payment"], raw)
    assert payment["kind"] == "payment"
    assert (payment["amount"], payment["currency"]) == (Decimal("4800.00"), "EUR")
    assert (payment["fee"], payment["settled_amount"], payment["settlement_currency"]) == (
        Decimal("72.25"), Decimal("4800.00"), "EUR")
    assert payment["invoice_reference"] == "account.move:57"
    assert payment["party"] == Reference("Customer", "cus_1")
    assert payment["customer_email"] == "ada@nova.example"
    assert payment["succeeded"] is True
    assert payment["failed"] is False
    assert payment["of"] is None
    assert payment["description"] == "Order 9"


@pytest.mark.parametrize(("more", "reference"), [
    ({"metadata": {"odoo_reference": "account.move:1", "odoo_invoice": "I1"}}, "account.move:1"),
    ({"metadata": {"odoo_invoice": "I1"}, "payment_intent": {"id": "pi_1", "metadata": {"odoo_invoice": "I2"}}}, "I1"),
    ({"payment_intent": {"id": "pi_1", "metadata": {"odoo_invoice": "I2"},
                         "payment_details": {"order_reference": "I3"}}}, "I2"),
    ({"payment_intent": {"id": "pi_1", "payment_details": {"order_reference": "I3"}}}, "I3"),
    ({"description": "Invoice I4"}, None),
    ({"payment_intent": "pi_1"}, None),
])
def test_which_invoice_a_payment_names(more, reference):
    assert objects.charge(charge(1, **more))["invoice_reference"] == reference


@pytest.mark.parametrize(("more", "succeeded", "failed", "fee"), [
    ({}, True, False, "72.25"),
    ({"status": "pending", "balance_transaction": None}, False, False, None),
    ({"status": "failed", "balance_transaction": None}, False, True, None),
    ({"captured": False, "amount_captured": 0, "balance_transaction": None}, False, False, None),
    ({"captured": False, "amount_captured": 0, "refunded": True, "balance_transaction": "txn_1"}, False, True, None),
])
def test_states_of_a_charge(more, succeeded, failed, fee):
    raw = objects.charge(charge(1, **more))
    assert (raw["succeeded"], raw["failed"], raw["fee"], raw["amount"]) == (succeeded, failed, fee, "4800.00")


def test_a_partly_captured_charge_is_what_was_captured():
    assert objects.charge(charge(1, amount_captured=100000))["amount"] == "1000.00"


@pytest.mark.parametrize(("status", "transactions", "kind", "succeeded", "failed", "fee", "settled"), [
    ("warning_needs_response", [], "dispute", False, False, None, None),
    ("warning_closed", [], "dispute", False, True, None, None),
    ("needs_response", [transaction(1, -1000, 1500)], "dispute", True, False, "15.00", "10.00"),
    ("lost", [transaction(1, -1000, 1500)], "dispute", True, False, "15.00", "10.00"),
    ("won", [transaction(1, -1000, 1500), transaction(2, 1000, -1500)], "dispute_won", True, False, "0.00", "10.00"),
])
def test_states_of_a_dispute(status, transactions, kind, succeeded, failed, fee, settled):
    raw = objects.dispute({"id": "du_1", "object": "dispute", "amount": 1000, "currency": "eur", "charge": "ch_1",
                           "status": status, "created": NOW, "balance_transactions": transactions})
    assert (raw["kind"], raw["succeeded"], raw["failed"], raw["fee"], raw["settled_amount"]) == (
        kind, succeeded, failed, fee, settled)
    assert to_canonical(CONNECTOR, STREAMS["payment"], raw)["of"] == Reference("Payment", "ch_1")


@pytest.mark.parametrize(("status", "succeeded", "failed"), [
    ("pending", False, False), ("requires_action", False, False), ("succeeded", True, False), ("failed", False, True),
    ("canceled", False, True),
])
def test_states_of_a_refund(status, succeeded, failed):
    raw = objects.refund({"id": "re_1", "object": "refund", "amount": 1000, "currency": "eur", "charge": "ch_1",
                          "status": status, "created": NOW, "balance_transaction": transaction(1, -1000)})
    assert (raw["kind"], raw["succeeded"], raw["failed"], raw["settled_amount"]) == (
        "refund", succeeded, failed, "10.00")


def payout(**more):
    return {"id": "po_1", "object": "payout", "amount": 471275, "currency": "eur", "arrival_date": NOW, "created": NOW,
            "status": "paid", "reconciliation_status": "completed", "livemode": False, **more}


def test_a_payout_is_read_with_all_that_it_consists_of():
    rows = [transaction(0, -471275, kind="payout", source="po_1"), transaction(1, 480000, 7225),
            transaction(2, -1000, kind="refund", source="re_1"), transaction(3, -500, kind="stripe_fee", source=None)]
    stripe = Stripe(payouts=[payout()], balance_transactions=rows, events=[])
    with serving(stripe) as server:
        records, _cursor = read(server, "payout")
        asked = next(item for item in server.asked if item.path == "/v1/balance_transactions")
    found = to_canonical(CONNECTOR, STREAMS["payout"], records[0].raw)
    assert asked.query["payout"] == "po_1"
    assert found["amount"] == sum(line["net"] for line in found["lines"]) == Decimal("4712.75")
    assert (found["succeeded"], found["failed"], found["complete"]) == (True, False, True)
    assert [(line["payment_id"], line["kind"]) for line in found["lines"]] == [
        ("ch_1", "charge"), ("re_1", "refund"), (None, "stripe_fee")]


def test_a_payout_whose_lines_are_missing_is_not_complete():
    assert objects.payout(payout(), [transaction(1, 480000, 7225)])["complete"] is False
    assert objects.payout(payout(reconciliation_status="in_progress"), None)["complete"] is False
    back = objects.payout(payout(status="failed"), None)
    assert (back["succeeded"], back["failed"], back["lines"]) == (False, True, [])


def test_no_lines_are_asked_for_before_the_payout_is_settled():
    stripe = Stripe(payouts=[payout(reconciliation_status="in_progress")], events=[])
    with serving(stripe) as server:
        records, _cursor = read(server, "payout")
    assert records[0].raw["lines"] == []


@pytest.mark.parametrize(("key", "words"), [
    ("pk_test_1", "publishable"), ("", "begin with"), ("whsec_1", "begin with"), ("sk_test_a b", "begin with")])
def test_keys_that_cannot_be(key, words):
    with serving(lambda asked: Answer()) as server:
        with pytest.raises(ConnectionRefusedByVendor, match=words):
            CONNECTOR.fetch_records(session(server, key), STREAMS["payment"], ["ch_1"])
        (line,) = CONNECTOR.check(session(server, key))
    assert not line.ok
    assert server.asked == []


def refusal(status, code="", kind="invalid_request_error", message="no", **headers):
    error = {"type": kind, "message": message, **({"code": code} if code else {})}
    return Answer(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(("answer", "expected", "code"), [
    (refusal(401, message="Invalid API Key provided: sk_test_secret"), ConnectionRefusedByVendor, ""),
    (refusal(403, message="Having the 'rak_charge_read' permission would help"), MissingScopeError, ""),
    (refusal(400, message="The key does not have the required permissions"), MissingScopeError, ""),
    (refusal(400, "rate_limit"), TransientError, "rate_limit"),
    (refusal(400, "parameter_missing"), DataError, "parameter_missing"),
    (refusal(400, kind="idempotency_error"), DataError, "idempotency_error"),
    (refusal(402, kind="card_error"), DataError, "card_error"),
    (refusal(409, "lock_timeout"), TransientError, "lock_timeout"),
    (refusal(429, "lock_timeout"), TransientError, "lock_timeout"),
    (refusal(429), TransientError, ""), (refusal(409), TransientError, ""), (refusal(424), TransientError, ""),
    (refusal(500, kind="api_error"), TransientError, "api_error"),
    (Answer(503, b"<html>"), TransientError, "http_503"),
    (refusal(500, Stripe_Should_Retry="false"), DataError, ""),
    (refusal(400, Stripe_Should_Retry="true"), TransientError, ""),
    (Answer(200, b"<html>"), PoisonError, "html_body"),
    (Answer(200, b'{"id": "ch_1", "obj'), TransientError, "cut_body"),
])
def test_what_an_answer_means(answer, expected, code):
    with serving(lambda asked: answer) as server:
        with pytest.raises(expected) as caught:
            CONNECTOR.fetch_records(session(server), STREAMS["payment"], ["ch_1"])
    assert type(caught.value) is expected
    assert code in caught.value.code
    assert "secret" not in str(caught.value)
    if isinstance(caught.value, MissingScopeError) and answer.status == 403:
        assert caught.value.missing == ("rak_charge_read",)


def test_retry_after_is_kept():
    with serving(lambda asked: refusal(429, Retry_After="7")) as server:
        with pytest.raises(TransientError) as caught:
            CONNECTOR.fetch_records(session(server), STREAMS["payment"], ["ch_1"])
    assert caught.value.retry_after == 7


def test_the_check_names_what_cannot_be_read():
    def handler(asked):
        if asked.path == "/v1/disputes":
            return refusal(403, message="Having the 'rak_dispute_read' permission would help")
        return Answer(body={"object": "list", "has_more": False, "data": []})

    with serving(handler) as server:
        lines = {line.code: line for line in CONNECTOR.check(session(server))}
    assert {code for code, line in lines.items() if not line.ok} == {"payment"}
    assert lines["payment"].blocks == ("payment",)
    assert "rak_dispute_read" in lines["payment"].message
    assert "test mode" in lines["login"].message


def test_a_refused_key_is_the_checks_only_line():
    with serving(lambda asked: refusal(401)) as server:
        (line,) = CONNECTOR.check(session(server))
    assert (line.ok, line.blocks) == (False, ())


def test_nothing_secret_is_logged(caplog):
    caplog.set_level("DEBUG")
    stripe = Stripe(charges=[charge(1)], refunds=[], disputes=[], events=[])
    with serving(stripe) as server:
        read(server)
    assert "/v1/charges" in caplog.text
    assert "rk_test_1" not in caplog.text
