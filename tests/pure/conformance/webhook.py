"""Deliveries: who signed them, when, and what they say."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from requests.structures import CaseInsensitiveDict

from connectors.errors import PoisonError, SignatureError

from . import case


def verify(rig, vendor, request, secrets=None, now=None):
    given = [rig.webhook_secrets] if secrets is None else secrets
    return rig.connector.verify_webhook(given, rig.settings(vendor), request, now or datetime.now(timezone.utc))


@case("The vendor's published signatures are understood")
def webhook_vectors(rig, vendor):
    vectors = rig.vectors()
    assert {accepted for *_rest, accepted in vectors} == {True, False}
    for secrets, settings, request, now, accepted in vectors:
        if not accepted:
            with pytest.raises(SignatureError):
                rig.connector.verify_webhook(secrets, settings, request, now)
            continue
        try:
            rig.connector.verify_webhook(secrets, settings, request, now)
        except PoisonError:
            continue  # signed as published; the sample's body is no event


@case("A changed body is refused")
def webhook_tampered(rig, vendor):
    now, ids = datetime.now(timezone.utc), sorted(rig.ids(vendor))[:1]
    request = rig.delivery(vendor, ids, moment=now)
    delivery = verify(rig, vendor, request, now=now)
    assert delivery.delivery_id
    assert {(code, record.external_id) for code, record in delivery.records} == {(rig.stream, ids[0])}
    for forged in (replace(request, body=request.body + b" "), replace(request, headers=CaseInsensitiveDict())):
        with pytest.raises(SignatureError):
            verify(rig, vendor, forged, now=now)
    with pytest.raises(SignatureError):
        verify(rig, vendor, request, secrets=[], now=now)


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
    now, ids = datetime.now(timezone.utc), sorted(rig.ids(vendor))[:1]
    for secrets in (new, rig.webhook_secrets):
        request = rig.delivery(vendor, ids, secrets, now)
        assert verify(rig, vendor, request, [new, rig.webhook_secrets], now).records
    with pytest.raises(SignatureError):
        verify(rig, vendor, rig.delivery(vendor, ids, moment=now), [new], now)
