"""One page of a list: filters, pages by number or by cursor, and links with whole addresses."""

import base64
import binascii
import json
import re
from bisect import bisect_left
from datetime import date, datetime
from urllib.parse import urlencode

from .errors import ApiError
from .store import stamp

LARGEST_PAGE = 2000


def _number(text):
    if not re.fullmatch(r"\d+", text):
        raise ValueError
    return int(text)


def _boolean(text):
    return {"true": True, "false": False}[text]


def _day(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError
    return date.fromisoformat(text).isoformat()


def _instant(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", text):
        raise ValueError
    return stamp(datetime.fromisoformat(re.sub(r"(\.\d+)?Z?$", "", text.removesuffix("+00:00")) + "+00:00"))


def _state(text):
    if text not in ("draft", "open", "paid", "closed"):
        raise ValueError
    return text


def _same(*path):
    """Return a condition on the value at a path of the row."""
    def condition(row, wanted):
        for name in path:
            row = (row or {}).get(name)
        return row == wanted
    return condition


_SINCE = (_instant, lambda row, wanted: row["updated_at"] is not None and row["updated_at"] >= wanted)
_ACTIVE = (_boolean, _same("is_active"))
_BY_USER, _BY_CLIENT = (_number, _same("user", "id")), (_number, _same("client", "id"))
_BY_PROJECT, _BILLED = (_number, _same("project", "id")), (_boolean, _same("is_billed"))
_FROM = (_day, lambda row, wanted: row["spent_date"] >= wanted)
_TO = (_day, lambda row, wanted: row["spent_date"] <= wanted)
_PLAIN = {"is_active": _ACTIVE, "updated_since": _SINCE}
#: list -> {parameter: (kind, condition on row and value)}
FILTERS = {
    "clients": _PLAIN, "tasks": _PLAIN, "users": _PLAIN, "expense_categories": _PLAIN, "task_assignments": _PLAIN,
    "contacts": {"client_id": _BY_CLIENT, "updated_since": _SINCE},
    "projects": {**_PLAIN, "client_id": _BY_CLIENT},
    "user_assignments": {**_PLAIN, "user_id": _BY_USER},
    "roles": {}, "billable_rates": {}, "cost_rates": {},
    "time_entries": {
        "user_id": _BY_USER, "client_id": _BY_CLIENT, "project_id": _BY_PROJECT,
        "task_id": (_number, _same("task", "id")), "external_reference_id": (str, _same("external_reference", "id")),
        "is_billed": _BILLED, "is_running": (_boolean, _same("is_running")), "updated_since": _SINCE, "from": _FROM,
        "to": _TO},
    "expenses": {"user_id": _BY_USER, "client_id": _BY_CLIENT, "project_id": _BY_PROJECT, "is_billed": _BILLED,
                 "updated_since": _SINCE, "from": _FROM, "to": _TO},
    "invoices": {"client_id": _BY_CLIENT, "project_id": _BY_PROJECT, "updated_since": _SINCE, "from": _FROM,
                 "to": _TO, "state": (_state, _same("state"))},
}
BY_NUMBER = frozenset(("time_entries", "expenses", "invoices"))


def page(table, name, url, query, fault="", within=None):
    """Return the body of a list.

    :param url: whole address of the list without its query
    :param within: ``(path, id)``: only rows of this project or user
    :raise ApiError: 422 for a parameter that the list does not take, or a value that it does not
    """
    numbered = name in BY_NUMBER
    values = dict(query)
    per_page = _taken(values, "per_page", _number, 100 if name == "invoices" else LARGEST_PAGE)
    number = _taken(values, "page", _number, 1) if numbered else 1
    cursor = None if numbered else _taken(values, "cursor", _cursor, None)
    values.pop("ref", None)
    if not 1 <= per_page <= LARGEST_PAGE or number < 1:
        raise ApiError(422, f"per_page must be between 1 and {LARGEST_PAGE}, page 1 or more")
    conditions = []
    for key in list(values):
        if key not in FILTERS[name]:
            raise ApiError(422, f"Unknown parameter: {key}")
        kind, condition = FILTERS[name][key]
        conditions.append((condition, _taken(values, key, kind, None)))
    if within:
        conditions.append((_same(*within[0]), within[1]))
    filters = {key: value for key, value in query.items() if key in FILTERS[name]}
    keys = table.matching((json.dumps(filters, sort_keys=True), within),
                          lambda row: all(condition(row, wanted) for condition, wanted in conditions))
    high = bisect_left(keys, cursor) if cursor else len(keys) - (number - 1) * per_page
    low = max(0, high - per_page)
    rows = [table.get(id_) for _field, id_ in reversed(keys[low:max(0, high)])]
    pages = -(-len(keys) // per_page) or 1

    def link(**where):
        return f"{url}?{urlencode({**filters, **where, 'per_page': per_page})}"

    if numbered:
        links = {"first": link(page=1), "next": link(page=number + 1) if number < pages else None,
                 "previous": link(page=number - 1) if number > 1 else None, "last": link(page=pages)}
    else:
        links = {"first": link(), "next": link(cursor=_text(keys[low]), ref="next_cursor") if low else None,
                 "previous": None, "last": None}
    following = number + 1 if numbered and number < pages else None
    if fault == "endless_paging":
        links["next"], following = f"{url}?{urlencode(query)}" if query else url, number if numbered else None
    elif fault == "duplicate_rows" and rows:
        rows = [rows[0], *rows]
    elif fault == "reordered_page":
        rows.reverse()
    return {name: rows, "per_page": per_page, "total_pages": pages, "total_entries": len(keys),
            "next_page": following, "previous_page": number - 1 if number > 1 else None,
            "page": number if numbered else None, "links": links}


def _taken(values, key, kind, default):
    """Take a parameter out of ``values`` and return it in its kind."""
    if key not in values:
        return default
    try:
        return kind(values.pop(key))
    except (ValueError, KeyError, TypeError):
        raise ApiError(422, f"{key} is invalid") from None


def _text(key):
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _cursor(text):
    try:
        field, id_ = json.loads(base64.urlsafe_b64decode(text))
    except binascii.Error:
        raise ValueError from None
    return field, id_
