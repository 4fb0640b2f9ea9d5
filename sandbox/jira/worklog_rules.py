"""What Tempo accepts as a worklog. PUT replaces the whole of it: what is left out falls back to its default."""

import re

from .errors import TempoError
from .seed import ACCOUNT
from .stamps import read_day

_OPTIONAL = ("startTime", "billableSeconds", "description", "attributes", "remainingEstimateSeconds")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_DAY_SECONDS = 86_400


def new(store, asked, actor):
    """Return the values of a worklog that ``POST /4/worklogs`` asks for. :raise TempoError: 400"""
    body = asked.body(("issueId", "authorAccountId", "startDate", "timeSpentSeconds"),
                      (*_OPTIONAL, "bypassPeriodClosuresAndApprovals"))
    if type(body["issueId"]) is not int or body["issueId"] not in store.tables.issues:
        raise TempoError(400, "issueId must be the numeric id of an issue")
    values = _values(store, body)
    check_open(store, values["author"], values["day"], body.get("bypassPeriodClosuresAndApprovals") is True)
    return {"issue_id": body["issueId"], "actor": actor, **values}


def replacement(store, asked, row):
    """Return the values that ``PUT /4/worklogs/{id}`` puts in place of those of ``row``. :raise TempoError: 400"""
    body = asked.body(("authorAccountId", "startDate", "timeSpentSeconds"), (*_OPTIONAL, "issueId"))
    if body.get("issueId", row.issue_id) != row.issue_id:
        raise TempoError(400, "The issue of a worklog cannot be changed")
    values = _values(store, body, row.author)
    check_open(store, row.author, row.day)
    check_open(store, values["author"], values["day"])
    return values


def check_open(store, author, day, bypass=False):
    """:raise TempoError: 400, the period is approved"""
    if not bypass and store.locked(author, day):
        raise TempoError(400, "Worklog cannot be changed: the timesheet of this period is approved")


def _values(store, body, former_author=""):
    author = body["authorAccountId"]
    if author not in store.tables.users and author != former_author:
        raise TempoError(400, "authorAccountId is not a user of this site")
    try:
        day = read_day(body["startDate"])
    except (ValueError, TypeError) as error:
        raise TempoError(400, "startDate must be yyyy-MM-dd") from error
    start = body.get("startTime", "00:00:00")
    if not isinstance(start, str) or not _TIME.fullmatch(start):
        raise TempoError(400, "startTime must be HH:mm:ss")
    seconds = body["timeSpentSeconds"]
    billable = body.get("billableSeconds", seconds)
    for name, value, least in (("timeSpentSeconds", seconds, 1), ("billableSeconds", billable, 0)):
        if type(value) is not int or not least <= value <= _DAY_SECONDS:
            raise TempoError(400, f"{name} must be a number of seconds")
    note = body.get("description", "")
    if not isinstance(note, str):
        raise TempoError(400, "description must be text")
    return {"author": author, "day": day, "start": start, "seconds": seconds, "billable": billable, "note": note,
            "attributes": _attributes(store.tables, body.get("attributes", []))}


def _attributes(tables, rows):
    if not isinstance(rows, list) or not all(isinstance(row, dict) and set(row) == {"key", "value"}
                                             and isinstance(row["value"], str) for row in rows):
        raise TempoError(400, "attributes must be a list of key and value")
    values = {row["key"]: row["value"] for row in rows}
    unknown = sorted(set(values) - set(tables.attributes))
    if unknown:
        raise TempoError(400, f"Work attribute {unknown[0]} does not exist")
    if len(values) < len(rows):
        raise TempoError(400, "A work attribute stands more than once")
    if values.get(ACCOUNT) and values[ACCOUNT] not in tables.accounts:
        raise TempoError(400, f"Account {values[ACCOUNT]} does not exist")
    return {key: value for key, value in values.items() if value}
