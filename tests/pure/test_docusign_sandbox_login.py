"""The stand-in of DocuSign: JWT grant with consent, authorization code, accounts, rights."""

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from docusign_client import ALL, JWT_BEARER, Client, serving
from rigs.docusign import RIG


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


def error(answer):
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("audience", ["account-d.docusign.com", "127.0.0.1"])
def test_jwt_audiences(client, audience):
    answer = client.token(grant_type=JWT_BEARER, assertion=client.assertion(aud=audience))
    assert (answer.status_code, answer.json()["expires_in"], "refresh_token" in answer.json()) == (200, 3600, False)


@pytest.mark.parametrize("claims", [
    {"aud": "https://account-d.docusign.com"}, {"iss": "x"}, {"sub": "x"}, {"exp": 1}, {"iat": None},
    {"exp": int(time.time()) + 90_000}, {"scope": "signature"},
])
def test_assertions_that_are_refused(client, claims):
    assert error(client.token(grant_type=JWT_BEARER, assertion=client.assertion(**claims)))[0] == 400


def test_a_foreign_signature_is_refused(client):
    head, claims, mark = client.assertion().split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"iss": "x"}).encode()).rstrip(b"=").decode()
    for assertion in (f"{head}.{forged}.{mark}", f"{head}.{claims}.{mark[::-1]}", "nothing", ""):
        assert error(client.token(grant_type=JWT_BEARER, assertion=assertion)) == (400, "invalid_grant")


def test_consent_is_needed_and_can_be_taken_back(vendor, client):
    RIG.revoke(vendor)
    assert client.list().status_code == 401
    assert error(client.token(grant_type=JWT_BEARER, assertion=client.assertion())) == (400, "consent_required")
    assert error(client.basic(grant_type="refresh_token", refresh_token=client.known["refresh_token"])) == (
        400, "invalid_grant")
    consent(client, scope="signature impersonation")
    client.login()
    assert client.list().status_code == 200


def consent(client, **query):
    answer = requests.get(f"{client.url}/oauth/auth", timeout=5, allow_redirects=False, params={
        "response_type": "code", "scope": "signature extended", "client_id": client.known["client_id"],
        "redirect_uri": "https://erp.example.com/callback?db=x", "state": "s", **query})
    return answer if answer.status_code != 302 else parse_qs(urlsplit(answer.headers["Location"]).query)


def test_authorization_code_and_rotating_refresh_tokens(vendor, client):
    back = consent(client)
    assert (back["state"], back["db"]) == (["s"], ["x"])
    code = {"grant_type": "authorization_code", "code": back["code"][0]}
    assert error(client.token(**code)) == (401, "invalid_client")
    first = client.basic(**code).json()
    assert first["expires_in"] == 28_800
    assert error(client.basic(**code)) == (400, "invalid_grant")
    second = client.basic(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert error(client.basic(grant_type="refresh_token", refresh_token=first["refresh_token"])) == (
        400, "invalid_grant")
    client.access = second["access_token"]
    assert client.list().status_code == 200
    RIG.expire(vendor)
    assert client.list().status_code == 401
    assert consent(client, client_id="x").status_code == 400
    assert consent(client, scope="all").status_code == 400
    assert error(client.basic(grant_type="password")) == (400, "unsupported_grant_type")


def test_userinfo_names_the_default_account(client):
    answer = requests.get(f"{client.url}/oauth/userinfo", timeout=5,
                          headers={"Authorization": f"Bearer {client.access}"}).json()
    (account,) = [row for row in answer["accounts"] if row["is_default"]]
    assert (account["account_id"], account["base_uri"]) == (client.known["account_id"], client.url)
    assert len(answer["accounts"]) == 2
    assert requests.get(f"{client.url}/oauth/userinfo", timeout=5).status_code == 401
    wrong = client.call("GET", f"envelopes?from_date={ALL}", account=answer["accounts"][0]["account_id"])
    assert wrong.status_code == 403


def test_a_missing_right(vendor, client):
    assert RIG.narrow(vendor) == "envelope"
    assert client.list().status_code == 403


def test_the_log_holds_no_secret(vendor, client):
    client.basic(grant_type="refresh_token", refresh_token=client.known["refresh_token"])
    consent(client)
    text = str(vendor.log())
    assert "/oauth/token" in text
    for secret in (client.access, client.known["client_secret"], client.known["refresh_token"], "BEGIN PRIVATE KEY"):
        assert secret not in text
