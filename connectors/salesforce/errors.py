"""What Salesforce's error codes mean for the hub.

Source: the platform's StatusCode and ExceptionCode lists; the class of each code is this project's reading of them.
"""

from ..errors import (
    ConflictError,
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

#: Session is not valid (any more): logging in again may mend it.
SESSION_CODES = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
#: ... but not when the message says one of these: a new session would be refused for the same reason.
_HOPELESS_SESSION = ("Connected app is not attached to Agent", "not valid for use with the REST API")

_TRANSIENT = frozenset({
    "UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT", "SERVER_UNAVAILABLE", "SERVICE_UNAVAILABLE",
    "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE", "API_CURRENTLY_DISABLED", "ORG_IN_MAINTENANCE",
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "REQUEST_RUNNING_TOO_LONG", "OPERATION_TOO_LARGE",
    "EXCEEDED_QUOTA", "TOO_MANY_APEX_REQUESTS", "UNKNOWN_EXCEPTION", "INTERNAL_ERROR", "INVALID_QUERY_LOCATOR",
    "INVALID_LOCATOR", "RECORD_IN_USE_BY_WORKFLOW", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "PROCESSING_HALTED",
})
_MISSING_RIGHT = frozenset({
    "INVALID_FIELD", "INVALID_TYPE", "INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS",
    "TXN_SECURITY_METERING_ERROR", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
})
#: Refusals of one record where the same codes, on a read, would mean a right that the whole stream lacks.
_MISSING_RIGHT_ON_WRITE = frozenset({"INVALID_FIELD", "INVALID_TYPE", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
                                     "INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS"})
_REFUSED_LOGIN = frozenset({"API_DISABLED_FOR_ORG", "LOGIN_MUST_USE_SECURITY_TOKEN", "INVALID_LOGIN",
                            "UNSUPPORTED_API_VERSION", "STORAGE_LIMIT_EXCEEDED"})
_CONFLICT = frozenset({"ENTITY_IS_LOCKED", "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "DUPLICATES_DETECTED",
                       "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})
_GONE = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})
#: Automation of the org failed; these words in its message say that the cause was load, not data.
_AUTOMATION = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER", "FLOW_EXCEPTION",
                         "APEX_FAILED"})
_LOAD_WORDS = ("UNABLE_TO_LOCK_ROW", "Apex CPU time limit", "Too many SOQL queries")

#: Statuses that mean an outage even without a code (406 and 420 come from the edge, with an empty body).
OUTAGE_STATUSES = frozenset({406, 408, 420, 425, 429, 500, 502, 503, 504})


def first_error(body):
    """Return ``(code, message, fields)`` of an error body in any of Salesforce's shapes, or None.

    Whole-request errors are an array with ``errorCode``, results of collections carry ``statusCode``, OAuth answers
    are an object with ``error``.
    """
    if isinstance(body, list) and body and isinstance(body[0], dict):
        entry = body[0]
    elif isinstance(body, dict):
        entry = body
    else:
        return None
    code = entry.get("errorCode") or entry.get("statusCode") or entry.get("error") or ""
    message = entry.get("message") or entry.get("error_description") or ""
    return (str(code), redact(message), list(entry.get("fields") or ())) if code or message else None


def is_expired_session(status, body):
    """True when logging in again can help."""
    found = first_error(body)
    if status != 401 or found is None:
        return status == 401
    return not any(words in found[1] for words in _HOPELESS_SESSION)


def _limit_error(message, retry_after, maybe_done):
    """Tell the daily quota (hours) from too many calls at once (seconds)."""
    if "TotalRequests" in message:
        return QuotaError("The org's daily number of API calls is used up", "REQUEST_LIMIT_EXCEEDED",
                          retry_after or HOUR)
    return TransientError(f"Too many calls at once: {message}", "REQUEST_LIMIT_EXCEEDED", retry_after or 30,
                          maybe_done)


def classify(code, message, *, fields=(), retry_after=None, write=False, maybe_done=False):
    """Return the exception for one Salesforce error.

    :param write: the error answers a write of one record, so that it says something about that record only
    """
    text = f"Salesforce: {message or code}"
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _limit_error(message, retry_after, maybe_done)
    if code == "LIMIT_EXCEEDED":
        return QuotaError(text, code, retry_after or HOUR)
    if code in _TRANSIENT or (code in _AUTOMATION and any(words in message for words in _LOAD_WORDS)):
        return TransientError(text, code, retry_after, maybe_done)
    if code in SESSION_CODES or code in _REFUSED_LOGIN:
        return ConnectionRefusedByVendor(text, code)
    if code in _CONFLICT:
        return ConflictError(text, code)
    if code in _GONE:
        return NotFoundError(text, code)
    if code in _MISSING_RIGHT and not (write and code in _MISSING_RIGHT_ON_WRITE):
        return MissingScopeError(text, code, fields or (message,))
    return DataError(text, code)


def from_response(response, write=False):
    """Return the exception that an unsuccessful :class:`~connectors.transport.Response` stands for."""
    maybe_done = response.method != "GET" and (response.status >= 500 or response.status == 408)
    try:
        found = first_error(response.json())
    except (PoisonError, TransientError):
        found = None  # an outage page: the status alone has to say it
    if found is not None and found[0]:
        code, message, fields = found
        error = classify(code, message, fields=fields, retry_after=response.retry_after, write=write,
                         maybe_done=maybe_done)
        if response.status not in OUTAGE_STATUSES or isinstance(error, TransientError):
            return error
    if response.status in OUTAGE_STATUSES:
        return TransientError(f"Salesforce answered {response.status}", f"http_{response.status}",
                              response.retry_after, maybe_done)
    if response.status in (401, 403):
        return ConnectionRefusedByVendor(f"Salesforce refused the call ({response.status})",
                                         f"http_{response.status}")
    if response.status in (404, 410):
        return NotFoundError("Salesforce does not know the record or address", f"http_{response.status}")
    return DataError(f"Salesforce refused the call ({response.status})", f"http_{response.status}")
