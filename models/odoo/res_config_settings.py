from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_allow_self_approval = fields.Boolean(related="company_id.psa_allow_self_approval", readonly=False)
    psa_evidence_in_portal = fields.Boolean(related="company_id.psa_evidence_in_portal", readonly=False)
