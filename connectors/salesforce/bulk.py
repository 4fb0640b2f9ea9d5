"""Bulk API 2.0 queries: an asynchronous job whose CSV result is read in resumable pages."""

import csv
import io
import logging
import time
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import DataError, MissingScopeError, NotFoundError, PoisonError

_logger = logging.getLogger(__name__)

#: How long one page call waits for a job that is not ready; the next call, or run, goes on with the same job.
WAIT_SECONDS = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5
_RUNNING = ("UploadComplete", "InProgress")

csv.field_size_limit(16 * 1024 * 1024)


@dataclass(slots=True)
class Result:
    """One look at a job.

    :param ready: rows could be read
    :param unusable: the job failed or is gone: read through REST instead
    :param locator: where the next page begins; empty after the last one
    """

    ready: bool = False
    unusable: bool = False
    rows: list = field(default_factory=list)
    locator: str = ""


def create(client, statement):
    """Start a query job and return its id, or an empty string when this object cannot be read in bulk."""
    try:
        answer = client.call("POST", "/jobs/query", write=True, json={
            "operation": "query", "query": statement, "contentType": "CSV", "columnDelimiter": "COMMA",
            "lineEnding": "LF"})
    except (DataError, MissingScopeError) as error:
        _logger.info("No bulk query, reading page by page: %s", error)
        return ""
    return answer.json()["id"]


def read(client, position, types, page_size):
    """Return the next page of a job.

    :param position: ``{"job": id, "locator": text}``
    :param types: ``{field path: describe type}``, to turn CSV text into values
    """
    if not position["locator"]:
        state = _wait(client, position["job"])
        if state in _RUNNING:
            return Result()
        if state != "JobComplete":
            return Result(unusable=True)
    params = {"maxRecords": str(page_size)}
    if position["locator"]:
        params["locator"] = position["locator"]
    try:
        answer = client.call("GET", f"/jobs/query/{position['job']}/results", params=params,
                             headers={"Accept": "text/csv"})
    except (NotFoundError, DataError) as error:  # job expired, or the API version was changed (409)
        _logger.info("Bulk query %s is lost: %s", position["job"], error)
        return Result(unusable=True)
    locator = answer.headers.get("Sforce-Locator", "")
    return Result(True, False, parse(answer.text, types), "" if locator == "null" else locator)


def _wait(client, job):
    """Return the job's state once it is final, or after :data:`WAIT_SECONDS`."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, _FIRST_PAUSE
    while True:
        try:
            answer = client.call("GET", f"/jobs/query/{job}").json()
        except NotFoundError:
            return "Gone"
        state = answer["state"]
        if state not in _RUNNING:
            if state != "JobComplete":
                _logger.info("Bulk query %s ended as %s: %s", job, state, answer.get("errorMessage") or "")
            return state
        if time.monotonic() + pause > deadline:
            return state
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _value(text, kind):
    """Return a CSV cell as REST would give it; empty text and null cannot be told apart."""
    if text == "":
        return None
    if kind == "boolean":
        return text.lower() == "true"
    if kind in ("double", "currency", "percent"):
        return Decimal(text)
    if kind in ("int", "long"):
        return int(Decimal(text))
    return text


def parse(text, types):
    """Return the rows of CSV ``text`` as nested records; ``A__r.Name`` becomes ``{"A__r": {"Name": ...}}``.

    :raise PoisonError: a line that does not fit the header
    """
    rows = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""))
    header = next(rows, None)
    records = []
    for cells in rows:
        if cells == header or not cells:
            continue  # later pages may repeat the header
        if len(cells) != len(header):
            raise PoisonError("A line of the bulk result does not fit its header", code="bulk_csv")
        record = {}
        for path, cell in zip(header, cells, strict=True):
            *parents, name = path.split(".")
            target = record
            for parent in parents:
                target = target.setdefault(parent, {})
            target[name] = _value(cell, types.get(path, ""))
        records.append(record)
    return records
