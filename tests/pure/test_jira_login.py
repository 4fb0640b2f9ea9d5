import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from mini_jira import CONNECTOR, CREDENTIALS, STREAMS, MiniJira, read_run
from wire_server import Answer, serving, session_for

from connectors.base import Token
from connectors.errors import (
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    QuotaError,
    TransientError,
)
from connectors.jira import auth
from connectors.jira.client import client_of

APP = {"client_id": "app", "client_secret": "app-secret", "refresh_token": "first-refresh",
       "tempo_token": "tempo-secret"}


@pytest.fixture
def site():
    site = MiniJira()
    with serving(site) as server:
        site.url, site.server = server.url, server
        yield site


# --- tokens ---


def test_check_says_what_works(site):
    lines = CONNECTOR.check(site.session())
    assert all(line.ok for line in lines)
    assert {line.code for line in lines} == {
        "login", "user", "customer", "project", "issue", "worklog", "deletions", "worklog_property",
        "worklog_status"}


@pytest.mark.parametrize("name", ["api_token", "tempo_token", "email"])
def test_a_wrong_login_is_one_line_without_the_secret(site, name):
    credentials = {**CREDENTIALS, name: "wrong-secret"}
    session = session_for(site.url, "api_token", credentials, None, {"jira_url": site.url, "tempo_url": site.url})
    (line,) = CONNECTOR.check(session)
    assert (line.code, line.ok, line.blocks) == ("login", False, ())
    assert ("Tempo" if name == "tempo_token" else "Jira") in line.message
    assert "wrong-secret" not in line.message
    with pytest.raises(ConnectionRefusedByVendor):
        read_run(session, "customer" if name == "tempo_token" else "user")


@pytest.mark.parametrize(("method", "path", "code"), [
    ("GET", "/4/customers", "customer"), ("GET", "/4/worklogs", "worklog"), ("GET", "/4/accounts", "project"),
    ("POST", "/4/timesheet-approvals/logs/search", "worklog"), ("GET", "/rest/api/3/users/search", "user")])
def test_a_missing_right_blocks_what_needs_it(site, method, path, code):
    site.overrides[method, path] = Answer(403, b"<html>Forbidden</html>", {"Content-Type": "text/html"})
    assert [(line.code, line.blocks) for line in CONNECTOR.check(site.session()) if not line.ok] == [(code, (code,))]
    with pytest.raises(MissingScopeError) as caught:
        read_run(site.session(), code)
    assert caught.value.missing == (path,)


def test_check_says_that_the_audit_log_may_not_be_read_and_blocks_nothing(site):
    site.overrides["POST", "/4/papertrail/search"] = Answer(403, b"<html>Forbidden</html>")
    (line,) = [line for line in CONNECTOR.check(site.session()) if line.code == "deletions"]
    assert line.ok
    assert "ATTENTION" in line.message
    assert "webhook" in line.message


def test_an_outage_is_no_refusal(site):
    site.overrides["GET", "/rest/api/3/users/search"] = Answer(503, b"<html>")
    with pytest.raises(TransientError):
        CONNECTOR.check(site.session())


def test_no_secret_is_logged(site, caplog):
    caplog.set_level(logging.DEBUG)
    CONNECTOR.check(site.session())
    assert "/4/worklogs" in caplog.text
    for secret in (*CREDENTIALS.values(), "Basic ", "Bearer "):
        assert secret not in caplog.text


# --- errors ---


@pytest.mark.parametrize(("status", "body", "headers", "expected", "words"), [
    (400, {"errors": {"message": "'from' must be a date"}}, {}, DataError, "must be a date"),
    (400, {"errors": [{"message": "too long"}]}, {}, DataError, "too long"),
    (401, b"<html>Unauthorized</html>", {}, ConnectionRefusedByVendor, "region"),
    (403, b"<html>Forbidden</html>", {}, MissingScopeError, "does not let"),
    (404, {"errors": {"message": "Account not found"}}, {}, NotFoundError, "Account not found"),
    (409, {"errors": {"message": "exists"}}, {}, DataError, "exists"),
    (410, b"", {}, DataError, "newer version"),
    (429, b"", {}, TransientError, "429"),
    (500, b"<html>", {}, TransientError, "500"),
])
def test_tempos_errors(site, status, body, headers, expected, words):
    site.overrides["GET", "/4/x"] = Answer(status, body, headers)
    with pytest.raises(expected, match=words) as caught:
        client_of(site.session()).tempo("GET", "/4/x")
    assert type(caught.value) is expected
    assert "<" not in str(caught.value)


