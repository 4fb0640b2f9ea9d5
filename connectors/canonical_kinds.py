"""What a canonical type is made of: kinds of values, fields, references."""

from dataclasses import dataclass, field

TEXT, CODE, BOOLEAN, DECIMAL, INTEGER = "text", "code", "boolean", "decimal", "integer"
DATE, INSTANT, CURRENCY, REFERENCE, LINES = "date", "instant", "currency", "reference", "lines"


class CanonicalError(ValueError):
    """A value that cannot be what the canonical field says.

    :param field_name: canonical field, dotted for a line (``lines.quantity``)
    :param problem: one plain clause without a full stop, fit for a finance user
    """

    def __init__(self, field_name, problem):
        super().__init__(f"{field_name}: {problem}")
        self.field_name = field_name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of another external record on the same connection."""

    object_type: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical field.

    :param kind: one of the kinds above
    :param required: a missing value is a data error, never a default
    :param refers: for ``REFERENCE``, the canonical type it must point to
    :param domain: for ``CODE``, the value-map domain that translates the source's code
        (``company``, ``payment_term``, ``tax_profile``, ``project_template``, ``billing_method``, ``role``,
        ``expense_category``, ``product``)
    :param lines: for ``LINES``, the fields of one line
    :param help: meaning and unit, shown in the mapping editor
    :param personal: it tells something about a person: masked for who has no right to see it, and never quoted
    """

    kind: str
    required: bool = False
    refers: str = ""
    domain: str = ""
    lines: dict = field(default_factory=dict)
    help: str = ""
    personal: bool = False


@dataclass(frozen=True, slots=True)
class CanonicalType:
    """A kind of record.

    :param sequence: dependency order; a lower one is applied first within a batch
    :param lane: ``master`` or ``transaction``
    """

    name: str
    label: str
    sequence: int
    lane: str
    fields: dict
