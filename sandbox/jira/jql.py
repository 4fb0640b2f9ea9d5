"""The part of JQL that the stand-in speaks; anything else is refused.

    updated >= "2026-07-01 10:15"      also <=, > and <; "yyyy/MM/dd HH:mm", "yyyy-MM-dd", -90m, -4h, -7d, -2w
    project = NOVA                     also project in (NOVA, DELF); key or id
    id in (20011, 20012)               also id = 20011
    ... AND ...  ORDER BY updated ASC  also DESC; also id; several with commas

Texts of time are read in the profile zone of the integration user, to the minute. At least one condition is needed.
"""

import re
from datetime import datetime, timedelta

from .errors import JiraError
from .stamps import PROFILE_ZONE

_CLAUSE = re.compile(r"\s*(\w+)\s*(>=|<=|=|>|<|\bin\b)\s*(\([^()]*\)|\"[^\"]*\"|'[^']*'|[^\s()]+)\s*", re.IGNORECASE)
_RELATIVE = re.compile(r"-(\d+)([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORMATS = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")
_COMPARE = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, "<": lambda a, b: a < b}
_SORTABLE = ("updated", "id")


def parse(text, now, project_keys):
    """Return ``(condition, order)``: ``condition(issue) -> bool``, ``order(list of issues)`` sorts in place.

    :param project_keys: ``{key or id as text, in capitals: project id}``
    :raise JiraError: 400
    """
    body, *orders = re.split(r"\s*\border\s+by\b\s*", text, flags=re.IGNORECASE)
    if not body.strip():
        raise JiraError(400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your "
                             "query.")
    if len(orders) > 1:
        raise JiraError(400, "Error in the JQL Query: ORDER BY stands twice.")
    conditions, position = [], 0
    while True:
        match = _CLAUSE.match(body, position)
        if not match:
            raise JiraError(400, f"Error in the JQL Query near '{body[position:position + 30].strip()}'.")
        conditions.append(_condition(*match.groups(), now, project_keys))
        position = match.end()
        if position == len(body):
            break
        joint = re.compile(r"and\b", re.IGNORECASE).match(body, position)
        if not joint:
            raise JiraError(400, f"Error in the JQL Query near '{body[position:position + 30].strip()}'.")
        position = joint.end()
    return lambda issue: all(condition(issue) for condition in conditions), _order(orders[0] if orders else "id DESC")


def _values(operator, value):
    if (operator == "in") != value.startswith("("):
        raise JiraError(400, f"Error in the JQL Query: operator '{operator}' does not go with {value}.")
    parts = value[1:-1].split(",") if operator == "in" else [value]
    texts = [part.strip().strip("\"'") for part in parts]
    if not all(texts):
        raise JiraError(400, "Error in the JQL Query: a value is empty.")
    return texts


def _condition(field, operator, value, now, project_keys):
    operator, field = operator.lower(), field.lower()
    if field == "updated" and operator in _COMPARE:
        moment, compare = _moment(value.strip("\"'"), now), _COMPARE[operator]
        return lambda issue: compare(issue["updated"].replace(second=0), moment)
    if field in ("id", "project") and operator in ("=", "in"):
        texts = _values(operator, value)
        if field == "id":
            if not all(text.isdigit() for text in texts):
                raise JiraError(400, "This stand-in takes numeric issue ids only.")
            ids = {int(text) for text in texts}
            return lambda issue: issue["id"] in ids
        unknown = [text for text in texts if text.upper() not in project_keys]
        if unknown:
            raise JiraError(400, f"The value '{unknown[0]}' does not exist for the field 'project'.")
        projects = {project_keys[text.upper()] for text in texts}
        return lambda issue: issue["project"] in projects
    raise JiraError(400, f"Field '{field}' does not exist or operator '{operator}' is not supported by it.")


def _moment(text, now):
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return (now - timedelta(**{_UNITS[relative[2]]: int(relative[1])})).replace(second=0, microsecond=0)
    for shape in _FORMATS:
        try:
            return datetime.strptime(text, shape).replace(tzinfo=PROFILE_ZONE)
        except ValueError:
            continue
    raise JiraError(400, f"Date value '{text}' for field 'updated' is invalid. Valid formats include: "
                         "'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format.")


def _order(text):
    keys = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)(?:\s+(asc|desc))?\s*", part, re.IGNORECASE)
        if not match or match[1].lower() not in _SORTABLE:
            raise JiraError(400, f"Error in the JQL Query near '{part.strip()}'.")
        keys.append((match[1].lower(), (match[2] or "asc").lower() == "desc"))

    def sort(issues):
        for name, falling in reversed(keys):
            issues.sort(key=lambda issue: issue[name], reverse=falling)

    return sort