@pytest.mark.parametrize(("status", "body", "expected"), [
    (400, {"errorMessages": [], "errors": {"jql": "Field is unknown"}, "status": 400}, DataError),
    (409, {"errorMessages": ["busy"]}, TransientError),
    (423, b"", TransientError),
    (403, {"errorMessages": ["You lack Browse users"]}, MissingScopeError),
    (410, {"errorMessages": ["removed, see CHANGE-2046"]}, DataError),
])
def test_jiras_errors(site, status, body, expected):
    site.overrides["GET", "/rest/api/3/x"] = Answer(status, body)
    with pytest.raises(expected) as caught:
        client_of(site.session()).jira("GET", "/x")
    assert type(caught.value) is expected


@pytest.mark.parametrize(("headers", "expected", "seconds"), [
    ({"Retry-After": "7"}, TransientError, 7),
    ({"X-RateLimit-Reset": "2026-07-03T06:02:00Z", "RateLimit-Reason": "jira-burst-based"}, TransientError, 120),
    ({"X-RateLimit-Reset": "2026-07-03T06:02Z"}, TransientError, 120),
    ({"X-RateLimit-Reset": "2026-99-03T06:02Z"}, TransientError, None),
    ({"Retry-After": "1800", "RateLimit-Reason": "jira-quota-global-based"}, QuotaError, 1800),
    ({"RateLimit-Reason": "jira-quota-tenant-based"}, QuotaError, 900),
    ({"RateLimit-Reason": "jira-per-issue-on-write"}, TransientError, None),
])
def test_jiras_limits(site, headers, expected, seconds):
    site.overrides["GET", "/rest/api/3/x"] = Answer(429, {"errorMessages": ["slow down"]}, headers)
    with pytest.raises(expected) as caught:
        client_of(site.session()).jira("GET", "/x")
    assert (type(caught.value), caught.value.retry_after) == (expected, seconds)


# --- consent ---


class Atlassian:
    """Login, the list of sites, and Jira behind the cloud id; only ``valid`` is a good access token."""

    def __init__(self):
        self.valid, self.refresh, self.grants, self.url, self.sites = "access-1", "first-refresh", [], "", None

    def __call__(self, asked):
        if asked.path == "/oauth/token":
            self.grants.append(asked.json)
            if asked.json.get("refresh_token", self.refresh) != self.refresh:
                return Answer(403, {"error": "unauthorized_client", "error_description": "refresh_token is invalid"})
            number = len(self.grants) + 1
            self.valid, self.refresh = f"access-{number}", f"refresh-{number}"
            return Answer(body={"access_token": self.valid, "refresh_token": self.refresh, "expires_in": 3600,
                                "scope": auth.SCOPES})
        if asked.headers.get("Authorization") != f"Bearer {self.valid}":
            return Answer(401, {"code": 401, "message": "Unauthorized"})
        if asked.path == "/oauth/token/accessible-resources":
            return Answer(body=self.sites or [{"id": "other", "url": "https://other.atlassian.net"},
                                              {"id": "cloud-1", "url": self.url}])
        return Answer(body=[]) if asked.path == "/ex/jira/cloud-1/rest/api/3/users/search" else Answer(404, {})


@pytest.fixture
def atlassian():
    app = Atlassian()
    with serving(app) as server:
        app.url, app.server = server.url, server
        yield app


def consented(atlassian, token="access-1", **credentials):
    return session_for(atlassian.url, "oauth", {**APP, **credentials}, token, {"jira_url": atlassian.url})


def test_calls_go_to_the_site_of_the_settings(atlassian):
    assert read_run(consented(atlassian), "user")[0] == []
    assert [item.path for item in atlassian.server.asked] == [
        "/oauth/token/accessible-resources", "/ex/jira/cloud-1/rest/api/3/users/search"]


@pytest.mark.parametrize("token", [None, "expired"])
def test_a_refresh_token_that_rotates_is_stored_and_used_once(atlassian, token):
    session = consented(atlassian, token)
    read_run(session, "user")
    assert atlassian.grants == [{"grant_type": "refresh_token", "client_id": "app", "client_secret": "app-secret",
                                 "refresh_token": "first-refresh"}]
    assert session.tokens.credentials["refresh_token"] == "refresh-2"
    assert "refresh_token" not in session.tokens.token.data
    assert session.tokens.token.expires_at is not None
    atlassian.valid = "ended"
    read_run(session, "user")
    assert session.tokens.credentials["refresh_token"] == "refresh-3"


