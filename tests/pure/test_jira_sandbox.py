"""The stand-in of Jira and Tempo, read over HTTP as their documentation says."""

import time
from collections import defaultdict
from decimal import Decimal

import pytest
from jira_client import Client, approved_weeks, over_oauth, refresh, serving
from rigs.jira import RIG

from sandbox import studio
from sandbox.server import start


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


def test_the_worth_of_approved_time_is_that_of_the_studio(client):
    prices = {(deal.code, line.role): line.price for deal in studio.DEALS for line in deal.lines
              if line.method == "time"}
    roles = {person.account_id: person.role for person in studio.PEOPLE}
    issues = {int(row["id"]): row["fields"]["project"]["key"] for row in client.issues(
        "project in (NOVA, DELF, EICH)", fields=["project"], maxResults=100).json()["issues"]}
    weeks, worth = approved_weeks(client), defaultdict(Decimal)
    for row in client.all("worklogs", limit=7):
        author, day, code = row["author"]["accountId"], row["startDate"], issues[row["issue"]["id"]]
        approved = any(user == author and first <= day <= last for user, first, last in weeks)
        if author in roles:
            worth[code, approved] += Decimal(row["billableSeconds"]) / 3600 * prices[code, roles[author]]
    for code, expected in studio.expected("tiny").items():
        if studio.deal(code).tracker == "jira":
            assert (worth[code, True], worth[code, False]) == (expected["time"], expected["unapproved"])
    assert sum(worth.values()) > 0


def test_the_manifest_counts_what_is_served(vendor, client):
    streams = vendor.manifest["streams"]
    assert streams["Worklog"] == len(client.all("worklogs")) == len(RIG.ids(vendor))
    assert streams["Customer"] == len(client.all("customers", limit=2)) == 5
    assert streams["Issue"] == len(client.issues("updated >= -500d").json()["issues"]) == 9
    assert streams["Project"] == client.jira("GET", "project/search").json()["total"] == 3
    assert streams["User"] == len(client.jira("GET", "users/search").json()) == len(studio.PEOPLE) + 2


def test_users_one_inactive_one_without_address_one_unknown(client):
    users = {row["accountId"]: row for row in client.jira("GET", "users/search?startAt=0&maxResults=50").json()}
    assert {person.account_id: person.email for person in studio.PEOPLE}.items() <= {
        key: row.get("emailAddress") for key, row in users.items()}.items()
    assert [row["displayName"] for row in users.values() if not row["active"]] == ["Nils Berg"]
    assert [row["displayName"] for row in users.values() if "emailAddress" not in row] == ["Yuki Tan"]
    ghosts = client.all(f"worklogs/user/{studio.GHOST}")
    assert studio.GHOST not in users
    assert len(ghosts) == 1
    assert client.jira("GET", f"user?accountId={studio.GHOST}").status_code == 404


