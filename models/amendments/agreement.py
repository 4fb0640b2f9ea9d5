from odoo import models


class PsaAmendment(models.Model):
    """An amendment that is sent to sign lets go the signature that came before."""

    _inherit = "psa.amendment"

    def write(self, vals):
        result = super().write(vals)
        if "state" in vals:
            self.env["psa.message"].sudo()._release_now([f"amendment:{amendment.id}" for amendment in self])
        return result
