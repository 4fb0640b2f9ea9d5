from odoo import fields, models


class SaleOrderLine(models.Model):
    """How a line's delivered hours lead to its invoiced ones: raw, as counted, what is taken off, billed."""

    _inherit = "sale.order.line"

    psa_source_quantity = fields.Float(
        "Hours as They Came", compute="_compute_psa_hours", digits=(16, 2), help="Odoo's delivered hours.")
    psa_counted_quantity = fields.Float(
        "As the Contract Counts", compute="_compute_psa_hours", digits=(16, 2), help="After the rounding rule.")
    psa_taken_off_quantity = fields.Float(
        "Taken Off or Waiting", compute="_compute_psa_hours", digits=(16, 2),
        help="Not approved, held, paid by a retainer, over a cap, or written down with their hours.")
    psa_billed_quantity = fields.Float(
        "On Invoices", compute="_compute_psa_hours", digits=(16, 2), help="Odoo's invoiced hours.")

    def _compute_psa_hours(self):
        """Sums of the entries of each line, one query."""
        sums = {
            line.id: (source, counted, billable, billed)
            for line, source, counted, billable, billed in self.env["psa.entry"].sudo()._read_group(
                [("order_line_id", "in", self.ids), ("kind", "=", "time"), ("state", "!=", "withdrawn")],
                ["order_line_id"],
                ["source_quantity:sum", "gross_quantity:sum", "quantity:sum", "allocated_quantity:sum"],
            )
        }
        not_billable = {
            line.id: quantity
            for line, quantity in self.env["psa.entry"].sudo()._read_group(
                [("order_line_id", "in", self.ids), ("kind", "=", "time"),
                 ("state", "in", ("waiting", "held", "excluded"))],
                ["order_line_id"], ["quantity:sum"],
            )
        }
        for line in self:
            source, counted, quantity, billed = sums.get(line._origin.id, (0.0, 0.0, 0.0, 0.0))
            line.psa_source_quantity, line.psa_counted_quantity = source, counted
            line.psa_taken_off_quantity = counted - quantity + not_billable.get(line._origin.id, 0.0)
            line.psa_billed_quantity = billed
