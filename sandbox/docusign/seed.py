"""The studio's envelopes: a statement of work for each deal that needs a signature, one declined, one of nobody."""

from datetime import datetime, timedelta, timezone

from .. import studio

FIELD = "odoo_sow"
UNKNOWN_REFERENCE = "SOW-1999-001"
_PLAIN_FROM = datetime(2026, 1, 5, 8, tzinfo=timezone.utc)


def _noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc)


def _signer(customer):
    return " ".join(customer.contact), customer.contact_email


def seed(store, records):
    """Fill ``store`` and return ``{what: envelope id or ids}``; ``records`` plain ones are older than all others."""
    for number in range(records):
        moment = _PLAIN_FROM + timedelta(seconds=20 * (number // 3))  # three at a time share their stamp
        store.load(f"plain {number}", f"Plain {number}", {FIELD: f"PLAIN-{number}"}, ("Plain", "plain@plain.example"),
                   moment)
    waiting = []
    for deal in studio.DEALS:
        if deal.needs_signature:
            row = store.load(deal.hubspot_id, f"Statement of work: {deal.name}", {FIELD: str(deal.hubspot_id)},
                             _signer(studio.customer(deal.customer)), _noon(deal.closed_on))
            waiting.append(row.id)
    number, key, name, _stage = studio.OPEN_DEALS[0]
    declined = store.load(number, f"Statement of work: {name}", {FIELD: str(number)}, _signer(studio.customer(key)),
                          _noon(studio.PERIOD[0]))
    unknown = store.load("unknown", "Framework agreement", {FIELD: UNKNOWN_REFERENCE},
                         _signer(studio.CUSTOMERS[1]), _noon(studio.PERIOD[0]) + timedelta(hours=1))
    store.by_change.sort()
    store.move(declined.id, "declined", _noon(studio.PERIOD[0]) + timedelta(days=2), "The budget is not approved")
    store.move(unknown.id, "completed", _noon(studio.PERIOD[0]) + timedelta(days=3))
    return {"waiting": waiting, "declined": declined.id, "unknown": unknown.id}
