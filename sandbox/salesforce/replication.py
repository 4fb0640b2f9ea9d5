"""``/updated`` and ``/deleted``: which ids changed between two minutes."""

from datetime import datetime, timedelta, timezone

from .errors import ApiError
from .soql_parser import instant_text
from .store import instant

_UPDATED_DAYS, _DELETED_DAYS, _MAX_IDS = 30, 15, 600_000


def _moment(text):
    try:
        return datetime.strptime(instant_text(text.replace(" ", "+")), "%Y-%m-%dT%H:%M:%S.%f%z").replace(
            second=0, microsecond=0).astimezone(timezone.utc)
    except ValueError:
        raise ApiError(400, "INVALID_REPLICATION_DATE", f"not a date and time: {text}") from None


def _interval(query, now, days):
    """Return ``(start, end)`` as stored instants; seconds do not count.

    :raise ApiError: INVALID_REPLICATION_DATE
    """
    start, end = _moment(query.get("start", "")), min(_moment(query.get("end", "")), now)
    if end - start < timedelta(minutes=1):
        raise ApiError(400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
    if start < now - timedelta(days=days):
        raise ApiError(400, "INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
    return instant(start), instant(end)


def updated(store, table, query):
    """Return ids created or changed in the interval ``query["start"]`` to ``query["end"]``."""
    with store.lock:
        start, end = _interval(query, store.clock.now(), _UPDATED_DAYS)
        found = [row["Id"] for row in table.between(start, end)
                 if not row.get("IsDeleted") and row["SystemModstamp"] < end]
    if len(found) > _MAX_IDS:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", "too many ids")
    return {"ids": found, "latestDateCovered": end}


def deleted(store, table, query):
    """Return ids that went to the recycle bin in the interval."""
    with store.lock:
        now = store.clock.now()
        start, end = _interval(query, now, _DELETED_DAYS)
        found = [{"id": row["Id"], "deletedDate": row["SystemModstamp"]} for row in table.between(start, end)
                 if row.get("IsDeleted") and row["SystemModstamp"] < end]
    return {"deletedRecords": found, "earliestDateAvailable": instant(now - timedelta(days=_DELETED_DAYS)),
            "latestDateCovered": end}
