"""Write-back to opportunities: number, date, state and payment of the deal's latest invoice, in custom fields."""

from ..base import PushResult
from ..errors import DataError, NotFoundError
from . import status_fields
from .client import client_of
from .collections import differences, failed, write
from .ids import is_id, to_18

SOURCE = "Opportunity"


def push(session, items):
    """Write ``items`` (``billing_status`` of opportunities); equal values are not written again.

    The fields are the hub's own, so there is nobody to be in conflict with before the write; a value that does not
    stand there afterwards (a rule of the org changed it) is a conflict.
    """
    client = client_of(session)
    names = status_fields.writable(client, SOURCE)
    if not names:
        error = DataError("None of the custom fields for the invoice status exists on Opportunity, or the integration "
                          "user may not edit them", "missing_fields")
        return [PushResult(item.key, error, False) for item in items]
    by_record = {}
    for item in items:
        record_id = to_18(item.external_id) if is_id(item.external_id) else item.external_id
        by_record.setdefault(record_id, []).append(item)
    rows = {row["Id"]: row for row in client.by_ids(SOURCE, ["Id", *names], filter(is_id, by_record))}
    results, changes = [], {}
    for record_id, group in by_record.items():
        keys = [item.key for item in group]
        if record_id not in rows:
            results += failed(keys, NotFoundError("The opportunity does not exist any more", "NOT_FOUND"))
            continue
        try:
            # The last item of a deal holds its newest status; earlier ones are settled with it.
            change = differences(status_fields.wanted(group[-1].values, names), rows[record_id])
        except DataError as error:
            results += failed(keys, error)
            continue
        changes[record_id] = (keys, change)
    return results + write(client, SOURCE, changes)
