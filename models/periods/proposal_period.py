from odoo import api, models
from odoo.fields import Domain


class PsaProposal(models.Model):
    """Proposals and the closing calendar: late work waits for its period, and no invoice is dated in locked books."""

    _inherit = "psa.proposal"

    @api.model
    def _backlog_domain(self, orders, period_end):
        """Late work is left to the proposals of the period that bills it."""
        return super()._backlog_domain(orders, period_end) & (
            Domain("late_period", "=", False) | Domain("late_period", "<=", period_end))

    def _line_values(self, entry, labels, taken, period_start):
        values = super()._line_values(entry, labels, taken, period_start)
        if values["decision"] == "in" and entry.late_policy and entry.late_policy != "in_time":
            values["reason"] = self.env._(
                "Late arrival: came after %s was closed",
                entry.late_closing_id.name or f"{entry.work_date:%Y-%m}")
        return values

    def _prepare_invoice(self, invoice):
        """The invoice of a period that is locked in Odoo bears the first day that is open."""
        values = super()._prepare_invoice(invoice)
        lock_day = self.company_id._psa_lock_day()
        if lock_day and self.period_end <= lock_day:
            calendar = self.env["psa.closing"]._calendars(self.company_id, self.period_end)[self.company_id.id]
            values["invoice_date"] = calendar.first_open_day(self.period_end)
        return values
