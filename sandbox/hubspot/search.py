"""The search endpoint: filters, one sort rule, pages up to a wall.

The bounds of a search on the change stamp become places in the sorted index, so that a page costs what it returns.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from .definitions import instant, known_fields
from .errors import invalid

MAX_PAGE, DEFAULT_PAGE = 200, 10
_MAX_GROUPS, _MAX_FILTERS, _MAX_ALL_FILTERS, _MAX_QUERY = 5, 6, 18, 3000
_ONE = ("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")
_NEED = {**dict.fromkeys(_ONE, ("value",)), "BETWEEN": ("value", "highValue"), "IN": ("values",),
         "NOT_IN": ("values",), "HAS_PROPERTY": (), "NOT_HAS_PROPERTY": ()}
_INFINITE = float("inf")


@dataclass(slots=True)
class Filter:
    """One condition; ``values`` are made comparable."""

    name: str
    operator: str
    values: list

    def holds(self, value):
        """Tell whether a record whose property has this value (None: unknown) passes."""
        operator, values = self.operator, self.values
        if operator == "HAS_PROPERTY":
            return value is not None
        if operator == "NOT_HAS_PROPERTY":
            return value is None
        negative = operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN")
        if value is None:
            return negative
        if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
            pattern = re.escape(str(values[0]).lower()).replace(r"\*", r"\w*")
            return bool(re.search(rf"(?<!\w){pattern}(?!\w)", str(value).lower())) != negative
        match operator:
            case "EQ" | "NEQ" | "IN" | "NOT_IN":
                return (value in values) != negative
            case "LT":
                return value < values[0]
            case "LTE":
                return value <= values[0]
            case "GT":
                return value > values[0]
            case "GTE":
                return value >= values[0]
        return values[0] <= value <= values[1]


def bounds(filters, name):
    """Return the first and last whole number that the filters on ``name`` allow, and the filters that remain."""
    low, high, rest = -_INFINITE, _INFINITE, []
    for item in filters:
        if item.name != name or item.operator not in ("EQ", "LT", "LTE", "GT", "GTE", "BETWEEN"):
            rest.append(item)
            continue
        first, last = item.values[0], item.values[-1]
        if item.operator in ("EQ", "GTE", "BETWEEN"):
            low = max(low, first)
        elif item.operator == "GT":
            low = max(low, first + 1)
        if item.operator in ("EQ", "LTE", "BETWEEN"):
            high = min(high, last)
        elif item.operator == "LT":
            high = min(high, first - 1)
    return low, high, rest


class Search:
    """:param store: :class:`Store`; :param wall: rows of one search that can be reached at all"""

    def __init__(self, store, wall=10_000):
        self.store, self.wall = store, wall

    def run(self, kind, body):
        """Return ``(total, records of the page, cursor of the next page or "")``."""
        known_fields(body, (), ("filterGroups", "sorts", "properties", "limit", "after", "query"))
        groups = self._groups(kind, body.get("filterGroups", []))
        name, descending = self._sort(kind, body.get("sorts", []))
        limit, after = self._page(body)
        text = body.get("query", "")
        if not isinstance(text, str) or len(text) > _MAX_QUERY:
            raise invalid(f"query must be text of at most {_MAX_QUERY} characters")
        with self.store.lock:
            rows = self._found(kind, groups, text, name)
            total = len(rows)
            rows = rows[after:after + limit] if not descending else \
                rows[max(0, total - after - limit):max(0, total - after)][::-1]
            table = self.store.tables[kind.name].rows
            rows = [table[-row[1] if isinstance(row, tuple) else row] for row in rows]
        return total, rows, str(after + limit) if after + limit < total else ""

    # === READING THE REQUEST === #

    def _page(self, body):
        limit, after = body.get("limit", DEFAULT_PAGE), body.get("after", "0")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MAX_PAGE:
            raise invalid(f"limit must be between 1 and {MAX_PAGE}", "INVALID_LIMIT")
        if not isinstance(after, (str, int)) or not str(after).isdecimal():
            raise invalid("after must be a number", "INVALID_AFTER")
        if int(after) + limit > self.wall:
            raise invalid(f"The maximum of {self.wall} results of one search is exceeded", "PAGING_LIMIT")
        return limit, int(after)

    def _sort(self, kind, sorts):
        if not isinstance(sorts, list) or len(sorts) > 1:
            raise invalid("At most one sort is supported", "TOO_MANY_SORTS")
        if not sorts:
            return "hs_object_id", False
        sort = {"propertyName": sorts[0]} if isinstance(sorts[0], str) else sorts[0]
        known_fields(sort, ("propertyName",), ("direction",))
        if sort.get("direction", "ASCENDING") not in ("ASCENDING", "DESCENDING"):
            raise invalid(f"Unknown sort direction: {sort['direction']}")
        self._type(kind, sort["propertyName"])
        return sort["propertyName"], sort.get("direction") == "DESCENDING"

    def _groups(self, kind, groups):
        if not isinstance(groups, list) or len(groups) > _MAX_GROUPS:
            raise invalid(f"At most {_MAX_GROUPS} filter groups are supported", "TOO_MANY_FILTER_GROUPS")
        result = []
        for group in groups:
            known_fields(group, ("filters",), ())
            if not isinstance(group["filters"], list) or len(group["filters"]) > _MAX_FILTERS:
                raise invalid(f"At most {_MAX_FILTERS} filters in a group are supported", "TOO_MANY_FILTERS")
            result.append([self._filter(kind, item) for item in group["filters"]])
        if sum(map(len, result)) > _MAX_ALL_FILTERS:
            raise invalid(f"At most {_MAX_ALL_FILTERS} filters are supported", "TOO_MANY_FILTERS")
        return result or [[]]

    def _type(self, kind, name):
        definition = self.store.definitions.properties[kind.name].get(name)
        if definition is None:
            raise invalid(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", propertyName=name)
        return definition["type"]

    def _filter(self, kind, item):
        known_fields(item, ("propertyName", "operator"), ("value", "values", "highValue"))
        need = _NEED.get(item["operator"])
        if need is None:
            raise invalid(f"Unknown operator: {item['operator']}", "INVALID_OPERATOR")
        given = {name for name in ("value", "values", "highValue") if item.get(name) is not None}
        if given != set(need):
            raise invalid(f"{item['operator']} takes {list(need)}", "INVALID_FILTER")
        values = item["values"] if need == ("values",) else [item[name] for name in need]
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise invalid("Filter values must be text", "INVALID_FILTER")
        type_ = self._type(kind, item["propertyName"])
        try:
            values = [_comparable(type_, item["propertyName"], value) for value in values]
        except (ValueError, InvalidOperation) as error:
            raise invalid(f"Filter value of {item['propertyName']} is not valid", "INVALID_FILTER") from error
        return Filter(item["propertyName"], item["operator"], values)

    # === FINDING === #

    def _found(self, kind, groups, text, sort):
        """Return the keys of the rows found, sorted: ids, or entries of the change index."""
        table = self.store.tables[kind.name]
        now = self.store.now() if self.store.index_delay else None
        if sort == "hs_object_id":
            spans = [self._id_span(table, group) for group in groups]
            if None not in spans and not text and now is None:
                return _union(table.by_id, spans)
        ranges = [self._range(kind, group) for group in groups]
        entries = _union(table.by_change, [
            (bisect_left(table.by_change, (low, -most if low == high else -_INFINITE)),
             bisect_right(table.by_change, (high, -least if low == high else _INFINITE)))
            for low, high, least, most, _rest in ranges])
        if text or now is not None or any(rest for *_bounds, rest in ranges):
            entries = [entry for entry in entries if self._passes(kind, table.rows[-entry[1]], groups, text, now)]
        elif len(ranges) == 1:
            _low, _high, least, most, _rest = ranges[0]
            if (least, most) != (-_INFINITE, _INFINITE):
                entries = [entry for entry in entries if least <= -entry[1] <= most]
        else:
            entries = [entry for entry in entries if any(
                low <= entry[0] <= high and least <= -entry[1] <= most for low, high, least, most, _rest in ranges)]
        if sort == kind.changed:
            return entries
        if sort == "hs_object_id":
            return sorted(-entry[1] for entry in entries)
        def key(entry):
            value = self._value(kind, table.rows[-entry[1]], sort)
            return (value is not None, value if value is not None else 0)
        return sorted(entries, key=key)

    @staticmethod
    def _id_span(table, group):
        low, high, rest = bounds(group, "hs_object_id")
        return None if rest else (bisect_left(table.by_id, low), bisect_right(table.by_id, high))

    @staticmethod
    def _range(kind, group):
        """Return the first and last stamp and the first and last id that a group allows, and its other filters."""
        low, high, rest = bounds(group, kind.changed)
        least, most, rest = bounds(rest, "hs_object_id")
        return low, high, least, most, rest

    def _passes(self, kind, row, groups, text, now):
        if now is not None and row.indexed_at > now:
            return False
        if text and not any(text.lower() in (row.properties.get(name) or "").lower() for name in kind.defaults):
            return False
        return any(all(item.holds(self._value(kind, row, item.name)) for item in group) for group in groups)

    def _value(self, kind, row, name):
        if name == kind.changed:
            return row.modified
        if name == "hs_object_id":
            return row.id
        if name == "createdate":
            return row.created
        value = row.properties.get(name)
        if value is None:
            return None
        type_ = self.store.definitions.properties[kind.name][name]["type"]
        return _stored(type_, value)


def _stored(type_, value):
    if type_ == "number":
        return Decimal(value)
    return instant(value) if type_ in ("date", "datetime") else value


def _comparable(type_, name, value):
    """Return a filter's value ready to compare: moments are epoch milliseconds, numbers decimal.

    :raise ValueError, InvalidOperation: not of the property's type
    """
    if type_ in ("date", "datetime") or name == "hs_object_id":
        if not value.isdecimal():
            raise ValueError("not a whole number")
        return int(value)
    return Decimal(value) if type_ == "number" else value


def _union(index, spans):
    """Return what lies in one or more of the spans of a sorted list, each entry once, in its order."""
    spans = sorted(span for span in spans if span[0] < span[1])
    merged = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    if len(merged) == 1:
        start, end = merged[0]
        return index if (start, end) == (0, len(index)) else index[start:end]
    return [entry for start, end in merged for entry in index[start:end]]
