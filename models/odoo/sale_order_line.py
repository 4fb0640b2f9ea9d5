from odoo import api, fields, models

BILLING_METHODS = [
    ("time_material", "Time and Materials"),
    ("fixed_fee", "Fixed Fee"),
    ("milestone", "Milestone"),
    ("progress", "Progress (Percent Complete)"),
    ("recurring", "Recurring Fee"),
    ("retainer", "Retainer"),
    ("prepaid", "Prepaid Hours"),
    ("expense", "Expenses"),
    ("pass_through", "Pass-through Costs"),
    ("adjustment", "Price Differences"),
]


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    psa_billing_method = fields.Selection(
        BILLING_METHODS,
        "Billing Method",
        help="What makes PSA Hub bill this line: hours at a rate, a fee at once, by milestone, progress or period, a "
        "retainer or hours paid beforehand, expenses, subcontractors, or differences of an amendment.",
    )
    psa_role_id = fields.Many2one(
        "psa.role", "Role Sold", check_company=True, help="Time of this role is billed on this line."
    )

    def action_psa_terms(self):
        """Open how this line is billed, in a dialog."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Billing Terms"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(self.env.ref("psa_hub.sale_order_line_view_form_psa_terms").id, "form")],
            "target": "new",
        }

    @api.model
    def _psa_ensure_expense_lines(self, orders):
        """Give each of ``orders`` a line that expenses are billed on.

        Ordered quantity and price are zero: only what is spent counts, and the order's total stays what was sold.

        :return: the new lines
        """
        product = self.env.ref("psa_hub.product_expense")
        lines = self.sudo().with_context(sale_no_log_for_new_lines=True).create([
            {
                "order_id": order.id,
                "product_id": product.id,
                "name": product.with_context(lang=order.partner_id.lang).name,
                "product_uom_qty": 0.0,
                "price_unit": 0.0,
                "technical_price_unit": 0.0,
                "psa_billing_method": "expense",
                "sequence": 900,
            }
            for order in orders
        ])
        # Two workers that make the first expense line of a contract at once both write its row: the later one is
        # sent back by the database and finds the line when it tries again.
        for line in lines:
            line.order_id.psa_expense_line_id = line
        orders.flush_recordset(["psa_expense_line_id"])
        return lines

    def _psa_follow_expenses(self):
        """Set the delivered quantity of expense lines to what is approved, in one query."""
        totals = {
            line.id: quantity
            for line, quantity in self.env["psa.entry"].sudo()._read_group(
                [("order_line_id", "in", self.ids), ("state", "=", "approved")], ["order_line_id"], ["quantity:sum"]
            )
        }
        for line in self.sudo():
            quantity = totals.get(line.id, 0.0)
            if line.qty_delivered_method == "manual" and line.qty_delivered != quantity:
                line.qty_delivered = quantity
