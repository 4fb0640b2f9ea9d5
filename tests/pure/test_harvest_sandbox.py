"""Harvest's stand-in, asked over HTTP without the add-on's client."""

import time
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sandbox import studio
from sandbox.server import start

AGENT = "Hub (hub@haldenmarsh.example)"


class Client:
    def __init__(self, sandbox):
        self.sandbox, self.http = sandbox, requests.Session()
        known = self.known = sandbox.credentials
        self.http.headers.update({"Authorization": f"Bearer {known['access_token']}", "User-Agent": AGENT,
                                  "Harvest-Account-Id": known["account_id"]})

    def get(self, path, headers=None, **params):
        return self.http.get(f"{self.sandbox.url}/v2/{path}", params=params, headers=headers, timeout=20)

    def pages(self, path, **params):
        """Return all pages of a list by its links."""
        page = self.get(path, **params).json()
        found = [page]
        while page["links"]["next"]:
            page = self.http.get(page["links"]["next"], timeout=20).json()
            found.append(page)
        return found

    def rows(self, path, **params):
        return [row for page in self.pages(path, **params) for row in page[path.rpartition("/")[2]]]

    def token(self, **form):
        return requests.post(f"{self.sandbox.url}/api/v2/oauth2/token", timeout=10, data={
            "client_id": self.known["client_id"], "client_secret": self.known["client_secret"], **form})


@pytest.fixture
def sandbox():
    running = start(vendor="harvest", scale="tiny")
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture
def client(sandbox):
    return Client(sandbox)


# === WHO MAY ASK === #


