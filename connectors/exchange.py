"""What passes between the engine and a connector: records, pages, deliveries, write-backs, tokens, the session."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

UPSERT, DELETE, MERGE, HINT = "upsert", "delete", "merge", "hint"


@dataclass(frozen=True, slots=True)
class File:
    """A file that belongs to a record (a signed document). It is kept beside the payload, never inside it."""

    name: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One external record in one version, as read.

    :param version: text that sorts (byte-wise) in the order of the versions: an ISO UTC instant or a padded number;
        empty when the vendor gives none
    :param raw: JSON-ready value (dict); for ``DELETE`` it may be empty; for ``MERGE`` it holds ``{"winner": id}``
    :param files: tuple of :class:`File`
    """

    object_type: str
    external_id: str
    version: str
    raw: Any
    operation: str = UPSERT
    files: tuple[File, ...] = ()

    @classmethod
    def gone(cls, object_type, external_id, version=""):
        """Return what says that a record does not exist any more."""
        return cls(object_type, external_id, version, {}, DELETE)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a read.

    :param records: list of :class:`RawRecord`
    :param cursor: JSON-ready dict to store with the records; the next call starts there
    :param more: another page can be read at once
    :param watermark: text for people: up to which moment the stream is known to be complete
    :param reconcile: deletions may have gone unseen (the vendor's delete log is too short): every bound record of the
        stream must be asked for again; one that is gone comes back from :meth:`Connector.fetch_records` as ``DELETE``
    """

    records: list
    cursor: dict
    more: bool
    watermark: str = ""
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One canonical record inside a raw record (a day of a weekly timecard).

    A part that an earlier version of the record had and this one has not (a day that lost its hours) is taken back by
    the engine, as are all parts of a deleted record.

    :param external_id: the record's own id, or that id + ``:`` + something stable
    """

    object_type: str
    external_id: str
    canonical_type: str
    raw: Any


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request to the connection's webhook address, as it came.

    :param method: in capitals
    :param url: the public address that the vendor was given, with the query as it was called
    :param headers: mapping that does not mind the case of names
    :param query: ``{name: value}`` of the query
    :param body: raw bytes
    """

    method: str
    url: str
    headers: Any
    query: dict
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """What a verified webhook request said.

    :param delivery_id: the vendor's id of the delivery or event, for deduplication (a hash of the body when none)
    :param records: list of ``(stream code, RawRecord)``; a ``HINT`` record means "re-read this record"
    """

    delivery_id: str
    records: list


@dataclass(frozen=True, slots=True)
class WebhookReply:
    """The answer that the vendor expects once the delivery is stored."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PushItem:
    """One record to write back.

    :param key: the message's idempotency key, the same at every attempt
    :param values: the outbound canonical record (see ``OUTBOUND_TYPES`` and CONTRACT of ``billing_status``)
    :param in_doubt: an earlier attempt may have taken effect: look before writing
    """

    key: str
    object_type: str
    external_id: str
    values: dict
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class PushResult:
    """Outcome for one :class:`PushItem`: ``error`` is None on success.

    :param written: False when the vendor already held these values (an echo or a lost answer)
    :param version: the record's version after the write when known, so that the echo is recognised
    :param data: JSON-ready facts that the vendor gave back and the hub must know (the address of a payment page)
    """

    key: str
    error: Exception | None = None
    written: bool = True
    version: str = ""
    data: dict = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a connection test.

    :param ok: True, False
    :param message: what was found, and for a failure what to do
    :param blocks: stream codes that cannot work until it is mended
    """

    code: str
    label: str
    ok: bool
    message: str
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and what came with it.

    :param data: JSON-ready dict: ``access_token``, ``instance_url`` ..., stored encrypted
    :param rotated: credential values that replace the stored ones (a rotated refresh token)
    :param expires_at: aware datetime, or None when the vendor does not say
    """

    data: dict
    rotated: dict = field(default_factory=dict)
    expires_at: datetime | None = None


class TokenStore(Protocol):
    """Given by the engine. One refresh at a time over all workers (row lock, re-read, commit before use)."""

    def get(self) -> Token | None:
        """Return the stored token, or None."""

    def refresh(self, used: Token | None, authenticate: Callable[[dict], Token]) -> Token:
        """Return a token newer than ``used``.

        Takes the lock; if somebody has renewed it meanwhile returns that one, else calls
        ``authenticate(credentials)`` and commits its result (with ``rotated``) before returning.
        """


@dataclass(slots=True)
class Session:
    """All that a connector may use while it works for one connection.

    :param credentials: decrypted credential values of the chosen method (never log)
    :param settings: non-secret settings by code
    :param transport: :class:`connectors.transport.Transport`
    :param tokens: :class:`TokenStore`
    :param auth_method: code of the chosen :class:`AuthMethod`
    :param memory: scratch space of this session only (describe results)
    :param wanted: ``{stream code: [source path]}`` of what the field maps of the connection read, custom fields too
    """

    credentials: dict
    settings: dict
    transport: Any
    tokens: TokenStore
    auth_method: str
    memory: dict = field(default_factory=dict)
    wanted: dict = field(default_factory=dict)
