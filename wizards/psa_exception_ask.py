from odoo import api, fields, models
from odoo.exceptions import UserError


class PsaExceptionAsk(models.TransientModel):
    """Asks somebody who has no role in the hub, most often the project manager."""

    _name = "psa.exception.ask"
    _description = "Ask about an Exception"

    exception_id = fields.Many2one("psa.exception", required=True, readonly=True)
    sentence = fields.Char(related="exception_id.name")
    record_name = fields.Char("Asked on", compute="_compute_record_name")
    user_id = fields.Many2one(
        "res.users", "Person", required=True, domain="[('share', '=', False)]",
        help="Answers by finishing the activity, or in the chatter of the project. A role in the hub is not needed.")
    question = fields.Text(required=True)

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        exception = self.env["psa.exception"].browse(values.get("exception_id"))
        if exception and (record := exception._ask_about()):
            values["user_id"] = record.user_id.id
        return values

    @api.depends("exception_id")
    def _compute_record_name(self):
        for wizard in self:
            record = wizard.exception_id._ask_about()
            wizard.record_name = record.display_name if record else False

    def action_ask(self):
        """Put the question.

        :raise UserError: nothing that the person could be asked on
        """
        self.ensure_one()
        if not self.exception_id._ask_about():
            raise UserError(self.env._("It belongs to no project or contract, so there is nowhere to ask."))
        self.exception_id._ask(self.user_id, self.question)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
