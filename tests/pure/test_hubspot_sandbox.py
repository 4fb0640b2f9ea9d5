"""The stand-in of HubSpot as documented: reading, the wall of a search, links, strictness."""

import time
from datetime import datetime, timezone

import pytest
from hubspot_client import Client, refused

from sandbox import studio
from sandbox.server import start

STAMP = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
CHANGED = "hs_lastmodifieddate"


@pytest.fixture(name="client")
def new_client():
    vendor = start(vendor="hubspot")
    yield Client(vendor)
    vendor.stop()
    assert vendor.errors == []


@pytest.fixture(name="limited")
def limited_client():
    vendor = start(vendor="hubspot", search_wall=50, link_page=2)
    yield Client(vendor)
    vendor.stop()
    assert vendor.errors == []


def where(name, operator, *values):
    if operator in ("IN", "NOT_IN"):
        return {"propertyName": name, "operator": operator, "values": list(values)}
    keys = dict(zip(("value", "highValue"), values, strict=False))
    return {"propertyName": name, "operator": operator, **keys}


def groups(*filters):
    return [{"filters": list(filters)}]


# --- what the account holds ---------------------------------------------------------------------------------------


def test_the_account_holds_the_studios_deals(client):
    manifest = client.vendor.manifest
    assert manifest["counts"] == {"owners": 5, "contacts": 5, "companies": 5, "deals": 7, "line_items": 10}
    assert {row["id"]: row["amount"] for row in manifest["won_deals"]} == {
        str(deal.hubspot_id): str(deal.amount) for deal in studio.DEALS}
    assert {row["pipeline"] for row in manifest["won_deals"]} == {"default", "78210034"}
    assert (manifest["open_deals"], manifest["lost_deals"]) == (["555006"], ["555007"])
    won = {stage["id"] for row in client.get("/crm/v3/pipelines/deals").json()["results"]
           for stage in row["stages"] if stage["metadata"]["probability"] == "1.0"}
    assert won == {"closedwon", "151230042"} == {row["dealstage"] for row in manifest["won_deals"]}


def test_all_values_are_text_or_null(client):
    names = [row["name"] for row in client.get("/crm/v3/properties/deals").json()["results"]]
    assert "psa_needs_signature" in names
    for kind in ("companies", "contacts", "deals", "line_items"):
        names = ",".join(row["name"] for row in client.get(f"/crm/v3/properties/{kind}").json()["results"])
        rows = client.get(f"/crm/v3/objects/{kind}", properties=names, limit=100).json()["results"]
        values = [value for row in rows for value in row["properties"].values()]
        assert rows
        assert all(value is None or isinstance(value, str) for value in values)
    deal = client.get("/crm/v3/objects/0-3/555005", properties="psa_needs_signature,psa_delivery_owner,nope").json()
    assert deal["properties"]["psa_needs_signature"] == "true"
    assert "nope" not in deal["properties"]
    owner = client.get(f"/crm/v3/owners/{deal['properties']['psa_delivery_owner']}").json()
    assert owner["email"] == studio.deal("EICH").delivery_owner


def test_owners_in_pages_and_by_email(client):
    first = client.get("/crm/v3/owners", limit=3).json()
    rest = client.get("/crm/v3/owners", limit=3, after=first["paging"]["next"]["after"]).json()
    assert len({row["id"] for row in first["results"] + rest["results"]}) == 5
    assert "paging" not in rest
    assert [row["id"] for row in client.get("/crm/v3/owners", email=studio.OTTO).json()["results"]] == ["502"]
    assert len(client.get("/crm/v3/owners", archived="true").json()["results"]) == 1


# --- lists and searches -------------------------------------------------------------------------------------------


