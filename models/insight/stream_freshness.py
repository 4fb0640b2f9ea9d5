from datetime import timedelta

from odoo import api, fields, models


class PsaStream(models.Model):
    """Whether a stream is as fresh as it should be."""

    _inherit = "psa.stream"

    freshness = fields.Selection(
        [("fresh", "Fresh"), ("late", "Late"), ("none", "Not watched")],
        compute="_compute_freshness",
        help="Late: the last complete read is longer ago than the freshness target.",
    )

    @api.depends("active", "direction", "mode", "connection_id.state", "last_success_at", "freshness_minutes")
    def _compute_freshness(self):
        now = fields.Datetime.now()
        for stream in self:
            if stream.direction == "out" or not stream.active or stream.connection_id.state in ("draft", "paused"):
                stream.freshness = "none"
            elif not stream.last_success_at:
                stream.freshness = "late"
            else:
                limit = now - timedelta(minutes=stream.freshness_minutes)
                stream.freshness = "fresh" if stream.last_success_at >= limit else "late"
