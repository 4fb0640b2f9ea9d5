from odoo import api, fields, models


class SaleOrder(models.Model):
    _inherit = "sale.order"

    # === FIELDS === #
    psa_contract = fields.Boolean(
        "Billed by PSA Hub",
        copy=False,
        index="btree_not_null",
        help="A contract whose time, expenses, milestones and fees are billed through billing proposals.",
    )
    psa_connection_id = fields.Many2one("psa.connection", "Source Connection", copy=False, ondelete="set null")
    psa_purchase_order = fields.Char("Customer's Order Number", copy=False)
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
            if state in ("draft", "to_approve"):
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
