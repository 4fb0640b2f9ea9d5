from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from mini_portal import CONNECTOR, NOW, MiniPortal, error, session
from wire_server import Answer, serving

from connectors.base import PushItem
from connectors.errors import ConflictError, DataError, MissingScopeError, NotFoundError, TransientError
from connectors.hubspot.declaration import read_data

DEAL, COMPANY = CONNECTOR.outbound
POSTED = {"event": "posted", "invoiced": True, "invoice_number": "INV/2026/00417", "invoice_date": "2026-07-03",
          "payment_state": "not_paid", "amount_total": "3173.06", "amount_residual": "3173.06", "currency": "EUR",
          "credit_note": None, "url": "https://odoo.example/odoo/customer-invoices/7"}
ACCOUNT = {"currency": "EUR", "invoiced": "1200.00", "paid": "700.00", "due": "500.00", "overdue": "0.00",
           "credited": "0.00", "last_invoice": "INV/2026/00012", "last_invoice_date": "2026-07-01",
           "updated_on": "2026-07-03"}
SCOPES = {"errors": [{"context": {"requiredGranularScopes": ["crm.schemas.deals.write"]}}]}


def item(number, key=None, **values):
    return PushItem(key or f"k{number}", "Deal", str(number), {**POSTED, **values})


@pytest.fixture
def portal():
    found = MiniPortal()
    for number in range(1, 160):
        found.put("deals", number, NOW - timedelta(days=1))
    found.put("companies", 8801, NOW - timedelta(days=1))
    found.properties = read_data("properties.json")
    return found


def push(server, *items, outbound=DEAL):
    return {result.key: result for result in CONNECTOR.push(session(server), outbound, list(items))}


def updates(server):
    return [asked.json["inputs"] for asked in server.asked if asked.path.endswith("/batch/update")]


def held(portal, number):
    return portal.objects["deals"][str(number)]["properties"]


def test_status_is_written_and_its_version_known(portal):
    with serving(portal) as server:
        results = push(server, item(1), item(2, event="paid", payment_state="paid", amount_residual="0.00"))
    row = held(portal, 1)
    assert row["odoo_invoice_number"] == "INV/2026/00417"
    assert (row["odoo_invoice_status"], row["odoo_payment_status"]) == ("posted", "not_paid")
    assert row["odoo_invoice_date"] == "2026-07-03"
    assert Decimal(row["odoo_amount_invoiced"]) == Decimal(row["odoo_amount_due"]) == Decimal("3173.06")
    assert row["odoo_external_id"] == "1:INV/2026/00417"
    assert held(portal, 2)["odoo_invoice_status"] == "posted"
    assert all(result.error is None and result.written for result in results.values())
    assert results["k1"].version == "2026-07-03T12:00:00.000Z"


def test_the_account_of_a_customer_is_written(portal):
    with serving(portal) as server:
        results = push(server, PushItem("k", "Company", "8801", ACCOUNT), outbound=COMPANY)
        again = push(server, PushItem("k", "Company", "8801", ACCOUNT), outbound=COMPANY)
    row = portal.objects["companies"]["8801"]["properties"]
    assert {name: row[name] for name in row if name.startswith("odoo_")} == {
        "odoo_last_invoice": "INV/2026/00012", "odoo_amount_invoiced": "1200.00", "odoo_amount_paid": "700.00",
        "odoo_amount_due": "500.00", "odoo_amount_overdue": "0.00", "odoo_external_id": "8801:INV/2026/00012"}
    assert results["k"].written
    assert not again["k"].written


def test_equal_values_are_success_without_a_write(portal):
    with serving(portal) as server:
        push(server, item(1))
        held(portal, 1).update(odoo_invoice_date="2026-07-03T00:00:00Z", odoo_amount_due="3173.0600")
        server.asked.clear()
        result = push(server, item(1))["k1"]
        assert updates(server) == []
    assert result.error is None
    assert not result.written


