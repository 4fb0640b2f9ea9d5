# pylint: disable=invalid-commit  # the session's lock is taken and given back in transactions of its own
"""What one worker remembers between its batches, and how it keeps out of the way of others."""

import logging
import random
import time

import psycopg2
from psycopg2.errors import LockNotAvailable

from odoo.tools import SQL

from .drain import RaceLost

_logger = logging.getLogger(__name__)

TURN_SECONDS = 0.5  # how long a connection is worked on before the next one that is due has its turn
REPORT_SECONDS = 0.5
SMALLEST_BATCH = 25
LARGEST_BATCH = 1000
CONFLICT_LIMIT = 40  # in a row, about a minute
EXCLUSIVE_BATCHES = 3  # after a conflict, this many batches are not worked on beside others


class Turn:
    """One connection's turn with a worker: what its batches need to know of it, read once for all of them.

    Plain values: a commit empties the ORM's cache, and a batch of one message would spend most of its time reading them
    again. A change of the connection is seen by its next turn.
    """

    def __init__(self, connection):
        user, company = connection.user_id, connection.company_id
        self.connection_id = connection.id
        self.company_id = company.id
        self.company_ids = [company.id, *(user.company_ids - company).ids]
        self.user_id = user.id
        self.batch_size = connection.batch_size
        self.mappings = {}  # {stream id: id of the field map in force}, as far as batches asked
        self.begun = False  # what is due for a retry is looked for once a turn
        self.end_at = time.monotonic() + TURN_SECONDS

    def is_over(self):
        return time.monotonic() >= self.end_at


class Progress:
    """What the scheduled job is told, and how much of its time is left.

    Telling it costs a commit of its own, which would double the price of a batch of one message.
    """

    def __init__(self, cron):
        self.cron = cron
        self.done = self.reported = 0
        self.report(remaining=None)

    def add(self, count):
        self.done += count
        if time.monotonic() >= self.report_at:
            self.report()

    def report(self, remaining=1):
        """Commit, with the number of messages since the last report."""
        seconds = self.cron._commit_progress(self.done - self.reported, remaining=remaining)
        self.reported = self.done
        now = time.monotonic()
        self.end_at, self.report_at = now + seconds, now + REPORT_SECONDS

    def time_left(self):
        return time.monotonic() < self.end_at


class Worker:
    """How one worker fares: conflicts with others, and batches that failed as a whole."""

    def __init__(self, cr):
        self.cr = cr
        self.conflicts = 0
        self.in_a_row = 0
        self.careful = 0  # batches still to be done alone
        self.trust_unique = False
        self.others_called = False
        self.singles = 0  # messages still to be done one at a time

    def limit(self, batch_size):
        if self.singles:
            return 1
        return max(min(SMALLEST_BATCH, batch_size), batch_size >> self.in_a_row)

    def call_others(self):
        first, self.others_called = not self.others_called, True
        return first

    def conflict(self, error):
        self.conflicts += 1
        self.in_a_row += 1
        if self.in_a_row > CONFLICT_LIMIT:
            raise error  # the scheduled job fails loudly; nothing is lost
        self.careful = EXCLUSIVE_BATCHES
        self.trust_unique = isinstance(error, RaceLost)
        _logger.debug("Conflict %s: %s", self.in_a_row, error)
        time.sleep(random.uniform(0, min(2.0, 0.02 * 2 ** self.in_a_row)))

    def single(self):
        """A batch failed as a whole. Say whether it was of one message already; from now on they are."""
        was_single, self.singles = bool(self.singles), self.singles or LARGEST_BATCH
        return was_single

    def success(self):
        self.in_a_row = 0
        self.singles = max(self.singles - 1, 0)
        self.trust_unique = False
        self.careful = max(self.careful - 1, 0)

    def alone(self):
        return Alone(self.cr, "psa_hub.drain", bool(self.careful))


class Alone:
    """Work beside no other worker that wants to be alone: they take turns instead of undoing each other's work.

    The lock belongs to the session and is taken in a transaction of its own, so that the claim's snapshot is younger.
    """

    def __init__(self, cr, purpose, wanted=True):
        self.cr = cr
        self.key = SQL("hashtext(%s)", purpose)
        self.wanted = wanted
        self.held = False

    def __enter__(self):
        if self.wanted:
            try:
                self.cr.execute(SQL("SET LOCAL lock_timeout = '20s'"))
                self.cr.execute(SQL("SELECT pg_advisory_lock(%s)", self.key))
                self.held = True
                self.cr.commit()
            except LockNotAvailable:
                self.cr.rollback()  # one of them takes very long: go on beside it

    def __exit__(self, exc_type, exc_value, traceback):
        if self.held and not isinstance(exc_value, psycopg2.InterfaceError):
            if exc_type:
                self.cr.rollback()  # an aborted transaction could not release it
            self.cr.execute(SQL("SELECT pg_advisory_unlock(%s)", self.key))
            self.cr.commit()
