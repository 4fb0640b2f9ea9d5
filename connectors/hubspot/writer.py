"""Writing the status of invoices to deals and companies, and making the properties that hold it."""

from datetime import date, timezone
from decimal import Decimal, InvalidOperation

from ..base import Check, PushResult
from ..errors import ConflictError, DataError, MissingScopeError, NotFoundError, TransientError
from .client import BATCH, classify, client_of
from .declaration import CRM, MARK, STATUSES, read_data
from .reader import day_of, version_of

_GROUP = {"name": "psa_hub", "label": "Services and billing (Odoo)", "displayOrder": -1}
_BLOCKS = {status.path: code for code, status in STATUSES.items()}


# === STATUS === #

def wanted(status, record_id, values, definitions):
    """Return ``{property: text}`` of those properties that exist; an empty text clears one.

    :raise DataError: the values are not what the hub promises
    """
    result = {}
    try:
        for name, source in status.values.items():
            text = str(values.get(source) or "")
            if source == "event" and text in ("paid", "partial"):
                text = "posted"  # a payment leaves the invoice posted; it has a property of its own
            kind = (definitions.get(name) or {}).get("type")
            if text and kind == "date":
                text = date.fromisoformat(text).isoformat()
            elif text and kind == "number":
                text = f"{Decimal(text):f}"
            if name in definitions:
                result[name] = text
    except (ValueError, InvalidOperation) as error:
        raise DataError(f"The status to write is not readable: {error}", "status") from error
    if MARK in definitions:
        result[MARK] = _mark(record_id, result[status.number])
    return result


def _mark(record_id, number):
    return f"{record_id}:{number}"


def _same(kind, ours, theirs):
    """True when the property holds our value; 10 and 10.00 are one amount, a day may be written as an instant."""
    if not ours or not theirs:
        return (ours or "") == (theirs or "")
    if kind == "date":
        return ours == day_of(theirs, timezone.utc)
    try:
        return Decimal(ours) == Decimal(theirs) if kind == "number" else ours == theirs
    except InvalidOperation:
        return False


def _change(status, item, row, definitions):
    """Return the properties of a record that have to change.

    :raise ConflictError: the invoice number that stands there is neither ours nor what the hub wrote last
    """
    if row is None:
        raise NotFoundError("The record does not exist any more, or was merged into another one", "OBJECT_NOT_FOUND")
    current = row["properties"]
    ours = wanted(status, item.external_id, item.values, definitions)
    theirs = current.get(status.number) or ""
    if theirs not in ("", ours[status.number]) and current.get(MARK) != _mark(item.external_id, theirs):
        raise ConflictError(
            f"The property {status.number} holds {theirs}, which the hub did not write; clear it in HubSpot to let the "
            "hub write it", "other_number", ours={status.number: ours[status.number]},
            theirs={status.number: theirs})
    return {name: text for name, text in ours.items()
            if not _same(definitions[name].get("type"), text, current.get(name))}


def push(session, outbound, items):
    """Write ``items``; of several for one record the last holds its newest status, the others are settled with it."""
    client, status = client_of(session), STATUSES[outbound.code]
    definitions = client.property_names(status.path)
    if status.number not in definitions:
        error = DataError(f"The property {status.number} does not exist in HubSpot: set the connection up",
                          "missing_property")
        return [PushResult(item.key, error, False) for item in items]
    keys, newest = {}, {}
    for item in items:
        keys.setdefault(item.external_id, []).append(item.key)
        newest[item.external_id] = item
    names = [name for name in (*status.values, MARK) if name in definitions]
    rows = {str(row["id"]): row for row in client.batch_read(
        status.path, names, [record_id for record_id in newest if record_id.isdigit()])}
    outcome, changes = {}, {}
    for record_id, item in newest.items():
        outcome[record_id] = (None, False, "")
        try:
            if change := _change(status, item, rows.get(record_id), definitions):
                changes[record_id] = change
        except DataError as error:
            outcome[record_id] = (error, False, "")
    inputs = list(changes.items())
    for start in range(0, len(inputs), BATCH):
        outcome.update(_update(client, status.path, dict(inputs[start:start + BATCH])))
    return [PushResult(key, *outcome[record_id]) for record_id, group in keys.items() for key in group]


def _update(client, path, changes):
    """Write one batch. Return ``{id: (exception or None, written, version)}``.

    A batch that is refused as a whole because of one record is sent again in halves.
    """
    traces = {f"psa-hub-{record_id}": record_id for record_id in changes}
    try:
        answer = client.call("POST", f"{CRM}/objects/{path}/batch/update", json={"inputs": [
            {"id": record_id, "properties": changes[record_id], "objectWriteTraceId": trace}
            for trace, record_id in traces.items()]})
    except DataError as error:
        if len(changes) == 1:
            return dict.fromkeys(changes, (error, False, ""))
        items, half = list(changes.items()), len(changes) // 2
        return _update(client, path, dict(items[:half])) | _update(client, path, dict(items[half:]))
    outcome, rest = {}, TransientError("HubSpot does not say what became of the record", "no_result", maybe_done=True)
    for row in answer.get("results") or ():
        record_id = traces.get(row.get("objectWriteTraceId"), str(row.get("id")))
        outcome[record_id] = (None, True, version_of(row.get("updatedAt")))
    for error in answer.get("errors") or ():
        failure, named = classify(0, error), (error.get("context") or {}).get("objectWriteTraceId")
        outcome.update((traces.get(trace, trace), (failure, False, "")) for trace in named or ())
        rest = rest if named else failure  # an error that names no record is that of all that are not heard of
    return {record_id: outcome.get(record_id, (rest, False, "")) for record_id in changes}


# === PROPERTIES === #

def absent(client, path):
    """Return the definitions of the hub's properties that an object lacks."""
    present = client.property_names(path)
    return [item for item in read_data("properties.json")[path] if item["name"] not in present]


def set_up(session):
    """Make the group and the properties that are not there; what is there stays as it is."""
    client, found = client_of(session), []
    for path in read_data("properties.json"):
        code, label = f"properties:{path}", f"Properties of {path.replace('_', ' ')}"
        try:
            missing = absent(client, path)
            if missing:
                _make(client, f"{CRM}/properties/{path}/groups", _GROUP)
            for item in missing:
                _make(client, f"{CRM}/properties/{path}", {**item, "groupName": _GROUP["name"]})
        except (MissingScopeError, DataError) as error:
            names = ", ".join(item["name"] for item in read_data("properties.json")[path])
            blocked = _BLOCKS.get(path)  # lines can be read without their terms, and the terms mapped from elsewhere
            found.append(Check(code, label, not blocked, f"{error}. Make them by hand, or give the right to: {names}",
                               (blocked,) if blocked else ()))
            continue
        client.session.memory["hubspot_properties"].pop(path)
        made = ", ".join(item["name"] for item in missing)
        found.append(Check(code, label, True, f"Made: {made}" if made else "All are there"))
    return found


def _make(client, path, body):
    """Make a group or a property; one that is there already is as good."""
    try:
        client.call("POST", path, json=body)
    except ConflictError:
        return
