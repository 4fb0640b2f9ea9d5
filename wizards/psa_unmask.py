from odoo import fields, models
from odoo.exceptions import AccessError, UserError


class PsaUnmask(models.TransientModel):
    """Shows the personal values of one message to an administrator who says why. Who, what and why are kept."""

    _name = "psa.unmask"
    _description = "Show Personal Data"

    message_id = fields.Many2one("psa.message", required=True, readonly=True)
    reason = fields.Text(required=True, help="Kept for ever in the audit trail, with your name.")
    content = fields.Text(readonly=True)

    def action_show(self):
        """Note who looks and why, then show the content."""
        self.ensure_one()
        if not self.env.user.has_group("psa_hub.group_administrator"):
            raise AccessError(self.env._("Only administrators may show personal data."))
        if not self.reason.strip():
            raise UserError(self.env._("Say why: the reason is kept for ever."))
        self.message_id.check_access("read")
        message = self.message_id.sudo()
        self.env["psa.audit"]._log([{
            "event": "message.unmask", "res_model": message._name, "res_id": message.id,
            "company_id": message.company_id.id, "reason": self.reason}])
        self.sudo().content = message._content_text(True, {})
        return {
            "type": "ir.actions.act_window", "name": self.env._("Show Personal Data"), "res_model": self._name,
            "res_id": self.id, "view_mode": "form", "views": [(False, "form")], "target": "new",
        }
