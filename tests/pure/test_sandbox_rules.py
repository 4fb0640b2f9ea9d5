"""The package's validation rules as an ERP meets them when it writes invoices back."""
# ruff: noqa: S608 - the queries are SOQL against a stand-in

import pytest
from sandbox_helpers import Client

from sandbox.server import start

INVOICED = {"pse__Billed__c": True, "pse__Bill_Date__c": "2026-07-03", "pse__Invoiced__c": True,
            "pse__Invoice_Number__c": "INV/2026/00001", "pse__Invoice_Date__c": "2026-07-03"}


@pytest.fixture(scope="module")
def sandbox():
    running = start(scale="tiny")
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture(scope="module")
def client(sandbox):
    return Client(sandbox)


@pytest.fixture
def splits(client):
    """Approved splits that are not invoiced yet."""
    return [record["Id"] for record in client.records(
        "SELECT Id FROM pse__Timecard__c WHERE pse__Approved__c = true AND pse__Invoiced__c = false ORDER BY Id")]


def change(client, name, id_, **values):
    """PATCH a record and return None, or its error (code, message)."""
    answer = client.call("PATCH", f"sobjects/{name}/{id_}", json=values)
    if answer.status_code == 204:
        return None
    assert answer.status_code == 400, answer.text
    return answer.json()[0]["errorCode"], answer.json()[0]["message"]


def refused(outcome):
    return outcome is not None and outcome[0] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def test_number_without_the_flag_is_refused_with_the_package_s_words(client, splits):
    assert change(client, "pse__Timecard__c", splits[0], pse__Invoice_Number__c="INV/1") == (
        "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Invoice Number or Date is not allowed on record unless it is invoiced")


def test_invoiced_needs_billed_and_billed_needs_approval(client, splits):
    assert refused(change(client, "pse__Timecard__c", splits[0], pse__Invoiced__c=True))
    waiting = client.records("SELECT Id FROM pse__Milestone__c WHERE pse__Approved__c = false")[0]["Id"]
    assert refused(change(client, "pse__Milestone__c", waiting, **INVOICED))
    reached = client.records("SELECT Id FROM pse__Milestone__c WHERE pse__Approved__c = true")[0]["Id"]
    assert change(client, "pse__Milestone__c", reached, **INVOICED) is None


def test_the_five_fields_together_are_accepted_and_dates_then_locked(client, splits):
    split = splits[1]
    assert change(client, "pse__Timecard__c", split, **INVOICED) is None
    assert change(client, "pse__Timecard__c", split, **INVOICED) is None
    assert refused(change(client, "pse__Timecard__c", split, pse__Invoice_Date__c="2026-07-04"))
    assert refused(change(client, "pse__Timecard__c", split, pse__Bill_Date__c="2026-07-04"))
    assert refused(change(client, "pse__Timecard__c", split, pse__Invoiced__c=False))
    assert change(client, "pse__Timecard__c", split, pse__Invoiced__c=False, pse__Invoice_Number__c=None,
                  pse__Invoice_Date__c=None, pse__Billed__c=False, pse__Bill_Date__c=None) is None


def test_expenses_follow_the_same_rules(client):
    expense = client.records("SELECT Id FROM pse__Expense__c WHERE pse__Approved__c = true")[0]["Id"]
    assert refused(change(client, "pse__Expense__c", expense, pse__Invoice_Date__c="2026-07-03"))
    assert change(client, "pse__Expense__c", expense, **INVOICED) is None


