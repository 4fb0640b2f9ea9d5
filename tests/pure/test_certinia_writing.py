from datetime import timedelta

import pytest
from mini_org import NOW, MiniOrg, field, text
from wire_server import serving, session_for

from connectors import get
from connectors.base import PushItem
from connectors.certinia.billing_status import BLOCK, CHUNK, numbers_of, plan
from connectors.certinia.streams import DAY, DAYS, EXPENSE, MILESTONE, SPLIT
from connectors.errors import ConflictError, DataError, NotFoundError
from connectors.salesforce.ids import to_18
from connectors.salesforce.status_fields import FIELDS

PACKAGE = get("certinia")
(OUTBOUND,) = PACKAGE.outbound
POSTED = {"event": "posted", "invoiced": True, "invoice_number": "INV1", "invoice_date": "2026-07-03",
          "payment_state": "not_paid", "amount_total": "100.00", "amount_residual": "100.00", "currency": "EUR",
          "credit_note": None, "url": "https://odoo.example/1"}
CREDITED = {**POSTED, "event": "credited", "invoiced": False, "credit_note": "RINV1"}
EMPTY = {"pse__Invoiced__c": False, "pse__Billed__c": False, "pse__Bill_Date__c": None,
         "pse__Invoice_Number__c": None, "pse__Invoice_Date__c": None}
INVOICED = {"pse__Invoiced__c": True, "pse__Billed__c": True, "pse__Bill_Date__c": "2026-07-03",
            "pse__Invoice_Number__c": "INV1", "pse__Invoice_Date__c": "2026-07-03"}


# --- the plan ---


def test_a_first_invoice_sets_all_five_fields():
    assert plan(EMPTY, [POSTED], True) == (INVOICED, {"INV1"})


def test_what_stands_there_already_is_not_written():
    assert plan(INVOICED, [POSTED], True) == ({}, {"INV1"})
    assert plan(INVOICED, [{**POSTED, "event": "paid", "payment_state": "paid"}], True) == ({}, {"INV1"})


def test_another_hands_invoice_is_a_conflict():
    with pytest.raises(ConflictError) as caught:
        plan({**INVOICED, "pse__Invoice_Number__c": "OTHER"}, [POSTED], True)
    assert (caught.value.ours, caught.value.theirs) == ("INV1", "OTHER")
    with pytest.raises(ConflictError):
        plan({**INVOICED, "pse__Invoice_Number__c": None}, [POSTED], True)


def test_a_record_in_a_billing_event_is_a_conflict():
    with pytest.raises(ConflictError, match="billing event"):
        plan({**EMPTY, "pse__Billing_Event_Item__c": "a0I"}, [POSTED], True)


def test_a_locked_bill_date_is_left_alone():
    change, _numbers = plan({**EMPTY, "pse__Billed__c": True, "pse__Bill_Date__c": "2026-06-30"}, [POSTED], True)
    assert "pse__Bill_Date__c" not in change
    assert "pse__Billed__c" not in change
    assert change["pse__Invoiced__c"] is True


def test_a_credit_clears_all_five_fields():
    assert plan(INVOICED, [CREDITED], True) == (EMPTY, set())
    assert plan(EMPTY, [CREDITED], True) == ({}, set())


def test_a_credit_of_some_days_leaves_the_timecard_invoiced():
    assert plan(INVOICED, [CREDITED], False) == ({}, {"INV1"})
    assert plan(INVOICED, [CREDITED, POSTED], True) == ({}, {"INV1"})


def test_days_on_two_invoices_show_both_numbers_and_keep_the_date():
    second = {**POSTED, "invoice_number": "INV2", "invoice_date": "2026-08-01"}
    assert plan(EMPTY, [POSTED, second], True)[0]["pse__Invoice_Number__c"] == "INV1, INV2"
    assert plan(EMPTY, [POSTED, second], True)[0]["pse__Invoice_Date__c"] == "2026-08-01"
    ours = {**INVOICED, "Odoo_Invoice_Number__c": "INV1"}
    assert plan(ours, [second], False) == ({"pse__Invoice_Number__c": "INV1, INV2"}, {"INV1", "INV2"})
    assert plan({**ours, "pse__Invoice_Number__c": "INV1, INV2"}, [second], False) == ({}, {"INV1", "INV2"})
    with pytest.raises(ConflictError):
        plan(INVOICED, [second], False)  # nothing says that INV1 is ours