def test_a_list_pages_through_everything_and_shows_what_is_archived(client):
    app, query = client.vendor.app, {"limit": 3}
    app.create("companies", {"name": "Ninth"})
    app.delete("companies", "8802")
    seen = []
    while True:
        page = client.get("/crm/v3/objects/companies", **query).json()
        seen += [row["id"] for row in page["results"]]
        if "paging" not in page:
            break
        query["after"] = page["paging"]["next"]["after"]
    assert len(seen) == len(set(seen)) == 5
    gone = client.get("/crm/v3/objects/companies", archived="true").json()["results"]
    assert [(row["id"], row["archived"], "archivedAt" in row) for row in gone] == [("8802", True, True)]
    refused(client.get("/crm/v3/objects/companies/8802"), 404, "OBJECT_NOT_FOUND")
    assert client.get("/crm/v3/objects/companies/8802", archived="true").status_code == 200
    refused(client.get("/crm/v3/objects/companies", limit=101), code="INVALID_LIMIT")
    refused(client.get("/crm/v3/objects/companies", limit=51, propertiesWithHistory="name"), code="INVALID_LIMIT")
    refused(client.get("/crm/v3/objects/companies", modifiedAfter="1"), code="UNKNOWN_PARAMETER")


def test_a_search_finds_by_window_and_pages_in_its_order(client):
    app = client.vendor.app
    ids = [app.create("companies", {"name": f"C{number}"}, STAMP) for number in range(30)]
    stamp = str(round(STAMP.timestamp() * 1000))
    body = {"filterGroups": groups(where(CHANGED, "BETWEEN", stamp, stamp)), "limit": 7, "properties": ["name"],
            "sorts": [{"propertyName": CHANGED, "direction": "ASCENDING"}]}
    seen, after = [], "0"
    while after:
        page = client.search(**body, after=after).json()
        assert page["total"] == 30
        seen += [row["id"] for row in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after")
    assert sorted(seen) == sorted(ids)
    body["sorts"][0]["direction"] = "DESCENDING"
    backwards = client.search(**{**body, "limit": 30}).json()["results"]
    assert [row["id"] for row in backwards] == seen[::-1]
    later = groups(where(CHANGED, "EQ", stamp), where("hs_object_id", "GT", ids[24]))
    rows = client.search(filterGroups=later, sorts=["hs_object_id"], limit=200).json()["results"]
    assert [row["id"] for row in rows] == ids[25:]
    assert client.search(filterGroups=groups(where(CHANGED, "GT", stamp))).json()["total"] == 0


@pytest.mark.parametrize(("filters", "found"), [
    ([where("dealstage", "EQ", "closedwon")], {"555001", "555002", "555005"}),
    ([where("dealstage", "IN", "closedwon", "151230042")], {"555001", "555002", "555003", "555004", "555005"}),
    ([where("dealstage", "NOT_IN", "closedwon", "151230042")], {"555006", "555007"}),
    ([where("amount", "GTE", "39280"), where("amount", "LT", "81000")], {"555004", "555002"}),
    ([where("amount", "NOT_HAS_PROPERTY")], {"555006", "555007"}),
    ([where("amount", "HAS_PROPERTY"), where("pipeline", "NEQ", "default")], {"555003", "555004"}),
    ([where("dealname", "CONTAINS_TOKEN", "port*")], {"555001", "555006"}),
])
def test_operators(client, filters, found):
    rows = client.search("deals", filterGroups=groups(*filters), limit=200).json()["results"]
    assert {row["id"] for row in rows} == found


def test_groups_are_joined_by_or_and_each_row_comes_once(client):
    both = groups(where("hs_object_id", "LTE", "8803")) + groups(where("hs_object_id", "GTE", "8802"))
    for sorts in ([], [CHANGED], ["name"]):
        page = client.search(filterGroups=both, sorts=sorts).json()
        assert (page["total"], len({row["id"] for row in page["results"]})) == (5, 5)
    # a reader's way on from (stamp, id): later stamps, or this one with higher ids
    stamp = str(round(datetime(2026, 3, 2, 9, tzinfo=timezone.utc).timestamp() * 1000))
    further = groups(where(CHANGED, "GT", stamp)) + groups(where(CHANGED, "EQ", stamp),
                                                           where("hs_object_id", "GT", "8801"))
    rows = client.search(filterGroups=further, sorts=[CHANGED]).json()["results"]
    assert {row["id"] for row in rows} == {"8802", "8803", "8804", "8805"}
    window = groups(where(CHANGED, "GTE", stamp), where("hs_object_id", "GT", "8801"),
                    where("hs_object_id", "LTE", "8804"))
    rows = client.search(filterGroups=window, sorts=["hs_object_id"]).json()["results"]
    assert [row["id"] for row in rows] == ["8802", "8803", "8804"]
    rows = client.search(filterGroups=[{"filters": [*window[0]["filters"], where("city", "EQ", "Bremen")]}]).json()
    assert [row["id"] for row in rows["results"]] == ["8802"]


def test_contacts_have_their_own_change_stamp(client):
    assert client.search("contacts", filterGroups=groups(where("lastmodifieddate", "GTE", "0"))).json()["total"] == 5
    refused(client.search("contacts", filterGroups=groups(where(CHANGED, "GTE", "0"))), code="PROPERTY_DOESNT_EXIST")


def test_a_search_ends_at_the_wall(limited):
    for number in range(60):
        limited.vendor.app.create("companies", {"name": f"C{number}"}, STAMP)
    page = limited.search(limit=25, after="25").json()
    assert (page["total"], len(page["results"]), page["paging"]["next"]["after"]) == (65, 25, "50")
    refused(limited.search(limit=25, after="50"), code="PAGING_LIMIT")
    refused(limited.search(limit=10, after="41"), code="PAGING_LIMIT")


@pytest.mark.parametrize("body", [
    {"limit": 201}, {"limit": 0}, {"properties": "name"}, {"limit": "10"}, {"after": "abc"}, {"unknown": 1},
    {"query": "x" * 3001},
    {"sorts": ["name", "city"]}, {"sorts": [{"propertyName": "name", "direction": "UP"}]}, {"sorts": ["nope"]},
    {"filterGroups": groups(where("name", "LIKE", "x"))}, {"filterGroups": groups(where("nope", "EQ", "x"))},
    {"filterGroups": groups({"propertyName": "name", "operator": "EQ"})},
    {"filterGroups": groups(where("name", "HAS_PROPERTY", "x"))},
    {"filterGroups": groups(where(CHANGED, "GTE", 1))}, {"filterGroups": groups(where(CHANGED, "GTE", "2026-06-01"))},
    {"filterGroups": groups(where(CHANGED, "BETWEEN", "1"))}, {"filterGroups": groups(where("city", "EQ", "x")) * 6},
    {"filterGroups": groups(*[where("city", "EQ", "x")] * 7)},
    {"filterGroups": groups(*[where("city", "EQ", "x")] * 5) * 4},
])
def test_what_a_search_refuses(client, body):
    refused(client.search(**body))


def test_bodies_must_be_json(client):
    path = "/crm/v3/objects/companies/search"
    assert client.call("POST", path, data="{}").status_code == 415
    json_type = {"Content-Type": "application/json"}
    refused(client.call("POST", path, data="{", headers=json_type))
    refused(client.call("POST", path, data="[]", headers=json_type))


def test_a_search_finds_a_change_after_the_delay_of_the_index():
    vendor = start(vendor="hubspot", index_delay=60)
    try:
        client, new = Client(vendor), vendor.app.create("companies", {"name": "Late"})
        find = {"filterGroups": groups(where("hs_object_id", "EQ", new))}
        assert client.search(**find).json()["total"] == 0
        assert client.get(f"/crm/v3/objects/companies/{new}").status_code == 200
        vendor.clock.forward(61)
        assert client.search(**find).json()["total"] == 1
    finally:
        vendor.stop()


def test_a_hundred_thousand_companies_are_searched_quickly():
    vendor = start(vendor="hubspot", records=100_000)
    try:
        client, after_id, stamp = Client(vendor), "0", "0"
        started = time.perf_counter()
        for _page in range(50):
            found = groups(where(CHANGED, "GTE", stamp))
            page = client.search(filterGroups=found, sorts=[CHANGED], limit=200, properties=["name"]).json()
            stamp = str(round(datetime.fromisoformat(
                page["results"][-1]["updatedAt"].replace("Z", "+00:00")).timestamp() * 1000))
            found = groups(where("hs_object_id", "GT", after_id))
            after_id = client.search(filterGroups=found, sorts=["hs_object_id"], limit=200).json()["results"][-1]["id"]
        assert time.perf_counter() - started < 10
        assert vendor.manifest["plain_companies"] == 100_000
        assert vendor.manifest["counts"]["companies"] == 100_005
    finally:
        vendor.stop()


def test_dated_paths_answer_the_same_and_others_do_not_exist(client):
    for path in ("/crm/objects/2026-03/companies/8801", "/crm/objects/2026-09/0-2/8801"):
        assert client.get(path).json() == client.get("/crm/v3/objects/company/8801").json()
    for path in ("/crm/objects/2026-09-beta/companies", "/crm/v4/objects/companies", "/crm/v2/objects/companies"):
        refused(client.get(path), 404, "OBJECT_NOT_FOUND")
    refused(client.get("/crm/v3/objects/unicorns"))


# --- several records at once, and links ---------------------------------------------------------------------------


def test_batch_read_names_what_is_missing(client):
    read = {"inputs": [{"id": "8801"}, {"id": "8805"}], "properties": ["city"]}
    answer = client.post("/crm/v3/objects/companies/batch/read", read)
    assert answer.status_code == 200
    assert {row["properties"]["city"] for row in answer.json()["results"]} == {"Hamburg", "Hannover"}
    read["inputs"].append({"id": "999"})
    answer = client.post("/crm/v3/objects/companies/batch/read", read)
    assert (answer.status_code, len(answer.json()["results"])) == (207, 2)
    assert answer.json()["errors"][0]["context"]["ids"] == ["999"]
    later = client.post("/crm/objects/2026-09/companies/batch/read", read)
    assert (later.status_code, later.json()["numErrors"]) == (200, 1)
    for inputs in ([{"id": "8801"}] * 2, [{"id": str(number)} for number in range(101)], [{"id": 8801}], []):
        refused(client.post("/crm/v3/objects/companies/batch/read", {"inputs": inputs}))
    history = {"inputs": [{"id": str(number)} for number in range(51)], "propertiesWithHistory": ["name"]}
    refused(client.post("/crm/v3/objects/companies/batch/read", history))
    by_email = {"inputs": [{"id": studio.customer("NOVA").contact_email}], "idProperty": "email"}
    rows = client.post("/crm/v3/objects/contacts/batch/read", by_email).json()["results"]
    assert [row["id"] for row in rows] == ["7701"]


def test_links_have_types_and_pages(limited):
    for number in range(3):
        limited.vendor.app.create("line_items", {"name": f"L{number}"}, links=[("deals", 555001)])
    inputs, seen = [{"id": "555001"}, {"id": "555006"}, {"id": "1"}], []
    first = limited.post("/crm/v4/associations/deals/line_items/batch/read", {"inputs": inputs})
    assert (first.status_code, first.json()["errors"][0]["context"]) == (207, {"fromObjectId": ["1"]})
    rows = {row["from"]["id"]: row for row in first.json()["results"]}
    assert set(rows) == {"555001"}
    page = rows["555001"]
    while True:
        seen += [end["toObjectId"] for end in page["to"]]
        assert page["to"][0]["associationTypes"] == [
            {"category": "HUBSPOT_DEFINED", "typeId": 19, "label": None}]
        if "paging" not in page:
            break
        following = {"inputs": [{"id": "555001", "after": page["paging"]["next"]["after"]}]}
        page = limited.post("/crm/v4/associations/deals/line_items/batch/read", following).json()["results"][0]
    assert len(seen) == len(set(seen)) == 5
    company = limited.get("/crm/v4/objects/deals/555001/associations/companies").json()["results"]
    assert [(row["toObjectId"], [kind["typeId"] for kind in row["associationTypes"]]) for row in company] == [
        (8801, [5, 341])]
    dated = limited.get("/crm/objects/2026-03/deals/555001/associations/companies").json()["results"]
    assert dated[0]["toObjectId"] == "8801"
    deal = limited.get("/crm/v3/objects/deals/555001", associations="companies,contacts").json()["associations"]
    assert deal["companies"]["results"] == [
        {"id": "8801", "type": "deal_to_company"}, {"id": "8801", "type": "deal_to_company_unlabeled"}]
    assert deal["contacts"]["results"] == [{"id": "7701", "type": "deal_to_contact"}]
    refused(limited.get("/crm/v4/objects/deals/555001/associations/companies", limit=501), code="INVALID_LIMIT")


def test_merged_ids_lead_to_the_record_that_is_left(client):
    app = client.vendor.app
    assert app.merge("companies", "8802", "8801") == "8801"
    assert client.get("/crm/v3/objects/companies/8802").json()["id"] == "8801"
    assert {row["id"] for row in client.search().json()["results"]} == {"8801", "8803", "8804", "8805"}
    linked = client.get("/crm/v4/objects/companies/8801/associations/deals").json()["results"]
    assert [row["toObjectId"] for row in linked] == [555001, 555002, 555006, 555007]
    left = app.merge("companies", "8803", "8804", new_record=True)
    assert left not in ("8803", "8804")
    assert client.get("/crm/v3/objects/companies/8804", properties="hs_merged_object_ids").json()["properties"][
        "hs_merged_object_ids"] == "8804;8803"
    body = {"primaryObjectId": "8801", "objectIdToMerge": "8805"}
    assert client.post("/crm/v3/objects/companies/merge", body).json()["id"] == "8801"


def test_second_act(client):
    changed = client.vendor.advance()
    assert len(client.vendor.manifest["won_deals"]) == 4
    assert "555007" not in client.vendor.manifest["lost_deals"]
    merged = changed["company_merged"]
    assert client.get(f"/crm/v3/objects/companies/{merged['loser']}").json()["id"] == merged["winner"]
    assert client.vendor.advance() == {"played": False}


def test_the_pages_of_faults(client):
    path = "/crm/v3/objects/companies"
    client.vendor.faults.add("duplicate_rows", path="companies")
    assert len(client.get(path).json()["results"]) == 6
    client.vendor.faults.add("reordered_page", path="companies")
    assert next(iter(client.get(path).json()["results"]))["id"] == "8805"
    client.vendor.faults.add("endless_paging", times=None, path="companies")
    pages = [client.get(path, limit=2, after=after).json() for after in ("0", "8803", "8805")]
    assert pages[0] == pages[1] == pages[2]
    client.vendor.faults.clear()
    for kind, status in (("locked", 423), ("migration", 477), ("search_limit", 429), ("daily_limit", 429)):
        client.vendor.faults.add(kind)
        assert client.get(path).status_code == status
    client.vendor.faults.add("rate_limited")
    body = refused(client.get(path), 429, "RATE_LIMITS")
    assert (body["policyName"], body["errorType"]) == ("TEN_SECONDLY_ROLLING", "RATE_LIMIT")


def test_limits_count_when_they_are_set():
    vendor = start(vendor="hubspot", ten_seconds=6, searches=2)
    try:
        client = Client(vendor)
        answers = [client.search() for _number in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["policyName"] == "SECONDLY"
        assert "X-HubSpot-RateLimit-Max" not in answers[0].headers
        answers = [client.get("/crm/v3/owners") for _number in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
        assert answers[0].headers["X-HubSpot-RateLimit-Remaining"] == "3"
        assert answers[4].json()["policyName"] == "TEN_SECONDLY_ROLLING"
    finally:
        vendor.stop()
