"""The stand-in of Jira and Tempo, asked over HTTP as their documentation says; it knows nothing of the connector."""

import hashlib
import hmac
import threading
import time
from collections import defaultdict
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.structures import CaseInsensitiveDict
from rigs.jira import RIG

from sandbox import studio
from sandbox.server import start

REDIRECT = "https://erp.example.com/psa_hub/oauth/callback"


class Client:
    """A caller with the site's API token and Tempo's token."""

    def __init__(self, vendor):
        self.url, self.known = vendor.url, vendor.credentials

    def jira(self, method, path, **options):
        return requests.request(method, f"{self.url}/rest/api/3/{path}", timeout=10,
                                auth=(self.known["email"], self.known["api_token"]), **options)

    def tempo(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.known['tempo_token']}"}
        return requests.request(method, f"{self.url}/4/{path}", timeout=20, headers=headers, **options)

    def all(self, path, **params):
        """Return the rows of all pages of a Tempo list."""
        page = self.tempo("GET", path, params=params).json()
        rows = page["results"]
        while "next" in page["metadata"]:
            link = page["metadata"]["next"]
            assert link.startswith(f"{self.url}/4/")
            page = self.tempo("GET", link.removeprefix(f"{self.url}/4/")).json()
            rows += page["results"]
        return rows

    def search(self, path, body, **params):
        """Return the rows of all pages of a search with page tokens."""
        rows, token = [], None
        while True:
            page = self.tempo("POST", path, json=body, params={**params, "nextPageToken": token} if token else params)
            assert page.status_code == 200, page.text
            rows += page.json()["results"]
            token = page.json()["metadata"].get("nextPageToken")
            if token is None:
                return rows

    def issues(self, jql, **body):
        return self.jira("POST", "search/jql", json={"jql": jql, **body})


@pytest.fixture
def vendor():
    running = start(vendor="jira", scale="tiny", hook_retry_seconds=0.01)
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture
def client(vendor):
    return Client(vendor)


def approved_weeks(client):
    """Return the last status of each user's week as the log tells it."""
    lines = client.search("timesheet-approvals/logs/search", {"updatedFrom": "2025-01-01T00:00:00Z"}, limit=3)
    state = {}
    for line in sorted(lines, key=lambda line: line["status"]["updatedAt"]):
        state[line["user"]["accountId"], line["period"]["from"], line["period"]["to"]] = line["status"]["key"]
    return {key for key, status in state.items() if status == "APPROVED"}


# === READING === #


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
    number = int(RIG.create(vendor)[0])
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
    number = int(RIG.create(vendor)[0])
    assert client.jira("GET", f"worklog/updated?since={first['until']}").json()["values"] == []
    vendor.clock.forward(120)
    (row,) = client.jira("GET", f"worklog/updated?since={first['until']}").json()["values"]
    (detail,) = client.jira("POST", "worklog/list?expand=properties", json={"ids": [row["worklogId"]]}).json()
    assert detail["id"] == str(row["worklogId"])
    assert detail["comment"]["content"][0]["content"][0]["text"] == "Extra 1"
    pair = client.tempo("POST", "worklogs/jira-to-tempo", json={"jiraWorklogIds": [row["worklogId"]]}).json()["results"]
    assert pair == [{"tempoWorklogId": number, "jiraWorklogId": row["worklogId"]}]
    assert client.jira("POST", "worklog/list", json={"ids": [1] * 1001}).status_code == 400


# === JQL === #


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


def test_projects_page_by_offset(client):
    first = client.jira("GET", "project/search?maxResults=2&status=live&status=archived").json()
    assert ([row["key"] for row in first["values"]], first["isLast"]) == (["NOVA", "DELF"], False)
    last = client.jira("GET", "project/search?maxResults=2&startAt=2").json()
    assert ([row["id"] for row in last["values"]], last["isLast"]) == (["10005"], True)
    assert client.jira("GET", "project/search?maxResults=500").json()["maxResults"] == 50
    assert client.jira("GET", "project/NOVA/version").json()[0]["name"] == "Launch"


# === WRITING === #


def whole(row, **changes):
    return {"authorAccountId": row["author"]["accountId"], "startDate": row["startDate"], "startTime": row["startTime"],
            "timeSpentSeconds": row["timeSpentSeconds"], "billableSeconds": row["billableSeconds"],
            "description": row["description"], "attributes": row["attributes"]["values"], **changes}


def test_put_replaces_everything(vendor, client):
    (number,) = RIG.create(vendor)
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
    (number,) = RIG.create(vendor)
    row = client.tempo("GET", f"worklogs/{number}").json()
    answer = client.tempo("PUT", f"worklogs/{number}", json=whole(row, **change))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]
    assert client.tempo("GET", f"worklogs/{number}").json() == row
    assert client.tempo("PUT", f"worklogs/{number}", data=b"{}").status_code == 415


