from odoo import fields, models


class HrEmployee(models.Model):
    _inherit = "hr.employee"

    psa_role_id = fields.Many2one(
        "psa.role",
        "Billing Role",
        groups="hr.group_hr_user,psa_hub.group_auditor",
        domain="[('company_id', 'in', (company_id, False))]",
        help="What the person is sold as when neither the time record nor the assignment names a role.",
    )
