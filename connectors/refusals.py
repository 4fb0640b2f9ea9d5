"""What a refusal means: the statuses that say the same in every vendor's language, and a table for what a vendor adds.

A vendor's table is ``{its error code or a status: exception class}``. What is not in it has its usual meaning: an
outage is :class:`TransientError`, any other refusal a :class:`DataError` unless :data:`USUAL` knows better.
"""

from .errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    TransientError,
)
from .transport import is_outage

USUAL = {401: ConnectionRefusedByVendor, 403: MissingScopeError, 404: NotFoundError, 409: ConflictError,
         423: TransientError}


def body_of(response):
    """Return the JSON object of a refusal; an empty dict for a gateway's page, whose status alone has to say it."""
    try:
        body = response.json()
    except (PoisonError, TransientError):
        return {}
    return body if isinstance(body, dict) else {}


def kind_of(status, code="", table=None):
    """Return the exception class of an error; the vendor's code is asked first."""
    for known in (table or {}, USUAL):
        for key in (code, status):
            if key in known:
                return known[key]
    return TransientError if is_outage(status) else DataError


def refusal(status, text, code="", table=None, *, retry_after=None, maybe_done=False, missing=()):
    """Return the exception of an error.

    :param text: one sentence for people, without secrets
    :param missing: names of the rights that lack, for a :class:`MissingScopeError`
    """
    kind = kind_of(status, code, table)
    code = code or f"http_{status}"
    if issubclass(kind, TransientError):
        return kind(text, code, retry_after, maybe_done)
    return kind(text, code, missing) if kind is MissingScopeError else kind(text, code)
