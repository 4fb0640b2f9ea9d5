"""Custom fields: what the org describes, and reading what people's field maps ask for."""

from mini_org import field
from reading_rig import CONNECTOR, DEAL, STREAMS, accounts_org, deals_org, read_run
from wire_server import serving, session_for

from connectors.salesforce.client import client_of
from connectors.salesforce.objects import resolve
from connectors.salesforce.streams import OBJECTS
from connectors.salesforce.wanted import with_wanted


def test_describe_with_custom_fields_and_lines():
    org = deals_org()
    org.fields["Opportunity"].append(field("Region__c", label="Region", custom=True))
    org.fields["Opportunity"].append(field("BillingAddress", "address"))
    with serving(org) as server:
        described = CONNECTOR.describe_fields(session_for(server.url), STREAMS["opportunity"])
    assert described["Region__c"] == {"type": "string", "label": "Region", "custom": True}
    assert described["Amount"] == {"type": "currency", "label": "", "custom": False}
    assert described["OpportunityLineItems[].Discount"]["type"] == "percent"
    assert "BillingAddress" not in described


def test_what_a_field_map_reads_is_read():
    org = accounts_org()
    org.fields["Account"].append(field("Region__c"))
    for row in org.tables["Account"].values():
        row["Region__c"] = "North"
    with serving(org) as server:
        plain, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        session = session_for(server.url)
        session.wanted = {"account": ["Region__c", "NotThere__c", "A.b.c", '"odd name"']}
        records, _cursor, _pages = read_run(session, STREAMS["account"], {})
    assert "Region__c" not in plain[0].raw
    assert {record.raw["Region__c"] for record in records} == {"North"}
    assert "NotThere__c" not in records[0].raw


def test_what_a_field_map_reads_of_lines_is_read():
    org = deals_org()
    org.fields["OpportunityLineItem"].append(field("Phase__c"))
    org.tables["OpportunityLineItem"]["l1"]["Phase__c"] = "Build"
    with serving(org) as server:
        session = session_for(server.url)
        session.wanted = {"opportunity": [
            "OpportunityLineItems", "OpportunityLineItems[].Id", "OpportunityLineItems[].Phase__c"]}
        (record,) = CONNECTOR.fetch_records(session, STREAMS["opportunity"], [DEAL])
    assert [line["Phase__c"] for line in record.raw["OpportunityLineItems"]] == ["Build"]


def test_what_is_read_anyway_is_not_asked_for_twice():
    with serving(deals_org()) as server:
        session = session_for(server.url)
        session.wanted = {"opportunity": ["Id", "SystemModstamp", *(
            f"OpportunityLineItems[].{name}" for name in ("Id", "SystemModstamp", "OpportunityId"))]}
        shape = resolve(client_of(session), with_wanted(session, STREAMS["opportunity"], OBJECTS["opportunity"]))
    for names in (shape.fields, *shape.child_fields.values()):
        assert len(names) == len(set(names))


def test_a_vendor_without_a_describe_says_so():
    from connectors import get

    harvest = get("harvest")
    assert harvest.describe_fields(None, harvest.streams[0]) is None
