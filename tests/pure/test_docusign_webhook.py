import base64
import hashlib
import hmac
import json
from datetime import datetime, timezone

import pytest
from mini_docusign import ACCOUNT, CONNECTOR, OTHER_ACCOUNT
from wire_server import request_of

from connectors.base import HINT
from connectors.errors import PoisonError, SignatureError

NOW = datetime(2026, 9, 21, tzinfo=timezone.utc)
ENVELOPE = "3f1c0b9e-0000-4000-8000-000000000001"
KEY, SECOND = "ds-connect-key-1=", "ds-connect-key-2="
BODY = (b'{"event":"envelope-completed","apiVersion":"v2.1","retryCount":0,'
        b'"data":{"envelopeId":"3f1c0b9e-0000-4000-8000-000000000001"}}')
SIGNED = "zqvb9gJkpJGfRIp0lAlneysTIkRKbiR2G31wpDJ2sPI="
SIGNED_SECOND = "NLCXRdva0h4ci8no+bQyzGO6WkDdjC1o9jFTysHr4oo="


def verify(body, headers, secrets=None, settings=None):
    return CONNECTOR.verify_webhook([{"hmac_key": KEY}] if secrets is None else secrets, settings or {},
                                    request_of(body, headers), NOW)


def message(event="envelope-completed", account=ACCOUNT, **values):
    return json.dumps({
        "event": event, "apiVersion": "v2.1", "retryCount": 0, "generatedDateTime": "2026-09-21T11:33:21.4560000Z",
        "data": {"accountId": account, "envelopeId": ENVELOPE, "envelopeSummary": {"status": "completed"}},
        **values}).encode()


def signed(body, key=KEY, number=1):
    digest = hmac.new(key.encode(), body, hashlib.sha256).digest()
    return {f"X-DocuSign-Signature-{number}": base64.b64encode(digest).decode()}


@pytest.mark.parametrize(("headers", "secrets"), [
    ({"X-DocuSign-Signature-1": SIGNED}, [{"hmac_key": KEY}]),
    ({"x-docusign-signature-1": SIGNED}, [{"hmac_key": "other", "hmac_key_2": KEY}]),
    ({"X-DocuSign-Signature-1": SIGNED, "X-DocuSign-Signature-2": SIGNED_SECOND}, [{"hmac_key": SECOND}]),
    ({"X-DocuSign-Signature-7": SIGNED}, [{"hmac_key": "new"}, {"hmac_key": KEY}]),
])
def test_any_key_fits_any_signature(headers, secrets):
    ((code, record),) = verify(BODY, headers, secrets).records
    assert (code, record.external_id, record.operation) == ("envelope", ENVELOPE, HINT)


@pytest.mark.parametrize(("headers", "secrets"), [
    ({}, [{"hmac_key": KEY}]),
    ({"X-Authorization-Digest": "HMACSHA256"}, [{"hmac_key": KEY}]),
    ({"X-DocuSign-Signature-1": ""}, [{"hmac_key": KEY}]),
    ({"X-DocuSign-Signature-1": SIGNED_SECOND}, [{"hmac_key": KEY}]),
    ({"X-DocuSign-Signature-1": "é" + SIGNED}, [{"hmac_key": KEY}]),
    ({"X-DocuSign-Signature-1": SIGNED}, []),
    ({"X-DocuSign-Signature-1": SIGNED}, [{"hmac_key": ""}]),
])
def test_everything_else_is_refused(headers, secrets):
    with pytest.raises(SignatureError):
        verify(BODY, headers, secrets)


def test_a_changed_body_is_refused():
    with pytest.raises(SignatureError):
        verify(BODY + b"\n", {"X-DocuSign-Signature-1": SIGNED})


def test_the_hint_holds_nothing_of_what_the_message_says():
    body = message()
    delivery = verify(body, signed(body))
    ((_code, record),) = delivery.records
    assert record.object_type == "Envelope"
    assert record.raw == {"event": "envelope-completed"}
    again = message(retryCount=3)
    assert verify(again, signed(again)).delivery_id == delivery.delivery_id
    assert verify(again, signed(again)).records[0][1].version == record.version
    later = message(generatedDateTime="2026-09-21T11:40:00.0000000Z")
    assert verify(later, signed(later)).records[0][1].version > record.version


@pytest.mark.parametrize(("event", "count"), [
    ("envelope-sent", 1), ("envelope-declined", 1), ("envelope-voided", 1), ("envelope-deleted", 1),
    ("recipient-completed", 0), ("template-created", 0), ("envelope-purge", 0),
])
def test_only_events_that_change_an_agreement_count(event, count):
    body = message(event)
    assert len(verify(body, signed(body)).records) == count


def test_other_accounts_are_ignored():
    body = message()
    for settings, count in (({"account_id": ACCOUNT.upper()}, 1), ({"account_id": OTHER_ACCOUNT}, 0), ({}, 1)):
        assert len(verify(body, signed(body), settings=settings).records) == count


@pytest.mark.parametrize(("body", "words"), [
    (b'\xef\xbb\xbf<?xml version="1.0"?><DocuSignEnvelopeInformation/>', "data format to JSON"),
    (b'{"status":"completed","envelopeId":"1"}', "Individual Messages"),
    (b'{"event":"envelope-completed","data":[]}', "Individual Messages"),
    (b'{"event":"envelope-completed","data":{}}', "names no envelope"),
    (b'{"event":"envelope-completed","data":{"envelopeId":"a,b"}}', "names no envelope"),
    (b"[]", "Individual Messages"), (b"{", "not JSON"), (b"\xff", "not JSON"),
])
def test_a_signed_message_that_cannot_be_read_names_what_is_wrong(body, words):
    with pytest.raises(PoisonError, match=words):
        verify(body, signed(body))
    with pytest.raises(SignatureError):
        verify(body, {})
