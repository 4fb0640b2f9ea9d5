"""The stand-in of HubSpot takes writes and tells of changes as documented: batches in part, properties, webhooks."""

import hashlib
import json
import time

import pytest
from hubspot_client import Client, refused
from requests.structures import CaseInsensitiveDict
from wire_server import Answer, serving

from sandbox.hubspot.oauth import CLIENT_SECRET
from sandbox.hubspot.webhooks import decoded, signatures
from sandbox.server import start

DEALS = "/crm/v3/objects/deals"
UNIQUE = {"name": "odoo_external_id", "label": "Odoo id", "groupName": "dealinformation", "type": "string",
          "fieldType": "text", "hasUniqueValue": True}


@pytest.fixture(name="client")
def new_client():
    vendor = start(vendor="hubspot", retry_seconds=0.02)
    yield Client(vendor)
    vendor.stop()
    assert vendor.errors == []


def define(client, kind="deals", **values):
    return client.post(f"/crm/v3/properties/{kind}", {**UNIQUE, "groupName": f"{kind[:-1]}information", **values})


# --- properties ---------------------------------------------------------------------------------------------------


def test_groups_and_properties_are_made_once(client):
    group = {"name": "own", "label": "Own", "displayOrder": -1}
    assert client.post("/crm/v3/properties/deals/groups", group).status_code == 201
    refused(client.post("/crm/v3/properties/deals/groups", group), 409, "CONFLICT")
    assert "own" in {row["name"] for row in client.get("/crm/v3/properties/deals/groups").json()["results"]}
    body = define(client, groupName="own").json()
    assert (body["hasUniqueValue"], body["groupName"]) == (True, "own")
    refused(define(client), 409, "CONFLICT")
    assert client.get("/crm/v3/properties/deals/odoo_external_id").json()["label"] == "Odoo id"
    refused(client.get("/crm/v3/properties/deals/odoo_other"), 404, "OBJECT_NOT_FOUND")
    renamed = client.call("PATCH", "/crm/v3/properties/deals/odoo_external_id", json={"label": "Other"})
    assert renamed.json()["label"] == "Other"
    refused(client.call("PATCH", "/crm/v3/properties/deals/odoo_external_id", json={"hasUniqueValue": False}))


@pytest.mark.parametrize("values", [
    {"name": "Has Capitals"}, {"name": ""}, {"groupName": "nowhere"}, {"type": "text"}, {"fieldType": "number"},
    {"type": "enumeration", "fieldType": "select"}, {"type": "bool", "fieldType": "booleancheckbox"}, {"colour": "red"},
])
def test_what_a_definition_refuses(client, values):
    refused(define(client, **values))


def test_no_more_than_ten_unique_properties(client):
    assert [define(client, name=f"u{number}").status_code for number in range(11)] == [201] * 10 + [400]


def test_an_account_can_be_without_the_firms_own_properties():
    vendor = start(vendor="hubspot", psa_properties=False)
    try:
        client = Client(vendor)
        refused(client.call("PATCH", f"{DEALS}/555001", json={"properties": {"psa_project_code": "X"}}),
                code="PROPERTY_DOESNT_EXIST")
        assert client.post("/crm/v3/properties/deals/groups", {"name": "psa_hub", "label": "Hub"}).status_code == 201
        assert define(client, name="psa_project_code", groupName="psa_hub", hasUniqueValue=False).status_code == 201
        answer = client.call("PATCH", f"{DEALS}/555001", json={"properties": {"psa_project_code": "X"}})
        assert answer.json()["properties"]["psa_project_code"] == "X"
    finally:
        vendor.stop()


def test_a_right_to_define_can_be_missing(client):
    client.vendor.app.control("POST", "scopes", {"withdrawn": ["crm.schemas.deals.write"]})
    refused(define(client), 403, "MISSING_SCOPES")
    assert client.get("/crm/v3/properties/deals").status_code == 200


# --- writes -------------------------------------------------------------------------------------------------------


