"""Custom properties: what the account describes, and reading what people's field maps ask for."""

import re
from datetime import timedelta

import pytest
from mini_portal import CONNECTOR, NOW, STREAMS, MiniPortal, error, read_run, session
from wire_server import serving

from connectors.errors import MissingScopeError
from connectors.hubspot.declaration import KINDS

OLD = NOW - timedelta(days=2)
REGION = {"name": "region", "label": "Region", "type": "enumeration", "hubspotDefined": False}
PHASE = {"name": "phase", "label": "Phase", "type": "string"}
MAPPED = ["properties", "properties.region", "properties.dealname", "properties.not_there", "won",
          "line_items", "line_items[].id", "line_items[].properties.phase", "line_items[].properties.psa_role",
          "line_items[].properties.region"]


@pytest.fixture
def portal():
    """Five deals in two regions; the first has a line."""
    found = MiniPortal()
    for number in range(1, 6):
        found.put("deals", number, OLD + timedelta(minutes=number), dealname=f"D{number}", region=f"R{number % 2}")
    found.put("line_items", 9101, OLD, name="L", phase="Build")
    found.link("deals", "line_items", 1, 9101, 19)
    found.link("line_items", "deals", 9101, 1, 20)
    found.properties["deals"] = [
        REGION, {"name": "dealname", "label": "Deal name", "type": "string", "hubspotDefined": True},
        {"name": "diagnosis", "label": "Diagnosis", "type": "string", "dataSensitivity": "highly_sensitive"},
        {"name": "former", "label": "Former", "type": "string", "archived": True}]
    found.properties["line_items"] = [PHASE]
    return found


def opened(server, code="deal", paths=MAPPED):
    found = session(server)
    found.wanted = {code: paths}
    return found


def asked_properties(server, tail):
    """Return what each call to a path below the objects asked for."""
    return [asked.json["properties"] for asked in server.asked if asked.path == f"/crm/v3/objects/{tail}"]


def described(server):
    return [asked.path.rpartition("/")[2] for asked in server.asked if "/crm/v3/properties/" in asked.path]


def test_properties_are_described_custom_ones_and_those_of_lines_too(portal):
    with serving(portal) as server:
        found = CONNECTOR.describe_fields(session(server), STREAMS["deal"])
    assert found == {
        "properties.region": {"type": "enumeration", "label": "Region", "custom": True},
        "properties.dealname": {"type": "string", "label": "Deal name", "custom": False},
        "line_items[].properties.phase": {"type": "string", "label": "Phase", "custom": True}}


def test_a_deal_is_described_without_the_right_to_the_properties_of_lines(portal):
    portal.before = lambda asked: error(403, "MISSING_SCOPES") if "properties/line_items" in asked.path else None
    with serving(portal) as server:
        assert set(CONNECTOR.describe_fields(session(server), STREAMS["deal"])) == {
            "properties.region", "properties.dealname"}
    portal.before = lambda asked: error(403, "MISSING_SCOPES") if "properties/deals" in asked.path else None
    with serving(portal) as server:
        with pytest.raises(MissingScopeError):
            CONNECTOR.describe_fields(session(server), STREAMS["deal"])


def test_other_streams_have_no_lines_and_owners_are_not_described(portal):
    portal.properties["companies"] = [REGION]
    with serving(portal) as server:
        assert set(CONNECTOR.describe_fields(session(server), STREAMS["company"])) == {"properties.region"}
        assert CONNECTOR.describe_fields(session(server), STREAMS["owner"]) is None
        assert described(server) == ["companies"]


def test_what_a_field_map_reads_is_read_by_the_search_and_in_lines(portal):
    with serving(portal) as server:
        records, _cursor, pages = read_run(opened(server), "deal")
        searched, lines = asked_properties(server, "deals/search"), asked_properties(server, "line_items/batch/read")
        assert described(server) == ["deals", "line_items"]
    assert len(pages) > 1
    assert {record.raw["properties"]["region"] for record in records} == {"R0", "R1"}
    assert records[0].raw["line_items"][0]["properties"]["phase"] == "Build"
    deal, line = KINDS["deal"], KINDS["line_item"]
    assert searched == [[deal.stamp, *deal.properties, "region"]] * len(searched)
    assert lines == [[line.stamp, *line.properties, "phase"]]


