from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class PsaEntry(models.Model):
    """What the customer reads about an entry: a reviewer's words, which the source does not overwrite."""

    _inherit = "psa.entry"

    customer_text = fields.Char(
        compute="_compute_customer_text", help="The reviewer's words, else the description from the source.")

    @api.depends("narrative", "description")
    def _compute_customer_text(self):
        for entry in self:
            entry.customer_text = entry.narrative or entry.description

    def write(self, vals):
        """Users change the narrative only, and only until an invoice says it; who does may not approve the proposal."""
        if self.env.su:
            return super().write(vals)
        if set(vals) != {"narrative"}:
            raise AccessError(self.env._("Of an entry only the text for the customer can be changed."))
        self.check_access("write")
        if billed := self.filtered(lambda entry: entry.billing_state == "billed")[:1]:
            raise UserError(self.env._(
                "%s stands on an invoice already: its text is changed there.", billed.display_name))
        before = {entry.id: entry.narrative for entry in self}
        result = super(PsaEntry, self.sudo()).write({"narrative": (vals["narrative"] or "").strip() or False})
        changed = self.sudo().filtered(lambda entry: entry.narrative != before[entry.id])
        changed._mark_editor(self.env.user)
        self.env["psa.audit"]._log([
            {
                "event": "entry.narrative",
                "res_model": self._name,
                "res_id": entry.id,
                "company_id": entry.company_id.id,
                "before": {"narrative": before[entry.id] or ""},
                "after": {"narrative": entry.narrative or ""},
            }
            for entry in changed
        ])
        return result

    def _mark_editor(self, user):
        """Who changed entries of an open proposal has edited it, and does not approve it."""
        self.env["psa.proposal.line"].sudo().search([
            ("entry_id", "in", self.ids), ("proposal_id.state", "in", ("draft", "to_approve")),
        ]).proposal_id.write({"editor_ids": [fields.Command.link(user.id)]})


class PsaProposalLine(models.Model):
    _inherit = "psa.proposal.line"

    description = fields.Char(related="entry_id.customer_text")
