import json
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from wire_server import Answer, serving, session_for

from connectors import get
from connectors.base import Token
from connectors.errors import ConnectionRefusedByVendor, PoisonError, TransientError
from connectors.salesforce import auth
from connectors.salesforce.client import client_of

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption()).decode()
ORG, USER = "00D5g00000AbCdEEAV", "0055g00000Uv1WxAAJ"


def granted(server_url, access="new", **more):
    return Answer(body={"access_token": access, "instance_url": server_url, "token_type": "Bearer",
                        "id": f"https://login.salesforce.com/id/{ORG}/{USER}", "issued_at": "1781254412345",
                        "scope": "api id", **more})


def test_jwt_bearer_signs_what_the_vendor_wants():
    with serving(lambda asked: granted("http://instance")) as server:
        session = session_for(server.url, "jwt_bearer", {"client_id": "key", "username": "hub@firm.example",
                                                         "private_key": PEM}, token=None)
        token = auth.authenticate(session, session.credentials)
    form = server.asked[0].form
    assert server.asked[0].path == "/services/oauth2/token"
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert set(form) == {"grant_type", "assertion"}
    claims = jwt.decode(form["assertion"], KEY.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com")
    assert (claims["iss"], claims["sub"]) == ("key", "hub@firm.example")
    assert 0 < claims["exp"] - time.time() <= 180
    assert token.data["access_token"] == "new"
    assert token.rotated == {}
    assert auth.organization_id(token) == ORG


@pytest.mark.parametrize(("settings", "expected"), [
    ({"login_url": "https://login.salesforce.com"}, "https://login.salesforce.com"),
    ({"login_url": "https://test.salesforce.com"}, "https://test.salesforce.com"),
    ({"login_url": "https://acme--uat.sandbox.my.salesforce.com/"}, "https://test.salesforce.com"),
    ({"login_url": "https://acme.my.salesforce.com"}, "https://login.salesforce.com"),
    ({"login_url": "https://acme.my.salesforce.com", "audience": "https://community.acme.example"},
     "https://community.acme.example"),
    ({}, "https://login.salesforce.com"),
])
def test_audience(settings, expected):
    assert auth.audience(settings) == expected


def test_a_key_that_is_none_is_a_matter_for_a_person():
    with serving(lambda asked: Answer()) as server:
        session = session_for(server.url, "jwt_bearer", {"client_id": "k", "username": "u", "private_key": "nonsense"},
                              token=None)
        with pytest.raises(ConnectionRefusedByVendor, match="private key") as caught:
            auth.authenticate(session, session.credentials)
        assert "nonsense" not in str(caught.value)
        assert server.asked == []


def test_client_credentials():
    with serving(lambda asked: granted("http://instance")) as server:
        session = session_for(server.url, "client_credentials", token=None)
        auth.authenticate(session, session.credentials)
    assert server.asked[0].form == {"grant_type": "client_credentials", "client_id": "key", "client_secret": "secret"}


def test_a_refresh_token_that_rotates_is_handed_on():
    with serving(lambda asked: granted("http://instance", refresh_token="second")) as server:
        session = session_for(server.url, "web_server", {"client_id": "k", "client_secret": "", "refresh_token": "one"},
                              token=None)
        token = auth.authenticate(session, session.credentials)
    assert server.asked[0].form == {"grant_type": "refresh_token", "client_id": "k", "refresh_token": "one"}
    assert token.rotated == {"refresh_token": "second"}
    assert "refresh_token" not in token.data


def test_without_consent_nothing_is_sent():
    with serving(lambda asked: Answer()) as server:
        session = session_for(server.url, "web_server", {"client_id": "k"}, token=None)
        with pytest.raises(ConnectionRefusedByVendor, match="consent"):
            auth.authenticate(session, session.credentials)
        assert server.asked == []


def test_consent_with_pkce():
    connector = get("salesforce")
    url = urlsplit(connector.authorize_url({"login_url": "https://acme.my.salesforce.com"}, {"client_id": "k"},
                                           "https://odoo.example/cb", "state1", "challenge1"))
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert (url.netloc, url.path) == ("acme.my.salesforce.com", "/services/oauth2/authorize")
    assert query["code_challenge_method"] == "S256"
    assert query["code_challenge"] == "challenge1"
    assert query["state"] == "state1"
    assert query["redirect_uri"] == "https://odoo.example/cb"
    assert "refresh_token" in query["scope"]
    with serving(lambda asked: granted("http://instance", refresh_token="first")) as server:
        session = session_for(server.url, "web_server", {"client_id": "k"}, token=None)
        token = connector.exchange_code(session, "code1", "https://odoo.example/cb", "verifier1")
    form = server.asked[0].form
    assert (form["grant_type"], form["code"], form["code_verifier"]) == ("authorization_code", "code1", "verifier1")
    assert token.rotated == {"refresh_token": "first"}


def test_a_consent_without_refresh_token_is_refused_with_advice():
    with serving(lambda asked: granted("http://instance")) as server:
        session = session_for(server.url, "web_server", {"client_id": "k"}, token=None)
        with pytest.raises(ConnectionRefusedByVendor, match="offline_access"):
            auth.exchange_code(session, "code", "https://odoo.example/cb", "v")


@pytest.mark.parametrize(("error", "words"), [
    ({"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, "pre-authorised"),
    ({"error": "invalid_grant", "error_description": "audience is invalid"}, "audience"),
    ({"error": "invalid_grant", "error_description": "request not supported on this domain"}, "My Domain"),
    ({"error": "invalid_grant", "error_description": "expired access/refresh token"}, "connect again"),
    ({"error": "invalid_client_id", "error_description": "client identifier invalid"}, "consumer key"),
])
def test_refusals_are_final_and_say_what_to_do(error, words):
    with serving(lambda asked: Answer(400, error)) as server:
        session = session_for(server.url, "client_credentials", token=None)
        with pytest.raises(ConnectionRefusedByVendor, match=words) as caught:
            auth.authenticate(session, session.credentials)
        assert "secret" not in str(caught.value)


def test_an_outage_of_the_login_is_no_refusal():
    with serving(lambda asked: Answer(503, b"<html>", {"Retry-After": "9"})) as server:
        session = session_for(server.url, "client_credentials", token=None)
        with pytest.raises(TransientError) as caught:
            auth.authenticate(session, session.credentials)
    assert caught.value.retry_after == 9


def test_a_login_answer_without_instance_is_poison():
    with serving(lambda asked: Answer(body={"access_token": "x"})) as server:
        session = session_for(server.url, "client_credentials", token=None)
        with pytest.raises(PoisonError):
            auth.authenticate(session, session.credentials)


# --- the session of the client ---


def guarded(server, valid):
    """A vendor that knows the tokens in ``valid``."""
    def handler(asked):
        if asked.path == "/services/oauth2/token":
            return granted(server["url"], access=valid[-1])
        if asked.headers.get("Authorization") != f"Bearer {valid[-1]}":
            return Answer(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
        return Answer(body={"ok": True}, headers={"Sforce-Limit-Info": "api-usage=18/5000"})
    return handler


def test_an_expired_session_is_renewed_once_and_the_call_repeated():
    place = {}
    with serving(guarded(place, ["second"])) as server:
        place["url"] = server.url
        session = session_for(server.url, token="first")
        assert client_of(session).call("GET", "/limits").json() == {"ok": True}
        assert session.tokens.refreshes == 1
        assert [asked.path for asked in server.asked] == [
            "/services/data/v62.0/limits", "/services/oauth2/token", "/services/data/v62.0/limits"]
        assert session.memory["quota"] == {"used": 18, "limit": 5000}


def test_the_first_call_logs_in():
    place = {}
    with serving(guarded(place, ["second"])) as server:
        place["url"] = server.url
        session = session_for(server.url, token=None)
        client_of(session).call("GET", "/limits")
        assert session.tokens.refreshes == 1


def test_a_session_that_is_refused_at_once_ends_the_trial():
    def handler(asked):
        if asked.path == "/services/oauth2/token":
            return granted(place["url"])
        return Answer(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])

    place = {}
    with serving(handler) as server:
        place["url"] = server.url
        session = session_for(server.url)
        with pytest.raises(ConnectionRefusedByVendor):
            client_of(session).call("GET", "/limits")
        assert len(server.asked) == 3


def test_a_401_that_a_login_cannot_mend_does_not_log_in():
    body = [{"message": "This session is not valid for use with the REST API", "errorCode": "INVALID_SESSION_ID"}]
    with serving(lambda asked: Answer(401, body)) as server:
        session = session_for(server.url)
        with pytest.raises(ConnectionRefusedByVendor, match="REST API"):
            client_of(session).call("GET", "/limits")
        assert session.tokens.refreshes == 0


def test_another_worker_may_have_renewed_the_token():
    place = {}
    with serving(guarded(place, ["second"])) as server:
        place["url"] = server.url
        session = session_for(server.url, token="first")
        client = client_of(session)
        used = session.tokens.token
        session.tokens.token = Token({"access_token": "second", "instance_url": server.url})
        assert client._login(used).data["access_token"] == "second"
        assert session.tokens.refreshes == 0


def test_tokens_are_in_no_log(caplog):
    place = {}
    with caplog.at_level("DEBUG"), serving(guarded(place, ["second-secret-token"])) as server:
        place["url"] = server.url
        client_of(session_for(server.url, token="first-secret-token")).call("GET", "/limits")
    assert "secret-token" not in caplog.text
    assert json.dumps("x")
