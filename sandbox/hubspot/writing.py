"""Writing records: one at a time and in batches whose inputs can fail each on its own."""

from .definitions import iso, known_fields
from .errors import ApiError, invalid, not_found
from .links import TYPES
from .reading import inputs_of, known_query

_SOURCE = "INTEGRATION"
_REQUIRED = {"deals": ("dealname", "dealstage")}


class Writing:
    """:param store: :class:`Store`; :param reading: :class:`Reading`, for what is answered"""

    def __init__(self, store, reading):
        self.store, self.reading = store, reading

    # === ONE RECORD === #

    def create(self, kind, body):
        known_fields(body, ("properties",), ("associations", "objectWriteTraceId"))
        with self.store.lock:
            links = self._links(kind, body.get("associations") or [])
            row = self._create(kind, body["properties"], links)
            return self._answer(kind, row, body["properties"], body)

    def patch(self, kind, record_id, body, query):
        known_query(query, "idProperty")
        known_fields(body, ("properties",), ("objectWriteTraceId",))
        with self.store.lock:
            row = self._target(kind, record_id, query.get("idProperty"))
            return self._answer(kind, self._change(kind, row, body["properties"]), body["properties"], body)

    def archive(self, kind, record_id):
        """Archive a record; one that is archived already is no error."""
        with self.store.lock:
            row = self.store.tables[kind.name].find(record_id)
            if row is not None and row.archived_at is None:
                self._count(kind, row)
                self.store.archive(kind.name, row, _SOURCE)

    def merge(self, kind, body):
        known_fields(body, ("primaryObjectId", "objectIdToMerge"), ())
        with self.store.lock:
            winner, loser = (self.store.live(kind.name, body[name]) for name in ("primaryObjectId", "objectIdToMerge"))
            if winner is loser:
                raise invalid("A record cannot be merged with itself")
            row = self.store.merge(kind.name, winner, loser, source=_SOURCE)
            self._count(kind, row)
            return self.reading.record(kind, row)

    def link(self, kind, record_id, other, other_id):
        """Link two records by the default type."""
        with self.store.lock:
            row, end = self.store.live(kind.name, record_id), self.store.live(other.name, other_id)
            self.store.link(kind.name, row.id, other.name, end.id, primary=False, source=_SOURCE)
            return [{"from": {"id": str(a.id)}, "to": {"id": str(b.id)}, "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TYPES[key][0]}}
                for a, b, key in ((row, end, (kind.name, other.name)), (end, row, (other.name, kind.name)))]

    def _target(self, kind, key, id_property=None):
        row = self.reading.find(kind, key, id_property)
        if row is None:
            raise not_found(kind.single, key)
        return row

    def _create(self, kind, properties, links=()):
        values = self._checked(kind, None, properties)
        row = self.store.add(kind.name, values, source=_SOURCE)
        for other, end, primary in links:
            self.store.link(kind.name, row.id, other, end, primary, _SOURCE)
        self._count(kind, row)
        return row

    def _change(self, kind, row, properties):
        values = self._checked(kind, row, properties)
        self._count(kind, row)
        return self.store.change(kind.name, row, values, source=_SOURCE)

    def _checked(self, kind, row, properties):
        """Return the values to store on ``row`` (None: on a new record), or raise why they are refused."""
        if row is not None and (kind.name, row.id) in self.store.locked:
            raise invalid("Property values were not valid: a validation rule of this account refuses the change",
                          "VALIDATION_RULE", id=str(row.id))
        values = self.store.definitions.read_values(kind.name, properties, row.properties if row is not None else None)
        missing = [name for name in _REQUIRED.get(kind.name, ()) if row is None and not values.get(name)]
        if missing:
            raise invalid(f"Some required properties were not set: {missing}", "MISSING_REQUIRED_PROPERTY")
        self.store.check_unique(kind.name, values, row.id if row is not None else None)
        return values

    def _count(self, kind, row):
        self.store.writes[kind.name, row.id] += 1

    def _links(self, kind, associations):
        """Return ``(kind, id, primary)`` of the links that a new record asks for."""
        by_type = {types[0]: other for (first, other), types in TYPES.items() if first == kind.name}
        primary = {types[1]: other for (first, other), types in TYPES.items() if first == kind.name and types[1]}
        links = []
        for item in associations:
            known_fields(item, ("to", "types"), ())
            for spec in item["types"]:
                known_fields(spec, ("associationCategory", "associationTypeId"), ())
                number = spec["associationTypeId"]
                other = by_type.get(number) or primary.get(number)
                if other is None or spec["associationCategory"] != "HUBSPOT_DEFINED":
                    raise invalid(f"Association type {number} does not begin at {kind.name}")
                links.append((other, self.store.live(other, item["to"]["id"]).id, number in primary))
        return links

    def _answer(self, kind, row, properties, item, **more):
        body = {**self.reading.record(kind, row, list(properties)), **more}
        if item.get("objectWriteTraceId"):
            body["objectWriteTraceId"] = item["objectWriteTraceId"]
        return body

    # === BATCHES === #

    def batch_create(self, kind, body):
        known_fields(body, ("inputs",), ())
        inputs = inputs_of(body, ("properties", "associations", "objectWriteTraceId"), required=("properties",))

        def one(item):
            links = self._links(kind, item.get("associations") or [])
            return self._answer(kind, self._create(kind, item["properties"], links), item["properties"], item)
        return self._each(kind, inputs, one)

    def batch_update(self, kind, body):
        known_fields(body, ("inputs",), ())
        inputs = inputs_of(body, ("idProperty", "objectWriteTraceId"), required=("id", "properties"))
        with self.store.lock:
            self._no_duplicates(kind, inputs)

            def one(item):
                row = self._target(kind, item["id"], item.get("idProperty"))
                return self._answer(kind, self._change(kind, row, item["properties"]), item["properties"], item)
            return self._each(kind, inputs, one)

    def batch_upsert(self, kind, body):
        known_fields(body, ("inputs",), ())
        inputs = inputs_of(body, ("objectWriteTraceId",), required=("id", "idProperty", "properties"))
        if len({item["idProperty"] for item in inputs}) > 1:
            raise invalid("All inputs must have the same idProperty")
        with self.store.lock:
            self._no_duplicates(kind, inputs)

            def one(item):
                row = self.reading.find(kind, item["id"], item["idProperty"])
                properties = {item["idProperty"]: item["id"], **item["properties"]}
                if row is None:
                    done = self._create(kind, properties)
                else:
                    done = self._change(kind, row, properties)
                return self._answer(kind, done, properties, item, new=row is None)
            return self._each(kind, inputs, one)

    def batch_archive(self, kind, body):
        known_fields(body, ("inputs",), ())
        for item in inputs_of(body, ()):
            self.archive(kind, item["id"])

    def _no_duplicates(self, kind, inputs):
        """Refuse the batch when two inputs mean one record."""
        seen = set()
        for item in inputs:
            row = self.reading.find(kind, item["id"], item.get("idProperty"))
            key = row.id if row is not None else item["id"]
            if key in seen:
                raise invalid(f"Duplicate ids found in batch input: [{item['id']}]", "DUPLICATE_ID")
            seen.add(key)

    def _each(self, kind, inputs, one):
        """Do ``one`` for each input; return ``(results, errors)``.

        Only a batch whose inputs all have trace ids of their own may succeed in part; else its first error undoes it.
        """
        traces = [item.get("objectWriteTraceId") for item in inputs]
        named = [trace for trace in traces if trace]
        if len(set(named)) < len(named):
            raise invalid("objectWriteTraceId must be unique within a batch", "DUPLICATE_TRACE_ID")
        results, errors = [], []
        with self.store.lock:
            if len(named) < len(inputs):
                self._rehearse(kind, inputs)
            for item in inputs:
                try:
                    results.append(one(item))
                except ApiError as error:
                    if len(named) < len(inputs):
                        raise
                    entry = error.entry()
                    entry["context"] = {**entry["context"], "objectWriteTraceId": [item["objectWriteTraceId"]]}
                    errors.append(entry)
        return results[::-1], errors

    def _rehearse(self, kind, inputs):
        """Raise the first error that one of the inputs would meet."""
        for item in inputs:
            row = None
            if "id" in item:
                row = self.reading.find(kind, item["id"], item.get("idProperty"))
                if row is None and not item.get("idProperty"):
                    raise not_found(kind.single, item["id"])
            self._checked(kind, row, item["properties"])
            self._links(kind, item.get("associations") or [])


def batch_body(results, errors, started, ended):
    """Return a batch's answer; both moments in epoch milliseconds."""
    body = {"status": "COMPLETE", "results": results, "startedAt": iso(started), "completedAt": iso(ended)}
    if errors:
        body.update(numErrors=len(errors), errors=errors)
    return body
