"""The shared vocabulary: what every vendor's record becomes before a business rule sees it.

A canonical record is a plain ``dict`` that :func:`coerce` accepted for one :class:`CanonicalType`.
Values are Python's own: ``Decimal`` for amounts, hours and quantities, ``date`` for work dates (in the
worker's own zone, never shifted), aware UTC ``datetime`` for instants, :class:`Reference` for a link to another
external record, ``str``, ``bool``, and for ``LINES`` a list of dicts. An absent optional value is ``None``.

This module knows neither a vendor nor Odoo.
"""

from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation

from .canonical_kinds import (
    BOOLEAN,
    CODE,
    CURRENCY,
    DATE,
    DECIMAL,
    INSTANT,
    INTEGER,
    LINES,
    REFERENCE,
    TEXT,
    CanonicalError,
    CanonicalType,
    Field,
    Reference,
)
from .canonical_types import OUTBOUND_TYPES, TYPES


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
        quoted = "the value" if spec.personal else f"“{str(value)[:80]}”"
        raise CanonicalError(name, f"{quoted} {problem}") from error


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


__all__ = ["BOOLEAN", "CODE", "CURRENCY", "DATE", "DECIMAL", "INSTANT", "INTEGER", "LINES", "OUTBOUND_TYPES",
           "REFERENCE", "TEXT", "TYPES", "CanonicalError", "CanonicalType", "Field", "Reference", "coerce",
           "coerce_fields", "references"]
