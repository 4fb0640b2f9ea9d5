from odoo import api, fields, models


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
    deleted_at_source = fields.Boolean(readonly=True)
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
