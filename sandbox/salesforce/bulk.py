"""Bulk API 2.0 query jobs: asynchronous, results as CSV in parts."""

import csv
import io
import time

from ..messages import Response
from .errors import ApiError
from .ids import make
from .soql import Evaluator
from .soql_where import getter, resolve

_DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}


class Job:
    """One query job; ``rows`` is filled when it runs."""

    def __init__(self, id_, values, object_name, columns, version, created):
        self.id, self.values, self.object, self.columns = id_, values, object_name, columns
        self.version, self.created = version, created
        self.rows, self.aborted, self.started = None, False, time.monotonic()


class BulkQueries:
    """Query jobs.

    :param store: :class:`Store`
    :param seconds: how long a job stays in each of the states UploadComplete and InProgress
    :param header_every_part: repeat the header line in later parts of the result
    """

    def __init__(self, store, seconds=0.1, header_every_part=True):
        self.store, self.seconds, self.header_every_part = store, seconds, header_every_part
        self.jobs = {}

    def create(self, body, version):
        """Answer ``POST /jobs/query``."""
        operation = body.get("operation")
        if operation not in ("query", "queryAll") or not isinstance(body.get("query"), str):
            raise ApiError(400, "INVALIDJOB", "operation must be query or queryAll, with a query")
        if body.get("contentType", "CSV") != "CSV" or body.get("columnDelimiter", "COMMA") not in _DELIMITERS:
            raise ApiError(400, "INVALIDJOB", "unsupported content type or delimiter")
        with self.store.lock:
            object_name, columns = self._evaluator(version).columns(body["query"])
            table = self.store.table(object_name)
            for path in columns:
                resolve(self.store, table, path)
            job = Job(make("750", len(self.jobs) + 1), body, object_name, columns, version, self.store.stamp())
            self.jobs[job.id] = job
        return self.describe(job)

    def _evaluator(self, version):
        return Evaluator(self.store, f"/services/data/{version}", lambda result: None)

    def find(self, id_):
        if id_ not in self.jobs:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        return self.jobs[id_]

    def state(self, job):
        if job.aborted:
            return "Aborted"
        waited = time.monotonic() - job.started
        return "UploadComplete" if waited < self.seconds else (
            "InProgress" if waited < 2 * self.seconds else "JobComplete")

    def describe(self, job):
        """Return the job as JSON, and run it when its time has come."""
        state = self.state(job)
        answer = {
            "id": job.id, "operation": job.values["operation"], "object": job.object, "state": state,
            "createdById": self.store.integration_user, "createdDate": job.created, "systemModstamp": job.created,
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float(job.version[1:]),
            "lineEnding": job.values.get("lineEnding", "LF"),
            "columnDelimiter": job.values.get("columnDelimiter", "COMMA"),
        }
        if state == "JobComplete":
            answer["numberRecordsProcessed"] = len(self._rows(job))
        return answer

    def _rows(self, job):
        if job.rows is None:
            with self.store.lock:
                result = self._evaluator(job.version).run(job.values["query"], job.values["operation"] == "queryAll")
                job.rows = result.rows
        return job.rows

    def change(self, job, body):
        """Answer ``PATCH`` with ``{"state": "Aborted"}``."""
        if body.get("state") != "Aborted":
            raise ApiError(400, "INVALIDJOBSTATE", "only the state Aborted can be set")
        job.aborted = True
        return self.describe(job)

    def remove(self, job):
        del self.jobs[job.id]

    def results(self, job, query, version):
        """Answer ``GET .../results``: one part of the result as CSV."""
        if version != job.version:
            raise ApiError(409, "INVALID_API_VERSION", "use the API version that created the job")
        if self.state(job) != "JobComplete":
            raise ApiError(400, "INVALIDJOBSTATE", "the job has no results yet")
        rows = self._rows(job)
        start = _offset(query.get("locator", ""))
        size = max(1, int(query.get("maxRecords") or len(rows) or 1))
        part = rows[start:start + size]
        end = start + len(part)
        headers = {
            "Content-Type": "text/csv; charset=UTF-8", "Sforce-NumberOfRecords": str(len(part)),
            "Sforce-Locator": f"MTAwMDA{end:08d}" if end < len(rows) else "null",
        }
        return Response(200, self._csv(job, part, start == 0 or self.header_every_part), headers)

    def _csv(self, job, rows, header):
        table = self.store.table(job.object)
        columns = [getter(*found) if found[1].type != "datetime" else _instants(getter(*found))
                   for found in (resolve(self.store, table, path) for path in job.columns)]
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=_DELIMITERS[job.values.get("columnDelimiter", "COMMA")],
                            quoting=csv.QUOTE_ALL,
                            lineterminator="\r\n" if job.values.get("lineEnding") == "CRLF" else "\n")
        if header:
            writer.writerow(job.columns)
        for row in rows:
            writer.writerow([_cell(column(row)) for column in columns])
        return out.getvalue().encode()


def _offset(locator):
    if not locator:
        return 0
    if not locator.startswith("MTAwMDA") or not locator[7:].isdigit():
        raise ApiError(400, "INVALID_LOCATOR", "invalid locator")
    return int(locator[7:])


def _instants(get):
    """Bulk results write instants with a Z."""
    def value(row):
        text = get(row)
        return text.replace("+0000", "Z") if text else text
    return value


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
