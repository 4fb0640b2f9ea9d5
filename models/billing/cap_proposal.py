from odoo import models


class PsaProposal(models.Model):
    """What caps do to work is said on the proposal."""

    _inherit = "psa.proposal"

    def _line_values(self, entry, labels, taken, period_start):
        values = super()._line_values(entry, labels, taken, period_start)
        if values["decision"] == "in" and entry.over_soft_cap:
            text = self.env._("Over a soft cap")
            values["reason"] = f"{values['reason']}; {text}" if values["reason"] else text
        return values

    def _compute_totals(self):
        """What is billed in part only holds its rest."""
        result = super()._compute_totals()
        for proposal in self.sudo():
            over = sum(
                line.entry_id.over_cap_amount for line in proposal.line_ids if line.decision == "in")
            if over:
                proposal.amount_held = proposal.currency_id.round(proposal.amount_held + over)
        return result
