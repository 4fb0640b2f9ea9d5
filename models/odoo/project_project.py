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
    psa_code = fields.Char(
        "Project Code", copy=False, index="btree_not_null",
        help="The code that the project has in all systems. A project of another system with this code is this one.")
    psa_closed_for_time = fields.Boolean(
        "Closed for Time", copy=False, help="Time on this project waits as an exception until it is reopened."
    )
    psa_closed_for_expenses = fields.Boolean(
        "Closed for Expenses", copy=False, help="Expenses on this project wait as an exception until it is reopened."
    )
    psa_excluded_from_billing = fields.Boolean(
        "Excluded from Billing", copy=False, help="Nothing on this project is ever billed by PSA Hub."
    )

    _psa_code_uniq = models.UniqueIndex(
        "(COALESCE(company_id, 0), psa_code) WHERE psa_code IS NOT NULL AND psa_code <> ''",
        "Another project of the company has this code already.")
