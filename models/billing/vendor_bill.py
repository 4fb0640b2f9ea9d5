from odoo import api, fields, models

from .pricing import decimal_of, plain, quantity_of
from .vendor_line import find_contracts, project_of, projects_by_account, share_of

BILLS = ("in_invoice", "in_refund")
# What the cost that a bill line passes on depends on.
_LINE_FIELDS = {
    "psa_contract_id", "analytic_distribution", "purchase_line_id", "quantity", "price_unit", "discount", "tax_ids",
    "product_uom_id", "name", "display_type",
}
_MOVE_FIELDS = {"invoice_date", "date", "currency_id", "partner_id", "move_type"}


class AccountMoveLine(models.Model):
    """Vendor bill lines whose cost a contract passes on to its customer."""

    _inherit = "account.move.line"

    psa_contract_id = fields.Many2one(
        "sale.order",
        "Passed On To",
        compute="_compute_psa_contract_id",
        store=True,
        readonly=False,
        copy=True,
        index="btree_not_null",
        check_company=True,
        domain="[('psa_contract', '=', True), ('state', '=', 'sale')]",
        help="The contract whose customer bears this cost. Found by the purchase order or the project; empty: nobody.",
    )
    psa_vendor_entry_ids = fields.One2many("psa.entry", "vendor_line_id", "Passed On", readonly=True)

    # === COMPUTE === #
    @api.depends("purchase_line_id", "analytic_distribution")
    def _compute_psa_contract_id(self):
        """Find the contract of new costs; what a person chose stays unless the line comes to belong elsewhere."""
        found = self._psa_costs()._psa_find_contracts()
        for line in self:
            contracts = found.get(line)
            line.psa_contract_id = contracts if contracts and len(contracts) == 1 else line.psa_contract_id

    def _psa_find_contracts(self):
        return find_contracts(self, lambda line: line.purchase_line_id)

    def _psa_costs(self):
        """Return those of these lines that are costs on vendor bills; expenses come as expenses."""
        return self.filtered(lambda line: (
            line.move_id.move_type in BILLS and line.display_type == "product" and not line.expense_id))

    def _psa_divided(self):
        """Return those of these costs that several contracts would bear, and no person chose one."""
        open_lines = self.filtered(lambda line: not line.psa_contract_id)
        found = open_lines._psa_find_contracts()
        return open_lines.filtered(lambda line: len(found.get(line, ())) > 1)

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        self.env["psa.entry"]._follow_bill_lines(lines)
        return lines

    def write(self, vals):
        result = super().write(vals)
        if _LINE_FIELDS & set(vals):
            self.env["psa.entry"]._follow_bill_lines(self)
        return result

    def unlink(self):
        costs = self._psa_costs()
        self.env["psa.entry"]._follow_bill_lines(costs, gone=True)
        ordered = costs.purchase_line_id
        result = super().unlink()
        self.env["psa.entry"]._follow_purchase_lines(ordered)
        return result

    # === WHAT IS PASSED ON === #
    def _psa_cost_specs(self):
        """Return ``{line: spec}`` for :meth:`psa.entry._sync`; without a contract ``order_id`` is empty."""
        projects = projects_by_account(self)
        return {line: line._psa_spec_for(line.psa_contract_id, projects) for line in self}

    def _psa_spec_for(self, order, projects):
        move, purchase, sale_line = self.move_id, self.purchase_line_id.order_id, self.purchase_line_id.sale_line_id
        cost = quantity_of(decimal_of(self.price_subtotal) * share_of(self, order, projects))
        if move.move_type == "in_refund":
            cost = -cost
        return {
            "source": self,
            "order_id": order,
            "order_line_id": sale_line if order and sale_line.order_id == order else None,
            "project_id": project_of(order, purchase.project_id),
            "employee_id": None,
            "role_id": None,
            "work_date": move.invoice_date or move.date or fields.Date.context_today(self),
            "quantity": 1,
            "currency_id": move.currency_id,
            "fixed_amount": cost,
            "approved": move.state == "posted",
            "billable": True,
            "deleted": move.state == "cancel",
            "source_blocked": "",
            "description": (self.name or self.product_id.name or "").split("\n")[0],
            "source_amount": float(cost),
            "message_id": None,
        }

    def _psa_cost_words(self, cost):
        """Return what the trace says of the bill that ``cost`` (Decimal) is of."""
        words = {"vendor_bill": self.move_id.name or self.move_id.ref or self.env._("draft")}
        if self.purchase_line_id:
            words["purchase_order"] = self.purchase_line_id.order_id.name
        if abs(cost) != decimal_of(self.price_subtotal):
            words["of_the_line"] = plain(self.price_subtotal)
        return words

    # === ODOO'S OWN RE-INVOICING === #
    def _sale_create_reinvoice_sale_line(self):
        """Leave contracts of the hub alone: what they pass on is billed from entries, and must not be billed twice."""
        orders = self._sale_determine_order()
        ours = self.filtered(lambda line: (
            line.psa_contract_id or (orders.get(line.id) or self.env["sale.order"]).psa_contract))
        return super(AccountMoveLine, self - ours)._sale_create_reinvoice_sale_line()


class AccountMove(models.Model):
    """A vendor bill's life is followed by what it passes on: posted, reset, cancelled."""

    _inherit = "account.move"

    psa_vendor_entry_ids = fields.Many2many(
        "psa.entry", string="Passed On to Customers", compute="_compute_psa_vendor_entries", compute_sudo=True)
    psa_vendor_entry_count = fields.Integer("Costs Passed On", compute="_compute_psa_vendor_entries", compute_sudo=True)
    psa_divided = fields.Boolean(
        compute="_compute_psa_divided", compute_sudo=True,
        help="A line is distributed to several contracts: choose one, or divide the line.",
    )

    # === COMPUTE === #
    @api.depends("invoice_line_ids.psa_vendor_entry_ids")
    def _compute_psa_vendor_entries(self):
        for move in self:
            move.psa_vendor_entry_ids = move.invoice_line_ids.psa_vendor_entry_ids
            move.psa_vendor_entry_count = len(move.psa_vendor_entry_ids)

    @api.depends("invoice_line_ids.psa_contract_id", "invoice_line_ids.analytic_distribution", "move_type")
    def _compute_psa_divided(self):
        divided = self.invoice_line_ids._psa_costs()._psa_divided().move_id
        for move in self:
            move.psa_divided = move in divided

    # === THE ENTRIES FOLLOW === #
    def _post(self, soft=True):
        posted = super()._post(soft)
        posted._psa_follow_vendor()
        return posted

    def button_draft(self):
        result = super().button_draft()
        self._psa_follow_vendor()
        return result

    def button_cancel(self):
        result = super().button_cancel()
        self._psa_follow_vendor()
        return result

    def write(self, vals):
        result = super().write(vals)
        if _MOVE_FIELDS & set(vals):
            self._psa_follow_vendor()
        return result

    def _psa_follow_vendor(self):
        bills = self.filtered(lambda move: move.move_type in BILLS)
        if bills:
            self.env["psa.entry"]._follow_bill_lines(bills.invoice_line_ids)

    # === ACTIONS === #
    def action_psa_vendor_entries(self):
        """The entries that pass this bill on to customers."""
        return self._psa_entries_action([("vendor_line_id.move_id", "in", self.ids)])
