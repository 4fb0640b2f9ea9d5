import json
from datetime import date, timedelta
from decimal import Decimal

import jmespath
import pytest
from default_map import to_canonical
from hypothesis import given
from hypothesis import strategies as st

from connectors import get, jsontext
from connectors.canonical import CODE, TYPES, Reference
from connectors.certinia.timecards import split_days
from connectors.errors import DataError
from connectors.money import distribute, smallest_unit

PACKAGE = get("certinia")
STREAMS = {stream.code: stream for stream in PACKAGE.streams}
SPLIT = "a2S5g00000Ts2DdEAJ"
HEADER = "pse__Timecard_Header__r"

# Month-end cut: Monday and Tuesday of the week that begins on 29 June.
RAW = jsontext.loads("""{
 "Id":"a2S5g00000Ts2DdEAJ","Name":"TC-07-01-2026-018822",
 "pse__Project__c":"a1P5g00000Pj8AaEAJ","pse__Assignment__c":"a0A5g00000As7JjEAJ",
 "pse__Resource__c":"0035g00000Rs7TuAAJ","pse__Milestone__c":null,
 "pse__Start_Date__c":"2026-06-29","pse__End_Date__c":"2026-06-30","pse__Monday_Hours__c":8.0,
 "pse__Tuesday_Hours__c":7.5,"pse__Total_Hours__c":15.5,"pse__Total_Billable_Amount__c":2325.0,
 "CurrencyIsoCode":"EUR","pse__Status__c":"Approved","pse__Approved__c":true,"pse__Include_In_Financials__c":true,
 "pse__Billable__c":true,"pse__Billing_Hold__c":false,"pse__Exclude_from_Billing__c":false,"pse__Billed__c":false,
 "pse__Invoiced__c":false,"pse__Billing_Event_Item__c":null,"pse__Tuesday_Notes__c":"Workshop",
 "pse__Timecard_Notes__c":"Week","pse__Assignment__r":{"pse__Role__c":"Consultant"},
 "pse__Timecard_Header__r":{"Name":"TCH-07-01-2026-009410","pse__Start_Date__c":"2026-06-29","pse__Bill_Rate__c":150.0,
 "pse__Daily_Bill_Rate__c":false,"pse__Approver__c":"0055g00000Uv1WxAAJ"}}""")


def days(raw):
    return {part.external_id.partition(":")[2]: part for part in split_days(raw, SPLIT)}


def worked(raw):
    return {day: (part.raw["day"]["hours"], part.raw["day"]["amount"]) for day, part in days(raw).items()}


def apply_mapping(stream_code, raw):
    return to_canonical(PACKAGE, STREAMS[stream_code], raw)


def test_each_day_with_hours_is_a_part():
    assert worked(RAW) == {"2026-06-29": (Decimal("8.0"), Decimal("1200.00")),
                           "2026-06-30": (Decimal("7.5"), Decimal("1125.00"))}
    part = days(RAW)["2026-06-30"]
    assert (part.object_type, part.canonical_type) == ("pse__Timecard__c#day", "time")
    assert part.external_id == f"{SPLIT}:2026-06-30"


def test_a_day_in_the_vocabulary():
    record = apply_mapping("timecard", days(RAW)["2026-06-30"].raw)
    assert record["work_date"] == date(2026, 6, 30)
    assert record["hours"] == Decimal("7.5")
    assert record["source_amount"] == Decimal("1125.00")
    assert record["resource"] == Reference("Contact#resource", "0035g00000Rs7TuAAJ")
    assert record["assignment"] == Reference("pse__Assignment__c", "a0A5g00000As7JjEAJ")
    assert record["approved_by"] == Reference("User", "0055g00000Uv1WxAAJ")
    assert record["approved"] is True
    assert record["billable"] is True
    assert record["billed_at_source"] is False
    assert record["held_at_source"] is False
    assert (record["role"], record["currency"], record["description"], record["sheet"]) == (
        "Consultant", "EUR", "Workshop", "TCH-07-01-2026-009410")
    assert apply_mapping("timecard", days(RAW)["2026-06-29"].raw)["description"] == "Week"


@pytest.mark.parametrize(("change", "field", "value"), [
    ({"pse__Include_In_Financials__c": False}, "approved", False),
    ({"pse__Approved__c": False}, "approved", False),
    ({"pse__Billing_Event_Item__c": "a0I5g00000Bi6HhEAJ"}, "billed_at_source", True),
    ({"pse__Billed__c": True}, "billed_at_source", True),
    ({"pse__Invoiced__c": True, "pse__Invoice_Number__c": "X-1"}, "billed_number", "X-1"),
    ({"pse__Billing_Hold__c": True}, "held_at_source", True),
    ({"pse__Exclude_from_Billing__c": True}, "excluded_at_source", True),
])
def test_flags(change, field, value):
    assert apply_mapping("timecard", days({**RAW, **change})["2026-06-29"].raw)[field] == value


