from odoo import api, fields, models
from odoo.exceptions import UserError

# What is done with which records once there is a reason: (model, method that takes the reason).
ASKS = {
    "hold": (None, None),
    "release": ("psa.hold", "action_release"),
    "override": ("psa.proposal", "_override_holds"),
    "dispute": ("account.move", "_psa_set_dispute"),
    "end_dispute": ("account.move", "_psa_end_dispute"),
    "close": ("psa.closing", "_close"),
    "reopen": ("psa.closing", "_reopen"),
    "release_legal_hold": ("psa.legal.hold", "action_release"),
    "refuse_waive": ("psa.exception", "_refuse_waive"),
    "another": ("psa.exception", "_let_through"),
}


class PsaReason(models.TransientModel):
    """Asks for the reason of something that is kept for ever. What is behind it checks rights and writes the audit."""

    _name = "psa.reason"
    _description = "Reason"

    ask = fields.Selection(
        [
            ("hold", "Hold Billing"),
            ("release", "Release the Hold"),
            ("override", "Bill in Spite of the Hold"),
            ("dispute", "Note a Dispute"),
            ("end_dispute", "End the Dispute"),
            ("close", "Close in Spite of Open Checks"),
            ("reopen", "Open the Period Again"),
            ("release_legal_hold", "Release the Legal Hold"),
            ("refuse_waive", "Do Not Waive"),
            ("another", "It Is Other Work"),
        ],
        required=True, readonly=True,
    )
    res_model = fields.Char(required=True, readonly=True)
    res_ids = fields.Json(readonly=True)
    subject = fields.Char("About", compute="_compute_subject")
    reason = fields.Text(required=True)

    @api.model
    def _ask_for(self, ask, records):
        """Return the action that asks why before it does ``ask`` (a key of :data:`ASKS`) with ``records``."""
        return {
            "type": "ir.actions.act_window",
            "name": dict(self._fields["ask"]._description_selection(self.env))[ask],
            "res_model": self._name,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_ask": ask, "default_res_model": records._name, "default_res_ids": records.ids},
        }

    @api.depends("res_model", "res_ids")
    def _compute_subject(self):
        for wizard in self:
            wizard.subject = ", ".join(wizard._records().mapped("display_name")[:5])

    def _records(self):
        model = ASKS[self.ask][0]
        allowed = ("sale.order", "res.partner") if self.ask == "hold" else (model,)
        if self.res_model not in allowed:
            raise UserError(self.env._("This cannot be done with these records."))
        return self.env[self.res_model].browse(self.res_ids or [])

    def action_confirm(self):
        """Do it."""
        self.ensure_one()
        records = self._records()
        if self.ask == "hold":
            for record in records:
                self.env["psa.hold"]._put(record, self.reason)
        else:
            getattr(records, ASKS[self.ask][1])(self.reason)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
