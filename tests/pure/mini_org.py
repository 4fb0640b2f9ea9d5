"""A few rows behind the REST paths that reading uses; understands exactly the conditions that the reader writes."""

import re
from datetime import datetime, timezone
from email.utils import format_datetime

from wire_server import Answer

from connectors.cursor import parse_instant
from connectors.salesforce.soql import literal

NOW = datetime(2026, 7, 3, 12, 0, 0, tzinfo=timezone.utc)
ROOT = "/services/data/v62.0"

_AFTER = re.compile(r"\((\w+) = (\S+) AND Id > '(\w+)'\) OR \w+ > ")
_FROM = re.compile(r"(\w+) >= ([0-9T:.Z-]+)")
_UNTIL = re.compile(r"(\w+) <= ([0-9T:.Z-]+)")
_IN = re.compile(r"(\w+) IN \(([^)]*)\)")
_EQUAL = re.compile(r"(\w+) = (true|false|null)\b")
_AFTER_ID = re.compile(r"\(Id > '(\w+)'\)")


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def field(name, kind="string", **more):
    return {"name": name, "type": kind, "filterable": True, "updateable": True, **more}


class MiniOrg:
    """:param tables: ``{object: {id: row}}``; :param fields: ``{object: [describe entries]}``"""

    def __init__(self, tables, fields):
        self.tables, self.fields = tables, fields
        self.deleted_log = []
        self.covered = None
        self.earliest = "2026-01-01T00:00:00.000+0000"
        self.fail = {}
        self.jobs = {}
        self.now = NOW
        self.max_page = 2000
        self.rule = lambda source, row, change: None

    def __call__(self, asked):
        planned = self.fail.get((asked.method, asked.path))
        if planned:
            answer = planned.pop(0) if isinstance(planned, list) else planned
            if answer is not None:
                return answer
        answer = self._answer(asked)
        answer.headers = {"Date": format_datetime(self.now, usegmt=True), **(answer.headers or {})}
        return answer

    def _answer(self, asked):
        path = asked.path.removeprefix(ROOT)
        if asked.path == "/services/data/":
            return Answer(body=[])
        if match := re.fullmatch(r"/sobjects/(\w+)/describe", path):
            if match[1] not in self.fields:
                return Answer(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
            return Answer(body={"fields": self.fields[match[1]]})
        if match := re.fullmatch(r"/sobjects/(\w+)/deleted/", path):
            return Answer(body={
                "deletedRecords": [entry for entry in self.deleted_log
                                   if parse_instant(asked.query["start"]) <= parse_instant(entry["deletedDate"])
                                   <= parse_instant(asked.query["end"])],
                "earliestDateAvailable": self.earliest, "latestDateCovered": self.covered or text(
                    parse_instant(asked.query["end"]))})
        if path in ("/query/", "/queryAll/"):
            return self._query(asked.soql, path == "/queryAll/")
        if match := re.fullmatch(r"/query/(\d+)-(\d+)", path):
            return self._page(self.jobs[match[1]], match[1], int(match[2]))
        if path == "/composite/sobjects":
            return Answer(body=[self._change(record) for record in asked.json["records"]])
        if path == "/jobs/query" and asked.method == "POST":
            self.jobs["750"] = self._select(asked.json["query"], False)
            return Answer(body={"id": "750", "state": "UploadComplete"})
        if path == "/jobs/query/750":
            return Answer(body={"id": "750", "state": "JobComplete"})
        if path == "/jobs/query/750/results":
            return self._csv(asked)
        raise AssertionError(f"unexpected call {asked.method} {asked.path}")

    def _change(self, record):
        """Update a row; ``rule(source, row, change)`` returns a refusal, or changes what is stored."""
        source, record_id = record.pop("attributes")["type"], record.pop("id")
        row = self.tables[source].get(record_id)
        if row is None:
            return {"success": False, "errors": [{"statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted"}]}
        refusal = self.rule(source, row, record)
        if refusal:
            return {"id": record_id, "success": False, "errors": [refusal]}
        row.update(record, SystemModstamp=text(self.now))
        return {"id": record_id, "success": True, "errors": []}

    def _csv(self, asked):
        names, rows = self.jobs["750"]
        start, size = int(asked.query.get("locator") or 0), int(asked.query["maxRecords"])

        def cell(row, path):
            for part in path.split("."):
                row = row.get(part) if row else None
            value = row
            return "" if value is None else f'"{str(value).lower() if isinstance(value, bool) else value}"'

        lines = [",".join(f'"{name}"' for name in names)]
        lines += [",".join(cell(row, name) for name in names) for row in rows[start:start + size]]
        after = start + size
        return Answer(body=("\n".join(lines) + "\n").encode(), headers={
            "Content-Type": "text/csv", "Sforce-Locator": str(after) if after < len(rows) else "null"})

    def _query(self, soql, everything):
        names, rows = self._select(soql, everything)
        if names == ["COUNT()"]:
            return Answer(body={"totalSize": len(rows), "done": True, "records": []})
        number = str(len(self.jobs))
        self.jobs[number] = (names, rows)
        return self._page((names, rows), number, 0)

    def _page(self, result, number, start):
        names, rows = result
        records = [{"attributes": {"type": "X", "url": "/x"}, **{name.split(".")[0]: row.get(name.split(".")[0])
                                                                  for name in names}}
                   for row in rows[start:start + self.max_page]]
        after = start + self.max_page
        body = {"totalSize": len(rows), "done": after >= len(rows), "records": records}
        if not body["done"]:
            body["nextRecordsUrl"] = f"{ROOT}/query/{number}-{after}"
        return Answer(body=body)

    def _select(self, soql, everything):
        match = re.fullmatch(r"SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY (.+?))?(?: LIMIT (\d+))?", soql)
        names, where = match[1].split(", "), match[3] or ""
        known = {entry["name"] for entry in self.fields[match[2]]} | {"COUNT()"}
        assert len(set(names)) == len(names), "duplicate field selected"
        for name in names:
            assert "." in name or name in known, f"{name} is not in the describe"
        rows = [row for row in self.tables[match[2]].values() if everything or not row.get("IsDeleted")]
        rows = [row for row in rows if self._matches(row, where)]
        if match[4]:
            keys = match[4].split(", ")
            rows.sort(key=lambda row: [row.get(key) or "" for key in keys])
        return names, rows[:int(match[5])] if match[5] else rows

    @staticmethod
    def _matches(row, where):
        def stamp(name):
            return literal(parse_instant(row[name])) if row.get(name) else ""

        if found := _AFTER.search(where):
            if (stamp(found[1]), row["Id"]) <= (found[2], found[3]):
                return False
        elif (found := _AFTER_ID.search(where)) and row["Id"] <= found[1]:
            return False
        for name, low in _FROM.findall(where):
            if not stamp(name) or stamp(name) < low:
                return False
        for name, high in _UNTIL.findall(where):
            if not stamp(name) or stamp(name) > high:
                return False
        for name, values in _IN.findall(where):
            if row.get(name) not in [value.strip("'") for value in values.split(",")]:
                return False
        for name, word in _EQUAL.findall(where):
            if row.get(name) != {"true": True, "false": False, "null": None}[word]:
                return False
        return True
