"""The stand-in of Jira and Tempo: what may be written, and when a period refuses."""

from dataclasses import replace

import pytest
from jira_client import Client, serving
from rigs.jira import RIG

from connectors.errors import ConflictError
from sandbox import studio


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


def whole(row, **changes):
    return {"authorAccountId": row["author"]["accountId"], "startDate": row["startDate"], "startTime": row["startTime"],
            "timeSpentSeconds": row["timeSpentSeconds"], "billableSeconds": row["billableSeconds"],
            "description": row["description"], "attributes": row["attributes"]["values"], **changes}


def test_put_replaces_everything(vendor, client):
    (number,) = RIG.make(vendor)
    row = client.tempo("GET", f"worklogs/{number}").json()
    marked = [*row["attributes"]["values"], {"key": "_Invoiced_", "value": "INV/2026/0007"}]
    after = client.tempo("PUT", f"worklogs/{number}", json=whole(row, attributes=marked)).json()
    assert {key: value for key, value in after.items() if key not in ("attributes", "updatedAt")} == {
        key: value for key, value in row.items() if key not in ("attributes", "updatedAt")}
    assert after["attributes"]["values"] == marked
    bare = {key: whole(row)[key] for key in ("authorAccountId", "startDate", "timeSpentSeconds")}
    reset = client.tempo("PUT", f"worklogs/{number}", json=bare).json()
    assert (reset["description"], reset["startTime"], reset["attributes"]["values"]) == ("", "00:00:00", [])
    assert vendor.app.store.writes["tempo", int(number)] == 2


@pytest.mark.parametrize("change", [
    {"authorAccountId": None}, {"startDate": None}, {"timeSpentSeconds": None}, {"timeSpentSeconds": "60"},
    {"startTime": "9:00"}, {"issueId": 20011}, {"attributes": [{"key": "_Unknown_", "value": "x"}]},
    {"attributes": [{"key": "_Account_", "value": "NOPE"}]}, {"attributes": {"_Account_": "ACC-NOVA"}},
    {"billable": True}, {"startDate": "02.04.2026"}, {"bypassPeriodClosuresAndApprovals": True},
])
def test_put_that_is_refused_changes_nothing(vendor, client, change):
    (number,) = RIG.make(vendor)
    row = client.tempo("GET", f"worklogs/{number}").json()
    answer = client.tempo("PUT", f"worklogs/{number}", json=whole(row, **change))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]
    assert client.tempo("GET", f"worklogs/{number}").json() == row
    assert client.tempo("PUT", f"worklogs/{number}", data=b"{}").status_code == 415


def test_an_approved_period_refuses_edits_until_it_is_reopened(vendor, client):
    (number,) = RIG.make(vendor)
    row = client.tempo("GET", f"worklogs/{number}").json()
    RIG.approve(vendor, number)
    assert client.tempo("PUT", f"worklogs/{number}", json=whole(row)).status_code == 400
    assert client.tempo("DELETE", f"worklogs/{number}").status_code == 400
    new = {"issueId": 20011, "authorAccountId": row["author"]["accountId"], "startDate": row["startDate"],
           "timeSpentSeconds": 60}
    assert client.tempo("POST", "worklogs", json=new).status_code == 400
    late = client.tempo("POST", "worklogs", json={**new, "bypassPeriodClosuresAndApprovals": True})
    assert late.status_code == 200
    assert client.tempo("DELETE", f"worklogs/{late.json()['tempoWorklogId']}?bypassPeriodClosuresAndApprovals=true"
                        ).status_code == 204
    RIG.reopen(vendor, number)
    assert client.tempo("PUT", f"worklogs/{number}", json=whole(row)).status_code == 200
    assert client.tempo("POST", "worklogs", json={**new, "issueId": "NOVA-1"}).status_code == 400