def test_patch_changes_the_stamp_only_with_a_value(client):
    before = client.get(f"{DEALS}/555001").json()["updatedAt"]
    same = client.call("PATCH", f"{DEALS}/555001", json={"properties": {"dealname": "Customer portal"}}).json()
    assert same["updatedAt"] == before
    other = client.call("PATCH", f"{DEALS}/555001", json={"properties": {"dealname": "Portal", "description": ""}})
    assert other.json()["updatedAt"] > before
    assert other.json()["properties"]["description"] is None
    assert client.vendor.manifest["written"]["deals"]["555001"] == {"writes": 2, "values": {}}
    refused(client.call("PATCH", f"{DEALS}/999", json={"properties": {"dealname": "x"}}), 404, "OBJECT_NOT_FOUND")


@pytest.mark.parametrize(("values", "code"), [
    ({"odoo_unknown": "1"}, "PROPERTY_DOESNT_EXIST"), ({"hs_object_id": "1"}, "READ_ONLY_VALUE"),
    ({"amount": "many"}, "INVALID_DOUBLE"), ({"closedate": "soon"}, "INVALID_DATE"),
    ({"dealstage": "won"}, "INVALID_OPTION"), ({"dealstage": "151230042"}, "INVALID_OPTION"),
    ({"hubspot_owner_id": "9"}, "INVALID_OPTION"), ({"psa_needs_signature": "yes"}, "INVALID_OPTION"),
])
def test_what_a_write_refuses(client, values, code):
    body = refused(client.call("PATCH", f"{DEALS}/555001", json={"properties": values}), code=code)
    assert body["message"].startswith("Property values were not valid: [")
    assert client.vendor.manifest["written"]["deals"] == {}


def test_values_must_be_text(client):
    refused(client.call("PATCH", f"{DEALS}/555001", json={"properties": {"amount": 5}}))
    refused(client.call("PATCH", f"{DEALS}/555001", json={"dealname": "x"}))


def test_a_stage_decides_whether_a_deal_is_won(client):
    body = {"properties": {"pipeline": "78210034", "dealstage": "151230042"}}
    assert client.call("PATCH", f"{DEALS}/555006", json=body).status_code == 200
    deal = client.get(f"{DEALS}/555006", properties="hs_is_closed_won,hs_deal_stage_probability").json()["properties"]
    assert (deal["hs_is_closed_won"], deal["hs_deal_stage_probability"]) == ("true", "1.0")
    assert "555006" in {row["id"] for row in client.vendor.manifest["won_deals"]}


def test_create_links_and_refuses_a_second_of_its_kind(client):
    link = {"to": {"id": "8801"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]}
    body = {"properties": {"dealname": "New", "dealstage": "closedwon"}, "associations": [link]}
    created = client.post(DEALS, body)
    assert created.status_code == 201
    linked = client.get(f"/crm/v4/objects/deals/{created.json()['id']}/associations/companies").json()["results"]
    assert [kind["typeId"] for kind in linked[0]["associationTypes"]] == [5, 341]
    refused(client.post(DEALS, {"properties": {"amount": "1"}}), code="MISSING_REQUIRED_PROPERTY")
    email = client.get("/crm/v3/objects/contacts/7701").json()["properties"]["email"]
    body = refused(client.post("/crm/v3/objects/contacts", {"properties": {"email": email}}), 409, "CONFLICT")
    assert "Existing ID: 7701" in body["message"]
    assert client.call("DELETE", "/crm/v3/objects/contacts/7701").status_code == 204
    assert client.post("/crm/v3/objects/contacts", {"properties": {"email": email}}).status_code == 201
    put = client.call("PUT", "/crm/v4/objects/deals/555001/associations/default/contacts/7702")
    assert put.json()["results"][0]["associationSpec"]["associationTypeId"] == 3


def test_a_batch_with_trace_ids_fails_in_part(client):
    inputs = [{"id": "555001", "properties": {"dealname": "A"}, "objectWriteTraceId": "t0"},
              {"id": "555002", "properties": {"nope": "B"}, "objectWriteTraceId": "t1"},
              {"id": "999", "properties": {"dealname": "C"}, "objectWriteTraceId": "t2"}]
    answer = client.post(f"{DEALS}/batch/update", {"inputs": inputs})
    body = answer.json()
    assert (answer.status_code, body["status"], body["numErrors"]) == (207, "COMPLETE", 2)
    assert [(row["id"], row["objectWriteTraceId"]) for row in body["results"]] == [("555001", "t0")]
    assert {row["context"]["objectWriteTraceId"][0]: row["category"] for row in body["errors"]} == {
        "t1": "VALIDATION_ERROR", "t2": "OBJECT_NOT_FOUND"}
    later = client.post("/crm/objects/2026-09/deals/batch/update", {"inputs": inputs})
    assert (later.status_code, later.json()["numErrors"]) == (200, 2)


