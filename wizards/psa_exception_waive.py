from odoo import api, fields, models
from odoo.fields import Command


class PsaExceptionWaive(models.TransientModel):
    """Asks for the reason before exceptions, and what they hold, are given up."""

    _name = "psa.exception.waive"
    _description = "Waive Exceptions"

    exception_ids = fields.Many2many("psa.exception", required=True, readonly=True)
    exception_count = fields.Integer(compute="_compute_totals")
    holder_count = fields.Integer("Records Given Up", compute="_compute_totals")
    currency_id = fields.Many2one("res.currency", compute="_compute_totals")
    amount = fields.Monetary("Money Given Up", compute="_compute_totals")
    reason = fields.Text(required=True)

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        exceptions = self.env["psa.exception"].browse(self.env.context.get("active_ids", [])).filtered("is_open")
        values["exception_ids"] = [Command.set(exceptions.ids)]
        return values

    @api.depends("exception_ids")
    def _compute_totals(self):
        currency = self.env.company.currency_id
        today = fields.Date.context_today(self)
        for wizard in self:
            wizard.exception_count = len(wizard.exception_ids)
            wizard.holder_count = sum(wizard.exception_ids.mapped("holder_count"))
            wizard.currency_id = currency
            wizard.amount = sum(
                exception.currency_id._convert(exception.amount, currency, exception.company_id, today)
                for exception in wizard.exception_ids
            )

    def action_waive(self):
        self.ensure_one()
        self.exception_ids.action_waive(self.reason)
        return {"type": "ir.actions.act_window_close"}
