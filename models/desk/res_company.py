from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_waive_limit = fields.Monetary(
        "Waive Limit of Reviewers", default=500.0,
        help="Reviewers may waive exceptions with at most this much money at risk; above it an approver must do it.",
    )
