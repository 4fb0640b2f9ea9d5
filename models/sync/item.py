"""What passes between the drain and the handlers: claimed messages and the canonical records inside them.

Plain Python. A :class:`Claim` is one locked message, an :class:`Item` one canonical record of it. A claim is atomic: it
is applied when all of its items can be, else none of them is.
"""

from ...connectors.base import DELETE, MERGE, UPSERT


def storable(text):
    """Return ``text`` without what PostgreSQL cannot store (NUL, halves of surrogate pairs)."""
    return text if text.isprintable() else text.replace("\x00", "").encode("utf-8", "replace").decode()


class Outcome:
    """What became of an item or a claim.

    :param state: a state of ``psa.message``, or for an item ``done``
    :param reason: skip reason
    :param cause: code of the exception cause of a held or dead one
    :param text: plain sentence for people
    :param key: wait key of a waiting one, exception subject of a held or dead one
    :param detail: technical text for administrators
    :param delay: seconds until the next attempt of a retry
    :param record: what the exception is about
    :param choices: what a person may choose from: list of records
    """

    __slots__ = ("state", "reason", "cause", "text", "key", "detail", "code", "delay", "record", "company", "choices")

    def __init__(self, state, reason=None, cause=None, text="", key=None, detail="", code="", delay=None, record=None,
                 company=None, choices=()):
        self.state = state
        self.reason = reason
        self.cause = cause
        self.text = storable(text)
        self.key = key
        self.detail = storable(detail)
        self.code = code
        self.delay = delay
        self.record = record
        self.company = company
        self.choices = choices


class Item:
    """One canonical record on its way into Odoo.

    :ivar message: ``psa.message`` record that it came in (only its id is loaded)
    :ivar connection: ``psa.connection``
    :ivar company: ``res.company`` that the record belongs to: the one that it names, else its parent's, else the
        connection's
    :ivar values: canonical record; codes are translated (a recordset, or a text for code domains). For ``merge`` it is
        ``{"winner": Reference}``; for ``delete`` it is empty
    :ivar binding: row of ``psa.binding`` (:class:`Bound`) or None
    :ivar record: the Odoo record that it is bound to, or None. A handler may set it to adopt a record
    :ivar parents: ``{field: Odoo record}`` of the references that it has
    :ivar owners: ``{canonical field: owner}`` of the fields that the source does not simply own
    :ivar told: canonical fields that the field map has rules for, or None: all. What the source says nothing about is
        not cleared on a record that exists
    :ivar own: a person or the source said that it is a record of its own: it is not matched to one that is there
    :ivar left: the Odoo record that it was merged into and leaves again with this version, or None
    :ivar writes: what it may do to a record that exists: ``source`` writes, ``fill`` fills what is empty, ``link``
        writes nothing
    """

    __slots__ = ("claim", "message", "connection", "company", "object_type", "external_id", "canonical_type", "values",
                 "operation", "source_version", "part_of", "binding", "record", "_bound_record", "parents", "owners",
                 "told", "writes", "own", "left", "fingerprint", "outcome", "_settled", "amount", "currency",
                 "translated")

    def __init__(self, claim, object_type, external_id, canonical_type, values, operation=UPSERT, part_of=None):
        self.claim = claim
        self.message = claim.message
        self.connection = claim.connection
        self.company = claim.company
        self.object_type = object_type
        self.external_id = external_id
        self.canonical_type = canonical_type
        self.values = values
        self.operation = operation
        self.source_version = claim.source_version
        self.part_of = part_of
        self.owners = {}
        self.told = None
        self.writes = "source"
        self.own = False
        self.left = None
        self.binding = None
        self.record = None
        self._bound_record = None
        self.parents = {}
        self.fingerprint = None
        self.outcome = None
        self._settled = None
        self.amount = None
        self.currency = None
        self.translated = False

    # for handlers

    @property
    def ok(self):
        """Nothing has been decided about it yet."""
        return self.outcome is None

    @property
    def unmatched(self):
        """It has no record yet and may be one that is there already."""
        return self.ok and not self.record and not self.own

    @property
    def name(self):
        """What people are told that it is."""
        return self.claim.described or f"{self.object_type} {self.external_id}"

    @property
    def key(self):
        """Name of this external record in wait keys and exception subjects."""
        return record_key(self.connection.id, self.object_type, self.external_id)

    def hold(self, cause, text, *, key, amount=None, currency=None, company=None, record=None, detail="",
             choices=()):
        """Keep the message until a person has acted.

        :param cause: code of a ``psa.exception.cause``
        :param text: one plain sentence: what is wrong, with names a finance user knows
        :param key: subject of the exception; releasing this key releases every message that it holds
        :param amount: money at risk in ``currency`` (``res.currency`` or ISO code); None: :meth:`risk` says
        :param choices: records that the person may choose from, the likeliest first
        """
        self.outcome = Outcome("held", cause=cause, text=text, key=key, record=record, company=company, detail=detail,
                               choices=choices)
        if amount is not None:
            self.risk(amount, currency)

    def wait(self, object_type, external_id):
        """Wait until that external record is bound."""
        self.outcome = Outcome("waiting", key=record_key(self.connection.id, object_type, external_id))

    def wait_to_go_live(self):
        """Wait until the connection leaves shadow mode; no money is at risk by that."""
        self.outcome = Outcome("waiting", key=shadow_key(self.connection.id))
        self.amount = 0

    def skip(self, reason):
        """Leave it out: ``out_of_scope``, ``unchanged``, ``stale`` or ``duplicate``."""
        self.outcome = Outcome("skipped", reason=reason)

    def done(self, record=None):
        """It is applied; ``record`` is what it is now in Odoo (None: nothing any more)."""
        self.record = record or None
        self.outcome = Outcome("done")

    def risk(self, amount, currency=None):
        """Say how much money waits when this does not go through. ``None`` when it is not known."""
        if amount is not None and self.amount is None:
            self.amount = amount
            self.currency = currency

    # for the engine

    @property
    def bound_record(self):
        """The record that it was bound to before this attempt, or None."""
        return self._bound_record

    def settle(self):
        """What is decided so far does not depend on the handlers: :meth:`reset` keeps it."""
        self._settled = self.outcome

    def reset(self):
        """Forget what a rolled-back attempt did."""
        self.outcome = self._settled
        self.record = self._bound_record
        self.parents = {}
        self.writes = "source"
        self.amount = None
        self.currency = None

    def bind_record(self, record):
        self.record = self._bound_record = record