def test_a_day_that_lost_its_hours_is_no_part():
    changed = {**RAW, "pse__Tuesday_Hours__c": 0, "pse__Total_Billable_Amount__c": Decimal("1200")}
    assert worked(changed) == {"2026-06-29": (Decimal("8.0"), Decimal("1200"))}


def test_hours_of_days_outside_the_split_are_not_counted_twice():
    """The fields are copies of the header's week; the split speaks only for its own days."""
    assert "2026-07-01" not in worked({**RAW, "pse__Wednesday_Hours__c": 8})


def test_a_week_that_begins_on_sunday():
    raw = {**RAW, "pse__Start_Date__c": "2026-06-28", "pse__End_Date__c": "2026-06-30", "pse__Sunday_Hours__c": 2}
    assert sorted(worked(raw)) == ["2026-06-28", "2026-06-29", "2026-06-30"]


def test_negative_hours_correct():
    raw = {**RAW, "pse__Monday_Hours__c": Decimal("-8"), "pse__Tuesday_Hours__c": 0,
           "pse__Total_Billable_Amount__c": Decimal("-1200.00")}
    assert worked(raw) == {"2026-06-29": (Decimal("-8"), Decimal("-1200.00"))}


def test_without_an_amount_the_days_have_none():
    assert {amount for _hours, amount in worked({**RAW, "pse__Total_Billable_Amount__c": None}).values()} == {None}


def test_rates_by_day_share_the_amount_by_value():
    header = {**RAW[HEADER], "pse__Dated_Bill_Rates_Apply__c": True, "pse__Monday_Bill_Rate__c": 100,
              "pse__Tuesday_Bill_Rate__c": 200}
    raw = {**RAW, HEADER: header, "pse__Tuesday_Hours__c": 8, "pse__Total_Billable_Amount__c": Decimal(2400)}
    assert [amount for _hours, amount in worked(raw).values()] == [Decimal(800), Decimal(1600)]


def test_yen_have_no_cents():
    raw = {**RAW, "CurrencyIsoCode": "JPY", "pse__Monday_Hours__c": 1, "pse__Tuesday_Hours__c": 2,
           "pse__Total_Billable_Amount__c": Decimal(1000)}
    assert [amount for _hours, amount in worked(raw).values()] == [Decimal(333), Decimal(667)]


# --- logged in days ---

IN_DAYS = {**RAW, "pse__Monday_Hours__c": 0, "pse__Tuesday_Hours__c": 0, "pse__Total_Days_Worked__c": Decimal("1.5"),
           HEADER: {**RAW[HEADER], "pse__Time_Logged_In_Days__c": True, "pse__Monday_Days__c": 1,
                    "pse__Tuesday_Days__c": Decimal("0.5")}}


def test_days_share_the_hours_that_the_timecard_states():
    raw = {**IN_DAYS, "pse__Total_Hours__c": Decimal("11.25"), "pse__Total_Billable_Amount__c": Decimal(900)}
    assert worked(raw) == {"2026-06-29": (Decimal("7.50"), Decimal("600.00")),
                           "2026-06-30": (Decimal("3.75"), Decimal("300.00"))}


def test_days_without_hours_need_the_setting():
    raw = {**IN_DAYS, "pse__Total_Hours__c": 0}
    with pytest.raises(DataError, match="hours in a day"):
        split_days(raw, SPLIT)
    hours = worked({**raw, "psa_hours_per_day": "7.6"})
    assert [count for count, _amount in hours.values()] == [Decimal("7.6"), Decimal("3.80")]


# --- contradictions ---


@pytest.mark.parametrize(("change", "words"), [
    ({"pse__Start_Date__c": None}, "start date"), ({"pse__End_Date__c": "30/06/2026"}, "end date"),
    ({"pse__End_Date__c": "2026-06-28"}, "one week"), ({"pse__End_Date__c": "2026-07-08"}, "one week"),
    ({"pse__Monday_Hours__c": 0, "pse__Tuesday_Hours__c": 0}, "names no day"),
    ({"pse__Monday_Hours__c": 0, "pse__Tuesday_Hours__c": 0, "pse__Total_Hours__c": 0}, "no hours"),
])
def test_a_record_that_contradicts_itself_is_held(change, words):
    with pytest.raises(DataError, match=words):
        split_days({**RAW, **change}, SPLIT)


def test_an_empty_timecard_has_no_part():
    raw = {**RAW, "pse__Monday_Hours__c": None, "pse__Tuesday_Hours__c": None, "pse__Total_Hours__c": None,
           "pse__Total_Billable_Amount__c": 0}
    assert split_days(raw, SPLIT) == []


def test_the_parts_survive_the_queue():
    """The payload goes through JSON text between reading and splitting."""
    again = jsontext.loads(jsontext.dumps(RAW))
    assert [part.raw for part in split_days(again, SPLIT)] == [part.raw for part in split_days(RAW, SPLIT)]
    floats = json.loads(json.dumps(json.loads(jsontext.dumps(RAW))))
    assert worked(floats) == worked(RAW)


