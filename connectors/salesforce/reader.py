"""Reading one object: what changed, what was deleted or merged, and single records by id.

A run has two phases. *Rows*: every record changed since the last run, by keyset on the change time and the id (a large
first run takes them from Bulk API 2.0 instead). *Deleted*: the platform's delete log, where the losers of a merge are
told from plain deletions by their ``MasterRecordId``. The stored cursor says where the run stands:
``{"rows": keyset, "deleted_at": instant, "deleted_to": instant or "", "bulk": {...} or absent, "shape": {...}}``.
"""

import logging
from datetime import timedelta

from ..base import DELETE, MERGE, Page, RawRecord
from ..cursor import Keyset, format_instant, parse_instant
from ..errors import MissingScopeError, TransientError
from . import bulk, soql
from .client import client_of
from .ids import is_id, to_18
from .objects import Shape, field_types, in_scope, resolve, scope_condition, value_at

_logger = logging.getLogger(__name__)

#: How far back the delete log reaches; a little less than the vendor's 15 days, for the clock.
DELETE_LOG_REACH = timedelta(days=15) - timedelta(minutes=10)
#: The log answers in one piece, so that long absences are asked for by the day.
_DELETE_STEP = timedelta(days=1)
_MIN_DELETE_OVERLAP = 120
_HALVINGS = 4
_TOO_MUCH = ("QUERY_TIMEOUT", "OPERATION_TOO_LARGE", "REQUEST_RUNNING_TOO_LONG")


