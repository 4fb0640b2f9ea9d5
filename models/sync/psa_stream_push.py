# pylint: disable=invalid-commit  # the intent is committed before the call, the result after it
import hashlib
import json
import logging
import time
from datetime import timedelta

import psycopg2.errors

from odoo import api, fields, models
from odoo.tools import SQL

from ...connectors.base import PushItem
from ...connectors.errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    ConnectorError,
    DataError,
    TransientError,
    UnsafeUrlError,
)
from .exclusive import exclusive
from .gate import GateClosed

_logger = logging.getLogger(__name__)

LOOK_AHEAD = 20  # batches in which the parts of one record are looked for


class PsaStream(models.Model):
    """Writing back: the intent is committed, the vendor is called with no row locked, the result is committed.

    A message whose intent was written but whose result was not (a lost answer, a killed worker) goes again marked
    ``in_doubt``: the connector looks before it writes. Messages of one outbound stream go in order, by one worker.
    """

    _inherit = "psa.stream"

    @api.model
    def _cron_push(self):
        streams = self._callable(SQL(
            """stream.direction = 'out' AND EXISTS (
                   SELECT FROM psa_message message
                    WHERE message.lane = 'outbound' AND message.stream_id = stream.id AND (
                          message.state = 'pending'
                       OR message.state = 'retry' AND message.next_attempt_at <= %s))""", fields.Datetime.now()))
        self._work_through(streams, lambda stream, seconds: stream._push(seconds))

    def _push(self, seconds=float("inf")):
        """Write back until nothing of this stream is due or the time is up.

        :return: number of messages that the vendor answered
        """
        self.ensure_one()
        answered, deadline = 0, time.monotonic() + seconds
        with exclusive(self.env.cr, "push", self.id) as mine:
            while mine:
                self.env.cr.commit()
                try:
                    messages, items = self._write_intent()
                except psycopg2.errors.SerializationFailure:
                    self.env.cr.rollback()  # superseded or waived meanwhile: look again
                    continue
                if not messages or not self._send(messages, items):
                    break
                answered += len(messages)
                if time.monotonic() > deadline:
                    self._wake("push")
                    break
        return answered

    # === INTENT === #

    def _write_intent(self):
        """Mark the next batch as sent and commit.

        Of one target only the oldest message is in a batch, and none while an older one of it waits for its retry.

        :return: ``psa.message`` records, list of :class:`PushItem`
        """
        messages = self.env["psa.message"].browse(self._next_batch())
        messages.invalidate_recordset()
        items = [PushItem(
            key=self._idempotency_key(message), object_type=message.object_type, external_id=message.external_id,
            values=json.loads(message.payload or "{}"), in_doubt=bool(message.sent_at)) for message in messages]
        messages.write({"sent_at": fields.Datetime.now()})
        self.env.cr.commit()
        return messages, items

    def _next_batch(self):
        """Lock the due messages of the next batch and return their ids.

        Of one target only the oldest message is due, and none while an older one of it waits for its retry. Parts of
        one external record (the days of a timecard) are kept together, because the vendor knows only the whole: what
        is said of it depends on all of them.
        """
        self.env["psa.message"].flush_model()
        limit = self.page_size
        rows = self.env.execute_query(SQL(
            """
            WITH mine AS NOT MATERIALIZED (
                SELECT id, object_type, external_id, state, next_attempt_at FROM psa_message
                 WHERE lane = 'outbound' AND connection_id = %(connection)s AND stream_id = %(stream)s),
            due AS MATERIALIZED (
                (SELECT id, object_type, external_id FROM mine WHERE state = 'pending' ORDER BY id LIMIT %(look)s)
                UNION ALL
                (SELECT id, object_type, external_id FROM mine
                  WHERE state = 'retry' AND next_attempt_at <= %(now)s ORDER BY id LIMIT %(look)s)),
            resting AS MATERIALIZED (
                SELECT object_type, external_id, MIN(id) AS id FROM mine
                 WHERE state = 'retry' AND next_attempt_at > %(now)s GROUP BY 1, 2),
            turn AS (
                SELECT *, ROW_NUMBER() OVER (PARTITION BY object_type, external_id ORDER BY id) AS place FROM due),
            owned AS (
                SELECT turn.id, COALESCE(binding.part_of, turn.external_id) AS owner
                  FROM turn
             LEFT JOIN resting USING (object_type, external_id)
             LEFT JOIN psa_binding binding
                    ON binding.connection_id = %(connection)s AND binding.object_type = turn.object_type
                   AND binding.external_id = turn.external_id
                 WHERE turn.place = 1 AND (resting.id IS NULL OR resting.id > turn.id))
            SELECT id, owner, COUNT(*) OVER (PARTITION BY owner), MIN(id) OVER (PARTITION BY owner) AS oldest
              FROM owned ORDER BY oldest, id LIMIT %(limit)s
            """, stream=self.id, connection=self.connection_id.id, now=fields.Datetime.now(), limit=limit,
            look=limit * LOOK_AHEAD))
        if rows:
            last = rows[-1][1]
            cut = [row for row in rows if row[1] == last]
            if len(cut) < cut[0][2] and len(cut) < len(rows):
                rows = rows[:-len(cut)]
        ids = sorted(row[0] for row in rows)
        self.env.execute_query(SQL("SELECT id FROM psa_message WHERE id = ANY(%s) ORDER BY id FOR UPDATE", ids))
        return ids

    def _idempotency_key(self, message):
        """Return a key that is the same at every attempt, and of no other message of any database."""
        text = f"{self.connection_id.database_uuid}|{message.stream_id.id}|{message.dedupe_key}"
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    # === CALL === #

    def _send(self, messages, items):
        """Call the vendor for ``items`` and write the results.

        :return: False when the rest must wait
        """
        provider, spec = self._provider(), self._spec()
        by_key = dict(zip((item.key for item in items), messages, strict=True))
        try:
            with self.connection_id._calling(writing=True) as session:
                self.env.cr.commit()  # no transaction is open while the vendor is asked
                results = {result.key: result for result in provider.push(session, spec, items)}
        except (GateClosed, ConnectionRefusedByVendor, UnsafeUrlError) as error:
            # No attempt is spent. The intent stands: part of the batch may have been written before the refusal.
            _logger.info("Write-backs of stream %s wait: %s", self.id, error)
            return False
        except DataError as error:
            return self._send_halves(messages, items, error)
        except TransientError as error:
            failure = error
        except Exception as error:
            if not isinstance(error, ConnectorError):
                _logger.exception("Writing back through stream %s (%s) failed", self.id, self.code)
            failure = TransientError(self._plain(error), code=getattr(error, "code", "unexpected"), maybe_done=True)
        else:
            self._settle(messages, lambda: self._write_results(by_key, results))
            return True
        self._settle(messages, lambda: self._retry(messages, failure))
        return False

    def _send_halves(self, messages, items, refusal):
        """The vendor refused the request as a whole: halve it until what it refuses stands alone."""
        if len(messages) == 1:
            self._settle(messages, lambda: self._refuse(messages, refusal))
            return True
        middle = len(messages) // 2
        return self._send(messages[:middle], items[:middle]) and self._send(messages[middle:], items[middle:])

    def _settle(self, messages, write):
        """Commit the outcome of a call. It must not get lost to a concurrent change, so it is tried until it stands.

        Messages that a person or a newer event ended meanwhile keep that end.
        """
        while True:
            self.env.cr.rollback()
            try:
                self.env.execute_query(SQL(
                    "SELECT id FROM psa_message WHERE id = ANY(%s) ORDER BY id FOR UPDATE", messages.ids))
                messages.invalidate_recordset()
                write()
                self.env.cr.commit()
                return
            except psycopg2.errors.SerializationFailure:
                _logger.info("Results of stream %s collided with another change, writing them again", self.id)

    @staticmethod
    def _open(messages):
        return messages.filtered(lambda message: message.state in ("pending", "retry"))

    # === RESULTS === #

    def _write_results(self, by_key, results):
        silent = TransientError(self.env._("The answer says nothing about this record."), code="no_result",
                                maybe_done=True)
        done, refused, again = [], [], []
        for key, message in by_key.items():
            error = results[key].error if key in results else silent
            if error is None:
                done.append((message, results[key]))
            elif isinstance(error, TransientError):
                again.append((message, error))
            else:
                refused.append((message, error))
        self._succeed(done)
        for message, error in again:
            self._retry(message, error)
        for message, error in refused:
            self._refuse(message, error)

    def _succeed(self, done):
        """The version after the write is kept on the message for people. It is not taken over to the binding: a
        change that somebody made at the vendor just before our write has the same version, and must still be read.

        :param done: list of (``psa.message``, :class:`PushResult`)
        """
        by_version = {}
        for message, result in done:
            by_version[result.version] = by_version.get(result.version, message.browse()) | message
        released = self.env["psa.exception"]
        for version, messages in by_version.items():
            messages = self._open(messages)
            released |= messages.exception_id
            messages.write({
                "state": "done", "done_at": fields.Datetime.now(), "source_version": version, "error": False,
                "error_code": False, "next_attempt_at": False, "wait_key": False, "exception_id": False})
        released._close_if_released()
        if done:
            self.last_success_at = fields.Datetime.now()
        self._hand_over(done)

    def _hand_over(self, done):
        """Give what the vendor told back to the records that were written: ``_psa_pushed`` of their model.

        The facts stand also when the message was ended meanwhile.
        """
        done = [(message, result) for message, result in done if result.data]
        if not done:
            return
        subjects = self._subjects(self.env["psa.message"].union(*(message for message, _result in done)))
        for message, result in done:
            subject = subjects.get((message.object_type, message.external_id))
            record = subject and self.env[subject["res_model"]].sudo().browse(subject["res_id"]).exists()
            if record and hasattr(record, "_psa_pushed"):
                record._psa_pushed(self.canonical_type, result.data)

    def _retry(self, messages, error):
        """Put ``messages`` back for later; in doubt when the request may have taken effect.

        A gate that was closed in the middle of a batch costs no attempt.
        """
        messages = self._open(messages)
        limit, spent = self.connection_id.attempt_limit, 0 if isinstance(error, GateClosed) else 1
        dead = messages.filtered(lambda message: message.attempt_count + spent >= limit)
        common = {"error": self._plain(error), "error_code": getattr(error, "code", False) or False}
        if not getattr(error, "maybe_done", True):
            common["sent_at"] = False
        for attempts, again in (messages - dead).grouped("attempt_count").items():
            wait = self._pause(attempts + 1, error)
            again.write({
                **common, "state": "retry", "attempt_count": attempts + spent,
                "next_attempt_at": fields.Datetime.now() + timedelta(seconds=wait)})
        self._end(dead, {**common, "state": "dead", "attempt_count": limit}, "dead_letter", lambda message: (
            self.env._("%(stream)s of %(type)s %(record)s could not be written: %(reason)s", stream=self.name,
                       type=message.object_type, record=message.external_id, reason=self._plain(error))))

    def _refuse(self, messages, error):
        """Hold ``messages``: the vendor answered no, or its record says something else."""
        if isinstance(error, ConflictError):
            self._end(messages, self._held(error), "write_back_conflict", lambda message: self.env._(
                "%(type)s %(record)s was changed in %(connection)s too. We wanted %(ours)s, it says %(theirs)s.",
                type=message.object_type, record=message.external_id, connection=self.connection_id.name,
                ours=error.ours, theirs=error.theirs))
        else:
            self._end(messages, self._held(error), "write_back_refused", lambda message: self.env._(
                "%(connection)s refused the write-back to %(type)s %(record)s: %(reason)s",
                connection=self.connection_id.name, type=message.object_type, record=message.external_id,
                reason=self._plain(error)))

    def _held(self, error):
        return {"state": "held", "error": self._plain(error), "error_code": getattr(error, "code", False) or False,
                "sent_at": False}

    def _end(self, messages, values, cause, text):
        """Write ``values`` and give each message the exception of its target."""
        messages = self._open(messages)
        if not messages:
            return
        subjects = self._subjects(messages)
        exceptions = self.env["psa.exception"]._raise([{
            "cause": cause,
            "subject_key": self._push_key(message),
            "text": text(message),
            "company_id": message.company_id.id,
            "connection_id": self.connection_id.id,
            **subjects.get((message.object_type, message.external_id), {}),
        } for message in messages])
        for message in messages:
            key = self._push_key(message)
            message.write({**values, "wait_key": key, "exception_id": exceptions[cause, key].id})
        self.env["psa.exception"].union(*exceptions.values())._refresh_amounts()

    def _push_key(self, message):
        return f"push:{self.connection_id.id}:{self.code}:{message.object_type}:{message.external_id}"

    def _subjects(self, messages):
        """Return ``{(object type, external id): res_model and res_id}`` of the Odoo records that they are bound to."""
        bindings = self.env["psa.binding"].sudo().search([
            ("connection_id", "=", self.connection_id.id),
            ("object_type", "in", messages.mapped("object_type")),
            ("external_id", "in", messages.mapped("external_id")), ("res_id", "!=", False)])
        return {(bound.object_type, bound.external_id): {"res_model": bound.res_model, "res_id": bound.res_id}
                for bound in bindings}
