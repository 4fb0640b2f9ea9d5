from functools import partial

from odoo import api, fields, models
from odoo.http import request
from odoo.tools import SQL


class PsaException(models.Model):
    """What became billable when an exception was fixed. It is read from the books, not counted along the way."""

    _inherit = "psa.exception"

    freed_count = fields.Integer("Records Released", compute="_compute_freed")
    freed_amount = fields.Monetary(
        "Became Billable", compute="_compute_freed",
        help="Approved work that this held before: what it comes to, in the company's currency at today's rate.")

    @api.depends("state", "holder_count")
    def _compute_freed(self):
        for exception in self:
            messages, entries = exception._freed_records()
            exception.freed_count = len(messages) + len(entries.filtered(
                lambda entry, ids=frozenset(messages.ids): entry.message_id.id not in ids))
            exception.freed_amount = exception._billable(entries, exception.company_id)

    def _freed_records(self):
        """Return the messages and the entries that went through after one of these had held them."""
        messages = self.env["psa.message"].sudo().search([("freed_from_id", "in", self.ids)])
        entries = self.env["psa.entry"].sudo().search([
            "|", ("freed_from_id", "in", self.ids), ("message_id", "in", messages.ids), ("state", "=", "approved")])
        return messages, entries

    @api.model
    def _billable(self, entries, company):
        today = fields.Date.context_today(self)
        return sum(
            currency._convert(amount, company.currency_id, company, today)
            for currency, amount in self.env["psa.entry"].sudo()._read_group(
                [("id", "in", entries.ids)], ["currency_id"], ["amount:sum"]))

    def action_open_freed(self):
        """The entries that were held by this and are billed now or soon."""
        self.ensure_one()
        return self._open(self._freed_records()[1], self.env._("Became Billable"))

    # === TOLD === #
    def _tell_later(self):
        """Tell the person whose request closes these what came of it, once for the whole transaction."""
        told = self.env.cr.precommit.data
        if request and request.env.uid and "psa_hub.tells" not in told:
            told["psa_hub.tells"] = True
            [(last,)] = self.env.execute_query(SQL("SELECT COALESCE(MAX(id), 0) FROM psa_audit"))
            self.env.cr.precommit.add(partial(self._tell_freed, last, request.env.uid, request.env.company.id))

    @api.model
    def _tell_freed(self, last_audit_id, user_id, company_id):
        """Send the person a note about what was closed after that row of the audit trail."""
        closed = self._closed_since(last_audit_id)
        user = self.env["res.users"].browse(user_id)
        if closed and user.sudo().has_group("psa_hub.group_auditor"):
            user._bus_send("simple_notification", {
                "type": "success", "message": closed._freed_sentence(self.env["res.company"].browse(company_id))})

    @api.model
    def _closed_since(self, last_audit_id):
        """Return what this transaction resolved: later rows of the audit trail that it can see are its own."""
        rows = self.env["psa.audit"].sudo().search_fetch([
            ("id", ">", last_audit_id), ("event", "=", "exception.resolved"), ("res_model", "=", self._name),
        ], ["res_id"])
        return self.sudo().browse(set(rows.mapped("res_id")))

    def _freed_sentence(self, company):
        """Return what was released: "140 exceptions closed, 23,410.00 EUR billable"."""
        _messages, entries = self._freed_records()
        amount = company.currency_id.format(self._billable(entries, company))
        if len(self) == 1:
            return self.env._("1 exception closed, %s billable", amount)
        return self.env._("%(count)s exceptions closed, %(amount)s billable", count=len(self), amount=amount)
