from odoo import fields, models

BILLING_METHODS = [
    ("time_material", "Time and Materials"),
    ("fixed_fee", "Fixed Fee"),
    ("milestone", "Milestone"),
    ("expense", "Expenses"),
]


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    psa_billing_method = fields.Selection(
        BILLING_METHODS,
        "Billing Method",
        help="How PSA Hub bills this line: hours at a rate, a fee at once, a fee per milestone, or expenses.",
    )
    psa_role_id = fields.Many2one(
        "psa.role", "Role Sold", check_company=True, help="Time of this role is billed on this line."
    )
