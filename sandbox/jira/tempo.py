"""Tempo's REST API, version 4: routes, paging, rights; what a worklog may hold stands in ``worklog_rules``."""

from datetime import timedelta
from urllib.parse import urlencode

from ..messages import Response, json_response
from . import approvals, worklog_rules
from .errors import TempoError
from .stamps import read_day, read_instant, read_iso
from .tempo_views import Views

_ORDERS = {"ID": (lambda row: row.id, True), "UPDATED": (lambda row: (row.updated, row.id), True),
           "START_DATE_TIME": (lambda row: (row.day, row.start, row.id), True),
           "": (lambda row: (row.day, row.start, row.id), False)}
_PAPERTRAIL_DAYS, _LOG_DAYS = 180, 731


class Tempo:
    """:ivar hidden: first path segments that the token's owner has no right to"""

    def __init__(self, store, url, user, hooks):
        self.store, self.user, self.hooks = store, user, hooks
        self.views = Views(store, url)
        self.hidden = set()

    def handle(self, asked):
        """Answer a call below ``/4``. :raise TempoError: refused"""
        if asked.path and asked.path[0] in self.hidden:
            raise TempoError(403, "You do not have permission for this resource.")
        with self.store.lock:
            match asked.method, *asked.path:
                case _, "worklogs", *rest:
                    return self._worklogs(asked, rest)
                case _, "timesheet-approvals", *rest:
                    return self._approvals(asked, rest)
                case "POST", "papertrail", "search":
                    return self._papertrail(asked)
                case _, "webhooks", "subscriptions", *rest:
                    return self._subscriptions(asked, rest)
                case "GET", *rest:
                    return self._masters(asked, rest)
        raise TempoError(404, "Not found")

    # === PAGES === #

    def _page(self, asked, rows, allowed=()):
        """Return a classic page of rows that are all at hand."""
        asked.allow("offset", "limit", *allowed)
        offset, limit = self._window(asked)
        return self._classic(asked, rows[offset:offset + limit], offset, limit, offset + limit < len(rows))

    def _window(self, asked):
        offset = asked.number("offset", 0)
        return 0 if asked.fault == "endless_paging" else offset, asked.number("limit", 50, 1000)

    def _classic(self, asked, page, offset, limit, more):
        def link(start):
            query = {**asked.query, "offset": [start], "limit": [limit]}
            return f"{self.views.root}/{'/'.join(asked.path)}?{urlencode(query, doseq=True)}"

        metadata = {"count": len(page), "offset": offset, "limit": limit}
        if asked.fault == "endless_paging":
            metadata["next"] = link(offset)
        elif more:
            metadata["next"] = link(offset + limit)
        if offset:
            metadata["previous"] = link(max(0, offset - limit))
        return json_response({"self": link(offset), "metadata": metadata, "results": asked.spoil(page)})

    def _by_token(self, asked, rows, most):
        """Return a page of a search with ``nextPageToken``."""
        asked.allow("limit", "nextPageToken")
        limit, token = asked.number("limit", 50, most), asked.one("nextPageToken")
        if token and not token.removeprefix("t").isdigit():
            raise TempoError(400, "nextPageToken is not valid")
        start = int(token.removeprefix("t")) if token else 0
        endless = asked.fault == "endless_paging"
        start = 0 if endless else start
        link = f"{self.views.root}/{'/'.join(asked.path)}"
        metadata = {"limit": limit}
        if start + limit < len(rows) or endless:
            metadata["nextPageToken"] = "t0" if endless else f"t{start + limit}"
            metadata["nextPageUrl"] = f"{link}?limit={limit}&nextPageToken={metadata['nextPageToken']}"
        return json_response({"self": link, "metadata": metadata, "results": asked.spoil(rows[start:start + limit])})

    # === WORKLOGS === #

    def _worklogs(self, asked, rest):
        match asked.method, *rest:
            case "GET",:
                asked.allow("updatedFrom", "from", "to", "projectId", "issueId", "orderBy", "offset", "limit")
                return self._find(asked, asked.numbers("issueId"), asked.numbers("projectId"), set())
            case "POST",:
                asked.allow()
                row = self.store.create(**worklog_rules.new(self.store, asked, self.user))
                self.store.writes["tempo", row.id] += 1
                return json_response(self.views.worklog(row))
            case "POST", "search":
                return self._search(asked)
            case "POST", "jira-to-tempo" | "tempo-to-jira" as kind:
                return self._translate(asked, kind)
            case "GET", "user" | "issue" | "project" | "account" as scope, value:
                asked.allow("updatedFrom", "from", "to", "orderBy", "offset", "limit")
                numbers = {int(value)} if value.isdigit() else set()
                if scope in ("issue", "project") and not numbers:
                    raise TempoError(400, f"{scope} id must be numeric")
                return self._find(asked, numbers if scope == "issue" else (), numbers if scope == "project" else (),
                                  {value} if scope == "user" else (), value if scope == "account" else "")
            case _, number if number.isdigit() and int(number) in self.store.worklogs:
                return self._one(asked, self.store.worklogs[int(number)])
        raise TempoError(404, "Worklog not found, or you do not have permission to view it")

    def _find(self, asked, issues, projects, authors, account="", given=None):
        """Answer a search; ``given`` are values of a body that stand in for the query's."""
        def text(name):
            return str((given or {}).get(name) or "") if given is not None else asked.one(name)

        updated_from = asked.value("updatedFrom", read_instant, text("updatedFrom"))
        first, last = (asked.value(name, read_day, text(name)) for name in ("from", "to"))
        if first and last and first > last:
            raise TempoError(400, "from must not be after to")
        order = text("orderBy")
        if order not in _ORDERS:
            raise TempoError(400, "orderBy must be one of ID, START_DATE_TIME, UPDATED")
        offset, limit = self._window(asked)
        if order == "UPDATED" and not (first or last or issues or projects or authors or account):
            rows, more = self.store.newest_first(updated_from, offset, limit)
        else:
            of_issue = {number: row["project"] for number, row in self.store.tables.issues.items()}
            key = (order, updated_from, first, last, *map(frozenset, (issues, projects, authors)), account)
            rows, more = self.store.select(key, lambda row: (
                (not updated_from or row.updated >= updated_from) and (not first or row.day >= first)
                and (not last or row.day <= last) and (not issues or row.issue_id in issues)
                and (not projects or of_issue.get(row.issue_id) in projects)
                and (not authors or row.author in authors)
                and (not account or row.attributes.get("_Account_") == account)), _ORDERS[order], offset, limit)
        return self._classic(asked, [self.views.worklog(row) for row in rows], offset, limit, more)

    def _search(self, asked):
        asked.allow("offset", "limit")
        body = asked.body(optional=("authorIds", "issueIds", "projectIds", "from", "to", "updatedFrom", "orderBy"))
        for name in ("authorIds", "issueIds", "projectIds"):
            kind = str if name == "authorIds" else int
            if not isinstance(body.get(name, []), list) or not all(type(value) is kind for value in body.get(name, [])):
                raise TempoError(400, f"{name} must be a list")
        lists = {name: set(body.get(name, [])) for name in ("issueIds", "projectIds", "authorIds")}
        return self._find(asked, *lists.values(), given=body)

    def _translate(self, asked, kind):
        name = "jiraWorklogIds" if kind == "jira-to-tempo" else "tempoWorklogIds"
        asked.allow("offset", "limit")
        ids = asked.body((name,), ())[name]
        if not isinstance(ids, list) or len(ids) > 500 or not all(type(value) is int for value in ids):
            raise TempoError(400, f"{name} must hold at most 500 numbers")
        tempo_ids = [self.store.tempo_id(value) if kind == "jira-to-tempo" else value for value in ids]
        return self._page(asked, [{"tempoWorklogId": number, "jiraWorklogId": self.store.worklogs[number].jira_id}
                                  for number in tempo_ids if number in self.store.worklogs])

    def _one(self, asked, row):
        match asked.method:
            case "GET":
                asked.allow()
                return json_response(self.views.worklog(row))
            case "PUT":
                asked.allow()
                values = worklog_rules.replacement(self.store, asked, row)
                self.store.change(row.id, actor=self.user, **values)
                self.store.writes["tempo", row.id] += 1
                return json_response(self.views.worklog(row))
            case "DELETE":
                asked.allow("bypassPeriodClosuresAndApprovals")
                worklog_rules.check_open(self.store, row.author, row.day,
                                         asked.one("bypassPeriodClosuresAndApprovals") == "true")
                self.store.delete(row.id, actor=self.user)
                return Response(204)
        raise TempoError(405, "Method not allowed")

    # === APPROVALS, AUDIT TRAIL === #

    def _approvals(self, asked, rest):
        match asked.method, *rest:
            case "POST", "logs", "search":
                body = asked.body(("updatedFrom",), ("userAccountIds",))
                moment = self._recent(asked, "updatedFrom", body["updatedFrom"], _LOG_DAYS, read_instant)
                users = body.get("userAccountIds")
                return self._by_token(asked, [self.views.log_line(entry) for entry in self.store.approvals.since(moment)
                                              if not users or entry.user in users], 5000)
            case "GET", "user", user if self._known(user):
                return json_response(self.views.approval(user, self._one_period(asked)))
            case "GET", "team", "1":
                day = self._one_period(asked)
                return json_response({"self": f"{self.views.root}/{'/'.join(asked.path)}", "results": [
                    self.views.approval(user, day) for user in self.store.tables.users]})
            case "POST", "user", user, action if self._known(user) and action in approvals.ACTIONS:
                body, day = asked.body(optional=("comment", "reviewerAccountId")), self._one_period(asked)
                self.act(user, day, action, self.user, body.get("comment") or "")
                return json_response(self.views.approval(user, day))
        raise TempoError(404, "Not found")

    def _known(self, user):
        return user in self.store.tables.users or any(row.author == user for row in self.store.worklogs.values())

    def _one_period(self, asked):
        """Return a day of the one period that ``from`` and ``to`` lie in."""
        asked.allow("from", "to")
        first, last = (asked.value(name, read_day) for name in ("from", "to"))
        if not first or not last or first > last or approvals.monday(first) != approvals.monday(last):
            raise TempoError(400, "from and to must lie in one period")
        return first

    def act(self, user, day, action, actor, comment="", moment=None):
        """Submit, approve, reject, reopen or recall a user's period.

        :raise TempoError: 400, the period's status does not allow it
        """
        with self.store.lock:
            before, after = approvals.ACTIONS[action]
            if self.store.approvals.status(user, day) not in before:
                raise TempoError(400, f"The period cannot be changed by {action} in its present status")
            moment = (moment or self.store.clock.now()).replace(microsecond=0)
            spent = self.store.spent(user, approvals.monday(day))
            return self.store.approvals.change(user, day, after, moment, actor, comment, spent)

    def _recent(self, asked, name, text, days, read):
        moment = asked.value(name, read, str(text))
        if moment is None or moment < self.store.clock.now() - timedelta(days=days + 1):
            raise TempoError(400, f"{name} must not be more than {days} days ago")
        return moment

    def _papertrail(self, asked):
        body = asked.body(("from",), ("to", "entityType", "action", "author", "worker"))
        moment = self._recent(asked, "from", body["from"], _PAPERTRAIL_DAYS, read_iso)
        until = asked.value("to", read_iso, str(body.get("to") or ""))
        for name, choices in (("entityType", ("worklog", "plan", "account", "customer", "team")),
                              ("action", ("Created", "Updated", "Deleted", "Synced"))):
            if not isinstance(body.get(name) or [], list) or not set(body.get(name) or ()) <= set(choices):
                raise TempoError(400, f"{name} must be a list of {', '.join(choices)}")
        kinds, actions = body.get("entityType") or ["worklog"], body.get("action")
        rows = [self.views.event(event) for event in self.store.events
                if event.moment >= moment and (not until or event.moment <= until) and "worklog" in kinds
                and (not actions or event.action in actions)
                and (not body.get("author") or event.actor in body["author"])
                and (not body.get("worker") or event.worklog.author in body["worker"])]
        return self._by_token(asked, rows, 1000)

    # === MASTERS, WEBHOOKS === #

    def _masters(self, asked, path):
        tables, views = self.store.tables, self.views
        match path:
            case ["customers"]:
                return self._page(asked, [views.customer(row) for row in tables.customers.values()])
            case ["customers", name, *rest] if rest in ([], ["accounts"]):
                row = next((row for row in tables.customers.values() if name in (str(row["id"]), row["key"])), None)
                if row and rest:
                    return self._page(asked, [views.account(account) for account in tables.accounts.values()
                                              if account["customer"] == row["id"]])
                if row:
                    return json_response(views.customer(row))
            case ["accounts"]:
                status = asked.choice("status", ("OPEN", "CLOSED"))
                return self._page(asked, [views.account(row) for row in tables.accounts.values()
                                          if row["status"] in ((status,) if status else ("OPEN", "CLOSED"))],
                                  ("status",))
            case ["accounts", key] if key in tables.accounts:
                return json_response(views.account(tables.accounts[key]))
            case ["accounts", key, "links"] if key in tables.accounts:
                return self._page(asked, [views.link(row) for row in tables.links if row["account"] == key])
            case ["account-links", "project", number] if number.isdigit():
                return self._page(asked, [views.link(row) for row in tables.links if row["project"] == int(number)])
            case ["work-attributes"]:
                return self._page(asked, [views.attribute(row) for row in tables.attributes.values()])
            case ["work-attributes", key] if key in tables.attributes:
                return json_response(views.attribute(tables.attributes[key]))
            case ["teams"]:
                return self._page(asked, [{"self": f"{views.root}/teams/1", "id": 1, "name": "Studio"}])
            case ["periods"]:
                first, last = (asked.value(name, read_day) for name in ("from", "to"))
                if not first or not last:
                    raise TempoError(400, "from and to are required")
                return self._page(asked, views.periods(first, last), ("from", "to"))
        raise TempoError(404, "Not found")

    def _subscriptions(self, asked, rest):
        asked.allow("offset", "limit")
        match asked.method, *rest:
            case "GET",:
                return self._page(asked, self.hooks.subscriptions())
            case "POST",:
                body = asked.body(("url", "event"), ("name", "description"))
                return json_response(self.hooks.subscribe(**body), 201)
            case "PATCH", number, "refresh" if number.isdigit():
                return json_response(self.hooks.refresh(int(number)))
            case "DELETE", number if number.isdigit():
                self.hooks.unsubscribe(int(number))
                return Response(204)
        raise TempoError(404, "Not found")
