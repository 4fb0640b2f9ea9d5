"""The gate before every call out: is this database allowed to call, is the breaker closed, is there budget left?

One row per connection, shared by all workers of all servers through short transactions of their own. The database's
clock rules, so that servers need not agree on the time.

Breaker: ``closed`` -> ``open`` (refused at once; or an outage: several transient failures in a row; or quota used up)
-> after a wait that doubles, one worker tries (``half_open``) while the others keep waiting -> ``closed`` or ``open``.

Budget: a token bucket. A fifth of the budget may go in a burst and the rest flows in evenly, so that no window of the
budget's length sees more than the budget.
"""

import random
import time
from datetime import timedelta

from odoo.tools import SQL

from ...connectors.errors import TransientError
from .own_cursor import own_env

OUTAGE_FAILURES = 5  # transient failures in a row that open the breaker
PROBE_SECONDS = 120  # after this a worker that was trying is taken for dead
WAITS = {"refused": (60, 3600), "outage": (15, 600)}  # seconds: first wait, longest wait


class GateClosed(TransientError):
    """No call was made: the work stays as it is and no attempt is spent. ``retry_after``: seconds to the next try."""


class NotLiveError(GateClosed):
    """This database must not call out: neutralized, a copy, or the connection is paused or archived."""


class Gate:
    """The gate of one connection as one worker's session uses it.

    :param env: any environment; its own cursor is not used
    :param patience: longest wait for budget in seconds; above it :class:`GateClosed` is raised
    :param reserve: part of the bucket (0 to 1) that is left to others (back-fills leave half to live traffic)
    :param writing: the work writes back: it goes on when the quota for reading is used up
    :param force: call although the breaker is open (a person pressed the button)
    """

    def __init__(self, env, connection_id, patience=5.0, reserve=0.0, writing=False, force=False):
        self._env = env
        self._connection_id = connection_id
        self._patience = patience
        self._reserve = reserve
        self._writing = writing
        self._force = force
        self._probing = force

    # --- before a call ---------------------------------------------------------------------------------------------

    def before_call(self, method, host):
        """Wait for budget. :raise GateClosed: not now; :raise NotLiveError: not from this database"""
        with own_env(self._env, durable=False) as env:
            row = self._lock(env)
            self._check_live(row)
            self._check_breaker(env, row)
            wait = self._take(env, row)
        if wait:
            time.sleep(wait)

    def _lock(self, env):
        rows = env.execute_query_dict(SQL(
            """
            SELECT gate.*, connection.rate_calls, connection.rate_seconds, connection.active,
                   connection.state = 'paused' AS paused, connection.database_uuid,
                   clock_timestamp() AT TIME ZONE 'UTC' AS now,
                   (SELECT value FROM ir_config_parameter WHERE key = 'database.uuid') AS current_uuid,
                   (SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized') AS neutralized
              FROM psa_connection_gate gate
              JOIN psa_connection connection ON connection.id = gate.connection_id
             WHERE gate.connection_id = %s
               FOR UPDATE OF gate
            """, self._connection_id))
        if not rows:
            raise NotLiveError("The connection is not saved yet", code="not_saved")
        return rows[0]

    def _check_live(self, row):
        if (row["neutralized"] or "").lower() in ("true", "1"):
            raise NotLiveError("This database is neutralized and calls nobody", code="neutralized")
        if row["database_uuid"] != row["current_uuid"]:
            raise NotLiveError("This database is a copy and calls nobody", code="copy")
        if row["paused"] or not row["active"]:
            raise NotLiveError("The connection is paused", code="paused")

    def _check_breaker(self, env, row):
        if row["reads_until"] and row["now"] < row["reads_until"] and not self._writing and not self._force:
            raise GateClosed("The vendor's quota for reading is used up", code="quota",
                             retry_after=(row["reads_until"] - row["now"]).total_seconds())
        if row["breaker_state"] == "closed" or self._probing:
            return
        if row["breaker_until"] and row["now"] < row["breaker_until"]:
            raise GateClosed(row["breaker_reason"] or "The connection is waiting", code="breaker",
                             retry_after=(row["breaker_until"] - row["now"]).total_seconds())
        self._update(env, breaker_state="half_open", breaker_until=row["now"] + timedelta(seconds=PROBE_SECONDS))
        self._probing = True

    def _take(self, env, row):
        """Take one call from the bucket and return the seconds to wait for it."""
        calls, seconds = row["rate_calls"], row["rate_seconds"]
        size = max(1, calls // 5)
        speed = max(1, calls - size) / seconds
        level = size if row["refilled_at"] is None else min(
            size, row["bucket"] + max(0.0, (row["now"] - row["refilled_at"]).total_seconds()) * speed)
        wait = max(0.0, (1 + size * self._reserve - level) / speed)
        if wait > self._patience:
            raise GateClosed("The budget of calls is used up", code="budget", retry_after=wait)
        self._update(env, bucket=level - 1, refilled_at=row["now"])
        return wait

    # --- after a unit of work --------------------------------------------------------------------------------------

    def succeeded(self):
        """Note that the vendor answered. Return True when the breaker was not closed before."""
        with own_env(self._env, durable=False) as env:
            row = self._lock(env)
            self._probing = False
            stale = not row["last_success_at"] or row["now"] - row["last_success_at"] > timedelta(seconds=30)
            if row["breaker_state"] != "closed" or row["failure_count"] or stale:
                self._update(
                    env, breaker_state="closed", breaker_kind=None, breaker_until=None, breaker_reason=None,
                    open_count=0, failure_count=0, failing_since=None, last_success_at=row["now"])
            return row["breaker_state"] != "closed"

    def refused(self, reason):
        """Open the breaker: nothing works until a person acts."""
        with own_env(self._env) as env:
            self._open(env, self._lock(env), "refused", reason)

    def quota(self, reason, seconds):
        """Wait for as long as the vendor asked: after a read only reads do, after a write-back everything."""
        with own_env(self._env) as env:
            row = self._lock(env)
            if self._writing:
                self._open(env, row, "quota", reason, seconds)
            else:
                self._update(env, reads_until=row["now"] + timedelta(seconds=seconds))

    def failed(self, reason):
        """Count a transient failure; enough of them in a row, or one while trying, open the breaker.

        :return: seconds for which nothing has worked
        """
        with own_env(self._env) as env:
            row = self._lock(env)
            since = row["failing_since"] or row["now"]
            self._update(env, failure_count=(row["failure_count"] or 0) + 1, failing_since=since)
            if row["breaker_state"] != "closed" or (row["failure_count"] or 0) + 1 >= OUTAGE_FAILURES:
                self._open(env, row, "outage", reason)
            return (row["now"] - since).total_seconds()

    def _open(self, env, row, kind, reason, seconds=None):
        count = row["open_count"] or 0
        if seconds is None:
            first, longest = WAITS[kind]
            seconds = min(longest, first * 2 ** min(count, 16)) * random.uniform(0.8, 1.2)
        until = row["now"] + timedelta(seconds=seconds)
        if row["breaker_state"] == "open" and row["breaker_until"] and not self._probing:
            # several workers fail at once: that is one failure, and the longest wait counts
            until, count = max(until, row["breaker_until"]), count - 1
        self._probing = False
        self._update(
            env, breaker_state="open", breaker_kind=kind, breaker_until=until, breaker_reason=reason,
            open_count=count + 1, failing_since=row["failing_since"] or row["now"])

    def _update(self, env, **values):
        env.cr.execute(SQL(
            "UPDATE psa_connection_gate SET %s WHERE connection_id = %s",
            SQL(", ").join(SQL("%s = %s", SQL.identifier(name), value) for name, value in values.items()),
            self._connection_id))
