from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from mini_docusign import ROOT, MiniDocuSign, ago, envelope, read_run, session_of
from wire_server import Answer, serving

from connectors.docusign.client import client_of
from connectors.errors import (
    ConnectionRefusedByVendor,
    ConnectorError,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    QuotaError,
    TransientError,
)

AT = datetime(2026, 9, 21, 11, 40, 0, tzinfo=timezone.utc)
DATE = format_datetime(AT, usegmt=True)
HOURLY, BURST = "HOURLY_APIINVOCATION_LIMIT_EXCEEDED", "BURST_APIINVOCATION_LIMIT_EXCEEDED"


def failure(status, body, headers=None):
    vendor = MiniDocuSign()
    answer = Answer(status, body, {"Date": DATE, **(headers or {})})
    vendor.refuse = lambda asked: answer if ROOT in asked.path else None
    with serving(vendor) as server, pytest.raises(ConnectorError) as caught:
        client_of(session_of(server)).envelopes(envelope_ids="a", count=1)
    return caught.value


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize(("code", "headers", "expected", "seconds"), [
    (HOURLY, {}, QuotaError, 1200),
    (HOURLY, {"X-RateLimit-Reset": str(int(AT.timestamp()) + 77)}, QuotaError, 77),
    (HOURLY, {"X-RateLimit-Reset": "soon"}, QuotaError, 1200),
    (HOURLY, {"X-RateLimit-Reset": "2026-09-21T11:41:00Z"}, QuotaError, 60),
    (HOURLY, {"X-RateLimit-Reset": "1"}, QuotaError, 1200),
    (HOURLY, {"Retry-After": "7"}, QuotaError, 7),
    (BURST.lower(), {}, TransientError, 30),
    ("Hourly_APIInvocation_Envelope_Limit_Exceeded", {}, TransientError, 900),
    ("Hourly_Envelope_Polling_Limit_Exceeded", {}, TransientError, 900),
])
def test_a_limit_is_known_by_its_code_whatever_the_status(status, code, headers, expected, seconds):
    error = failure(status, {"errorCode": code, "message": "The maximum number has been exceeded."}, headers)
    assert type(error) is expected
    assert (error.code, error.retry_after) == (code.upper(), seconds)


@pytest.mark.parametrize(("status", "body", "expected"), [
    (400, {"errorCode": "INVALID_REQUEST_PARAMETER", "message": "from_date"}, DataError),
    (400, {"errorCode": "ENVELOPE_DOES_NOT_EXIST", "message": "gone"}, NotFoundError),
    (404, {"errorCode": "RESOURCE_NOT_FOUND", "message": "gone"}, NotFoundError),
    (403, {"errorCode": "ACCOUNT_LACKS_PERMISSIONS", "message": "no"}, MissingScopeError),
    (400, {"errorCode": "USER_LACKS_PERMISSIONS", "message": "no"}, MissingScopeError),
    (401, {"errorCode": "AUTHORIZATION_INVALID_TOKEN", "message": "no"}, ConnectionRefusedByVendor),
    (409, {"errorCode": "EDIT_CONFLICT", "message": "later"}, TransientError),
    (429, b"", TransientError), (500, {"errorCode": "UNSPECIFIED_ERROR"}, TransientError),
    (503, b"<html>", TransientError), (400, [], DataError),
    (200, {"envelopes": [{}]}, PoisonError), (200, [], PoisonError), (200, b"<html>", PoisonError),
    (200, {"envelopes": [{}], "totalSetSize": "many"}, PoisonError),
])
def test_classes(status, body, expected):
    error = failure(status, body)
    assert type(error) is expected, repr(error)
    if expected is MissingScopeError:
        assert error.missing == ("no",)


def test_a_message_shows_no_secret():
    error = failure(400, {"errorCode": "X", "message": "bad header: Authorization: Bearer eyJhbGciOi"})
    assert "eyJhbGciOi" not in str(error)


def test_an_envelope_without_a_time_is_told():
    vendor = MiniDocuSign(envelope(1, ago(days=1)))
    page = {"totalSetSize": "1", "envelopes": [{**vendor.rows[0], "statusChangedDateTime": "yesterday"}]}
    vendor.refuse = lambda asked: Answer(body=page) if ROOT in asked.path else None
    with serving(vendor) as server, pytest.raises(PoisonError, match="time"):
        read_run(server)