def test_a_batch_without_trace_ids_fails_as_a_whole(client):
    inputs = [{"id": "555001", "properties": {"dealname": "A"}}, {"id": "555002", "properties": {"nope": "B"}}]
    refused(client.post(f"{DEALS}/batch/update", {"inputs": inputs}), code="PROPERTY_DOESNT_EXIST")
    assert client.get(f"{DEALS}/555001").json()["properties"]["dealname"] == "Customer portal"
    assert client.post(f"{DEALS}/batch/update", {"inputs": inputs[:1]}).status_code == 200
    made = [{"properties": {"dealname": "M", "dealstage": "closedwon"}}, {"properties": {"dealname": "N"}}]
    refused(client.post(f"{DEALS}/batch/create", {"inputs": made}), code="MISSING_REQUIRED_PROPERTY")
    assert client.vendor.manifest["counts"]["deals"] == 7
    created = client.post(f"{DEALS}/batch/create", {"inputs": made[:1]})
    assert (created.status_code, created.json()["results"][0]["properties"]["dealname"]) == (201, "M")


@pytest.mark.parametrize("inputs", [
    [{"id": "555001", "properties": {}}] * 2, [], [{"properties": {}}], [{"id": "555001"}],
    [{"id": str(number), "properties": {}} for number in range(101)],
    [{"id": "555001", "properties": {}, "idProperty": "hs_object_id"}],
    [{"id": "555001", "properties": {}, "objectWriteTraceId": "a"},
     {"id": "555002", "properties": {}, "objectWriteTraceId": "a"}],
    [{"id": "555001", "properties": {}, "traceId": "a"}],
])
def test_what_a_batch_refuses(client, inputs):
    refused(client.post(f"{DEALS}/batch/update", {"inputs": inputs}))


def test_upsert_by_a_unique_property(client):
    define(client)

    def upsert(*values, name="odoo_external_id"):
        return client.post(f"{DEALS}/batch/upsert", {"inputs": [
            {"id": key, "idProperty": name, "objectWriteTraceId": f"t-{key}", "properties": properties}
            for key, properties in values]})

    new = {"dealname": "Made", "dealstage": "closedwon"}
    refused(upsert(("S1", new), name="hs_object_id"), code="NON_UNIQUE_PROPERTY")
    refused(upsert(("S1", new), ("S1", new)), code="DUPLICATE_ID")
    answer = upsert(("S1", new), ("S2", {"dealname": "No stage"}))
    assert answer.status_code == 207
    made = answer.json()["results"][0]
    assert (made["new"], made["properties"]["odoo_external_id"]) == (True, "S1")
    assert answer.json()["errors"][0]["context"]["objectWriteTraceId"] == ["t-S2"]
    again = upsert(("S1", {"dealname": "Changed"})).json()["results"][0]
    assert (again["new"], again["id"]) == (False, made["id"])
    assert client.get(f"{DEALS}/S1", idProperty="odoo_external_id").json()["id"] == made["id"]
    body = {"properties": {"odoo_external_id": "S1"}}
    refused(client.call("PATCH", f"{DEALS}/555001", json=body), 409, "CONFLICT")
    assert client.vendor.manifest["written"]["deals"] == {
        made["id"]: {"writes": 2, "values": {"odoo_external_id": "S1"}}}


def test_a_locked_record_refuses_every_change(client):
    client.vendor.app.lock_record("deals", "555001")
    refused(client.call("PATCH", f"{DEALS}/555001", json={"properties": {"dealname": "x"}}), code="VALIDATION_RULE")


# --- webhooks -----------------------------------------------------------------------------------------------------

BODY = b"{'example_field':'example_value'}"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URI = "https://www.example.com/webhook_uri"