def test_worklogs_fall_by_update_time_and_every_one_is_on_one_page(client):
    rows = client.all("worklogs", orderBy="UPDATED", limit=4)
    keys = [(row["updatedAt"], row["tempoWorklogId"]) for row in rows]
    assert keys == sorted(set(keys), reverse=True)
    middle = keys[len(keys) // 2][0]
    later = client.all("worklogs", orderBy="UPDATED", limit=4, updatedFrom=middle)
    assert [row["tempoWorklogId"] for row in later] == [number for stamp, number in keys if stamp >= middle]
    one = client.tempo("GET", f"worklogs/{keys[0][1]}").json()
    assert one == rows[0]
    assert set(one) == {"self", "tempoWorklogId", "issue", "timeSpentSeconds", "billableSeconds", "startDate",
                        "startTime", "startDateTimeUtc", "description", "createdAt", "updatedAt", "author",
                        "attributes"}
    assert one["startDateTimeUtc"].endswith("T07:00:00Z")


def test_searches_by_scope_and_dates_agree(client):
    everything = client.all("worklogs", limit=1000)
    author = studio.person(studio.KOFI).account_id
    expected = [row for row in everything if row["author"]["accountId"] == author and row["startDate"] >= "2026-04-08"]
    assert expected
    assert client.all(f"worklogs/user/{author}", **{"from": "2026-04-08"}) == expected
    found = client.tempo("POST", "worklogs/search?limit=1000", json={"authorIds": [author], "from": "2026-04-08"})
    assert found.json()["results"] == expected
    project = client.all("worklogs", projectId=[10001, 10004], limit=1000)
    assert 0 < len(project) < len(everything)
    assert {row["issue"]["id"] // 10 for row in project} == {2001, 2004}
    nova = client.all("worklogs/account/ACC-NOVA")
    assert {value["value"] for row in nova for value in row["attributes"]["values"]} == {"ACC-NOVA"}
    assert any(not row["attributes"]["values"] for row in everything)


@pytest.mark.parametrize(("path", "status"), [
    ("worklogs?limit=1001", 400), ("worklogs?limit=0", 400), ("worklogs?limit=1000", 200), ("worklogs?offset=-1", 400),
    ("worklogs?orderBy=CREATED", 400), ("worklogs?updatedFrom=2026-04-01T00:00:00.000Z", 400),
    ("worklogs?updated_from=2026-04-01", 400), ("worklogs?issueId=NOVA-1", 400), ("worklogs/999999", 404),
    ("worklogs?from=2026-05-01&to=2026-04-01", 400), ("customers?limit=1001", 400), ("accounts?status=ARCHIVED", 400),
    ("accounts/ACC-NOVA", 200), ("account-links/project/10001", 200), ("work-attributes", 200), ("nothing", 404),
    ("timesheet-approvals/user/712020:ka-04?from=2026-03-30&to=2026-04-05", 200),
    ("timesheet-approvals/user/712020:ka-04?from=2026-03-30&to=2026-04-06", 400),
    ("timesheet-approvals/user/712020:nobody?from=2026-03-30&to=2026-04-05", 404),
    ("periods?from=2026-04-01&to=2026-04-30", 200),
])
def test_what_tempo_takes_and_refuses(client, path, status):
    answer = client.tempo("GET", path)
    assert answer.status_code == status, answer.text
    if status in (400, 404):
        assert answer.json()["errors"][0]["message"]


def test_accounts_belong_to_customers_and_projects(client):
    accounts = {row["key"]: row for row in client.all("accounts")}
    assert set(accounts) == {"ACC-NOVA", "ACC-DELF", "ACC-EICH"}
    assert accounts["ACC-DELF"]["customer"]["name"] == studio.customer("DELF").name
    (link,) = client.all("account-links/project/10004")
    assert (link["account"]["key"], link["default"], link["scope"]["id"]) == ("ACC-DELF", True, 10004)
    assert client.all("accounts/ACC-DELF/links") == [link]
    assert {row["key"]: row["type"] for row in client.all("work-attributes")} == {
        "_Account_": "ACCOUNT", "_Invoiced_": "INPUT_FIELD"}


@pytest.mark.parametrize(("path", "body", "status"), [
    ("papertrail/search", {"from": "2026-01-01T00:00:00Z", "entityType": ["worklog"]}, 400),
    ("papertrail/search", {"entityType": ["worklog"]}, 400),
    ("papertrail/search?limit=1001", {"from": "2026-03-01T00:00:00Z"}, 400),
    ("papertrail/search", {"from": "2026-03-01T00:00:00Z", "action": ["Removed"]}, 400),
    ("timesheet-approvals/logs/search?limit=5001", {"updatedFrom": "2026-03-01T00:00:00Z"}, 400),
    ("timesheet-approvals/logs/search?limit=5000", {"updatedFrom": "2026-03-01T00:00:00Z"}, 200),
    ("timesheet-approvals/logs/search", {"updatedFrom": "2024-01-01T00:00:00Z"}, 400),
    ("timesheet-approvals/logs/search", {}, 400),
    ("worklogs/search", {"issueIds": ["NOVA-1"]}, 400),
])
def test_searches_that_are_refused(client, path, body, status):
    assert client.tempo("POST", path, json=body).status_code == status


def test_deletions_stand_in_the_papertrail_and_in_jiras_feed(vendor, client):
    body = {"from": "2026-03-01T00:00:00Z", "entityType": ["worklog"], "action": ["Deleted"]}
    (before,) = client.search("papertrail/search", body)
    number = int(RIG.make(vendor)[0])
    RIG.delete(vendor, str(number))
    rows = client.search("papertrail/search", body, limit=1)
    assert [row["entityId"] for row in rows] == [before["entityId"], str(number)]
    assert client.tempo("GET", f"worklogs/{number}").status_code == 404
    assert len(client.jira("GET", "worklog/deleted?since=0").json()["values"]) == 1  # the last minute is left out
    vendor.clock.forward(120)
    feed = client.jira("GET", "worklog/deleted?since=0").json()
    assert [row["worklogId"] for row in feed["values"]] == [int(row["entityId"]) + 40_000 for row in rows]
    assert feed["lastPage"] is True


def test_jira_feed_of_changes(vendor, client):
    first = client.jira("GET", "worklog/updated?since=0").json()
    assert len(first["values"]) == len(RIG.ids(vendor))
    stamps = [row["updatedTime"] for row in first["values"]]
    assert stamps == sorted(stamps)
    assert first["lastPage"] is True
    number = int(RIG.make(vendor)[0])
    assert client.jira("GET", f"worklog/updated?since={first['until']}").json()["values"] == []
    vendor.clock.forward(120)
    (row,) = client.jira("GET", f"worklog/updated?since={first['until']}").json()["values"]
    (detail,) = client.jira("POST", "worklog/list?expand=properties", json={"ids": [row["worklogId"]]}).json()
    assert detail["id"] == str(row["worklogId"])
    assert detail["comment"]["content"][0]["content"][0]["text"] == "Extra 1"
    pair = client.tempo("POST", "worklogs/jira-to-tempo", json={"jiraWorklogIds": [row["worklogId"]]}).json()["results"]
    assert pair == [{"tempoWorklogId": number, "jiraWorklogId": row["worklogId"]}]
    assert client.jira("POST", "worklog/list", json={"ids": [1] * 1001}).status_code == 400


@pytest.mark.parametrize(("jql", "found"), [
    ("project = NOVA", 3), ('project in (NOVA, "10004")', 6), ("id in (20011, 20012, 99999)", 2), ("id = 20011", 1),
    ("updated >= -500d AND project = DELF ORDER BY updated ASC", 3), ('updated >= "2026-03-30"', 6),
    ('updated >= "2026-03-30 08:02" and project=DELF order by updated asc, id asc', 2),  # 12:02 UTC at -4 hours
    ('updated > "2026/04/02 08:03"', 0),
])
def test_jql(client, jql, found):
    answer = client.issues(jql, fields=["updated"], maxResults=100)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["issues"]) == found


@pytest.mark.parametrize("jql", [
    "", "ORDER BY updated ASC", "project = NOPE", "key in (NOVA-1)", "summary ~ build", "updated >= 2026-13-01",
    'updated >= "2026-03-30T08:00:00Z"', "project = NOVA OR project = DELF", "id in ()", "id in 20011",
    "project = NOVA ORDER BY rank", "project = NOVA project = DELF",
])
def test_jql_that_is_refused(client, jql):
    answer = client.issues(jql)
    assert answer.status_code == 400
    assert answer.json()["errorMessages"]


def test_issue_pages_by_token_and_the_old_search_is_gone(client):
    first = client.issues("updated >= -500d ORDER BY updated ASC", fields=["summary"], maxResults=5).json()
    assert (len(first["issues"]), first["isLast"]) == (5, False)
    assert set(first["issues"][0]["fields"]) == {"summary"}
    second = client.issues("updated >= -500d ORDER BY updated ASC", maxResults=5,
                           nextPageToken=first["nextPageToken"]).json()
    assert (len(second["issues"]), second["isLast"], "nextPageToken" in second) == (4, True, False)
    assert set(second["issues"][0]) == {"id", "key", "self"}
    assert client.jira("GET", "search?jql=project=NOVA").status_code == 410
    assert client.jira("GET", "users/search?maxResults=1001").status_code == 400


def test_fields_of_issues_with_those_of_the_site(client):
    rows = {row["id"]: row for row in client.jira("GET", "field").json()}
    assert rows["customfield_10041"] == {
        "id": "customfield_10041", "key": "customfield_10041", "name": "Cost centre", "custom": True,
        "orderable": True, "navigable": True, "searchable": True, "clauseNames": ["cf[10041]", "Cost centre"],
        "schema": {"type": "string", "custom": "com.atlassian.jira.plugin.system.customfieldtypes:textfield",
                   "customId": 10041}}
    assert rows["summary"]["schema"] == {"type": "string", "system": "summary"}
    assert "schema" not in rows["issuekey"]
    assert client.jira("GET", "field", params={"type": "custom"}).status_code == 400
    asked = ["customfield_10041", "customfield_10042", "customfield_99999"]
    (issue,) = client.issues("id = 20011", fields=asked).json()["issues"]
    assert issue["fields"] == {"customfield_10041": "CC-1", "customfield_10042": None}


def test_projects_page_by_offset(client):
    first = client.jira("GET", "project/search?maxResults=2&status=live&status=archived").json()
    assert ([row["key"] for row in first["values"]], first["isLast"]) == (["NOVA", "DELF"], False)
    last = client.jira("GET", "project/search?maxResults=2&startAt=2").json()
    assert ([row["id"] for row in last["values"]], last["isLast"]) == (["10005"], True)
    assert client.jira("GET", "project/search?maxResults=500").json()["maxResults"] == 50
    assert client.jira("GET", "project/NOVA/version").json()[0]["name"] == "Launch"


def test_faults_that_are_played_by_the_vendor(vendor, client):
    vendor.faults.add("duplicate_rows", path="/4/worklogs")
    assert len(client.tempo("GET", "worklogs?limit=3").json()["results"]) == 4
    vendor.faults.add("reordered_page", path="/4/worklogs")
    turned = client.tempo("GET", "worklogs?limit=3").json()["results"]
    assert turned[::-1] == client.tempo("GET", "worklogs?limit=3").json()["results"]
    vendor.faults.add("endless_paging", times=3, path="/4/worklogs")
    pages = [client.tempo("GET", "worklogs?limit=1000").json() for _again in range(3)]
    assert pages[0] == pages[2]
    assert "next" in pages[0]["metadata"]
    vendor.faults.add("rate_limited", retry_after=7)
    answer = client.jira("GET", "myself")
    assert (answer.status_code, answer.headers["Retry-After"], answer.headers["RateLimit-Reason"]) == (
        429, "7", "jira-burst-based")
    vendor.faults.add("expired_token", path="/ex/jira")
    assert over_oauth(client, refresh(client, client.known["refresh_token"]).json()["access_token"]) == 401


def test_second_act(vendor, client):
    before = {row["tempoWorklogId"]: row for row in client.all("worklogs", limit=1000)}
    weeks = approved_weeks(client)
    since = client.all("worklogs", orderBy="UPDATED", limit=1)[0]["updatedAt"]
    hours = {deal.code: str(studio.expected("tiny")[deal.code]["hours"]) for deal in studio.DEALS
             if deal.tracker == "jira"}
    assert vendor.manifest["billable_approved_hours_now"] == hours
    vendor.clock.forward(5)
    act = vendor.advance()
    after = {row["tempoWorklogId"]: row for row in client.all("worklogs", limit=1000)}
    edited, added, deleted = (act[name]["worklog"] for name in ("late_edit", "late_entry", "delete_after_billing"))
    assert (before.keys() - after.keys(), after.keys() - before.keys()) == ({deleted}, {added})
    assert {key for key in before.keys() & after.keys() if before[key] != after[key]} == {edited}
    assert after[edited]["billableSeconds"] - before[edited]["billableSeconds"] == act["late_edit"]["seconds_more"]
    changed = {row["tempoWorklogId"] for row in client.all("worklogs", orderBy="UPDATED", updatedFrom=since)}
    assert {edited, added} <= changed
    (lost,) = weeks - approved_weeks(client)
    assert lost[:2] == (act["approval_taken_back"]["user"], act["approval_taken_back"]["week"])
    assert approved_weeks(client) < weeks
    assert vendor.advance() == act == vendor.manifest["second_act"]
    now = vendor.manifest["billable_approved_hours_now"]
    assert {code for code in hours if now[code] != hours[code]} == {"NOVA", "DELF"}
    assert vendor.manifest["advanced"] is True


def test_a_hundred_thousand_worklogs_page_fast():
    vendor = start(vendor="jira", records=100_000)
    try:
        client, numbers, began = Client(vendor), set(), time.monotonic()
        page = client.tempo("GET", "worklogs?orderBy=UPDATED&limit=1000&updatedFrom=2026-01-01").json()
        while True:
            numbers.update(row["tempoWorklogId"] for row in page["results"])
            if "next" not in page["metadata"]:
                break
            page = client.tempo("GET", page["metadata"]["next"].split("/4/")[1]).json()
        assert len(numbers) == vendor.manifest["streams"]["Worklog"] + 100_000
        assert time.monotonic() - began < 30
        feed = client.jira("GET", "worklog/updated?since=0").json()
        assert (len(feed["values"]) >= 1000, feed["lastPage"]) == (True, False)
        following = client.jira("GET", feed["nextPage"].split("/rest/api/3/")[1]).json()
        assert not {row["worklogId"] for row in feed["values"]} & {row["worklogId"] for row in following["values"]}
    finally:
        vendor.stop()
