from odoo import fields, models


class ProjectProject(models.Model):
    _inherit = "project.project"

    psa_contract_id = fields.Many2one(
        "sale.order",
        "Contract",
        index="btree_not_null",
        copy=False,
        check_company=True,
        help="The contract that pays for the work on this project. Empty: internal work.",
    )
    psa_closed_for_time = fields.Boolean(
        "Closed for Time", copy=False, help="Time on this project waits as an exception until it is reopened."
    )
    psa_closed_for_expenses = fields.Boolean(
        "Closed for Expenses", copy=False, help="Expenses on this project wait as an exception until it is reopened."
    )
    psa_excluded_from_billing = fields.Boolean(
        "Excluded from Billing", copy=False, help="Nothing on this project is ever billed by PSA Hub."
    )
