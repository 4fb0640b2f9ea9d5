"""WHERE -> a Python predicate over rows, and the rows worth testing.

Laws of SOQL kept here: text compares without case, ids with it; a null is equal to nothing but null, is unequal to
every value, and is neither less nor greater; an empty string is null.
"""

import re
from datetime import timedelta

from . import ids
from .errors import ApiError
from .schema import NUMBER_TYPES
from .soql_parser import Combine, Compare, Literal, Query, malformed, unescape

_OPERATORS = {
    "<": lambda left, right: left < right, "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right, ">=": lambda left, right: left >= right,
}


def resolve(store, table, path):
    """Return ``(steps, FieldSpec)`` of a dotted path; ``steps`` is a list of (lookup field, parent table).

    :raise ApiError: INVALID_FIELD when a step or the field does not exist or is hidden
    """
    *relations, name = path.split(".")
    if relations and relations[0].lower() == table.spec.name.lower():
        relations = relations[1:]
    steps, here = [], table
    for relation in relations:
        link = here.spec.parents.get(relation.lower())
        if link is None or store.visible_field(here, link.name) is None:
            raise ApiError(400, "INVALID_FIELD", f"Didn't understand relationship '{relation}' in field path. If you "
                           "are attempting to use a custom relationship, be sure to append the '__r' after the custom "
                           "relationship name.")
        here = store.table(link.references[0])
        steps.append((link.name, here))
    spec = store.visible_field(here, name)
    if spec is None:
        raise ApiError(400, "INVALID_FIELD", f"\nSELECT {path} FROM {table.spec.name}\n       ^\nERROR at Row:1:"
                       f"Column:8\nNo such column '{name}' on entity '{here.spec.name}'. If you are attempting to use "
                       "a custom field, be sure to append the '__c' after the custom field name.")
    return steps, spec


def getter(steps, spec):
    """Return a function row -> value of the field at the end of ``steps`` (None when a parent is missing)."""
    name, default = spec.name, spec.default
    if not steps:
        return lambda row: row.get(name, default)
    path = [(link, table.rows) for link, table in steps]

    def value(row):
        for link, rows in path:
            row = rows.get(row.get(link))
            if row is None:
                return None
        return row.get(name, default)
    return value


def _date_word(store, word):
    today = store.clock.now().date()
    name, _colon, number = word.partition(":")
    shift = {"today": 0, "yesterday": -1, "tomorrow": 1}.get(name, -int(number or 0))
    return (today + timedelta(days=shift)).isoformat()


def _value(store, spec, literal):
    """Return the literal as rows hold it; refuse a literal of another type."""
    if literal.kind == "null" or (literal.kind == "string" and literal.value == ""):
        return None
    if literal.kind == "dateword" and spec.type in ("date", "datetime"):
        day = _date_word(store, literal.value)
        return day if spec.type == "date" else f"{day}T00:00:00.000+0000"
    if spec.type in ("id", "reference"):
        id18 = ids.normalise(literal.value) if literal.kind == "string" else None
        if id18 is None:
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
        return id18
    wanted = {"boolean": "boolean", "date": "date", "datetime": "instant"}.get(
        spec.type, "number" if spec.type in NUMBER_TYPES else "string")
    if literal.kind != wanted:
        quoted = "should be" if wanted == "string" else "should not be"
        kind = {"instant": "dateTime", "number": "double"}.get(wanted, wanted)
        raise ApiError(400, "INVALID_FIELD", f"value of filter criterion for field '{spec.name}' must be of type "
                       f"{kind} and {quoted} enclosed in quotes")
    return literal.value.lower() if wanted == "string" else literal.value


def _folding(spec, get):
    """Return ``get`` with text in lower case for fields that compare without case."""
    if spec.type in NUMBER_TYPES or spec.type in ("id", "reference", "boolean", "date", "datetime"):
        return get

    def folded(row):
        value = get(row)
        return value.lower() if value else None
    return folded


