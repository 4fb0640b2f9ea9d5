"""A small site of Jira and Tempo behind one address, for the connector's tests: it is strict and remembers calls."""

import base64
import json
import re
from datetime import date, datetime, timedelta, timezone
from email.utils import format_datetime
from urllib.parse import unquote

from wire_server import Answer, session_for

from connectors import get

CONNECTOR = get("jira")
STREAMS = {stream.code: stream for stream in CONNECTOR.streams}
NOW = datetime(2026, 7, 3, 6, 0, tzinfo=timezone.utc)
JIRA_OFFSET = 40_000
INES, KOFI = "712020:ir-03", "712020:ka-04"
CREDENTIALS = {"email": "hub@firm.example", "api_token": "jira-secret", "tempo_token": "tempo-secret"}
RUN = {"page_size": 3, "overlap_seconds": 600, "since": "", "backfill": False}


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def worklog(number, author=INES, day="2026-06-02", updated=NOW - timedelta(days=9), issue=10077, **more):
    return {"tempoWorklogId": number, "issue": {"id": issue, "self": "x"}, "timeSpentSeconds": 8400,
            "billableSeconds": 9000, "startDate": day, "startTime": "09:00:00", "description": "Cut-over",
            "createdAt": text(updated), "updatedAt": text(updated), "author": {"accountId": author, "self": "x"},
            "attributes": {"self": "x", "values": [{"key": "_Account_", "value": "ACC-NOVA"}]}, **more}


def read_run(session, code, cursor=None, between=None, **options):
    """Read one run; ``between(number of pages so far)`` is called after each page."""
    records, pages, cursor, new_run = [], [], cursor or {}, True
    while True:
        page = CONNECTOR.fetch_page(session, STREAMS[code], cursor, {**RUN, **options, "new_run": new_run})
        pages.append(page)
        records += page.records
        cursor, new_run = json.loads(json.dumps(page.cursor)), False
        if not page.more:
            return records, cursor, pages
        if between:
            between(len(pages))
        assert len(pages) < 100


