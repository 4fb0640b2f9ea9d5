# pylint: disable=invalid-commit  # each page is committed with its cursor
import json
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

import psycopg2.errors

from odoo import api, fields, models
from odoo.tools import SQL

from ...connectors.errors import ConnectionRefusedByVendor, ConnectorError, TransientError, UnsafeUrlError
from .attempts import pause
from .exclusive import exclusive
from .gate import GateClosed
from .wake import wake

_logger = logging.getLogger(__name__)

JOBS = {
    "pull": ("psa_hub.cron_pull_1", "psa_hub.cron_pull_2"),
    "backfill": ("psa_hub.cron_backfill",),
    "fetch": ("psa_hub.cron_fetch",),
    "push": ("psa_hub.cron_push_1", "psa_hub.cron_push_2"),
}


@dataclass(frozen=True, slots=True)
class Notes:
    """Field names of the stream that say how a kind of run goes."""

    again_at: str
    error: str
    failures: str


PULL = Notes("next_pull_at", "last_error", "failure_count")
BACKFILL = Notes("next_backfill_at", "backfill_error", "backfill_failure_count")


class PagingError(ConnectorError):
    """The vendor's pages do not come to an end."""


class CursorMoved(Exception):
    """Another worker, or a person, moved the cursor since it was read: nothing is stored, the run starts again."""


