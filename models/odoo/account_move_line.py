from odoo import fields, models
from odoo.exceptions import UserError

# What the ledger stands on: changing it by hand would bill something else than the entries say.
_LEDGER_FIELDS = ("quantity", "price_unit", "discount")


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    psa_allocation_ids = fields.One2many("psa.allocation", "move_line_id", "Billed Entries", readonly=True)
    psa_origin_line_id = fields.Many2one(
        "account.move.line",
        "Line Credited or Replaced",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The invoice line of a PSA Hub contract that this line credits or replaces.",
    )

    def _copy_data_extend_business_fields(self, values):
        """Let the lines of a credit note, or of the invoice that replaces one, know where they come from."""
        result = super()._copy_data_extend_business_fields(values)
        if self.sale_line_ids.order_id.filtered("psa_contract"):
            values["psa_origin_line_id"] = self.id
        return result

    def write(self, vals):
        changed = [name for name in _LEDGER_FIELDS if name in vals]
        if changed:
            self._psa_check_ledger_change({name: vals[name] for name in changed})
        return super().write(vals)

    def _psa_check_ledger_change(self, vals):
        """Refuse to change how much an invoice line bills while entries stand on it."""
        allocated = self.env["psa.allocation"].sudo().search(
            [("move_line_id", "in", self.ids), ("kind", "=", "invoice")]).move_line_id
        for line in allocated:
            for name, value in vals.items():
                if abs((line[name] or 0.0) - (value or 0.0)) > 1e-9:
                    title = (line.name or "").partition("\n")[0]
                    raise UserError(self.env._(
                        "“%s” bills approved entries of PSA Hub, so its quantity and price are theirs. Delete the line "
                        "to bill them another time, or change the billing proposal.", title))

    def unlink(self):
        """Deleting a draft line frees the entries that stand on it."""
        if not self:
            return super().unlink()
        allocations = self.env["psa.allocation"].sudo().search([
            "|", ("move_line_id", "in", self.ids), ("origin_line_id", "in", self.ids),
        ])
        allocations._release()
        moves = self.filtered(lambda line: line.sale_line_ids.order_id.filtered("psa_contract")).move_id
        result = super().unlink()
        # sale_timesheet has just cleared the invoice of every timesheet of these contract lines, of other lines too.
        entries = moves.exists()._psa_allocations().entry_id
        entries._link_timesheets(self.env["psa.allocation"]._latest_invoices(entries))
        return result
