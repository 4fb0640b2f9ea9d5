"""Reading records: lists, single ones, batches, searches, and their links."""

from bisect import bisect_left

from .definitions import iso, known_fields
from .errors import ApiError, invalid, not_found
from .links import TYPES
from .objects import kind_of
from .search import Search

MAX_LIST, MAX_WITH_HISTORY, DEFAULT_LIST, MAX_BATCH = 100, 50, 10, 100
MAX_LINKS, MAX_LINK_INPUTS = 500, 1000


def names_in(text):
    return [name for name in (text or "").split(",") if name]


def whole_number(query, name, default, most):
    """Return a number of the query.

    :raise ApiError: it is none, below 1 or above ``most``
    """
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise invalid(f"{name} must be between 1 and {most}", "INVALID_LIMIT")
    return int(text)


def flag(query, name):
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise invalid(f"{name} must be true or false")
    return text == "true"


def known_query(query, *names):
    unknown = [name for name in query if name not in names]
    if unknown:
        raise invalid(f"Unknown query parameter: {unknown[0]}", "UNKNOWN_PARAMETER")


def next_page(after):
    """Return the ``paging`` part of an answer, nothing when ``after`` is empty."""
    return {"paging": {"next": {"after": str(after), "link": f"?after={after}"}}} if after else {}


def names_of(body, key="properties"):
    """Return the property names that a body asks for."""
    names = body.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid(f"Invalid input JSON: {key} must be a list of names")
    return names


