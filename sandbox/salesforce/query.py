"""``/query`` and ``/queryAll``: pages, locators and what can go wrong between two pages."""

import re
import secrets
from collections import OrderedDict

from .errors import ApiError
from .soql import Evaluator

_DEFAULT_BATCH, _MAX_BATCH = 2000, 2000


class Cursor:
    """An open query: a :class:`Result` and who may read on in it."""

    def __init__(self, result, session_key, version, batch):
        self.result, self.session_key, self.version, self.batch = result, session_key, version, batch


class QueryService:
    """Runs queries and keeps the cursors between pages.

    :param store: :class:`Store`
    :param minimum_batch: smallest page that ``batchSize`` can ask for (Salesforce: 200)
    :param nested_page: children of one parent in a nested result before it is paged itself
    :param open_cursors: cursors kept for the user; opening one more drops the oldest
    """

    def __init__(self, store, minimum_batch=200, nested_page=200, open_cursors=10):
        self.store, self.minimum_batch, self.nested_page = store, minimum_batch, nested_page
        self.open_cursors = open_cursors
        self._cursors = OrderedDict()

    def batch_size(self, header):
        """Return the page size that ``Sforce-Query-Options`` asks for, within the limits."""
        match = re.search(r"batchSize\s*=\s*(\d+)", header or "", re.IGNORECASE)
        size = int(match.group(1)) if match else _DEFAULT_BATCH
        return max(self.minimum_batch, min(size, _MAX_BATCH))

    def run(self, text, version, session_key, options_header, include_deleted, fault):
        """Return the first page of ``text`` as JSON."""
        root = f"/services/data/{version}"

        def page_children(result):
            return self._page(Cursor(result, session_key, version, self.nested_page), 0, root)

        with self.store.lock:
            evaluator = Evaluator(self.store, root, page_children)
            count = evaluator.count(text, include_deleted)
            if count is not None:
                return {"totalSize": count, "done": True, "records": []}
            cursor = Cursor(evaluator.run(text, include_deleted), session_key, version,
                            self.batch_size(options_header))
            return self._spoil(self._page(cursor, 0, root), fault, cursor, root)

    def more(self, locator, version, session_key, fault):
        """Return the page behind ``nextRecordsUrl``.

        :raise ApiError: INVALID_QUERY_LOCATOR when the cursor was dropped, belongs to another session or version
        """
        key, _dash, offset = locator.rpartition("-")
        with self.store.lock:
            cursor = self._cursors.get(key)
            if (cursor is None or not offset.isdigit() or cursor.session_key != session_key
                    or cursor.version != version or (fault and fault.kind == "invalid_query_locator")):
                self._cursors.pop(key, None)
                raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
            self._cursors.move_to_end(key)
            root = f"/services/data/{version}"
            return self._spoil(self._page(cursor, int(offset), root, key), fault, cursor, root)

    def _page(self, cursor, offset, root, key=None):
        """Return one page; rows of child sub-queries count against the page size."""
        result, records, room = cursor.result, [], cursor.batch
        rows = result.rows
        position = offset
        while position < len(rows) and room > 0:
            record = result.shape(rows[position])
            weight = 1
            if result.has_children:
                weight += sum(len(value["records"]) for value in record.values()
                              if isinstance(value, dict) and "records" in value)
            if records and weight > room:
                break
            records.append(record)
            room -= weight
            position += 1
        page = {"totalSize": len(rows), "done": position >= len(rows)}
        if not page["done"]:
            key = key or self._open(cursor)
            page["nextRecordsUrl"] = f"{root}/query/{key}-{position}"
        page["records"] = records
        return page

    def _open(self, cursor):
        key = "01g5g00000" + secrets.token_hex(4).upper()
        self._cursors[key] = cursor
        while len(self._cursors) > self.open_cursors:
            self._cursors.popitem(last=False)
        return key

    def drop_all(self):
        with self.store.lock:
            self._cursors.clear()

    def _spoil(self, page, fault, cursor, root):
        """Act out the faults that concern a page of records."""
        kind = fault.kind if fault else ""
        if kind == "duplicate_rows":
            page["records"] = [record for record in page["records"] for _twice in range(2)]
        elif kind == "reordered_page":
            page["records"] = page["records"][::-1]
        elif kind == "endless_paging":
            page["done"] = False
            page["nextRecordsUrl"] = f"{root}/query/{self._open(cursor)}-0"
        return page
