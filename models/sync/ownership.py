from odoo import models
from odoo.tools import SQL

from ...connectors import canonical
from .item import UPSERT


class PsaApply(models.AbstractModel):
    """Who owns a record that several systems know: see "Who owns what" in ``docs/architecture.md``."""

    _inherit = "psa.apply"

    def _settle_ownership(self, items):
        """Set ``item.writes`` of master data: what each may do to its record; one query for those that share one.

        An item that may only link and has found nothing is held.
        """
        items = [item for item in items if canonical.TYPES[item.canonical_type].lane == "master"]
        by_stream = self.env["psa.stream"].browse({item.claim.stream for item in items}).grouped("id")
        shared = []
        for item in items:
            stream = by_stream[item.claim.stream]
            if stream.lane != "master":
                continue
            if stream.ownership != "auto":
                item.writes = stream.ownership
            elif item.record:
                shared.append(item)
            if item.writes == "link" and not item.record and item.operation == UPSERT:
                item.hold("unlinked_record", self.env._(
                    "%(record)s “%(name)s” is not linked to anything in Odoo, and the stream %(stream)s makes no "
                    "records. Link it, or let another system bring it first.",
                    record=item.object_type, name=item.values.get("name") or item.external_id, stream=stream.name,
                ), key=item.key)
        owners = self._owners({item.record for item in shared})
        for item in shared:
            if owners.get(item.record, item.connection.id) != item.connection.id:
                item.writes = "fill"

    def _owners(self, records):
        """Return ``{record: id of the connection that owns it}`` of those that systems know.

        The owner is the first that linked the record by a stream that may write, as long as it is in use and has the
        record.
        """
        if not records:
            return {}
        by_key = {(record._name, record.id): record for record in records}
        models_, ids = zip(*by_key, strict=True)
        self.env["psa.binding"].flush_model()
        self.env["psa.stream"].flush_model(["ownership"])
        return {
            by_key[model_name, record_id]: connection_id
            for model_name, record_id, connection_id in self.env.execute_query(SQL(
                """
                SELECT DISTINCT ON (binding.res_model, binding.res_id)
                       binding.res_model, binding.res_id, binding.connection_id
                  FROM unnest(%s::text[], %s::int[]) AS wanted(res_model, res_id)
                  JOIN psa_binding binding
                    ON binding.res_model = wanted.res_model AND binding.res_id = wanted.res_id
                  JOIN psa_connection connection ON connection.id = binding.connection_id AND connection.active
                  JOIN psa_stream stream ON stream.connection_id = binding.connection_id
                   AND stream.object_type = binding.object_type AND stream.direction = 'in'
                   AND stream.ownership IN ('auto', 'source')
                 WHERE NOT COALESCE(binding.deleted_at_source, FALSE)
              ORDER BY binding.res_model, binding.res_id, binding.id
                """, list(models_), list(ids)))
        }