@pytest.mark.parametrize(("scopes", "ok"), [
    (["read:jira-work", "read:jira-user", "write:jira-work"], True), (["read:jira-work", "read:jira-user"], False),
    (None, True)])
def test_a_consent_that_only_reads_blocks_the_write_back(atlassian, scopes, ok):
    told = {} if scopes is None else {"scopes": scopes}
    atlassian.sites = [{"id": "cloud-1", "url": atlassian.url, **told}]
    session = consented(atlassian)
    session.settings["tempo_url"] = atlassian.url  # knows nothing of Tempo: its lines are not of interest here
    session.credentials["tempo_token"] = "access-1"
    (line,) = [line for line in CONNECTOR.check(session) if line.code == "worklog_property"]
    assert (line.ok, line.blocks) == (ok, () if ok else ("worklog_status",))
    assert ("write:jira-work" in line.message) is not ok


def test_a_consent_that_was_taken_back_waits_for_a_person(atlassian):
    atlassian.refresh = "unknown"
    with pytest.raises(ConnectionRefusedByVendor, match="Connect again") as caught:
        read_run(consented(atlassian, None), "user")
    assert "first-refresh" not in str(caught.value)
    with pytest.raises(ConnectionRefusedByVendor, match="consent"):
        read_run(consented(atlassian, None, refresh_token=""), "user")


def test_a_consent_for_another_site_is_refused(atlassian):
    atlassian.sites = [{"id": "other", "url": "https://other.atlassian.net"}]
    with pytest.raises(ConnectionRefusedByVendor, match=r"other\.atlassian\.net"):
        read_run(consented(atlassian), "user")


def test_an_outage_of_the_login_is_no_refusal():
    with serving(lambda asked: Answer(503, b"<html>", {"Retry-After": "9"})) as server:
        session = session_for(server.url, "oauth", APP, None)
        with pytest.raises(TransientError) as caught:
            auth.authenticate(session, session.credentials)
    assert (caught.value.retry_after, caught.value.maybe_done) == (9, True)


def test_a_login_answer_without_token_is_poison():
    with serving(lambda asked: Answer(body={"scope": "x"})) as server:
        session = session_for(server.url, "oauth", APP, None)
        with pytest.raises(PoisonError):
            auth.authenticate(session, session.credentials)


def test_the_consent(atlassian):
    url = urlsplit(CONNECTOR.authorize_url({}, APP, "https://erp.example/cb", "state-1", "challenge"))
    query = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert (url.netloc, url.path) == ("auth.atlassian.com", "/authorize")
    assert query == {"audience": "api.atlassian.com", "client_id": "app", "redirect_uri": "https://erp.example/cb",
                     "state": "state-1", "response_type": "code", "prompt": "consent", "scope": auth.SCOPES}
    assert "offline_access" in auth.SCOPES
    session = consented(atlassian, None)
    token = CONNECTOR.exchange_code(session, "code-1", "https://erp.example/cb", "verifier")
    assert isinstance(token, Token)
    assert token.rotated == {"refresh_token": "refresh-2"}
    assert atlassian.grants[0] == {"grant_type": "authorization_code", "client_id": "app",
                                   "client_secret": "app-secret", "code": "code-1",
                                   "redirect_uri": "https://erp.example/cb"}


def test_a_consent_without_a_refresh_token_is_refused_with_advice():
    with serving(lambda asked: Answer(body={"access_token": "x"})) as server:
        session = session_for(server.url, "oauth", APP, None)
        with pytest.raises(ConnectionRefusedByVendor, match="offline_access"):
            CONNECTOR.exchange_code(session, "code", "https://erp.example/cb", "v")


def test_where_jira_is_called_with_a_consent():
    assert auth.api_url({}) == "https://api.atlassian.com"
    assert auth.api_url({"login_url": "https://auth.atlassian.com/"}) == "https://api.atlassian.com"
    assert auth.api_url({"login_url": "http://127.0.0.1:9"}) == "http://127.0.0.1:9"


def test_all_cases_that_cannot_happen_have_a_reason():
    assert set(CONNECTOR.not_applicable) == {"merge", "null_cursor", "webhook_stale"}
    assert all(CONNECTOR.not_applicable.values())
    assert {stream.code for stream in CONNECTOR.streams} == set(STREAMS)
