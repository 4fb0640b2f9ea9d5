"""Write-back: the number of the invoice that a worklog stands on, in a work attribute of Tempo.

Tempo replaces the whole worklog at each write, so everything that it shows is sent again with it.
"""

from ..base import PushResult
from ..errors import ConflictError, DataError, NotFoundError
from .client import client_of
from .worklogs import attribute, version_of

_FIELDS = ("startDate", "startTime", "timeSpentSeconds", "billableSeconds", "description")


def push(session, items):
    """Write ``items`` one by one and return a :class:`~connectors.base.PushResult` each."""
    client, results = client_of(session), []
    for item in items:
        try:
            version = _write(client, item)
            results.append(PushResult(item.key, None, bool(version), version))
        except DataError as error:
            results.append(PushResult(item.key, error, False))
    return results


def _wanted(values, current):
    """Return the text that shall stand in the attribute.

    :raise ConflictError: another number stands there
    """
    number = values.get("invoice_number") or ""
    if not values.get("invoiced"):
        return "" if current == number else current  # a number that is not the one taken back stays
    if not number:
        raise DataError("An invoice without a number cannot be written back", "billing_status")
    if current not in ("", number):
        raise ConflictError(f"The worklog is already marked as invoiced under {current}", "invoiced", ours=number,
                            theirs=current)
    return number


def _write(client, item):
    """Write one status and return the worklog's new version, or an empty text when nothing was to be written."""
    key = client.setting("billed_attribute")
    if not item.external_id.isdigit():
        raise NotFoundError("Tempo does not know this worklog", "http_404")
    path = f"/4/worklogs/{item.external_id}"
    worklog = client.tempo("GET", path)
    current = attribute(worklog, key)
    wanted = _wanted(item.values, current)
    if wanted == current:
        return ""
    values = [{"key": entry["key"], "value": entry.get("value")} for entry in worklog["attributes"]["values"]
              if entry["key"] != key]
    body = {name: worklog[name] for name in _FIELDS if worklog.get(name) is not None}
    body |= {"authorAccountId": worklog["author"]["accountId"],
             "attributes": values + ([{"key": key, "value": wanted}] if wanted else [])}
    try:
        written = client.tempo("PUT", path, json=body)
    except NotFoundError:
        raise
    except DataError as error:
        raise DataError(
            f"Tempo refused to mark worklog {item.external_id} ({error}). If its period is approved or closed, reopen "
            "the period, send the message again and approve the period; or switch this write-back off.",
            error.code) from error
    if attribute(written, key) != wanted:
        raise ConflictError("Tempo took the invoice number but shows another value", "not_taken", ours=wanted,
                            theirs=attribute(written, key))
    return version_of(written)
