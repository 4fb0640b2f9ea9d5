# pylint: disable=invalid-commit  # a worker commits after each batch
import contextlib
import logging
import random
import time
from collections import defaultdict
from datetime import timedelta

import psycopg2
from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import api, fields, models
from odoo.tools import SQL

from .drain import Batch, RaceLost
from .item import Claim, record_key
from .wake import wake
from .worker import Progress, Turn, Worker

_logger = logging.getLogger(__name__)

JOBS = {
    "master": ("psa_hub.cron_lane_master_1", "psa_hub.cron_lane_master_2"),
    "transaction": ("psa_hub.cron_lane_transaction_1", "psa_hub.cron_lane_transaction_2"),
}
#: Kinds of stream jobs (``psa.stream._wake``) that serve the lanes which are not drained here.
STREAM_KINDS = {"fetch": "fetch", "outbound": "push"}

#: What ends in a new transaction and never costs an attempt.
CONFLICTS = (SerializationFailure, DeadlockDetected, LockNotAvailable, RaceLost)

#: What a claim reads of a message.
CLAIMED = SQL("id, connection_id, stream_id, object_type, external_id, source_version, operation, payload, origin, "
              "attempt_count, exception_id, decided, overlay")

STAND_BY_SECONDS = 10  # how long a worker waits for what another one has locked
LINGER_SECONDS = 0.3  # before a run ends it looks once more: a sender may have been about to commit
LOOK_AGAIN_SECONDS = 0.25
SETTLE_ATTEMPTS = 10  # then the sweep does it


