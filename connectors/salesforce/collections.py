"""Writing many records in few calls: ``/composite/sobjects`` and upsert by external id.

Every record gets its own outcome; a failure of the whole call is raised. What a write changed is read back, so that a
platform that took the call but not the value is noticed, and so that the write's own echo can be recognised.
"""

from decimal import Decimal, InvalidOperation

from ..base import PushResult
from ..cursor import format_instant, parse_instant
from ..errors import ConflictError, DataError, TransientError
from .errors import classify, first_error

#: The platform takes 200; trigger-heavy objects are happier with fewer.
MAX_RECORDS = 200


def _error_of(result):
    code, message, fields = first_error(result.get("errors") or []) or ("", "refused without a reason", [])
    return classify(code, message, fields=fields, write=True)


def update(client, source, changes, chunk=MAX_RECORDS):
    """Change records; ids not in the answer's errors succeeded.

    :param changes: list of ``(id, {field: value})`` in the order in which they should be locked
    :param chunk: records per call; a call refused as a whole by load is repeated in halves
    :return: ``{id: exception or None}``
    """
    outcome = {}
    for start in range(0, len(changes), min(chunk, MAX_RECORDS)):
        outcome.update(_update_chunk(client, source, changes[start:start + min(chunk, MAX_RECORDS)]))
    return outcome


def _update_chunk(client, source, changes):
    body = {"allOrNone": False,
            "records": [{"attributes": {"type": source}, "id": record_id, **fields} for record_id, fields in changes]}
    try:
        results = client.call("PATCH", "/composite/sobjects", json=body, write=True).json()
    except TransientError as error:
        if error.maybe_done or len(changes) == 1 or error.code not in ("OPERATION_TOO_LARGE", "UNABLE_TO_LOCK_ROW"):
            raise
        half = len(changes) // 2
        return {**_update_chunk(client, source, changes[:half]), **_update_chunk(client, source, changes[half:])}
    if not isinstance(results, list) or len(results) != len(changes):
        raise TransientError("Salesforce answered for another number of records than were sent", "collection_answer",
                             maybe_done=True)
    return {record_id: None if result.get("success") else _error_of(result)
            for (record_id, _fields), result in zip(changes, results, strict=True)}


def upsert(client, source, key_field, records):
    """Create or change records by an external-id field, so that a repeated call makes nothing twice.

    :param records: ``{external id: {field: value}}``
    :return: ``{external id: (Salesforce id or "", exception or None)}``
    """
    outcome, items = {}, list(records.items())
    for start in range(0, len(items), MAX_RECORDS):
        chunk = items[start:start + MAX_RECORDS]
        body = {"allOrNone": False, "records": [
            {"attributes": {"type": source}, key_field: key, **fields} for key, fields in chunk]}
        results = client.call("PATCH", f"/composite/sobjects/{source}/{key_field}", json=body, write=True).json()
        for (key, _fields), result in zip(chunk, results, strict=True):
            outcome[key] = (result.get("id") or "", None if result.get("success") else _error_of(result))
    return outcome


def same(ours, theirs):
    """True when the value that we want to write already stands there; 10 and 10.00 are the same amount."""
    if ours in (None, "") and theirs in (None, ""):
        return True
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return ours is theirs
    if isinstance(ours, Decimal) or isinstance(theirs, (int, float, Decimal)):
        try:
            return Decimal(str(ours)) == Decimal(str(theirs))
        except InvalidOperation:
            return False
    return ours == theirs


def differences(wanted, current):
    """Return the part of ``wanted`` that does not stand in ``current`` yet."""
    return {name: value for name, value in wanted.items() if not same(value, current.get(name))}


def read_back(client, source, written, stamp="SystemModstamp"):
    """Check what was written and return the records' new versions.

    :param written: ``{id: {field: value}}``
    :return: ``{id: (version, exception or None)}``; a ``ConflictError`` when other values stand there
    """
    names = sorted({name for fields in written.values() for name in fields})
    rows = {row["Id"]: row for row in client.by_ids(source, ["Id", stamp, *names], written)} if written else {}
    outcome = {}
    for record_id, fields in written.items():
        row = rows.get(record_id)
        if row is None:
            outcome[record_id] = ("", DataError("The record vanished while it was written", "NOT_FOUND"))
            continue
        left = differences(fields, row)
        error = ConflictError(
            "Salesforce took the values but shows others: " + ", ".join(sorted(left)), "not_taken",
            ours=left, theirs={name: row.get(name) for name in left}) if left else None
        outcome[record_id] = (format_instant(parse_instant(row[stamp])), error)
    return outcome


def failed(keys, error):
    return [PushResult(key, error, False) for key in keys]


def write(client, source, changes, chunk=MAX_RECORDS):
    """Write, check and report.

    :param changes: ``{id: (keys of the push items, {field: value})}`` in the order in which they should be locked; a
        record without fields to change is settled without a write
    :return: list of :class:`~connectors.base.PushResult`, one a key
    """
    results = [PushResult(key, None, False) for keys, change in changes.values() if not change for key in keys]
    changed = {record_id: change for record_id, (_keys, change) in changes.items() if change}
    outcome = update(client, source, list(changed.items()), chunk)
    checked = read_back(client, source, {
        record_id: changed[record_id] for record_id, error in outcome.items() if error is None})
    for record_id in changed:
        version, error = checked.get(record_id, ("", outcome[record_id]))
        results += [PushResult(key, error, error is None, version) for key in changes[record_id][0]]
    return results
