"""A small HubSpot account in memory: what the tests of the connector talk to."""

import functools
import json
from datetime import datetime, timezone
from email.utils import format_datetime

from wire_server import Answer, session_for

from connectors import get
from connectors.cursor import format_instant, parse_instant

CONNECTOR = get("hubspot")
STREAMS = {stream.code: stream for stream in CONNECTOR.streams}
NOW = datetime(2026, 7, 3, 12, 0, tzinfo=timezone.utc)
RUN = {"page_size": 3, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}
TOKEN = "pat-eu1-very-secret"
STAMPS = {"contacts": "lastmodifieddate"}
WALL = 10_000
STAGES = [
    {"id": "s1", "label": "Won, almost", "metadata": {"probability": "0.9", "isClosed": "false"}},
    {"id": "s2", "label": "Signed", "metadata": {"probability": "1.0", "isClosed": "true"}},
    {"id": "s3", "label": "Closed won (no)", "metadata": {"probability": "0.0", "isClosed": "true"}},
]
OPERATORS = {"GTE": lambda a, b: a >= b, "LTE": lambda a, b: a <= b, "GT": lambda a, b: a > b}


def error(status, category, message="text", **more):
    return Answer(status, {"status": "error", "category": category, "message": message, **more})


def session(server, **settings):
    defaults = {"api_url": server.url, "portal_id": "424242", "time_zone": "UTC", "default_currency": "EUR"}
    return session_for(server.url, "private_app", {"access_token": TOKEN}, TOKEN, {**defaults, **settings})


def read_run(opened, code, cursor=None, **options):
    """Read pages until there are no more; the cursor goes through JSON like in the database."""
    records, pages, cursor, new_run = [], [], cursor or {}, True
    while True:
        page = CONNECTOR.fetch_page(opened, STREAMS[code], cursor, {**RUN, **options, "new_run": new_run})
        assert page.cursor != cursor or not page.more
        pages.append(page)
        records += page.records
        cursor, new_run = json.loads(json.dumps(page.cursor)), False
        if not page.more:
            return records, cursor, pages
        assert len(pages) < 500


@functools.lru_cache(maxsize=20_000)
def milliseconds(text):
    return round(parse_instant(text).timestamp() * 1000)


def _shown(rows, names):
    """Return rows with the properties that were asked for; HubSpot adds the stamp, and passes over unknown names."""
    names = {*names, "hs_lastmodifieddate", "lastmodifieddate"}
    return [{**row, "properties": {name: value for name, value in row["properties"].items() if name in names}}
            for row in rows]


