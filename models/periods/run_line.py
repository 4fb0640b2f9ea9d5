from odoo import api, fields, models
from odoo.fields import Domain

from ..billing.bulk import insert_rows


class PsaBillingRunLine(models.Model):
    """What a run did, or would do, with one contract."""

    _name = "psa.billing.run.line"
    _description = "Contract of a Billing Run"
    _order = "run_id, id"
    _rec_name = "order_id"

    # === FIELDS === #
    run_id = fields.Many2one("psa.billing.run", required=True, readonly=True, index=True, ondelete="cascade")
    order_id = fields.Many2one("sale.order", "Contract", required=True, readonly=True, index=True, ondelete="cascade")
    partner_id = fields.Many2one(related="order_id.partner_id")
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="cascade")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    state = fields.Selection(
        [
            ("pending", "Waiting"),
            ("proposed", "Proposed"),
            ("submitted", "Submitted"),
            ("nothing", "Nothing to Bill"),
            ("error", "Error"),
        ],
        required=True, readonly=True, default="pending",
    )
    proposal_id = fields.Many2one(
        "psa.proposal", readonly=True, index="btree_not_null", ondelete="set null")
    amount_in = fields.Monetary("Bill Now", readonly=True, help="Before tax, in the contract's currency.")
    amount_held = fields.Monetary("Held", readonly=True)
    amount_carried = fields.Monetary("Carried", readonly=True)
    run_amount = fields.Monetary(
        "In the Run's Currency", readonly=True, currency_field="run_currency_id", help="Bill Now, converted.")
    run_held = fields.Monetary("Held in the Run's Currency", readonly=True, currency_field="run_currency_id")
    run_currency_id = fields.Many2one(related="run_id.currency_id", string="Currency of the Run")
    note = fields.Char(readonly=True, help="What went wrong, or what keeps the proposal from being submitted.")

    _order_once = models.Constraint("UNIQUE (run_id, order_id)", "A contract is in a run only once.")
    _pending_idx = models.Index("(run_id, id) WHERE state = 'pending'")

    # === CRUD === #
    @api.model
    def _insert(self, run, orders):
        """Write down the contracts of a run in one statement."""
        insert_rows(self, [
            {
                "run_id": run.id, "order_id": order.id, "company_id": order.company_id.id,
                "currency_id": order.currency_id.id, "state": "pending",
            }
            for order in orders
        ])
        run.invalidate_recordset(["line_ids"])

    # === ACTIONS === #
    def action_open(self):
        """Show the proposal, else the contract."""
        self.ensure_one()
        return (self.proposal_id or self.order_id).get_formview_action()


class PsaBillingRun(models.Model):
    """The figures of a run, added up from its lines."""

    _inherit = "psa.billing.run"

    contract_count = fields.Integer("Contracts in It", compute="_compute_figures", compute_sudo=True)
    worked_count = fields.Integer("Worked On", compute="_compute_figures", compute_sudo=True)
    progress = fields.Integer(compute="_compute_figures", compute_sudo=True)
    proposal_count = fields.Integer("Proposals", compute="_compute_figures", compute_sudo=True)
    submitted_count = fields.Integer("Submitted", compute="_compute_figures", compute_sudo=True)
    nothing_count = fields.Integer("Nothing to Bill", compute="_compute_figures", compute_sudo=True)
    error_count = fields.Integer("Errors", compute="_compute_figures", compute_sudo=True)
    amount_in = fields.Monetary("Bill Now", compute="_compute_figures", compute_sudo=True)
    amount_held = fields.Monetary("Held", compute="_compute_figures", compute_sudo=True)
    error_line_ids = fields.One2many(
        "psa.billing.run.line", "run_id", "What Went Wrong", domain=Domain("state", "=", "error"), readonly=True)

    @api.depends("line_ids.state")
    def _compute_figures(self):
        counts, amounts = {}, {}
        for run, state, count, amount, held in self.env["psa.billing.run.line"]._read_group(
            [("run_id", "in", self.ids)], ["run_id", "state"], ["__count", "run_amount:sum", "run_held:sum"]
        ):
            counts.setdefault(run.id, {})[state] = count
            known = amounts.get(run.id, (0.0, 0.0))
            amounts[run.id] = known[0] + (amount or 0.0), known[1] + (held or 0.0)
        for run in self:
            of_run = counts.get(run.id, {})
            run.contract_count = sum(of_run.values())
            run.worked_count = run.contract_count - of_run.get("pending", 0)
            run.progress = round(100 * run.worked_count / run.contract_count) if run.contract_count else 0
            run.submitted_count = of_run.get("submitted", 0)
            run.proposal_count = of_run.get("proposed", 0) + run.submitted_count
            run.nothing_count = of_run.get("nothing", 0)
            run.error_count = of_run.get("error", 0)
            run.amount_in, run.amount_held = amounts.get(run.id, (0.0, 0.0))
