from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..models.billing.entry import QUANTITY_DIGITS


class PsaRetainerAdd(models.TransientModel):
    """Add to a retainer by hand: what was left when the hub took over, or a top-up without a fee."""

    _name = "psa.retainer.add"
    _description = "Add to a Retainer"

    retainer_id = fields.Many2one("psa.retainer", required=True)
    unit = fields.Selection(related="retainer_id.unit")
    kind = fields.Selection([("opening", "Opening Balance"), ("added", "Top-up")], required=True, default="opening")
    date = fields.Date(required=True, compute="_compute_date", store=True, readonly=False, precompute=True)
    units = fields.Float("Amount or Hours", digits=QUANTITY_DIGITS)
    expires_on = fields.Date("Last Day", help="Empty: as the rules of the retainer say.")
    note = fields.Char("Why", required=True)

    @api.depends("kind", "retainer_id")
    def _compute_date(self):
        for wizard in self:
            opening = wizard.kind == "opening" and wizard.retainer_id.date_start
            wizard.date = opening or fields.Date.context_today(wizard)

    def action_add(self):
        """Add it; work that is held because the retainer was used up goes on at once."""
        self.ensure_one()
        self.retainer_id.check_access("read")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_approver"):
            raise AccessError(self.env._("Only approvers may add to a retainer by hand."))
        if self.units <= 0:
            raise UserError(self.env._("Say how much is added."))
        self.retainer_id.sudo()._add_by_hand(self.date, self.units, self.expires_on, self.note, self.kind)
        return {"type": "ir.actions.act_window_close"}
