from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_waive_limit = fields.Monetary(
        "Waive Limit", default=500.0,
        help="One person may waive an exception with at most this much money at risk; above it an approver must agree.",
    )
    psa_correct_limit = fields.Monetary(
        "Correction Limit", default=500.0,
        help="One person may correct a message with at most this much money at risk; above it, or when the money is "
             "not known, a second person must agree.",
    )
