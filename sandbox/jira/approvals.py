"""Timesheet approval: by user and week (Monday to Sunday), with a log of every change of a status."""

from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import timedelta

OPEN, IN_REVIEW, APPROVED = "OPEN", "IN_REVIEW", "APPROVED"
#: {action: (statuses it may start from, status afterwards)}
ACTIONS = {
    "submit": ((OPEN,), IN_REVIEW), "recall": ((IN_REVIEW,), OPEN), "approve": ((OPEN, IN_REVIEW), APPROVED),
    "reject": ((IN_REVIEW,), OPEN), "reopen": ((APPROVED,), OPEN),
}


def monday(day):
    """Return the first day of the period that ``day`` lies in."""
    return day - timedelta(days=day.weekday())


def period(start):
    return {"from": start.isoformat(), "to": (start + timedelta(days=6)).isoformat()}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One line of the log: ``status`` came into force at ``moment``; ``spent`` seconds stood in the period then."""

    moment: object
    number: int
    user: str
    start: object
    status: str
    actor: str
    comment: str
    spent: int


class Approvals:
    """``log`` is sorted by moment; ``current`` is ``{(user, monday): Change}``, absent means OPEN."""

    def __init__(self):
        self.log, self.current = [], {}

    def change(self, user, day, status, moment, actor, comment="", spent=0):
        """Put the period of ``day`` into ``status``."""
        entry = Change(moment, len(self.log) + 1, user, monday(day), status, actor, comment, spent)
        insort(self.log, entry)
        self.current[user, entry.start] = entry
        return entry

    def status(self, user, day):
        entry = self.current.get((user, monday(day)))
        return entry.status if entry else OPEN

    def since(self, moment):
        """Return the log's lines from ``moment`` on, oldest first."""
        return self.log[bisect_left(self.log, moment, key=lambda entry: entry.moment):]
