"""The sandbox's authorisation server: each flow, what it refuses, rotation, revocation, idle expiry."""

import base64
import hashlib
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sandbox_helpers import JWT_BEARER, Client, assertion

from sandbox.server import start


@pytest.fixture(scope="module")
def sandbox():
    running = start(scale="tiny")
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture
def client(sandbox):
    return Client(sandbox)


def refused(answer, error, description=None):
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == error
    if description:
        assert body["error_description"] == description


def test_jwt_bearer_answers_as_documented(client):
    body = client.login().json()
    assert body["instance_url"] == client.url
    assert body["token_type"] == "Bearer"
    assert body["id"].startswith("https://login.salesforce.com/id/00D")
    assert "refresh_token" not in body
    assert "expires_in" not in body
    assert client.call("GET", "limits").status_code == 200


@pytest.mark.parametrize(("claims", "error", "description"), [
    ({"aud": "http://127.0.0.1"}, "invalid_grant", "audience is invalid"),
    ({"sub": "nobody@alderwick.example"}, "invalid_grant", "user hasn't approved this consumer"),
    ({"iss": "3MVGother"}, "invalid_client_id", None),
    ({"exp": int(time.time()) - 10}, "invalid_grant", "invalid assertion"),
    ({"exp": int(time.time()) + 3600}, "invalid_grant", "invalid assertion"),
])
def test_jwt_claims_are_checked(client, claims, error, description):
    refused(client.token(grant_type=JWT_BEARER, assertion=assertion(client.credentials, **claims)), error, description)


def test_jwt_of_another_key_or_algorithm_is_refused(client):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    refused(client.token(grant_type=JWT_BEARER, assertion=assertion({**client.credentials, "private_key": key})),
            "invalid_grant", "invalid assertion")
    claims = {"iss": client.credentials["consumer_key"], "sub": client.credentials["username"],
              "aud": client.credentials["audience"], "exp": int(time.time()) + 60}
    for unsigned in (jwt.encode(claims, "x" * 32, "HS256"), jwt.encode(claims, None, "none"), "a.b", "nonsense"):
        refused(client.token(grant_type=JWT_BEARER, assertion=unsigned), "invalid_grant", "invalid assertion")


def test_client_credentials_in_body_and_header(client):
    key, secret = client.credentials["consumer_key"], client.credentials["consumer_secret"]
    assert client.token(grant_type="client_credentials", client_id=key, client_secret=secret).status_code == 200
    by_header = requests.post(f"{client.url}/services/oauth2/token", data={"grant_type": "client_credentials"},
                              auth=(key, secret), timeout=5)
    assert by_header.status_code == 200
    refused(client.token(grant_type="client_credentials", client_id=key, client_secret="wrong"), "invalid_client")
    refused(client.token(grant_type="client_credentials", client_id="x", client_secret=secret), "invalid_client_id")
    refused(client.token(grant_type="password", username="a", password="b"), "unsupported_grant_type")


def consent(client, verifier="v" * 50, scope="api refresh_token", **query):
    """Walk through the authorize page and return the query that comes back to the redirect URI."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    answer = requests.get(client.credentials["authorize_url"], params={
        "response_type": "code", "client_id": client.credentials["consumer_key"], "state": "s 1",
        "redirect_uri": "https://odoo.example/callback?db=x", "code_challenge": challenge, "scope": scope,
        "code_challenge_method": "S256", **query}, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://odoo.example/callback?db=x&")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def exchange(client, code, verifier="v" * 50, **form):
    return client.token(**{
        "grant_type": "authorization_code", "code": code, "client_id": client.credentials["consumer_key"],
        "redirect_uri": "https://odoo.example/callback?db=x", "code_verifier": verifier, **form})


def test_authorization_code_with_pkce(client):
    back = consent(client)
    assert back["state"] == "s 1"
    answer = exchange(client, back["code"])
    assert answer.status_code == 200
    assert answer.json()["refresh_token"]
    refused(exchange(client, back["code"]), "invalid_grant")
    refused(exchange(client, consent(client)["code"], verifier="other"), "invalid_grant", "invalid code verifier")
    refused(exchange(client, consent(client)["code"], redirect_uri="https://evil.example/"), "redirect_uri_mismatch")
    assert "refresh_token" not in exchange(client, consent(client, scope="api")["code"]).json()
    assert consent(client, code_challenge_method="plain")["error"] == "invalid_request"


def refresh(client, token):
    return client.token(grant_type="refresh_token", refresh_token=token, client_id=client.credentials["consumer_key"],
                        client_secret=client.credentials["consumer_secret"])


def test_refresh_rotates_and_ends_the_session_before(client):
    first = exchange(client, consent(client)["code"]).json()
    second = refresh(client, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    for token, status in ((first["access_token"], 401), (second["access_token"], 200)):
        client.http.headers["Authorization"] = f"Bearer {token}"
        assert client.call("GET", "limits").status_code == status


def test_reuse_of_a_spent_refresh_token_revokes_the_family(client):
    first = exchange(client, consent(client)["code"]).json()
    second = refresh(client, first["refresh_token"]).json()
    refused(refresh(client, first["refresh_token"]), "invalid_grant", "expired access/refresh token")
    refused(refresh(client, second["refresh_token"]), "invalid_grant", "expired access/refresh token")
    client.http.headers["Authorization"] = f"Bearer {second['access_token']}"
    assert client.call("GET", "limits").status_code == 401


def test_without_rotation_the_refresh_token_stays(client):
    client.control("POST", "settings", rotate=False)
    first = exchange(client, consent(client)["code"]).json()
    for _again in range(2):
        answer = refresh(client, first["refresh_token"])
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()
    client.control("POST", "settings", rotate=True)


def test_revoke(client):
    tokens = exchange(client, consent(client)["code"]).json()
    assert requests.post(f"{client.url}/services/oauth2/revoke", data={"token": tokens["refresh_token"]},
                         timeout=5).status_code == 200
    refused(refresh(client, tokens["refresh_token"]), "invalid_grant")
    access = client.http.headers["Authorization"].partition(" ")[2]
    requests.post(f"{client.url}/services/oauth2/revoke", data={"token": access}, timeout=5)
    assert client.call("GET", "limits").status_code == 401


def test_sessions_expire_when_idle_or_on_demand(client):
    client.control("POST", "settings", session_seconds=0)
    time.sleep(0.01)
    answer = client.call("GET", "limits")
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    client.control("POST", "settings", session_seconds=7200)
    client.login()
    client.control("POST", "expire")
    assert client.call("GET", "limits").status_code == 401


def test_missing_header(client):
    del client.http.headers["Authorization"]
    answer = client.call("GET", "limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_AUTH_HEADER")


def test_an_administrator_can_revoke_everything(client):
    client.control("POST", "revoke")
    refused(client.token(grant_type=JWT_BEARER, assertion=assertion(client.credentials)), "invalid_grant",
            "expired access/refresh token")
    client.control("POST", "revoke", for_good=False)
    assert client.login().status_code == 200


def test_the_log_holds_no_secret(client, sandbox):
    tokens = exchange(client, consent(client)["code"]).json()
    refresh(client, tokens["refresh_token"])
    requests.get(f"{client.url}/services/oauth2/userinfo?access_token={tokens['access_token']}", timeout=5)
    text = str(sandbox.log())
    for secret in (tokens["access_token"], tokens["refresh_token"], client.credentials["consumer_secret"],
                   client.http.headers["Authorization"]):
        assert secret not in text
    assert "grant_type" in text
