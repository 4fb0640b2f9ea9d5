from datetime import date, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from default_map import to_canonical
from mini_portal import CONNECTOR, NOW, STREAMS, MiniPortal, read_run, session
from wire_server import Answer, serving

from connectors.canonical import Reference
from connectors.cursor import format_instant
from connectors.errors import TransientError
from connectors.hubspot.reader import day_of, is_won, net_price

OLD = NOW - timedelta(days=2)


@pytest.fixture
def portal():
    """Five deals; the first has three lines, two companies and two contacts."""
    found = MiniPortal()
    for number in range(1, 6):
        found.put("deals", number, OLD + timedelta(minutes=number), dealname=f"D{number}", amount="1000.00",
                  closedate="2026-03-20T00:00:00.000Z", pipeline="default", dealstage="s2", hubspot_owner_id="501",
                  deal_currency_code="CHF" if number == 1 else None, psa_legal_entity="HM-DE", psa_delivery_owner="502",
                  psa_needs_signature="true", psa_billing_method="time", psa_project_code="NOVA")
        found.link("deals", "companies", number, 8800 + number, 5)
    for number, company in ((341, 8700), (341, 8600)):
        found.link("deals", "companies", 1, company, number)
    found.link("deals", "contacts", 1, 7702, 3)
    found.link("deals", "contacts", 1, 7701, 3)
    for line in (9110, 9101, 9102):
        found.put("line_items", line, OLD, name=f"L{line}", quantity="10", price="100", amount="900.00",
                  psa_role="Designer", hs_sku="DES")
        found.link("deals", "line_items", 1, line, 19)
        found.link("line_items", "deals", line, 1, 20)
    return found


def test_a_deal_comes_with_company_contact_lines_and_stage(portal):
    with serving(portal) as server:
        records, _cursor, _pages = read_run(session(server), "deal", page_size=100)
        calls = [asked.path for asked in server.asked]
    raw = records[0].raw
    assert (raw["company_id"], raw["contact_id"]) == ("8801", "7701")
    assert [line["id"] for line in raw["line_items"]] == ["9101", "9102", "9110"]
    assert raw["stage"]["label"] == "Signed"
    assert records[1].raw["line_items"] == []
    assert records[1].raw["contact_id"] is None
    # One call a kind for the page, however many deals are on it; a second one where a deal has many associations.
    assert sum("/crm/v4/associations/" in path for path in calls) <= 6
    assert calls.count("/crm/v3/objects/line_items/batch/read") == 1
    assert calls.count("/crm/v3/pipelines/deals") == 1
    assert not any(path.startswith("/crm/v3/objects/deals/1") for path in calls)


def test_it_becomes_the_canonical_deal(portal):
    with serving(portal) as server:
        records, _cursor, _pages = read_run(session(server), "deal")
    deal = to_canonical(CONNECTOR, STREAMS["deal"], records[0].raw)
    assert deal["won"] is True
    assert deal["closed_on"] == date(2026, 3, 20)
    assert deal["currency"] == "CHF"
    assert deal["party"] == Reference("Company", "8801")
    assert deal["contact"] == Reference("Contact", "7701")
    assert (deal["owner"], deal["delivery_owner"]) == (Reference("Owner", "501"), Reference("Owner", "502"))
    assert deal["needs_signature"] is True
    assert (deal["company"], deal["billing_method"], deal["project_code"]) == ("HM-DE", "time", "NOVA")
    line = deal["lines"][0]
    assert (line["external_id"], line["quantity"], line["unit_price"]) == ("9101", Decimal(10), Decimal(90))
    assert (line["role"], line["product"], line["amount"]) == ("Designer", "DES", Decimal(900))
    assert to_canonical(CONNECTOR, STREAMS["deal"], records[1].raw)["currency"] == "EUR"


def test_people_and_companies_become_canonical():
    company = {"properties": {"name": "Nova", "domain": "nova.example", "vat_number": "DE1", "zip": "20457"}}
    assert to_canonical(CONNECTOR, STREAMS["company"], company)["zip"] == "20457"
    contact = {"properties": {"firstname": "Ada", "lastname": "", "email": "a@nova.example"}, "company_id": "9"}
    person = to_canonical(CONNECTOR, STREAMS["contact"], contact)
    assert (person["name"], person["party"]) == ("Ada", Reference("Company", "9"))
    nameless = {"properties": {"firstname": None, "lastname": None, "email": "a@nova.example"}, "company_id": None}
    assert to_canonical(CONNECTOR, STREAMS["contact"], nameless)["name"] == "a@nova.example"
    owner = to_canonical(CONNECTOR, STREAMS["owner"], {"email": "M@firm.example", "firstName": "Mara",
                                                       "lastName": "Halden", "archived": True})
    assert (owner["name"], owner["email"], owner["active"]) == ("Mara Halden", "m@firm.example", False)


