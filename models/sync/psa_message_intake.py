import hashlib
import re
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...connectors import jsontext
from ...connectors.base import HINT
from .attempts import pause
from .item import record_key, shadow_key, storable

_SURROGATE = re.compile("[\ud800-\udfff]")


def payload_text(raw):
    """Return ``raw`` as the text that is stored: a ``str`` as it is, anything else as JSON with sorted keys."""
    text = raw if isinstance(raw, str) else jsontext.dumps(raw, sort_keys=True)
    if not text.isascii():
        text = _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text.replace("\x00", "")


def text_hash(text):
    return hashlib.sha256(text.encode()).hexdigest()


def clean_id(text):
    """Return an identifier that PostgreSQL can store."""
    text = str(text or "").replace("\x00", "")
    return text if text.isascii() else _SURROGATE.sub("?", text)


class PsaMessage(models.Model):
    """How messages come in, wait and go again."""

    _inherit = "psa.message"

    # === INTAKE === #
    @api.model
    def _receive(self, stream, records, origin):
        """Store what came, once. One statement for any number of records.

        A record that was received before in this version is left out. Two transactions that receive the same record
        at once cannot both store it: the later one waits and ends in a serialization failure that its caller repeats.

        :param stream: ``psa.stream`` that is read
        :param records: list of :class:`connectors.base.RawRecord`
        :param origin: value of ``origin``
        :return: number of new messages
        """
        rows, files = {}, {}
        for record in records:
            payload = payload_text(record.raw)
            digest = text_hash(payload)
            external_id, version = clean_id(record.external_id), clean_id(record.version)
            key = f"{external_id}|{version or digest}|{record.operation}"
            if key not in rows and record.files:
                files[key] = record.files
            rows.setdefault(key, (
                clean_id(record.object_type), external_id, version, record.operation, payload, digest,
                "fetch" if record.operation == HINT else stream.lane))
        new_ids = self._insert(stream, "in", origin, rows)
        if files and new_ids:
            self._keep_files(stream, new_ids, files)
        return len(new_ids)

    @api.model
    def _insert(self, stream, direction, origin, rows, origin_message_ids=None):
        """Insert messages that are not there yet and wake their lanes.

        :param rows: ``{dedupe key: (object type, external id, version, operation, payload, hash, lane)}``
        :param origin_message_ids: ids of the messages that are replayed, one a row
        :return: ids of the new ones
        """
        if not rows:
            return []
        columns = [list(column) for column in zip(*rows.values(), strict=True)]
        kept_back = direction == "out" and stream.connection_id.id in self.env["psa.connection"]._shadow_ids()
        inserted = self.env.execute_query(SQL(
            """
            INSERT INTO psa_message (
                connection_id, stream_id, company_id, direction, origin, state, attempt_count, received_at,
                create_uid, create_date, write_uid, write_date,
                wait_key, dedupe_key, object_type, external_id, source_version, operation, payload, payload_hash, lane,
                origin_message_id)
            SELECT %(connection)s, %(stream)s, %(company)s, %(direction)s, %(origin)s, %(state)s, 0, %(now)s,
                   %(uid)s, %(now)s, %(uid)s, %(now)s, %(wait_key)s, new.*
              FROM unnest(%(keys)s::varchar[], %(types)s::varchar[], %(ids)s::varchar[], %(versions)s::varchar[],
                          %(operations)s::varchar[], %(payloads)s::text[], %(hashes)s::varchar[], %(lanes)s::varchar[],
                          %(origins)s::int[]) AS new
            ON CONFLICT (stream_id, dedupe_key) DO NOTHING
            RETURNING id, lane
            """,
            connection=stream.connection_id.id, stream=stream.id, company=stream.company_id.id,
            direction=direction, origin=origin, now=self.env.cr.now(), uid=self.env.uid, keys=list(rows),
            state="waiting" if kept_back else "pending",
            wait_key=shadow_key(stream.connection_id.id) if kept_back else None,
            types=columns[0], ids=columns[1], versions=[version or None for version in columns[2]],
            operations=columns[3], payloads=columns[4], hashes=columns[5], lanes=columns[6],
            origins=origin_message_ids or [None] * len(rows)))
        self.env["psa.lane"]._wake({lane for _id, lane in inserted})
        return [message_id for message_id, _lane in inserted]

    # === LOOK UP === #
    @api.model
    def _last_heard(self, connection, references):
        """Return what the source said last of external records, in one query.

        :param references: iterable of ``(object type, external id)``
        :return: ``{(object type, external id): "open", "applied" or "gone"}`` of those that it spoke of; "gone" when it
            said that the record does not exist, and that is done
        """
        pairs = sorted(references)
        if not pairs:
            return {}
        self.flush_model(["object_type", "external_id", "operation", "state"])
        return {
            (object_type, external_id): heard
            for object_type, external_id, heard in self.env.execute_query(SQL(
                """
                SELECT DISTINCT ON (record.object_type, record.external_id) record.object_type, record.external_id,
                       CASE WHEN message.state NOT IN ('done', 'skipped') THEN 'open'
                            WHEN message.operation = 'delete' THEN 'gone' ELSE 'applied' END
                  FROM unnest(%s::text[], %s::text[]) AS record(object_type, external_id)
                  JOIN psa_message message
                    ON message.external_id = record.external_id AND message.object_type = record.object_type
                 WHERE message.connection_id = %s AND message.direction = 'in'
              ORDER BY record.object_type, record.external_id, message.id DESC
                """,
                [object_type for object_type, _id in pairs], [external_id for _type, external_id in pairs],
                connection.id))
        }

    # === RELEASE === #
    @api.model
    def _release(self, wait_keys, states=("waiting", "held")):
        """Let the messages go that wait for, or are held by, any of these keys; in the caller's transaction.

        Their exception stays with them until they have a new outcome; it closes by itself when nothing holds it.

        :param wait_keys: iterable of wait keys
        :return: ids of the messages
        """
        wait_keys = list(wait_keys)
        if not wait_keys:
            return []
        self.flush_model(["state", "wait_key"])
        released = self.env.execute_query(SQL(
            """
            UPDATE psa_message SET state = 'pending', wait_key = NULL, next_attempt_at = NULL, write_date = %s
             WHERE wait_key = ANY(%s) AND state = ANY(%s) AND state IN ('waiting', 'held') RETURNING id, lane
            """, self.env.cr.now(), wait_keys, list(states)))
        if released:
            self.invalidate_model(["state", "wait_key", "next_attempt_at"])
            self.env["psa.lane"]._wake({lane for _id, lane in released})
        return [message_id for message_id, _lane in released]

    # === FAILURE === #
    def _fail(self, text, code, retry_after=None):
        """Note a failed attempt: the message goes again after a pause, or is a dead letter when the budget is spent.

        :param text: what went wrong, for people
        :param code: stable short code
        :param retry_after: seconds that the vendor asked to wait
        """
        self.ensure_one()
        message, connection = self.sudo(), self.connection_id.sudo()
        attempts = message.attempt_count + 1
        values = {"attempt_count": attempts, "error": storable(text), "error_code": code, "wait_key": False}
        if attempts < connection.attempt_limit:
            seconds = pause(attempts, connection.retry_base_seconds, connection.retry_limit_seconds, retry_after)
            message.write({
                **values, "state": "retry", "next_attempt_at": fields.Datetime.now() + timedelta(seconds=seconds)})
            return
        key = record_key(connection.id, message.object_type, message.external_id)
        exceptions = self.env["psa.exception"]._raise([{
            "cause": "dead_letter", "subject_key": key, "company_id": message.company_id.id,
            "connection_id": connection.id, "detail": storable(text),
            "text": self.env._("%(record)s could not be worked on in %(count)s attempts: %(reason)s",
                               record=message.display_name, count=attempts, reason=storable(text)),
        }])
        exception = exceptions["dead_letter", key]
        message.write({**values, "state": "dead", "next_attempt_at": False, "exception_id": exception.id})
        exception._refresh_amounts()

    # === ACTIONS === #
    def action_retry(self):
        """Send these on their way again now, with a full budget of attempts. Done and skipped ones are replayed."""
        self.check_access("write")
        self._log_action("message.retry")
        stuck = self.filtered(lambda message: message.state in ("waiting", "retry", "held", "dead"))
        finished = self.filtered(lambda message: message.state in ("done", "skipped"))
        stuck.sudo().write({
            "state": "pending", "attempt_count": 0, "next_attempt_at": False, "wait_key": False,
        })
        self.env["psa.lane"]._wake(set(stuck.mapped("lane")))
        finished._replay()

    def action_waive(self, reason):
        """Give up on these for good: they are skipped, with the reason in the audit trail.

        :raise UserError: no reason, or one of them is finished already
        """
        self.check_access("write")
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: a waived message keeps its reason for ever."))
        if finished := self.filtered(lambda message: message.state in ("done", "skipped")):
            raise UserError(self.env._("%s is finished already.", finished[0].display_name))
        self._log_action("message.waive", reason)
        exceptions = self.exception_id
        self.sudo().write({
            "state": "skipped", "skip_reason": "waived", "wait_key": False, "next_attempt_at": False,
            "exception_id": False, "risk_amount": 0.0, "done_at": fields.Datetime.now(),
        })
        exceptions.sudo()._close_if_released()

    def _replay(self):
        """Apply these once more from their stored payload: a new message each, with origin ``replay``.

        :return: number of new messages
        :raise UserError: a payload was purged
        """
        if not self:
            return 0
        self.flush_recordset()
        purged = self.env.execute_query(SQL(
            "SELECT id FROM psa_message WHERE id = ANY(%s) AND direction = 'in' AND operation <> 'hint' "
            "AND COALESCE(payload, '') = '' LIMIT 1", self.ids))
        if purged:
            raise UserError(self.env._(
                "The content of %s was purged; it has to be read from the source again.",
                self.browse(purged[0][0]).display_name))
        inserted = self.env.execute_query(SQL(
            """
            INSERT INTO psa_message (
                connection_id, stream_id, company_id, direction, lane, object_type, external_id, source_version,
                operation, payload, payload_hash, overlay, origin, origin_message_id, state, attempt_count, received_at,
                create_uid, create_date, write_uid, write_date, dedupe_key)
            SELECT connection_id, stream_id, company_id, direction, lane, object_type, external_id, source_version,
                   operation, payload, payload_hash, overlay, 'replay', id, 'pending', 0, %(now)s,
                   %(uid)s, %(now)s, %(uid)s, %(now)s,
                   dedupe_key || '|replay:' || id || ':' || (
                       SELECT COUNT(*) + 1 FROM psa_message again WHERE again.origin_message_id = message.id)
              FROM psa_message message
             WHERE id = ANY(%(ids)s) AND direction = 'in' AND operation <> 'hint'
          ORDER BY id
            RETURNING lane
            """, now=self.env.cr.now(), uid=self.env.uid, ids=self.ids))
        self.env["psa.lane"]._wake({lane for (lane,) in inserted})
        return len(inserted)

    def _log_action(self, event, reason=None):
        """Audit what a person did to these: one row a message, for many of them one row a company."""
        if len(self) > 100:
            entries = [
                {"company_id": company.id, "after": {"count": len(messages), "first": min(messages.ids),
                                                     "last": max(messages.ids)}}
                for company, messages in self.grouped("company_id").items()
            ]
        else:
            entries = [
                {"res_id": message.id, "company_id": message.company_id.id,
                 "before": {"state": message.state, "error": message.error or ""}}
                for message in self
            ]
        self.env["psa.audit"]._log([
            {"event": event, "res_model": self._name, "reason": reason, **entry} for entry in entries
        ])
