# pylint: disable=invalid-commit  # no transaction is open while the vendor is asked
import logging
import time
from datetime import datetime, timedelta, timezone

import psycopg2.errors

from odoo import api, fields, models
from odoo.tools import SQL

from ...connectors.base import DELETE, HINT, RawRecord
from ...connectors.errors import ConnectionRefusedByVendor, DataError, TransientError, UnsafeUrlError
from .exclusive import exclusive
from .gate import GateClosed

_logger = logging.getLogger(__name__)

RECONCILE_CHUNK = 10_000


class PsaStream(models.Model):
    """Hints: a notice that says which record changed, not what changed. The record is read again as it stands."""

    _inherit = "psa.stream"

    # === ASKING === #

    def _request_fetch(self, external_ids):
        """Queue these records of this stream to be read again.

        Hints are never merged on arrival: one that comes while its record is being read must cause another read.
        """
        self.ensure_one()
        stamp = datetime.now(timezone.utc).isoformat()
        self.env["psa.message"]._receive(
            self, [RawRecord(self.object_type, external_id, stamp, {}, HINT) for external_id in external_ids], "hub")
        self._wake("fetch")

    def _request_reconcile(self):
        """Queue every bound record of this stream: some may have been deleted unseen."""
        spec = self._spec()
        rows = self.env.execute_query(SQL(
            """
            SELECT DISTINCT COALESCE(part_of, external_id) FROM psa_binding
             WHERE connection_id = %s AND object_type = ANY(%s) AND deleted_at_source IS NOT TRUE
            """, self.connection_id.id, [spec.object_type, *spec.parts]))
        external_ids = [row[0] for row in rows]
        for start in range(0, len(external_ids), RECONCILE_CHUNK):
            self._request_fetch(external_ids[start:start + RECONCILE_CHUNK])

    # === READING === #

    @api.model
    def _cron_fetch(self):
        streams = self._callable(SQL(
            """stream.direction = 'in' AND EXISTS (
                   SELECT FROM psa_message message
                    WHERE message.lane = 'fetch' AND message.stream_id = stream.id AND (
                          message.state = 'pending'
                       OR message.state = 'retry' AND message.next_attempt_at <= %s))""", fields.Datetime.now()))
        self._work_through(streams, lambda stream, seconds: stream._fetch_hinted(seconds))

    def _fetch_hinted(self, seconds=float("inf")):
        """Read the hinted records, a page at a time, until no hint or no time is left.

        :return: number of hints answered
        """
        self.ensure_one()
        answered, deadline = 0, time.monotonic() + seconds
        with exclusive(self.env.cr, "fetch", self.id) as mine:
            while mine:
                self.env.cr.commit()
                hints = self._hints()
                if not hints or not self._answer(hints):
                    break
                answered += len(hints)
                if time.monotonic() > deadline:
                    self._wake("fetch")
                    break
        return answered

    def _hints(self):
        """Return the oldest hints of up to one page of different records (``psa.message``)."""
        Message = self.env["psa.message"]
        Message.flush_model()
        rows = self.env.execute_query(SQL(
            """
            WITH record AS (
                SELECT external_id, min(id) AS first FROM psa_message
                 WHERE lane = 'fetch' AND stream_id = %(stream)s AND connection_id = %(connection)s
                   AND (state = 'pending' OR state = 'retry' AND next_attempt_at <= %(now)s)
              GROUP BY external_id ORDER BY first LIMIT %(limit)s)
            SELECT message.id FROM psa_message message JOIN record USING (external_id)
             WHERE lane = 'fetch' AND stream_id = %(stream)s AND connection_id = %(connection)s
               AND state IN ('pending', 'retry')
          ORDER BY message.id
            """, stream=self.id, connection=self.connection_id.id, now=fields.Datetime.now(), limit=self.page_size))
        return Message.browse(row[0] for row in rows)

    def _answer(self, hints):
        """Read the records of ``hints`` and store them, in one transaction with the hints' end.

        :return: False when the rest must wait
        """
        external_ids = list(dict.fromkeys(hints.mapped("external_id")))
        provider, spec = self._provider(), self._spec()
        try:
            with self.connection_id._calling() as session:
                self.env.cr.commit()  # no transaction is open while the vendor is asked
                records, refused = self._read_records(provider, session, spec, external_ids)
            self._store_answer(hints, records, refused)
            return True
        except (GateClosed, ConnectionRefusedByVendor, UnsafeUrlError) as error:
            self.env.cr.rollback()  # the gate says when to try again; no attempt is spent
            _logger.info("Hints of stream %s wait: %s", self.id, error)
        except psycopg2.errors.SerializationFailure:
            self.env.cr.rollback()
            self._wake("fetch")
        except TransientError as error:
            self.env.cr.rollback()
            self._retry_hints(hints, error)
        except Exception as error:
            _logger.exception("Reading hinted records of stream %s (%s) failed", self.id, self.code)
            self.env.cr.rollback()
            self._retry_hints(hints, error)
        self.env.cr.commit()
        return False

    def _read_records(self, provider, session, spec, external_ids):
        """Read these records; when the vendor refuses the request, halve it until the refused ids stand alone.

        :return: list of records, ``{external id: error}``
        """
        try:
            return provider.fetch_records(session, spec, external_ids), {}
        except DataError as error:
            if len(external_ids) == 1:
                return [], {external_ids[0]: error}
        middle = len(external_ids) // 2
        first, first_refused = self._read_records(provider, session, spec, external_ids[:middle])
        second, second_refused = self._read_records(provider, session, spec, external_ids[middle:])
        return first + second, first_refused | second_refused

    def _store_answer(self, hints, records, refused):
        Message = self.env["psa.message"]
        stamp = datetime.now(timezone.utc).isoformat()
        # A record that is gone has no version: the moment tells this absence from an earlier one.
        Message._receive(self, [
            RawRecord(item.object_type, item.external_id, item.version, {"absent_at": stamp}, DELETE)
            if item.operation == DELETE and not item.version and not item.raw else item
            for item in records], "fetch")
        held = hints.filtered(lambda hint: hint.external_id in refused)
        (hints - held).write({
            "state": "done", "done_at": fields.Datetime.now(), "error": False, "error_code": False,
            "next_attempt_at": False})
        for hint in held:
            self._hold_hint(hint, refused[hint.external_id])
        self.env.cr.commit()

    def _hold_hint(self, hint, error):
        key = f"record:{self.connection_id.id}:{hint.object_type}:{hint.external_id}"
        exceptions = self.env["psa.exception"]._raise([{
            "cause": "invalid_data", "subject_key": key, "company_id": self.company_id.id,
            "connection_id": self.connection_id.id,
            "text": self.env._("%(type)s %(record)s cannot be read from %(connection)s: %(reason)s",
                               type=hint.object_type, record=hint.external_id, connection=self.connection_id.name,
                               reason=str(error))}])
        hint.write({"state": "held", "wait_key": key, "error": str(error), "error_code": error.code or False,
                    "exception_id": next(iter(exceptions.values())).id})
        next(iter(exceptions.values()))._refresh_amounts()

    def _retry_hints(self, hints, error):
        """Put ``hints`` back for later; what failed too often is dead, with one exception for the stream."""
        hints = hints.exists().filtered(lambda hint: hint.state in ("pending", "retry"))
        limit = self.connection_id.attempt_limit
        dead = hints.filtered(lambda hint: hint.attempt_count + 1 >= limit)
        for attempts, again in (hints - dead).grouped("attempt_count").items():
            wait = self._pause(attempts + 1, error)
            again.write({
                "state": "retry", "attempt_count": attempts + 1, "error": self._plain(error),
                "next_attempt_at": fields.Datetime.now() + timedelta(seconds=wait)})
        if dead:
            exceptions = self.env["psa.exception"]._raise([{
                "cause": "dead_letter", "subject_key": f"{self._exception_key()}:fetch",
                "company_id": self.company_id.id, "connection_id": self.connection_id.id,
                "text": self.env._("Changed records of %(stream)s could not be read: %(reason)s",
                                   stream=self.name, reason=self._plain(error))}])
            exception = next(iter(exceptions.values()))
            dead.write({"state": "dead", "attempt_count": limit, "error": self._plain(error),
                        "exception_id": exception.id})
            exception._refresh_amounts()
