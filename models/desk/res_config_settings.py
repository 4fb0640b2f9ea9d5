from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_waive_limit = fields.Monetary(
        related="company_id.psa_waive_limit", readonly=False, currency_field="company_currency_id")
    psa_correct_limit = fields.Monetary(
        related="company_id.psa_correct_limit", readonly=False, currency_field="company_currency_id")