def test_an_approved_period_refuses_edits_until_it_is_reopened(vendor, client):
    (number,) = RIG.create(vendor)
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
    (number,) = RIG.create(vendor)
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


# === LOGIN === #


def test_tempo_refuses_in_html(vendor, client):
    answer = requests.get(f"{client.url}/4/worklogs", timeout=5, headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "text/html;charset=UTF-8")
    assert RIG.narrow(vendor) == "customer"
    answer = client.tempo("GET", "customers")
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html;charset=UTF-8")
    assert client.tempo("GET", "accounts").status_code == 200


def test_jira_refuses_a_wrong_token(client):
    answer = requests.get(f"{client.url}/rest/api/3/myself", timeout=5, auth=(client.known["email"], "wrong"))
    assert (answer.status_code, "errorMessages" in answer.json()) == (401, True)
    assert client.jira("GET", "myself").json()["timeZone"] == "America/New_York"


def token(client, **body):
    return requests.post(f"{client.url}/oauth/token", timeout=5, json={
        "client_id": client.known["client_id"], "client_secret": client.known["client_secret"], **body})


def refresh(client, value):
    return token(client, grant_type="refresh_token", refresh_token=value)


def over_oauth(client, access_token, path="myself", cloud=None):
    return requests.get(f"{client.url}/ex/jira/{cloud or client.known['cloud_id']}/rest/api/3/{path}", timeout=5,
                        headers={"Authorization": f"Bearer {access_token}"}).status_code


def consent(client, **query):
    answer = requests.get(f"{client.url}/authorize", timeout=5, allow_redirects=False, params={
        "audience": "api.atlassian.com", "client_id": client.known["client_id"], "redirect_uri": REDIRECT,
        "scope": "read:jira-work read:jira-user offline_access", "state": "s", "response_type": "code",
        "prompt": "consent", **query})
    return answer if answer.status_code != 302 else parse_qs(urlsplit(answer.headers["Location"]).query)


def test_authorization_code(client):
    back = consent(client)
    assert back["state"] == ["s"]
    wrong = token(client, grant_type="authorization_code", code=back["code"][0], redirect_uri="https://else.example/")
    assert (wrong.status_code, wrong.json()["error"]) == (403, "invalid_grant")
    given = {"grant_type": "authorization_code", "code": consent(client)["code"][0], "redirect_uri": REDIRECT}
    answer = token(client, **given).json()
    assert token(client, **given).status_code == 403
    (site,) = requests.get(f"{client.url}/oauth/token/accessible-resources", timeout=5, headers={
        "Authorization": f"Bearer {answer['access_token']}"}).json()
    assert (site["id"], site["url"]) == (client.known["cloud_id"], client.url)
    assert over_oauth(client, answer["access_token"]) == 200
    assert over_oauth(client, answer["access_token"], cloud="other") == 404
    write = requests.put(f"{client.url}/ex/jira/{site['id']}/rest/api/3/issue/20011/worklog/1/properties/x", json=1,
                         headers={"Authorization": f"Bearer {answer['access_token']}"}, timeout=5)
    assert write.status_code == 403  # write:jira-work was not asked for
    code = consent(client, scope="read:jira-work")["code"][0]
    assert "refresh_token" not in token(client, **{**given, "code": code}).json()
    assert consent(client, audience="else").status_code == 400
    assert consent(client, scope="everything").status_code == 400