class Bound:
    """A row of ``psa.binding`` as the drain loaded and locked it."""

    __slots__ = ("id", "object_type", "external_id", "canonical_type", "res_model", "res_id", "source_version",
                 "fingerprint", "alias_of_id", "deleted_at_source", "message_id", "part_of", "applied",
                 "merged_at_source", "former_id", "own_record", "split_from")

    def __init__(self, *values):
        for name, value in zip(self.__slots__, values, strict=True):
            setattr(self, name, value)

    @property
    def reference(self):
        return self.object_type, self.external_id


class Claim:
    """One locked message and what becomes of it.

    :ivar company: ``res.company`` of the connection
    :ivar decided: ``{exception cause: answer}`` of what a person has decided about this message
    :ivar overlay: corrections over the payload, see :mod:`.overlay`
    :ivar described: how the connector says where people find it at the source, or an empty text
    """

    __slots__ = ("message", "connection", "company", "stream", "id", "object_type", "external_id", "source_version",
                 "operation", "payload", "origin", "attempt_count", "exception_id", "items", "outcome", "mapping_id",
                 "sequence", "decided", "described", "overlay")

    def __init__(self, message, connection, company, row):
        self.message = message
        self.connection = connection
        self.company = company
        self.id = row["id"]
        self.stream = row["stream_id"]
        self.object_type = row["object_type"]
        self.external_id = row["external_id"]
        self.source_version = row["source_version"] or ""
        self.operation = row["operation"]
        self.payload = row["payload"]
        self.origin = row["origin"]
        self.attempt_count = row["attempt_count"]
        self.exception_id = row["exception_id"]
        self.decided = row["decided"] or {}
        self.overlay = row["overlay"]
        self.items = []
        self.outcome = None
        self.mapping_id = None
        self.sequence = 0
        self.described = ""

    @property
    def name(self):
        """What people are told that it is."""
        return self.described or f"{self.object_type} {self.external_id}"

    @property
    def open(self):
        return self.outcome is None

    @property
    def reference(self):
        return self.object_type, self.external_id

    @property
    def key(self):
        return record_key(self.connection.id, self.object_type, self.external_id)

    def blocked(self):
        """Return the item that keeps the whole claim from being applied, or None. Held comes before waiting."""
        waiting = None
        for item in self.items:
            if item.outcome is not None:
                if item.outcome.state == "held":
                    return item
                if item.outcome.state == "waiting" and waiting is None:
                    waiting = item
        return waiting

    def reset(self):
        self.outcome = None
        for item in self.items:
            item.reset()

    def is_newer_than(self, version, message_id):
        """Say whether this message is newer than (``version``, ``message_id``): by version, else by arrival."""
        if self.source_version and version and self.source_version != version:
            return self.source_version > version
        return self.id > message_id


def record_key(connection_id, object_type, external_id):
    """Return the wait key and exception subject of an external record."""
    return f"record:{connection_id}:{object_type}:{external_id}"


def shadow_key(connection_id):
    """Return the wait key of what must not go before its connection is live."""
    return f"shadow:{connection_id}"


__all__ = ["Bound", "Claim", "DELETE", "Item", "MERGE", "Outcome", "UPSERT", "record_key", "shadow_key"]
