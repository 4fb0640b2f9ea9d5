"""Which object a stream reads, with which fields, and what of it this org really has.

An org differs from the next: currencies switched on or not, custom fields made or not, fields hidden from the
integration user. A :class:`SObject` says what is wanted; :func:`resolve` asks the org's describe and gives the
:class:`Shape` that can be read.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from ..cursor import format_instant, parse_instant
from ..errors import MissingScopeError
from . import soql

#: The describes behind a shape are asked again after this time, so that a field made meanwhile is seen.
SHAPE_LIFETIME = timedelta(hours=1)
_STAMPS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")


@dataclass(frozen=True, slots=True)
class Child:
    """Records of another object that belong inside the record (an opportunity's lines).

    :param name: key of the list in the record
    :param source: object of the lines
    :param key: lookup field of the line that names the record
    """

    name: str
    source: str
    key: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SObject:
    """What a stream wants to read.

    :param source: API name of the object
    :param required: fields without which the stream cannot work; ``Lookup__r.Field`` reaches into a parent
    :param optional: fields that an org may lack
    :param scope: ``{field: value}`` that a record must have; a field that the org lacks does not limit
    :param filled: fields that a record must have a value in
    :param excluded: ``{field: values}`` that put a record out of scope
    :param merges: losers of a merge name their winner in ``MasterRecordId``
    :param deletable: the platform can delete such records
    :param also_stamped_by: change times of parents whose fields are read with the record; they make its version
    """

    source: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    scope: dict = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    excluded: dict = field(default_factory=dict)
    children: tuple[Child, ...] = ()
    merges: bool = False
    deletable: bool = True
    has_currency: bool = False
    also_stamped_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a :class:`SObject` this org has.

    :param fields: fields to select
    :param stamp: field that the cursor runs on
    :param child_fields: ``{child name: fields}``; a child whose object is not visible is missing
    :param own_currency: records carry ``CurrencyIsoCode``
    :param described_at: vendor's clock when it was asked
    """

    fields: tuple[str, ...]
    stamp: str
    child_fields: dict
    own_currency: bool
    described_at: datetime

    @property
    def nullable_stamp(self):
        return self.stamp != _STAMPS[0]

    def dump(self):
        return {**asdict(self), "fields": list(self.fields), "described_at": format_instant(self.described_at)}

    @classmethod
    def load(cls, state, now):
        """Return the stored shape, or None when there is none or it is too old."""
        if not state:
            return None
        described_at = parse_instant(state["described_at"])
        if now - described_at > SHAPE_LIFETIME:
            return None
        return cls(tuple(state["fields"]), state["stamp"],
                   {name: tuple(fields) for name, fields in state["child_fields"].items()},
                   state["own_currency"], described_at)


def _parent_describe(client, describe, relationship):
    """Return the describe of the object that ``relationship`` points to, or an empty dict."""
    for entry in describe.values():
        if entry.get("relationshipName") == relationship and entry.get("referenceTo"):
            try:
                return client.describe(entry["referenceTo"][0])
            except MissingScopeError:
                return {}
    return {}


def _has(client, describe, path):
    relationship, _dot, name = path.rpartition(".")
    return name in (_parent_describe(client, describe, relationship) if relationship else describe)


def _available(client, source, required, optional):
    """Return the fields of both lists that ``source`` has, each once: a query that names one twice is refused.

    :raise MissingScopeError: naming every required one that it lacks
    """
    describe = client.describe(source)
    missing = [name for name in required if not _has(client, describe, name)]
    if missing:
        raise MissingScopeError(
            f"{source}: the integration user cannot read {', '.join(missing)}; give it field-level access",
            "INVALID_FIELD", tuple(f"{source}.{name}" for name in missing))
    return tuple(dict.fromkeys((*required, *(name for name in optional if _has(client, describe, name)))))


def resolve(client, spec):
    """Return the :class:`Shape` of ``spec`` in this org."""
    describe = client.describe(spec.source)
    stamp = next((name for name in _STAMPS if describe.get(name, {}).get("filterable", name in describe)), None)
    if stamp is None:
        raise MissingScopeError(f"{spec.source} has no change time that can be filtered by", "INVALID_FIELD",
                                (f"{spec.source}.SystemModstamp",))
    wanted = ["Id", stamp, *spec.required]
    optional = [*spec.optional, *spec.scope, *spec.excluded, *spec.also_stamped_by]
    if spec.has_currency:
        optional.append("CurrencyIsoCode")
    fields = _available(client, spec.source, wanted, optional)
    child_fields = {}
    for child in spec.children:
        try:
            child_fields[child.name] = tuple(dict.fromkeys(_available(
                client, child.source, ("Id", child.key, *child.required), (*child.optional, "SystemModstamp"))))
        except MissingScopeError as error:
            if error.code != "INVALID_TYPE":
                raise  # the lines exist and cannot be read: a deal without them would be wrong
    return Shape(fields, stamp, child_fields, "CurrencyIsoCode" in fields, client.now())


def field_types(client, spec, shape):
    """Return ``{field path: describe type}`` of the fields that ``shape`` reads."""
    describe, types = client.describe(spec.source), {}
    for path in shape.fields:
        relationship, _dot, name = path.rpartition(".")
        owner = _parent_describe(client, describe, relationship) if relationship else describe
        types[path] = owner[name]["type"]
    return types


def scope_condition(spec, shape):
    """Return the SOQL condition of the records in scope, or an empty string."""
    return soql.all_of(
        *(soql.equals(name, value) for name, value in spec.scope.items() if name in shape.fields),
        *(f"{name} != null" for name in spec.filled))


def value_at(record, path):
    """Return the value at a dotted path, or None."""
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def in_scope(spec, record):
    """True when ``record`` (as read) belongs to the stream."""
    return (all(value_at(record, name) in (value, None) for name, value in spec.scope.items())
            and all(value_at(record, name) for name in spec.filled)
            and not any(value_at(record, name) in values for name, values in spec.excluded.items()))