class PsaLane(models.AbstractModel):
    """The workers: claim a batch of one connection, apply it, commit, and again until nothing is due.

    Any number of workers share a lane. The first statement of each transaction is the claim (``FOR NO KEY UPDATE SKIP
    LOCKED``), so its snapshot is never older than its locks. Each record is locked too (advisory, until the commit), so
    that two versions of one record are never worked on at once.
    """

    _name = "psa.lane"
    _description = "Lane"

    # === WAKE === #
    @api.model
    def _wake(self, lanes):
        """Set the first worker of each of these lanes going; it calls the others when there is enough to do."""
        jobs = [JOBS[lane][0] for lane in lanes if lane in JOBS]
        if jobs:
            wake(self.env, *jobs)
        if kinds := {STREAM_KINDS[lane] for lane in lanes if lane in STREAM_KINDS}:
            self.env["psa.stream"]._wake(*kinds)

    @api.model
    def _wake_others(self, lane):
        wake(self.env, *JOBS[lane])

    @api.model
    def _wake_later(self, lane):
        """Ask for a run when the next retry of the lane is due, unless one is due before anyway."""
        [(moment,)] = self.env.execute_query(SQL(
            "SELECT MIN(next_attempt_at) FROM psa_message WHERE state = 'retry' AND lane = %s", lane))
        if not moment:
            return
        job = self.env.ref(JOBS[lane][0])
        due_before = self.env.execute_query(SQL(
            "SELECT 1 FROM ir_cron_trigger WHERE cron_id = %s AND call_at <= %s LIMIT 1",
            job.id, moment + timedelta(minutes=1)))
        if not due_before and job.sudo().nextcall > moment:
            job._trigger(at=max(moment, fields.Datetime.now()))

    # === DRAIN === #
    @api.model
    def _cron_drain(self, lane):
        self._drain(lane)

    @api.model
    def _drain(self, lane, stand_by=STAND_BY_SECONDS):
        """Work on the lane until nothing is due or the scheduled job's time is up.

        Commits after each batch. Conflicts with other transactions roll the batch back and try again, smaller and not
        beside other workers, without costing an attempt.

        :param stand_by: seconds to wait for messages that another worker has locked, so that a killed worker's work is
            taken up at once; 0: end when nothing is due
        :return: number of messages that were worked on
        """
        worker = Worker(self.env.cr)
        progress = Progress(self.env["ir.cron"])
        idle_since = None
        while progress.time_left():
            connections = self._due_connections(lane)
            self.env.cr.commit()
            claimed = 0
            for connection in connections:
                claimed += self._drain_connection(lane, connection, worker, progress)
                if not progress.time_left():
                    break
            if claimed:
                idle_since = None
                continue
            now = time.monotonic()
            idle_since = idle_since or now
            waiting = (stand_by if connections else min(stand_by, LINGER_SECONDS)) - (now - idle_since)
            if waiting <= 0 or not progress.done and not connections:
                break
            self.env.cr.commit()
            time.sleep(min(waiting, LOOK_AGAIN_SECONDS))
        self.env["psa.apply"]._catch_up()
        if progress.time_left():
            self._wake_later(lane)
            progress.report(remaining=0)
        if progress.done:
            _logger.info("Lane %s: %s messages, %s conflicts", lane, progress.done, worker.conflicts)
        return progress.done

    def _drain_connection(self, lane, connection, worker, progress):
        """Work on one connection until its turn is over: others that are due must not wait for all of its batches.

        :return: number of messages that were finished
        """
        turn = Turn(connection)
        total = 0
        full = True
        while full and progress.time_left():
            try:
                count, full = self._drain_batch(lane, turn, worker)
                turn.begun = True
            except Exception:  # whatever it is: what was committed so far is reported, then it goes on its way
                with contextlib.suppress(psycopg2.Error):  # no database, no report
                    self.env.cr.rollback()
                    progress.report()
                raise
            if full and worker.call_others():
                self._wake_others(lane)
            progress.add(count)
            total += count
            if turn.is_over():
                break
        return total

    @api.model
    def _due_connections(self, lane):
        """Return the live connections that have something due in ``lane``."""
        rows = self.env.execute_query(SQL(
            """
            SELECT connection.id FROM psa_connection connection
             WHERE connection.active AND (
                   (SELECT id FROM psa_message WHERE lane = %(lane)s AND connection_id = connection.id
                       AND state = 'pending' ORDER BY received_at, id LIMIT 1) IS NOT NULL
                OR (SELECT id FROM psa_message WHERE lane = %(lane)s AND connection_id = connection.id
                       AND state = 'retry' AND next_attempt_at <= %(now)s ORDER BY next_attempt_at LIMIT 1) IS NOT NULL)
          ORDER BY connection.id
            """, lane=lane, now=fields.Datetime.now()))
        return self.env["psa.connection"].browse(row[0] for row in rows).filtered(
            lambda connection: connection._is_live())

    def _drain_batch(self, lane, turn, worker):
        """Work on one batch in a transaction of its own.

        :return: number of messages that were finished, whether the batch was full
        """
        while True:
            with worker.alone():
                try:
                    batch = self._run_batch(lane, turn, worker.limit(turn.batch_size), worker.trust_unique)
                    settled = batch.settlement() if batch else None
                    self.env.flush_all()
                    self.env.cr.commit()
                except CONFLICTS as error:
                    self.env.cr.rollback()
                    worker.conflict(error)
                    continue
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    raise  # no database: the scheduled job fails, and its work is due again
                except Exception as error:
                    self.env.cr.rollback()
                    if worker.single():
                        return self._set_aside(lane, turn.connection_id, error), False
                    _logger.exception("A batch of lane %s failed as a whole: its messages go one by one", lane)
                    continue
            worker.success()
            if batch is None:
                return 0, False
            self._settle(batch.connection.with_env(self.env), *settled)
            return len(batch.claims), batch.full

    def _set_aside(self, lane, connection_id, error):
        """Put the oldest message back for later, or end it: no batch can be made with it, so the rest goes on without.

        This is the net below the batch itself; what a handler raises never comes here.

        :return: number of messages
        """
        rows = [row for row in self._claim(lane, connection_id, 1) if row["mine"]]
        _logger.error("Message %s of lane %s cannot be worked on", [row["id"] for row in rows], lane, exc_info=error)
        messages = self.env["psa.message"].browse(row["id"] for row in rows)
        for message in messages:
            message._fail(f"{type(error).__name__}: {error}", type(error).__name__)
        self.env.flush_all()
        self.env.cr.commit()
        return len(messages)

    @api.model
    def _run_batch(self, lane, turn, limit=None, trust_unique=False):
        """Claim a batch and work on it, without committing. The claim must be the transaction's first statement.

        :param turn: :class:`Turn` of the connection
        :param trust_unique: a uniqueness error is a fault of the data, not a race with another transaction
        :return: :class:`Batch`, or None when nothing was claimed
        """
        limit = limit or turn.batch_size
        return self._run_rows(
            turn, self._claim(lane, turn.connection_id, limit, retries=not turn.begun), limit, trust_unique)

    @api.model
    def _run_rows(self, turn, rows, limit, trust_unique=False):
        """Work on claimed ``rows`` of :meth:`_claim`, in the caller's transaction. Return :class:`Batch` or None."""
        mine = [row for row in rows if row.pop("mine")]
        if not mine:
            return None
        env = self._working_env(turn)
        connection = env["psa.connection"].browse(turn.connection_id)
        company = env["res.company"].browse(turn.company_id)
        Message = env["psa.message"]
        claims = [Claim(Message.browse(row["id"]), connection, company, row) for row in mine]
        batch = Batch(
            env, connection, claims, full=len(rows) >= limit, trust_unique=trust_unique, mappings=turn.mappings)
        batch.run()
        return batch

    @api.model
    def _claim(self, lane, connection_id, limit, retries=True):
        """Lock the oldest ``limit`` pending messages of a connection, and a quarter as many whose retry is due.

        The order is by arrival, as the index has it: with an order by id alone PostgreSQL would rather walk through a
        million finished messages.

        ``mine`` is false for a message whose record another worker has in hand in another version; it stays due.

        :param retries: also look for what is due for a retry
        :return: list of dicts, oldest first
        """
        claimed = fresh = SQL(
            """
            (SELECT %s FROM psa_message WHERE lane = %s AND connection_id = %s AND state = 'pending'
           ORDER BY received_at, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
            """, CLAIMED, lane, connection_id, limit)
        if retries:
            claimed = SQL(
                """
                (SELECT * FROM (SELECT %s FROM psa_message
                                 WHERE lane = %s AND connection_id = %s AND state = 'retry' AND next_attempt_at <= %s
                              ORDER BY next_attempt_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED) again
                  UNION ALL SELECT * FROM %s fresh)
                """, CLAIMED, lane, connection_id, fields.Datetime.now(), max(limit // 4, 1), fresh)
        return self._lock_records(claimed)

    @api.model
    def _lock_records(self, claimed):
        """Return the rows of the locking query ``claimed`` with ``mine``: whether their records could be locked too."""
        return self.env.execute_query_dict(SQL(
            """
            WITH claimed AS MATERIALIZED (SELECT * FROM %s rows)
            SELECT claimed.*, pg_try_advisory_xact_lock(hashtextextended(
                       connection_id || ':' || object_type || ':' || external_id, 0)) AS mine
              FROM claimed ORDER BY id
            """, claimed))

    def _working_env(self, turn):
        """Return the environment that handlers work in: the connection's user, in all companies of that user."""
        return self.env(user=turn.user_id, su=True, context={
            **self.env.context,
            "allowed_company_ids": turn.company_ids,
            "tracking_disable": True,
            "mail_create_nolog": True,
            "mail_notrack": True,
            "active_test": True,
            "psa_in_batch": True,
        })

    # === RACES === #
    @api.model
    def _settle(self, connection, decided, awaited):
        """Close the window in which one worker decides on a parent while another one sends its child to wait for it.

        A parent is decided on when it is bound, or when the source says that it does not exist. Each worker looks again
        with a new snapshot after its commit; whoever commits last sees the other one.

        :param decided: wait keys of what this worker has just bound or learnt to be gone
        :param awaited: references that its messages wait for now
        """
        if not decided and not awaited:
            return
        for attempt in range(SETTLE_ATTEMPTS):
            keys = set(decided)
            if awaited:
                heard = self.env["psa.message"]._last_heard(connection, awaited)
                keys |= {record_key(connection.id, *reference) for reference in (
                    *self.env["psa.binding"]._resolve(connection, awaited),
                    *(reference for reference, word in heard.items() if word == "gone"))}
            try:
                self.env["psa.message"]._release(keys)
                self.env.cr.commit()
                return
            except CONFLICTS:  # somebody else has just released some of them: look for the rest
                self.env.cr.rollback()
                time.sleep(random.uniform(0, 0.1) * attempt)
        _logger.info("Lane: what waits for %s keys is left to the sweep", len(keys))

    @api.model
    def _cron_sweep(self):
        """Do what killed workers have left: release what waits for a parent that is decided on, catch up.

        Decided on is what is bound, and what the source says does not exist.
        """
        self.env["psa.apply"]._catch_up()
        self._release_bound()
        self._release_gone()

    @api.model
    def _release_gone(self):
        waiting = self.env["psa.message"]._read_group(
            [("state", "=", "waiting"), ("direction", "=", "in"), ("wait_key", "=like", "record:%")],
            ["connection_id", "wait_key"])
        references = defaultdict(set)
        for connection, key in waiting:
            references[connection].add(tuple(key.split(":", 3)[2:]))
        for connection, pairs in references.items():
            heard = self.env["psa.message"]._last_heard(connection, pairs)
            released = self.env["psa.message"]._release(
                [record_key(connection.id, *pair) for pair, word in heard.items() if word == "gone"], ("waiting",))
            if released:
                _logger.warning("Sweep: %s messages waited for records that do not exist", len(released))

    @api.model
    def _release_bound(self):
        self.env["psa.message"].flush_model()
        self.env["psa.binding"].flush_model()
        released = self.env.execute_query(SQL(
            """
            UPDATE psa_message message
               SET state = 'pending', wait_key = NULL, write_date = %s
              FROM psa_binding binding
             WHERE message.state = 'waiting' AND binding.res_id IS NOT NULL
               AND message.wait_key = 'record:' || binding.connection_id || ':' || binding.object_type || ':'
                                      || binding.external_id
               AND binding.connection_id = message.connection_id
               AND binding.object_type = split_part(message.wait_key, ':', 3)
               AND binding.external_id = substr(message.wait_key, length(split_part(message.wait_key, ':', 2))
                                                + length(split_part(message.wait_key, ':', 3)) + 10)
            RETURNING message.lane
            """, self.env.cr.now()))
        if released:
            self.env["psa.message"].invalidate_model()
            _logger.warning("Sweep: %s messages waited for records that are bound", len(released))
            self._wake({lane for (lane,) in released})
