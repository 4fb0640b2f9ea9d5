"""The client that vendors derive theirs from, refusals by table, signatures, and lines of a connection test."""

from datetime import datetime, timedelta, timezone

import pytest
from wire_server import Answer, serving, session_for

from connectors.base import SettingField, Token
from connectors.checks import check_login, check_right
from connectors.errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    SignatureError,
    StaleSignatureError,
    TransientError,
    UnsafeUrlError,
)
from connectors.refusals import body_of, refusal
from connectors.rest import RestClient
from connectors.signatures import base64_digest, check_age, check_signature, hex_digest, secrets_of

MESSAGE, NOW = b"body", datetime(2026, 7, 3, 6, 0, tzinfo=timezone.utc)


class Acme(RestClient):
    vendor = "Acme"
    settings = (SettingField("base_url", "API address"),)
    prefix = "/v1"

    def login(self, credentials):
        return Token({"access_token": f"{self.session.tokens.token.data['access_token']}+"})

    def failure(self, response):
        return refusal(response.status, "refused", str(body_of(response).get("code") or ""),
                       {"locked": TransientError}, retry_after=response.retry_after, maybe_done=response.maybe_done)


class Key(Acme):
    def authorization(self):
        return "Key k"


def client(server, kind=Acme):
    return kind.of(session_for(server.url, token="t", settings={"base_url": f"{server.url}/"}))


def test_a_refused_token_is_renewed_once():
    with serving(lambda asked: Answer(401 if asked.headers["Authorization"] == "Bearer t" else 200, {})) as server:
        assert client(server).call("GET", "/things") == {}
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer t", "Bearer t+"]
    assert server.asked[0].path == "/v1/things"
    with serving(lambda asked: Answer(401)) as server:
        with pytest.raises(ConnectionRefusedByVendor):
            client(server).call("GET", "/things")
        assert len(server.asked) == 2


@pytest.mark.parametrize(("early", "minutes", "used"), [
    (timedelta(minutes=5), 4, "t+"), (timedelta(minutes=5), 6, "t"), (None, -1, "t")])
def test_a_token_that_ends_is_renewed_before(early, minutes, used):
    with serving(lambda asked: Answer(200, {})) as server:
        own = client(server)
        own.renew_early = early
        own.session.tokens.token = Token({"access_token": "t"}, {}, datetime.now(timezone.utc) + timedelta(
            minutes=minutes))
        own.call("GET", "/things")
    assert [asked.headers["Authorization"] for asked in server.asked] == [f"Bearer {used}"]


def test_a_key_is_never_renewed():
    with serving(lambda asked: Answer(401)) as server:
        with pytest.raises(ConnectionRefusedByVendor):
            client(server, Key).call("GET", "/things")
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Key k"]


@pytest.mark.parametrize("link", ["{}.evil.example/v1/2", "https://evil.example/v1/2", "http://t@evil.example/v1/2"])
def test_a_link_is_followed_at_the_same_server_only(link):
    with serving(lambda asked: Answer(200, {})) as server:
        own = client(server)
        own.call("GET", f"{server.url}/v1/things?page=2")
        assert (server.asked[0].path, server.asked[0].query) == ("/v1/things", {"page": "2"})
        with pytest.raises(UnsafeUrlError):
            own.call("GET", link.format(server.url))
        assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "body", "expected"), [
    (400, {}, DataError), (400, {"code": "locked"}, TransientError), (403, b"<html>", MissingScopeError),
    (404, {}, NotFoundError), (409, {}, ConflictError), (423, [], TransientError), (429, {}, TransientError),
    (503, b"", TransientError), (599, b"", TransientError), (200, [], PoisonError), (200, b"<html>", PoisonError)])
def test_what_an_answer_means(status, body, expected):
    with serving(lambda asked: Answer(status, body, {"Retry-After": "7"})) as server:
        with pytest.raises(expected) as caught:
            client(server).call("POST", "/things", json={})
    assert type(caught.value) is expected
    if expected is TransientError:
        assert (caught.value.retry_after, caught.value.maybe_done) == (7, status >= 500)


def test_a_list_and_what_is_not_there():
    with serving(lambda asked: Answer(404 if asked.path.endswith("/2") else 200, [1])) as server:
        own = client(server)
        assert own.call("GET", "/things", kind=list) == [1]
        assert own.find("/things/2")[0] is None
        with pytest.raises(PoisonError):
            own.find("/things/1")


def test_the_vendors_clock():
    with serving(lambda asked: Answer(200, {}, {"Date": "Fri, 03 Jul 2026 06:00:00 GMT"})) as server:
        own = client(server)
        assert abs(own.now("/things") - NOW) < timedelta(seconds=5)
        own.now("/things")
    assert len(server.asked) == 1


def test_one_client_a_session():
    with serving(lambda asked: Answer(200, {})) as server:
        own = client(server)
        assert Acme.of(own.session) is own
        assert Key.of(own.session) is not own


@pytest.mark.parametrize("digest", [hex_digest, base64_digest])
def test_each_secret_may_have_signed(digest):
    given = [digest("old", MESSAGE)]
    check_signature(["new", "old"], MESSAGE, ["wrong", *given], digest)
    for secrets, message, signatures in ((["new"], MESSAGE, given), ([], MESSAGE, given), (["old"], b"other", given),
                                         (["old"], MESSAGE, []), (["old"], MESSAGE, ["ü\udcff"])):
        with pytest.raises(SignatureError):
            check_signature(secrets, message, signatures, digest)


def test_secrets_may_stand_in_lines_and_be_absent():
    assert secrets_of([{"a": "x\ny "}, {"a": None}, {}], "a") == ["x", "y"]


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_is_of_now(seconds):
    check_age(NOW.timestamp() + seconds // 2, NOW)
    with pytest.raises(StaleSignatureError):
        check_age(NOW.timestamp() + seconds, NOW)


def look(error):
    def raising():
        raise error
    return raising


def test_lines_of_a_connection_test():
    assert check_right("x", "X", lambda: "read").ok
    assert check_right("x", "X", look(MissingScopeError("no"))).blocks == ("x",)
    assert check_right("x", "X", look(DataError("no")), ("y", "z")).blocks == ("y", "z")
    assert check_login(lambda: "in").ok
    line = check_login(look(ConnectionRefusedByVendor("no")))
    assert (line.ok, line.blocks) == (False, ())
    for check in (check_login, lambda look: check_right("x", "X", look)):
        with pytest.raises(TransientError):
            check(look(TransientError("later")))
    with pytest.raises(ConnectionRefusedByVendor):
        check_right("x", "X", look(ConnectionRefusedByVendor("no")))
