from collections import Counter
from decimal import Decimal

from odoo import api, fields, models

from .pricing import decimal_of, quantity_of
from .vendor_line import find_contracts, project_of, projects_by_account, share_of

_LINE_FIELDS = {
    "product_qty", "price_unit", "discount", "analytic_distribution", "sale_line_id", "date_planned", "name",
    "product_uom_id",
}
_ORDER_FIELDS = {"state", "project_id", "currency_id", "partner_id"}


class PurchaseOrder(models.Model):
    """A confirmed purchase order announces costs that contracts pass on."""

    _inherit = "purchase.order"

    psa_entry_count = fields.Integer("Costs Passed On", compute="_compute_psa_entry_count", compute_sudo=True)

    def _psa_entry_domain(self):
        return ["|", ("purchase_line_id.order_id", "in", self.ids),
                ("vendor_line_id.purchase_line_id.order_id", "in", self.ids)]

    def _compute_psa_entry_count(self):
        entries = self.env["psa.entry"].search(self._psa_entry_domain())
        counts = Counter(entry.purchase_order_id.id for entry in entries)
        for order in self:
            order.psa_entry_count = counts[order._origin.id]

    def write(self, vals):
        result = super().write(vals)
        if _ORDER_FIELDS & set(vals):
            self.env["psa.entry"]._follow_purchase_lines(self.order_line)
        return result

    def action_psa_entries(self):
        """The entries that pass this order's costs on to customers."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry")
        return {**action, "domain": self._psa_entry_domain(), "context": {}}


class PurchaseOrderLine(models.Model):
    """An ordered cost, as far as no bill is in for it."""

    _inherit = "purchase.order.line"

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        self.env["psa.entry"]._follow_purchase_lines(lines.filtered(lambda line: line.order_id.state == "purchase"))
        return lines

    def write(self, vals):
        result = super().write(vals)
        if _LINE_FIELDS & set(vals):
            self.env["psa.entry"]._follow_purchase_lines(
                self.filtered(lambda line: line.order_id.state == "purchase"))
        return result

    def unlink(self):
        entries = self.env["psa.entry"].sudo().search([("purchase_line_id", "in", self.ids)])
        if entries:
            specs = entries.purchase_line_id._psa_cost_specs()
            entries._sync("pass_through", [
                {**specs[entry.purchase_line_id], "order_id": entry.order_id, "deleted": True} for entry in entries])
        return super().unlink()

    # === WHAT IS PASSED ON === #
    def _psa_cost_specs(self):
        """Return ``{line: spec}`` for :meth:`psa.entry._sync`; without a contract ``order_id`` is empty."""
        contracts, projects = find_contracts(self, lambda line: line), projects_by_account(self)
        nobody = self.env["sale.order"]
        return {
            line: line._psa_spec_for(found if len(found := contracts.get(line, nobody)) == 1 else nobody, projects)
            for line in self
        }

    def _psa_spec_for(self, order, projects):
        purchase, sale_line = self.order_id, self.sale_line_id
        left = self._psa_unbilled_part()
        cost = quantity_of(decimal_of(self.price_subtotal) * left * share_of(self, order, projects))
        return {
            "source": self,
            "order_id": order,
            "order_line_id": sale_line if order and sale_line.order_id == order else None,
            "project_id": project_of(order, purchase.project_id),
            "employee_id": None,
            "role_id": None,
            "work_date": (self.date_planned or purchase.date_approve or purchase.date_order).date(),
            "quantity": 1,
            "currency_id": purchase.currency_id,
            "fixed_amount": cost,
            "approved": False,
            "billable": True,
            "deleted": purchase.state != "purchase" or not cost,
            "source_blocked": "",
            "description": (self.name or self.product_id.name or "").split("\n")[0],
            "source_amount": float(cost),
            "message_id": None,
        }

    def _psa_unbilled_part(self):
        """Return which part of the ordered quantity is on no bill, between 0 and 1, as a Decimal.

        A vendor's credit note does not count: no new bill is to be expected for what it takes back.
        """
        ordered = decimal_of(self.product_qty)
        if not ordered:
            return Decimal(0)
        billed = sum((
            decimal_of(line.product_uom_id._compute_quantity(line.quantity, self.product_uom_id, round=False))
            for line in self.invoice_lines
            if line.move_id.move_type == "in_invoice" and line.move_id.state != "cancel"
        ), Decimal(0))
        return max(1 - billed / ordered, Decimal(0))

    def _psa_cost_words(self, cost):
        return {"purchase_order": self.order_id.name}
