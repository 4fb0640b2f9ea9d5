"""What Jira's and Tempo's refusals mean for the hub."""

import re

from ..cursor import parse_instant
from ..errors import DataError, QuotaError, TransientError
from ..refusals import body_of, refusal
from ..transport import clock_of, redact

JIRA, TEMPO = "Jira", "Tempo"
#: Jira answers 409 and 423 when a record is being worked on, and the same call succeeds a little later; Tempo does not.
_KINDS = {JIRA: {409: TransientError}, TEMPO: dict.fromkeys((409, 423), DataError)}
_QUOTA_PAUSE_SECONDS = 900
#: The methods by which records are changed; lists are asked for by POST, too.
_WRITES = ("PUT", "DELETE")


def words(response):
    """Return what an error body says in any of the services' shapes, or an empty text (refusals may be web pages)."""
    body = body_of(response)
    errors = body.get("errors") or {}
    entries = errors if isinstance(errors, list) else [errors]
    texts = [text for entry in entries if isinstance(entry, dict) for text in entry.values()]
    texts += [*(body.get("errorMessages") or ()), body.get("message")]
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
    return max(0.0, (moment - clock_of(response)).total_seconds())


def failure(service, response):
    """Return the exception that an unsuccessful :class:`~connectors.transport.Response` stands for."""
    status, said = response.status, words(response)
    text, code = f"{service} answered {status}" + (f": {said}" if said else ""), f"http_{status}"
    if status == 429 and response.headers.get("RateLimit-Reason", "").startswith("jira-quota"):
        return QuotaError("Jira's hourly quota of this app is used up", code, _pause(response) or _QUOTA_PAUSE_SECONDS)
    table, missing = _KINDS[service], (re.sub(r"^https?://[^/]+", "", response.url).partition("?")[0],)
    if status == 401 and response.method in _WRITES and "scope" in said.lower():
        table = {401: DataError}  # the consent is good for reading: the rest goes on
    elif status == 401:
        text = (f"{service} refuses the login: check the token, that it has not expired, and the address of the "
                f"region. {said}".strip())
    elif status == 403 and response.method in _WRITES:
        table = {403: DataError}  # of this record alone: its period is closed, or it is another person's
    elif status == 403:
        text = f"{service} does not let the integration user read this. {said}".strip()
    elif status == 410:
        text = f"{service} has withdrawn this address: the connector needs a newer version"
    return refusal(status, text, code, table, retry_after=_pause(response), maybe_done=response.maybe_done,
                   missing=missing)
