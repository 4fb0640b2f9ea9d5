"""What DocuSign's error codes mean for the hub."""

from datetime import datetime, timezone

from ..cursor import parse_instant
from ..errors import (
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    QuotaError,
    TransientError,
)
from ..transport import redact

HOUR = 3600
HOURLY = "HOURLY_APIINVOCATION_LIMIT_EXCEEDED"
#: Limits that pass by themselves, with the seconds to wait. DocuSign sends them as 400 or 429.
_PAUSES = {
    "BURST_APIINVOCATION_LIMIT_EXCEEDED": 30,
    "HOURLY_APIINVOCATION_ENVELOPE_LIMIT_EXCEEDED": 900,
    "HOURLY_ENVELOPE_POLLING_LIMIT_EXCEEDED": 900,
}


def error_of(response):
    """Return ``(code, message)`` of an error body, REST or OAuth; empty texts when it is something else."""
    try:
        body = response.json()
    except (PoisonError, TransientError):
        return "", ""  # an outage page: the status alone has to say it
    if not isinstance(body, dict):
        return "", ""
    code = body.get("errorCode") or body.get("error") or ""
    return str(code), redact(body.get("message") or body.get("error_description") or "")


def _seconds_to_reset(response):
    """Return the seconds until the hourly window begins anew: as the header says, else the next full hour."""
    now = (response.date or datetime.now(timezone.utc)).timestamp()
    reset = (response.headers.get("X-RateLimit-Reset") or "").strip()
    try:
        seconds = (float(reset) if reset.isdigit() else parse_instant(reset).timestamp()) - now
    except ValueError:
        seconds = 0
    return min(seconds, HOUR) if seconds > 0 else HOUR - now % HOUR


def from_response(response):
    """Return the exception that an unsuccessful :class:`~connectors.transport.Response` of a read stands for."""
    code, message = error_of(response)
    kind, status = code.upper(), response.status
    text, code = f"DocuSign: {message or code or f'answer {status}'}", kind or f"http_{status}"
    if kind == HOURLY:
        return QuotaError(text, code, response.retry_after or _seconds_to_reset(response))
    if kind in _PAUSES:
        return TransientError(text, code, response.retry_after or _PAUSES[kind])
    if status >= 500 or status in (408, 409, 425, 429):
        return TransientError(text, code, response.retry_after)
    if status == 401:
        return ConnectionRefusedByVendor(f"{text}. The token that it has just given is refused", code)
    if status == 403 or "LACKS_PERMISSION" in kind:
        return MissingScopeError(text, code, (message or code,))
    if status in (404, 410) or kind == "ENVELOPE_DOES_NOT_EXIST":
        return NotFoundError(text, code)
    return DataError(text, code)
