"""``/composite/sobjects``: up to 200 records in one call, each with its own outcome."""

from .errors import ApiError

MAX_RECORDS, MAX_CHUNKS = 200, 10


class Collections:
    """Writes many records in request order.

    :param store: :class:`Store`; :param records: :class:`Records`
    """

    def __init__(self, store, records):
        self.store, self.records = store, records

    def write(self, method, body, fault, object_name=None, external_field=None):
        """Create (POST), update (PATCH) or upsert (PATCH with an external field) ``body["records"]``.

        :return: list of results in request order
        :raise ApiError: the request as a whole is malformed
        """
        items = body.get("records")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ApiError(400, "JSON_PARSER_ERROR", "records must be a list of objects")
        _check_size(len(items))
        if external_field is None:
            self._check_chunks(items)

        def run(item):
            attributes = item.get("attributes") or {}
            table = self.store.table(object_name or attributes.get("type") or "")
            values = {key: value for key, value in item.items() if key != "attributes"}
            if external_field is not None:
                return self._upsert(table, external_field, values)
            if method == "POST":
                if any(key.lower() == "id" for key in values):
                    raise ApiError(400, "INVALID_FIELD", "cannot specify Id in an insert call", ["Id"])
                return {"id": self.records.create(table, values)["Id"]}
            id_ = next((values.pop(key) for key in list(values) if key.lower() == "id"), None)
            if id_ is None:
                raise ApiError(400, "MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
            return {"id": self.records.update(table, id_, values)["Id"]}
        return self._all(items, run, bool(body.get("allOrNone")), fault)

    def delete(self, ids_text, all_or_none, fault):
        """Delete the records of a comma separated list of ids."""
        wanted = [id_ for id_ in ids_text.split(",") if id_]
        _check_size(len(wanted))

        def run(id_):
            table = next((table for table in self.store.tables.values() if table.spec.prefix == id_[:3]), None)
            if table is None:
                raise ApiError(400, "MALFORMED_ID", f"malformed id {id_}", ["Id"])
            self.records.delete(table, id_)
            return {"id": id_}
        return self._all(wanted, run, all_or_none, fault)

    def read(self, object_name, wanted, fields, root):
        """Return the records of the ids in order, null for one that is gone."""
        table = self.store.table(object_name)
        result = []
        for id_ in wanted:
            try:
                result.append(self.records.as_json(table, self.records.find(table, id_), root, fields))
            except ApiError as error:
                if error.code not in ("NOT_FOUND", "ENTITY_IS_DELETED"):
                    raise
                result.append(None)
        return result

    def _upsert(self, table, external_field, values):
        key = next((name for name in values if name.lower() == external_field.lower()), None)
        if key is None or not values[key]:
            raise ApiError(400, "MISSING_ARGUMENT", f"{external_field} not specified", [])
        value = values.pop(key)
        row, created = self.records.upsert(table, external_field, value, values)
        return {"id": row["Id"], "created": created}

    def _all(self, items, run, all_or_none, fault):
        locked = int(fault.options.get("records", len(items))) if fault and fault.kind == "lock_row" else 0
        with self.store.writing():
            start = self.store.mark()
            results, failed = [], False
            for place, item in enumerate(items):
                mark = self.store.mark()
                try:
                    if place < locked:
                        raise ApiError(400, "UNABLE_TO_LOCK_ROW",
                                       "unable to obtain exclusive access to this record", [])
                    outcome = run(item)
                    results.append({"id": outcome.pop("id"), "success": True, "errors": [], **outcome})
                except ApiError as error:
                    self.store.rollback(mark)
                    failed = True
                    results.append({"success": False, "errors": [error.record_error()]})
            if failed and all_or_none:
                self.store.rollback(start)
                halted = ApiError(400, "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                                  "Record rolled back because not all records were valid and the request was using "
                                  "AllOrNone header", [])
                results = [result if not result["success"] else {"success": False, "errors": [halted.record_error()]}
                           for result in results]
        return results

    def _check_chunks(self, items):
        kinds = [(item.get("attributes") or {}).get("type") for item in items]
        chunks = sum(1 for place, kind in enumerate(kinds) if place == 0 or kind != kinds[place - 1])
        if chunks > MAX_CHUNKS:
            raise ApiError(400, "LIMIT_EXCEEDED", f"A call may hold at most {MAX_CHUNKS} chunks of record types")


def _check_size(count):
    if count > MAX_RECORDS:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MAX_RECORDS} records "
                       "into this call")
