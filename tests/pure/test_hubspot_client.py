from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from mini_portal import CONNECTOR, NOW, STREAMS, TOKEN, MiniPortal, error, read_run, session
from wire_server import Answer, serving, session_for

from connectors.base import Token
from connectors.errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    QuotaError,
    TransientError,
)
from connectors.hubspot.client import client_of

APP = {"client_id": "app-id", "client_secret": "app-secret", "refresh_token": "refresh-one"}


def oauth(server, token=None, **credentials):
    return session_for(server.url, "oauth", {**APP, **credentials}, token, {
        "api_url": server.url, "consent_url": "https://app.hubspot.com/oauth/authorize", "portal_id": "424242"})


def vendor(valid="access-two", **grant):
    """A HubSpot that gives and knows one access token."""
    def handler(asked):
        if asked.path == "/oauth/2026-03/token":
            return Answer(body={"access_token": valid, "refresh_token": "refresh-one", "expires_in": 1800, **grant})
        if asked.headers.get("Authorization") != f"Bearer {valid}":
            return error(401, "EXPIRED_AUTHENTICATION")
        return Answer(body={"ok": True})
    return handler


def test_a_bearer_token_is_all_that_a_private_app_needs():
    with serving(MiniPortal()) as server:
        opened = session(server)
        opened.tokens.token = None
        assert client_of(opened).call("GET", "/account-info/v3/details")["portalId"] == 424242
    assert [asked.path for asked in server.asked] == ["/account-info/v3/details"]


def test_a_token_that_was_exchanged_in_the_settings_is_picked_up():
    with serving(MiniPortal()) as server:
        opened = session(server)
        opened.tokens.token = Token({"access_token": "the one before"})
        assert client_of(opened).call("GET", "/account-info/v3/details")["portalId"] == 424242
    assert len(server.asked) == 2


def test_a_refused_token_ends_the_trial():
    with serving(lambda asked: error(401, "INVALID_AUTHENTICATION")) as server:
        with pytest.raises(ConnectionRefusedByVendor) as caught:
            client_of(session(server)).call("GET", "/x")
        assert len(server.asked) == 2
    assert not isinstance(caught.value, MissingScopeError)
    assert CONNECTOR.auth_methods[0].code == "private_app"


def test_the_first_call_of_an_oauth_app_renews_the_token():
    with serving(vendor()) as server:
        opened = oauth(server)
        assert client_of(opened).call("GET", "/x") == {"ok": True}
        token = opened.tokens.token
    assert server.asked[0].form == {"grant_type": "refresh_token", **APP}
    assert server.asked[0].query == {}
    assert token.data == {"access_token": "access-two"}
    assert token.rotated == {}
    assert timedelta(minutes=29) < token.expires_at - datetime.now(timezone.utc) <= timedelta(minutes=30)


def test_a_new_refresh_token_replaces_the_old_one():
    with serving(vendor(refresh_token="refresh-two")) as server:
        opened = oauth(server)
        client_of(opened).call("GET", "/x")
        assert opened.tokens.credentials["refresh_token"] == "refresh-two"


def test_a_token_is_renewed_by_the_clock_and_once_on_401():
    with serving(vendor()) as server:
        opened = oauth(server, "access-one")
        now = datetime.now(timezone.utc)
        opened.tokens.token = Token({"access_token": "access-one"}, {}, now + timedelta(minutes=1))
        client_of(opened).call("GET", "/x")
        assert [asked.path for asked in server.asked] == ["/oauth/2026-03/token", "/x"]
        opened.tokens.token = Token({"access_token": "access-one"}, {}, now + timedelta(hours=1))
        server.asked.clear()
        client_of(opened).call("GET", "/x")
        assert [asked.path for asked in server.asked] == ["/x", "/oauth/2026-03/token", "/x"]


@pytest.mark.parametrize(("status", "body"), [
    (400, {"error": "invalid_grant", "error_description": "refresh token is invalid"}),
    (400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}),
    (401, {"error": "invalid_client"}), (403, b"<html>no</html>"),
])
def test_a_refused_login_asks_for_a_person(status, body):
    with serving(lambda asked: Answer(status, body)) as server:
        with pytest.raises(ConnectionRefusedByVendor, match="connect again") as caught:
            client_of(oauth(server)).call("GET", "/x")
    assert "app-secret" not in str(caught.value)
    assert len(server.asked) == 1


def test_an_outage_of_the_login_is_no_refusal():
    with serving(lambda asked: Answer(503, b"<html>", {"Retry-After": "9"})) as server:
        with pytest.raises(TransientError) as caught:
            client_of(oauth(server)).call("GET", "/x")
    assert caught.value.retry_after == 9
    assert caught.value.maybe_done


def test_without_consent_nothing_is_sent():
    with serving(vendor()) as server:
        with pytest.raises(ConnectionRefusedByVendor, match="consent"):
            client_of(oauth(server, refresh_token="")).call("GET", "/x")
        assert server.asked == []


def test_consent():
    with serving(vendor(refresh_token="first")) as server:
        opened = oauth(server, refresh_token="")
        url = urlsplit(CONNECTOR.authorize_url(opened.settings, APP, "https://odoo.example/cb", "state1", "challenge"))
        token = CONNECTOR.exchange_code(opened, "code1", "https://odoo.example/cb", "verifier")
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert (url.netloc, url.path) == ("app.hubspot.com", "/oauth/authorize")
    assert set(query) == {"client_id", "redirect_uri", "scope", "optional_scope", "state"}
    assert "crm.objects.deals.read" in query["scope"].split()
    assert "crm.objects.deals.write" in query["optional_scope"].split()
    assert server.asked[0].form == {
        "grant_type": "authorization_code", "code": "code1", "redirect_uri": "https://odoo.example/cb",
        "client_id": "app-id", "client_secret": "app-secret"}
    assert token.rotated == {"refresh_token": "first"}


