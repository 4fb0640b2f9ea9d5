"""What the account holds when it is opened: the studio's customers, and payments of a quarter that match no invoice."""

from datetime import datetime, timedelta, timezone

from .. import studio
from . import plain

CHARGES = {"tiny": 12, "small": 40, "full": 120}
_FIRST = datetime(2026, 4, 22, 10, 0, tzinfo=timezone.utc)
_LAST = datetime(2026, 7, 1, 10, 0, tzinfo=timezone.utc)
_PAYOUT = datetime(2026, 6, 15, 4, 0, tzinfo=timezone.utc)
#: places of charges with a fate of their own
REFUNDED, BILLED, DECLINED, PARTLY_REFUNDED, DISPUTED = 1, 2, 4, 6, 8


def seed_customers(store):
    for customer in studio.CUSTOMERS:
        store.add("customer", store.second(_FIRST - timedelta(days=30)), customer.stripe_id, name=customer.name,
                  email=customer.contact_email, description=None, metadata={}, phone=None, currency="eur",
                  delinquent=False, balance=0, address={
                      "line1": customer.street, "line2": None, "city": customer.city, "state": None,
                      "postal_code": customer.postal_code, "country": customer.country_code})


def seed_money(money, scale, seed_number):
    """Make the charges of a scale and what became of them; return ``{name: [ids]}`` for the manifest."""
    count, made, paid_out = CHARGES[scale], [], False
    step = (_LAST - _FIRST) / (count - 1)
    for place in range(count):
        moment = _FIRST + place * step
        if not paid_out and moment > _PAYOUT:
            payout = money.payout(_PAYOUT)
            paid_out = True
        values = {
            "amount": 40_000 + (place * 7919 + seed_number * 101) % 90_000, "currency": "eur",
            "customer": studio.CUSTOMERS[place % len(studio.CUSTOMERS)].stripe_id,
            "description": f"Payment {place + 1}", "metadata": {"odoo_invoice": f"OLD-{place + 1}"}}
        if place == BILLED:
            payment = money.bill(f"OLD-{place + 1}", moment, **{**values, "metadata": {}, "description": None})
            intent = money.store["payment_intent"].get(payment["payment"]["payment_intent"])
            made.append(intent["latest_charge"])
        else:
            made.append(money.pay(values, moment, "failed" if place == DECLINED else "succeeded")["id"])
        later = moment + timedelta(days=1)
        if place == REFUNDED:
            refunds = [money.refund(made[place], moment=later)["id"]]
        elif place == PARTLY_REFUNDED:
            refunds.append(money.refund(made[place], 10_000, later, "duplicate")["id"])
        elif place == DISPUTED:
            dispute = money.dispute(made[place], later)["id"]
    return {"charges": made, "refunds": refunds, "disputes": [dispute], "payouts": [payout["id"]]}


def seed_plain(store, count):
    """Add ``count`` plain charges with their balance transactions."""
    for number in range(count):
        store["charge"].add(f"ch_Plain{number:07d}", number, plain.created(number))
        store["balance_transaction"].add(f"txn_Plain{number:07d}", number, plain.created(number))
