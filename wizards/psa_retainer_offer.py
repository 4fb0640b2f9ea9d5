from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, UserError


class PsaRetainerOffer(models.TransientModel):
    """Billed work that a retainer would pay for, and the proposal to credit it."""

    _name = "psa.retainer.offer"
    _description = "Credit What a Retainer Pays For"

    retainer_id = fields.Many2one("psa.retainer", required=True)
    currency_id = fields.Many2one(related="retainer_id.currency_id")
    line_ids = fields.One2many("psa.retainer.offer.line", "offer_id", "Billed Work")
    amount = fields.Monetary("To Credit", compute="_compute_amount")

    @api.model
    def default_get(self, fields):
        """Work the offer out when the dialog opens."""
        values = super().default_get(fields)
        retainer = self.env["psa.retainer"].browse(values.get("retainer_id"))
        if retainer:
            retainer.check_access("read")
            values["line_ids"] = [
                Command.create({"entry_id": entry.id, "draw_amount": float(amount)})
                for entry, amount in retainer._offers()
            ]
        return values

    @api.depends("line_ids.draw_amount")
    def _compute_amount(self):
        for offer in self:
            offer.amount = sum(offer.line_ids.mapped("draw_amount"))

    def action_offer(self):
        """Propose the credits: each becomes a change after billing that a reviewer accepts, which makes credit notes.
        """
        self.ensure_one()
        self.retainer_id.check_access("read")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers may propose credits."))
        # The dialog's own lines are not trusted: they are worked out again.
        offered = {entry for entry, _amount in self.retainer_id.sudo()._offers()}
        entries = self.line_ids.entry_id.filtered(lambda entry: entry in offered)
        if not entries:
            raise UserError(self.env._("There is nothing to credit."))
        entries._offer_draws()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry")
        return {**action, "domain": [("id", "in", entries.ids)], "context": {}}


class PsaRetainerOfferLine(models.TransientModel):
    _name = "psa.retainer.offer.line"
    _description = "Billed Work That a Retainer Pays For"

    offer_id = fields.Many2one("psa.retainer.offer", required=True, ondelete="cascade")
    entry_id = fields.Many2one("psa.entry", required=True, readonly=True)
    work_date = fields.Date(related="entry_id.work_date")
    employee_id = fields.Many2one(related="entry_id.employee_id")
    description = fields.Char(related="entry_id.description")
    currency_id = fields.Many2one(related="entry_id.currency_id")
    allocated_amount = fields.Monetary(related="entry_id.allocated_amount", string="Billed")
    draw_amount = fields.Monetary("Retainer Pays", readonly=True)
