from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mini_docusign import ACCOUNT, CONNECTOR, OTHER_ACCOUNT, MiniDocuSign, read_run, session_of
from wire_server import Answer, serving, session_for

from connectors.docusign import auth
from connectors.docusign.client import client_of
from connectors.errors import ConnectionRefusedByVendor, PoisonError, TransientError

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption()).decode()
JWT_CREDENTIALS = {"client_id": "int-key", "user_id": "77aa", "private_key": PEM}


def jwt_session(url, **credentials):
    return session_for(url, "jwt", {**JWT_CREDENTIALS, **credentials}, None, {"oauth_url": url})


def test_the_assertion_says_what_the_vendor_wants():
    with serving(MiniDocuSign()) as server:
        session = jwt_session(server.url)
        token = auth.authenticate(session, session.credentials)
    (asked,) = server.asked
    assert asked.path == "/oauth/token"
    assert set(asked.form) == {"grant_type", "assertion"}
    assert asked.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    host = server.url.removeprefix("http://")
    claims = jwt.decode(asked.form["assertion"], KEY.public_key(), algorithms=["RS256"], audience=host)
    assert (claims["iss"], claims["sub"], claims["scope"]) == ("int-key", "77aa", "signature impersonation")
    assert 0 < claims["exp"] - claims["iat"] <= 3600
    assert token.data == {"access_token": "access-1"}
    assert token.rotated == {}
    assert 3500 < (token.expires_at - datetime.now(timezone.utc)).total_seconds() <= 3600


def test_the_audience_is_the_host_without_scheme():
    assertion = auth.signed_assertion(JWT_CREDENTIALS, {"oauth_url": "https://account-d.docusign.com/"})
    assert jwt.decode(assertion, options={"verify_signature": False})["aud"] == "account-d.docusign.com"
    assertion = auth.signed_assertion(JWT_CREDENTIALS, {})
    assert jwt.decode(assertion, options={"verify_signature": False})["aud"] == "account.docusign.com"


def test_a_key_that_is_none_is_a_matter_for_a_person():
    with serving(MiniDocuSign()) as server:
        session = jwt_session(server.url, private_key="nonsense")
        with pytest.raises(ConnectionRefusedByVendor, match="private key") as caught:
            auth.authenticate(session, session.credentials)
        assert "nonsense" not in str(caught.value)
        assert server.asked == []


def test_a_missing_consent_names_the_address_to_open():
    with serving(lambda asked: Answer(400, {"error": "consent_required"})) as server:
        session = jwt_session(server.url)
        with pytest.raises(ConnectionRefusedByVendor) as caught:
            auth.authenticate(session, session.credentials)
    assert caught.value.code == "consent_required"
    assert (f"open {server.url}/oauth/auth?response_type=code&scope=signature%20impersonation&client_id=int-key"
            in str(caught.value))


@pytest.mark.parametrize(("error", "method", "words"), [
    ("invalid_grant", "jwt", "user ID"), ("invalid_grant", "oauth", "connect again"),
    ("invalid_client", "oauth", "integration key"), ("unauthorized_client", "jwt", "may not log in"),
])
def test_a_refused_login_says_what_to_look_at(error, method, words):
    with serving(lambda asked: Answer(400, {"error": error, "error_description": "no"})) as server:
        session = jwt_session(server.url) if method == "jwt" else session_of(server)
        with pytest.raises(ConnectionRefusedByVendor, match=words) as caught:
            auth.authenticate(session, session.credentials)
    assert caught.value.code == error


def test_a_refresh_token_rotates_and_nothing_else_is_asked_meanwhile():
    vendor = MiniDocuSign()
    vendor.grant = {"expires_in": 28800, "refresh_token": "r2"}
    with serving(vendor) as server:
        session = session_of(server)
        token = auth.authenticate(session, session.credentials)
    (asked,) = server.asked
    assert asked.form == {"grant_type": "refresh_token", "refresh_token": "r1"}
    assert asked.headers["Authorization"] == "Basic a2V5OnNoaA=="
    assert token.rotated == {"refresh_token": "r2"}
    assert token.data == {"access_token": "access-1"}


