from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_allow_self_approval = fields.Boolean(
        "Preparer May Approve",
        help="For firms with one person in finance: who prepared a billing proposal may approve it as well.",
    )
    psa_evidence_in_portal = fields.Boolean(
        "Evidence in the Portal", default=True,
        help="Customers may download the evidence pack beside their invoice.",
    )
