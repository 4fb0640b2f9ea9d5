"""The conformance suite's rig of Stripe."""

import itertools
import json
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from wire_server import request_of, session_for

from connectors.base import PushItem
from sandbox.stripe.views import shown
from sandbox.stripe.webhooks import signature

from .base import Rig

_OBJECTS = ("charge", "refund", "dispute")
_EVENTS = {"ch": ("charge", "charge.updated"), "re": ("refund", "refund.updated"),
           "dp": ("dispute", "charge.dispute.updated")}
# two bodies with their signatures, known from outside this repository
_AT = 1_790_000_000
_SECRET, _OLD = "whsec_test_secret", "whsec_old_secret"
_THING = b"""{
  "id": "evt_test_webhook",
  "object": "event",
  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }
}"""
_THING_SIGNED = "783ab4844335e7aa7f33befa2456d34f2b5f1ba332ea11ab140483d49ca3fbde"
_PAID = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'
_PAID_SIGNED = "7b8113cd94f67490d14bb1393d2cd3ce02f73dcd8718d3c17e15ad4856bb0476"
_PAID_SIGNED_OLD = "2df90c4f5a0dd5cc2319979f594623274091fc9d958089ed88d0bd23a4ab6afa"


class StripeRig(Rig):
    """Payments: charges, refunds and disputes."""

    code = vendor = "stripe"
    stream = "payment"
    webhook_secrets = {"webhook_secret": "whsec_DemoRig0001"}

    def __init__(self):
        self._numbers = itertools.count(501)

    def session(self, vendor, **transport):
        """The stand-in's host takes the place of the default's; a path in the default stays."""
        default = next(field.default for field in self.connector.settings if field.code == "base_url")
        address = vendor.url + urlsplit(default).path.rstrip("/")
        return session_for(vendor.url, "secret_key", {"api_key": vendor.credentials["api_key"]}, None,
                           {"base_url": address}, **transport)

    # === WHAT HAPPENS AT THE VENDOR === #

    def ids(self, vendor):
        store = vendor.app.store
        with store.lock:
            return {id_ for name in _OBJECTS for id_ in store[name].rows}

    def make(self, vendor, count=1, moment=None):
        return [vendor.app.money.pay({"amount": 10_000 + number, "customer": "cus_Nova01"}, moment)["id"]
                for number in range(count)]

    def touch(self, vendor, external_id, moment=None):
        text = f"noted {next(self._numbers)}"
        vendor.app.money.change(external_id, moment, metadata={"note": text})
        return text

    # === LOGIN === #

    def revoke(self, vendor):
        vendor.app.rights.clear()

    def narrow(self, vendor):
        vendor.app.hide("payout")
        return "payout"

    # === WEBHOOK === #

    def delivery(self, vendor, external_ids, secrets=None, moment=None):
        """One request tells of one event, so there must be exactly one id."""
        (external_id,) = external_ids
        kind, event_type = _EVENTS[external_id.partition("_")[0]]
        app = vendor.app
        event = app.events.emit(event_type, app.store[kind].get(external_id))
        second = int((moment or datetime.now(timezone.utc)).timestamp())
        return _signed(shown(event, second), (secrets or self.webhook_secrets).values(), second)

    def vectors(self):
        current, old = [{"webhook_secret": _SECRET}], [{"webhook_secret": _OLD}]
        rows = (
            (current, _THING, f"t={_AT},v1={_THING_SIGNED}", 0, True),
            (current, _PAID, f"t={_AT},v1={_PAID_SIGNED}", 0, True),
            (current, _PAID, f"t={_AT},v1={_PAID_SIGNED}", 300, True),
            (current, _PAID, f"t={_AT},v1={_PAID_SIGNED}", 301, False),
            (old, _PAID, f"t={_AT},v1={_PAID_SIGNED},v1={_PAID_SIGNED_OLD}", 0, True),
            (current + old, _PAID, f"t={_AT},v1={_PAID_SIGNED_OLD}", 0, True),
            (current, _PAID, f"t={_AT},v1={_PAID_SIGNED},v1=bad_signature,v0={_PAID_SIGNED_OLD}", 0, True),
            (current, _PAID, f"t={_AT},v1={_PAID_SIGNED_OLD}", 0, False),
            (current, _PAID, f"t={_AT},v0={_PAID_SIGNED}", 0, False),
            (current, _PAID, f"t={_AT + 1},v1={_PAID_SIGNED}", 0, False),
            (current, _PAID.replace(b"evt_1", b"evt_2"), f"t={_AT},v1={_PAID_SIGNED}", 0, False),
            (current, _PAID, f"v1={_PAID_SIGNED}", 0, False),
            (current, _PAID, "bad_header", 0, False),
            (current, _PAID, "", 0, False),
            ([], _PAID, f"t={_AT},v1={_PAID_SIGNED}", 0, False),
        )
        start = datetime.fromtimestamp(_AT, timezone.utc)
        return [(secrets, {}, request_of(body, {"Stripe-Signature": header} if header else {}),
                 start + timedelta(seconds=later), accepted) for secrets, body, header, later, accepted in rows]

    # === WRITING === #

    def push_items(self, vendor, count=1):
        outbound = next(spec for spec in self.connector.outbound if spec.code == "payment_link")
        return outbound, [self._request(next(self._numbers)) for _place in range(count)]

    def _request(self, number):
        reference = f"account.move:{number}"
        return PushItem(f"push-{reference}", "PaymentLink", reference, {
            "reference": reference, "number": f"INV/2026/{number:05d}", "amount": "1190.00", "currency": "EUR",
            "description": "Customer portal, June", "customer_name": "Novaterra Energie GmbH",
            "customer_email": "ada.brandt@novaterra.example", "due_on": "2026-08-02", "open": True})

    def written(self, vendor, item):
        store = vendor.app.store
        with store.lock:
            return sum(item.external_id in {**row["metadata"], **(row["payment_intent_data"] or {}).get(
                "metadata", {})}.values() for row in store["payment_link"].all())


def _signed(event, secrets, second):
    body = json.dumps(event, indent=2).encode()
    return request_of(body, {"Content-Type": "application/json; charset=utf-8",
                             "Stripe-Signature": signature(list(secrets), body, second)})


RIG = StripeRig()
