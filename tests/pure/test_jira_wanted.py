"""Custom fields of issues: what the site describes, and reading what people's field maps ask for."""

import pytest
from mini_jira import CONNECTOR, STREAMS, MiniJira, read_run, worklog
from wire_server import serving

from connectors.base import UPSERT

FIXED = ["summary", "project", "updated", "status", "parent", "timeoriginalestimate"]
COST_CENTRE, TEAM = "customfield_10041", "customfield_10055"


@pytest.fixture
def site():
    site = MiniJira()
    for name, label, kind in ((COST_CENTRE, "Cost centre", "string"), (TEAM, "Team", "option")):
        site.fields.append({"id": name, "name": label, "custom": True, "schema": {"type": kind, "customId": 1}})
    for number, row in site.issues.items():
        row["fields"] |= {COST_CENTRE: f"CC-{number}", TEAM: {"value": "Blue"}, "duedate": "2026-08-01"}
    with serving(site) as server:
        site.url, site.server = server.url, server
        yield site


def session_for_maps(site, *paths):
    session = site.session()
    session.wanted = {"issue": list(paths)}
    return session


def asked_fields(site):
    return [asked.json["fields"] for asked in site.server.asked if asked.path.endswith("/search/jql")]


def described_times(site):
    return sum(asked.path.endswith("/field") for asked in site.server.asked)


def test_the_fields_of_issues_are_described_custom_ones_too(site):
    described = CONNECTOR.describe_fields(site.session(), STREAMS["issue"])
    assert described[f"fields.{COST_CENTRE}"] == {"type": "string", "label": "Cost centre", "custom": True}
    assert described[f"fields.{TEAM}"]["type"] == "option"
    assert described["fields.duedate"] == {"type": "string", "label": "Duedate", "custom": False}
    assert not any("issuekey" in path for path in described)


@pytest.mark.parametrize("code", ["customer", "user", "project", "worklog"])
def test_what_comes_whole_is_not_described(site, code):
    assert CONNECTOR.describe_fields(site.session(), STREAMS[code]) is None
    assert site.server.asked == []


def test_what_a_field_map_reads_is_read_page_by_page(site):
    session = session_for_maps(site, "fields", f"fields.{COST_CENTRE}", f"fields.{TEAM}", f"fields.{TEAM}.value",
                               "fields.duedate", "fields.summary", "fields.customfield_99999", "key", "planned_hours")
    records, _cursor, pages = read_run(session, "issue", page_size=1)
    assert len(pages) == 2
    assert {record.raw["fields"][COST_CENTRE] for record in records} == {"CC-10077", "CC-10078"}
    assert {record.raw["fields"][TEAM]["value"] for record in records} == {"Blue"}
    assert asked_fields(site) == [[*FIXED, COST_CENTRE, TEAM, "duedate"]] * 2
    assert described_times(site) == 1


def test_what_a_field_map_reads_is_read_by_id(site):
    session = session_for_maps(site, f"fields.{COST_CENTRE}", "fields.customfield_99999")
    found = CONNECTOR.fetch_records(session, STREAMS["issue"], ["10077", "1"])
    assert [record.raw["fields"][COST_CENTRE] for record in found if record.operation == UPSERT] == ["CC-10077"]
    assert {tuple(names) for names in asked_fields(site)} == {(*FIXED, COST_CENTRE)}
    assert described_times(site) == 1


@pytest.mark.parametrize("paths", [(), ("fields.summary", "fields.project.id", "fields.parent", "key")])
def test_nothing_more_is_asked_when_no_field_map_reads_more(site, paths):
    session = session_for_maps(site, *paths)
    records, _cursor, _pages = read_run(session, "issue")
    CONNECTOR.fetch_records(session, STREAMS["issue"], ["10077"])
    assert COST_CENTRE not in records[0].raw["fields"]
    assert asked_fields(site) == [FIXED, FIXED]
    assert described_times(site) == 0


def test_worklogs_ask_for_the_project_of_their_issue_alone(site):
    site.worklogs[551] = worklog(551)
    read_run(session_for_maps(site, f"fields.{COST_CENTRE}"), "worklog")
    assert asked_fields(site) == [["project"]]
    assert described_times(site) == 0
