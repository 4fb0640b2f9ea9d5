"""The custom fields that carry invoice status, and who may write them.

A firm creates the fields it wants on the objects it wants; those that exist and may be edited are filled.
"""

from datetime import date
from decimal import Decimal

from ..errors import DataError


def _amount(values, name):
    return Decimal(values[name]) if values.get(name) not in (None, "") else None


def _day(values, name):
    return date.fromisoformat(values[name]).isoformat() if values.get(name) else None


def invoice_state(values):
    """Return the word for the invoice's own state: the event, except that a payment leaves the invoice posted."""
    event = values.get("event") or ""
    return "posted" if event in ("paid", "partial") else event


#: ``{field: value of billing_status values}``; texts, a date and amounts in the invoice's currency
FIELDS = {
    "Odoo_Invoice_Number__c": lambda values: values.get("invoice_number") or None,
    "Odoo_Invoice_Date__c": lambda values: _day(values, "invoice_date"),
    "Odoo_Invoice_State__c": lambda values: invoice_state(values) or None,
    "Odoo_Payment_State__c": lambda values: values.get("payment_state") or None,
    "Odoo_Amount_Residual__c": lambda values: _amount(values, "amount_residual"),
    "Odoo_Invoice_Url__c": lambda values: values.get("url") or None,
}


def writable(client, source):
    """Return the names of :data:`FIELDS` that exist on ``source`` and that the integration user may edit."""
    describe = client.describe(source)
    return [name for name in FIELDS if describe.get(name, {}).get("updateable")]


def wanted(values, names):
    """Return ``{field: value}`` for ``names``.

    :raise DataError: the values are not what the hub promises (a date or amount that is none)
    """
    try:
        return {name: FIELDS[name](values) for name in names}
    except (ValueError, ArithmeticError) as error:
        raise DataError(f"The status to write is not readable: {error}", "billing_status") from error
