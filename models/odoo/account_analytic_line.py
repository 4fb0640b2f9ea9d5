from odoo import api, models
from odoo.exceptions import UserError

# What a timesheet's price and invoice depend on.
_BILLED_FIELDS = {"unit_amount", "date", "employee_id", "project_id", "task_id", "so_line"}


class AccountAnalyticLine(models.Model):
    _inherit = "account.analytic.line"

    def _check_can_write(self, values):
        """Time that came from a source is corrected there: here it would no longer be what is approved and billed."""
        if not self.env.su and _BILLED_FIELDS & set(values):
            self._psa_check_no_entries()
        return super()._check_can_write(values)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_psa_entry(self):
        if not self.env.su:
            self._psa_check_no_entries()

    def _psa_check_no_entries(self):
        entry = self.env["psa.entry"].sudo().search(
            [("analytic_line_id", "in", self.ids), ("state", "!=", "withdrawn")], limit=1)
        if entry:
            raise UserError(self.env._(
                "%s came from a connected system and is billed by PSA Hub: correct it there.", entry.display_name))
