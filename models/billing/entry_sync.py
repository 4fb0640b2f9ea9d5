from odoo import api, models


class PsaEntry(models.Model):
    _inherit = "psa.entry"

    @api.model
    def _sync(self, kind, specs):
        """Create or update the entries of source records."""
        return self.browse()

    def action_retry(self):
        """Price and check these again."""

    def action_waive(self, reason):
        """Exclude these from billing, for good."""