def test_refresh_tokens_rotate_and_a_spent_one_ends_the_family(vendor, client):
    first = refresh(client, client.known["refresh_token"]).json()
    assert over_oauth(client, first["access_token"]) == 200
    RIG.expire(vendor)
    assert over_oauth(client, first["access_token"]) == 401
    second = refresh(client, first["refresh_token"]).json()
    assert over_oauth(client, second["access_token"]) == 200
    assert refresh(client, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert refresh(client, second["refresh_token"]).status_code == 403
    assert over_oauth(client, second["access_token"]) == 401
    assert token(client, client_secret="wrong").status_code == 401


def test_after_a_revocation_nothing_works(vendor, client):
    RIG.revoke(vendor)
    assert refresh(client, client.known["refresh_token"]).status_code == 403
    assert client.jira("GET", "myself").status_code == 401
    assert client.tempo("GET", "worklogs").status_code == 401


def test_the_log_holds_no_secret(vendor, client):
    refresh(client, client.known["refresh_token"])
    client.jira("GET", "myself")
    consent(client)
    text = str(vendor.log())
    assert "/oauth/token" in text
    for name in ("client_secret", "refresh_token", "api_token", "tempo_token"):
        assert client.known[name] not in text


# === FAULTS, SECOND ACT, LOAD === #


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
    assert vendor.advance() == act
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


# === WEBHOOKS === #


class Listener(BaseHTTPRequestHandler):
    """Echoes the activation, keeps what it is sent, and answers from the server's list of statuses, then 200."""

    def do_GET(self):
        self._answer(200, self.server.echo(parse_qs(urlsplit(self.path).query)["randomString"][0]).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((CaseInsensitiveDict(self.headers.items()), body))
        self._answer(self.server.statuses.pop(0) if self.server.statuses else 200, b"")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def listener():
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.got, server.statuses, server.echo = [], [], lambda text: text
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def until(condition):
    for _again in range(400):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


def subscriptions(client):
    return client.all("webhooks/subscriptions")


def test_tempo_subscription(vendor, client, listener):
    given = {"url": listener.url, "event": "worklog.updated", "name": "hub"}
    made = client.tempo("POST", "webhooks/subscriptions", json=given).json()
    assert len(made["sharedSecret"]) == 128
    assert client.tempo("POST", "webhooks/subscriptions", json=given).status_code == 409
    assert client.tempo("POST", "webhooks/subscriptions", json={**given, "event": "x"}).status_code == 400
    until(lambda: subscriptions(client)[0]["active"])
    assert "sharedSecret" not in subscriptions(client)[0]
    listener.statuses = [500, 503]
    (number,) = RIG.create(vendor)
    note = RIG.touch(vendor, number)
    until(lambda: len(listener.got) == 3)
    (headers, body), *repeated = listener.got
    assert {sent for _headers, sent in repeated} == {body}
    assert note.encode() in body
    assert b"attributes" not in body
    expected = hmac.new(made["sharedSecret"].encode(), body + headers["Tempo-Timestamp"].encode(), hashlib.sha256)
    assert headers["Tempo-Signature"] == expected.hexdigest()


def test_a_subscription_that_does_not_echo_or_fails_too_often_is_off(vendor, client, listener):
    listener.echo = lambda text: "no"
    number = client.tempo("POST", "webhooks/subscriptions", json={
        "url": listener.url, "event": "worklog.created"}).json()["id"]
    until(lambda: vendor.app.hooks.deliveries)
    RIG.create(vendor)
    assert (subscriptions(client)[0]["active"], listener.got) == (False, [])
    listener.echo = lambda text: text
    client.tempo("PATCH", f"webhooks/subscriptions/{number}/refresh")
    until(lambda: subscriptions(client)[0]["active"])
    listener.statuses = [500] * 10
    RIG.create(vendor)
    until(lambda: not subscriptions(client)[0]["active"])
    assert len(listener.got) == 10
    assert client.tempo("DELETE", f"webhooks/subscriptions/{number}").status_code == 204
    assert subscriptions(client) == []


def test_jira_admin_webhook(vendor, client, listener):
    answer = requests.post(f"{client.url}/rest/webhooks/1.0/webhook", timeout=5,
                           auth=(client.known["email"], client.known["api_token"]), json={
                               "name": "hub", "url": listener.url, "events": ["worklog_created"], "secret": "s3"})
    assert answer.status_code == 201
    listener.statuses = [500]
    RIG.create(vendor)
    until(lambda: len(listener.got) == 2)
    (first, body), (second, same) = listener.got
    assert (body, first["x-atlassian-webhook-identifier"]) == (same, second["x-atlassian-webhook-identifier"])
    assert second["x-atlassian-webhook-retry"] == "1"
    assert first["X-Hub-Signature"] == "sha256=" + hmac.new(b"s3", body, hashlib.sha256).hexdigest()


def test_control_registers_both_vendors_at_one_address(client, listener):
    made = requests.post(f"{client.url}/_sandbox/webhooks", timeout=5, json={
        "url": listener.url, "jira_webhook_secret": "a", "tempo_webhook_secret": "b"}).json()
    assert made == {"jira_webhook_secret": "a", "tempo_webhook_secret": "b"}
    until(lambda: len(subscriptions(client)) == 3 and all(row["active"] for row in subscriptions(client)))
    requests.post(f"{client.url}/_sandbox/advance", timeout=5)
    until(lambda: len(listener.got) == 6)
    tempo = [body for headers, body in listener.got if "Tempo-Signature" in headers]
    assert len(tempo) == 3
    status = requests.get(f"{client.url}/_sandbox/webhooks", timeout=5).json()
    assert {row["outcome"] for row in status["deliveries"]} == {"200"}


def test_the_rigs_deliveries_are_signed_like_the_senders(vendor):
    (number,) = RIG.create(vendor)
    request = RIG.delivery(vendor, [number])
    key = RIG.webhook_secrets["tempo_webhook_secret"].encode()
    signed = request.body + request.headers["tempo-timestamp"].encode()
    assert request.headers["tempo-signature"] == hmac.new(key, signed, hashlib.sha256).hexdigest()
    request = RIG.jira_delivery(vendor, number)
    key = RIG.webhook_secrets["jira_webhook_secret"].encode()
    assert request.headers["x-hub-signature"] == "sha256=" + hmac.new(key, request.body, hashlib.sha256).hexdigest()
    accepted = [accepted for *_given, accepted in RIG.vectors()]
    assert (accepted.count(True), accepted.count(False)) == (4, 9)