SCOPES = {"errors": [{"message": "m", "context": {"requiredGranularScopes": ["crm.objects.deals.read"]}}]}


@pytest.mark.parametrize(("status", "body", "expected"), [
    (400, {"category": "VALIDATION_ERROR"}, DataError), (400, b"", DataError), (414, b"", DataError),
    (403, {"category": "MISSING_SCOPES", **SCOPES}, MissingScopeError), (403, b"<html>", ConnectionRefusedByVendor),
    (404, {"category": "OBJECT_NOT_FOUND"}, NotFoundError), (404, b"<html>", NotFoundError),
    (409, {"category": "CONFLICT"}, ConflictError), (423, {}, TransientError), (429, b"", TransientError),
    (429, {"policyName": "DAILY"}, QuotaError), (477, b"", QuotaError), (500, {"message": "x"}, TransientError),
    (502, b"<html>", TransientError), (521, b"", TransientError), (524, b"", TransientError),
    (526, b"", TransientError), (200, b"<html>", PoisonError), (200, b"[]", PoisonError),
    (200, b'{"a": "\xff"}', PoisonError), (200, b'{"a": ', TransientError),
])
def test_classes(status, body, expected):
    with serving(lambda asked: Answer(status, body)) as server:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is what is looked at
            client_of(session(server)).call("GET", "/x")
    assert type(caught.value) is expected


@pytest.mark.parametrize(("status", "body", "headers", "seconds"), [
    (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, 10), (429, {"policyName": "SECONDLY"}, {}, 1),
    (429, {"message": "You have reached your secondly limit."}, {}, 1),
    (429, {"message": "You have reached your ten_secondly_rolling limit."}, {}, 10),
    (429, {"policyName": "SECONDLY"}, {"Retry-After": "7"}, 7), (423, {}, {}, 3),
    (477, {}, {"Retry-After": "86400"}, 86400),
])
def test_how_long_to_wait(status, body, headers, seconds):
    with serving(lambda asked: Answer(status, body, headers)) as server:
        with pytest.raises(TransientError) as caught:
            client_of(session(server)).call("GET", "/x")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "No/Where"])
def test_the_daily_limit_waits_until_the_accounts_midnight(zone):
    with serving(lambda asked: Answer(429, {"policyName": "DAILY", "category": "RATE_LIMITS"})) as server:
        client = client_of(session(server, time_zone=zone))
        with pytest.raises(QuotaError) as caught:
            client.call("GET", "/x")
    then = datetime.now(client.zone) + timedelta(seconds=caught.value.retry_after)
    assert (then.hour, then.minute) in ((0, 0), (0, 1))
    assert 0 < caught.value.retry_after <= 25 * 3600 + 60


def test_missing_scopes_are_named_and_block_only_their_stream():
    portal = MiniPortal()
    portal.before = lambda asked: error(403, "MISSING_SCOPES", **SCOPES) if "/objects/deals" in asked.path else None
    with serving(portal) as server:
        with pytest.raises(MissingScopeError) as caught:
            read_run(session(server), "deal")
        lines = {line.code: line for line in CONNECTOR.check(session(server))}
    assert caught.value.missing == ("crm.objects.deals.read",)
    assert {code for code, line in lines.items() if not line.ok} == {"deal"}
    assert "crm.objects.deals.read" in lines["deal"].message
    assert lines["deal"].blocks == ("deal",)


def test_the_connection_test_tells_account_and_settings():
    portal = MiniPortal()
    with serving(portal) as server:
        lines = CONNECTOR.check(session(server))
        assert all(line.ok for line in lines)
        assert "424242" in lines[0].message
        assert set(STREAMS) <= {line.code for line in lines}
        lines = {line.code: line for line in CONNECTOR.check(session(server, portal_id="1", time_zone="No/Where"))}
        assert not lines["portal_id"].ok
        assert "424242" in lines["portal_id"].message
        assert lines["time_zone"].blocks == ("deal",)
        lines = {line.code: line for line in CONNECTOR.check(session(server, portal_id=""))}
        assert "424242" in lines["portal_id"].message
        portal.before = lambda asked: error(401, "INVALID_AUTHENTICATION")
        (line,) = CONNECTOR.check(session(server))
        assert not line.ok
        assert line.blocks == ()
        portal.before = lambda asked: Answer(503)
        with pytest.raises(TransientError):
            CONNECTOR.check(session(server))


def test_hubspots_clock_counts():
    with serving(MiniPortal()) as server:
        client = client_of(session(server))
        assert abs(client.now("deals") - NOW) < timedelta(seconds=5)
        client.now("deals")
        assert len(server.asked) == 1


def test_tokens_are_in_no_log(caplog):
    portal = MiniPortal()
    with caplog.at_level("DEBUG"):
        with serving(portal) as server:
            CONNECTOR.check(session(server))
            read_run(session(server), "deal")
            portal.before = lambda asked: error(500, "INTERNAL_ERROR")
            with pytest.raises(TransientError):
                read_run(session(server), "deal")
        with serving(vendor()) as server:
            client_of(oauth(server)).call("GET", "/x")
            CONNECTOR.exchange_code(oauth(server, refresh_token=""), "one-time-code", "https://odoo.example/cb", "v")
    assert "/oauth/2026-03/token" in caplog.text
    for secret in (TOKEN, "app-secret", "refresh-one", "access-two", "one-time-code"):
        assert secret not in caplog.text
