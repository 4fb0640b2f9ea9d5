"""What the conformance suite does at HubSpot's stand-in does happen there, and its signatures are what they say."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from hubspot_client import Client
from rigs.hubspot import RIG, SECRET

from sandbox.hubspot.webhooks import decoded


@pytest.fixture(name="vendor")
def running():
    vendor = RIG.start()
    yield vendor
    vendor.stop()
    assert vendor.errors == []


def passes(secrets, request, now):
    """Tell whether a request bears a fresh signature of version 3, by the letter of the documentation."""
    stamp = request.headers.get("X-HubSpot-Request-Timestamp", "")
    if not stamp.isdecimal() or abs(now.timestamp() * 1000 - int(stamp)) > 300_000:
        return False
    signed = f"{request.method}{decoded(request.url)}".encode() + request.body + stamp.encode()
    return any(
        base64.b64encode(hmac.new(secret[SECRET].encode(), signed, hashlib.sha256).digest()).decode()
        == request.headers.get("X-HubSpot-Signature-v3") for secret in secrets if secret[SECRET])


@pytest.mark.parametrize("place", range(len(RIG.vectors())))
def test_vectors_are_what_they_say(place):
    secrets, settings, request, now, accepted = RIG.vectors()[place]
    assert passes(secrets, request, now) is accepted
    assert settings["portal_id"].isdecimal()


def test_deliveries_are_signed_and_name_each_record(vendor):
    request = RIG.delivery(vendor, ["8801", "8802", "8803"])
    now = vendor.clock.now()
    assert passes([RIG.webhook_secrets], request, now)
    assert not passes([RIG.webhook_secrets], request, now + timedelta(minutes=6))
    assert not passes([RIG.webhook_secrets], RIG.delivery(vendor, ["8801"], {SECRET: "old"}), now)
    assert {(event["objectId"], event["subscriptionType"]) for event in json.loads(request.body)} == {
        (8801, "company.propertyChange"), (8802, "object.propertyChange"), (8803, "company.propertyChange")}


def test_what_happens_at_the_vendor(vendor):
    client = Client(vendor)

    def read(number):
        return client.get(f"/crm/v3/objects/companies/{number}")

    assert RIG.ids(vendor) == {"8801", "8802", "8803", "8804", "8805"}
    moment = vendor.clock.now().replace(microsecond=7000) - timedelta(days=3)
    first, second = RIG.make(vendor, 2, moment)
    assert RIG.ids(vendor) >= {first, second}
    assert read(first).json()["updatedAt"] == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = RIG.touch(vendor, first)
    assert text in read(first).text
    assert read(first).json()["updatedAt"] > read(second).json()["updatedAt"]
    RIG.merge(vendor, second, first)
    assert read(second).json()["id"] == first
    RIG.delete(vendor, first)
    assert read(first).status_code == 404


def test_rights_end_in_three_ways(vendor):
    session, client = RIG.session(vendor), Client(vendor)
    form = {"grant_type": "refresh_token", "refresh_token": session.credentials["refresh_token"]}
    client.http.headers["Authorization"] = f"Bearer {client.token(**form).json()['access_token']}"
    assert RIG.narrow(vendor) == "contact"
    assert client.get("/crm/v3/objects/contacts").status_code == 403
    assert client.get("/crm/v3/objects/companies").status_code == 200
    RIG.expire(vendor)
    assert client.get("/crm/v3/objects/companies").status_code == 401
    assert client.token(**form).status_code == 200
    RIG.revoke(vendor)
    assert client.token(**form).status_code == 400
    assert RIG.session(vendor, "private_app").auth_method == "private_app"
