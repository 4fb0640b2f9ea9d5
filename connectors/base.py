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
from datetime import datetime
from pathlib import Path
from typing import Any

from . import datafile
from .declare import AuthMethod, CredentialField, OutboundSpec, SettingField, StreamSpec, address_of, setting_of
from .exchange import (
    DELETE,
    HINT,
    MERGE,
    UPSERT,
    Check,
    File,
    Page,
    Part,
    PushItem,
    PushResult,
    RawRecord,
    Session,
    Token,
    TokenStore,
    WebhookDelivery,
    WebhookReply,
    WebhookRequest,
)

__all__ = [
    "AuthMethod", "Check", "Connector", "CredentialField", "DELETE", "File", "HINT", "MERGE", "OutboundSpec",
    "Package", "Page", "Part", "PushItem", "PushResult", "RawRecord", "Session", "SettingField", "StreamSpec",
    "Token", "TokenStore", "UPSERT", "WebhookDelivery", "WebhookReply", "WebhookRequest", "address_of",
    "setting_of",
]


def _module_file(owner):
    """Return the path of the module in which the class of ``owner`` is written."""
    return Path(sys.modules[type(owner).__module__].__file__)


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

    def describe_fields(self, session: Session, stream: StreamSpec) -> dict | None:
        """Return the fields of a stream's records as the vendor describes them, custom ones too.

        :return: ``{source path: {"type": text, "label": text, "custom": bool}}``, paths as field maps write them
            (``Lines[].Price`` inside a list). None: the vendor describes nothing; fields are seen in stored records
        """
        return None

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
    ``describe_fields``, ``default_mappings``, ``default_value_maps``, ``push`` and ``check`` as a connector, and no
    authentication. Its ``settings`` are kept on the host's connection; stream and outbound codes differ from the
    host's.
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
    describe_fields = Connector.describe_fields
    default_mappings = Connector.default_mappings
    default_value_maps = Connector.default_value_maps
    push = Connector.push
