import json

from odoo import api, fields, models


class PsaMessage(models.Model):
    """What a message's page shows besides its fields."""

    _inherit = "psa.message"

    payload_text = fields.Text(
        "Content", compute="_compute_payload_text", help="What came, indented when it is JSON, else as it is.",
    )

    @api.depends("payload")
    def _compute_payload_text(self):
        for message in self:
            try:
                message.payload_text = json.dumps(json.loads(message.payload), indent=2, ensure_ascii=False)
            except (TypeError, ValueError):  # purged, or not JSON
                message.payload_text = message.payload