def test_only_what_differs_is_sent(portal):
    with serving(portal) as server:
        push(server, item(1))
        server.asked.clear()
        push(server, item(1, payment_state="paid", amount_residual="0", event="paid"))
        (((change,),),) = [updates(server)]
    assert change["properties"] == {"odoo_payment_status": "paid", "odoo_amount_due": "0"}
    assert change["objectWriteTraceId"]


def test_the_next_invoice_of_a_contract_takes_the_place_of_the_last(portal):
    with serving(portal) as server:
        push(server, item(1))
        assert push(server, item(1, invoice_number="INV/2026/00500"))["k1"].error is None
        cancelled = {"event": "cancelled", "invoice_number": "", "invoice_date": "", "payment_state": "",
                     "amount_total": "0", "amount_residual": "0", "currency": ""}
        assert push(server, item(1, **cancelled))["k1"].error is None
    assert (held(portal, 1)["odoo_invoice_number"], held(portal, 1)["odoo_invoice_date"]) == ("", "")
    assert held(portal, 1)["odoo_invoice_status"] == "cancelled"


@pytest.mark.parametrize("before", [False, True])
def test_another_hands_number_is_left_and_shown(portal, before):
    with serving(portal) as server:
        if before:
            push(server, item(1))
        held(portal, 1)["odoo_invoice_number"] = "R-99"
        server.asked.clear()
        results = push(server, item(1), item(2))
        (inputs,) = updates(server)
    assert [change["id"] for change in inputs] == ["2"]
    caught = results["k1"].error
    assert type(caught) is ConflictError
    assert (caught.ours, caught.theirs) == ({"odoo_invoice_number": "INV/2026/00417"}, {"odoo_invoice_number": "R-99"})
    assert results["k2"].error is None


def test_our_number_by_another_hand_is_no_conflict(portal):
    held(portal, 1)["odoo_invoice_number"] = "INV/2026/00417"
    with serving(portal) as server:
        assert push(server, item(1))["k1"].error is None
    assert held(portal, 1)["odoo_external_id"] == "1:INV/2026/00417"


def test_a_lost_answer_is_found_out_and_nothing_is_written_twice(portal):
    def cut(asked):
        if asked.path.endswith("/batch/update"):
            answer = portal._answer(asked)
            answer.cut = 5
            return answer
        return None

    portal.before = cut
    with serving(portal) as server:
        with pytest.raises(TransientError) as caught:
            push(server, item(1))
        assert caught.value.maybe_done
        portal.before = None
        result = push(server, replace(item(1), in_doubt=True))["k1"]
    assert result.error is None
    assert not result.written
    assert portal.writes == 1


def test_each_record_has_its_own_outcome_whatever_the_order(portal):
    portal.refuse = {"2": error(400, "VALIDATION_ERROR", "Deals of last year are closed"),
                     "3": error(429, "RATE_LIMITS", "secondly limit")}
    portal.archive("deals", 4)
    with serving(portal) as server:
        results = push(server, *(item(number) for number in range(1, 6)), item("no-id", "odd"))
    assert results["k1"].error is None
    assert results["k5"].error is None
    assert type(results["k2"].error) is DataError
    assert "closed" in str(results["k2"].error)
    assert type(results["k3"].error) is TransientError
    assert type(results["k4"].error) is type(results["odd"].error) is NotFoundError
    assert not results["k2"].written
    assert held(portal, 1)["odoo_invoice_number"]


def test_a_batch_that_is_refused_as_a_whole_is_sent_in_halves(portal):
    portal.before = lambda asked: error(400, "VALIDATION_ERROR", "bad") if asked.path.endswith("/batch/update") and any(
        change["id"] == "7" for change in asked.json["inputs"]) else None
    with serving(portal) as server:
        results = push(server, *(item(number) for number in range(1, 21)))
    assert {key for key, result in results.items() if result.error} == {"k7"}
    assert portal.writes == 19


