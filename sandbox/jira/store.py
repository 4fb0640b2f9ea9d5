"""Worklogs with an index by update time, and what happened to them.

Jira and Tempo see the same worklogs under different numbers: ``Worklog.id`` is Tempo's, ``Worklog.jira_id`` Jira's.
"""

import threading
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from dataclasses import dataclass, field

from .approvals import APPROVED, Approvals
from .stamps import whole

JIRA_OFFSET = 40_000


@dataclass(slots=True)
class Worklog:
    """:param start: worker's local time of day ``HH:mm:ss``; :param attributes: ``{work attribute key: text}``"""

    id: int
    issue_id: int
    author: str
    day: object
    start: str
    seconds: int
    billable: int
    note: str
    created: object
    updated: object
    attributes: dict
    updater: str = ""

    @property
    def jira_id(self):
        return self.id + JIRA_OFFSET


@dataclass(frozen=True, slots=True)
class Event:
    """One line of Tempo's audit trail."""

    moment: object
    action: str
    worklog: Worklog
    actor: str
    changes: tuple = ()


@dataclass(slots=True)
class Tables:
    """Master data, as dicts of ready-made rows by id or key."""

    users: dict = field(default_factory=dict)
    projects: dict = field(default_factory=dict)
    issues: dict = field(default_factory=dict)
    customers: dict = field(default_factory=dict)
    accounts: dict = field(default_factory=dict)
    links: list = field(default_factory=list)
    attributes: dict = field(default_factory=dict)


class Store:
    """All data of the site. Every use happens under :attr:`lock`.

    :ivar by_update: sorted list of ``(updated, id)``
    :ivar listeners: ``f(action, worklog)`` after each change
    :ivar writes: ``Counter`` of accepted API writes by ``(kind, Tempo worklog id)``; kinds ``tempo`` and ``property``
    """

    def __init__(self, clock):
        self.clock = clock
        self.lock = threading.RLock()
        self.tables = Tables()
        self.approvals = Approvals()
        self.worklogs, self.by_update, self.events, self.listeners = {}, [], [], []
        self.properties = {}
        self.writes = Counter()
        self.last_id = 0
        self._selected = (None, [])

    # === CHANGES === #

    def load(self, worklogs):
        """Take many seeded worklogs at once, with their stamps and without telling anybody."""
        for row in worklogs:
            self.worklogs[row.id] = row
        self.by_update = sorted((row.updated, row.id) for row in self.worklogs.values())
        self.last_id = max(self.worklogs, default=0)
        self._selected = (None, [])

    def create(self, moment=None, actor="", **values):
        """Add a worklog and return it."""
        moment = whole(moment or self.clock.now())
        with self.lock:
            self.last_id += 1
            row = Worklog(id=self.last_id, created=moment, updated=moment, updater=actor or values["author"], **values)
            self.worklogs[row.id] = row
            insort(self.by_update, (moment, row.id))
            self._happened("Created", row, moment)
        return row

    def change(self, worklog_id, moment=None, actor="", **values):
        """Set ``values`` of a worklog, stamp it and return it."""
        moment = whole(moment or self.clock.now())
        with self.lock:
            row = self.worklogs[worklog_id]
            changes = tuple(name for name, value in values.items() if getattr(row, name) != value)
            for name, value in values.items():
                setattr(row, name, value)
            self._unlist(row)
            row.updated, row.updater = moment, actor or row.author
            insort(self.by_update, (moment, row.id))
            self._happened("Updated", row, moment, changes)
        return row

    def delete(self, worklog_id, moment=None, actor=""):
        moment = whole(moment or self.clock.now())
        with self.lock:
            row = self.worklogs.pop(worklog_id)
            self._unlist(row)
            self.properties.pop(worklog_id, None)
            row.updater = actor or row.author
            self._happened("Deleted", row, moment)
        return row

    def _unlist(self, row):
        del self.by_update[bisect_left(self.by_update, (row.updated, row.id))]

    def _happened(self, action, row, moment, changes=()):
        insort(self.events, Event(moment, action, row, row.updater, changes), key=lambda event: event.moment)
        self._selected = (None, [])
        for listener in self.listeners:
            listener(action, row)

    def locked(self, user, day):
        return self.approvals.status(user, day) == APPROVED

    def spent(self, user, start):
        """Return the seconds that a user worked in the period beginning on ``start``."""
        return sum(row.seconds for row in self.worklogs.values()
                   if row.author == user and 0 <= (row.day - start).days < 7)

    # === READING === #

    def newest_first(self, updated_from, offset, limit):
        """Return ``(worklogs, more)``: one page by falling update time, cut out of the index."""
        low = bisect_left(self.by_update, (updated_from, 0)) if updated_from else 0
        high = len(self.by_update) - offset
        first = max(low, high - limit)
        page = self.by_update[first:high][::-1] if high > low else []
        return [self.worklogs[worklog_id] for _moment, worklog_id in page], bool(page) and first > low

    def select(self, key, matches, order, offset, limit):
        """Return ``(worklogs, more)`` of any other search. The last one's result is kept for its next pages.

        :param key: hashable; names the search
        :param matches: ``f(worklog) -> bool``; :param order: ``(sort key, falling)``
        """
        if self._selected[0] != key:
            found = sorted(filter(matches, self.worklogs.values()), key=order[0], reverse=order[1])
            self._selected = (key, found)
        found = self._selected[1]
        return found[offset:offset + limit], offset + limit < len(found)

    def changed_between(self, after, until, size):
        """Return ``(worklogs, more)`` updated in ``(after, until]``, oldest first; equal stamps stay on one page."""
        low = bisect_right(self.by_update, (after, float("inf")))
        high = bisect_right(self.by_update, (until, float("inf")))
        end = min(low + size, high)
        while low < end < high and self.by_update[end][0] == self.by_update[end - 1][0]:
            end += 1
        return [self.worklogs[worklog_id] for _moment, worklog_id in self.by_update[low:end]], end < high

    @staticmethod
    def tempo_id(jira_id):
        return jira_id - JIRA_OFFSET
