"""SOQL text: literals, conditions and statements. Nothing else in this folder writes a literal."""

from datetime import date, datetime

from ..cursor import format_instant

#: Ids in one condition: 200 of them stay well below the URL length that Salesforce accepts.
IDS_PER_QUERY = 200

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f",
                          "\x00": ""})


def literal(value):
    """Return ``value`` as a SOQL literal; dates and instants are unquoted, as SOQL wants them.

    :raise TypeError: a type that SOQL does not know
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_instant(value).replace(".000Z", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value.translate(_ESCAPES) + "'"
    raise TypeError(f"no SOQL literal for {type(value).__name__}")


def equals(field, value):
    return f"{field} = {literal(value)}"


def one_of(field, values):
    return f"{field} IN ({','.join(literal(value) for value in values)})"


def all_of(*conditions):
    """Join the conditions that are not empty with AND."""
    return " AND ".join(f"({condition})" for condition in conditions if condition)


def after(keyset, stamp, bound):
    """Return the condition of the rows that ``keyset`` has still to read up to ``bound``.

    :param keyset: :class:`connectors.cursor.Keyset` of a run under way
    :param stamp: name of the change-time field
    """
    if keyset.in_nulls:
        return all_of(f"{stamp} = null", f"Id > {literal(keyset.after_id)}" if keyset.after_id else "")
    if keyset.at is None:
        return f"{stamp} <= {literal(bound)}"
    at = literal(keyset.at)
    if keyset.after_id:
        lower = f"({stamp} = {at} AND Id > {literal(keyset.after_id)}) OR {stamp} > {at}"
    else:
        lower = f"{stamp} >= {at}"
    return all_of(lower, f"{stamp} <= {literal(bound)}")


def select(fields, source, where="", order="", limit=0):
    """Return a SELECT statement."""
    text = f"SELECT {', '.join(fields)} FROM {source}"  # noqa: S608 - SOQL; every literal passed literal()
    if where:
        text += f" WHERE {where}"
    if order:
        text += f" ORDER BY {order}"
    if limit:
        text += f" LIMIT {int(limit)}"
    return text
