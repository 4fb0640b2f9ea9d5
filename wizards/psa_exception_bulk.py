from odoo import api, fields, models
from odoo.exceptions import UserError


class PsaExceptionBulk(models.TransientModel):
    """Shows what a decision about many exceptions would do, before it is taken."""

    _name = "psa.exception.bulk"
    _description = "Decide about Several Exceptions"

    kind = fields.Selection(
        [("retry", "Retry"), ("assign", "Assign"), ("waive", "Waive")], required=True, readonly=True)
    exception_ids = fields.Json(required=True, readonly=True)
    exception_count = fields.Integer("Exceptions", readonly=True)
    holder_count = fields.Integer("Records Waiting", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    amount = fields.Monetary("Money at Risk", readonly=True)
    tried_count = fields.Integer("Tried", readonly=True, help="The dearest ones were tried, and nothing was kept.")
    passed_count = fields.Integer("Would Pass", readonly=True)
    passed_amount = fields.Monetary("Would Become Billable", readonly=True)
    connection_count = fields.Integer("Connections", readonly=True, help="They are asked when it starts.")
    second_count = fields.Integer("Need a Second Person", readonly=True)
    user_id = fields.Many2one(
        "res.users", "Assign to", domain=lambda self: [
            ("all_group_ids", "in", self.env.ref("psa_hub.group_operator").ids)],
        default=lambda self: self.env.user)
    reason = fields.Text()

    @api.model
    def _for(self, kind, exceptions):
        """Return the dialog about ``exceptions``, with the preview of what it would do."""
        currency, today = self.env.company.currency_id, fields.Date.context_today(self)
        values = {
            "kind": kind, "exception_ids": exceptions.ids, "exception_count": len(exceptions),
            "holder_count": sum(exceptions.mapped("holder_count")), "currency_id": currency.id,
            "amount": sum(
                one.currency_id._convert(one.amount, currency, one.company_id, today) for one in exceptions),
        }
        if kind == "retry":
            outcome = exceptions._try_retry()
            values |= {
                "tried_count": outcome["tried"], "passed_count": outcome["passed"],
                "passed_amount": outcome["amount"],
                "connection_count": len(exceptions.filtered(lambda one: one.category == "connection")),
            }
        elif kind == "waive":
            exceptions._check_may_ask_waive()
            values["second_count"] = sum(
                not exceptions._may_waive_alone(one.amount, one.company_id) for one in exceptions)
        return self.create(values)

    def action_start(self):
        """Do it, and show how far it is.

        :raise UserError: a reason or a person is missing
        """
        self.ensure_one()
        if self.kind == "waive" and not (self.reason or "").strip():
            raise UserError(self.env._("Say why: a waived exception keeps its reason for ever."))
        exceptions = self.env["psa.exception"].search([("id", "in", self.exception_ids), ("is_open", "=", True)])
        job = self.env["psa.exception.job"]._start(
            self.kind, exceptions, self.user_id if self.kind == "assign" else None, self.reason)
        return {
            "type": "ir.actions.act_window", "res_model": job._name, "res_id": job.id, "view_mode": "form",
            "views": [(False, "form")], "name": job.display_name,
        }
