from odoo import api, models


class PsaAccrual(models.Model):
    """Work of a system in shadow mode is not accrued: the books know nothing of it yet."""

    _inherit = "psa.accrual"

    @api.model
    def _propose(self, closing, entries):
        orders = entries.order_id._psa_in_shadow()
        shadow = entries._in_shadow()
        live = entries.filtered(lambda entry: entry.id not in shadow and entry.order_id.id not in orders)
        return super()._propose(closing, live) if live or not entries else self


class PsaConnection(models.Model):
    _inherit = "psa.connection"

    def _went_live(self):
        """What is late by the rule to accrue is accrued now."""
        result = super()._went_live()
        late = self.env["psa.entry"].sudo().search([
            ("message_id.connection_id", "=", self.id), ("late_policy", "=", "accrue"), ("state", "=", "approved"),
            ("late_closing_id", "!=", False), ("billing_state", "in", ("to_bill", "partly"))])
        for closing, entries in late.grouped("late_closing_id").items():
            self.env["psa.accrual"]._propose(closing, entries)
        return result