@pytest.mark.parametrize(("stage", "properties", "won"), [
    ({"metadata": {"probability": "1.0", "isClosed": "true"}}, {}, True),
    ({"metadata": {"probability": "1.0"}}, {}, True), ({"metadata": {"probability": 1}}, {}, True),
    ({"metadata": {"probability": "1.0", "isClosed": "false"}}, {}, False),
    ({"metadata": {"probability": "0.9", "isClosed": "true"}}, {}, False),
    ({"metadata": {"probability": "0.0", "isClosed": "true"}}, {"dealstage": "closedwon"}, False),
    ({"label": "Closed won", "id": "closedwon"}, {"dealstage": "closedwon"}, False),
    ({}, {"hs_is_closed_won": "true"}, True), ({}, {"hs_is_closed_won": "false"}, False), ({}, {}, False),
])
def test_won_is_what_the_stage_says_not_its_name(stage, properties, won):
    assert is_won(stage, properties) is won


@pytest.mark.parametrize(("text", "zone", "day"), [
    ("2026-03-20", "UTC", "2026-03-20"), ("2026-03-20T00:00:00Z", "America/New_York", "2026-03-20"),
    ("1773964800000", "UTC", "2026-03-20"), ("2026-03-20T23:30:00.000Z", "Europe/Berlin", "2026-03-21"),
    ("2026-03-20T23:30:00.000Z", "UTC", "2026-03-20"), ("2026-03-20T02:00:00.000Z", "America/New_York", "2026-03-19"),
    ("", "UTC", None), (None, "UTC", None), ("soon", "UTC", "soon"),
])
def test_the_day_of_a_date(text, zone, day):
    assert day_of(text, ZoneInfo(zone)) == day
    assert day_of("2026-03-20T10:00:00Z", timezone.utc) == "2026-03-20"


@pytest.mark.parametrize(("properties", "price"), [
    ({"price": "100.00", "quantity": "3", "amount": "300"}, "100.00"),
    ({"price": "100", "quantity": "10", "amount": "900.00"}, "90"),
    ({"price": "100", "quantity": "3", "amount": "100"}, "33.333333"),
    ({"price": "100", "quantity": "0", "amount": "0"}, "100"),
    ({"price": "100", "quantity": "0", "amount": "5"}, "100"),
    ({"price": "100", "quantity": None, "amount": "5"}, "100"), ({"price": "100"}, "100"),
    ({"price": None, "quantity": "2", "amount": "500"}, "250"), ({}, None),
    ({"price": "x", "quantity": "1", "amount": "5"}, "x"),
])
def test_the_price_of_a_line_is_what_its_amount_says(properties, price):
    assert net_price(properties) == price


def test_a_changed_line_brings_its_deal_in_a_newer_version(portal):
    with serving(portal) as server:
        records, cursor, _pages = read_run(session(server), "deal")
        assert records[0].version == format_instant(OLD + timedelta(minutes=1))
        portal.now = NOW + timedelta(hours=1)
        changed = NOW + timedelta(minutes=30)
        portal.put("line_items", 9102, changed, quantity="20")
        records, cursor, _pages = read_run(session(server), "deal", cursor)
        assert [(record.external_id, record.version) for record in records] == [("1", format_instant(changed))]
        assert records[0].raw["line_items"][1]["properties"]["quantity"] == "20"
        portal.now = NOW + timedelta(hours=2)
        assert read_run(session(server), "deal", cursor)[0] == []


def test_many_changed_lines_are_read_over_pages_and_ties(portal):
    with serving(portal) as server:
        _records, cursor, _pages = read_run(session(server), "deal")
        portal.now = NOW + timedelta(hours=1)
        for line in range(10):
            portal.put("line_items", 9200 + line, NOW + timedelta(minutes=30))
            portal.link("line_items", "deals", 9200 + line, 1 + line % 5, 20)
        records, _cursor, _pages = read_run(session(server), "deal", cursor)
    assert {record.external_id for record in records} == {"1", "2", "3", "4", "5"}


def test_single_deals_come_whole(portal):
    with serving(portal) as server:
        (record,) = CONNECTOR.fetch_records(session(server), STREAMS["deal"], ["1"])
    assert record.raw["company_id"] == "8801"
    assert len(record.raw["line_items"]) == 3


def test_a_line_that_vanished_meanwhile_is_left_out(portal):
    portal.archive("line_items", 9101)
    with serving(portal) as server:
        (record,) = CONNECTOR.fetch_records(session(server), STREAMS["deal"], ["1"])
    assert [line["id"] for line in record.raw["line_items"]] == ["9102", "9110"]


def test_a_failure_inside_a_batch_is_not_taken_for_nothing(portal):
    portal.before = lambda asked: Answer(207, {"results": [], "errors": [{"category": "INTERNAL_ERROR"}]}) if (
        "/associations/deals/line_items/" in asked.path) else None
    with serving(portal) as server:
        with pytest.raises(TransientError):
            read_run(session(server), "deal")


def test_associations_without_end_are_noticed(portal):
    portal.before = lambda asked: Answer(body={"results": [{
        "from": {"id": "1"}, "to": [{"toObjectId": 5}], "paging": {"next": {"after": "x"}}}]}) if (
            "/associations/" in asked.path) else None
    with serving(portal) as server:
        with pytest.raises(TransientError, match="repeats"):
            read_run(session(server), "deal")
