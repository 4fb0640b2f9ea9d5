from datetime import timedelta
from decimal import Decimal

import pytest
from mini_org import NOW, ROOT, MiniOrg, field, text
from wire_server import Answer, serving, session_for

from connectors import get
from connectors.base import PushItem
from connectors.errors import ConflictError, DataError, NotFoundError, TransientError
from connectors.salesforce import collections
from connectors.salesforce.client import client_of
from connectors.salesforce.ids import to_18
from connectors.salesforce.status_fields import FIELDS

CONNECTOR = get("salesforce")
(OUTBOUND,) = CONNECTOR.outbound
POSTED = {"event": "posted", "invoiced": True, "invoice_number": "INV/2026/00417", "invoice_date": "2026-07-03",
          "payment_state": "not_paid", "amount_total": "3173.06", "amount_residual": "3173.06", "currency": "EUR",
          "credit_note": None, "url": "https://odoo.example/odoo/accounting/7"}


def deal_id(number):
    return to_18(f"0065g00000{number:05d}")


def item(number, key=None, **values):
    return PushItem(key or f"k{number}", "Opportunity", deal_id(number), {**POSTED, **values})


@pytest.fixture
def org():
    rows = {deal_id(number): {"Id": deal_id(number), "SystemModstamp": text(NOW - timedelta(days=1))}
            for number in range(60)}
    fields = [field("Id"), field("SystemModstamp"), *(field(name) for name in FIELDS)]
    return MiniOrg({"Opportunity": rows}, {"Opportunity": fields})


def push(server, *items):
    return {result.key: result for result in CONNECTOR.push(session_for(server.url), OUTBOUND, list(items))}


def test_status_is_written_and_its_version_known(org):
    with serving(org) as server:
        results = push(server, item(1), item(2, invoice_number="INV/2", amount_residual="0.00", event="paid",
                                             payment_state="paid"))
    row = org.tables["Opportunity"][deal_id(1)]
    assert row["Odoo_Invoice_Number__c"] == "INV/2026/00417"
    assert row["Odoo_Invoice_Date__c"] == "2026-07-03"
    assert row["Odoo_Amount_Residual__c"] == 3173.06
    assert row["Odoo_Invoice_State__c"] == "posted"
    assert row["Odoo_Invoice_Url__c"].startswith("https://")
    assert org.tables["Opportunity"][deal_id(2)]["Odoo_Payment_State__c"] == "paid"
    assert org.tables["Opportunity"][deal_id(2)]["Odoo_Invoice_State__c"] == "posted"
    assert all(result.error is None and result.written for result in results.values())
    assert results["k1"].version == "2026-07-03T12:00:00.000Z"


def test_equal_values_are_success_without_a_write(org):
    with serving(org) as server:
        push(server, item(1))
        server.asked.clear()
        results = push(server, item(1, amount_residual="3173.0600"))
        assert results["k1"].error is None
        assert not results["k1"].written
        assert not any(asked.method == "PATCH" for asked in server.asked)


def test_only_what_differs_is_sent(org):
    with serving(org) as server:
        push(server, item(1))
        server.asked.clear()
        push(server, item(1, payment_state="paid", amount_residual="0"))
        (call,) = (asked for asked in server.asked if asked.method == "PATCH")
    (record,) = call.json["records"]
    assert set(record) == {"attributes", "id", "Odoo_Payment_State__c", "Odoo_Amount_Residual__c"}
    assert call.json["allOrNone"] is False


def test_the_newest_status_of_a_deal_wins(org):
    with serving(org) as server:
        results = push(server, item(1, "old", payment_state="not_paid"), item(1, "new", payment_state="paid"))
    assert org.tables["Opportunity"][deal_id(1)]["Odoo_Payment_State__c"] == "paid"
    assert results["old"].error is None
    assert results["new"].error is None


def test_one_refused_record_leaves_the_others(org):
    org.rule = lambda source, row, change: row["Id"] == deal_id(2) and {
        "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Closed deals are frozen", "fields": []}
    with serving(org) as server:
        results = push(server, item(1), item(2), item(3), PushItem("gone", "Opportunity", deal_id(99), POSTED))
    assert results["k1"].error is None
    assert results["k3"].error is None
    assert type(results["k2"].error) is DataError
    assert "Closed deals are frozen" in str(results["k2"].error)
    assert isinstance(results["gone"].error, NotFoundError)


