from odoo import fields, models

EVIDENCE = [
    ("approval", "An Approver"),
    ("signature", "The Customer's Signature and an Approver"),
    ("document", "The Signed Document and an Approver"),
]


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_amendment_evidence = fields.Selection(
        EVIDENCE, "Amendments Need", required=True, default="approval",
        help="What must be there before an amendment comes into force. An approver who neither wrote nor edited it is "
        "always needed, unless the preparer may approve.",
    )


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_amendment_evidence = fields.Selection(related="company_id.psa_amendment_evidence", readonly=False)