class Reader:
    """Reads one :class:`~.objects.SObject` for one session.

    :param object_type: object type of the records handed out (a package may give an object a second meaning)
    """

    def __init__(self, session, spec, object_type):
        self.session = session
        self.client = client_of(session)
        self.spec = spec
        self.object_type = object_type

    # === SHAPE === #

    def _shape(self, state):
        """Return the org's shape of the object, from the session, the cursor or a fresh describe."""
        key = ("shape", self.spec.source, self.object_type)
        shape = self.session.memory.get(key) or Shape.load(state.get("shape"), self.client.now())
        if shape is None:
            shape = resolve(self.client, self.spec)
        self.session.memory[key] = shape
        state["shape"] = shape.dump()
        return shape

    def _forget_shape(self, state):
        self.session.memory.pop(("shape", self.spec.source, self.object_type), None)
        state.pop("shape", None)

    # === PAGES === #

    def page(self, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        state = dict(cursor)
        remembered = bool(state.get("shape"))
        try:
            return self._page(state, options)
        except MissingScopeError as error:
            if error.code != "INVALID_FIELD" or not remembered:
                raise
            # A field was taken away since the describe that the cursor remembers.
            state = dict(cursor)
            self._forget_shape(state)
            return self._page(state, options)

    def _page(self, state, options):
        shape = self._shape(state)
        keyset = Keyset.load(state.get("rows") or {})
        if not keyset.running and not state.get("deleted_to"):
            keyset = self._start(state, keyset, shape, options)
            if state.get("bulk"):  # stored first: a job that is lost sight of would be made twice
                return Page([], state, True, self._watermark(state))
        if state.get("bulk"):
            return self._bulk_page(state, keyset, shape, options)
        if keyset.running:
            return self._rows_page(state, keyset, shape, options)
        return self._deleted_page(state, options)

    def _start(self, state, keyset, shape, options):
        now = self.client.now()
        since = parse_instant(options["since"]) if options.get("since") else None
        first = keyset.at is None
        keyset = keyset.start(now, options.get("overlap_seconds", 600), since, shape.nullable_stamp)
        state["rows"] = keyset.dump()
        if first:
            # What was deleted before the hub knew the object is no news; a back-fill leaves deletions to the poll.
            state["deleted_at"] = "" if options.get("backfill") else format_instant(keyset.until)
            self._start_bulk(state, keyset, shape)
        return keyset

    def _start_bulk(self, state, keyset, shape):
        """Ask Bulk API 2.0 for the rows of a first run when there are many."""
        threshold = int(self.session.settings.get("bulk_threshold") or 0)
        if threshold <= 0:
            return
        condition = self._condition(keyset, shape, keyset.until, bulk=True)
        try:
            if self.client.count(self.spec.source, condition) < threshold:
                return
        except TransientError as error:
            if error.code not in _TOO_MUCH:
                raise
        job = bulk.create(self.client, soql.select(shape.fields, self.spec.source, condition))
        if job:
            state["bulk"] = {"job": job, "locator": ""}

    def _condition(self, keyset, shape, bound, bulk=False):
        window = soql.after(keyset, shape.stamp, bound)
        if bulk and keyset.in_nulls:
            lower = f"{shape.stamp} >= {soql.literal(keyset.at)}" if keyset.at else ""
            upper = soql.all_of(lower, f"{shape.stamp} <= {soql.literal(bound)}")
            window = f"{shape.stamp} = null OR ({upper})"
        return soql.all_of(scope_condition(self.spec, shape), window)

    def _finish_rows(self, state, keyset):
        state["rows"] = keyset.dump()
        if keyset.running:
            return True
        if self.spec.deletable and state.get("deleted_at"):
            state["deleted_to"] = format_instant(keyset.at)
        return bool(state.get("deleted_to"))

    def _rows_page(self, state, keyset, shape, options):
        limit = max(1, int(options.get("page_size") or 500))
        rows, bound = self._query_rows(keyset, shape, limit)
        last = None
        if rows:
            stamp = rows[-1].get(shape.stamp)
            last = (parse_instant(stamp) if stamp else None, rows[-1]["Id"])
        keyset = keyset.advance(last, len(rows) >= limit, bound)
        more = self._finish_rows(state, keyset)
        return Page(self._records(rows, shape), state, more, self._watermark(state))

    def _query_rows(self, keyset, shape, limit):
        """Return ``(rows, end of the window that was asked for)``; the window shrinks when the query is too heavy."""
        order = "Id" if keyset.in_nulls else f"{shape.stamp}, Id"
        for halvings in range(_HALVINGS + 1):
            bound = keyset.narrowed(halvings)
            statement = soql.select(shape.fields, self.spec.source, self._condition(keyset, shape, bound), order, limit)
            try:
                return self.client.query(statement, batch_size=limit), bound
            except TransientError as error:
                if error.code not in _TOO_MUCH or halvings == _HALVINGS or keyset.narrowed(halvings + 1) == bound:
                    raise
                _logger.info("%s: %s, asking for a shorter time", self.spec.source, error.code)
        raise AssertionError("unreachable")

    def _bulk_page(self, state, keyset, shape, options):
        types = field_types(self.client, self.spec, shape)
        result = bulk.read(self.client, state["bulk"], types, int(options.get("page_size") or 500))
        if result.unusable:
            state.pop("bulk")  # this object or job cannot be read in bulk: page by page then, from the start
            return Page([], state, True, self._watermark(state))
        if not result.ready:  # the count makes this cursor another one than the last
            state["bulk"] = {**state["bulk"], "looks": state["bulk"].get("looks", 0) + 1}
            return Page([], state, True, self._watermark(state))
        records = self._records(result.rows, shape)
        if result.locator:
            state["bulk"] = {**state["bulk"], "locator": result.locator}
            return Page(records, state, True, self._watermark(state))
        state.pop("bulk")
        more = self._finish_rows(state, Keyset(keyset.until))
        return Page(records, state, more, self._watermark(state))

    @staticmethod
    def _watermark(state):
        rows = Keyset.load(state.get("rows") or {})
        return format_instant(rows.at) if rows.at else ""

    # === RECORDS === #

    def _records(self, rows, shape):
        """Return raw records of ``rows`` in scope, with their children and currency."""
        rows = [row for row in rows if in_scope(self.spec, row)]
        self._add_children(rows, shape)
        if self.spec.has_currency and not shape.own_currency and rows:
            currency = self.client.default_currency()
            for row in rows:
                row["CurrencyIsoCode"] = currency
        return [RawRecord(self.object_type, row["Id"], self._version(row, shape), row) for row in rows]

    def _add_children(self, rows, shape):
        for child in self.spec.children:
            if child.name not in shape.child_fields:
                continue
            by_parent = {row["Id"]: [] for row in rows}
            for line in self.client.by_ids(child.source, shape.child_fields[child.name], by_parent, key=child.key):
                by_parent[line[child.key]].append(line)
            for row in rows:
                row[child.name] = sorted(by_parent[row["Id"]], key=lambda line: (line.get("SortOrder") or 0,
                                                                                line["Id"]))

    def _version(self, row, shape):
        """Return the newest change time of the record, its children and the parents that are read with it."""
        stamps = [row.get(shape.stamp), *(value_at(row, path) for path in self.spec.also_stamped_by)]
        for child in self.spec.children:
            stamps += [line.get("SystemModstamp") for line in row.get(child.name) or ()]
        moments = [parse_instant(stamp) for stamp in stamps if stamp]
        return format_instant(max(moments)) if moments else ""

    def by_ids(self, ids):
        """Return these records as they stand; one that is gone or out of scope comes back as ``DELETE``.

        A part's id (``<id>:...``) stands for its record.
        """
        wanted = list(dict.fromkeys(to_18(stem) if is_id(stem) else stem
                                    for stem in (text.partition(":")[0] for text in ids)))
        state = {}
        shape = self._shape(state)
        rows = self.client.by_ids(self.spec.source, shape.fields, filter(is_id, wanted))
        records = self._records(rows, shape)
        found = {record.external_id for record in records}
        now = format_instant(self.client.now())
        return records + self._gone({record_id: now for record_id in wanted if record_id not in found})

    # === DELETED === #

    def _deleted_page(self, state, options):
        overlap = timedelta(seconds=max(options.get("overlap_seconds", 600), _MIN_DELETE_OVERLAP))
        covered, stop = parse_instant(state["deleted_at"]), parse_instant(state["deleted_to"])
        start = max(covered - overlap, self.client.now() - DELETE_LOG_REACH)
        end = min(max(covered, start) + _DELETE_STEP, stop)
        if start >= end:  # the run was interrupted so long ago that the log has forgotten it
            state.update(deleted_at=state["deleted_to"], deleted_to="")
            return Page([], state, False, self._watermark(state), reconcile=True)
        log = self.client.deleted(self.spec.source, start, end)
        earliest = log.get("earliestDateAvailable")
        gap = start > covered or bool(earliest and parse_instant(earliest) > covered)
        # The log counts in minutes and may lag behind: what it does not cover yet is asked for by the next run.
        reached = parse_instant(log["latestDateCovered"]) if log.get("latestDateCovered") else end
        more = end - reached <= timedelta(minutes=1) and end < stop
        state["deleted_at"] = format_instant(max(covered, min(reached, end)))
        if not more:
            state["deleted_to"] = ""
        deletions = {entry["id"]: format_instant(parse_instant(entry["deletedDate"]))
                     for entry in log["deletedRecords"]}
        return Page(self._gone(deletions, listed=True), state, more, self._watermark(state), reconcile=gap)

    def _gone(self, deletions, listed=False):
        """Return ``DELETE`` or ``MERGE`` records.

        :param deletions: ``{id: instant text}``
        :param listed: they come from the delete log, where one that was restored meanwhile is no news
        """
        fields = ["Id", "IsDeleted"] + (["MasterRecordId"] if self.spec.merges else [])
        bin_rows = {row["Id"]: row for row in self.client.by_ids(
            self.spec.source, fields, filter(is_id, deletions), everything=True)} if deletions else {}
        records = []
        for record_id, version in deletions.items():
            row = bin_rows.get(record_id, {})
            if listed and row.get("IsDeleted") is False:
                continue
            if row.get("MasterRecordId"):
                records.append(RawRecord(self.object_type, record_id, version,
                                         {"winner": to_18(row["MasterRecordId"])}, MERGE))
            else:
                records.append(RawRecord(self.object_type, record_id, version, {}, DELETE))
        return records
