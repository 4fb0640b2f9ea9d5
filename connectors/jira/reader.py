"""Reading users, customers, projects and issues.

Jira and Tempo keep no change time of the first three, so each run reads all of them. Issues are read by change; Jira
compares it by the minute and in the user's zone, so the bound is told in minutes before now and a run steps back by
the overlap. A stored cursor holds ``next`` while a list is under way: a position, a token or the path of a page.
"""

import math
from datetime import timedelta

from ..base import Page, RawRecord
from ..cursor import format_instant, page_size, parse_instant
from ..errors import DataError
from .client import client_of
from .declaration import CUSTOMER, ISSUE, PROJECT, USER
from .errors import JIRA, TEMPO
from .wanted import with_wanted

_FIELDS = ["summary", "project", "updated", "status", "parent", "timeoriginalestimate"]
#: Jira answers a search with at most so many issues when it is asked for fields.
_ISSUES_PER_CALL = 100
_USERS_PER_CALL = _PROJECTS_PER_CALL = 50
#: A search must have a bound; nothing in Jira is older.
_EVER = timedelta(days=365 * 25)
#: A run steps back at least so far: twice the resolution of Jira's search.
MIN_OVERLAP_SECONDS = 120


def backed_off(moment_text, options):
    """Return the moment (aware datetime) from which a run reads, given where the last one began."""
    seconds = max(options.get("overlap_seconds", 600), MIN_OVERLAP_SECONDS)
    return parse_instant(moment_text) - timedelta(seconds=seconds)


def issues_by_id(client, ids, fields):
    """Return ``{id: issue}`` of those that exist and are visible; ids are texts of digits.

    Jira refuses a search that names an issue which it does not know: such a search is halved until that one stands
    alone.
    """
    ids, found = list(dict.fromkeys(ids)), {}
    for start in range(0, len(ids), _ISSUES_PER_CALL):
        chunk = ids[start:start + _ISSUES_PER_CALL]
        try:
            answer = client.jira("POST", "/search/jql", json={
                "jql": f"id in ({','.join(chunk)})", "fields": fields, "maxResults": _ISSUES_PER_CALL})
            found.update({str(issue["id"]): issue for issue in answer["issues"]})
        except DataError as error:
            if error.code != "http_400":
                raise
            if len(chunk) > 1:
                half = len(chunk) // 2
                found |= issues_by_id(client, chunk[:half], fields) | issues_by_id(client, chunk[half:], fields)
    return found


class Reader:
    """Reads all streams but the worklogs for one session."""

    def __init__(self, session):
        self.session, self.client = session, client_of(session)

    def page(self, stream, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        if stream.code == "issue":
            return self._changed_issues(stream, cursor, options)
        rows, following = getattr(self, f"_{stream.code}s")(cursor.get("next") or 0, options)
        service = TEMPO if stream.code == "customer" else JIRA
        watermark = "" if following else format_instant(self.client.now(service))
        return Page(self._records(stream.code, rows), {"next": following} if following else {}, bool(following),
                    watermark)

    def by_ids(self, stream, ids):
        """Return these records as they stand; one that is gone comes back as ``DELETE``."""
        if stream.code == "issue":
            rows = issues_by_id(self.client, filter(str.isdigit, ids), self._fields(stream)).values()
        else:
            rows, following = [], 0
            while following is not None:  # none of the lists can be asked for some of its rows
                found, following = getattr(self, f"_{stream.code}s")(following, {})
                rows += [row for row in found if self._id(stream.code, row) in ids]
        records = self._records(stream.code, rows)
        known = {record.external_id for record in records}
        return records + [RawRecord.gone(stream.object_type, external_id)
                          for external_id in dict.fromkeys(ids) if external_id not in known]

    # === LISTS === #

    def _users(self, start, options):
        """Return ``(people, where the next page starts or None)``; apps and customers of a help desk are left out."""
        rows = self.client.jira("GET", "/users/search", kind=list,
                                params={"startAt": start, "maxResults": _USERS_PER_CALL})
        people = [row for row in rows if row.get("accountType", "atlassian") == "atlassian"]
        # A page may be shorter than asked for although more users follow: only an empty one is the end.
        return people, start + len(rows) if rows else None

    def _customers(self, path, options):
        rows, following = self.client.tempo_page(path or "/4/customers", None if path else {
            "offset": 0, "limit": page_size(options, 1000)})
        return rows, following or None

    def _projects(self, start, options):
        answer = self.client.jira("GET", "/project/search", params={
            "startAt": start, "maxResults": _PROJECTS_PER_CALL, "status": ["live", "archived"]})
        rows = answer["values"]
        return rows, start + len(rows) if rows and not answer.get("isLast") else None

    # === ISSUES === #

    def _fields(self, stream):
        return with_wanted(self.session, stream, _FIELDS)

    def _changed_issues(self, stream, cursor, options):
        state = dict(cursor)
        if not state.get("jql"):  # a run begins
            now = self.client.now(JIRA, ask=True)
            start = backed_off(state["at"], options) if state.get("at") else None
            if start is None and options.get("since"):
                start = parse_instant(options["since"])
            minutes = math.ceil((now - start if start else _EVER) / timedelta(minutes=1)) + 1
            state |= {"jql": f"updated >= -{minutes}m ORDER BY updated ASC", "started": format_instant(now)}
        body = {"jql": state["jql"], "fields": self._fields(stream), "maxResults": page_size(options, _ISSUES_PER_CALL)}
        if state.get("next"):
            body["nextPageToken"] = state["next"]
        answer = self.client.jira("POST", "/search/jql", json=body)
        records = self._records("issue", answer["issues"])
        if answer.get("nextPageToken") and answer["issues"] and not answer.get("isLast"):
            return Page(records, {**state, "next": answer["nextPageToken"]}, True, state.get("at", ""))
        return Page(records, {"at": state["started"]}, False, state["started"])

    # === RECORDS === #

    @staticmethod
    def _id(code, row):
        return str(row["accountId"] if code == "user" else row["id"])

    def _records(self, code, rows):
        if code == "project" and rows:
            rows = self._with_customers(rows)
        object_type = {"user": USER, "customer": CUSTOMER, "project": PROJECT, "issue": ISSUE}[code]
        return [RawRecord(object_type, self._id(code, row), self._version(code, row), row) for row in rows]

    @staticmethod
    def _version(code, row):
        return format_instant(parse_instant(row["fields"]["updated"])) if code == "issue" else ""

    def _with_customers(self, projects):
        """Return the projects with ``tempo``: the key of the default account and the id of its customer."""
        customers = {row["key"]: str(row["id"]) for row in self.client.tempo_rows("/4/customers", {"limit": 1000})}
        accounts = {row["key"]: row for row in self.client.tempo_rows("/4/accounts", {"limit": 1000})}
        result = []
        for project in projects:
            links = self.client.tempo_rows(f"/4/account-links/project/{project['id']}")
            # Tempo names the account of a link by its address.
            key = next((link["account"].get("key") or link["account"]["self"].rpartition("/")[2]
                        for link in links if link.get("default")), "")
            customer = (accounts.get(key) or {}).get("customer") or {}
            result.append({**project, "tempo": {"account": key, "customer_id": customers.get(customer.get("key"))}})
        return result
