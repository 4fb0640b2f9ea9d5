from dateutil.relativedelta import relativedelta

from odoo import fields, models


class PsaBillingRun(models.TransientModel):
    """Choose a period and contracts, and get a proposal for each contract."""

    _name = "psa.billing.run"
    _description = "Billing Run"

    period_start = fields.Date(
        "From",
        required=True,
        default=lambda self: fields.Date.context_today(self) + relativedelta(months=-1, day=1),
    )
    period_end = fields.Date(
        "To", required=True, default=lambda self: fields.Date.context_today(self) + relativedelta(day=1, days=-1)
    )
    company_ids = fields.Many2many("res.company", string="Companies", default=lambda self: self.env.companies)
    order_ids = fields.Many2many(
        "sale.order",
        string="Contracts",
        domain="[('psa_contract', '=', True), ('company_id', 'in', company_ids)]",
        help="Empty: every contract of the companies.",
    )

    def action_run(self):
        """Make or refresh the proposals and show them."""
        self.ensure_one()
        companies = self.company_ids & self.env.companies
        orders = self.order_ids or self.env["sale.order"].sudo().search(
            [("psa_contract", "=", True), ("state", "=", "sale"), ("company_id", "in", companies.ids)]
        )
        proposals = self.env["psa.proposal"]._create_proposals(self.period_start, self.period_end, orders)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Billing Proposals"),
            "res_model": "psa.proposal",
            "view_mode": "list,form",
            "domain": [("id", "in", proposals.ids)],
        }
