"""Deliveries: who signed them, when, and what they say."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from connectors.errors import SignatureError

from . import case


def verify(rig, vendor, request, secrets=None, now=None):
    given = [rig.webhook_secrets] if secrets is None else secrets
    return rig.connector.verify_webhook(given, rig.settings(vendor), request, now or datetime.now(timezone.utc))


@case("The vendor's published signatures are understood")
def webhook_vectors(rig, vendor):
    vectors = rig.vectors()
    assert {accepted for *_rest, accepted in vectors} == {True, False}
    for secrets, settings, request, now, accepted in vectors:
        if accepted:
            rig.connector.verify_webhook(secrets, settings, request, now)
        else:
            with pytest.raises(SignatureError):
                rig.connector.verify_webhook(secrets, settings, request, now)


@case("A changed body is refused")
def webhook_tampered(rig, vendor):
    ids = sorted(rig.ids(vendor))[:3]
    request = rig.delivery(vendor, ids)
    delivery = verify(rig, vendor, request)
    assert delivery.delivery_id
    assert {record.external_id for _code, record in delivery.records} == set(ids[:len(delivery.records)])
    assert {code for code, _record in delivery.records} == {rig.stream}
    with pytest.raises(SignatureError):
        verify(rig, vendor, replace(request, body=request.body.replace(ids[0].encode(), b"999999", 1)))
    with pytest.raises(SignatureError):
        verify(rig, vendor, replace(request, headers={}))
    with pytest.raises(SignatureError):
        verify(rig, vendor, request, secrets=[])


@case("An old delivery is refused")
def webhook_stale(rig, vendor):
    now = datetime.now(timezone.utc)
    request = rig.delivery(vendor, sorted(rig.ids(vendor))[:1], moment=now - timedelta(hours=1))
    with pytest.raises(SignatureError):
        verify(rig, vendor, request, now=now)
    verify(rig, vendor, request, now=now - timedelta(hours=1))


@case("While the secret is changed, both are good")
def webhook_second_secret(rig, vendor):
    new = {code: f"new-{value}" for code, value in rig.webhook_secrets.items()}
    ids = sorted(rig.ids(vendor))[:1]
    for secrets in (new, rig.webhook_secrets):
        assert verify(rig, vendor, rig.delivery(vendor, ids, secrets), [new, rig.webhook_secrets]).records
    with pytest.raises(SignatureError):
        verify(rig, vendor, rig.delivery(vendor, ids), [new])
