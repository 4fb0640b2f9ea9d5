"""What the hub keeps of Stripe's objects: amounts as decimal texts, and no card or bank details."""

from datetime import datetime, timezone
from decimal import Decimal

from .money import from_minor

#: Metadata of a payment that names its invoice: the hub's reference first, then an invoice number.
REFERENCE_KEYS = ("odoo_reference", "odoo_invoice")
#: Prefixes of the ids of payments, refunds and disputes.
PAYMENT_PREFIXES = ("ch_", "py_", "re_", "pyr_", "dp_", "du_")


def expanded(value):
    """Return an expandable field that came whole; an empty dict when it is absent or only an id."""
    return value if isinstance(value, dict) else {}


def id_of(value):
    """Return the id in an expandable field, or None."""
    return value.get("id") if isinstance(value, dict) else value


def day(seconds):
    """Return the ISO date (UTC) of Unix seconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


def _settlement(transactions, gross=None):
    """Return fee and settled amount of balance transactions; all None while there is none.

    :param gross: the transactions that moved the amount, when not all
    """
    if not transactions:
        return {"fee": None, "settled_amount": None, "settlement_currency": None}
    currency = transactions[0]["currency"]
    return {"fee": from_minor(sum(item["fee"] for item in transactions), currency),
            "settled_amount": from_minor(abs(sum(item["amount"] for item in gross or transactions)), currency),
            "settlement_currency": currency}


def _common(raw, kind, amount):
    return {"id": raw["id"], "object": raw["object"], "kind": kind, "livemode": raw.get("livemode"),
            "amount": from_minor(amount, raw["currency"]), "currency": raw["currency"], "created": raw["created"],
            "status": raw["status"], "charge": id_of(raw.get("charge")),
            "payment_intent": id_of(raw.get("payment_intent")), "metadata": raw.get("metadata") or {}}


def _invoice_reference(charge, intent):
    for key in REFERENCE_KEYS:
        for metadata in (charge.get("metadata") or {}, intent.get("metadata") or {}):
            if metadata.get(key):
                return metadata[key]
    return expanded(charge.get("payment_details") or intent.get("payment_details")).get("order_reference")


def charge(raw):
    """Return the payment of a charge read with ``balance_transaction`` and ``payment_intent``."""
    intent, transaction = expanded(raw.get("payment_intent")), expanded(raw.get("balance_transaction"))
    captured = raw.get("captured", True)
    person = raw.get("billing_details") or {}
    return {
        **_common(raw, "payment", raw.get("amount_captured", raw["amount"]) if captured else raw["amount"]),
        "succeeded": raw["status"] == "succeeded" and captured,
        # An authorisation that was never captured is released as if it were refunded.
        "failed": raw["status"] == "failed" or (not captured and bool(raw.get("refunded"))),
        "paid_on": day(transaction.get("created") or raw["created"]),
        "metadata": {**(intent.get("metadata") or {}), **(raw.get("metadata") or {})},
        "invoice_reference": _invoice_reference(raw, intent),
        "customer": id_of(raw.get("customer")), "customer_name": person.get("name"),
        "customer_email": person.get("email") or raw.get("receipt_email"),
        "description": raw.get("description") or intent.get("description"), "failure_code": raw.get("failure_code"),
        **_settlement([transaction] if transaction else []),
    }


def refund(raw):
    """Return the payment of a refund read with ``balance_transaction``."""
    transaction = expanded(raw.get("balance_transaction"))
    return {
        **_common(raw, "refund", raw["amount"]),
        "succeeded": raw["status"] == "succeeded", "failed": raw["status"] in ("failed", "canceled"),
        "paid_on": day(raw["created"]), "description": raw.get("reason"),
        **_settlement([transaction] if transaction else []),
    }


def dispute(raw):
    """Return the payment of a dispute; an inquiry moves no money and has no balance transactions."""
    transactions = [item for item in raw.get("balance_transactions") or () if isinstance(item, dict)]
    won = raw["status"] == "won"
    gross = [item for item in transactions if (item["amount"] > 0) == won]
    return {
        **_common(raw, "dispute_won" if won else "dispute", raw["amount"]),
        "succeeded": bool(gross) or (raw["status"] in ("won", "lost")), "failed": raw["status"] == "warning_closed",
        "paid_on": day(max([item["created"] for item in gross], default=raw["created"])),
        "description": raw.get("reason"), **_settlement(transactions, gross),
    }


def customer(raw):
    return {name: raw.get(name) for name in ("id", "object", "livemode", "name", "email", "phone", "address",
                                             "description", "created", "metadata")}


def _payment_id(source):
    source_id = id_of(source) or ""
    return source_id if source_id.startswith(PAYMENT_PREFIXES) else None


def payout(raw, transactions):
    """Return a payout with its lines.

    :param transactions: its balance transactions, or None while Stripe has not settled what belongs to it
    """
    lines = [{
        "id": item["id"], "kind": item["type"], "currency": item["currency"], "description": item.get("description"),
        "payment_id": _payment_id(item.get("source")),
        **{name: from_minor(item[field], item["currency"])
           for name, field in (("gross", "amount"), ("fee", "fee"), ("net", "net"))},
    } for item in transactions or () if item["type"] != "payout"]
    amount = from_minor(raw["amount"], raw["currency"])
    return {
        **{name: raw.get(name) for name in ("id", "object", "livemode", "currency", "created", "status", "automatic",
                                            "description", "failure_code", "reconciliation_status", "trace_id")},
        "amount": amount, "arrives_on": day(raw["arrival_date"]), "succeeded": raw["status"] == "paid",
        "failed": raw["status"] in ("failed", "canceled"), "lines": lines,
        # Lines that do not sum to what arrives do not tell all, whatever the status says.
        "complete": transactions is not None and sum(Decimal(line["net"]) for line in lines) == Decimal(amount),
    }
