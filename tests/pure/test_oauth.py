"""OAuth 2 as vendors declare it. What each of them asks for is tested with the vendor."""

import base64
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from wire_server import Answer, serving, session_for

from connectors.base import SettingField
from connectors.errors import ConnectionRefusedByVendor, PoisonError, TransientError
from connectors.oauth import OAuth

SETTINGS = (SettingField("login", "Login", "https://id.acme.example/"),)
APP = {"client_id": "app", "client_secret": "app-secret", "refresh_token": "r1"}
GRANT = {"access_token": "a2", "refresh_token": "r2", "expires_in": 3600}


def acme(**more):
    return OAuth("Acme", SETTINGS, ("login", "/token"), ("login", "/consent"), **more)


def asked(oauth, answer=None, credentials=APP):
    """Return ``(token of a refresh, request that asked for it)``."""
    with serving(lambda _asked: answer or Answer(body=GRANT)) as server:
        session = session_for(server.url, "oauth", credentials, None, {"login": server.url})
        return oauth.authenticate(session, credentials), server.asked[0]


def test_the_app_is_named_in_the_form():
    token, request = asked(acme())
    assert (request.method, request.path) == ("POST", "/token")
    assert request.form == {"grant_type": "refresh_token", **APP}
    assert (token.data, token.rotated) == ({"access_token": "a2"}, {"refresh_token": "r2"})
    assert timedelta(minutes=59) < token.expires_at - datetime.now(timezone.utc) <= timedelta(hours=1)


def test_the_app_is_named_in_json():
    assert asked(acme(as_json=True))[1].json == {"grant_type": "refresh_token", **APP}


def test_the_app_is_named_in_the_header_alone():
    _token, request = asked(acme(basic=True))
    assert request.form == {"grant_type": "refresh_token", "refresh_token": "r1"}
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"app:app-secret").decode()


def test_the_same_refresh_token_again_is_no_new_one():
    token, _request = asked(acme(), Answer(body={"access_token": "a2", "refresh_token": "r1"}))
    assert (token.rotated, token.expires_at) == ({}, None)


@pytest.mark.parametrize(("answer", "expected"), [
    (Answer(400, {"error": "invalid_grant", "error_description": "refresh_token=r1 is unknown"}),
     ConnectionRefusedByVendor),
    (Answer(403, b"<html>"), ConnectionRefusedByVendor), (Answer(429), TransientError), (Answer(521), TransientError),
    (Answer(200, []), PoisonError), (Answer(200, {"token_type": "bearer"}), PoisonError),
])
def test_a_login_that_fails(answer, expected):
    with pytest.raises(expected) as caught:
        asked(acme(), answer)
    assert type(caught.value) is expected
    assert "r1" not in str(caught.value)
    assert "app-secret" not in str(caught.value)
    if expected is TransientError:
        assert caught.value.maybe_done is (answer.status == 521)


def test_without_consent_nobody_is_asked():
    with pytest.raises(ConnectionRefusedByVendor, match="consent"):
        asked(acme(), credentials={**APP, "refresh_token": ""})


@pytest.mark.parametrize("pkce", [True, False])
def test_a_consent_with_and_without_a_challenge(pkce):
    oauth = acme(pkce=pkce, query={"scope": "read"})
    url = oauth.authorize_url({}, APP, "https://erp.example/cb", "s1", "challenge")
    challenge = {"code_challenge": ["challenge"], "code_challenge_method": ["S256"]} if pkce else {}
    assert url.startswith("https://id.acme.example/consent?")
    assert parse_qs(urlsplit(url).query) == {
        "client_id": ["app"], "redirect_uri": ["https://erp.example/cb"], "state": ["s1"], "scope": ["read"],
        **challenge}
    with serving(lambda _asked: Answer(body=GRANT)) as server:
        session = session_for(server.url, "oauth", APP, None, {"login": server.url})
        token = oauth.exchange_code(session, "c1", "https://erp.example/cb", "verifier")
    assert token.rotated == {"refresh_token": "r2"}
    assert server.asked[0].form.get("code_verifier") == ("verifier" if pkce else None)


def test_a_consent_that_brings_no_refresh_token_is_none():
    with serving(lambda _asked: Answer(body={"access_token": "a"})) as server:
        session = session_for(server.url, "oauth", APP, None, {"login": server.url})
        with pytest.raises(ConnectionRefusedByVendor, match="ask for it"):
            acme(no_refresh_token="ask for it").exchange_code(session, "c1", "https://erp.example/cb", "verifier")