@pytest.mark.parametrize(("headers", "status"), [
    ({"User-Agent": "Hub"}, 400), ({"User-Agent": "python-requests/2.34"}, 400),
    ({"Authorization": ""}, 401), ({"Authorization": "Bearer wrong"}, 401),
    ({"Harvest-Account-Id": None}, 403), ({"Harvest-Account-Id": "1540043"}, 403), ({}, 200),
])
def test_headers(client, headers, status):
    answer = client.get("clients", headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"] == "invalid_token"


def test_accounts_of_a_token(client, sandbox):
    answer = client.http.get(f"{sandbox.url}/api/v2/accounts", timeout=10).json()
    assert [account["product"] for account in answer["accounts"]] == ["forecast", "harvest"]
    assert str(answer["accounts"][1]["id"]) == client.known["account_id"]


def test_oauth_rotates_and_expires(client, sandbox):
    first = client.token(grant_type="refresh_token", refresh_token=client.known["refresh_token"])
    tokens = first.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 14 * 86_400)
    client.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    assert client.get("company").status_code == 200
    again = client.token(grant_type="refresh_token", refresh_token=client.known["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    sandbox.clock.forward(14 * 86_400 + 1)
    assert client.get("company").status_code == 401
    renewed = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    client.http.headers["Authorization"] = f"Bearer {renewed['access_token']}"
    assert client.get("company").status_code == 200
    sandbox.app.authority.expire()
    assert client.get("company").status_code == 401
    sandbox.app.authority.refuse_all = True
    assert client.token(grant_type="refresh_token", refresh_token=renewed["refresh_token"]).status_code == 400


def test_consent_gives_a_code(client, sandbox):
    answer = requests.get(f"{sandbox.url}/oauth2/authorize", timeout=10, allow_redirects=False, params={
        "client_id": client.known["client_id"], "response_type": "code", "state": "s1",
        "redirect_uri": "https://erp.example.com/callback"})
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert (query["state"], query["scope"]) == (["s1"], [f"harvest:{client.known['account_id']}"])
    code = query["code"][0]
    assert client.token(grant_type="authorization_code", code=code).json()["refresh_token"]
    assert client.token(grant_type="authorization_code", code=code).status_code == 400
    assert client.token(grant_type="refresh_token", refresh_token="x", client_secret="wrong").status_code == 401
    assert client.token(grant_type="password").json()["error"] == "unsupported_grant_type"


# === LISTS === #


def test_time_pages_by_number_newest_day_first(client, sandbox):
    pages = client.pages("time_entries", per_page=6)
    rows = [row for page in pages for row in page["time_entries"]]
    assert {row["id"] for row in rows} == {
        *(row["id"] for row in sandbox.manifest["time_entries"]), *sandbox.manifest["running"]}
    assert len(rows) == 17
    days = [row["spent_date"] for row in rows]
    assert days == sorted(days, reverse=True)
    assert [(page["page"], page["next_page"], page["previous_page"]) for page in pages] == [
        (1, 2, None), (2, 3, 1), (3, None, 2)]
    assert (pages[0]["total_pages"], pages[0]["total_entries"]) == (3, 17)
    assert pages[0]["links"]["next"] == f"{sandbox.url}/v2/time_entries?page=2&per_page=6"
    assert client.get("time_entries", page=9).json()["time_entries"] == []


def test_other_lists_page_by_cursor(client, sandbox):
    pages = client.pages("clients", per_page=2, is_active="true")
    assert [len(page["clients"]) for page in pages] == [2, 2, 1]
    assert "cursor=" in pages[0]["links"]["next"]
    assert pages[0]["next_page"] is None
    assert {row["id"] for page in pages for row in page["clients"]} == {item.harvest_id for item in studio.CUSTOMERS}
    assert client.get("clients", page=2).status_code == 422
    assert client.get("clients", cursor="nonsense").status_code == 422


@pytest.mark.parametrize(("path", "params"), [
    ("time_entries", {"per_page": 2001}), ("time_entries", {"per_page": 0}), ("time_entries", {"page": 0}),
    ("time_entries", {"approval_status": "approved"}), ("time_entries", {"updated_since": "yesterday"}),
    ("time_entries", {"updated_since": "2026-07-01"}), ("time_entries", {"from": "01.04.2026"}),
    ("time_entries", {"is_running": "1"}), ("time_entries", {"user_id": "x"}), ("expenses", {"task_id": 1}),
    ("users", {"sort": "id"}), ("roles", {"updated_since": "2026-07-01T00:00:00Z"}), ("invoices", {"state": "gone"}),
    ("users/4101", {"is_active": "true"}),
])
def test_what_is_not_documented_is_refused(client, path, params):
    answer = client.get(path, **params)
    assert answer.status_code == 422
    assert answer.json()["code"] == 422


def test_filters(client, sandbox):
    entries = client.rows("time_entries")
    birk = [row["id"] for row in entries if row["project"]["code"] == "BIRK"]
    assert [row["id"] for row in client.rows("time_entries", project_id=302)] == birk
    assert [row["id"] for row in client.rows("time_entries", client_id=6002)] == birk
    assert {row["user"]["id"] for row in client.rows("time_entries", user_id=4105)} == {4105}
    assert [row["id"] for row in client.rows("time_entries", is_running="true")] == sandbox.manifest["running"]
    middle = client.rows("time_entries", **{"from": "2026-04-08", "to": "2026-04-09"})
    assert {row["spent_date"] for row in middle} == {"2026-04-08", "2026-04-09"}
    stamp = sorted(row["updated_at"] for row in entries)[-4]
    since = client.rows("time_entries", updated_since=stamp)
    assert {row["id"] for row in since} == {row["id"] for row in entries if row["updated_at"] >= stamp}
    assert client.rows("time_entries", updated_since=stamp.replace("Z", ".000Z")) == since
    assert client.rows("invoices") == []


def test_rows_are_found_by_id(client):
    assert client.get("users/me").json()["email"] == studio.MARA
    assert client.get("users/4104").json()["roles"] == ["Developer"]
    assert client.get("projects/305").json()["code"] == "EICH"
    assert client.get("company").json()["approval_feature"] is True
    for path in ("users/1", "users/x", "nothing", "projects/1/task_assignments", "cost_rates", "clients/6001/x"):
        assert client.get(path).status_code == 404
    assert client.http.post(f"{client.sandbox.url}/v2/clients", json={}, timeout=10).status_code == 404


def test_rates_and_assignments(client):
    rows = client.rows("projects/302/user_assignments")
    assert {(row["user"]["id"], row["hourly_rate"]) for row in rows} == {(4105, 118.0), (4107, 100.0)}
    assert all(row["project"]["code"] == "BIRK" and row["use_default_rates"] is False for row in rows)
    assert len(client.rows("user_assignments")) > len(rows)
    assert [row["id"] for row in client.rows("user_assignments", user_id=4107)]
    assert len(client.rows("projects/302/task_assignments")) == 3
    assert [(row["amount"], row["start_date"]) for row in client.rows("users/4105/cost_rates")] == [
        (56.0, "2026-01-01"), (52.0, None)]
    assert [row["amount"] for row in client.rows("users/4105/billable_rates")] == [100.0]
    assert {name for row in client.rows("roles") for name in [row["name"]]} == {
        person.role for person in studio.PEOPLE}


# === THE STUDIO'S FACTS === #


def test_time_is_the_studios(client, sandbox):
    entries = {row["id"]: row for row in client.rows("time_entries")}
    twice = sandbox.manifest["duplicate"]
    work = studio.work("tiny", "harvest")
    for item in work:
        row = entries.pop(990_000 + item.number)
        assert Decimal(str(row["rounded_hours"])) == item.hours
        assert row["rounded_hours"] >= row["hours"]
        assert (row["project"]["code"], row["spent_date"], row["billable"]) == (
            item.code, item.day.isoformat(), item.billable)
        assert (row["approval_status"] == "approved") is item.approved is row["is_closed"]
        assert (row["billable_rate"] is None) is not item.billable
    assert set(entries) == {twice["id"], *sandbox.manifest["running"]}
    jira = next(item for item in studio.work("tiny", "jira") if item.number == twice["jira_work"])
    row = entries[twice["id"]]
    assert (row["project"]["code"], row["spent_date"], Decimal(str(row["rounded_hours"])), row["user"]["name"]) == (
        jira.code, jira.day.isoformat(), jira.hours, studio.person(jira.email).name)
    assert studio.deal(row["project"]["code"]).tracker == "jira"


def test_expenses_are_the_studios(client):
    rows = client.rows("expenses")
    assert sorted(Decimal(str(row["total_cost"])) for row in rows) == sorted(
        item.amount for item in studio.spendings("tiny"))
    projects = {row["id"] for row in client.rows("projects")}
    assert {row["project"]["id"] for row in rows} == projects
    assert {row["expense_category"]["name"] for row in rows} <= {
        row["name"] for row in client.rows("expense_categories")}


# === LATER === #


def test_approving_leaves_no_mark_but_editing_does(client, sandbox):
    before = {row["id"]: row for row in client.rows("time_entries")}
    since = sandbox.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = sandbox.advance()
    after = {row["id"]: row for row in client.rows("time_entries")}
    assert set(before) - set(after) == set(changed["deleted"])
    assert {row["id"] for row in client.rows("time_entries", updated_since=since)} == set(changed["edited"])
    (edited,), (withdrawn,) = changed["edited"], changed["withdrawn"]
    assert after[edited]["rounded_hours"] == before[edited]["rounded_hours"] + 1
    assert after[withdrawn]["approval_status"] == "unsubmitted"
    assert all(after[id_]["approval_status"] == "approved" for id_ in changed["approved"])
    assert after[changed["approved"][-1]]["updated_at"] == before[changed["approved"][-1]]["updated_at"]
    assert client.get(f"time_entries/{changed['deleted'][0]}").status_code == 404
    assert {row["approval_status"] for row in client.rows("expenses")} == {"approved"}
    with pytest.raises(ValueError, match="has been played"):
        sandbox.advance()


def test_approving_can_count_as_a_change():
    running = start(vendor="harvest", approval_bumps=True)
    try:
        since = running.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        changed = running.advance()
        found = {row["id"] for row in Client(running).rows("time_entries", updated_since=since)}
        assert found == {*changed["edited"], *changed["withdrawn"], *changed["approved"]}
    finally:
        running.stop()


def test_rows_are_made_moved_and_unmarked(client, sandbox):
    desk = sandbox.app.desk
    moment = sandbox.clock.now() - timedelta(days=3)
    made = desk.create(moment, day=date(2026, 6, 30))["id"]
    row = client.get(f"time_entries/{made}").json()
    assert (row["updated_at"], row["spent_date"]) == (moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "2026-06-30")
    desk.change(made, spent_date="2026-01-01")
    assert client.rows("time_entries")[-1]["id"] == made
    desk.unstamp(made)
    assert client.get(f"time_entries/{made}").json()["updated_at"] is None
    assert made not in {row["id"] for row in client.rows("time_entries", updated_since="2020-01-01T00:00:00Z")}
    answer = requests.post(f"{sandbox.url}/_sandbox/delete", json={"id": made}, timeout=10)
    assert answer.json() == {"deleted": made}
    assert client.get(f"time_entries/{made}").status_code == 404


# === FAILURES AND LOAD === #


def test_failures(client, sandbox):
    sandbox.faults.add("rate_limited", retry_after=4)
    limited = client.get("time_entries")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "4")
    assert "message" in limited.json()
    sandbox.faults.add("server_error")
    assert client.get("time_entries").status_code == 500
    sandbox.app.hide("expenses")
    assert (client.get("expenses").status_code, client.get("time_entries").status_code) == (403, 200)
    rows = [row["id"] for row in client.get("time_entries", per_page=4).json()["time_entries"]]
    for kind, expected in (("duplicate_rows", [rows[0], *rows]), ("reordered_page", rows[::-1])):
        sandbox.faults.add(kind)
        assert [row["id"] for row in client.get("time_entries", per_page=4).json()["time_entries"]] == expected
    for path in ("time_entries", "users"):
        sandbox.faults.add("endless_paging", times=2)
        page = client.get(path, per_page=4).json()
        again = client.http.get(page["links"]["next"], timeout=10).json()
        assert again[path] == page[path]
    access = client.token(grant_type="refresh_token", refresh_token=client.known["refresh_token"]).json()
    client.http.headers["Authorization"] = f"Bearer {access['access_token']}"
    sandbox.faults.add("expired_token")
    assert [client.get("users").status_code for _turn in range(2)] == [401, 401]


def test_limit_of_calls():
    running = start(vendor="harvest", calls=3)
    try:
        own = Client(running)
        assert [own.get("roles").status_code for _turn in range(4)] == [200, 200, 200, 429]
        assert 0 < int(own.get("roles").headers["Retry-After"]) <= 16
        running.clock.forward(16)
        assert own.get("roles").status_code == 200
    finally:
        running.stop()


def test_many_entries_page_quickly():
    running = start(vendor="harvest", records=20_000)
    try:
        own = Client(running)
        started = time.perf_counter()
        assert len({row["id"] for row in own.rows("time_entries", per_page=500)}) == 20_017
        assert time.perf_counter() - started < 20
        running.app.desk.change(10_000_000, notes="Changed")
        assert own.get("time_entries/10000000").json()["notes"] == "Changed"
    finally:
        running.stop()