@pytest.mark.parametrize(("secret", "uri", "body", "stamp", "expected"), [
    (SECRET, URI, BODY, 1693657560000, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
    (SECRET, URI, BODY, 1700000300000, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ("hs-test-secret-001", "https://erp.example.test/integration/hubspot/webhook?c=acme%3A1%2Ceu&x=a%20b", b"[]",
     1790000001000, "TtU9/buyr+DgeRbIfMepI9YrlRXVhhSsibeIW1Mqb/w="),
    ("hs-test-secret-001", "https://erp.example.test/integration/hubspot/webhook",
     '[{"propertyValue":"Café Zürich"}]'.encode(), 1790000001000, "7qkp/QEwDewQ+tSUFGyGS3EWKlzxxyTfNSyrPBJc33Y="),
])
def test_signatures_of_version_3(secret, uri, body, stamp, expected):
    assert signatures(secret, "POST", uri, body, stamp)["X-HubSpot-Signature-v3"] == expected


def test_signature_of_version_1_and_the_codes_that_are_written_out():
    headers = signatures(SECRET, "POST", URI, BODY, 0)
    assert headers["X-HubSpot-Signature"] == "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750"
    assert decoded("https://a.example/x%3a%2F%20%26?y=%2a") == "https://a.example/x:/%20%26?y=*"


def settled(client, count):
    """Wait until ``count`` deliveries were made and none waits."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        status = client.vendor.app.webhooks.status()
        if len(status["deliveries"]) >= count and not status["waiting"]:
            return status["deliveries"]
        time.sleep(0.02)
    raise AssertionError(status)


def test_changes_are_posted_signed_and_repeated_until_they_are_taken(client):
    statuses = [500, 404, 204]
    with serving(lambda _asked: Answer(statuses.pop(0) if statuses else 204)) as target:
        client.vendor.app.control("POST", "webhooks", {"url": f"{target.url}/hook"})
        client.vendor.app.change("deals", "555006", {"dealstage": "closedwon"})
        assert [row["status"] for row in settled(client, 3)] == ["500", "404", "204"]
    for attempt, asked in enumerate(target.asked):
        headers = CaseInsensitiveDict(asked.headers)
        stamp = headers["X-HubSpot-Request-Timestamp"]
        assert abs(time.time() - int(stamp) / 1000) < 60
        again = signatures(CLIENT_SECRET, "POST", f"{target.url}/hook", asked.body, int(stamp))
        assert headers["X-HubSpot-Signature-v3"] == again["X-HubSpot-Signature-v3"]
        assert headers["X-HubSpot-Signature"] == hashlib.sha256(CLIENT_SECRET.encode() + asked.body).hexdigest()
        [event] = json.loads(asked.body)
        assert event.pop("occurredAt")
        assert event.pop("eventId")
        assert event == {
            "subscriptionId": 77, "portalId": 424242, "appId": 1313, "subscriptionType": "deal.propertyChange",
            "attemptNumber": attempt, "objectId": 555006, "propertyName": "dealstage", "propertyValue": "closedwon",
            "changeSource": "CRM_UI", "sourceId": "userId:1"}


def test_a_delivery_has_up_to_a_hundred_events_of_all_sorts(client):
    app = client.vendor.app
    with serving(lambda _asked: Answer(200)) as target:
        app.control("POST", "webhooks", {"url": target.url, "generic": True})
        with app.store.lock:
            for number in range(105):
                app.create("companies", {"name": f"C{number}"})
        app.merge("companies", "8802", "8801")
        app.delete("companies", "8803")
        client.call("PATCH", f"{DEALS}/555001", json={"properties": {"dealname": "x"}})
        settled(client, 2)
        events = [event for asked in target.asked for event in json.loads(asked.body)]
    assert max(len(json.loads(asked.body)) for asked in target.asked) <= 100
    by_type = {event["subscriptionType"]: event for event in events}
    assert set(by_type) == {"object.creation", "object.merge", "object.deletion", "object.propertyChange"}
    merge = by_type["object.merge"]
    assert (merge["primaryObjectId"], merge["mergedObjectIds"], merge["newObjectId"]) == (8801, [8802], 8801)
    assert "objectId" not in merge
    assert by_type["object.deletion"]["changeFlag"] == "DELETED"
    assert (by_type["object.propertyChange"]["objectTypeId"], by_type["object.propertyChange"]["changeSource"]) == (
        "0-3", "INTEGRATION")
    assert len({event["eventId"] for event in events}) == len(events) == 108
