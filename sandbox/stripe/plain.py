"""Plain charges for load: made from their number whenever they are asked for, so that 100,000 cost no memory."""

from datetime import datetime, timezone

_NEWEST = int(datetime(2026, 5, 1, tzinfo=timezone.utc).timestamp())


def created(number):
    """Return the second of plain charge ``number``; two of them share one."""
    return _NEWEST - 10 * (number // 2)


def fee(amount):
    """Return the processing fee in cents: 1.5 % and 25 cents, rounded half up."""
    return (amount * 15 + 500) // 1000 + 25


def _amount(number):
    return 1000 + number % 977


def charge(number):
    amount = _amount(number)
    return charge_fields(
        id=f"ch_Plain{number:07d}", created=created(number), amount=amount, amount_captured=amount,
        balance_transaction=f"txn_Plain{number:07d}", description="Plain charge",
        metadata={"odoo_invoice": f"PLAIN-{number}"})


def balance_transaction(number):
    amount = _amount(number)
    return transaction_fields(
        id=f"txn_Plain{number:07d}", created=created(number), amount=amount, fee=fee(amount), type="charge",
        reporting_category="charge", source=f"ch_Plain{number:07d}", available_on=created(number) + 604_800)


def charge_fields(**fields):
    """Return a succeeded charge with everything that ``fields`` leaves out."""
    return {
        "object": "charge", "amount_captured": 0, "amount_refunded": 0, "application_fee": None,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None}, "captured": True,
        "currency": "eur", "customer": None, "description": None, "disputed": False,
        "failure_balance_transaction": None, "failure_code": None, "failure_message": None, "livemode": False,
        "metadata": {}, "paid": True, "payment_intent": None, "payment_method_details": {"type": "card"},
        "receipt_email": None, "receipt_url": None, "refunded": False, "status": "succeeded", "transfer_group": None,
        **fields,
    }


def transaction_fields(**fields):
    """Return a balance transaction; ``net`` and ``fee_details`` follow from the rest."""
    kept = fields.get("fee", 0)
    details = [{"amount": kept, "application": None, "currency": "eur", "description": "Stripe processing fees",
                "type": "stripe_fee"}] if kept else []
    return {
        "object": "balance_transaction", "currency": "eur", "description": None, "exchange_rate": None,
        "fee": kept, "fee_details": details, "net": fields["amount"] - kept, **fields,
    }