class MiniPortal:
    """``objects`` is ``{path: {id: row}}``, ``links`` ``{(from path, to path): {id: {id: [type ids]}}}``."""

    def __init__(self):
        self.now = NOW
        self.objects = {path: {} for path in ("companies", "contacts", "deals", "line_items")}
        self.links = {}
        self.merged = {}
        self.properties = {path: [] for path in self.objects}
        self.owners = []
        self.before = None  # f(Asked) -> Answer or None: a fault
        self.refuse = {}  # {record id: Answer that a write of it gets}
        self.writes = 0

    # === WHAT HAPPENS HERE === #

    def put(self, path, row_id, moment=NOW, **properties):
        row = self.objects[path].setdefault(str(row_id), {"id": str(row_id), "properties": {}, "archived": False})
        row["properties"].update(properties, **{STAMPS.get(path, "hs_lastmodifieddate"): format_instant(moment)})
        row["updatedAt"] = format_instant(moment)
        return row

    def link(self, source, target, source_id, target_id, kind):
        self.links.setdefault((source, target), {}).setdefault(str(source_id), {})[str(target_id)] = [kind]

    def archive(self, path, row_id, moment=NOW):
        self.objects[path][str(row_id)].update(archived=True, archivedAt=format_instant(moment))

    # === HTTP === #

    def __call__(self, asked):
        answer = (self.before and self.before(asked)) or self._answer(asked)
        answer.headers = {"Date": format_datetime(self.now, usegmt=True), **(answer.headers or {})}
        return answer

    def _answer(self, asked):
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error(401, "INVALID_AUTHENTICATION")
        parts = asked.path.strip("/").split("/")
        if asked.path == "/account-info/v3/details":
            return Answer(body={"portalId": 424242, "accountType": "STANDARD"})
        if asked.path == "/crm/v3/pipelines/deals":
            return Answer(body={"results": [{"id": "default", "stages": STAGES}]})
        if asked.path == "/crm/v3/owners":
            archived = asked.query["archived"] == "true"
            return self._list([row for row in self.owners if row["archived"] == archived], asked)
        if parts[:2] == ["crm", "v4"]:
            return self._associations(parts[3], parts[4], asked.json["inputs"])
        if parts[2] == "properties":
            return self._property(asked, parts)
        path, tail = parts[3], "/".join(parts[4:])
        if tail == "search":
            return self._search(path, asked.json)
        if tail == "batch/read":
            return self._batch_read(path, asked.json)
        if tail == "batch/update":
            return self._batch_update(path, asked.json["inputs"])
        if tail:
            row = self.objects[path].get(self.merged.get(tail, tail))
            if not row or row["archived"]:
                return error(404, "OBJECT_NOT_FOUND")
            return Answer(body=_shown([row], asked.query["properties"].split(","))[0])
        archived = asked.query.get("archived") == "true"
        return self._list([row for row in self.objects[path].values() if row["archived"] == archived], asked)

    @staticmethod
    def _list(rows, asked):
        assert int(asked.query["limit"]) <= 100
        start, limit = int(asked.query.get("after", 0)), int(asked.query["limit"])
        return MiniPortal._page(rows, start, limit)

    @staticmethod
    def _page(rows, start, limit, names=None, **more):
        paging = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(rows) else {}
        page = rows[start:start + limit]
        return Answer(body={"results": page if names is None else _shown(page, names), **paging, **more})

    @staticmethod
    def _number(row, name):
        if name == "hs_object_id":
            return int(row["id"])
        return milliseconds(row["properties"][name])

    def _search(self, path, body):
        assert body["limit"] <= 200
        start = int(body.get("after", 0))
        if start + body["limit"] > WALL:
            return error(400, "VALIDATION_ERROR", "The result window is too large")
        rows = [row for row in self.objects[path].values() if not row["archived"] and all(
            OPERATORS[item["operator"]](self._number(row, item["propertyName"]), int(item["value"]))
            for item in body["filterGroups"][0]["filters"])]
        (sort,) = body["sorts"]
        assert sort["direction"] == "ASCENDING"
        rows.sort(key=lambda row: self._number(row, sort["propertyName"]))
        return self._page(rows, start, body["limit"], body["properties"], total=len(rows))

    def _batch_read(self, path, body):
        assert len(body["inputs"]) <= 100
        rows = [self.objects[path].get(item["id"]) for item in body["inputs"]]
        found = [row for row in rows if row and not row["archived"]]
        missing = {"numErrors": 1, "errors": [{"category": "OBJECT_NOT_FOUND", "message": "gone"}]}
        return Answer(200 if len(found) == len(rows) else 207, {
            "status": "COMPLETE", "results": _shown(found, body["properties"]),
            **({} if len(found) == len(rows) else missing)})

    def _associations(self, source, target, inputs):
        assert len(inputs) <= 100
        links, results, errors = self.links.get((source, target), {}), [], []
        for item in inputs:
            to = [{"toObjectId": target_id, "associationTypes": [{"typeId": kind} for kind in kinds]}
                  for target_id, kinds in links.get(item["id"], {}).items()]
            start = int(item.get("after", 0))
            if not to:
                errors.append({"category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"})
                continue
            paging = {"paging": {"next": {"after": str(start + 2)}}} if start + 2 < len(to) else {}
            results.append({"from": {"id": item["id"]}, "to": to[start:start + 2], **paging})
        return Answer(207 if errors else 200, {"status": "COMPLETE", "results": results, "errors": errors})

    def _batch_update(self, path, inputs):
        assert len(inputs) <= 100
        traces = [item["objectWriteTraceId"] for item in inputs]
        assert len(set(traces)) == len(inputs)
        results, errors = [], []
        for item in inputs:
            refusal = self.refuse.get(item["id"])
            if refusal:
                errors.append({**refusal.body, "context": {"objectWriteTraceId": [item["objectWriteTraceId"]]}})
                continue
            self.writes += 1
            row = self.put(path, item["id"], self.now, **item["properties"])
            results.append({**row, "objectWriteTraceId": item["objectWriteTraceId"]})
        return Answer(200, {"status": "COMPLETE", "results": results[::-1], "numErrors": len(errors), "errors": errors})

    def _property(self, asked, parts):
        present = self.properties[parts[3]]
        if asked.method == "GET":
            return Answer(body={"results": present})
        name = asked.json["name"] + ("/group" if parts[-1] == "groups" else "")
        if any(item["name"] == name for item in present):
            return error(409, "CONFLICT", "exists")
        present.append({**asked.json, "name": name})
        return Answer(201, asked.json)
