"""A row of an uploaded file, read as the inbox will read it, without storing it."""

from dataclasses import dataclass, field

from ...connectors import canonical
from ...connectors.canonical import CanonicalError
from ...connectors.errors import ConnectorError
from .mapper import field_label

#: Canonical field that holds the money of a record, the first that is filled.
_AMOUNTS = {"time": (("source_amount", "currency"),),
            "expense": (("billing_amount", "billing_currency"), ("amount", "currency"))}


@dataclass(slots=True)
class Row:
    """:param values: canonical records, empty when there is a ``problem`` (sentence)"""

    label: str
    values: list = field(default_factory=list)
    problem: str = ""

    def amounts(self, canonical_type):
        """Yield ``(Decimal, currency code or None)`` of the row's money."""
        for values in self.values:
            for amount, currency in _AMOUNTS.get(canonical_type, ()):
                if values[amount] is not None:
                    yield values[amount], values[currency]
                    break


class RowReader:
    """Reads records by the field map of a stream that is in force."""

    def __init__(self, stream):
        self._provider, self.spec = stream._declaration(stream.id)
        self._env, Mapping = stream.env, stream.env["psa.mapping"]
        mapping_id = Mapping._active_by_stream(stream.ids).get(stream.id)
        self._mapper = Mapping._frozen_mapper(mapping_id) if mapping_id else None
        self._no_map = stream.env._("No field map is in force for %s.", stream.name)
        self.fields = [item.name for item in self._mapper.fields] if self._mapper else []

    def look_at(self, record):
        """Return the :class:`Row` of a :class:`~connectors.base.RawRecord`."""
        row = Row(self._provider.describe(record.raw) or record.external_id)
        if self._mapper is None:
            row.problem = self._no_map
            return row
        try:
            row.values = [self._mapper.map(part.raw)
                          for part in self._provider.split(self.spec, record.raw, record.external_id)]
        except CanonicalError as error:
            row.problem = self._env._(
                "%(record)s: “%(field)s” %(problem)s.", record=row.label, field=field_label(error.field_name),
                problem=error.problem)
        except ConnectorError as error:
            row.problem = str(error)
        return row


def references(values, canonical_type):
    """Yield ``(canonical type, Reference)`` of the records that one names."""
    fields = canonical.TYPES[canonical_type].fields
    for name, reference in canonical.references(canonical_type, values).items():
        yield fields[name].refers, reference


def codes(values, canonical_type):
    """Yield ``(domain, code)`` of what value maps have to translate."""
    for name, spec in canonical.TYPES[canonical_type].fields.items():
        if spec.kind == canonical.CODE and values.get(name):
            yield spec.domain, values[name]