def inputs_of(body, names, most=MAX_BATCH, required=("id",)):
    """Return the inputs of a batch; at most ``most``, each an object with no other fields than ``names``."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise invalid("Some required fields were not set: [inputs]", "REQUIRED_FIELD")
    if len(inputs) > most:
        raise invalid(f"The maximum number of inputs in a batch is {most}", "BATCH_LIMIT")
    for item in inputs:
        known_fields(item, required, names)
        if "id" in item and not isinstance(item["id"], str):
            raise invalid("Invalid input JSON: id must be text")
    return inputs


class Reading:
    """:param store: :class:`Store`; :param link_page: links of one record in a page of the batch read"""

    def __init__(self, store, wall, link_page):
        self.store, self.link_page = store, link_page
        self.searches = Search(store, wall)

    # === ONE RECORD AS THE API ANSWERS IT === #

    def record(self, kind, row, names=(), with_history=(), linked=()):
        asked = dict.fromkeys([*(names or kind.defaults), "createdate", kind.changed, "hs_object_id"])
        defined = self.store.definitions.properties[kind.name]
        values = {name: self.value(kind, row, name) for name in asked if name in defined}
        body = {"id": str(row.id), "properties": values, "createdAt": iso(row.created), "updatedAt": iso(row.modified),
                "archived": row.archived_at is not None}
        if row.archived_at is not None:
            body["archivedAt"] = iso(row.archived_at)
        if with_history:
            body["propertiesWithHistory"] = {
                name: [{"value": self.value(kind, row, name), "timestamp": iso(row.modified), "sourceType": "CRM_UI"}]
                for name in with_history if name in defined}
        found = {other.name: self._linked(kind, row, other) for other in linked}
        if any(found.values()):
            body["associations"] = {name: {"results": ends} for name, ends in found.items() if ends}
        return body

    @staticmethod
    def value(kind, row, name):
        if name == "hs_object_id":
            return str(row.id)
        if name == "createdate":
            return iso(row.created)
        return iso(row.modified) if name == kind.changed else row.properties.get(name)

    def _linked(self, kind, row, other):
        if (kind.name, other.name) not in TYPES:
            raise invalid(f"No association between {kind.name} and {other.name}")
        return [{"id": str(end), "type": name} for end in self.ends(kind, row.id, other)[:100]
                for name in self.store.links.names(kind.name, row.id, other.name, end)]

    def ends(self, kind, record_id, other):
        """Return the ids of what is linked and not archived."""
        rows = self.store.tables[other.name].rows
        return [end for end in self.store.links.of(kind.name, record_id, other.name) if rows[end].archived_at is None]

    # === CALLS === #

    def list(self, kind, query):
        known_query(query, "limit", "after", "properties", "propertiesWithHistory", "associations", "archived")
        history = names_in(query.get("propertiesWithHistory"))
        limit = whole_number(query, "limit", DEFAULT_LIST, MAX_WITH_HISTORY if history else MAX_LIST)
        linked = [kind_of(name) for name in names_in(query.get("associations"))]
        after = query.get("after", "0")
        if not after.isdecimal():
            raise invalid("after is not a cursor of this list", "INVALID_AFTER")
        with self.store.lock:
            table = self.store.tables[kind.name]
            if flag(query, "archived"):
                ids = sorted(key for key, row in table.rows.items() if row.archived_at is not None)
            else:
                ids = table.by_id
            start = bisect_left(ids, int(after))
            page = [self.record(kind, table.rows[key], names_in(query.get("properties")), history, linked)
                    for key in ids[start:start + limit]]
            following = ids[start + limit] if start + limit < len(ids) else ""
        return {"results": page, **next_page(following)}

    def single(self, kind, record_id, query):
        known_query(query, "properties", "propertiesWithHistory", "associations", "archived", "idProperty")
        linked = [kind_of(name) for name in names_in(query.get("associations"))]
        with self.store.lock:
            row = self.find(kind, record_id, query.get("idProperty"), flag(query, "archived"))
            if row is None:
                raise not_found(kind.single, record_id)
            return self.record(kind, row, names_in(query.get("properties")),
                               names_in(query.get("propertiesWithHistory")), linked)

    def find(self, kind, key, id_property=None, archived=False):
        """Return the record of an id or of a unique value, or None."""
        if id_property:
            if id_property not in self.store.tables[kind.name].unique:
                raise invalid(f"{id_property} is a non-unique property", "NON_UNIQUE_PROPERTY")
            row = self.store.by_unique(kind.name, id_property, key)
        else:
            row = self.store.tables[kind.name].find(key)
        return row if row is not None and (row.archived_at is not None) == archived else None

    def batch(self, kind, body, query):
        """Answer a batch read with ``(body, some are missing)``; the results come in no promised order."""
        known_query(query, "archived")
        known_fields(body, ("inputs",), ("properties", "propertiesWithHistory", "idProperty"))
        names, history = names_of(body), names_of(body, "propertiesWithHistory")
        inputs = inputs_of(body, (), MAX_WITH_HISTORY if history else MAX_BATCH)
        keys = [item["id"] for item in inputs]
        if len(set(keys)) < len(keys):
            raise invalid("Duplicate ids in the batch", "DUPLICATE_ID")
        with self.store.lock:
            rows, missing = {}, []
            for key in keys:
                row = self.find(kind, key, body.get("idProperty"), flag(query, "archived"))
                if row is None:
                    missing.append(key)
                else:
                    rows[row.id] = row
            results = [self.record(kind, row, names, history) for row in rows.values()]
        errors = [ApiError(404, "OBJECT_NOT_FOUND", "Could not get some objects, they may be deleted or not exist",
                           context={"ids": missing}).entry()] if missing else []
        return results[::-1], errors

    def search(self, kind, body):
        names = names_of(body)
        total, rows, after = self.searches.run(kind, body)
        return {"total": total, "results": [self.record(kind, row, names) for row in rows], **next_page(after)}

    # === LINKS === #

    def links_of_many(self, kind, other, body, as_number):
        """Answer the batch read of links; what has none is left out, what does not exist is an error."""
        known_fields(body, ("inputs",), ())
        results, errors = [], []
        with self.store.lock:
            for item in inputs_of(body, ("after",), MAX_LINK_INPUTS):
                row = self.find(kind, item["id"])
                if row is None:
                    message = f"No {kind.single} with the id {item['id']}"
                    errors.append(ApiError(404, "OBJECT_NOT_FOUND", message,
                                           context={"fromObjectId": [item["id"]]}).entry())
                    continue
                ends, following = self._page_of_ends(kind, row, other, item.get("after", "0"), self.link_page)
                if ends:
                    results.append({"from": {"id": str(row.id)}, **next_page(following),
                                    "to": self._to(kind, row, other, ends, as_number)})
        return results[::-1], errors

    def links_of_one(self, kind, record_id, other, query, as_number):
        known_query(query, "limit", "after")
        limit = whole_number(query, "limit", MAX_LINKS, MAX_LINKS)
        with self.store.lock:
            row = self.store.live(kind.name, record_id)
            ends, following = self._page_of_ends(kind, row, other, query.get("after", "0"), limit)
            return {"results": self._to(kind, row, other, ends, as_number), **next_page(following)}

    def _page_of_ends(self, kind, row, other, after, limit):
        if not isinstance(after, str) or not after.isdecimal():
            raise invalid("after is not a cursor of these associations", "INVALID_AFTER")
        ends = self.ends(kind, row.id, other)
        start = bisect_left(ends, int(after))
        following = ends[start + limit] if start + limit < len(ends) else ""
        return ends[start:start + limit], following

    def _to(self, kind, row, other, ends, as_number):
        return [{"toObjectId": end if as_number else str(end),
                 "associationTypes": self.store.links.types(kind.name, row.id, other.name, end)} for end in ends]


def pair(first, second):
    """Return two kinds that can be linked."""
    kind, other = kind_of(first), kind_of(second)
    if (kind.name, other.name) not in TYPES:
        raise invalid(f"No association between {kind.name} and {other.name}")
    return kind, other
