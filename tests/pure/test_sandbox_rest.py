"""The sandbox's REST resources: records, upsert, collections, composite, replication, describe, limits, bulk."""
# ruff: noqa: S608 - the queries are SOQL against a stand-in

import csv
import io
import time

import pytest
from sandbox_helpers import VERSION, Client

from sandbox.server import start


@pytest.fixture(scope="module")
def sandbox():
    running = start(scale="tiny", bulk_seconds=0.02)
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture(scope="module")
def client(sandbox):
    return Client(sandbox)


def code(answer, status=400):
    assert answer.status_code == status, answer.text
    return answer.json()[0]["errorCode"]


def test_versions_need_no_login_and_cost_no_call(client):
    before = client.control("GET", "log")["entries"]
    answer = client.http.get(f"{client.url}/services/data", headers={"Authorization": ""}, timeout=5)
    assert {"label", "url", "version"} == set(answer.json()[0])
    assert "Sforce-Limit-Info" not in answer.headers
    assert client.call("GET", "/services/data/v10.0/limits").status_code == 404
    assert len(client.control("GET", "log")["entries"]) == len(before) + 2


def test_records_live_and_die(client):
    made = client.call("POST", "sobjects/Account", json={"Name": "New Ltd", "NumberOfEmployees": 7})
    assert made.status_code == 201
    assert made.json()["success"] is True
    id_ = made.json()["id"]
    record = client.call("GET", f"sobjects/Account/{id_}").json()
    assert (record["Name"], record["NumberOfEmployees"], record["IsDeleted"]) == ("New Ltd", 7, False)
    assert client.call("GET", f"sobjects/Account/{id_[:15]}?fields=Name").json() == {
        "attributes": record["attributes"], "Name": "New Ltd"}
    answer = client.call("PATCH", f"sobjects/Account/{id_}", json={"Phone": "1", "Name": "Newer Ltd"})
    assert (answer.status_code, answer.content) == (204, b"")
    changed = client.call("GET", f"sobjects/Account/{id_}").json()
    assert changed["Name"] == "Newer Ltd"
    assert changed["SystemModstamp"] >= record["SystemModstamp"]
    client.call("PATCH", f"sobjects/Account/{id_}", json={"Phone": None})
    assert client.call("GET", f"sobjects/Account/{id_}").json()["Phone"] is None
    assert client.call("DELETE", f"sobjects/Account/{id_}").status_code == 204
    assert code(client.call("GET", f"sobjects/Account/{id_}"), 404) == "ENTITY_IS_DELETED"
    assert client.records(f"SELECT Id FROM Account WHERE Id = '{id_}'") == []
    assert client.records(f"SELECT IsDeleted FROM Account WHERE Id = '{id_}'", every=True)[0]["IsDeleted"] is True