class MiniJira:
    """``overrides``: ``{(method, path): Answer}``; ``url`` is set once it is served."""

    def __init__(self):
        self.now = NOW
        self.url = ""
        self.worklogs, self.approvals, self.audit = {}, {}, []
        self.users = [{"accountId": INES, "displayName": "Ines Roth", "active": True,
                       "emailAddress": "Ines@Firm.example"},
                      {"accountId": KOFI, "displayName": "Kofi Adu", "active": False, "accountType": "atlassian"},
                      {"accountId": "app:1", "displayName": "Bot", "active": True, "accountType": "app"}]
        self.projects = [{"id": "10001", "key": "NOVA", "name": "Portal"},
                         {"id": "10002", "key": "OLD", "name": "Old", "archived": True}]
        self.issues = {10077: self.issue(10077, "NOVA-1"), 10078: self.issue(10078, "NOVA-2", parent={"id": "10077"})}
        self.customers = [{"id": 31, "key": "NOVA", "name": "Novaterra"}, {"id": 32, "key": "BIRK", "name": "Birk"}]
        self.attributes = [{"key": "_Account_", "type": "ACCOUNT"}, {"key": "_Invoiced_", "type": "INPUT_FIELD"}]
        self.fields = [{"id": "issuekey", "name": "Key", "custom": False}, *(
            {"id": name, "name": name.capitalize(), "custom": False, "schema": {"type": "string", "system": name}}
            for name in ("summary", "project", "updated", "status", "parent", "timeoriginalestimate", "duedate"))]
        self.overrides, self.writes = {}, []
        #: ``{Tempo id: {key: value}}``, their writes, worklogs that Tempo does not change, and that Jira does not
        self.properties, self.property_writes, self.approved, self.locked = {}, [], set(), set()

    @staticmethod
    def issue(number, key, updated=NOW - timedelta(days=8), **fields):
        return {"id": str(number), "key": key, "fields": {
            "summary": f"Task {key}", "project": {"id": "10001", "key": "NOVA"}, "timeoriginalestimate": 5400,
            "updated": updated.strftime("%Y-%m-%dT%H:%M:%S.000+0000"), **fields}}

    def session(self, **settings):
        return session_for(self.url, "api_token", CREDENTIALS, None, {
            "jira_url": self.url, "tempo_url": self.url, **settings}, read_timeout=2)

    def approve(self, person, day, key, moment):
        """Set the approval of the person's week (Monday to Sunday) and note it in the log."""
        period = self.week(day)
        entry = {"user": {"accountId": person}, "period": {"from": period[0], "to": period[1]},
                 "status": {"key": key, "updatedAt": text(moment)}}
        self.approvals.setdefault((person, *period), []).append(entry)

    @staticmethod
    def week(day):
        monday = date.fromisoformat(day) - timedelta(days=date.fromisoformat(day).weekday())
        return monday.isoformat(), (monday + timedelta(days=6)).isoformat()

    def delete(self, number, moment=None):
        del self.worklogs[number]
        self.audit.append({"action": "Deleted", "entityType": "worklog", "entityId": number,
                           "timestamp": text(moment or self.now)})

    # === SERVING === #

    def __call__(self, asked):
        answer = self.overrides.get((asked.method, asked.path)) or self._answer(asked)
        answer.headers = {"Date": format_datetime(self.now, usegmt=True), **(answer.headers or {})}
        return answer

    def _answer(self, asked):
        if asked.path.startswith("/4/"):
            if asked.headers.get("Authorization") != "Bearer tempo-secret":
                return Answer(401, b"<html>no</html>", {"Content-Type": "text/html"})
            return self._tempo(asked)
        basic = "Basic " + base64.b64encode(b"hub@firm.example:jira-secret").decode()
        if asked.headers.get("Authorization") != basic:
            return Answer(401, {"errorMessages": ["Client must be authenticated"]})
        return self._jira(asked, asked.path.removeprefix("/rest/api/3"))

    def _jira(self, asked, path):
        if path == "/users/search":
            start, size = int(asked.query["startAt"]), int(asked.query["maxResults"])
            return Answer(body=self.users[start:start + min(size, 2)])  # fewer than asked for
        if path == "/project/search":
            start = int(asked.query["startAt"])
            return Answer(body={"values": self.projects[start:start + 1], "isLast": start + 1 >= len(self.projects)})
        if path == "/field":
            assert not asked.query
            return Answer(body=self.fields)
        if path == "/search/jql":
            return self._search(asked.json)
        if path == "/worklog/list":
            assert asked.query == {"expand": "properties"}
            numbers = [number - JIRA_OFFSET for number in asked.json["ids"]]
            return Answer(body=[{
                "id": str(number + JIRA_OFFSET), "issueId": str(self.worklogs[number]["issue"]["id"]), "properties": [
                    {"key": key, "value": value} for key, value in self.properties.get(number, {}).items()]}
                for number in numbers if number in self.worklogs])
        if found := re.fullmatch(r"/issue/10077/worklog/(\d+)/properties/([^/]+)", path):
            return self._property(asked, int(found[1]) - JIRA_OFFSET, unquote(found[2]))
        return Answer(404, {"errorMessages": ["no such address"], "errors": {}})

    def _property(self, asked, number, key):
        if number in self.locked:
            return Answer(403, {"errorMessages": ["You may not edit this worklog."], "errors": {}})
        self.property_writes.append((asked.method, number))
        if asked.method == "DELETE":
            del self.properties[number][key]
            return Answer(204)
        assert asked.method == "PUT"
        self.properties.setdefault(number, {})[key] = asked.json
        return Answer(201)

    def _search(self, body):
        if found := re.fullmatch(r"id in \(([\d,]+)\)", body["jql"]):
            ids = [int(number) for number in found[1].split(",")]
            if not set(ids) <= self.issues.keys():
                return Answer(400, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
            return Answer(body={"issues": self._shown((self.issues[number] for number in ids), body), "isLast": True})
        minutes = int(re.fullmatch(r"updated >= -(\d+)m ORDER BY updated ASC", body["jql"])[1])
        floor = (self.now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:00.000+0000")
        rows = sorted((row for row in self.issues.values() if row["fields"]["updated"] >= floor),
                      key=lambda row: row["fields"]["updated"])
        start = int(body.get("nextPageToken") or 0)
        end = start + body["maxResults"]
        more = {"nextPageToken": str(end)} if end < len(rows) else {}
        return Answer(body={"issues": self._shown(rows[start:end], body), "isLast": not more, **more})

    @staticmethod
    def _shown(rows, body):
        return [{**row, "fields": {name: value for name, value in row["fields"].items() if name in body["fields"]}}
                for row in rows]

    def _list(self, asked, rows):
        start, limit = int(asked.query.get("offset", 0)), int(asked.query.get("limit", 50))
        assert 1 <= limit <= 1000
        metadata = {"count": len(rows[start:start + limit]), "offset": start, "limit": limit}
        if start + limit < len(rows):
            kept = "&".join(f"{key}={value}" for key, value in asked.query.items() if key not in ("offset", "limit"))
            metadata["next"] = f"{self.url}{asked.path}?offset={start + limit}&limit={limit}&{kept}"
        return Answer(body={"self": "x", "metadata": metadata, "results": rows[start:start + limit]})

    def _tokens(self, asked, rows):
        start = int(asked.query.get("nextPageToken", 0))
        end = start + int(asked.query["limit"])
        metadata = {"limit": int(asked.query["limit"]), **({"nextPageToken": str(end)} if end < len(rows) else {})}
        return Answer(body={"self": "x", "metadata": metadata, "results": rows[start:end]})

    def _tempo(self, asked):
        path, query = unquote(asked.path), asked.query
        if path == "/4/worklogs":
            assert query.get("orderBy", "UPDATED") == "UPDATED"
            rows = [row for row in self.worklogs.values() if row["updatedAt"] >= query.get("updatedFrom", "")]
            rows.sort(key=lambda row: (row["updatedAt"], row["tempoWorklogId"]), reverse=True)
            return self._list(asked, rows)
        if path == "/4/worklogs/tempo-to-jira":
            return self._list(asked, [{"tempoWorklogId": number, "jiraWorklogId": number + JIRA_OFFSET}
                                      for number in asked.json["tempoWorklogIds"] if number in self.worklogs])
        if path.startswith("/4/worklogs/user/"):
            return self._list(asked, [row for row in self.worklogs.values()
                                      if row["author"]["accountId"] == path.rpartition("/")[2]
                                      and query["from"] <= row["startDate"] <= query["to"]])
        if path.startswith("/4/worklogs/"):
            return self._one(asked, int(path.rpartition("/")[2]))
        if path.startswith("/4/timesheet-approvals/user/"):
            entries = self.approvals.get((path.rpartition("/")[2], query["from"], query["to"]))
            period = {"from": query["from"], "to": query["to"]}
            return Answer(body=entries[-1] if entries else {"period": period, "status": {"key": "OPEN"}})
        if path == "/4/timesheet-approvals/logs/search":
            return self._tokens(asked, [entry for entries in self.approvals.values() for entry in entries
                                        if entry["status"]["updatedAt"] >= asked.json["updatedFrom"]])
        if path == "/4/papertrail/search":
            assert (asked.json["entityType"], asked.json["action"]) == (["worklog"], ["Deleted"])
            assert asked.json["from"] >= text(self.now - timedelta(days=180))
            return self._tokens(asked, [entry for entry in self.audit
                                        if asked.json["from"] <= entry["timestamp"] <= asked.json["to"]])
        if path == "/4/periods":
            days = [query["from"]]
            while days[-1] < query["to"]:
                days.append((date.fromisoformat(days[-1]) + timedelta(days=1)).isoformat())
            return Answer(body={"periods": [{"from": first, "to": last} for first, last in sorted(
                {self.week(day) for day in days})]})
        if path.startswith("/4/account-links/project/"):
            known = path.endswith("/10001")
            return self._list(asked, [
                {"account": {"self": f"{self.url}/4/accounts/ACC-BIRK"}, "default": False},
                {"account": {"self": f"{self.url}/4/accounts/ACC-NOVA"}, "default": True}] if known else [])
        lists = {"/4/customers": self.customers, "/4/work-attributes": self.attributes,
                 "/4/accounts": [{"id": 7, "key": f"ACC-{key}", "customer": {"key": key, "name": key}}
                                 for key in ("BIRK", "NOVA")]}
        return self._list(asked, lists[path]) if path in lists else Answer(404, {"errors": [{"message": "not found"}]})

    def _one(self, asked, number):
        if number not in self.worklogs:
            return Answer(404, {"errors": {"message": f"Worklog {number} not found"}})
        if asked.method == "PUT":
            body = asked.json
            if number in self.approved:
                return Answer(400, {"errors": [{"message": "Timesheet is approved"}]})
            assert {"authorAccountId", "startDate", "timeSpentSeconds"} <= body.keys()
            self.writes.append(number)
            self.now += timedelta(seconds=1)
            old = self.worklogs[number]
            self.worklogs[number] = {
                **{key: old[key] for key in ("tempoWorklogId", "issue", "author", "createdAt")},
                **{key: value for key, value in body.items() if key not in ("attributes", "authorAccountId")},
                "updatedAt": text(self.now), "attributes": {"self": "x", "values": body.get("attributes", [])}}
        return Answer(body=self.worklogs[number])
