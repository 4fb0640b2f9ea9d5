from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import RedirectWarning, UserError

from ..billing.proposal import OPEN_STATES


class SaleOrder(models.Model):
    _inherit = "sale.order"

    # === FIELDS === #
    # Odoo searches them by a field that salespeople alone may read, and finance opens contracts too
    project_ids = fields.Many2many(compute_sudo=True)
    project_count = fields.Integer(compute_sudo=True)
    psa_contract = fields.Boolean(
        "Billed by PSA Hub",
        copy=False,
        index="btree_not_null",
        help="A contract whose time, expenses, milestones and fees are billed through billing proposals.",
    )
    psa_connection_id = fields.Many2one("psa.connection", "Source Connection", copy=False, ondelete="set null")
    psa_purchase_order = fields.Char("Customer's Order Number", copy=False)
    psa_invoice_detail = fields.Selection(
        [("role", "By Role"), ("person", "By Person")],
        "Invoice Detail",
        default="role",
        required=True,
        help="Time of one rate is put together by role or by person on the invoice.",
    )
    psa_expense_line_id = fields.Many2one(
        "sale.order.line", "Expense Line", copy=False, readonly=True, ondelete="set null"
    )
    psa_status_sequence = fields.Integer(readonly=True, copy=False, default=0)
    psa_status_hash = fields.Char(readonly=True, copy=False)
    psa_line_ids = fields.One2many(
        "sale.order.line", "order_id", "Billing Lines", domain=[("display_type", "=", False)], copy=False)
    psa_entry_ids = fields.One2many("psa.entry", "order_id", "Billable Entries")
    psa_proposal_ids = fields.One2many("psa.proposal", "order_id", "Billing Proposals")
    psa_entry_count = fields.Integer("Entries", compute="_compute_psa_amounts")
    psa_proposal_count = fields.Integer("Proposals", compute="_compute_psa_amounts")
    psa_to_bill_amount = fields.Monetary(
        "To Bill", compute="_compute_psa_amounts", help="Approved and not on an invoice yet, before tax."
    )
    psa_held_amount = fields.Monetary(
        "Held",
        compute="_compute_psa_amounts",
        help="Kept from billing by an exception, the source's hold or a missing approval, before tax.",
    )
    psa_billed_amount = fields.Monetary(
        "Billed", compute="_compute_psa_amounts", help="On invoices, draft ones included, less credits, before tax."
    )
    psa_state = fields.Selection(
        [
            ("held", "Something is Held"),
            ("to_bill", "To Bill"),
            ("proposed", "Proposed"),
            ("billed", "All Billed"),
            ("nothing", "Nothing Yet"),
        ],
        "Billing Status",
        compute="_compute_psa_amounts",
    )

    # === COMPUTE === #
    @api.depends("psa_contract", "psa_entry_ids", "psa_proposal_ids")
    def _compute_psa_amounts(self):
        """Sums of the ledger, three queries for any number of orders."""
        totals = {order.id: order._psa_empty_totals() for order in self}
        Entry = self.env["psa.entry"].sudo()
        for order, state, count, amount, allocated in Entry._read_group(
            [("order_id", "in", self.ids)],
            ["order_id", "state"],
            ["__count", "amount:sum", "allocated_amount:sum"],
        ):
            total = totals[order.id]
            total["entries"] += count
            total["billed"] += allocated
            if state == "approved":
                total["to_bill"] += amount - allocated
        for order, held in Entry._psa_held_by_order(self.ids).items():
            totals[order]["held"] += held
        open_orders = set()
        for order, state, count in self.env["psa.proposal"].sudo()._read_group(
            [("order_id", "in", self.ids)], ["order_id", "state"], ["__count"]
        ):
            totals[order.id]["proposals"] += count
            if state in OPEN_STATES:
                open_orders.add(order.id)
        for order in self:
            total = totals[order.id]
            order.psa_entry_count = total["entries"]
            order.psa_proposal_count = total["proposals"]
            order.psa_to_bill_amount = total["to_bill"]
            order.psa_held_amount = total["held"]
            order.psa_billed_amount = total["billed"]
            if not total["entries"]:
                order.psa_state = "nothing"
            elif total["held"]:
                order.psa_state = "held"
            elif order.id in open_orders:
                order.psa_state = "proposed"
            elif not order.currency_id.is_zero(total["to_bill"]):
                order.psa_state = "to_bill"
            else:
                order.psa_state = "billed"

    @api.model
    def _psa_empty_totals(self):
        return {"entries": 0, "proposals": 0, "to_bill": 0.0, "held": 0.0, "billed": 0.0}

    # === CRUD === #
    def write(self, vals):
        if "psa_contract" in vals and not vals["psa_contract"] and self.sudo().psa_entry_ids:
            raise UserError(self.env._(
                "This contract has billable entries in PSA Hub: invoiced by Odoo, they would be billed twice."))
        return super().write(vals)

    # === ODOO'S OWN INVOICING LEADS HERE === #
    def _create_invoices(self, grouped=False, final=False, date=None):
        """Never bill a contract past the ledger: its invoices come from billing proposals only."""
        if contracts := self.filtered("psa_contract"):
            raise RedirectWarning(
                self.env._(
                    "%s is billed by PSA Hub: make a billing proposal instead, so that nothing is billed twice.",
                    ", ".join(contracts.mapped("name")),
                ),
                self.env.ref("psa_hub.action_psa_proposal").id,
                self.env._("Billing Proposals"),
            )
        return super()._create_invoices(grouped=grouped, final=final, date=date)

    def action_psa_propose(self):
        """Open the open proposals of these contracts; where there is none, make one of all work up to today."""
        today = fields.Date.context_today(self)
        Proposal = self.env["psa.proposal"]
        proposals = Proposal.search([("order_id", "in", self.ids), ("state", "in", OPEN_STATES)])
        missing = self.filtered("psa_contract") - proposals.order_id
        if missing:
            proposals |= Proposal._create_proposals(today + relativedelta(day=1), today, missing)
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("Billing Proposals"),
            "res_model": "psa.proposal",
            "view_mode": "list,form",
            "domain": [("order_id", "in", self.ids)],
        }
        if len(proposals) == 1:
            action.update({"res_id": proposals.id, "views": [(False, "form")], "view_mode": "form"})
        return action
