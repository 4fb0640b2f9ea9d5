# pylint: disable=invalid-commit  # no transaction is open while the vendor is asked
import logging

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...connectors import jsontext
from ...connectors.errors import ConnectorError
from .discover import SourceField, discover, used_paths

_logger = logging.getLogger(__name__)

LOOKED_AT = 200


class PsaStream(models.Model):
    """Which fields the records of a stream have: those of stored messages, and those that the vendor describes."""

    _inherit = "psa.stream"

    described = fields.Json(
        readonly=True, copy=False, help="{path: {type, label, custom}} as the system described its fields last.")
    described_at = fields.Datetime("Fields Described", readonly=True, copy=False)

    def _stored_raws(self, limit=LOOKED_AT, after_id=0):
        """Yield the newest stored raw records (for a stream with parts the raw parts), at most ``limit`` messages."""
        self.ensure_one()
        self.env["psa.message"].flush_model(["payload", "operation", "stream_id"])
        provider, spec = self._declaration(self.id)
        rows = self.env.execute_query(SQL(
            """
            SELECT external_id, payload FROM psa_message
             WHERE stream_id = %s AND direction = 'in' AND operation = 'upsert' AND id > %s
               AND COALESCE(payload, '') <> ''
          ORDER BY id DESC LIMIT %s
            """, self.id, after_id, limit))
        for external_id, payload in rows:
            yield from self._raws_of(provider, spec, external_id, payload)

    def _raws_of(self, provider, spec, external_id, payload):
        """Return the raw records in one stored payload; none when it cannot be read (its message says so)."""
        try:
            return [part.raw for part in provider.split(spec, jsontext.loads(payload), external_id)]
        except (ConnectorError, ValueError, TypeError, KeyError, AttributeError) as error:
            _logger.info("A payload of stream %s shows no fields: %s", self.id, error)
            return []

    def _source_fields(self, limit=LOOKED_AT, masked=None):
        """Return ``({path: SourceField}, number of records)``: what is stored, and what is described.

        :param masked: makes of a raw record what may be shown of it (the samples)
        """
        raws = self._stored_raws(limit)
        found, total = discover(map(masked, raws) if masked else raws)
        for path, description in (self.described or {}).items():
            item = found.setdefault(path, SourceField(path))
            item.label, item.custom = description.get("label") or "", bool(description.get("custom"))
            if not item.kinds and description.get("type"):
                item.kinds = {description["type"]}
        return found, total

    # === DESCRIBE === #
    def action_describe(self):
        """Ask the system which fields its records have."""
        self.check_access("read")
        self.env["psa.mapping"].check_access("write")
        if unable := self.sudo().filtered(lambda stream: not stream.connection_id._is_live()):
            raise UserError(self.env._("%s is paused, or this database is a copy: it calls nobody.",
                                       unable[0].connection_id.name))
        self.env.cr.commit()
        asked = self.sudo()._describe()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if asked else "warning",
                "message": self.env._("The fields were read.") if asked else self.env._(
                    "This system describes no fields; they are taken from stored records."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _describe(self):
        """Ask the connections of these for their fields; call it with nothing uncommitted.

        :return: streams that the vendor described
        :raise ConnectorError: a vendor could not be asked
        """
        asked = self.browse()
        for connection, streams in self.grouped("connection_id").items():
            with connection._calling() as session:
                answers = {stream: stream._provider().describe_fields(session, stream._spec()) for stream in streams}
            for stream, described in answers.items():
                if described is not None:
                    stream.write({"described": described, "described_at": fields.Datetime.now()})
                    asked |= stream
        return asked


class PsaConnection(models.Model):
    _inherit = "psa.connection"

    def _wanted_fields(self):
        """Return ``{stream code: [source path]}`` of what versions that are not retired read; one query."""
        self.ensure_one()
        self.env["psa.mapping.line"].flush_model(["path", "canonical_field", "mapping_id"])
        self.env["psa.mapping"].flush_model(["state", "stream_id"])
        by_version = {}
        for code, mapping_id, name, path in self.env.execute_query(SQL(
                """
                SELECT stream.code, mapping.id, line.canonical_field, line.path
                  FROM psa_stream stream
                  JOIN psa_mapping mapping ON mapping.stream_id = stream.id AND mapping.state <> 'retired'
                  JOIN psa_mapping_line line ON line.mapping_id = mapping.id AND line.path <> ''
                 WHERE stream.connection_id = %s AND stream.direction = 'in'
                """, self.id)):
            by_version.setdefault((code, mapping_id), []).append((name, path))
        result = {}
        for (code, _mapping_id), rules in by_version.items():
            result.setdefault(code, set()).update(used_paths(rules))
        return {code: sorted(paths) for code, paths in result.items()}
