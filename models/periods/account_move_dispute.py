from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

_DISPUTE_FIELDS = {"psa_disputed", "psa_dispute_reason", "psa_disputed_at", "psa_disputed_by_id"}


class AccountMove(models.Model):
    """An invoice that its customer disputes: who heard it, when and why.

    Odoo's own *blocked* is counted as a dispute too, but it freezes the payment state, which the sources are told; so
    the hub's dispute is a field of its own.
    """

    _inherit = "account.move"

    psa_disputed = fields.Boolean("Disputed", copy=False, readonly=True)
    psa_dispute_reason = fields.Char(copy=False, readonly=True)
    psa_disputed_at = fields.Datetime("Disputed On", copy=False, readonly=True)
    psa_disputed_by_id = fields.Many2one("res.users", "Dispute Noted By", copy=False, readonly=True)

    _psa_disputed_idx = models.Index("(commercial_partner_id) WHERE psa_disputed")

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su and any(_DISPUTE_FIELDS & vals.keys() for vals in vals_list):
            raise AccessError(self.env._("A dispute is noted with its button, so that it has a reason."))
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su and _DISPUTE_FIELDS & vals.keys():
            raise AccessError(self.env._("A dispute is noted with its button, so that it has a reason."))
        return super().write(vals)

    # === ACTIONS === #
    def action_psa_dispute(self):
        """Ask for the reason, then note the dispute."""
        return self.env["psa.reason"]._ask_for("dispute", self)

    def action_psa_end_dispute(self):
        """Ask how it ended, then end the dispute."""
        return self.env["psa.reason"]._ask_for("end_dispute", self)

    def action_toggle_block_payment(self):
        result = super().action_toggle_block_payment()
        self._psa_follow_holds("person")
        return result

    # === BUSINESS === #
    def _psa_set_dispute(self, reason):
        """Note that the customer disputes this posted invoice; nothing more is billed to it meanwhile."""
        self._psa_check_may_dispute()
        for move in self:
            if move.state != "posted" or move.move_type not in ("out_invoice", "out_receipt"):
                raise UserError(self.env._("Only a posted customer invoice can be disputed."))
        reason = self.env["psa.hold"]._checked_reason(reason)
        self.sudo().write({
            "psa_disputed": True, "psa_dispute_reason": reason, "psa_disputed_at": fields.Datetime.now(),
            "psa_disputed_by_id": self.env.uid,
        })
        self.sudo()._message_log_batch(bodies={
            move.id: self.env._("Disputed by the customer: %s", reason) for move in self})
        self._psa_audit_dispute("invoice.disputed", reason)
        self._psa_follow_holds("person")

    def _psa_end_dispute(self, reason):
        """The dispute is settled: what was held for it goes on."""
        self._psa_check_may_dispute()
        reason = self.env["psa.hold"]._checked_reason(reason)
        self.sudo().write({"psa_disputed": False})
        self.sudo()._message_log_batch(bodies={
            move.id: self.env._("The dispute has ended: %s", reason) for move in self})
        self._psa_audit_dispute("invoice.dispute_ended", reason)
        self._psa_follow_holds("person")

    def _psa_check_may_dispute(self):
        self.check_access("read")
        user = self.env.user
        if not self.env.su and not user.has_groups("psa_hub.group_operator,account.group_account_invoice"):
            raise AccessError(self.env._("Only accounting and operators of PSA Hub may note disputes."))

    def _psa_audit_dispute(self, event, reason):
        self.env["psa.audit"]._log([
            {
                "event": event, "res_model": self._name, "res_id": move.id, "company_id": move.company_id.id,
                "after": {"invoice": move.name, "open": move.amount_residual}, "reason": reason,
            }
            for move in self
        ])
