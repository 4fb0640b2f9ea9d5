from odoo import api, fields, models


class PsaStream(models.Model):
    """The field maps of a stream."""

    _inherit = "psa.stream"

    mapping_ids = fields.One2many("psa.mapping", "stream_id", "Field Maps")
    mapping_id = fields.Many2one("psa.mapping", "Field Map in Force", compute="_compute_mapping_id")

    @api.depends("mapping_ids.state")
    def _compute_mapping_id(self):
        for stream in self:
            stream.mapping_id = stream.mapping_ids.filtered(lambda mapping: mapping.state == "active")[:1]