@pytest.mark.parametrize(("errors", "expected"), [
    ([], TransientError), ([{"category": "VALIDATION_ERROR", "message": "no"}], DataError),
])
def test_a_record_of_which_nothing_is_said_is_in_doubt(portal, errors, expected):
    portal.before = lambda asked: Answer(207, {"status": "CANCELED", "results": [], "errors": errors}) if (
        asked.path.endswith("/batch/update")) else None
    with serving(portal) as server:
        result = push(server, item(1))["k1"]
    assert type(result.error) is expected
    assert not result.written


def test_the_newest_status_of_a_deal_wins_and_large_batches_are_parted(portal):
    with serving(portal) as server:
        results = push(server, item(1, "old", payment_state="not_paid"), item(1, "new", payment_state="paid"),
                       *(item(number) for number in range(2, 151)))
        assert [len(inputs) for inputs in updates(server)] == [100, 50]
    assert held(portal, 1)["odoo_payment_status"] == "paid"
    assert all(result.error is None for result in results.values())
    assert len(results) == 151


@pytest.mark.parametrize("values", [{"amount_total": "much"}, {"invoice_date": "3 July"}])
def test_values_that_are_none_hold_their_record(portal, values):
    with serving(portal) as server:
        results = push(server, item(1, **values), item(2))
    assert type(results["k1"].error) is DataError
    assert results["k2"].error is None


def test_without_the_properties_nothing_is_claimed(portal):
    portal.properties["deals"] = []
    with serving(portal) as server:
        assert isinstance(push(server, item(1))["k1"].error, DataError)
        assert updates(server) == []


def test_a_missing_right_to_write_is_named(portal):
    portal.before = lambda asked: error(403, "MISSING_SCOPES", **SCOPES) if (
        asked.path.endswith("/batch/update")) else None
    with serving(portal) as server:
        with pytest.raises(MissingScopeError) as caught:
            push(server, item(1))
    assert caught.value.missing == ("crm.schemas.deals.write",)


# --- properties ---


def test_set_up_makes_what_is_missing_and_nothing_twice():
    portal = MiniPortal()
    portal.properties["deals"] = [{"name": "psa_legal_entity", "type": "enumeration"}]
    with serving(portal) as server:
        lines = CONNECTOR.set_up(session(server))
        made = {path: {entry["name"]: entry for entry in found} for path, found in portal.properties.items()}
        server.asked.clear()
        again = CONNECTOR.set_up(session(server))
        assert {asked.method for asked in server.asked} == {"GET"}
    assert all(line.ok for line in (*lines, *again))
    assert made["deals"]["psa_legal_entity"]["type"] == "enumeration"
    assert made["deals"]["odoo_external_id"]["hasUniqueValue"] is True
    assert made["deals"]["odoo_external_id"]["groupName"] == "psa_hub"
    assert {option["value"] for option in made["line_items"]["psa_billing_method"]["options"]} == {
        "time", "fixed", "milestone"}
    assert {"odoo_amount_invoiced", "odoo_amount_paid", "odoo_amount_due", "odoo_amount_overdue", "odoo_last_invoice",
            "odoo_external_id"} <= set(made["companies"])
    assert made["contacts"] == {}


def test_what_somebody_made_in_the_same_moment_is_as_good():
    portal = MiniPortal()
    portal.before = lambda asked: error(409, "CONFLICT", "exists") if asked.method == "POST" else None
    with serving(portal) as server:
        assert all(line.ok for line in CONNECTOR.set_up(session(server)))


def test_a_missing_right_to_make_properties_blocks_the_write_back_only():
    portal = MiniPortal()
    portal.before = lambda asked: error(403, "MISSING_SCOPES", **SCOPES) if asked.method == "POST" else None
    with serving(portal) as server:
        lines = {line.code: line for line in CONNECTOR.set_up(session(server))}
    assert lines["properties:deals"].blocks == ("deal_status",)
    assert lines["properties:companies"].blocks == ("company_status",)
    assert lines["properties:line_items"].ok
    assert "psa_role" in lines["properties:line_items"].message
    assert "crm.schemas.deals.write" in lines["properties:deals"].message
