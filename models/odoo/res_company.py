from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_allow_self_approval = fields.Boolean(
        "Preparer May Approve",
        help="For firms with one person in finance: who prepared a billing proposal may approve it as well.",
    )
