"""The shared vocabulary: what every vendor's record becomes before a business rule sees it.

A canonical record is a plain ``dict`` that :func:`coerce` accepted for one :class:`CanonicalType`.
Values are Python's own: ``Decimal`` for amounts, hours and quantities, ``date`` for work dates (in the
worker's own zone, never shifted), aware UTC ``datetime`` for instants, :class:`Reference` for a link to another
external record, ``str``, ``bool``, and for ``LINES`` a list of dicts. An absent optional value is ``None``.

This module knows neither a vendor nor Odoo.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation

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
    """

    kind: str
    required: bool = False
    refers: str = ""
    domain: str = ""
    lines: dict = field(default_factory=dict)
    help: str = ""


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


def _reference(refers, required=False, help=""):
    return Field(REFERENCE, required=required, refers=refers, help=help)


_DEAL_LINE = {
    "external_id": Field(TEXT, required=True, help="The line's id at the source"),
    "name": Field(TEXT, required=True, help="What is sold, as the invoice should say it"),
    "product": Field(CODE, domain="product", help="Source's product code"),
    "billing_method": Field(CODE, domain="billing_method", help="Overrides the deal's billing method"),
    "role": Field(CODE, domain="role", help="Role that a time-and-materials line sells"),
    "quantity": Field(DECIMAL, required=True, help="Hours for time and materials, else units"),
    "unit_price": Field(DECIMAL, required=True, help="Price of one unit in the deal's currency, net of tax"),
    "amount": Field(DECIMAL, help="Line total in the deal's currency"),
    "service_date": Field(DATE),
    "description": Field(TEXT),
}

_SOURCE_BILLING = {
    "held_at_source": Field(BOOLEAN, help="The source keeps it from billing for now"),
    "excluded_at_source": Field(BOOLEAN, help="The source will never bill it"),
    "billed_at_source": Field(BOOLEAN, help="The source says that it is invoiced"),
    "billed_number": Field(TEXT, help="Invoice number that the source holds"),
}

