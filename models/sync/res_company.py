from odoo import api, models


class ResCompany(models.Model):
    _inherit = "res.company"

    @api.model_create_multi
    def create(self, vals_list):
        """Let the integration users work in a new company at once."""
        companies = super().create(vals_list)
        self.env["psa.connection"].sudo().search([("user_id", "!=", False)])._grant_companies()
        return companies