def test_a_collection_shows_the_rule_per_record(client, splits):
    answer = client.call("PATCH", "composite/sobjects", json={"allOrNone": False, "records": [
        {"attributes": {"type": "pse__Timecard__c"}, "id": splits[2], **INVOICED},
        {"attributes": {"type": "pse__Timecard__c"}, "id": splits[3], "pse__Invoice_Number__c": "INV/2"}]}).json()
    assert [entry["success"] for entry in answer] == [True, False]
    assert answer[1]["errors"][0]["statusCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def test_approved_headers_and_reports_are_locked(client):
    for name in ("pse__Timecard_Header__c", "pse__Expense_Report__c"):
        locked = client.records(f"SELECT Id FROM {name} WHERE pse__Approved__c = true LIMIT 1")[0]["Id"]
        assert change(client, name, locked, pse__Approver__c=None)[0] == "ENTITY_IS_LOCKED"
        assert client.call("DELETE", f"sobjects/{name}/{locked}").json()[0]["errorCode"] == "ENTITY_IS_LOCKED"


def test_constants(client, splits):
    projects = [record["Id"] for record in client.records("SELECT Id FROM pse__Proj__c WHERE CurrencyIsoCode = 'USD'")]
    current = client.call("GET", f"sobjects/pse__Timecard__c/{splits[4]}").json()["pse__Project__c"]
    other = next(project for project in projects if project != current)
    assert refused(change(client, "pse__Timecard__c", splits[4], pse__Project__c=other))
    assert change(client, "pse__Timecard__c", splits[4], pse__Project__c=other, pse__Admin_Global_Edit__c=True,
                  pse__Audit_Notes__c="moved") is None
    assert refused(change(client, "pse__Proj__c", current, CurrencyIsoCode="GBP"))


def test_a_new_header_is_checked(client, sandbox):
    assignment = client.records(
        "SELECT Id, pse__Project__c, pse__Resource__c FROM pse__Assignment__c WHERE pse__Is_Billable__c = true")[0]
    body = {"pse__Project__c": assignment["pse__Project__c"], "pse__Resource__c": assignment["pse__Resource__c"],
            "pse__Assignment__c": assignment["Id"], "pse__Start_Date__c": "2026-06-22",
            "pse__End_Date__c": "2026-06-28", "pse__Monday_Hours__c": 8, "pse__Status__c": "Saved",
            "pse__Billable__c": True}

    def create(**values):
        return client.call("POST", "sobjects/pse__Timecard_Header__c", json={**body, **values})
    assert create().status_code == 201
    closed = client.records("SELECT Id FROM pse__Proj__c WHERE pse__Closed_for_Time_Entry__c = true")[0]["Id"]
    internal = client.records("SELECT Id FROM pse__Proj__c WHERE pse__Project_Type__c = 'Internal'")[0]["Id"]
    for bad in ({"pse__End_Date__c": "2026-06-27"}, {"pse__Monday_Hours__c": 25}, {"pse__Approved__c": True},
                {"pse__Project__c": closed}, {"pse__Project__c": closed, "pse__Assignment__c": None},
                {"pse__Project__c": internal, "pse__Assignment__c": None}):
        answer = create(**bad)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"), bad


def test_work_on_an_inactive_project_cannot_change(client, splits):
    project = client.call("GET", f"sobjects/pse__Timecard__c/{splits[5]}").json()["pse__Project__c"]
    assert change(client, "pse__Proj__c", project, pse__Is_Active__c=False) is None
    assert refused(change(client, "pse__Timecard__c", splits[5], **INVOICED))
    assert change(client, "pse__Proj__c", project, pse__Is_Active__c=True) is None


def test_assignments(client):
    assignment = client.records("SELECT Id FROM pse__Assignment__c WHERE pse__Bill_Rate__c > 0")[0]["Id"]
    assert refused(change(client, "pse__Assignment__c", assignment, pse__Is_Billable__c=False))
    assert refused(change(client, "pse__Assignment__c", assignment, CurrencyIsoCode="CHF"))
    answer = client.call("PATCH", f"sobjects/pse__Assignment__c/{assignment}", json={"pse__End_Date__c": "2027-01-01"})
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_what_was_written_back_can_be_counted(client, splits):
    change(client, "pse__Timecard__c", splits[6], **{**INVOICED, "pse__Invoice_Number__c": "INV/2026/00009"})
    deal = client.records("SELECT Id FROM Opportunity WHERE IsWon = true")[0]["Id"]
    assert change(client, "Opportunity", deal, Odoo_Invoice_Number__c="INV/2026/00009",
                  Odoo_Amount_Residual__c=5) is None
    written = client.control("GET", "written")
    assert "INV/2026/00009" in written["pse__Timecard__c"]["numbers"]
    assert written["Opportunity"]["deals"][deal]["Odoo_Invoice_Number__c"] == "INV/2026/00009"
    # what the source had invoiced itself is not ours
    assert "SI-2026-0093" not in written["pse__Timecard__c"]["numbers"]
