"""Runs a query: finds, sorts and shapes records as the REST API returns them."""

from itertools import islice

from .errors import ApiError
from .soql_parser import Query, malformed, parse
from .soql_where import candidates, getter, predicate, resolve


class Result:
    """What a query found.

    :ivar rows: rows in order
    :ivar shape: function row -> JSON record (child sub-queries included)
    :ivar has_children: the field list holds a child sub-query
    """

    def __init__(self, table, rows, shape, has_children):
        self.table, self.rows, self.shape, self.has_children = table, rows, shape, has_children


class Evaluator:
    """Runs queries for one version of the API.

    :param store: :class:`Store`
    :param root: versioned path, for the ``url`` of each record (``/services/data/v62.0``)
    :param page_children: function (Result of one parent's children) -> JSON of the nested result
    """

    def __init__(self, store, root, page_children):
        self.store, self.root, self.page_children = store, root, page_children

    def count(self, text, include_deleted=False):
        """Return how many rows a ``SELECT count() ...`` finds, or None when ``text`` is another query."""
        query = parse(text)
        if not query.count:
            return None
        return len(self._find(query, self.store.table(query.object), include_deleted))

    def run(self, text, include_deleted=False):
        """Return the :class:`Result` of ``text``.

        :raise ApiError: MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE
        """
        return self._select(parse(text), include_deleted)

    def columns(self, text):
        """Return ``(object name, paths)`` of a flat query, for CSV; a child sub-query is refused."""
        query = parse(text)
        if query.count or any(isinstance(item, Query) for item in query.fields):
            raise ApiError(400, "FEATURENOTENABLED", "Aggregate and nested queries are not supported in bulk query")
        return self.store.table(query.object).spec.name, query.fields

    def _select(self, query, include_deleted):
        table = self.store.table(query.object)
        shape = self._shape(table, query, include_deleted)
        rows = self._find(query, table, include_deleted)
        return Result(table, rows, shape, any(isinstance(item, Query) for item in query.fields))

    # === FINDING === #

    def _semi_join(self, query):
        if len(query.fields) != 1 or isinstance(query.fields[0], Query):
            raise malformed("a semi-join selects exactly one field")
        table = self.store.table(query.object)
        get = getter(*resolve(self.store, table, query.fields[0]))
        return {value for value in map(get, self._find(query, table, False)) if value is not None}

    def _find(self, query, table, include_deleted, rows=None):
        test = predicate(self.store, table, query.where, self._semi_join)
        ordered = False
        if rows is None:
            rows, ordered = candidates(self.store, table, query.where, self._semi_join)
        orders = [(*resolve(self.store, table, path), descending, nulls) for path, descending, nulls in query.orders]
        found = (row for row in rows if (include_deleted or not row.get("IsDeleted")) and test(row))
        names = [(not steps and spec.name, descending) for steps, spec, descending, _nulls in orders]
        presorted = ordered and names == [("SystemModstamp", False), ("Id", False)][:len(names)]
        end = None if query.limit is None else query.limit + query.offset
        if presorted:
            return list(islice(found, query.offset, end))
        result = list(found)
        for steps, spec, descending, nulls in reversed(orders):
            result.sort(key=_sort_key(steps, spec, descending, nulls), reverse=descending)
        return result[query.offset:end]

    # === SHAPING === #

    def _shape(self, table, query, include_deleted):
        """Return the function row -> record for the field list, grouped by parent relationship."""
        leaves, parents, children = [], {}, []
        for item in query.fields:
            if isinstance(item, Query):
                children.append(self._child(table, item, include_deleted))
                continue
            head, _dot, rest = item.partition(".")
            if rest and head.lower() != table.spec.name.lower():
                steps, _spec = resolve(self.store, table, item)
                link = table.spec.parents[head.lower()]
                parents.setdefault(head.lower(), (link, steps[0][1], []))[2].append(rest)
            else:
                _steps, spec = resolve(self.store, table, item)
                if spec.name in {leaf for leaf, _default in leaves}:
                    raise ApiError(400, "INVALID_FIELD", f"duplicate field selected: {spec.name}")
                leaves.append((spec.name, spec.default))
        nested = [
            (link.relationship, link.name, parent.rows, self._shape(parent, Query(fields=paths), include_deleted))
            for link, parent, paths in parents.values()]
        type_name, base = table.spec.name, f"{self.root}/sobjects/{table.spec.name}/"

        def shape(row):
            record = {"attributes": {"type": type_name, "url": base + row["Id"]}}
            for name, default in leaves:
                record[name] = row.get(name, default)
            for relationship, link, parent_rows, parent_shape in nested:
                parent = parent_rows.get(row.get(link))
                record[relationship] = parent_shape(parent) if parent is not None else None
            for relationship, child_rows in children:
                record[relationship] = child_rows(row)
            return record
        return shape

    def _child(self, table, query, include_deleted):
        found = table.spec.children.get(query.object.lower())
        if found is None:
            raise ApiError(400, "INVALID_TYPE", f"Didn't understand relationship '{query.object}' in FROM part of "
                           "query call. If you are attempting to use a custom relationship, be sure to append the "
                           "'__r' after the custom relationship name.")
        relationship, child_name, link = found
        child_table = self.store.table(child_name)
        child_shape = self._shape(child_table, query, include_deleted)

        def child_rows(row):
            rows = self._find(query, child_table, include_deleted, child_table.by_field(link).get(row["Id"], []))
            return self.page_children(Result(child_table, rows, child_shape, False)) if rows else None
        return relationship, child_rows


def _sort_key(steps, spec, descending, nulls):
    get = getter(steps, spec)
    fold = spec.type not in ("id", "reference", "date", "datetime")
    null_rank = 0 if (nulls == "first") != descending else 2

    def key(row):
        value = get(row)
        if value is None or value == "":
            return null_rank, ""
        return 1, value.lower() if fold and isinstance(value, str) else value
    return key
