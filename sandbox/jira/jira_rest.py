"""Jira's REST API, version 3: users, projects, issues by JQL and their fields, worklogs and their properties."""

import json

from ..messages import Response, json_response
from . import fields, jql
from .errors import JiraError
from .stamps import PROFILE_ZONE_NAME, from_milliseconds, jira_text, milliseconds

_FEED_PAGE = 1000
_SETTLE_MS = 60_000
_PROPERTY_BYTES = 32_768


class JiraRest:
    """:param url: the site; :param user: account id of the integration user

    :ivar locked: Tempo ids of worklogs that the integration user may see but not edit
    """

    def __init__(self, store, url, user):
        self.store, self.url, self.user = store, url, user
        self.locked = set()

    def handle(self, asked, base):
        """Answer a call below ``/rest/api/3``. :param base: absolute URL of that root as the client called it"""
        with self.store.lock:
            match asked.method, *asked.path:
                case "GET", "myself":
                    return json_response({**self._user(self.user), "timeZone": PROFILE_ZONE_NAME})
                case "GET", "users", "search":
                    return self._users(asked)
                case "GET", "user":
                    return self._one_user(asked)
                case "GET", "project", "search":
                    return self._projects(asked, base)
                case "GET", "project", key:
                    return json_response(self._project(self._find_project(key)))
                case "GET", "project", key, "version":
                    return json_response([self._version(self._find_project(key))])
                case _, "search":
                    raise JiraError(410, "The requested API has been removed. Please migrate to the "
                                         "/rest/api/3/search/jql API (CHANGE-2046).")
                case "GET", "field":
                    asked.allow()
                    return json_response(fields.listed())
                case "POST", "search", "jql":
                    return self._search(asked)
                case "GET", "issue", name:
                    return json_response(self._issue(self._find_issue(name), self._fields(asked.one("fields", "*all"))))
                case "GET", "worklog", "updated" | "deleted" as kind:
                    return self._feed(asked, kind, base)
                case "POST", "worklog", "list":
                    return self._list(asked)
                case "GET", "issue", name, "worklog":
                    return self._of_issue(asked, self._find_issue(name))
                case "GET", "issue", name, "worklog", number:
                    row = self._find_worklog(name, number)
                    return json_response(self.worklog(row, "properties" in asked.one("expand")))
                case _, "issue", name, "worklog", number, "properties", *key:
                    return self._property(asked, self._find_worklog(name, number), key)
        raise JiraError(404, f"No endpoint {asked.method} {'/'.join(asked.path)}")

    # === PEOPLE AND PROJECTS === #

    def _user(self, account_id):
        row = self.store.tables.users[account_id]
        return {"self": f"{self.url}/rest/api/3/user?accountId={account_id}", "accountId": account_id,
                "accountType": "atlassian", **row}

    def _one_user(self, asked):
        asked.allow("accountId", "expand")
        if asked.one("accountId") not in self.store.tables.users:
            raise JiraError(404, "Specified user does not exist or you do not have required permissions")
        return json_response(self._user(asked.one("accountId")))

    def _users(self, asked):
        asked.allow("startAt", "maxResults")
        start, most = asked.number("startAt", 0), asked.number("maxResults", 50, 1000)
        start = 0 if asked.fault == "endless_paging" else start
        names = list(self.store.tables.users)[start:start + most]
        return json_response(asked.spoil([self._user(name) for name in names]))

    def _find_project(self, name):
        for row in self.store.tables.projects.values():
            if name in (row["key"], str(row["id"])):
                return row
        raise JiraError(404, f"No project could be found with key '{name}'.")

    def _project(self, row):
        return {"self": f"{self.url}/rest/api/3/project/{row['id']}", "id": str(row["id"]), "key": row["key"],
                "name": row["name"], "projectTypeKey": "software", "archived": False, "isPrivate": False,
                "lead": self._user(row["lead"]), "projectCategory": {"id": "10100", "name": "Client work"}}

    def _version(self, row):
        return {"self": f"{self.url}/rest/api/3/version/{row['id']}1", "id": f"{row['id']}1", "name": "Launch",
                "projectId": row["id"], "releaseDate": "2026-09-30", "released": False, "archived": False}

    def _projects(self, asked, base):
        asked.allow("startAt", "maxResults", "status", "orderBy", "expand", "keys", "id")
        start, most = asked.number("startAt", 0), min(asked.number("maxResults", 50), 50)
        wanted = set(asked.query.get("status", ["live"]))
        if not wanted <= {"live", "archived", "deleted"}:
            raise JiraError(400, "status must be live, archived or deleted")
        ids = asked.numbers("id")
        rows = [row for row in self.store.tables.projects.values() if "live" in wanted
                and (not ids or row["id"] in ids) and row["key"] in asked.query.get("keys", [row["key"]])]
        endless = asked.fault == "endless_paging"
        page = rows[0 if endless else start:][:most]
        last = start + most >= len(rows) and not endless
        answer = {"self": f"{base}/project/search?startAt={start}&maxResults={most}", "maxResults": most,
                  "startAt": start, "total": len(rows), "isLast": last,
                  "values": asked.spoil([self._project(row) for row in page])}
        if not last:
            answer["nextPage"] = f"{base}/project/search?startAt={start + (not endless) * most}&maxResults={most}"
        return json_response(answer)

    # === ISSUES === #

    def _find_issue(self, name):
        for row in self.store.tables.issues.values():
            if name in (row["key"], str(row["id"])):
                return row
        raise JiraError(404, "Issue does not exist or you do not have permission to see it.")

    @staticmethod
    def _fields(names):
        names = {part for name in ([names] if isinstance(names, str) else names) for part in name.split(",")}
        return fields.IDS if names & {"*all", "*navigable"} else [name for name in fields.IDS if name in names]

    def _issue(self, row, names):
        answer = {"id": str(row["id"]), "key": row["key"], "self": f"{self.url}/rest/api/3/issue/{row['id']}"}
        if names:
            project = self.store.tables.projects[row["project"]]
            values = {
                "summary": row["summary"], "updated": jira_text(row["updated"]),
                "timeoriginalestimate": row["estimate"],
                "project": {"self": f"{self.url}/rest/api/3/project/{project['id']}", "id": str(project["id"]),
                            "key": project["key"], "name": project["name"]},
                "status": {"name": row["status"], "statusCategory": {"key": "indeterminate", "name": "In Progress"}},
                **{name: row.get(name) for name in fields.CUSTOM},
            }
            answer["fields"] = {name: values[name] for name in names if name in values}
        return answer

    def _search(self, asked):
        asked.allow()
        body = asked.body(optional=("jql", "fields", "maxResults", "nextPageToken", "expand", "properties",
                                    "fieldsByKeys", "failFast", "reconcileIssues"))
        text, most, token = body.get("jql") or "", body.get("maxResults", 50), body.get("nextPageToken") or "p0"
        names = body.get("fields") or []
        if type(most) is not int or most < 1 or not isinstance(names, list):
            raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
        most = min(most, 100)
        start = token.removeprefix("p")
        if not token.startswith("p") or not start.isdigit():
            raise JiraError(400, "The provided next page token is invalid or expired.")
        tables = self.store.tables
        keys = {name: row["id"] for row in tables.projects.values() for name in (row["key"], str(row["id"]))}
        condition, order = jql.parse(text, self.store.clock.now(), keys)
        found = [row for row in tables.issues.values() if condition(row)]
        order(found)
        endless = asked.fault == "endless_paging"
        start = 0 if endless else int(start)
        page = [self._issue(row, self._fields(names)) for row in found[start:start + most]]
        answer = {"issues": asked.spoil(page), "isLast": start + most >= len(found) and not endless}
        if not answer["isLast"]:
            answer["nextPageToken"] = "p0" if endless else f"p{start + most}"
        return json_response(answer)

    # === WORKLOGS === #

    def worklog(self, row, properties=False):
        """Return a worklog in Jira's form."""
        author = self._user(row.author) if row.author in self.store.tables.users else {
            "accountId": row.author, "displayName": "Former user", "active": False}
        answer = {
            "self": f"{self.url}/rest/api/3/issue/{row.issue_id}/worklog/{row.jira_id}", "id": str(row.jira_id),
            "issueId": str(row.issue_id), "author": author, "updateAuthor": author,
            "started": f"{row.day.isoformat()}T{row.start}.000+0200", "timeSpentSeconds": row.seconds,
            "created": jira_text(row.created), "updated": jira_text(row.updated),
            "comment": {"type": "doc", "version": 1, "content": [
                {"type": "paragraph", "content": [{"type": "text", "text": row.note}]}] if row.note else []},
        }
        if properties:
            answer["properties"] = [{"key": key, "value": value}
                                    for key, value in self.store.properties.get(row.id, {}).items()]
        return answer

    def _feed(self, asked, kind, base):
        """Ids of changed or deleted worklogs, oldest first, without those of the last minute."""
        asked.allow("since", "expand")
        since = from_milliseconds(asked.number("since", 0))
        until = from_milliseconds(milliseconds(self.store.clock.now()) - _SETTLE_MS)
        if kind == "updated":
            rows, more = self.store.changed_between(since, until, _FEED_PAGE)
            values = [(row.jira_id, row.updated) for row in rows]
        else:
            values = [(event.worklog.jira_id, event.moment) for event in self.store.events
                      if event.action == "Deleted" and since < event.moment <= until]
            more = False
        endless = asked.fault == "endless_paging"
        last = milliseconds(values[-1][1]) if values else milliseconds(max(since, until))
        answer = {
            "values": asked.spoil([{"worklogId": number, "updatedTime": milliseconds(moment), "properties": []}
                                   for number, moment in values]),
            "since": milliseconds(since), "until": last, "lastPage": not more and not endless,
            "self": f"{base}/worklog/{kind}?since={milliseconds(since)}",
        }
        if more or endless:
            answer["nextPage"] = f"{base}/worklog/{kind}?since={milliseconds(since) if endless else last}"
        return json_response(answer)

    def _list(self, asked):
        asked.allow("expand")
        ids = asked.body(("ids",), ())["ids"]
        if not isinstance(ids, list) or len(ids) > 1000 or not all(type(number) is int for number in ids):
            raise JiraError(400, "ids must hold at most 1000 numbers", "ids")
        found = [self.store.worklogs.get(self.store.tempo_id(number)) for number in dict.fromkeys(ids)]
        return json_response([self.worklog(row, asked.one("expand") == "properties") for row in found if row])

    def _of_issue(self, asked, issue):
        asked.allow("startAt", "maxResults", "startedAfter", "startedBefore", "expand")
        start, most = asked.number("startAt", 0), asked.number("maxResults", 5000, 5000)
        rows = [row for row in self.store.worklogs.values() if row.issue_id == issue["id"]]
        for name, keep in (("startedAfter", lambda day, bound: day >= bound),
                           ("startedBefore", lambda day, bound: day <= bound)):
            if asked.one(name):
                bound = from_milliseconds(asked.number(name, 0)).date()
                rows = [row for row in rows if keep(row.day, bound)]
        page = [self.worklog(row, asked.one("expand") == "properties") for row in rows[start:start + most]]
        return json_response({"startAt": start, "maxResults": most, "total": len(rows), "worklogs": page})

    def _find_worklog(self, issue, number):
        row = self.store.worklogs.get(self.store.tempo_id(int(number))) if number.isdigit() else None
        if row is None or row.issue_id != self._find_issue(issue)["id"]:
            raise JiraError(404, f"Cannot find worklog with id: '{number}'.")
        return row

    def _property(self, asked, row, key):
        values = self.store.properties.setdefault(row.id, {})
        if asked.method != "GET" and row.id in self.locked:
            raise JiraError(403, "You do not have the permission to edit this worklog.")
        match asked.method, *key:
            case "GET",:
                return json_response({"keys": [{"key": name} for name in values]})
            case "GET", name if name in values:
                return json_response({"key": name, "value": values[name]})
            case "PUT", name:
                if len(asked.request.body) > _PROPERTY_BYTES or len(name) > 255:
                    raise JiraError(400, "The property is too long.")
                try:
                    value = json.loads(asked.request.body)
                except ValueError as error:
                    raise JiraError(400, "The property value is not JSON.") from error
                created = name not in values
                values[name] = value
                self.store.writes["property", row.id] += 1
                return Response(201 if created else 200)
            case "DELETE", name if name in values:
                del values[name]
                return Response(204)
        raise JiraError(404, "The property does not exist.")
