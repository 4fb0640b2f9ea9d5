"""The connector contract: all that the engine knows of a vendor.

A connector is plain Python without Odoo and without a database: it turns HTTP into records and records into HTTP.
One folder a vendor. A package that lives on another vendor's platform (same login, client and limits) is a
:class:`Package` with that vendor as its host: it only adds streams.

Rules for every implementation
* no state between calls except what the :class:`Session` carries; no module-level caches of tokens
* every HTTP call goes through ``session.transport`` (time-outs, size limits, address check, redaction, rate budget)
* failures are raised as the classes of :mod:`connectors.errors`
* amounts are parsed as ``Decimal`` (``json.loads(..., parse_float=Decimal)``)
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from . import datafile

UPSERT, DELETE, MERGE, HINT = "upsert", "delete", "merge", "hint"


# --- what a connector declares ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One value of an authentication method. ``secret`` ones are encrypted and never read back."""

    code: str
    label: str
    secret: bool = False
    required: bool = True
    multiline: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """``interactive`` means a person consents in the browser (authorize URL + callback)."""

    code: str
    label: str
    fields: tuple[CredentialField, ...]
    interactive: bool = False


@dataclass(frozen=True, slots=True)
class SettingField:
    """A non-secret setting of a connection (base URL, API version, organisation id)."""

    code: str
    label: str
    default: str = ""
    required: bool = False
    help: str = ""


def setting_of(declared, settings, code):
    """Return the text of a setting without blanks around it, or its default.

    :param declared: the connector's :class:`SettingField`
    :param settings: ``{code: text}`` of the connection
    """
    default = next(setting.default for setting in declared if setting.code == code)
    return (settings.get(code) or default).strip()


def address_of(declared, settings, code):
    """Return a base address out of the settings, without a slash at its end."""
    return setting_of(declared, settings, code).rstrip("/")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One object type that can be read.

    :param code: stable name, unique within the connector (``opportunity``)
    :param object_type: the vendor's own object name (``Opportunity``), first half of a binding key
    :param canonical_type: key of ``canonical.TYPES`` that its (whole) records become
    :param parts: object types of the records that :meth:`Connector.split` makes of one record, when not itself
    :param webhook: the vendor can notify changes of it
    :param near_real_time: default freshness
    :param interval_minutes: default poll interval
    :param overlap_seconds: default overlap of the incremental cursor
    """

    code: str
    label: str
    object_type: str
    canonical_type: str
    sequence: int
    parts: tuple[str, ...] = ()
    webhook: bool = False
    near_real_time: bool = False
    interval_minutes: int = 15
    overlap_seconds: int = 600
    page_size: int = 500


@dataclass(frozen=True, slots=True)
class OutboundSpec:
    """One kind of write-back.

    :param code: stable name, unique within the connector
    :param canonical_type: key of ``canonical.OUTBOUND_TYPES``
    :param object_types: external object types this write-back can update
    :param batch_size: records per :meth:`Connector.push` call
    :param creates: the records are made by the hub: their external id is the hub's own (``account.move:57``), and the
        vendor's names of them come back in :attr:`PushResult.data`
    """

    code: str
    label: str
    canonical_type: str
    object_types: tuple[str, ...]
    batch_size: int = 50
    creates: bool = False


# --- what passes between engine and connector ---------------------------------------------------------------------


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
    """

    credentials: dict
    settings: dict
    transport: Any
    tokens: TokenStore
    auth_method: str
    memory: dict = field(default_factory=dict)


def _module_file(owner):
    """Return the path of the module in which the class of ``owner`` is written."""
    return Path(sys.modules[type(owner).__module__].__file__)


# --- what a connector does ----------------------------------------------------------------------------------------