_TYPES = (
    CanonicalType("party", "Customer", 10, "master", {
        "name": Field(TEXT, required=True),
        "vat": Field(TEXT, help="Tax number"),
        "registration": Field(TEXT, help="Company register number"),
        "email": Field(TEXT), "phone": Field(TEXT), "website": Field(TEXT),
        "street": Field(TEXT), "street2": Field(TEXT), "city": Field(TEXT), "zip": Field(TEXT),
        "state": Field(TEXT, help="State or province: code or name"),
        "country": Field(TEXT, help="ISO 3166 alpha-2 code or English name"),
        "parent": _reference("party"),
        "merged_into": _reference("party", help="The surviving record after a merge at the source"),
    }),
    CanonicalType("person", "Contact", 20, "master", {
        "name": Field(TEXT, required=True),
        "party": _reference("party"),
        "email": Field(TEXT), "phone": Field(TEXT), "job_title": Field(TEXT),
        "merged_into": _reference("person"),
    }),
    CanonicalType("user", "User", 25, "master", {
        "name": Field(TEXT, required=True),
        "email": Field(TEXT),
        "active": Field(BOOLEAN),
    }),
    CanonicalType("resource", "Resource", 30, "master", {
        "name": Field(TEXT, required=True),
        "email": Field(TEXT),
        "company": Field(CODE, required=True, domain="company", help="Legal entity that employs the person"),
        "role": Field(CODE, domain="role"),
        "external": Field(BOOLEAN, help="Contractor"),
        "active": Field(BOOLEAN),
        "cost_rate": Field(DECIMAL, help="Cost of one hour in cost_currency"),
        "cost_currency": Field(CURRENCY),
        "user": _reference("user"),
    }),
    CanonicalType("deal", "Won deal", 40, "master", {
        "name": Field(TEXT, required=True),
        "won": Field(BOOLEAN, required=True),
        "party": _reference("party", required=True),
        "contact": _reference("person"),
        "owner": _reference("user"),
        "closed_on": Field(DATE, required=True),
        "currency": Field(CURRENCY, required=True),
        "amount": Field(DECIMAL, help="Deal total in its currency"),
        "company": Field(CODE, domain="company", help="Legal entity that sells and invoices"),
        "billing_method": Field(CODE, domain="billing_method"),
        "payment_term": Field(CODE, domain="payment_term"),
        "tax_profile": Field(CODE, domain="tax_profile"),
        "project_template": Field(CODE, domain="project_template"),
        "purchase_order": Field(TEXT, help="The customer's own order number"),
        "lines": Field(LINES, lines=_DEAL_LINE),
    }),
    CanonicalType("project", "Project", 50, "master", {
        "name": Field(TEXT, required=True),
        "code": Field(TEXT),
        "party": _reference("party"),
        "deal": _reference("deal"),
        "manager": _reference("resource"),
        "company": Field(CODE, domain="company"),
        "currency": Field(CURRENCY),
        "billing_method": Field(CODE, domain="billing_method"),
        "starts_on": Field(DATE), "ends_on": Field(DATE),
        "active": Field(BOOLEAN), "billable": Field(BOOLEAN),
        "closed_for_time": Field(BOOLEAN), "closed_for_expenses": Field(BOOLEAN),
        "excluded_from_billing": Field(BOOLEAN),
    }),
    CanonicalType("assignment", "Assignment", 60, "master", {
        "project": _reference("project", required=True),
        "resource": _reference("resource", required=True),
        "role": Field(CODE, domain="role"),
        "billable": Field(BOOLEAN),
        "bill_rate": Field(DECIMAL, help="Price of one hour (or day) in currency"),
        "rate_per_day": Field(BOOLEAN),
        "currency": Field(CURRENCY),
        "starts_on": Field(DATE), "ends_on": Field(DATE),
        "active": Field(BOOLEAN),
    }),
    CanonicalType("milestone", "Milestone", 70, "transaction", {
        "name": Field(TEXT, required=True),
        "project": _reference("project", required=True),
        "amount": Field(DECIMAL, required=True, help="Fee in currency"),
        "currency": Field(CURRENCY, required=True),
        "target_on": Field(DATE),
        "reached_on": Field(DATE),
        "approved": Field(BOOLEAN, required=True),
        **_SOURCE_BILLING,
    }),
    CanonicalType("time", "Time", 80, "transaction", {
        "project": _reference("project", required=True),
        "resource": _reference("resource", required=True),
        "assignment": _reference("assignment"),
        "milestone": _reference("milestone"),
        "work_date": Field(DATE, required=True, help="Day worked, in the worker's own zone"),
        "hours": Field(DECIMAL, required=True, help="Hours worked; negative corrects"),
        "description": Field(TEXT),
        "role": Field(CODE, domain="role"),
        "billable": Field(BOOLEAN, required=True),
        "approved": Field(BOOLEAN, required=True),
        "status": Field(TEXT, help="The source's own word for the approval state"),
        "approved_by": _reference("user"),
        "currency": Field(CURRENCY),
        "source_amount": Field(DECIMAL, help="What the source would bill; evidence and money at risk only"),
        "sheet": Field(TEXT, help="Number of the timecard or sheet the line stands on"),
        **_SOURCE_BILLING,
    }),
    CanonicalType("expense", "Expense", 90, "transaction", {
        "project": _reference("project", required=True),
        "resource": _reference("resource", required=True),
        "spent_on": Field(DATE, required=True),
        "category": Field(CODE, required=True, domain="expense_category"),
        "description": Field(TEXT),
        "amount": Field(DECIMAL, required=True, help="Incurred amount including tax, in currency"),
        "currency": Field(CURRENCY, required=True),
        "billing_amount": Field(DECIMAL, help="What to bill, net, in billing_currency"),
        "billing_currency": Field(CURRENCY),
        "billable": Field(BOOLEAN, required=True),
        "reimbursable": Field(BOOLEAN),
        "approved": Field(BOOLEAN, required=True),
        "status": Field(TEXT),
        "report": Field(TEXT, help="Number of the expense report"),
        **_SOURCE_BILLING,
    }),
)

