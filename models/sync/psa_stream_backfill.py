# pylint: disable=invalid-commit  # each page is committed with its cursor
import json
import time

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .exclusive import exclusive
from .psa_stream_pull import BACKFILL, CursorMoved, PagingError

LOOK_AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 2


class PsaStream(models.Model):
    """Back-fills: history is read beside live traffic, with a cursor, small pages and a job of its own.

    It goes on after an interruption from its last committed page, leaves half of the rate budget to live traffic, and
    reads no further while the lane has more waiting than the connection's back-fill backlog.
    """

    _inherit = "psa.stream"

    next_backfill_at = fields.Datetime(readonly=True, copy=False)
    backfill_error = fields.Char(readonly=True, copy=False)
    backfill_failure_count = fields.Integer(readonly=True, copy=False)

    def action_backfill(self, since=False):
        """Read the history of these streams again.

        :param since: datetime, or False for all there is. Records that are unchanged have no effect.
        """
        self.check_access("write")
        if self.filtered(lambda stream: stream.direction != "in"):
            raise UserError(self.env._("Only streams that are read have a history to read."))
        self.write({"backfill_state": "running", "backfill_since": since, "backfill_cursor": False,
                    "next_backfill_at": False, "backfill_error": False, "backfill_failure_count": 0})
        self._wake("backfill")

    def action_backfill_stop(self):
        self.check_access("write")
        self.filtered(lambda stream: stream.backfill_state == "running").backfill_state = "none"

    @api.model
    def _cron_backfill(self):
        streams = self._callable(SQL(
            """stream.direction = 'in' AND stream.backfill_state = 'running'
               AND (stream.next_backfill_at IS NULL OR stream.next_backfill_at <= %s)""", fields.Datetime.now()))
        self._work_through(streams, lambda stream, seconds: stream._backfill(seconds))

    def _backfill(self, seconds=float("inf")):
        """Read pages until the history is read, the time is up or the lane has enough to do.

        :return: number of new messages
        """
        self.ensure_one()
        with exclusive(self.env.cr, "backfill", self.id) as mine:
            if not mine:
                return 0
            self.env.cr.commit()
            self.invalidate_recordset()
            if self.backfill_state != "running":
                return 0
            return self._guarded_run(self._backfill_pages, time.monotonic() + seconds, BACKFILL)

    def _backfill_pages(self, deadline):
        connection, provider, spec = self.connection_id, self._provider(), self._spec()
        limit = connection.backfill_backlog_limit
        options = {
            "page_size": self.backfill_page_size, "overlap_seconds": self.overlap_seconds, "backfill": True,
            "new_run": not self.backfill_cursor, "since": self._instant(self.backfill_since),
        }
        cursor, more, received = self.backfill_cursor or {}, True, 0
        seen = {self._cursor_key(cursor)}
        with connection._calling(reserve=0.5) as session:
            while more and time.monotonic() < deadline and self._has_room(limit, deadline):
                self.env.cr.commit()  # no transaction is open while the vendor is asked
                page = provider.fetch_page(session, spec, cursor, options)
                received += self._store_backfill_page(page, cursor)
                if page.more and self._cursor_key(page.cursor) in seen:
                    raise PagingError(self.env._("The same page comes again and again."), code="paging")
                seen.add(self._cursor_key(page.cursor))
                cursor, more, options = page.cursor, page.more, {**options, "new_run": False}
                self.env.invalidate_all()  # a back-fill of any length needs the memory of one page
        if more and time.monotonic() < deadline and received:
            self._wake("backfill")  # it stopped for the lane, which is catching up
        return received

    def _store_backfill_page(self, page, cursor):
        new = self.env["psa.message"]._receive(self, page.records, "backfill")
        values = {"backfill_cursor": json.dumps(page.cursor), "backfill_error": None, "backfill_failure_count": 0}
        if not page.more:
            values["backfill_state"] = "done"
        if not self._move(values, SQL(
                "backfill_state = 'running' AND COALESCE(backfill_cursor, '{}'::jsonb) = %s::jsonb",
                json.dumps(cursor))):
            raise CursorMoved
        self.env.cr.commit()
        return new

    def _has_room(self, limit, deadline):
        """Return whether the lane has less than ``limit`` waiting, after a short wait for it to catch up."""
        until = min(deadline, time.monotonic() + PATIENCE_SECONDS)
        while self._lane_backlog(limit) >= limit:
            self.env.cr.commit()
            if time.monotonic() + LOOK_AGAIN_SECONDS > until:
                return False
            time.sleep(LOOK_AGAIN_SECONDS)
        return True

    def _lane_backlog(self, limit):
        """Return how many messages of this connection wait in this stream's lane, counted up to ``limit``."""
        self.env["psa.message"].flush_model()
        (count,), = self.env.execute_query(SQL(
            """
            SELECT count(*) FROM (
                SELECT FROM psa_message
                 WHERE lane = %s AND connection_id = %s AND state = 'pending' LIMIT %s) waiting
            """, self.lane, self.connection_id.id, limit))
        return count
