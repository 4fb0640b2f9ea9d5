from odoo import api, fields, models
from odoo.tools import SQL


class PsaBinding(models.Model):
    """An external record and the Odoo record that it is. Unique both ways.

    It carries the version that was applied last, so that an older one never overwrites a newer one, and the
    fingerprint of its canonical values, so that an unchanged record costs nothing.
    """

    _name = "psa.binding"
    _description = "Binding"
    _order = "id desc"
    _check_company_auto = True

    connection_id = fields.Many2one("psa.connection", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", readonly=True, index="btree_not_null", ondelete="restrict")
    object_type = fields.Char(required=True, readonly=True)
    external_id = fields.Char("External ID", required=True, readonly=True)
    part_of = fields.Char(
        readonly=True, help="External ID of the record that this one is a part of (the timecard of a day).")
    canonical_type = fields.Char(required=True, readonly=True)
    res_model = fields.Char("Record Type", readonly=True)
    res_id = fields.Many2oneReference("Record", model_field="res_model", readonly=True)
    source_version = fields.Char(readonly=True)
    fingerprint = fields.Char(readonly=True)
    alias_of_id = fields.Many2one(
        "psa.binding", "Merged Into", readonly=True, index="btree_not_null", ondelete="restrict",
        help="After a merge at the source this record is the other one.")
    merged_at_source = fields.Boolean(
        readonly=True, help="The source merged it: when it comes back in a newer version, it is its own record again.")
    former_id = fields.Integer(
        "Record Before the Merge", readonly=True, help="ID of the Odoo record that it was before the source merged it.")
    own_record = fields.Boolean(
        readonly=True, help="A person said that it is a record of its own: it is never matched to one that is there.")
    split_from = fields.Json(
        readonly=True, help="External IDs from which a person has split it off: a merge with them is not followed.")
    deleted_at_source = fields.Boolean(readonly=True)
    applied = fields.Json(
        readonly=True, help="What the source last wrote to fields that it owns until a person edits them.")
    message_id = fields.Many2one("psa.message", "Last Message", readonly=True, ondelete="set null")

    _external_uniq = models.Constraint(
        "UNIQUE(connection_id, object_type, external_id)", "This external record is bound already.")
    _record_uniq = models.UniqueIndex(
        "(connection_id, object_type, res_model, res_id) WHERE alias_of_id IS NULL AND res_id IS NOT NULL",
        "This Odoo record is bound to another record of the same type already.")
    _record_idx = models.Index("(res_model, res_id)")
    _part_idx = models.Index("(connection_id, part_of) WHERE part_of IS NOT NULL")

    @api.depends("object_type", "external_id")
    def _compute_display_name(self):
        for binding in self:
            binding.display_name = f"{binding.object_type} {binding.external_id}"

    def _record(self):
        """Return the Odoo record that this is bound to, an empty one when it is gone, None when there is none."""
        self.ensure_one()
        return self.env[self.res_model].browse(self.res_id).exists() if self.res_id else None

    @api.model
    def _bound_to(self, connection, object_type, record):
        """Return all bindings of that connection and object type to ``record``, aliases too."""
        return self.search([
            ("connection_id", "=", connection.id), ("object_type", "=", object_type),
            ("res_model", "=", record._name), ("res_id", "=", record.id)], order="id")

    @api.model
    def _link_values(self, record, bound):
        """Return the values of a binding that a person links to ``record``.

        :param bound: the other bindings to it; the first of them that is no alias is what the new one is an alias of
        """
        return {
            "res_model": record._name,
            "res_id": record.id,
            "alias_of_id": bound.filtered(lambda binding: not binding.alias_of_id)[:1].id,
            "merged_at_source": False,
            "own_record": False,
            "company_id": record.company_id.id if "company_id" in record else False,
        }

    def _set_apart(self, others):
        """Remember that these are not ``others``, so that a merge that the source tells again is not followed."""
        self._tell_apart(others, set.union)

    def _put_together(self, others):
        """Forget that these were split from ``others``."""
        self._tell_apart(others, set.difference)

    def _tell_apart(self, others, change):
        for ours, theirs in ((self, others), (others, self)):
            names = set(theirs.mapped("external_id"))
            for binding in ours:
                binding.split_from = sorted(change(set(binding.split_from or ()), names)) or False

    @api.model
    def _resolve(self, connection, references):
        """Return what external records are in Odoo, in one query; merged ones are their survivor.

        :param references: set of ``(object type, external id)``
        :return: ``{(object type, external id): (model name, id)}`` of the bound ones
        """
        if not references:
            return {}
        pairs = sorted(references)
        self.flush_model(["connection_id", "object_type", "external_id", "res_model", "res_id"])
        return {
            (object_type, external_id): (res_model, res_id)
            for object_type, external_id, res_model, res_id in self.env.execute_query(SQL(
                """
                SELECT binding.object_type, binding.external_id, binding.res_model, binding.res_id
                  FROM unnest(%s::text[], %s::text[]) AS wanted(object_type, external_id)
                  JOIN psa_binding binding ON binding.connection_id = %s
                   AND binding.object_type = wanted.object_type AND binding.external_id = wanted.external_id
                 WHERE binding.res_id IS NOT NULL
                """,
                [object_type for object_type, _id in pairs], [external_id for _type, external_id in pairs],
                connection.id))
        }

    @api.model
    def _bind_keys(self, connection, object_type, canonical_type, record_by_key):
        """Bind keys that people use to the records that they name; a second key of a record is an alias of the first.

        :param record_by_key: ``{external id: record}``, all of one model
        """
        if not record_by_key:
            return
        records = next(iter(record_by_key.values())).union(*record_by_key.values())
        first = {binding.res_id: binding for binding in self.search([
            ("connection_id", "=", connection.id), ("object_type", "=", object_type), ("alias_of_id", "=", False),
            ("res_model", "=", records._name), ("res_id", "in", records.ids)])}

        def values(key, record):
            return {
                "connection_id": connection.id, "object_type": object_type, "external_id": key,
                "canonical_type": canonical_type, "res_model": record._name, "res_id": record.id,
                "company_id": record.company_id.id if "company_id" in record._fields else False}

        names = {}
        for key, record in sorted(record_by_key.items()):
            if record.id not in first:
                names.setdefault(record.id, key)
        made = self.create([values(key, record_by_key[key]) for key in names.values()])
        first.update((binding.res_id, binding) for binding in made)
        self.create([{**values(key, record), "alias_of_id": first[record.id].id}
                     for key, record in sorted(record_by_key.items()) if names.get(record.id) != key])