TYPES = {canonical_type.name: canonical_type for canonical_type in _TYPES}

# What the hub tells other systems (outbound canonical records); values are JSON-ready, amounts decimal strings.
OUTBOUND_TYPES = {
    "billing_status": "Invoice, payment and credit status of a billed record",
}


def _coerce_decimal(value):
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float):
        value = repr(value)
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation as error:
        raise ValueError from error
    if not number.is_finite():
        raise ValueError
    return number


def _coerce_instant(value):
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError
    return value.astimezone(timezone.utc)


def _coerce_date(value):
    if isinstance(value, datetime):
        raise TypeError
    return value if isinstance(value, date) else date.fromisoformat(value)


def _coerce_currency(value):
    code = str(value).strip().upper()
    if len(code) != 3 or not code.isalpha():
        raise ValueError
    return code


def _coerce_boolean(value):
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError


def _coerce_integer(value):
    number = _coerce_decimal(value)
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def _coerce_text(value):
    if isinstance(value, (dict, list)):
        raise TypeError
    text = str(value).replace("\x00", "").strip()
    text.encode()  # half of a surrogate pair is not a text (UnicodeEncodeError is a ValueError)
    return text or None


_COERCIONS = {
    TEXT: (_coerce_text, "is not a text"),
    CODE: (_coerce_text, "is not a code"),
    BOOLEAN: (_coerce_boolean, "is neither true nor false"),
    DECIMAL: (_coerce_decimal, "is not a number"),
    INTEGER: (_coerce_integer, "is not a whole number"),
    DATE: (_coerce_date, "is not a date like 2026-05-31"),
    INSTANT: (_coerce_instant, "is not a time with a zone"),
    CURRENCY: (_coerce_currency, "is not a currency code of three letters"),
}


def _coerce_value(name, spec, value):
    if spec.kind == REFERENCE:
        if not isinstance(value, Reference):
            raise CanonicalError(name, "is not a link to another record")
        return value
    if spec.kind == LINES:
        if not isinstance(value, list):
            raise CanonicalError(name, "is not a list of lines")
        return [coerce_fields(spec.lines, line, f"{name}.") for line in value]
    convert, problem = _COERCIONS[spec.kind]
    try:
        return convert(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise CanonicalError(name, f"“{str(value)[:80]}” {problem}") from error


def coerce_fields(fields, values, prefix=""):
    """Return ``values`` with every field of ``fields``, converted; unknown keys are refused.

    :raise CanonicalError: at the first field that is missing, unknown or not convertible
    """
    unknown = set(values) - set(fields)
    if unknown:
        raise CanonicalError(prefix + sorted(unknown)[0], "is not a field of this record type")
    result = {}
    for name, spec in fields.items():
        value = values.get(name)
        if value is not None and value != "":
            value = _coerce_value(prefix + name, spec, value)
        else:
            value = None
        if value is None and spec.required:
            raise CanonicalError(prefix + name, "is missing at the source")
        result[name] = value
    return result


def coerce(type_name, values):
    """Return the canonical record of ``type_name`` made of ``values``.

    :param type_name: key of :data:`TYPES`
    :param values: dict of raw or already converted values
    :raise CanonicalError: at the first field that is missing, unknown or not convertible
    """
    return coerce_fields(TYPES[type_name].fields, values)


def references(type_name, record):
    """Return ``{field name: Reference}`` of the links that ``record`` really has."""
    return {
        name: record[name]
        for name, spec in TYPES[type_name].fields.items()
        if spec.kind == REFERENCE and record.get(name) is not None
    }