class PsaStream(models.Model):
    """Reading: page by page, each page's messages and the new cursor in one transaction."""

    _inherit = "psa.stream"

    mid_run = fields.Boolean(
        readonly=True, copy=False, help="The last run ended between two pages: the next one does not step back.")
    failure_count = fields.Integer(readonly=True, copy=False)

    # === JOBS === #

    @api.model
    def _wake(self, *kinds):
        """Set the jobs of these kinds going: ``pull``, ``backfill``, ``fetch``, ``push``."""
        return wake(self.env, *(xmlid for kind in kinds for xmlid in JOBS[kind]))

    @api.model
    def _callable(self, where):
        """Return the streams that ``where`` names and whose connection may be called now.

        :param where: SQL condition on ``stream``
        """
        self.env.flush_all()
        rows = self.env.execute_query(SQL(
            """
            SELECT stream.id
              FROM psa_stream stream
              JOIN psa_connection connection ON connection.id = stream.connection_id
              JOIN psa_connection_gate gate ON gate.connection_id = connection.id
             WHERE stream.active AND stream.blocked_reason IS NULL
               AND connection.active AND connection.state IN ('connected', 'refused')
               AND (gate.breaker_state = 'closed' OR gate.breaker_until <= %(now)s)
               AND (gate.reads_until IS NULL OR gate.reads_until <= %(now)s OR stream.direction = 'out')
               AND %(where)s
          ORDER BY COALESCE(stream.near_real_time, false) DESC, stream.next_pull_at NULLS FIRST, stream.sequence,
                   stream.id
            """, now=fields.Datetime.now(), where=where))
        streams = self.browse(row[0] for row in rows)
        live = {connection for connection in streams.connection_id if connection._is_live()}
        return streams.filtered(lambda stream: stream.connection_id in live)

    @api.model
    def _due(self):
        return self._callable(SQL(
            """stream.direction = 'in' AND stream.mode IN ('poll', 'both')
               AND (stream.next_pull_at IS NULL OR stream.next_pull_at <= %s)""", fields.Datetime.now()))

    @api.model
    def _cron_pull(self):
        """Read every stream that is due."""
        self._work_through(self._due(), lambda stream, seconds: stream._pull(seconds))

    @api.model
    def _work_through(self, streams, work):
        """Call ``work(stream, seconds left)`` for each of ``streams`` until the job's time is up.

        What goes wrong with one of them does not keep the others from their turn.
        """
        Cron = self.env["ir.cron"]
        seconds = Cron._commit_progress(remaining=len(streams))
        for position, stream in enumerate(streams, 1):
            try:
                work(stream, seconds)
            except psycopg2.errors.SerializationFailure:
                self.env.cr.rollback()
                _logger.info("Work on stream %s collided with another change and is done later", stream.id)
            except Exception as error:
                _logger.exception("Work on stream %s failed", stream.id)
                self.env.cr.rollback()
                stream._raise_stream_exception(error)
            seconds = Cron._commit_progress(1, remaining=len(streams) - position)
            if not seconds:
                break

    # === ONE RUN === #

    def _pull(self, seconds=float("inf")):
        """Read from the cursor until there is nothing more, the page limit or the time is reached.

        :return: number of new messages
        """
        self.ensure_one()
        with exclusive(self.env.cr, "pull", self.id) as mine:
            if not mine:
                return 0
            self.env.cr.commit()  # a new snapshot: another worker may just have moved the cursor
            self.invalidate_recordset()
            return self._guarded_run(self._pull_pages, time.monotonic() + seconds, PULL)

    def _guarded_run(self, run, deadline, notes):
        """Do ``run(deadline)`` and note on the stream how it went; nothing that it raises stops other streams.

        :param notes: :class:`Notes` of the run
        """
        try:
            return run(deadline)
        except (CursorMoved, psycopg2.errors.SerializationFailure):
            self.env.cr.rollback()
            self._later(notes, 0)
        except GateClosed as error:
            self.env.cr.rollback()
            self._later(notes, error.retry_after or 60)
        except (ConnectionRefusedByVendor, UnsafeUrlError) as error:
            self.env.cr.rollback()  # the breaker says when to try again
            self._note_failure(notes, error, 0)
        except TransientError as error:
            self.env.cr.rollback()
            self._note_failure(notes, error, self._pause(self[notes.failures] + 1, error))
        except Exception as error:
            if not isinstance(error, ConnectorError):
                _logger.exception("Reading stream %s (%s) failed", self.id, self.code)
            self.env.cr.rollback()
            self._note_failure(notes, error, self._pause(self[notes.failures] + 3, error))
            self._raise_stream_exception(error)
        self.env.cr.commit()
        return 0

    def _pull_pages(self, deadline):
        connection, provider, spec = self.connection_id, self._provider(), self._spec()
        options = {
            "page_size": self.page_size, "overlap_seconds": self.overlap_seconds, "backfill": False,
            "new_run": not self.mid_run, "since": self._instant(connection.read_since),
        }
        limit, cursor = self.page_limit, self.cursor or {}
        seen, received = {self._cursor_key(cursor)}, 0
        with connection._calling() as session:
            self.env.cr.commit()  # no transaction is open while the vendor is asked
            for count in range(1, limit + 1):
                page = provider.fetch_page(session, spec, cursor, options)
                ended = not page.more or count == limit or time.monotonic() > deadline
                received += self._store_page(page, cursor, ended)
                if page.more and self._cursor_key(page.cursor) in seen:
                    raise PagingError(self.env._("The same page comes again and again."), code="paging")
                if ended:
                    break
                seen.add(self._cursor_key(page.cursor))
                cursor, options = page.cursor, {**options, "new_run": False}
            if page.more and count == limit and not received:
                raise PagingError(self.env._("%s pages without anything new.", limit), code="paging")
            if page.more:
                self._wake("pull")
                self.env.cr.commit()
        return received

    def _store_page(self, page, cursor, ended):
        """Insert the messages of ``page`` and move the cursor, in one transaction.

        :param cursor: where the page was read from; when the stream is no longer there, nothing is stored
        :return: number of new messages
        """
        new = self.env["psa.message"]._receive(self, page.records, "pull")
        if page.reconcile:
            self._request_reconcile()
        now, failed_before = fields.Datetime.now(), self.failure_count
        values = {
            "cursor": json.dumps(page.cursor), "mid_run": page.more, "last_pull_at": now,
            "watermark": page.watermark or None,
        }
        if ended:
            values["next_pull_at"] = now if page.more else now + timedelta(minutes=self.interval_minutes)
        if not page.more:
            values |= {"last_success_at": now, "last_error": None, "failure_count": 0}
        if not self._move(values, SQL("COALESCE(cursor, '{}'::jsonb) = %s::jsonb", json.dumps(cursor))):
            raise CursorMoved
        if not page.more and failed_before:
            self._close_stream_exception()
        self.env.cr.commit()
        return new

    def _move(self, values, condition):
        """Update this stream's row where ``condition`` holds. Return whether it did."""
        self.env.flush_all()
        rows = self.env.execute_query(SQL(
            "UPDATE psa_stream SET %s WHERE id = %s AND %s RETURNING id",
            SQL(", ").join(SQL("%s = %s", SQL.identifier(name), value) for name, value in values.items()),
            self.id, condition))
        self.invalidate_recordset()
        return bool(rows)

    # === WHEN IT FAILS === #

    def _later(self, notes, seconds):
        self[notes.again_at] = fields.Datetime.now() + timedelta(seconds=seconds)

    def _note_failure(self, notes, error, seconds):
        self.write({notes.error: self._plain(error), notes.failures: self[notes.failures] + 1})
        self._later(notes, seconds)

    def _exception_key(self):
        return f"stream:{self.id}"

    def _raise_stream_exception(self, error):
        self.env["psa.exception"]._raise([{
            "cause": "connection_refused",
            "subject_key": self._exception_key(),
            "text": self.env._(
                "%(stream)s of %(connection)s cannot be read: %(reason)s Nothing is lost; reading is tried again.",
                stream=self.name, connection=self.connection_id.name, reason=self._plain(error)),
            "company_id": self.company_id.id,
            "connection_id": self.connection_id.id,
            "res_model": self._name,
            "res_id": self.id,
            "detail": f"{type(error).__name__} {getattr(error, 'code', '')}".strip(),
        }])

    def _close_stream_exception(self):
        self.env["psa.exception"].sudo().search([
            ("subject_key", "=", self._exception_key()), ("state", "not in", ("resolved", "waived")),
        ])._close_if_released()

    # === HELPERS === #

    def _pause(self, attempt, error):
        """Return the seconds to wait after ``attempt`` failures, at least what the vendor asked for."""
        connection = self.connection_id
        return pause(attempt, connection.retry_base_seconds, connection.retry_limit_seconds,
                     getattr(error, "retry_after", None))

    def _plain(self, error):
        """Return the text for people; only connector errors promise that theirs holds no secret."""
        if isinstance(error, ConnectorError):
            return str(error)
        return self.env._("Unexpected error %s; the server log has the details.", type(error).__name__)

    @staticmethod
    def _cursor_key(cursor):
        return json.dumps(cursor, sort_keys=True)

    @staticmethod
    def _instant(moment):
        """Return the ISO text (UTC) of a stored moment, or an empty string."""
        return moment.isoformat() + "Z" if moment else ""
