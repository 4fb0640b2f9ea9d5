import pytest
from wire_server import Answer, serving, session_for

from connectors.errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    QuotaError,
    TransientError,
)
from connectors.salesforce.client import client_of
from connectors.salesforce.errors import classify


def failing(status, body, method="GET", write=False, headers=None):
    with serving(lambda asked: Answer(status, body, headers)) as server:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is what the tests look at
            client_of(session_for(server.url)).call(method, "/x", write=write)
        return caught.value


def error(code, message="text", **more):
    return [{"errorCode": code, "message": message, **more}]


@pytest.mark.parametrize(("status", "body", "expected"), [
    (400, error("UNABLE_TO_LOCK_ROW"), TransientError),
    (403, error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), QuotaError),
    (403, error("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), TransientError),
    (400, error("QUERY_TIMEOUT"), TransientError),
    (503, error("SERVER_UNAVAILABLE"), TransientError),
    (500, error("UNKNOWN_EXCEPTION"), TransientError),
    (400, error("INVALID_QUERY_LOCATOR"), TransientError),
    (400, error("INVALID_FIELD"), MissingScopeError),
    (400, error("INVALID_TYPE"), MissingScopeError),
    (403, error("API_DISABLED_FOR_ORG"), ConnectionRefusedByVendor),
    (400, error("MALFORMED_QUERY"), DataError),
    (404, error("NOT_FOUND"), NotFoundError),
    (400, error("ENTITY_IS_LOCKED"), ConflictError),
    (400, error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Number is not allowed"), DataError),
    (400, error("DUPLICATE_VALUE"), ConflictError),
    (400, error("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: UNABLE_TO_LOCK_ROW"), TransientError),
    (400, error("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: no"), DataError),
    (406, b"", TransientError),
    (420, b"", TransientError),
    (502, b"<html>gateway</html>", TransientError),
    (503, b"", TransientError),
    (404, b"<html>", NotFoundError),
    (403, b"", ConnectionRefusedByVendor),
    (400, b"", DataError),
])
def test_classes(status, body, expected):
    caught = failing(status, body)
    assert type(caught) is expected


def test_the_daily_quota_waits_long_and_concurrency_short():
    daily = failing(403, error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
    crowd = failing(403, error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."))
    assert daily.retry_after >= 3600
    assert crowd.retry_after <= 60
    assert not isinstance(crowd, QuotaError)


def test_retry_after_is_honoured():
    assert failing(429, b"", headers={"Retry-After": "11"}).retry_after == 11


def test_an_outage_during_a_write_leaves_doubt():
    assert failing(503, b"", "PATCH", write=True).maybe_done is True
    assert failing(503, b"").maybe_done is False
    assert failing(429, b"", "PATCH", write=True).maybe_done is False


@pytest.mark.parametrize("code", ["INVALID_FIELD", "INSUFFICIENT_ACCESS_OR_READONLY"])
def test_a_right_that_one_record_lacks_stops_that_record_only(code):
    assert type(classify(code, "no", write=True)) is DataError
    assert type(classify(code, "no")) is MissingScopeError


def test_the_vendors_words_are_shown_without_secrets():
    caught = failing(400, error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Invoice Date is locked; access_token=ABCDEF"))
    assert "Invoice Date is locked" in str(caught)
    assert "ABCDEF" not in str(caught)


# --- quota ---


@pytest.mark.parametrize(("header", "quota"), [
    ("api-usage=18/5000", {"used": 18, "limit": 5000}),
    ("api-usage=25/5000; per-app-api-usage=17/250(appName=my-app)", {"used": 25, "limit": 5000}),
    ("per-app-api-usage=17/250(appName=my-app), api-usage=26/5000", {"used": 26, "limit": 5000}),
])
def test_usage_header(header, quota):
    with serving(lambda asked: Answer(body={}, headers={"Sforce-Limit-Info": header})) as server:
        session = session_for(server.url)
        client_of(session).call("GET", "/limits")
    assert session.memory["quota"] == quota


def test_reading_stops_before_the_quota_is_gone_and_writing_goes_on():
    with serving(lambda asked: Answer(body={}, headers={"Sforce-Limit-Info": "api-usage=4500/5000"})) as server:
        session = session_for(server.url)
        client = client_of(session)
        client.call("GET", "/limits")
        with pytest.raises(QuotaError, match="4500 of its 5000"):
            client.call("GET", "/limits")
        client.call("PATCH", "/x", json={}, write=True)
        assert len(server.asked) == 2