def test_an_outage_of_the_login_is_no_refusal():
    with serving(lambda asked: Answer(503, b"<html>", {"Retry-After": "9"})) as server:
        for session, doubt in ((jwt_session(server.url), False), (session_of(server), True)):
            with pytest.raises(TransientError) as caught:
                auth.authenticate(session, session.credentials)
            assert (caught.value.retry_after, caught.value.maybe_done) == (9, doubt)


def test_a_login_answer_without_token():
    with serving(lambda asked: Answer(body={"token_type": "Bearer"})) as server:
        session = session_of(server)
        with pytest.raises(PoisonError):
            auth.authenticate(session, session.credentials)


def test_consent():
    url = urlsplit(CONNECTOR.authorize_url({}, {"client_id": "int-key"}, "https://odoo.example/cb", "state1", "c"))
    assert (url.scheme, url.netloc, url.path) == ("https", "account.docusign.com", "/oauth/auth")
    assert "scope=signature%20extended" in url.query
    assert {key: values[0] for key, values in parse_qs(url.query).items()} == {
        "response_type": "code", "scope": "signature extended", "client_id": "int-key",
        "redirect_uri": "https://odoo.example/cb", "state": "state1"}
    vendor = MiniDocuSign()
    vendor.grant = {"refresh_token": "first"}
    with serving(vendor) as server:
        token = CONNECTOR.exchange_code(session_of(server), "code1", "https://odoo.example/cb", "verifier")
        assert server.asked[0].form == {"grant_type": "authorization_code", "code": "code1"}
        assert token.rotated == {"refresh_token": "first"}
        vendor.grant = {}
        with pytest.raises(ConnectionRefusedByVendor, match="refresh token"):
            CONNECTOR.exchange_code(session_of(server), "code1", "https://odoo.example/cb", "verifier")


def test_without_consent_nothing_is_sent():
    with serving(MiniDocuSign()) as server:
        session = session_of(server)
        with pytest.raises(ConnectionRefusedByVendor, match="consent"):
            auth.authenticate(session, {"client_id": "key", "client_secret": "shh"})
        assert server.asked == []


def test_an_expired_token_is_renewed_once():
    vendor = MiniDocuSign()
    vendor.refuse = lambda asked: None if asked.headers["Authorization"] == "Bearer access-1" else Answer(
        401, {"errorCode": "AUTHORIZATION_INVALID_TOKEN", "message": "expired"})
    with serving(vendor) as server:
        read_run(server)
        assert vendor.tokens == 1
        vendor.refuse = lambda asked: Answer(401, {"errorCode": "USER_AUTHENTICATION_FAILED", "message": "no"})
        with pytest.raises(ConnectionRefusedByVendor) as caught:
            read_run(server)
    assert caught.value.code == "USER_AUTHENTICATION_FAILED"
    assert vendor.tokens == 2


def test_the_account_is_the_default_or_the_one_in_the_settings():
    with serving(MiniDocuSign()) as server:
        client = client_of(session_of(server))
        assert client.account() == (ACCOUNT, "Firm", f"{server.url}/restapi/v2.1/accounts/{ACCOUNT}")
        client.account()
        assert [asked.path for asked in server.asked] == ["/oauth/userinfo"]
        account = client_of(session_of(server, {"account_id": f" {OTHER_ACCOUNT.upper()} "})).account()
        assert account.root == f"{server.url}/other/restapi/v2.1/accounts/{OTHER_ACCOUNT}"
        account = client_of(session_of(server, {"base_url": "https://proxy.example/ds/"})).account()
        assert account.root == f"https://proxy.example/ds/v2.1/accounts/{ACCOUNT}"
        with pytest.raises(ConnectionRefusedByVendor, match=f"Firm \\({ACCOUNT}\\)"):
            client_of(session_of(server, {"account_id": "unknown"})).account()
