"""The organisation's records, in memory.

A row is a ``dict`` of the fields that were set; it is never changed in place: a write puts a new dict in its place, so
that an open query keeps what it found. Values are what goes over the wire: ``str``, ``bool``, ``float``, ``int``;
dates as ``2026-05-31``, instants as ``2026-05-31T10:00:00.000+0000`` (both sort as text).
"""

import threading
from bisect import bisect_left, bisect_right
from contextlib import contextmanager

from . import ids
from .errors import ApiError
from .objects import OBJECTS


def instant(moment):
    """Return an aware UTC datetime in Salesforce's form: whole seconds, offset without a colon."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


class Table:
    """The rows of one object and the indexes over them, which are rebuilt after a write when next asked for."""

    def __init__(self, spec):
        self.spec = spec
        self.rows = {}
        self._count = 0
        self._stamps = None
        self._by_field = {}

    def next_id(self):
        self._count += 1
        return ids.make(self.spec.prefix, self._count)

    @property
    def count_issued(self):
        return self._count

    def put(self, row):
        self.rows[row["Id"]] = row
        self._stamps = None
        self._by_field.clear()

    def drop(self, id_):
        del self.rows[id_]
        self._stamps = None
        self._by_field.clear()

    def stamps(self):
        """Return the sorted list of ``(SystemModstamp, Id)``, deleted rows included."""
        if self._stamps is None:
            self._stamps = sorted((row["SystemModstamp"], id_) for id_, row in self.rows.items())
        return self._stamps

    def between(self, low, high):
        """Return rows with ``low <= SystemModstamp <= high`` in the order of (SystemModstamp, Id); None is open."""
        stamps = self.stamps()
        start = 0 if low is None else bisect_left(stamps, (low, ""))
        stop = len(stamps) if high is None else bisect_right(stamps, (high, "~"))
        return [self.rows[id_] for _stamp, id_ in stamps[start:stop]]

    def by_field(self, name):
        """Return ``{value: [row, ...]}`` over the field ``name``, deleted rows included, text in lower case."""
        index = self._by_field.get(name)
        if index is None:
            index = self._by_field[name] = {}
            fold = self.spec.field(name).type != "reference"
            for row in self.rows.values():
                value = row.get(name)
                if value is not None:
                    index.setdefault(value.lower() if fold and isinstance(value, str) else value, []).append(row)
        return index


class Store:
    """All tables of the organisation.

    :param clock: :class:`sandbox.clock.Clock` that stamps writes
    :ivar lock: held by whoever reads or writes several rows
    :ivar listeners: called with ``(object name, row)`` after a committed write
    """

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.RLock()
        self.tables = {key: Table(spec) for key, spec in OBJECTS.items()}
        self.integration_user = None
        self.listeners = []
        #: {object name in lower case: set of field names} that the integration user may not see; "*" hides all
        self.hidden = {}
        self._journal, self._depth = [], 0

    def table(self, name):
        """Return the table of object ``name`` as the integration user sees it.

        :raise ApiError: when there is no such object, or it is hidden
        """
        table = self.tables.get(name.lower())
        if table is None or "*" in self.hidden.get(name.lower(), ()):
            raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return table

    def visible_field(self, table, name):
        """Return the :class:`FieldSpec` of ``name``, or None when it does not exist or is hidden."""
        spec = table.spec.field(name)
        if spec is not None and spec.name in self.hidden.get(table.spec.name.lower(), ()):
            return None
        return spec

    # === SEEDING === #

    def seed(self, name, stamp, created=None, **values):
        """Add a row as history made it and return its id; no rule is asked.

        :param stamp: SystemModstamp as text; ``created`` likewise, the same when not given
        """
        table = self.tables[name.lower()]
        id_ = table.next_id()
        table.put({
            "Id": id_, **{key: value for key, value in values.items() if value is not None},
            "CreatedDate": created or stamp, "LastModifiedDate": stamp, "SystemModstamp": stamp,
        })
        return id_

    def touch(self, name, id_, stamp, **values):
        """Change a seeded row as history made it; None clears a field."""
        table = self.tables[name.lower()]
        row = {**table.rows[id_], **values, "SystemModstamp": stamp, "LastModifiedDate": stamp}
        table.put({key: value for key, value in row.items() if value is not None})
        return table.rows[id_]

    # === WRITING === #

    @contextmanager
    def writing(self):
        """Hold the lock and a journal; listeners hear of what is left of it when the outermost block ends."""
        with self.lock:
            self._depth += 1
            try:
                yield self
            finally:
                self._depth -= 1
                if not self._depth:
                    written, self._journal = self._journal, []
                    for table, id_, _before in written:
                        for listener in self.listeners:
                            listener(table.spec.name, table.rows[id_])

    def mark(self):
        """Return a place in the journal to go back to."""
        return len(self._journal)

    def rollback(self, mark):
        """Undo all writes after ``mark``."""
        while len(self._journal) > mark:
            table, id_, before = self._journal.pop()
            if before is None:
                table.drop(id_)
            else:
                table.put(before)

    def stamp(self):
        return instant(self.clock.now())

    def insert(self, table, values):
        """Add a row made by the integration user and return it."""
        now = self.stamp()
        row = {
            "Id": table.next_id(), **{key: value for key, value in values.items() if value is not None},
            "CreatedDate": now, "CreatedById": self.integration_user, "LastModifiedDate": now,
            "LastModifiedById": self.integration_user, "SystemModstamp": now,
        }
        self._journal.append((table, row["Id"], None))
        table.put(row)
        return row

    def update(self, table, id_, values, by=None):
        """Change a row and return it; a None value clears the field.

        :param by: id of the user who does it, the integration user when not given
        """
        before, now = table.rows[id_], self.stamp()
        row = {**before, **values, "LastModifiedDate": now, "SystemModstamp": now,
               "LastModifiedById": by or self.integration_user}
        self._journal.append((table, id_, before))
        table.put({key: value for key, value in row.items() if value is not None})
        return table.rows[id_]

    def delete(self, table, id_, master=None, by=None):
        """Move a row to the recycle bin; ``master`` is the record that it was merged into."""
        values = {"IsDeleted": True}
        if master:
            values["MasterRecordId"] = master
        return self.update(table, id_, values, by)