def test_approval_actions(client):
    user, period = studio.person(studio.LENA).account_id, "from=2026-04-06&to=2026-04-12"
    path = f"timesheet-approvals/user/{user}"
    assert client.tempo("GET", f"{path}?{period}").json()["status"]["key"] == "OPEN"
    for action, status in (("submit", "IN_REVIEW"), ("recall", "OPEN"), ("submit", "IN_REVIEW"), ("reject", "OPEN"),
                           ("approve", "APPROVED"), ("reopen", "OPEN")):
        answer = client.tempo("POST", f"{path}/{action}?{period}", json={"comment": "x"})
        assert answer.json()["status"]["key"] == status
    assert client.tempo("POST", f"{path}/reopen?{period}", json={}).status_code == 400
    lines = client.search("timesheet-approvals/logs/search", {
        "updatedFrom": "2026-07-03T00:00:00Z", "userAccountIds": [user]})
    assert [line["status"]["key"] for line in lines][-2:] == ["APPROVED", "OPEN"]
    team = client.tempo("GET", f"timesheet-approvals/team/1?{period}").json()["results"]
    assert len(team) == len(studio.PEOPLE) + 2


def test_worklog_properties_of_jira(vendor, client):
    (number,) = RIG.make(vendor)
    path = f"issue/20012/worklog/{int(number) + 40_000}/properties/odoo"
    assert client.jira("GET", path).status_code == 404
    assert [client.jira("PUT", path, json={"invoice": value}).status_code for value in ("A", "B")] == [201, 200]
    assert client.jira("GET", path).json() == {"key": "odoo", "value": {"invoice": "B"}}
    (detail,) = client.jira("POST", "worklog/list?expand=properties", json={"ids": [int(number) + 40_000]}).json()
    assert detail["properties"] == [{"key": "odoo", "value": {"invoice": "B"}}]
    assert client.jira("PUT", path, json="x" * 33_000).status_code == 400
    assert client.jira("PUT", path.replace("20012", "20013"), json=1).status_code == 404
    assert vendor.app.store.writes["property", int(number)] == 2
    assert client.jira("DELETE", path).status_code == 204
    vendor.app.jira.locked.add(int(number))
    assert [client.jira(method, path, json=1).status_code for method in ("PUT", "DELETE", "GET")] == [403, 403, 404]
    assert vendor.app.store.writes["property", int(number)] == 2


def test_a_property_stands_outside_the_approval(vendor, client):
    (number,) = RIG.make(vendor)
    RIG.approve(vendor, number)
    (pair,) = client.tempo("POST", "worklogs/tempo-to-jira", json={"tempoWorklogIds": [int(number), 987]}).json()[
        "results"]
    assert pair == {"tempoWorklogId": int(number), "jiraWorklogId": int(number) + 40_000}
    path = f"issue/20012/worklog/{pair['jiraWorklogId']}/properties/odoo"
    assert client.jira("PUT", path, json={"invoice": "A"}).status_code == 201


@pytest.mark.parametrize("approved", [True, False])
def test_the_connector_marks_once_in_the_place_that_takes_it(vendor, client, approved):
    spec, (item,) = RIG.push_items(vendor, approved=approved)
    session = RIG.session(vendor)
    for written in (True, False):
        (result,) = RIG.connector.push(session, spec, [item])
        assert (result.error, result.written, RIG.written(vendor, item)) == (None, written, 1)
    number = int(item.external_id)
    marks = vendor.app.control("GET", "written", {})
    assert marks["invoiced"].get(number, "") == ("" if approved else "INV/2026/00007")
    assert marks["properties"].get(number, {}) == (
        {"odoo_invoice": {"invoice": "INV/2026/00007"}} if approved else {})
    back = replace(item, values={**item.values, "event": "credited", "invoiced": False})
    (result,) = RIG.connector.push(session, spec, [back])
    assert (result.error, result.written) == (None, True)
    marks = vendor.app.control("GET", "written", {})
    assert number not in {*marks["invoiced"], *marks["properties"]}


def test_a_persons_attribute_is_a_conflict_for_an_approved_worklog_too(vendor):
    spec, (item,) = RIG.push_items(vendor)
    vendor.app.mark_invoiced(int(item.external_id), "OTHER/2026/0001")
    (result,) = RIG.connector.push(RIG.session(vendor), spec, [item])
    assert isinstance(result.error, ConflictError)
    assert (result.error.theirs, RIG.written(vendor, item)) == ("OTHER/2026/0001", 0)
