"""``GET /envelopes``: what may be asked, and the pages that come of it."""

import re
from datetime import datetime, timezone
from urllib.parse import urlencode

from .envelopes import STAMPS, view
from .errors import invalid

_PARAMETERS = frozenset((
    "from_date", "to_date", "from_to_status", "status", "count", "start_position", "order_by", "order", "include",
    "custom_field", "envelope_ids", "transaction_ids", "email", "user_name", "user_id", "folder_ids", "search_text",
    "continuation_token", "last_queried_date", "query_budget"))
_INCLUDES = frozenset(("recipients", "custom_fields", "documents", "folders", "tabs", "extensions", "payment_tabs",
                       "powerform", "workflow", "attachments"))
_ORDERS = {"last_modified": lambda row: (row.modified, row.id), "status_changed": lambda row: (row.changed, row.id),
           "created": lambda row: (row.stamps["created"], row.id), "sent": lambda row: (row.stamps["sent"], row.id),
           "completed": lambda row: (row.stamps.get("completed", row.stamps["created"]), row.id),
           "status": lambda row: (row.status, row.id), "subject": lambda row: (row.subject, row.id)}
_MOST = 1000
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,7})?(Z|[+-]\d\d:?\d\d)?)?")


def read_instant(name, text):
    """Return the moment of an ISO 8601 text, UTC when it names no zone; None when it is empty."""
    if not text:
        return None
    match = _INSTANT.fullmatch(text)
    try:
        if not match:
            raise ValueError(text)
        day, minute, second, fraction, zone = match.groups()
        zone = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
        fraction = f"{(fraction or '.')[:7]:0<7}"
        return datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}{fraction}{zone}").astimezone(
            timezone.utc)
    except ValueError as error:
        raise invalid(f"The date {name} is not valid: {text}") from error


def read_includes(text):
    """Return the set of a comma list. :raise ApiError: an unknown value"""
    values = {value for value in text.split(",") if value}
    if not values <= _INCLUDES:
        raise invalid(f"include does not know {sorted(values - _INCLUDES)[0]}")
    return values


def _whole(query, name, default, least, most=None):
    text = query.get(name, str(default))
    if not text.isdigit() or int(text) < least or (most and int(text) > most):
        raise invalid(f"{name} is not valid: {text}")
    return int(text)


def listing(store, query, account_id, fault=""):
    """Return the answer's JSON. :raise ApiError: 400"""
    unknown = sorted(set(query) - _PARAMETERS)
    if unknown:
        raise invalid(f"Unknown query parameter {unknown[0]}")
    count, start = _whole(query, "count", _MOST, 1, _MOST), _whole(query, "start_position", 0, 0)
    include = read_includes(query.get("include", ""))
    key = tuple(sorted((name, value) for name, value in query.items() if name not in ("count", "start_position")))
    found = store.searched(key, lambda: _found(store, query))
    endless = fault == "endless_paging"
    start = 0 if endless else start
    rows = found[start:start + count]
    page = [view(row, include) for row in rows]
    if fault == "duplicate_rows" and page:
        page.append(page[-1])
    if fault == "reordered_page":
        page.reverse()
    total = len(found) if not endless else start + 10 * count
    more = start + len(rows) < total and bool(rows)

    def link(position):
        return f"/accounts/{account_id}/envelopes?" + urlencode({**query, "start_position": position, "count": count})

    answer = {"resultSetSize": str(len(page)), "totalSetSize": str(total), "startPosition": str(start),
              "endPosition": str(max(start + len(rows) - 1, 0)),
              "nextUri": link(start if endless else start + count) if more else "",
              "previousUri": link(max(0, start - count)) if start else "", "continuationToken": "",
              "lastQueriedDateTime": query.get("to_date", "")}
    return {**answer, "envelopes": page} if page else answer


def _found(store, query):
    ids = [value for value in query.get("envelope_ids", "").split(",") if value]
    first = read_instant("from_date", query.get("from_date", ""))
    last = read_instant("to_date", query.get("to_date", ""))
    if first is None and not ids and not query.get("transaction_ids"):
        raise invalid("Query parameter 'from_date' must be set to a valid DateTime, or 'envelope_ids' or "
                      "'transaction_ids' must be specified.")
    event = query.get("from_to_status", "changed").lower()
    if event not in ("changed", *STAMPS):
        raise invalid(f"from_to_status is not valid: {event}")
    wanted = {value.lower() for value in query.get("status", "").split(",") if value}
    if not wanted <= {"any", *STAMPS}:
        raise invalid("status is not valid")
    order, direction = query.get("order_by", ""), query.get("order", "asc")
    if (order and order not in _ORDERS) or direction not in ("asc", "desc"):
        raise invalid("order_by or order is not valid")
    rows = [] if query.get("transaction_ids") else store.between(first, last, event)
    if ids:
        rows = [row for row in rows if row.id in set(ids)]
    if wanted and "any" not in wanted:
        rows = [row for row in rows if row.status in wanted]
    if "custom_field" in query:
        name, equals, pattern = query["custom_field"].partition("=")
        if not equals:
            raise invalid("custom_field must be Name=Value")
        match = re.compile(".*".join(map(re.escape, pattern.split("%")))).fullmatch
        rows = [row for row in rows if name in row.fields and match(row.fields[name])]
    # Without order_by no order is promised: it goes by the ids, which say nothing of time.
    return sorted(rows, key=_ORDERS.get(order, lambda row: row.id), reverse=direction == "desc")