class Connector:
    """Base of every vendor. Class attributes are its declaration; see ``docs/connectors``.

    What raises ``NotImplementedError`` here is the interface: a vendor implements what its declaration calls for (a
    webhook, an outbound spec, an interactive login), and the engine calls nothing else.
    """

    code = ""
    label = ""
    auth_methods: tuple[AuthMethod, ...] = ()
    settings: tuple[SettingField, ...] = ()
    streams: tuple[StreamSpec, ...] = ()
    outbound: tuple[OutboundSpec, ...] = ()
    has_webhook = False
    #: secrets of the webhook: credential field codes that may hold the current and the previous secret
    webhook_secrets: tuple[CredentialField, ...] = ()
    #: each delivery attempt is signed afresh with its time: the same bytes again are a replay, answered 401
    webhook_signs_time = False
    #: default budget of calls: (calls, per seconds)
    rate_budget: tuple[int, int] = (25, 1)
    #: ``{object type: canonical type}`` of records that are never read but named by a key that people use in Odoo too
    #: (a project's code, a person's e-mail address): the handler of the type looks them up
    natural_keys: dict = {}
    #: a person may upload files with records of its streams: :meth:`read_file` and what follows it is there
    takes_files = False
    #: ``{case of the conformance suite: why it cannot happen with this vendor}``; see ``docs/connectors``
    not_applicable: dict = {}
    #: :class:`connectors.oauth.OAuth` of the interactive login, when it is a plain one
    consent: Any = None

    def check(self, session: Session) -> list[Check]:
        """Connection test: log in, read one record of each object, name each missing right."""
        raise NotImplementedError

    def set_up(self, session: Session) -> list[Check]:
        """Make at the vendor what the write-backs need there (custom properties), after a check that went well.

        Must be safe to repeat, and change nothing that is there already. A line that is not ``ok`` says what a person
        has to do, and blocks what it names like a line of :meth:`check`.
        """
        return []

    def fetch_page(self, session: Session, stream: StreamSpec, cursor: dict, options: dict) -> Page:
        """Read the next page from ``cursor`` (empty dict: from the beginning).

        :param options: ``page_size``, ``overlap_seconds``, ``new_run`` (True on the first page of a run: step back
            by the overlap), ``since`` (ISO instant or "" - lower bound of a back-fill), ``backfill`` (bool)
        """
        raise NotImplementedError

    def fetch_records(self, session: Session, stream: StreamSpec, external_ids: list[str]) -> list[RawRecord]:
        """Read these records as they stand now; one that is gone comes back as ``DELETE``."""
        raise NotImplementedError

    def split(self, stream: StreamSpec, raw: Any, external_id: str) -> list[Part]:
        """Return the canonical records inside ``raw``; by default the record itself."""
        return [Part(stream.object_type, external_id, stream.canonical_type, raw)]

    def describe(self, raw: Any) -> str:
        """Return how people find this record at the source (``hours.csv, row 17``), for the texts of exceptions.

        By default empty: object type and external id say it.

        :param raw: payload as it was stored
        """
        return ""

    def default_mappings(self) -> dict:
        """Return ``{stream code: {canonical field: rule}}``: the file ``mappings.json`` of the vendor's folder."""
        return datafile.read(_module_file(self), "mappings.json")

    def default_value_maps(self) -> dict:
        """Return ``{domain: {source value: target code}}`` for domains whose targets are codes, not records.

        It is the file ``value_maps.json`` of the vendor's folder, where there is one.
        """
        anchor = _module_file(self)
        return datafile.read(anchor, "value_maps.json") if anchor.with_name("value_maps.json").exists() else {}

    def webhook_challenge(self, settings: dict, request: WebhookRequest) -> WebhookReply | None:
        """Answer a request by which the vendor asks whether this address is ours (a GET that wants an echo).

        It says nothing of any record and is not signed. None: this request is no such question.
        """
        return None

    def verify_webhook(self, secrets: list[dict], settings: dict, request: WebhookRequest,
                       now: datetime) -> WebhookDelivery:
        """Check the raw request and return what it says.

        :param secrets: current and, during rotation, previous secret values by field code
        :raise SignatureError: not from this vendor; :raise PoisonError: authentic but unreadable
        """
        raise NotImplementedError

    def webhook_reply(self, delivery: WebhookDelivery) -> WebhookReply:
        return WebhookReply()

    def push(self, session: Session, outbound: OutboundSpec, items: list[PushItem]) -> list[PushResult]:
        """Write ``items`` (at most ``outbound.batch_size``) and return one result each, in any order.

        Must be safe to repeat: read the target first, treat equal values as success without a write, and report a
        different final value as :class:`connectors.errors.ConflictError`.
        :raise TransientError, ConnectionRefusedByVendor: when the whole call failed
        """
        raise NotImplementedError

    # files that a person uploads (``takes_files``)

    def read_file(self, stream: StreamSpec, name: str, file: Any, stamp: str) -> Any:
        """Return an iterator of the :class:`RawRecord` in a binary ``file``.

        It has an attribute ``failure``: a sentence, once it has come to where the file cannot be read (any further).

        :param stamp: text that sorts like the versions of files; the records' versions begin with it
        """
        raise NotImplementedError

    def says_the_same(self, version: str, other: str) -> bool:
        """Whether two versions of an uploaded record hold the same, so that the later one need not be stored."""
        return version == other

    def file_template(self, stream: StreamSpec) -> tuple[str, bytes]:
        """Return name and content of a file that shows how :meth:`read_file` wants it."""
        raise NotImplementedError

    def written_file(self, outbound: OutboundSpec, items: list[PushItem]) -> tuple[str, bytes]:
        """Return name and content of a file that says what ``items`` say."""
        raise NotImplementedError

    # interactive consent (auth methods with ``interactive=True``)

    def authorize_url(self, settings: dict, credentials: dict, redirect_uri: str, state: str,
                      code_challenge: str) -> str:
        return self.consent.authorize_url(settings, credentials, redirect_uri, state, code_challenge)

    def exchange_code(self, session: Session, code: str, redirect_uri: str, code_verifier: str) -> Token:
        return self.consent.exchange_code(session, code, redirect_uri, code_verifier)


class Package:
    """Streams on another vendor's platform. ``host`` is that connector's code; it gets the host's client.

    A package has the same ``streams``, ``outbound``, ``fetch_page``, ``fetch_records``, ``split``, ``describe``,
    ``default_mappings``, ``default_value_maps``, ``push`` and ``check`` as a connector, and no authentication.
    Its ``settings`` are kept on the host's connection; stream and outbound codes differ from the host's.
    """

    code = ""
    label = ""
    host = ""
    settings: tuple[SettingField, ...] = ()
    streams: tuple[StreamSpec, ...] = ()
    outbound: tuple[OutboundSpec, ...] = ()
    natural_keys: dict = {}
    not_applicable: dict = {}

    check = Connector.check
    set_up = Connector.set_up
    fetch_page = Connector.fetch_page
    fetch_records = Connector.fetch_records
    split = Connector.split
    describe = Connector.describe
    default_mappings = Connector.default_mappings
    default_value_maps = Connector.default_value_maps
    push = Connector.push