def test_what_a_field_map_reads_is_read_by_id_and_after_a_merge(portal):
    portal.merged["7"] = "2"
    with serving(portal) as server:
        found = CONNECTOR.fetch_records(opened(server), STREAMS["deal"], ["1", "7"])
        (one,) = [asked.query["properties"] for asked in server.asked if asked.path.endswith("/deals/7")]
    assert one.split(",")[-1] == "region"
    assert found[0].raw["properties"]["region"] == "R1"
    assert found[0].raw["line_items"][0]["properties"]["phase"] == "Build"


def test_the_deal_of_a_changed_line_comes_with_what_a_field_map_reads(portal):
    with serving(portal) as server:
        _records, cursor, _pages = read_run(opened(server), "deal")
        portal.now = NOW + timedelta(hours=1)
        portal.put("line_items", 9101, NOW + timedelta(minutes=30), phase="Launch")
        (record,), _cursor, _pages = read_run(opened(server), "deal", cursor)
    assert record.raw["properties"]["region"] == "R1"
    assert record.raw["line_items"][0]["properties"]["phase"] == "Launch"


def test_what_is_sensitive_archived_or_not_there_is_left_out(portal):
    paths = [f"properties.{name}" for name in ("diagnosis", "former", "not_there", "phase")]
    with serving(portal) as server:
        CONNECTOR.fetch_records(opened(server, paths=paths), STREAMS["deal"], ["1"])
        assert asked_properties(server, "deals/batch/read") == [[KINDS["deal"].stamp, *KINDS["deal"].properties]]
        assert described(server) == ["deals"]


def test_without_the_right_to_definitions_the_names_are_asked_for_as_they_are(portal):
    portal.before = lambda asked: error(403, "MISSING_SCOPES") if "/properties/" in asked.path else None
    with serving(portal) as server:
        records, _cursor, _pages = read_run(opened(server), "deal")
        assert described(server) == ["deals", "line_items"]
    assert records[0].raw["properties"]["region"] == "R1"
    assert records[0].raw["line_items"][0]["properties"]["phase"] == "Build"


@pytest.mark.parametrize("paths", [[], ["properties.dealname", "won", "line_items[].properties.psa_role"]])
def test_nothing_more_is_asked_when_no_field_map_reads_more(portal, paths):
    with serving(portal) as server:
        records, _cursor, _pages = read_run(opened(server, paths=paths), "deal", page_size=100)
        calls = [f"{asked.method} {asked.path}" for asked in server.asked]
        searched, lines = asked_properties(server, "deals/search"), asked_properties(server, "line_items/batch/read")
    assert "region" not in records[0].raw["properties"]
    assert calls == [
        "GET /crm/v3/objects/deals", "POST /crm/v3/objects/deals/search",
        "POST /crm/v4/associations/deals/companies/batch/read", "POST /crm/v4/associations/deals/contacts/batch/read",
        "POST /crm/v4/associations/deals/line_items/batch/read", "POST /crm/v3/objects/line_items/batch/read",
        "GET /crm/v3/pipelines/deals"]
    deal, line = KINDS["deal"], KINDS["line_item"]
    assert (searched, lines) == ([[deal.stamp, *deal.properties]], [[line.stamp, *line.properties]])


def test_the_default_field_maps_read_nothing_more():
    for code, rules in CONNECTOR.default_mappings().items():
        for name, rule in rules.items():
            read = re.findall(r"properties\.(\w+)", rule if isinstance(rule, str) else rule["path"])
            kind = KINDS.get("line_item" if name.startswith("lines.") else code)  # owners have no properties
            assert set(read) <= set(kind.properties if kind else ())


def test_a_field_map_of_another_stream_changes_nothing(portal):
    portal.put("companies", 1, OLD, name="Nova", region="R9")
    portal.properties["companies"] = [REGION]
    with serving(portal) as server:
        (plain,) = CONNECTOR.fetch_records(opened(server), STREAMS["company"], ["1"])
        assert described(server) == []
        (record,) = CONNECTOR.fetch_records(opened(server, "company"), STREAMS["company"], ["1"])
        assert described(server) == ["companies"]
    assert "region" not in plain.raw["properties"]
    assert record.raw["properties"]["region"] == "R9"
