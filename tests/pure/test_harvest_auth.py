from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from wire_server import Answer, serving, session_for

from connectors import get
from connectors.errors import ConnectionRefusedByVendor, PoisonError, TransientError

CONNECTOR = get("harvest")
STREAMS = {stream.code: stream for stream in CONNECTOR.streams}
APP = {"client_id": "app", "client_secret": "app-secret"}
EMPTY = {source: [] for source in ("clients", "users", "projects", "user_assignments", "time_entries", "expenses")}


def oauth(server, credentials=None, token="first"):
    return session_for(server.url, "oauth", credentials or {**APP, "refresh_token": "r1"}, token=token,
                       settings={"base_url": server.url, "account_id": "7"})


def personal(server, **settings):
    return session_for(server.url, "token", {"access_token": "t"}, token=None,
                       settings={"base_url": server.url, "account_id": "7", **settings})


def granted(**more):
    return Answer(body={"access_token": "second", "refresh_token": "r2", "token_type": "bearer", "expires_in": 1209600,
                        **more}, headers={"Date": "Thu, 05 Nov 2026 08:00:00 GMT"})


def test_an_ended_token_is_renewed_once_and_the_rotated_one_is_kept():
    def handler(asked):
        if asked.path == "/api/v2/oauth2/token":
            return granted()
        if asked.headers["Authorization"] == "Bearer first":
            return Answer(401, {"error": "invalid_token", "error_description": "expired"})
        return Answer(body={"id": 1, "updated_at": "2026-11-04T07:12:00Z", "name": "N"})

    with serving(handler) as server:
        session = oauth(server)
        (record,) = CONNECTOR.fetch_records(session, STREAMS["client"], ["1"])
        CONNECTOR.fetch_records(session, STREAMS["client"], ["1"])
    assert record.external_id == "1"
    assert session.tokens.credentials["refresh_token"] == "r2"
    assert session.tokens.token.expires_at == datetime(2026, 11, 19, 8, 0, tzinfo=timezone.utc)
    (asked,) = [asked for asked in server.asked if asked.method == "POST"]
    assert asked.form == {"grant_type": "refresh_token", "refresh_token": "r1", **APP}
    assert asked.headers["User-Agent"].startswith("PSA Hub (")
    assert session.tokens.refreshes == 1


def test_a_token_refused_again_is_a_matter_for_a_person():
    def handler(asked):
        return granted() if asked.method == "POST" else Answer(401, {"error": "invalid_token"})

    with serving(handler) as server:
        with pytest.raises(ConnectionRefusedByVendor):
            CONNECTOR.fetch_records(oauth(server), STREAMS["client"], ["1"])
    assert len(server.asked) == 3


@pytest.mark.parametrize(("answer", "expected"), [
    (Answer(400, {"error": "invalid_grant", "error_description": "refresh_token=r1 was revoked"}),
     ConnectionRefusedByVendor),
    (Answer(503), TransientError), (Answer(200, {"token_type": "bearer"}), PoisonError), (Answer(200, []), PoisonError),
])
def test_a_login_that_fails(answer, expected):
    with serving(lambda asked: answer) as server:
        with pytest.raises(expected) as caught:
            CONNECTOR.fetch_records(oauth(server, token=None), STREAMS["client"], ["1"])
    assert "r1" not in str(caught.value)


def test_without_consent_nobody_is_asked():
    with serving(lambda asked: Answer()) as server:
        with pytest.raises(ConnectionRefusedByVendor, match="consent"):
            CONNECTOR.fetch_records(oauth(server, APP, token=None), STREAMS["client"], ["1"])
    assert server.asked == []


def test_consent_is_for_the_account_of_the_connection():
    url = CONNECTOR.authorize_url({"account_id": "7"}, APP, "https://erp.example.com/cb", "s1", "challenge")
    assert url.startswith("https://id.getharvest.com/oauth2/authorize?")
    assert parse_qs(urlsplit(url).query) == {
        "client_id": ["app"], "response_type": ["code"], "redirect_uri": ["https://erp.example.com/cb"],
        "state": ["s1"], "scope": ["harvest:7"]}


def test_the_code_is_exchanged_for_tokens():
    with serving(lambda asked: granted()) as server:
        token = CONNECTOR.exchange_code(oauth(server, APP, token=None), "c1", "https://erp.example.com/cb", "verifier")
    assert token.data == {"access_token": "second"}
    assert token.rotated == {"refresh_token": "r2"}
    assert server.asked[0].form == {"grant_type": "authorization_code", "code": "c1", **APP}


def test_a_consent_without_refresh_token_is_none():
    with serving(lambda asked: granted(refresh_token=None)) as server:
        with pytest.raises(ConnectionRefusedByVendor, match="refresh token"):
            CONNECTOR.exchange_code(oauth(server, APP, token=None), "c1", "https://erp.example.com/cb", "verifier")


def account(roles=("administrator",), approval=True, refuse=()):
    def handler(asked):
        if asked.path == "/api/v2/accounts":
            assert "Harvest-Account-Id" not in asked.headers
            return Answer(body={"user": {}, "accounts": [{"id": 7, "name": "Studio", "product": "harvest"},
                                                         {"id": 8, "name": "Plan", "product": "forecast"}]})
        name = asked.path.removeprefix("/v2/")
        if name in refuse:
            return Answer(403, {"message": "no"})
        if name == "users/me":
            return Answer(body={"id": 1, "access_roles": list(roles)})
        if name == "company":
            return Answer(body={"name": "Studio", "approval_feature": approval})
        return Answer(body={name: EMPTY[name], "links": {"next": None}})
    return handler


def check(handler, **settings):
    with serving(handler) as server:
        return {line.code: line for line in CONNECTOR.check(personal(server, **settings))}


def test_a_connection_that_is_right():
    lines = check(account())
    assert all(line.ok for line in lines.values())
    assert "Studio" in lines["login"].message


def test_a_wrong_account_is_told_with_the_right_ones():
    lines = check(account(), account_id="8")
    assert list(lines) == ["account"]
    assert "7 (Studio)" in lines["account"].message
    assert not lines["account"].ok


def test_a_refused_token_is_the_checks_only_line():
    lines = check(lambda asked: Answer(401, {"error": "invalid_token"}))
    assert [(line.ok, line.blocks) for line in lines.values()] == [(False, ())]


def test_a_list_that_cannot_be_read_is_named():
    lines = check(account(refuse=["expenses"]))
    assert [code for code, line in lines.items() if not line.ok] == ["expense"]
    assert lines["expense"].blocks == ("expense",)


def test_a_user_who_does_not_see_everything_is_no_good():
    assert check(account(roles=["member"]))["rights"].blocks == ("user", "rate", "time", "expense")


@pytest.mark.parametrize(("approval", "required", "ok"), [
    (True, "yes", True), (True, "no", True), (False, "no", True), (False, "yes", False), (False, "", False),
    (None, "yes", True)])
def test_approval_that_never_comes_is_noticed(approval, required, ok):
    line = check(account(approval=approval), approval_required=required)["approval"]
    assert (line.ok, line.blocks) == (ok, () if ok else ("time", "expense"))


def test_an_outage_says_nothing_about_rights():
    with pytest.raises(TransientError):
        check(lambda asked: Answer(503))
