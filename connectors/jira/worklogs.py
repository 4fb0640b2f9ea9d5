"""Reading Tempo's worklogs with what Tempo keeps apart from them: approval, project, deletion.

A worklog carries no approval. It is approved when an approved period of its author covers its start date, and a period
can be approved or reopened long after its worklogs were changed last. So a run has three phases:

1. *worklogs* changed since the run before. Tempo lists the newest first and moves what changes meanwhile to the front:
   with the lower bound fixed for the run, rows may come twice but are not lost. Rows that are deleted meanwhile do move
   others past the reader; a run of several pages in which that happened is repeated once.
2. *approvals* that changed: every worklog of such a person and period is handed out again with its new approval.
3. *deletions* from the audit log. Each id is asked for once more, so that the log alone deletes nothing.

The version of a worklog is the later one of its own change and its approval's. The stored cursor is ``{"at": beginning
of the last complete run, "deleted_at": end of the audit log read}`` and, during a run, ``phase``, ``from``,
``started``, ``next`` and what the phases note.
"""

from datetime import timedelta
from urllib.parse import quote

from ..base import Page, RawRecord
from ..cursor import format_instant, page_size, parse_instant
from ..errors import MissingScopeError, NotFoundError
from .client import client_of
from .declaration import WORKLOG
from .errors import TEMPO
from .reader import backed_off, issues_by_id

_FOLLOWING = {"worklogs": "approvals", "approvals": "deletions"}
#: Each entry of these logs costs calls of its own.
_APPROVALS_PER_PAGE, _DELETIONS_PER_PAGE = 25, 100
#: How far back the logs reach; a little less than Tempo's two years and 180 days, for the clock.
_APPROVAL_LOG_REACH, _AUDIT_LOG_REACH = timedelta(days=729), timedelta(days=179)