def test_our_credit_does_not_touch_another_hands_invoice():
    assert plan({**INVOICED, "pse__Invoice_Number__c": "OTHER"}, [CREDITED], True) == ({}, {"OTHER"})


def test_incomplete_values_are_refused():
    for change in ({"invoice_number": ""}, {"invoice_date": ""}, {"invoice_number": "X" * 81}):
        with pytest.raises(DataError):
            plan(EMPTY, [{**POSTED, **change}], True)


def test_number_lists():
    assert numbers_of("A, B,,C") == {"A", "B", "C"}
    assert numbers_of(None) == set()


# --- the calls ---


def record_id(prefix, number):
    return to_18(f"{prefix}5g00000{number:05d}")


def split_row(number, project="p1"):
    return {"Id": record_id("a2S", number), "pse__Project__c": project, "pse__Start_Date__c": "2026-06-29",
            "pse__End_Date__c": "2026-06-30", "pse__Monday_Hours__c": 8, "pse__Tuesday_Hours__c": 8,
            "pse__Total_Hours__c": 16, "SystemModstamp": text(NOW - timedelta(days=1)), **EMPTY}


def package_rules(source, row, change):
    """The validation rules of the package that this write has to respect."""
    after = {**row, **change}
    if not after["pse__Invoiced__c"] and (after["pse__Invoice_Number__c"] or after["pse__Invoice_Date__c"]):
        return {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                "message": "Invoice Number or Date is not allowed on record unless it is invoiced"}
    if after["pse__Invoiced__c"] and not after["pse__Billed__c"]:
        return {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Invoiced requires Billed"}
    if row["pse__Invoiced__c"] and after["pse__Invoiced__c"] and (
            after["pse__Invoice_Date__c"] != row["pse__Invoice_Date__c"]):
        return {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Invoice date is locked"}
    return None


@pytest.fixture
def org():
    splits = {row["Id"]: row for row in (split_row(number, f"p{number % 3}") for number in range(120))}
    simple = {"pse__Project__c": "p1", "SystemModstamp": text(NOW - timedelta(days=1)), **EMPTY}
    fields = [field("Id"), field("SystemModstamp"), field("pse__Project__c"), *(field(name) for name in BLOCK)]
    split_fields = [*fields, field("pse__Start_Date__c"), field("pse__End_Date__c"), field("pse__Total_Hours__c"),
                    *(field(f"pse__{day}_Hours__c") for day in DAYS), *(field(name) for name in FIELDS)]
    org = MiniOrg({
        SPLIT: splits, MILESTONE: {record_id("a1M", 1): {"Id": record_id("a1M", 1), **simple}},
        EXPENSE: {record_id("a2E", 1): {"Id": record_id("a2E", 1), **simple}},
    }, {SPLIT: split_fields, MILESTONE: fields, EXPENSE: fields})
    org.rule = package_rules
    return org


def day(number, date, values=POSTED, key=None):
    return PushItem(key or f"{number}:{date}", DAY, f"{record_id('a2S', number)}:{date}", values)


def push(server, *items):
    return {result.key: result for result in PACKAGE.push(session_for(server.url), OUTBOUND, list(items))}


def test_the_days_of_a_timecard_become_one_write(org):
    with serving(org) as server:
        results = push(server, day(1, "2026-06-29"), day(1, "2026-06-30"))
        (call,) = (asked for asked in server.asked if asked.method == "PATCH")
    assert len(call.json["records"]) == 1
    assert {result.error for result in results.values()} == {None}
    assert len(results) == 2
    row = org.tables[SPLIT][record_id("a2S", 1)]
    assert {name: row[name] for name in BLOCK} == INVOICED
    assert row["Odoo_Payment_State__c"] == "not_paid"
    assert row["Odoo_Invoice_Number__c"] == "INV1"
    assert results["1:2026-06-29"].version == results["1:2026-06-30"].version == "2026-07-03T12:00:00.000Z"


def test_all_three_objects_in_one_push(org):
    with serving(org) as server:
        results = push(server, day(1, "2026-06-29"), PushItem("m", MILESTONE, record_id("a1M", 1), POSTED),
                       PushItem("e", EXPENSE, record_id("a2E", 1), POSTED))
    assert all(result.error is None for result in results.values())
    assert org.tables[MILESTONE][record_id("a1M", 1)]["pse__Invoice_Number__c"] == "INV1"
    assert org.tables[EXPENSE][record_id("a2E", 1)]["pse__Billed__c"] is True


def test_a_second_push_writes_nothing_and_a_payment_only_its_own_fields(org):
    with serving(org) as server:
        days = [day(1, "2026-06-29"), day(1, "2026-06-30")]
        push(server, *days)
        server.asked.clear()
        assert not any(result.written for result in push(server, *days).values())
        assert not any(asked.method == "PATCH" for asked in server.asked)
        push(server, day(1, "2026-06-30", {**POSTED, "event": "paid", "payment_state": "paid",
                                           "amount_residual": "0.00"}))
        (call,) = (asked for asked in server.asked if asked.method == "PATCH")
    assert set(call.json["records"][0]) == {"attributes", "id", "Odoo_Payment_State__c", "Odoo_Amount_Residual__c"}


def test_a_credit_of_the_whole_timecard_makes_it_eligible_again(org):
    with serving(org) as server:
        push(server, day(1, "2026-06-29"), day(1, "2026-06-30"))
        results = push(server, day(1, "2026-06-29", CREDITED), day(1, "2026-06-30", CREDITED))
    assert all(result.error is None for result in results.values())
    row = org.tables[SPLIT][record_id("a2S", 1)]
    assert {name: row[name] for name in BLOCK} == EMPTY
    assert row["Odoo_Invoice_State__c"] == "credited"
    assert row["Odoo_Invoice_Number__c"] is None


def test_a_credit_of_one_day_leaves_the_flag_and_a_new_invoice_adds_its_number(org):
    with serving(org) as server:
        push(server, day(1, "2026-06-29"), day(1, "2026-06-30"))
        push(server, day(1, "2026-06-29", CREDITED))
        row = org.tables[SPLIT][record_id("a2S", 1)]
        assert row["pse__Invoiced__c"] is True
        results = push(server, day(1, "2026-06-29", {**POSTED, "invoice_number": "INV2", "invoice_date": "2026-08-01"}))
    assert results["1:2026-06-29"].error is None
    assert row["pse__Invoice_Number__c"] == "INV1, INV2"
    assert row["pse__Invoice_Date__c"] == "2026-07-03"


def test_conflicts_refusals_and_losses_concern_one_record_only(org):
    rows = org.tables[SPLIT]
    rows[record_id("a2S", 1)].update(INVOICED, pse__Invoice_Number__c="OTHER")
    del rows[record_id("a2S", 2)]
    org.rule = lambda source, row, change: row["Id"] == record_id("a2S", 3) and {
        "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Only the PSA may bill this"}
    with serving(org) as server:
        results = push(server, *(day(number, "2026-06-29") for number in range(1, 5)))
    assert isinstance(results["1:2026-06-29"].error, ConflictError)
    assert isinstance(results["2:2026-06-29"].error, NotFoundError)
    assert "Only the PSA may bill this" in str(results["3:2026-06-29"].error)
    assert results["4:2026-06-29"].error is None
    assert rows[record_id("a2S", 1)]["pse__Invoice_Number__c"] == "OTHER"


def test_calls_are_small_and_sorted_by_project(org):
    with serving(org) as server:
        push(server, *(day(number, "2026-06-29") for number in range(120)))
        calls = [asked.json["records"] for asked in server.asked if asked.method == "PATCH"]
    assert [len(records) for records in calls] == [CHUNK, CHUNK, 20]
    projects = [org.tables[SPLIT][record["id"]]["pse__Project__c"] for records in calls for record in records]
    assert projects == sorted(projects)


def test_without_the_right_to_edit_nothing_is_tried(org):
    org.fields[MILESTONE] = [{**entry, "updateable": entry["name"] != "pse__Invoiced__c"}
                             for entry in org.fields[MILESTONE]]
    with serving(org) as server:
        results = push(server, PushItem("m", MILESTONE, record_id("a1M", 1), POSTED))
        assert not any(asked.method == "PATCH" for asked in server.asked)
    assert "pse__Invoiced__c" in str(results["m"].error)


def test_an_object_that_cannot_be_seen_stops_its_own_items_only(org):
    del org.fields[MILESTONE]
    with serving(org) as server:
        results = push(server, PushItem("m", MILESTONE, record_id("a1M", 1), POSTED), day(1, "2026-06-29"))
    assert isinstance(results["m"].error, DataError)
    assert results["1:2026-06-29"].error is None
