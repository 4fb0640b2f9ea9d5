"""What Jira's and Tempo's refusals mean for the hub."""

import re
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
from ..transport import OUTAGE_STATUSES, redact

JIRA, TEMPO = "Jira", "Tempo"
#: Jira answers these when a record is being worked on: the same call succeeds a little later.
_LOCKED = frozenset({409, 423})
_QUOTA_PAUSE_SECONDS = 900


def words(response):
    """Return what an error body says in any of the services' shapes, or an empty text (refusals may be web pages)."""
    try:
        body = response.json()
    except (PoisonError, TransientError):
        return ""
    body = body if isinstance(body, dict) else {}
    errors = body.get("errors") or {}
    entries = errors if isinstance(errors, list) else [errors]
    texts = [text for entry in entries if isinstance(entry, dict) for text in entry.values()]
    texts += [*(body.get("errorMessages") or ()), *(body.get(name) for name in ("error_description", "message"))]
    return redact("; ".join(text for text in texts or (body.get("error"),) if isinstance(text, str)))[:300]


def _pause(response):
    """Return the seconds to wait: ``Retry-After``, else until the moment of ``X-RateLimit-Reset``, else None."""
    reset = response.headers.get("X-RateLimit-Reset", "")
    if response.retry_after is not None or not re.match(r"\d{4}-", reset):
        return response.retry_after
    try:
        # Jira writes this one moment without seconds.
        moment = parse_instant(re.sub(r"T(\d\d:\d\d)(?=[Z+-])", r"T\1:00", reset))
    except ValueError:
        return None
    return max(0.0, (moment - (response.date or datetime.now(timezone.utc))).total_seconds())


def failure(service, response, write=False):
    """Return the exception that an unsuccessful :class:`~connectors.transport.Response` stands for."""
    status, said = response.status, words(response)
    text, code = f"{service} answered {status}" + (f": {said}" if said else ""), f"http_{status}"
    if status == 429 and response.headers.get("RateLimit-Reason", "").startswith("jira-quota"):
        return QuotaError("Jira's hourly quota of this app is used up", code, _pause(response) or _QUOTA_PAUSE_SECONDS)
    if status in OUTAGE_STATUSES or status >= 500 or (service == JIRA and status in _LOCKED):
        return TransientError(text, code, _pause(response), maybe_done=write and (status >= 500 or status == 408))
    if status == 401:
        return ConnectionRefusedByVendor(
            f"{service} refuses the login: check the token, that it has not expired, and the address of the region. "
            f"{said}".strip(), code)
    if status == 403 and not write:
        return MissingScopeError(f"{service} does not let the integration user read this. {said}".strip(), code,
                                 (re.sub(r"^https?://[^/]+", "", response.url).partition("?")[0],))
    if status == 404:
        return NotFoundError(text, code)
    if status == 410:
        return DataError(f"{service} has withdrawn this address: the connector needs a newer version", code)
    return DataError(text, code)
