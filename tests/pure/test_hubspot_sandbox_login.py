"""The stand-in of HubSpot gives, checks and ends tokens as documented."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hubspot_client import Client, refused

from sandbox.server import start


@pytest.fixture(name="client")
def new_client():
    vendor = start(vendor="hubspot")
    yield Client(vendor)
    vendor.stop()
    assert vendor.errors == []


def test_a_refresh_token_gives_an_access_token_that_is_checked_on_every_call(client):
    answer = client.token(grant_type="refresh_token", refresh_token=client.credentials["refresh_token"]).json()
    assert answer["expires_in"] == 1800
    assert answer["hub_id"] == 424242
    assert answer["refresh_token"] == client.credentials["refresh_token"]
    client.http.headers["Authorization"] = f"Bearer {answer['access_token']}"
    response = client.get("/account-info/v3/details")
    assert response.json()["portalId"] == 424242
    assert "X-HubSpot-RateLimit-Daily" not in response.headers
    assert client.token("/oauth/v3/token/introspect", token=answer["access_token"]).json()["active"] is True
    client.vendor.app.authority.expire()
    refused(client.get("/crm/v3/owners"), 401, "EXPIRED_AUTHENTICATION")
    for header in ("", "Bearer ", "Bearer made-up", answer["access_token"]):
        client.http.headers["Authorization"] = header
        refused(client.get("/crm/v3/owners"), 401, "INVALID_AUTHENTICATION")


def test_a_rotated_refresh_token_ends_the_one_before(client):
    client.vendor.app.authority.rotate = True
    first = client.credentials["refresh_token"]
    second = client.token(grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert second != first
    assert client.token(grant_type="refresh_token", refresh_token=first).json()["error"] == "invalid_grant"
    assert client.token(grant_type="refresh_token", refresh_token=second).status_code == 200


def test_consent_is_exchanged_once_with_its_verifier(client):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 50).digest()).rstrip(b"=").decode()
    query = {"client_id": client.credentials["client_id"], "redirect_uri": "https://erp.example.com/back",
             "scope": "oauth crm.objects.owners.read", "state": "s1", "code_challenge": challenge}
    answer = requests.get(client.credentials["authorize_url"], params=query, allow_redirects=False, timeout=10)
    back = {key: value[0] for key, value in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert back["state"] == "s1"
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": query["redirect_uri"],
            "code_verifier": "v" * 50}
    token = client.token(**form).json()
    assert token["scopes"] == ["oauth", "crm.objects.owners.read"]
    assert client.token(**form).json()["error"] == "invalid_grant"
    client.http.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert client.get("/crm/v3/owners").status_code == 200
    body = refused(client.get("/crm/v3/objects/deals"), 403, "MISSING_SCOPES")
    assert body["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.deals.read"]


def test_the_token_endpoint_is_strict_and_a_revoked_consent_is_dead(client):
    known = client.credentials["refresh_token"]
    assert client.token(grant_type="refresh_token", refresh_token=known, client_secret="x").status_code == 401
    assert client.token(grant_type="password").json()["error"] == "unsupported_grant_type"
    assert client.token("/oauth/2026-03/token?a=1", grant_type="refresh_token",
                        refresh_token=known).json()["error"] == "invalid_request"
    assert client.token("/oauth/v1/token", grant_type="refresh_token", refresh_token=known).status_code == 404
    client.vendor.app.control("POST", "revoke", {})
    assert client.token(grant_type="refresh_token", refresh_token=known).json()["error"] == "invalid_grant"
    refused(client.get("/crm/v3/owners"), 401, "INVALID_AUTHENTICATION")
    client.vendor.app.control("POST", "revoke", {"for_good": False})
    fresh = client.vendor.credentials
    assert client.token(grant_type="refresh_token", refresh_token=fresh["refresh_token"]).status_code == 200