def test_a_value_that_the_org_changes_is_a_conflict(org):
    def rule(source, row, change):
        change["Odoo_Invoice_Number__c"] = "SOMETHING ELSE"

    org.rule = rule
    with serving(org) as server:
        error = push(server, item(1))["k1"].error
    assert isinstance(error, ConflictError)
    assert error.ours == {"Odoo_Invoice_Number__c": "INV/2026/00417"}
    assert error.theirs == {"Odoo_Invoice_Number__c": "SOMETHING ELSE"}


def test_fields_that_do_not_exist_are_left_out_and_without_any_nothing_is_claimed(org):
    org.fields["Opportunity"] = [entry for entry in org.fields["Opportunity"]
                                 if entry["name"] in ("Id", "SystemModstamp", "Odoo_Payment_State__c")]
    with serving(org) as server:
        assert push(server, item(1))["k1"].error is None
        assert "Odoo_Invoice_Number__c" not in org.tables["Opportunity"][deal_id(1)]
        org.fields["Opportunity"] = [{**entry, "updateable": False} for entry in org.fields["Opportunity"]]
        assert isinstance(push(server, item(1))["k1"].error, DataError)


def test_unreadable_values_hold_that_record_only(org):
    with serving(org) as server:
        results = push(server, item(1, invoice_date="soon"), item(2))
    assert isinstance(results["k1"].error, DataError)
    assert results["k2"].error is None


def test_a_lost_answer_is_settled_by_looking_first(org):
    """The write took effect, its answer was lost: the repeated push finds the values and writes nothing."""
    lost = [None, Answer(raw=b"")]

    with serving(org) as server:
        original = org._answer

        def answer(asked):
            result = original(asked)
            if asked.method == "PATCH" and lost:
                lost.clear()
                return Answer(raw=b"")
            return result

        org._answer = answer
        with pytest.raises(TransientError) as caught:
            push(server, item(1))
        assert caught.value.maybe_done
        results = push(server, item(1))
    assert results["k1"].error is None
    assert not results["k1"].written


def test_a_call_that_is_too_large_is_halved(org):
    def answer(asked):
        if asked.method == "PATCH" and len(asked.json["records"]) > 10:
            return Answer(400, [{"errorCode": "OPERATION_TOO_LARGE", "message": "exceeded"}])
        return original(asked)

    original, org._answer = org._answer, answer
    with serving(org) as server:
        results = push(server, *(item(number) for number in range(60)))
        assert all(result.error is None for result in results.values())
        assert max(len(asked.json["records"]) for asked in server.asked
                   if asked.method == "PATCH") == 60


def test_a_locked_row_is_a_matter_for_another_try(org):
    org.rule = lambda source, row, change: {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain access"}
    with serving(org) as server:
        assert isinstance(push(server, item(1))["k1"].error, TransientError)


def test_an_answer_for_another_number_of_records_is_doubted(org):
    org.fail[("PATCH", f"{ROOT}/composite/sobjects")] = Answer(body=[])
    with serving(org) as server, pytest.raises(TransientError) as caught:
        push(server, item(1))
    assert caught.value.maybe_done


def test_upsert_by_external_id():
    def handler(asked):
        assert asked.path == f"{ROOT}/composite/sobjects/Account/Odoo_Id__c"
        return Answer(body=[
            {"id": deal_id(1), "success": True, "errors": [], "created": False},
            {"success": False, "errors": [{"errorCode": "REQUIRED_FIELD_MISSING", "message": "Required: [Name]"}]}])

    with serving(handler) as server:
        outcome = collections.upsert(client_of(session_for(server.url)), "Account", "Odoo_Id__c", {
            "ODOO-1": {"Name": "A", "Open__c": Decimal("12400.50")}, "ODOO-2": {"Name": ""}})
        assert b"12400.50" in server.asked[0].body
    assert outcome["ODOO-1"] == (deal_id(1), None)
    assert isinstance(outcome["ODOO-2"][1], DataError)


@pytest.mark.parametrize(("ours", "theirs", "equal"), [
    (Decimal("10.00"), 10, True), (Decimal("10"), Decimal("10.0"), True), (Decimal(0), None, False), (None, "", True),
    (True, True, True), (False, None, False), (True, 1, False), ("a", "a", True), ("a", "b", False),
    ("2026-07-03", "2026-07-03", True), (Decimal(1), "x", False),
])
def test_sameness(ours, theirs, equal):
    assert collections.same(ours, theirs) is equal
