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

    def write(self, vals):
        """Hours that had no price because nobody knew their role are applied once more when the person gets one."""
        result = super().write(vals)
        if vals.get("psa_role_id"):
            self.env["psa.entry"].sudo().search([
                ("employee_id", "in", self.ids), ("kind", "=", "time"), ("reason", "=", "missing_rate"),
                ("role_id", "=", False), ("message_id", "!=", False),
            ]).message_id._replay()
        return result