def tempo_instant(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def attribute(worklog, key):
    """Return the text of a work attribute, or an empty text."""
    values = (worklog.get("attributes") or {}).get("values") or ()
    return next((str(entry.get("value") or "") for entry in values if entry["key"] == key), "").strip()


def version_of(worklog):
    return format_instant(parse_instant(worklog["updatedAt"]))


class WorklogReader:
    """Reads worklogs for one session.

    What was asked about approvals and issues is remembered for the first phase of a run. A change meanwhile is no loss:
    the log of approvals is read from before the run began, and asks anew.
    """

    def __init__(self, session):
        self.client = client_of(session)
        self._memory = session.memory.setdefault("jira_worklogs", {"periods": [], "approvals": {}, "projects": {}})

    def _forget(self):
        self._memory.update(periods=[], approvals={}, projects={})

    # === PAGES === #

    def page(self, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        state = dict(cursor)
        if "phase" not in state:
            start = tempo_instant(backed_off(state["at"], options)) if state.get("at") else options.get("since")
            state |= {"phase": "worklogs", "from": start or ""}
            self._forget()
        records, following, gap = getattr(self, f"_{state['phase']}")(state, options)
        if following:
            state["next"] = following
        else:
            state.pop("next", None)
            state["phase"] = _FOLLOWING.get(state["phase"])
            state = state if state["phase"] else self._end(state)
        return Page(records, state, "phase" in state, state.get("at", ""), gap)

    @staticmethod
    def _end(state):
        """Return the cursor after the last phase: of the end of the run, or of its beginning when it is repeated."""
        if state.get("shifted") and not state.get("repeated"):
            kept = {name: state[name] for name in ("at", "deleted_at", "from") if name in state}
            return {**kept, "phase": "worklogs", "repeated": True}
        return {"at": state["started"], "deleted_at": state["deleted_at"]}

    def _worklogs(self, state, options):
        if state.get("next"):
            rows, following = self.client.tempo_page(state["next"])
        else:
            params = {"orderBy": "UPDATED", "offset": 0, "limit": page_size(options, 1000)}
            if state["from"]:
                params["updatedFrom"] = tempo_instant(parse_instant(state["from"]))
            rows, following = self.client.tempo_page("/4/worklogs", params)
            state["started"] = format_instant(self.client.now(TEMPO))
            state.setdefault("deleted_at", state["started"])
        if following:
            state["several"] = True
        return self._records(rows), following, False

    def _approvals(self, state, options):
        self._forget()
        start, gap = self._within(backed_off(state.get("at") or state["started"], options), _APPROVAL_LOG_REACH)
        entries, following = self._log("/4/timesheet-approvals/logs/search", _APPROVALS_PER_PAGE, state,
                                       {"updatedFrom": tempo_instant(start)})
        changed = {}
        for entry in entries:
            key = (entry["user"]["accountId"], entry["period"]["from"], entry["period"]["to"])
            changed[key] = max(changed.get(key, ""), format_instant(parse_instant(entry["status"]["updatedAt"])))
        rows = [row for person, first, last in changed for row in self._of_person(person, first, last)]
        return self._records(rows, changed), following, gap and "next" not in state

    def _deletions(self, state, options):
        self._forget()
        start, gap = self._within(backed_off(state["deleted_at"], options), _AUDIT_LOG_REACH)
        until = state.setdefault("deleted_to", format_instant(self.client.now(TEMPO)))
        try:
            entries, following = self._log("/4/papertrail/search", _DELETIONS_PER_PAGE, state, {
                "from": tempo_instant(start), "to": tempo_instant(parse_instant(until)), "entityType": ["worklog"],
                "action": ["Deleted"]})
        except MissingScopeError:  # the connection test says so; once it is allowed, the log is read from here
            return [], "", False
        moments = {str(entry["entityId"]): format_instant(parse_instant(entry["timestamp"])) for entry in entries}
        if state.get("several") and any(moment >= state["started"] for moment in moments.values()):
            state["shifted"] = True
        if not following:
            state["deleted_at"] = until
        return self.by_ids(moments, moments), following, gap and "next" not in state

    def _log(self, path, limit, state, body):
        """Return ``(entries, token of the next page or "")`` of a log that is paged by tokens."""
        params = {"limit": limit, **({"nextPageToken": state["next"]} if state.get("next") else {})}
        answer = self.client.tempo("POST", path, params=params, json=body)
        return answer["results"], (answer.get("metadata") or {}).get("nextPageToken") or ""

    def _within(self, moment, reach):
        """Return ``(moment that a log still covers, whether it is later than the one asked for)``."""
        earliest = self.client.now(TEMPO) - reach
        return max(moment, earliest), earliest > moment

    def _of_person(self, person, first, last):
        try:
            return list(self.client.tempo_rows(f"/4/worklogs/user/{quote(person, safe=':')}",
                                               {"from": first, "to": last, "limit": 1000}))
        except NotFoundError:  # Tempo does not know the person any more
            return []

    # === RECORDS === #

    def by_ids(self, ids, deleted=None):
        """Return these worklogs as they stand; one that is gone comes back as ``DELETE``.

        :param deleted: ``{id: version}`` of deletions that the audit log tells of
        """
        self._forget()
        rows, gone = [], []
        for external_id in dict.fromkeys(ids):
            try:
                if not external_id.isdigit():
                    raise NotFoundError("Tempo's ids are numbers")
                rows.append(self.client.tempo("GET", f"/4/worklogs/{external_id}"))
            except NotFoundError:
                gone.append(RawRecord.gone(WORKLOG, external_id, (deleted or {}).get(external_id, "")))
        return self._records(rows) + gone

    def _records(self, rows, changed=None):
        """Return raw records of worklogs with their approval and project.

        :param changed: ``{(person, first day, last day): moment}`` of approvals that the log tells of
        """
        self._ask_periods({row["startDate"] for row in rows})
        self._ask_projects({str(row["issue"]["id"]) for row in rows})
        account, billed = self.client.setting("account_attribute"), self.client.setting("billed_attribute")
        records = []
        for row in rows:
            person, day = row["author"]["accountId"], row["startDate"]
            approval = self._approval(person, day)
            moments = [moment for (who, first, last), moment in (changed or {}).items()
                       if who == person and first <= day <= last]
            if approval.get("updatedAt"):
                moments.append(format_instant(parse_instant(approval["updatedAt"])))
            raw = {**row, "project_id": self._memory["projects"].get(str(row["issue"]["id"])),
                   "approval": {"status": approval.get("key", ""), "updatedAt": max(moments, default="")},
                   "account": attribute(row, account) or None, "billed_number": attribute(row, billed) or None}
            records.append(RawRecord(WORKLOG, str(row["tempoWorklogId"]), max([version_of(row), *moments]), raw))
        return records

    def _ask_projects(self, issue_ids):
        known = self._memory["projects"]
        if missing := issue_ids - known.keys():
            found = issues_by_id(self.client, sorted(missing), ["project"])
            known.update({key: found[key]["fields"]["project"]["id"] if key in found else None for key in missing})

    def _ask_periods(self, days):
        """Learn the approval periods of ``days``: approvals are asked for by exactly these."""
        if any(self._period(day) == (day, day) for day in days):
            answer = self.client.tempo("GET", "/4/periods", params={"from": min(days), "to": max(days)})
            self._memory["periods"] += [(entry["from"], entry["to"])
                                        for entry in answer.get("periods") or answer.get("results") or ()]

    def _period(self, day):
        return next(((first, last) for first, last in self._memory["periods"] if first <= day <= last), (day, day))

    def _approval(self, person, day):
        """Return the status of the person's period that covers ``day``: ``{"key", "updatedAt"}``, or an empty dict."""
        first, last = self._period(day)
        known = self._memory["approvals"]
        if (person, first, last) not in known:
            try:
                answer = self.client.tempo("GET", f"/4/timesheet-approvals/user/{quote(person, safe=':')}",
                                           params={"from": first, "to": last})
            except NotFoundError:  # a person whom Tempo does not know any more: nothing is approved
                answer = {"results": []}
            known[person, first, last] = answer.get("results", [answer])
        return next((entry["status"] for entry in known[person, first, last]
                     if entry["period"]["from"] <= day <= entry["period"]["to"]), {})
