from collections import defaultdict

from odoo import api, models, tools
from odoo.tools import SQL

from .psa_message_intake import payload_text, text_hash


class PsaMessage(models.Model):
    """The outbox: write-backs are messages too, made in the transaction that makes them true."""

    _inherit = "psa.message"

    @api.model
    def _emit(self, canonical_type, values_by_record, event_key=None, company=None):
        """Queue a write-back of ``values`` to every external record that each Odoo record is bound to.

        It goes to the active outbound streams of the binding's connection that write this type to the binding's object
        type. Older write-backs to the same target that have not been sent are superseded.

        :param canonical_type: key of ``canonical.OUTBOUND_TYPES``
        :param values_by_record: list of ``(record, JSON-ready dict)``; records of any models
        :param event_key: what happened, different for each time that it happens (``move:12:posted:3``): the same event
            told twice is one write-back. None: the values are what stands now, and are told when they differ from what
            the target was told last
        :param company: ``res.company``: only to connections of this company; by default to all
        :return: number of new messages
        """
        values = {(record._name, record.id): values for record, values in values_by_record if record}
        if not values:
            return 0
        told_by_stream = defaultdict(dict)
        streams = self._outbound_streams(canonical_type, company)
        for connection_id, object_type, external_id, res_model, res_id in self._targets(values):
            for stream in streams.get((connection_id, object_type), ()):
                told_by_stream[stream][object_type, external_id] = payload_text(values[res_model, res_id])
        new_ids = []
        for stream, told in told_by_stream.items():
            last_told = self._last_told(stream, told) if event_key is None else {}
            rows = {}
            for (object_type, external_id), payload in told.items():
                digest = text_hash(payload)
                last_id, last_digest = last_told.get((object_type, external_id), (0, None))
                if digest != last_digest:
                    event = f"after:{last_id}" if event_key is None else event_key
                    key = f"{canonical_type}|{object_type}|{external_id}|{event}|{digest}"
                    rows[key] = (object_type, external_id, "", "push", payload, digest, "outbound")
            new_ids += self.sudo()._insert(stream, "out", "hub", rows)
        self._supersede_pushes(new_ids)
        return len(new_ids)

    def _outbound_streams(self, canonical_type, company=None):
        """Return ``{(connection id, object type): [streams that write this type to it]}``."""
        result = defaultdict(list)
        domain = [
            ("direction", "=", "out"), ("canonical_type", "=", canonical_type), ("active", "=", True),
            ("connection_id.active", "=", True),
        ]
        if company:
            domain.append(("company_id", "=", company.id))
        for stream in self.env["psa.stream"].sudo().search(domain):
            for object_type in stream._spec().object_types:
                result[stream.connection_id.id, object_type].append(stream)
        return result

    def _last_told(self, stream, targets):
        """Return ``{(object type, external id): (message id, payload hash)}`` of the last write-back to each target."""
        self.flush_model()
        return {
            (object_type, external_id): (message_id, digest)
            for object_type, external_id, message_id, digest in self.env.execute_query(SQL(
                """
                SELECT DISTINCT ON (message.object_type, message.external_id)
                       message.object_type, message.external_id, message.id, message.payload_hash
                  FROM unnest(%s::text[], %s::text[]) AS target(object_type, external_id)
                  JOIN psa_message message ON message.external_id = target.external_id
                   AND message.object_type = target.object_type
                 WHERE message.stream_id = %s AND message.operation = 'push'
              ORDER BY message.object_type, message.external_id, message.id DESC
                """, [object_type for object_type, _id in targets], [external_id for _type, external_id in targets],
                stream.id))
        }

    @api.model
    def _create_targets(self, canonical_type, records):
        """Bind ``records`` to the external records that the hub makes of them: their external id is the hub's own
        (``account.move:57``). A record that is bound already stays so; one goes to one connection of its company.

        :param canonical_type: of outbound specs with ``creates``
        :param records: recordset of one model with companies
        """
        for company, members in records.grouped("company_id").items():
            streams = [
                stream for streams in self._outbound_streams(canonical_type, company).values() for stream in streams
                if stream._spec().creates
            ]
            if not streams:
                continue
            stream = min(streams, key=lambda stream: stream.id)
            self.env["psa.binding"].flush_model()
            self.env.execute_query(SQL(
                """
                INSERT INTO psa_binding (connection_id, company_id, object_type, external_id, canonical_type, res_model,
                                         res_id, create_uid, create_date, write_uid, write_date)
                SELECT %(connection)s, %(company)s, %(type)s, %(model)s || ':' || record.id, %(canonical)s, %(model)s,
                       record.id, %(uid)s, %(now)s, %(uid)s, %(now)s
                  FROM unnest(%(ids)s::int[]) AS record(id)
                ON CONFLICT DO NOTHING
                RETURNING id
                """,
                connection=stream.connection_id.id, company=company.id, type=stream._spec().object_types[0],
                model=members._name, canonical=canonical_type, ids=members.ids, uid=self.env.uid,
                now=self.env.cr.now()))
            self.env["psa.binding"].invalidate_model()

    def _targets(self, keys):
        """Return ``(connection id, object type, external id, model, id)`` of what these records are bound to."""
        self.env["psa.binding"].flush_model()
        keys = sorted(keys)
        return self.env.execute_query(SQL(
            """
            SELECT binding.connection_id, binding.object_type, binding.external_id, binding.res_model, binding.res_id
              FROM unnest(%s::text[], %s::int[]) AS record(res_model, res_id)
              JOIN psa_binding binding ON binding.res_model = record.res_model AND binding.res_id = record.res_id
             WHERE binding.alias_of_id IS NULL AND binding.deleted_at_source IS NOT TRUE
          ORDER BY binding.id
            """,
            [res_model for res_model, _res_id in keys], [res_id for _res_model, res_id in keys]))

    def _supersede_pushes(self, new_ids):
        """Skip older unsent write-backs to the targets of these; one that is being sent right now is left alone."""
        if not new_ids:
            return
        self.flush_model()
        exception_ids = self.env.execute_query(SQL(
            """
            WITH older AS (
                SELECT message.id, message.exception_id
                  FROM psa_message newer
                  JOIN psa_message message ON message.external_id = newer.external_id
                   AND message.object_type = newer.object_type AND message.stream_id = newer.stream_id
                   AND message.id < newer.id AND message.state IN ('pending', 'retry', 'held', 'waiting')
                   AND message.operation = 'push'
                 WHERE newer.id = ANY(%(ids)s)
                   FOR NO KEY UPDATE OF message SKIP LOCKED)
            UPDATE psa_message SET state = 'skipped', skip_reason = 'superseded', wait_key = NULL,
                   next_attempt_at = NULL, exception_id = NULL, done_at = %(now)s, write_date = %(now)s
              FROM older WHERE psa_message.id = older.id RETURNING older.exception_id
            """, ids=new_ids, now=self.env.cr.now()))
        self.invalidate_model()
        exceptions = self.env["psa.exception"].sudo().browse(
            sorted({exception_id for (exception_id,) in exception_ids if exception_id}))
        exceptions._close_if_released()


class PsaStream(models.Model):
    _inherit = "psa.stream"

    @api.model
    @tools.ormcache("canonical_type")
    def _outbound_companies(self, canonical_type):
        """Return the ids of the companies whose connections write this type back; who has nothing to tell pays
        nothing for asking.
        """
        return frozenset(self.sudo().search([
            ("direction", "=", "out"), ("canonical_type", "=", canonical_type), ("active", "=", True),
            ("connection_id.active", "=", True)]).company_id.ids)
