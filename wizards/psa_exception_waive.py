from odoo import api, fields, models
from odoo.fields import Command


class PsaExceptionWaive(models.TransientModel):
    """Asks for the reason before exceptions (and what they hold), or single messages, are given up."""

    _name = "psa.exception.waive"
    _description = "Waive"

    exception_ids = fields.Many2many("psa.exception", readonly=True)
    message_ids = fields.Many2many("psa.message", readonly=True)
    exception_count = fields.Integer("Exceptions", compute="_compute_totals")
    holder_count = fields.Integer("Records Given Up", compute="_compute_totals")
    currency_id = fields.Many2one("res.currency", compute="_compute_totals")
    amount = fields.Monetary("Money Given Up", compute="_compute_totals")
    second_person = fields.Boolean(compute="_compute_totals")
    reason = fields.Text(required=True)

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        active = self.env.context.get("active_ids", [])
        if self.env.context.get("active_model") == "psa.message":
            messages = self.env["psa.message"].browse(active)
            values["message_ids"] = [Command.set(
                messages.filtered(lambda message: message.state not in ("done", "skipped")).ids)]
        else:
            exceptions = self.env["psa.exception"].browse(active)
            values["exception_ids"] = [Command.set(exceptions.filtered("is_open").ids)]
        return values

    @api.depends("exception_ids", "message_ids")
    def _compute_totals(self):
        currency = self.env.company.currency_id
        today = fields.Date.context_today(self)
        for wizard in self:
            exceptions, messages = wizard.exception_ids, wizard.message_ids
            wizard.exception_count = len(exceptions)
            wizard.holder_count = sum(exceptions.mapped("holder_count")) + len(messages)
            wizard.currency_id = currency
            wizard.second_person = any(
                not exception._may_waive_alone(exception.amount, exception.company_id) for exception in exceptions)
            wizard.amount = sum(
                exception.currency_id._convert(exception.amount, currency, exception.company_id, today)
                for exception in exceptions
            ) + sum(
                message.risk_currency_id._convert(message.risk_amount, currency, message.company_id, today)
                for message in messages
            )

    def action_waive(self):
        self.ensure_one()
        if self.exception_ids:
            self.exception_ids.action_waive(self.reason)
        if self.message_ids:
            self.message_ids.action_waive(self.reason)
        return {"type": "ir.actions.act_window_close"}