@pytest.mark.parametrize(("body", "expected"), [
    ({}, "REQUIRED_FIELD_MISSING"),
    ({"Name": "x", "Foo__c": 1}, "INVALID_FIELD"),
    ({"Name": "x" * 256}, "STRING_TOO_LONG"),
    ({"Name": 5}, "JSON_PARSER_ERROR"),
    ({"Name": "x", "NumberOfEmployees": "many"}, "JSON_PARSER_ERROR"),
    ({"Name": "x", "CurrencyIsoCode": "XXX"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"Name": "x", "ParentId": "zzz"}, "MALFORMED_ID"),
    ({"Name": "x", "ParentId": "0015g00000Xy12ZAAR"}, "INVALID_CROSS_REFERENCE_KEY"),
    ({"Name": "x", "SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
])
def test_bad_values_are_refused(client, body, expected):
    assert code(client.call("POST", "sobjects/Account", json=body)) == expected


def test_broken_json_and_bad_paths(client):
    assert code(client.call("POST", "sobjects/Account", data="{")) == "JSON_PARSER_ERROR"
    assert code(client.call("GET", "sobjects/Nothing"), 404) == "NOT_FOUND"
    assert code(client.call("GET", "sobjects/Account/0015g00000Xy12ZAAR"), 404) == "NOT_FOUND"
    assert code(client.call("GET", "sobjects/Account/short")) == "MALFORMED_ID"
    assert code(client.call("PUT", "sobjects/Account/0015g00000Xy12ZAAR"), 405) == "METHOD_NOT_ALLOWED"
    assert code(client.call("GET", "nothing"), 404) == "NOT_FOUND"
    assert client.call("GET", "query?q=" + "x" * 17_000).status_code == 414


def test_upsert_by_external_id(client):
    path = "sobjects/Account/Odoo_Id__c/ODOO-1%2Fa"
    made = client.call("PATCH", path, json={"Name": "Upserted"})
    assert (made.status_code, made.json()["created"]) == (201, True)
    again = client.call("PATCH", path, json={"Name": "Upserted twice"})
    assert (again.status_code, again.json()["created"], again.json()["id"]) == (200, False, made.json()["id"])
    assert client.call("GET", path).json()["Odoo_Id__c"] == "ODOO-1/a"
    assert code(client.call("PATCH", path, json={"Name": "x", "Odoo_Id__c": "y"})) == "INVALID_FIELD"
    assert code(client.call("PATCH", "sobjects/Account/Odoo_Id__c/none?updateOnly=true", json={"Name": "x"}),
                404) == "NOT_FOUND"
    assert code(client.call("PATCH", "sobjects/Account/Name/x", json={"Phone": "1"}), 404) == "NOT_FOUND"
    duplicate = client.call("POST", "sobjects/Account", json={"Name": "x", "Odoo_Id__c": "odoo-1/A"})
    assert code(duplicate) == "DUPLICATE_VALUE"
    assert made.json()["id"] in duplicate.json()[0]["message"]


def test_several_matches_of_an_external_id_answer_300(client):
    for last in ("One", "Two"):
        client.call("POST", "sobjects/Contact", json={"LastName": last, "pse__ERP_Worker_Correlation_Id__c": "W1"})
    answer = client.call("PATCH", "sobjects/Contact/pse__ERP_Worker_Correlation_Id__c/W1", json={"Title": "x"})
    assert answer.status_code == 300
    assert len(answer.json()) == 2


def test_a_parent_can_be_named_by_its_external_id(client):
    client.call("PATCH", "sobjects/Account/Odoo_Id__c/P1", json={"Name": "Parent"})
    made = client.call("POST", "sobjects/Contact", json={"LastName": "Child", "Account": {"Odoo_Id__c": "P1"}})
    record = client.records(f"SELECT Name, Account.Name FROM Contact WHERE Id = '{made.json()['id']}'")[0]
    assert (record["Name"], record["Account"]["Name"]) == ("Child", "Parent")
    missing = client.call("POST", "sobjects/Contact", json={"LastName": "Child", "Account": {"Odoo_Id__c": "P2"}})
    assert code(missing) == "INVALID_FIELD"


def collection(client, method, records, all_or_none=False, path="composite/sobjects"):
    return client.call(method, path, json={"allOrNone": all_or_none, "records": records})


def account(**values):
    return {"attributes": {"type": "Account"}, **values}


def test_collections_report_each_record(client):
    made = collection(client, "POST", [account(Name="C1"), account(), account(Name="C3")])
    assert made.status_code == 200
    good, bad, _third = made.json()
    assert (good["success"], good["errors"]) == (True, [])
    assert bad == {"success": False, "errors": [{
        "statusCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing: [Name]", "fields": ["Name"]}]}
    id_ = good["id"]
    changed = collection(client, "PATCH", [account(id=id_, Phone="7"), account(Phone="8")]).json()
    assert [entry["success"] for entry in changed] == [True, False]
    assert client.call("GET", f"sobjects/Account/{id_}").json()["Phone"] == "7"
    read = client.call("POST", "composite/sobjects/Account",
                       json={"ids": [id_, "0015g00000Xy12ZAAR"], "fields": ["Name"]}).json()
    assert (read[0]["Name"], read[1]) == ("C1", None)
    gone = client.call("DELETE", f"composite/sobjects?ids={id_},{id_}").json()
    assert [entry["success"] for entry in gone] == [True, False]
    assert gone[1]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"


def test_all_or_none_leaves_nothing(client):
    answer = collection(client, "POST", [account(Name="Roll back"), account()], all_or_none=True).json()
    assert [entry["errors"][0]["statusCode"] for entry in answer] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert client.records("SELECT Id FROM Account WHERE Name = 'Roll back'") == []


def test_collection_upsert(client):
    body = [{"attributes": {"type": "Account"}, "Odoo_Id__c": f"U{number}", "Name": f"U{number}"} for number in (1, 2)]
    path = "composite/sobjects/Account/Odoo_Id__c"
    assert [entry["created"] for entry in collection(client, "PATCH", body, path=path).json()] == [True, True]
    again = collection(client, "PATCH", [*body, account(Name="no key")], path=path).json()
    assert [entry.get("created") for entry in again] == [False, False, None]


def test_collection_limits(client):
    assert code(collection(client, "POST", [account(Name="x")] * 201)) == "EXCEEDED_ID_LIMIT"
    mixed = [account(Name="x"), {"attributes": {"type": "Contact"}, "LastName": "x"}] * 6
    assert code(collection(client, "POST", mixed)) == "LIMIT_EXCEEDED"


def test_composite_refers_to_earlier_results_and_rolls_back(client):
    def body(last_name, all_or_none):
        return {"allOrNone": all_or_none, "compositeRequest": [
            {"method": "POST", "url": f"/services/data/{VERSION}/sobjects/Account", "referenceId": "first",
             "body": {"Name": "Composite"}},
            {"method": "POST", "url": f"/services/data/{VERSION}/sobjects/Contact", "referenceId": "second",
             "body": {"LastName": last_name, "AccountId": "@{first.id}"}}]}
    first, second = client.call("POST", "composite", json=body("Kim", True)).json()["compositeResponse"]
    assert (first["httpStatusCode"], second["httpStatusCode"]) == (201, 201)
    contact = client.call("GET", f"sobjects/Contact/{second['body']['id']}").json()
    assert contact["AccountId"] == first["body"]["id"]
    first, second = client.call("POST", "composite", json=body("", True)).json()["compositeResponse"]
    assert first["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert second["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert len(client.records("SELECT Id FROM Account WHERE Name = 'Composite'")) == 1
    first, _second = client.call("POST", "composite", json=body("", False)).json()["compositeResponse"]
    assert first["httpStatusCode"] == 201
    assert code(client.call("POST", "composite", json={"compositeRequest": [{}] * 26})) == "LIMIT_EXCEEDED"


def test_composite_batch(client):
    answer = client.call("POST", "composite/batch", json={"batchRequests": [
        {"method": "GET", "url": f"{VERSION}/sobjects/Account/short"},
        {"method": "PATCH", "url": f"{VERSION}/sobjects/Account/Odoo_Id__c/B1", "richInput": {"Name": "B1"}}]}).json()
    assert answer["hasErrors"] is True
    assert [entry["statusCode"] for entry in answer["results"]] == [400, 201]


def test_updated_and_deleted(client):
    made = client.call("POST", "sobjects/Account", json={"Name": "Replicated"}).json()["id"]
    gone = client.call("POST", "sobjects/Account", json={"Name": "Short-lived"}).json()["id"]
    client.call("DELETE", f"sobjects/Account/{gone}")
    client.control("POST", "clock", seconds=120)
    day = client.control("GET", "clock")["now"][:10]
    span = {"start": f"{day}T00:00:00Z", "end": f"{day}T23:59:00Z"}
    answer = client.call("GET", "sobjects/Account/updated/", params=span).json()
    assert made in answer["ids"]
    assert gone not in answer["ids"]
    assert answer["latestDateCovered"] <= client.control("GET", "clock")["now"]
    answer = client.call("GET", "sobjects/Account/deleted/", params=span).json()
    assert gone in {entry["id"] for entry in answer["deletedRecords"]}
    assert answer["earliestDateAvailable"] < answer["latestDateCovered"]
    for bad in ({"start": span["end"], "end": span["start"]}, {"start": "2026-01-01T00:00:00Z", "end": span["end"]},
                {"start": "yesterday", "end": span["end"]}):
        assert code(client.call("GET", "sobjects/Account/updated/", params=bad)) == "INVALID_REPLICATION_DATE"


def test_describe(client):
    answer = client.call("GET", "sobjects/pse__Timecard__c/describe")
    fields = {field["name"]: field for field in answer.json()["fields"]}
    assert fields["pse__Project__c"]["referenceTo"] == ["pse__Proj__c"]
    assert fields["pse__Project__c"]["relationshipName"] == "pse__Project__r"
    assert fields["SystemModstamp"]["filterable"] is True
    assert fields["Name"]["updateable"] is False
    assert "pse__Bill_Rate__c" not in fields
    children = {child["relationshipName"] for child in client.call(
        "GET", "sobjects/pse__Proj__c/describe").json()["childRelationships"]}
    assert {"pse__Milestones__r", "pse__TimecardSplits__r", "pse__Assignments__r", "pse__Expenses__r"} <= children
    unchanged = client.call("GET", "sobjects/pse__Timecard__c/describe",
                            headers={"If-Modified-Since": answer.headers["Last-Modified"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_rights_can_be_taken_away(client):
    client.control("POST", "hide", object="Opportunity", fields=["Amount"])
    client.control("POST", "hide", object="pse__Expense__c")
    assert code(client.query("SELECT Amount FROM Opportunity")) == "INVALID_FIELD"
    assert code(client.query("SELECT Id FROM pse__Expense__c")) == "INVALID_TYPE"
    assert client.call("GET", "sobjects/pse__Expense__c/describe").status_code == 404
    names = {field["name"] for field in client.call("GET", "sobjects/Opportunity/describe").json()["fields"]}
    assert "Amount" not in names
    assert "pse__Expense__c" not in {entry["name"] for entry in client.call("GET", "sobjects").json()["sobjects"]}
    client.control("DELETE", "hide")
    assert client.query("SELECT Amount FROM Opportunity").status_code == 200


def test_limits_count_down(client):
    answer = client.call("GET", "limits")
    limits = answer.json()["DailyApiRequests"]
    used, maximum = answer.headers["Sforce-Limit-Info"].removeprefix("api-usage=").split("/")
    assert (limits["Max"], limits["Remaining"]) == (int(maximum), int(maximum) - int(used))
    client.control("POST", "settings", daily_limit=int(used))
    over = client.call("GET", "limits")
    assert code(over, 403) == "REQUEST_LIMIT_EXCEEDED"
    assert over.json()[0]["message"] == "TotalRequests Limit exceeded."
    client.control("POST", "settings", daily_limit=1_000_000)


def test_bulk_query_in_parts(client):
    job = client.call("POST", "jobs/query", json={
        "operation": "query", "query": "SELECT Id, Name, pse__Approved__c, SystemModstamp, pse__Project__r.Name "
        "FROM pse__Timecard__c ORDER BY Id"}).json()
    assert job["state"] == "UploadComplete"
    assert code(client.call("GET", f"jobs/query/{job['id']}/results")) == "INVALIDJOBSTATE"
    deadline = time.monotonic() + 5
    while client.call("GET", f"jobs/query/{job['id']}").json()["state"] != "JobComplete":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    rows, locator, parts = [], None, 0
    while locator != "null":
        answer = client.call("GET", f"jobs/query/{job['id']}/results",
                             params={"maxRecords": 33, **({"locator": locator} if locator else {})})
        lines = list(csv.reader(io.StringIO(answer.text)))
        assert lines[0] == ["Id", "Name", "pse__Approved__c", "SystemModstamp", "pse__Project__r.Name"]
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(lines) - 1
        rows += lines[1:]
        locator, parts = answer.headers["Sforce-Locator"], parts + 1
    assert parts == 3
    expected = client.records("SELECT Id FROM pse__Timecard__c ORDER BY Id")
    assert [row[0] for row in rows] == [record["Id"] for record in expected]
    assert rows[0][2] in ("true", "false")
    assert rows[0][3].endswith(".000Z")
    other = client.call("GET", f"/services/data/v61.0/jobs/query/{job['id']}/results")
    assert other.status_code == 409
    assert client.call("DELETE", f"jobs/query/{job['id']}").status_code == 204


def test_bulk_refuses_what_it_cannot_do(client):
    for query in ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "SELECT Foo FROM Account", "SELECT"):
        answer = client.call("POST", "jobs/query", json={"operation": "query", "query": query})
        assert answer.status_code == 400
    job = client.call("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Account"}).json()
    assert client.call("PATCH", f"jobs/query/{job['id']}", json={"state": "Aborted"}).json()["state"] == "Aborted"


def test_a_page_of_2000_of_26000_rows_is_quick():
    running = start(scale="tiny", records=26_000)
    try:
        client = Client(running)
        stamp, last, seen, slowest = "2020-01-01T00:00:00Z", "000000000000000AAA", set(), 0
        while True:
            began = time.process_time()  # of the sandbox and its client: what other programs take does not count
            records = client.query(
                "SELECT Id, Name, Phone, Website, BillingCity, AccountNumber, SystemModstamp FROM Account WHERE "
                f"((SystemModstamp = {stamp} AND Id > '{last}') OR SystemModstamp > {stamp}) AND SystemModstamp <= "
                "2026-07-03T05:59:00Z ORDER BY SystemModstamp, Id LIMIT 2000").json()["records"]
            slowest = max(slowest, time.process_time() - began)
            if not records:
                break
            seen.update(record["Id"] for record in records)
            stamp, last = records[-1]["SystemModstamp"].replace("+0000", "Z"), records[-1]["Id"]
        assert len(seen) == 26_000 + running.manifest["streams"]["Account"]["records"]
        assert slowest < 0.3  # about 0.05 s
    finally:
        running.stop()