# --- sharing out ---


@given(total=st.decimals(-10**6, 10**6, places=2), weights=st.lists(
    st.decimals(0, 24, places=2), min_size=1, max_size=7), currency=st.sampled_from(["EUR", "JPY", "KWD"]))
def test_shares_sum_to_the_total(total, weights, currency):
    if not any(weights):
        weights[0] = Decimal(1)
    shares = distribute(total, weights, smallest_unit(currency))
    assert sum(shares) == total
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if not weight)


@given(hours=st.lists(st.decimals(0, 24, places=2), min_size=7, max_size=7), total=st.decimals(0, 10**5, places=2),
       start=st.dates(date(2026, 1, 1), date(2026, 12, 1)), length=st.integers(0, 6))
def test_the_days_of_any_split_sum_to_the_split(hours, total, start, length):
    names = [f"pse__{name}_Hours__c" for name in
             ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")]
    span = [start + timedelta(days=offset) for offset in range(length + 1)]
    inside = sum(hours[day.weekday()] for day in span)
    raw = {**RAW, **dict(zip(names, hours, strict=True)), "pse__Start_Date__c": span[0].isoformat(),
           "pse__End_Date__c": span[-1].isoformat(), "pse__Total_Billable_Amount__c": total if inside else 0,
           "pse__Total_Hours__c": inside}
    parts = split_days(raw, SPLIT)
    assert sum(part.raw["day"]["hours"] for part in parts) == inside
    assert sum(part.raw["day"]["amount"] for part in parts) == (total if inside else 0)
    assert len({part.external_id for part in parts}) == len(parts)


def test_hours_that_cancel_out_carry_the_amount_on_the_last_day():
    assert distribute(Decimal(10), [Decimal(8), Decimal(-8)], Decimal("0.01")) == [Decimal(0), Decimal(10)]
    with pytest.raises(ValueError, match="part to carry it"):
        distribute(Decimal(10), [Decimal(0)], Decimal("0.01"))


# --- the other maps ---


def test_an_expense_with_mark_up():
    record = apply_mapping("expense", {
        "Id": "a2E5g00000Ex3EeEAJ", "Name": "EXP-20871", "pse__Project__c": "a1P5g00000Pj8AaEAJ",
        "pse__Resource__c": "0035g00000Rs7TuAAJ", "pse__Type__c": "Airfare", "pse__Expense_Date__c": "2026-06-17",
        "pse__Amount__c": Decimal("240.0"), "CurrencyIsoCode": "GBP", "pse__Billing_Amount__c": Decimal("297.36"),
        "pse__Billing_Currency__c": "EUR", "pse__Status__c": "Approved", "pse__Approved__c": True,
        "pse__Include_In_Financials__c": True, "pse__Billable__c": True, "pse__Billed__c": False,
        "pse__Invoiced__c": False, "pse__Billing_Hold__c": False, "pse__Exclude_from_Billing__c": False})
    assert (record["amount"], record["currency"]) == (Decimal("240.0"), "GBP")
    assert (record["billing_amount"], record["billing_currency"]) == (Decimal("297.36"), "EUR")
    assert record["reimbursable"] is True
    assert record["held_at_source"] is False
    assert record["description"] == "EXP-20871"


@pytest.mark.parametrize(("split", "parent", "held"), [(True, None, True), (True, "x", False), (False, None, False),
                                                       (None, None, False)])
def test_the_parent_of_split_expenses_is_held(split, parent, held):
    rule = PACKAGE.default_mappings()["expense"]["held_at_source"]
    raw = {"pse__Billing_Hold__c": False, "pse__Split_Expense__c": split, "pse__Expense_Split_Parent__c": parent}
    assert jmespath.search(rule, raw) is held


@pytest.mark.parametrize(("raw", "company"), [
    ({"Legal_Entity__c": "NL01", "pse__Region__r": {"Name": "Benelux"}}, "NL01"),
    ({"Legal_Entity__c": None, "pse__Region__r": {"Name": "Benelux"}}, "Benelux"),
    ({"pse__Region__r": None}, None),
])
def test_the_legal_entity_comes_from_the_field_or_the_region(raw, company):
    assert jmespath.search(PACKAGE.default_mappings()["project"]["company"], raw) == company
    assert TYPES["project"].fields["company"].kind == CODE


@pytest.mark.parametrize(("daily", "cost"), [(False, 80), (None, 80), (True, None)])
def test_a_cost_per_day_is_not_taken_for_a_cost_per_hour(daily, cost):
    path = PACKAGE.default_mappings()["resource"]["cost_rate"]
    assert jmespath.search(path, {"pse__Default_Cost_Rate__c": 80, "pse__Daily_Default_Cost_Rate__c": daily}) == cost
