import hashlib
import hmac
import json
from datetime import datetime, timezone

import pytest
from wire_server import request_of

from connectors import get
from connectors.base import HINT
from connectors.errors import PoisonError, SignatureError, StaleSignatureError

CONNECTOR = get("stripe")
SIGNED_AT = 1_790_000_000
SECRET, OLD = "whsec_test_secret", "whsec_old_secret"
SDK_BODY = b'''{
  "id": "evt_test_webhook",
  "object": "event",
  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }
}'''
SDK_SIGNATURE = "783ab4844335e7aa7f33befa2456d34f2b5f1ba332ea11ab140483d49ca3fbde"
BODY = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'
NEW_SIGNATURE = "7b8113cd94f67490d14bb1393d2cd3ce02f73dcd8718d3c17e15ad4856bb0476"
OLD_SIGNATURE = "2df90c4f5a0dd5cc2319979f594623274091fc9d958089ed88d0bd23a4ab6afa"


def signature(body, secret=SECRET, moment=SIGNED_AT):
    return hmac.new(secret.encode(), str(moment).encode() + b"." + body, hashlib.sha256).hexdigest()


def verify(body, header, secrets=(SECRET,), after=0):
    now = datetime.fromtimestamp(SIGNED_AT + after, timezone.utc)
    return CONNECTOR.verify_webhook([{"webhook_secret": secret} for secret in secrets], {},
                                    request_of(body, {"stripe-signature": header}), now)


def told(shown, **more):
    body = json.dumps({"id": "evt_7", "object": "event", "type": "x", "data": {"object": shown}, **more}).encode()
    return verify(body, f"t={SIGNED_AT},v1={signature(body)}")


@pytest.mark.parametrize(("body", "header", "secrets"), [
    (SDK_BODY, f"t={SIGNED_AT},v1={SDK_SIGNATURE}", (SECRET,)),
    (SDK_BODY, f"t={SIGNED_AT},v1={SDK_SIGNATURE},v1=bad_signature", (SECRET,)),
    (BODY, f"t={SIGNED_AT},v1={NEW_SIGNATURE}", (SECRET,)),
    (BODY, f"t={SIGNED_AT},v1={NEW_SIGNATURE},v1={OLD_SIGNATURE}", (OLD,)),
    (BODY, f"t={SIGNED_AT},v1={OLD_SIGNATURE}", (SECRET, OLD)),
    (BODY, f"v0=0,v1={NEW_SIGNATURE},t={SIGNED_AT}", ("", SECRET)),
])
def test_signatures_that_are_right(body, header, secrets):
    assert verify(body, header, secrets).records == []


@pytest.mark.parametrize(("body", "header", "secrets"), [
    (BODY, "bad_header", (SECRET,)),
    (BODY, "", (SECRET,)),
    (BODY, f"t={SIGNED_AT},v0={NEW_SIGNATURE}", (SECRET,)),
    (BODY, f"t={SIGNED_AT},v1=bad", (SECRET,)),
    (BODY, f"t={SIGNED_AT},v1=ü", (SECRET,)),
    (BODY, f"v1={NEW_SIGNATURE}", (SECRET,)),
    (BODY, f"t={SIGNED_AT},t={SIGNED_AT},v1={NEW_SIGNATURE}", (SECRET,)),
    (BODY, f"t=x,v1={NEW_SIGNATURE}", (SECRET,)),
    (BODY, f"t={SIGNED_AT + 1},v1={NEW_SIGNATURE}", (SECRET,)),
    (BODY + b" ", f"t={SIGNED_AT},v1={NEW_SIGNATURE}", (SECRET,)),
    (BODY, f"t={SIGNED_AT},v1={NEW_SIGNATURE}", (OLD,)),
    (BODY, f"t={SIGNED_AT},v1={NEW_SIGNATURE}", ()),
    (BODY, f"t={SIGNED_AT},v1={signature(BODY, '')}", ("",)),
])
def test_signatures_that_are_wrong(body, header, secrets):
    with pytest.raises(SignatureError) as caught:
        verify(body, header, secrets)
    assert not isinstance(caught.value, StaleSignatureError)


@pytest.mark.parametrize("after", [-300, 0, 300])
def test_within_five_minutes(after):
    assert verify(BODY, f"t={SIGNED_AT},v1={NEW_SIGNATURE}", after=after).delivery_id == "evt_1"


@pytest.mark.parametrize("after", [-301, 301, 86400])
def test_too_old_or_from_the_future(after):
    with pytest.raises(StaleSignatureError):
        verify(BODY, f"t={SIGNED_AT},v1={NEW_SIGNATURE}", after=after)


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"object": "event"}', b'{"id": "x", "object": "list"}'])
def test_signed_but_no_event(body):
    with pytest.raises(PoisonError):
        verify(body, f"t={SIGNED_AT},v1={signature(body)}")


def test_thin_events_are_refused_by_name():
    body = b'{"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered"}'
    with pytest.raises(PoisonError, match="thin"):
        verify(body, f"t={SIGNED_AT},v1={signature(body)}")


@pytest.mark.parametrize(("shown", "stream", "external_id"), [
    ({"id": "ch_1", "object": "charge", "amount": 5}, "payment", "ch_1"),
    ({"id": "re_1", "object": "refund"}, "payment", "re_1"),
    ({"id": "du_1", "object": "dispute"}, "payment", "du_1"),
    ({"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1"}, "payment", "ch_1"),
    ({"id": "pi_1", "object": "payment_intent", "latest_charge": {"id": "ch_1"}}, "payment", "ch_1"),
    ({"id": "pi_1", "object": "payment_intent"}, "payment", "pi_1"),
    ({"id": "po_1", "object": "payout"}, "payout", "po_1"),
    ({"id": "cus_1", "object": "customer"}, "customer", "cus_1"),
])
def test_an_event_is_a_hint(shown, stream, external_id):
    delivery = told(shown)
    ((code, record),) = delivery.records
    assert delivery.delivery_id == "evt_7"
    assert (code, record.external_id, record.operation, record.raw) == (stream, external_id, HINT, {"event": "evt_7"})


@pytest.mark.parametrize(("shown", "more"), [
    ({"id": "pi_1", "object": "payment_intent", "latest_charge": None}, {}),
    ({"id": "in_1", "object": "invoice"}, {}),
    ({"id": "sub_1", "object": "subscription"}, {}),
    ({"id": "ch_1", "object": "charge"}, {"account": "acct_other"}),
])
def test_events_that_are_not_ours_are_taken_without_effect(shown, more):
    assert told(shown, **more).records == []
