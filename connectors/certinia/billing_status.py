"""Write-back: that a timecard, milestone or expense is billed, under which invoice, and what became of it.

The package's rules shape each write: number and date stand only on an invoiced record, invoiced needs billed, billed
needs approved and included in financials, and dates are locked once set. So the five fields are sent in one call, dates
are never changed afterwards, and what another hand has written is not overwritten.

Unconfirmed, to be tried in a firm's own sandbox first: that the package's triggers accept these fields without one of
its billing events, and that they let them be cleared again after a credit. A refusal is reported in the vendor's words.
"""

from datetime import date

from ..errors import ConflictError, DataError, MissingScopeError, NotFoundError
from ..salesforce import status_fields
from ..salesforce.client import client_of
from ..salesforce.collections import differences, failed, write
from ..salesforce.ids import is_id, to_18
from .streams import BILL_DATE, BILLED, DAY, DAYS, EVENT_ITEM, INVOICE_DATE, INVOICE_NUMBER, INVOICED, SPLIT
from .timecards import worked_days

#: Records per call: each one runs the package's triggers and roll-ups.
CHUNK = 50
BLOCK = (BILLED, BILL_DATE, INVOICED, INVOICE_NUMBER, INVOICE_DATE)
_NUMBER_LENGTH = 80
_PROJECT = "pse__Project__c"


def numbers_of(text):
    """Return the set of invoice numbers in a number field (several are separated by commas)."""
    return {number.strip() for number in (text or "").split(",")} - {""}


def plan(current, items, covered):
    """Return the package's fields to change, and the invoice numbers that stand on the record then.

    :param current: the record's fields as they stand
    :param items: ``billing_status`` values of the record (of its days), oldest first
    :param covered: the items speak for the whole record
    :raise ConflictError: another hand has invoiced the record
    :raise DataError: the values are incomplete
    """
    existing = numbers_of(current.get(INVOICE_NUMBER)) if current.get(INVOICED) else set()
    billed = [values for values in items if values.get("invoiced")]
    ours = {number for values in billed for number in numbers_of(values.get("invoice_number"))}
    undone = {number for values in items if not values.get("invoiced")
              for number in numbers_of(values.get("invoice_number"))}
    if len(billed) and not ours:
        raise DataError("An invoice without a number cannot be written back", "billing_status")
    foreign = existing - ours - undone - numbers_of(current.get("Odoo_Invoice_Number__c"))
    unnumbered = bool(current.get(INVOICED)) and not existing
    if foreign or unnumbered:
        if ours <= existing:  # also when there is nothing of ours (left) on it
            return {}, existing
        raise ConflictError(
            f"The record is already invoiced as {', '.join(sorted(foreign)) or 'an unknown invoice'}", "invoiced",
            ours=", ".join(sorted(ours)), theirs=current.get(INVOICE_NUMBER))
    target = ours if covered else existing | ours
    if target == existing:
        return {}, target
    if not target:
        return {BILLED: False, BILL_DATE: None, INVOICED: False, INVOICE_NUMBER: None, INVOICE_DATE: None}, target
    text = ", ".join(sorted(target))
    if len(text) > _NUMBER_LENGTH:
        raise DataError(f"The invoice numbers {text} do not fit the field", "billing_status")
    if existing:
        return {INVOICE_NUMBER: text}, target  # its dates are locked
    return {**_first_invoice(current, billed), INVOICE_NUMBER: text}, target


def _first_invoice(current, billed):
    """Return flags and dates for a record that was not invoiced so far."""
    if current.get(EVENT_ITEM):
        raise ConflictError("The record is in a billing event of the PSA", "billing_event", ours="invoice",
                            theirs=current[EVENT_ITEM])
    try:
        day = max(date.fromisoformat(values["invoice_date"]) for values in billed).isoformat()
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("An invoice without a date cannot be written back", "billing_status") from error
    change = {INVOICED: True, INVOICE_DATE: day}
    if not current.get(BILLED):
        change.update({BILLED: True, BILL_DATE: day})
    return change


def not_editable(describe):
    """Return the fields of the block that are missing or read-only for the integration user."""
    return [name for name in BLOCK if not describe.get(name, {}).get("updateable")]


def push(session, items):
    """Write the status of ``items``; days of one split are put together.

    :return: list of :class:`~connectors.base.PushResult`
    """
    by_source = {}
    for item in items:
        source = SPLIT if item.object_type == DAY else item.object_type
        by_source.setdefault(source, []).append(item)
    results = []
    for source, group in by_source.items():
        results += _push_source(client_of(session), source, group)
    return results


def _push_source(client, source, items):
    try:
        describe = client.describe(source)
        refused = not_editable(describe)
    except MissingScopeError:
        refused = [source]
    if refused:
        error = DataError(f"{source}: the integration user may not edit {', '.join(refused)}", "missing_fields")
        return failed([item.key for item in items], error)
    custom = status_fields.writable(client, source)
    records = {}
    for item in items:
        stem, _colon, day = item.external_id.partition(":")
        records.setdefault(to_18(stem) if is_id(stem) else stem, []).append((item, day))
    rows = {row["Id"]: row for row in client.by_ids(
        source, _fields_to_read(describe, source, custom), filter(is_id, records))}
    results, changes = [], {}
    for record_id in sorted(records, key=lambda key: (rows.get(key, {}).get(_PROJECT) or "", key)):
        keys = [item.key for item, _day in records[record_id]]
        try:
            changes[record_id] = (keys, _change(source, rows.get(record_id), records[record_id], custom))
        except DataError as error:
            results += failed(keys, error)
    return results + write(client, source, changes, CHUNK)


def _fields_to_read(describe, source, custom):
    names = ["Id", _PROJECT, *BLOCK, *custom]
    if EVENT_ITEM in describe:
        names.append(EVENT_ITEM)
    if source == SPLIT:
        names += ["pse__Start_Date__c", "pse__End_Date__c", "pse__Total_Hours__c"]
        names += [f"pse__{day}_Hours__c" for day in DAYS]
    return [name for name in dict.fromkeys(names) if name in describe]


def _change(source, row, group, custom):
    """Return ``{field: value}`` to write to one record."""
    if row is None:
        raise NotFoundError("The record does not exist any more", "NOT_FOUND")
    values = [item.values for item, _day in group]
    covered = source != SPLIT or _worked(row) <= {day for _item, day in group}
    change, numbers = plan(row, values, covered)
    wanted = status_fields.wanted(values[-1], custom)
    if "Odoo_Invoice_Number__c" in wanted:
        wanted["Odoo_Invoice_Number__c"] = ", ".join(sorted(numbers)) or None
    return {**change, **differences(wanted, row)}


def _worked(row):
    """Return the days of a split that carry hours; a split logged in days names none here."""
    try:
        return worked_days(row)
    except DataError:
        return set()
