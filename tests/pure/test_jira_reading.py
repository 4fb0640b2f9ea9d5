import json
from datetime import timedelta
from decimal import Decimal

import pytest
from default_map import to_canonical
from mini_jira import CONNECTOR, INES, KOFI, NOW, STREAMS, MiniJira, read_run
from wire_server import Answer, serving

from connectors.base import DELETE, UPSERT
from connectors.canonical import Reference
from connectors.errors import PoisonError, TransientError


@pytest.fixture
def site():
    site = MiniJira()
    with serving(site) as server:
        site.url, site.server = server.url, server
        yield site


def canonical(code, record):
    (part,) = CONNECTOR.split(STREAMS[code], record.raw, record.external_id)
    return to_canonical(CONNECTOR, STREAMS[code], part.raw)


def by_id(records):
    return {record.external_id: record for record in records}


# --- people ---


def test_people_are_read_to_the_end_although_pages_are_short(site):
    records, cursor, _pages = read_run(site.session(), "user")
    assert set(by_id(records)) == {INES, KOFI}
    assert cursor == {}
    assert canonical("user", by_id(records)[INES]) | {"x": 1} == {
        **dict.fromkeys(("company", "role", "external", "cost_rate", "cost_currency", "user")),
        "name": "Ines Roth", "email": "ines@firm.example", "active": True, "x": 1}
    hidden = canonical("user", by_id(records)[KOFI])
    assert (hidden["email"], hidden["active"]) == (None, False)


def test_single_people(site):
    records = CONNECTOR.fetch_records(site.session(), STREAMS["user"], [KOFI, "app:1", "712020:gone-99"])
    assert {(record.external_id, record.operation) for record in records} == {
        (KOFI, UPSERT), ("app:1", DELETE), ("712020:gone-99", DELETE)}


# --- customers and projects ---


def test_customers(site):
    records, cursor, pages = read_run(site.session(), "customer", page_size=1)
    assert (set(by_id(records)), cursor, len(pages)) == ({"31", "32"}, {}, 2)
    assert canonical("customer", by_id(records)["31"])["name"] == "Novaterra"
    records = CONNECTOR.fetch_records(site.session(), STREAMS["customer"], ["32", "99"])
    assert {(record.external_id, record.operation) for record in records} == {("32", UPSERT), ("99", DELETE)}


def test_a_project_belongs_to_the_customer_of_its_default_account(site):
    records, _cursor, _pages = read_run(site.session(), "project")
    nova, old = canonical("project", by_id(records)["10001"]), canonical("project", by_id(records)["10002"])
    assert (nova["code"], nova["party"], nova["active"]) == ("NOVA", Reference("Customer", "31"), True)
    assert (old["code"], old["party"], old["active"]) == ("OLD", None, False)
    assert by_id(records)["10001"].raw["tempo"]["account"] == "ACC-NOVA"
    (record,) = CONNECTOR.fetch_records(site.session(), STREAMS["project"], ["10001"])
    assert record == by_id(records)["10001"]


# --- issues ---


def test_issues_become_tasks_of_projects(site):
    records, _cursor, _pages = read_run(site.session(), "issue")
    task = canonical("issue", by_id(records)["10078"])
    assert (task["name"], task["code"]) == ("Task NOVA-2", "NOVA-2")
    assert (task["project"], task["parent"]) == (Reference("Project", "10001"), Reference("Issue", "10077"))
    assert task["planned_hours"] == Decimal("1.5")
    assert by_id(records)["10078"].version == "2026-06-25T06:00:00.000Z"
    site.issues[10077]["fields"]["timeoriginalestimate"] = None
    (record,) = CONNECTOR.fetch_records(site.session(), STREAMS["issue"], ["10077"])
    assert canonical("issue", record)["planned_hours"] is None


def test_issues_are_paged_by_tokens_with_the_search_unchanged(site):
    for number in range(20):
        site.issues[number] = site.issue(number, f"NOVA-{number}", NOW - timedelta(days=5))  # all in one second
    session = site.session()
    records, cursor, pages = read_run(session, "issue")
    assert (len(by_id(records)), len(records), len(pages)) == (22, 22, 8)
    searches = [item.json for item in site.server.asked if item.path.endswith("/search/jql")]
    assert len({search["jql"] for search in searches}) == 1
    assert all("project" in search["fields"] for search in searches)
    assert cursor == {"at": "2026-07-03T06:00:00.000Z"}


def test_the_next_run_asks_for_the_minutes_since_the_last_one_and_the_overlap(site):
    session = site.session()
    _records, cursor, _pages = read_run(session, "issue")
    site.now += timedelta(minutes=30)
    site.issues[1] = site.issue(1, "NOVA-3", site.now - timedelta(minutes=39))
    records, _cursor, _pages = read_run(session, "issue", cursor)
    assert set(by_id(records)) == {"1"}
    assert site.server.asked[-1].json["jql"].startswith("updated >= -41m ")


def test_a_lower_bound_of_a_first_run(site):
    read_run(site.session(), "issue", since="2026-07-03T05:00:00Z")
    assert site.server.asked[-1].json["jql"].startswith("updated >= -61m ")


def test_a_token_that_has_expired_starts_the_search_again(site):
    page = CONNECTOR.fetch_page(site.session(), STREAMS["issue"], {}, {"page_size": 1})
    cursor = {**json.loads(json.dumps(page.cursor)), "next": "stale"}
    site.overrides["POST", "/rest/api/3/search/jql"] = Answer(400, {"errorMessages": ["invalid token"]})
    asked = len(site.server.asked)

    class Once(dict):
        def get(self, key, default=None):
            return self.pop(key, default)

    site.overrides = Once(site.overrides)
    again = CONNECTOR.fetch_page(site.session(), STREAMS["issue"], cursor, {"page_size": 1})
    assert [record.external_id for record in again.records] == [record.external_id for record in page.records]
    assert "nextPageToken" not in site.server.asked[-1].json
    assert len(site.server.asked) == asked + 2


def test_single_issues_when_some_are_not_there(site):
    records = CONNECTOR.fetch_records(site.session(), STREAMS["issue"], ["10077", "1", "2", "10078", "1) OR (id > 0"])
    assert {(record.external_id, record.operation) for record in records} == {
        ("10077", UPSERT), ("10078", UPSERT), ("1", DELETE), ("2", DELETE), ("1) OR (id > 0", DELETE)}


# --- answers that are none ---


@pytest.mark.parametrize(("answer", "expected"), [
    (Answer(200, b"<html>Log in</html>"), PoisonError),
    (Answer(200, '{"results":[{"name":"Mü'.encode("latin-1")), PoisonError),
    (Answer(200, {"results": []}, cut=5), TransientError),
    (Answer(503, b"<html>"), TransientError),
    (Answer(501, b""), TransientError),
])
def test_what_is_no_answer(site, answer, expected):
    site.overrides["GET", "/4/customers"] = answer
    with pytest.raises(expected):
        read_run(site.session(), "customer")
