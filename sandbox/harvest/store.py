"""What the account holds: tables that remember the order of their lists."""

import threading
from bisect import bisect_left, insort
from datetime import timezone

_REMEMBERED = 8


def stamp(moment):
    """Return an aware datetime as Harvest writes it: UTC, whole seconds."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Table:
    """Rows by id. A row that is None is made by ``plain(id)`` whenever it is asked for.

    :param order: field by which lists are ordered, newest first; equal ones by id
    """

    def __init__(self, order="created_at", plain=None):
        self.rows, self._order, self._plain = {}, order, plain
        self._keys, self._key_of, self._found = [], {}, {}

    def add(self, row):
        """Put a new or changed row in its place."""
        self.remove(row["id"])
        self.rows[row["id"]] = row
        key = self._key_of[row["id"]] = (row[self._order], row["id"])
        insort(self._keys, key)
        self._found.clear()
        return row

    def add_plain(self, ids):
        for id_ in ids:
            self.rows[id_] = None
            self._key_of[id_] = (self._plain(id_)[self._order], id_)
            self._keys.append(self._key_of[id_])
        self._keys.sort()

    def remove(self, id_):
        if id_ in self.rows:
            del self.rows[id_]
            del self._keys[bisect_left(self._keys, self._key_of.pop(id_))]
            self._found.clear()

    def get(self, id_):
        """Return the row or None."""
        if id_ not in self.rows:
            return None
        return self.rows[id_] or self._plain(id_)

    def all(self):
        """Return the rows that are not plain, oldest first."""
        return [self.rows[id_] for _field, id_ in self._keys if self.rows[id_]]

    def matching(self, name, accepts):
        """Return the sorted keys ``(order field, id)`` of rows that a condition lets through.

        :param name: what tells the condition apart from others: the answer is remembered until something changes
        """
        if name not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[name] = [key for key in self._keys if accepts(self.get(key[1]))]
        return self._found[name]


class Store:
    """All tables by the name of their list; ``lock`` is held by whoever reads or writes."""

    def __init__(self, plain_entry):
        self.lock = threading.RLock()
        self.tables = {name: Table() for name in (
            "clients", "contacts", "projects", "tasks", "task_assignments", "user_assignments", "users", "roles",
            "expense_categories", "billable_rates", "cost_rates", "invoices")}
        self.tables["time_entries"] = Table("spent_date", plain_entry)
        self.tables["expenses"] = Table("spent_date")

    def __getitem__(self, name):
        return self.tables[name]
