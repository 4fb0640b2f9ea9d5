from odoo import fields, models


class PsaAmendmentRefuse(models.TransientModel):
    """Asks why an amendment is refused."""

    _name = "psa.amendment.refuse"
    _description = "Refuse an Amendment"

    amendment_id = fields.Many2one("psa.amendment", required=True, ondelete="cascade")
    reason = fields.Char(required=True)

    def action_refuse(self):
        """Refuse it; the amendment checks who may."""
        self.ensure_one()
        self.amendment_id.action_refuse(self.reason)
