"""What can go wrong with a vendor, in the few classes that the engine treats differently.

The engine's reaction (``design.md`` section 5, "Failures"): transient -> retry with backoff; connection -> breaker
opens, the work waits, one exception for the connection; data -> the one message is held; conflict -> held, both
values shown; poison -> dead. Texts are fit for a finance user and never contain a secret.
"""


class ConnectorError(Exception):
    """Base: ``code`` is a stable short code (vendor's error code where it has one)."""

    def __init__(self, message, code=""):
        super().__init__(message)
        self.code = code


class TransientError(ConnectorError):
    """Time-out, 5xx, 429, lock at the vendor: the same call may succeed later.

    :param retry_after: seconds the vendor asked to wait, or None
    :param maybe_done: True when the request may have taken effect (time-out or broken connection after sending)
    """

    def __init__(self, message, code="", retry_after=None, maybe_done=False):
        super().__init__(message, code)
        self.retry_after = retry_after
        self.maybe_done = maybe_done


class QuotaError(TransientError):
    """The vendor's quota is used up: the whole connection waits ``retry_after`` seconds."""


class ConnectionRefusedByVendor(ConnectorError):
    """Nothing on this connection can work until a person acts: revoked or wrong credentials, wrong environment."""


class MissingScopeError(ConnectionRefusedByVendor):
    """The credentials work but lack a right. :param missing: what is missing, in the vendor's words"""

    def __init__(self, message, code="", missing=()):
        super().__init__(message, code)
        self.missing = tuple(missing)


class DataError(ConnectorError):
    """This one record or request is refused; others go on."""


class NotFoundError(DataError):
    """The record does not exist (any more) or is not visible to the integration user."""


class ConflictError(DataError):
    """Both sides changed. :param ours: value we wanted, :param theirs: value that stands at the vendor"""

    def __init__(self, message, code="", ours=None, theirs=None):
        super().__init__(message, code)
        self.ours = ours
        self.theirs = theirs


class PoisonError(ConnectorError):
    """Bytes that cannot be read as what the vendor's documentation promises."""


class UnsafeUrlError(ConnectorError):
    """The address is not https or not public, and the connection is not marked as a sandbox one."""


class SignatureError(ConnectorError):
    """A webhook whose signature, token or organisation does not match: answered 401."""


class StaleSignatureError(SignatureError):
    """Signed correctly but too long ago (replay window): answered 401."""
