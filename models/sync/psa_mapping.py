from odoo import api, fields, models


class PsaMapping(models.Model):
    """One version of how a stream's raw records become canonical ones. A version that was used is never edited."""

    _name = "psa.mapping"
    _description = "Field Map"
    _order = "stream_id, version desc"
    _check_company_auto = True

    stream_id = fields.Many2one("psa.stream", required=True, index=True, ondelete="cascade")
    connection_id = fields.Many2one(related="stream_id.connection_id", store=True, index=True)
    company_id = fields.Many2one(related="stream_id.company_id", store=True, index=True)
    canonical_type = fields.Char(related="stream_id.canonical_type", store=True)
    version = fields.Integer(required=True, readonly=True, copy=False, default=1)
    state = fields.Selection(
        [("draft", "Draft"), ("active", "In force"), ("retired", "Retired")], required=True, readonly=True,
        default="draft",
    )
    active_from = fields.Datetime("In Force Since", readonly=True, copy=False)
    line_ids = fields.One2many("psa.mapping.line", "mapping_id", "Fields", copy=True)

    _version_uniq = models.Constraint("UNIQUE(stream_id, version)", "A stream has each version once.")
    _active_uniq = models.UniqueIndex("(stream_id) WHERE state = 'active'", "One field map of a stream is in force.")

    @api.depends("stream_id.name", "version")
    def _compute_display_name(self):
        for mapping in self:
            mapping.display_name = self.env._(
                "%(stream)s, version %(version)s", stream=mapping.stream_id.name or "", version=mapping.version)
