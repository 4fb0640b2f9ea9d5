from odoo import models
from odoo.exceptions import AccessError


class PsaMessage(models.Model):
    """Who may give up a message."""

    _inherit = "psa.message"

    def action_waive(self, reason):
        for message in self:
            self.env["psa.exception"]._check_may_waive(message.display_name, message.risk_amount, message.company_id)
        return super().action_waive(reason)


class PsaEntry(models.Model):
    """Who may send an entry again, or give it up."""

    _inherit = "psa.entry"

    def action_retry(self):
        self._check_operator()
        return super().action_retry()

    def action_waive(self, reason):
        self._check_operator()
        for entry in self:
            risk = entry.risk_amount or entry.currency_id._convert(
                entry.amount, entry.company_currency_id, entry.company_id, entry.work_date)
            self.env["psa.exception"]._check_may_waive(entry.display_name, risk, entry.company_id)
        return super().action_waive(reason)

    def _check_operator(self):
        """:raise AccessError: the user may not read these, or only looks on"""
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("Only operators of PSA Hub may do this."))