def _like(raw):
    """Return the regular expression of a LIKE pattern, escapes still in it."""
    wildcards = {"%": ".*", "_": "."}
    parts = [wildcards.get(piece) or re.escape(unescape(piece)) for piece in re.findall(r"\\.|.", raw, re.DOTALL)]
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def predicate(store, table, node, run):
    """Return a function row -> bool for the WHERE tree ``node``.

    :param run: function (Query) -> list of single values, for semi-joins
    """
    if node is None:
        return lambda row: True
    if isinstance(node, Combine):
        tests = [predicate(store, table, part, run) for part in node.parts]
        if node.operator == "not":
            return lambda row, test=tests[0]: not test(row)
        if len(tests) == 2:
            first, second = tests
            if node.operator == "and":
                return lambda row: first(row) and second(row)
            return lambda row: first(row) or second(row)
        if node.operator == "and":
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)
    return _comparison(store, table, node, run)


def _comparison(store, table, node, run):
    steps, spec = resolve(store, table, node.path)
    if spec.type == "textarea":
        raise ApiError(400, "INVALID_FIELD", f"field '{node.path}' can not be filtered in a query call")
    get = _folding(spec, getter(steps, spec))
    if node.operator == "in":
        if isinstance(node.value, Query):
            members = set(run(node.value))
        else:
            members = {_value(store, spec, literal) for literal in node.value}
        return lambda row: get(row) in members
    if node.operator == "like":
        if not isinstance(node.value, Literal) or node.value.kind != "string":
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on field '{node.path}'")
        matches = _like(node.value.raw).fullmatch
        return lambda row: matches(get(row) or "") is not None
    wanted = _value(store, spec, node.value)
    if node.operator == "=":
        return lambda row: get(row) == wanted
    if node.operator == "!=":
        return lambda row: get(row) != wanted
    if wanted is None or spec.type == "boolean":
        raise malformed(f"operator {node.operator} is not valid for field '{node.path}'")
    compare = _OPERATORS[node.operator]

    def test(row):
        value = get(row)
        return value is not None and compare(value, wanted)
    return test


# === PLANNING === #


def stamp_bounds(node):
    """Return ``(low, high)`` of SystemModstamp outside which ``node`` cannot hold; None is open."""
    if isinstance(node, Combine) and node.operator == "and":
        low = high = None
        for part_low, part_high in map(stamp_bounds, node.parts):
            low = part_low if low is None else low if part_low is None else max(low, part_low)
            high = part_high if high is None else high if part_high is None else min(high, part_high)
        return low, high
    if isinstance(node, Combine) and node.operator == "or":
        lows, highs = zip(*map(stamp_bounds, node.parts), strict=True)
        return (None if None in lows else min(lows)), (None if None in highs else max(highs))
    if isinstance(node, Compare) and node.path.lower() == "systemmodstamp" and node.operator in ("=", "<", "<=", ">",
                                                                                               ">="):
        if node.value.kind == "instant":
            value = node.value.value
            return (value if node.operator in ("=", ">", ">=") else None,
                    value if node.operator in ("=", "<", "<=") else None)
    return None, None


def candidates(store, table, node, run):
    """Return ``(rows, sorted)``: rows that may satisfy ``node``; sorted means by (SystemModstamp, Id)."""
    for part in node.parts if isinstance(node, Combine) and node.operator == "and" else [node]:
        if not isinstance(part, Compare) or part.operator not in ("=", "in") or "." in part.path:
            continue
        spec = store.visible_field(table, part.path)
        if spec is None or not (spec.type in ("id", "reference") or spec.external):
            continue
        if isinstance(part.value, Query):
            wanted = set(run(part.value))
        else:
            literals = part.value if isinstance(part.value, list) else [part.value]
            wanted = {_value(store, spec, literal) for literal in literals}
        if None in wanted:
            continue
        if spec.type == "id":
            return [table.rows[id_] for id_ in sorted(wanted) if id_ in table.rows], False
        index = table.by_field(spec.name)
        return [row for value in sorted(wanted) for row in index.get(value, ())], False
    return table.between(*stamp_bounds(node)), True
