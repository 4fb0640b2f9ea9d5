from odoo import models
from odoo.tools import SQL


class PsaProposal(models.Model):
    """What caps do to work is said on the proposal."""

    _inherit = "psa.proposal"

    def _line_values(self, entry, labels, taken, period_start):
        values = super()._line_values(entry, labels, taken, period_start)
        if values["decision"] == "in" and entry.over_soft_cap:
            text = self.env._("Over a soft cap")
            values["reason"] = f"{values['reason']}; {text}" if values["reason"] else text
        return values

    def _compute_totals(self, plans=None):
        """What is billed in part only holds its rest. One query for any number of proposals."""
        result = super()._compute_totals(plans)
        self.env.flush_all()
        over = dict(self.env.execute_query(SQL(
            """
            SELECT line.proposal_id, SUM(entry.over_cap_amount)
              FROM psa_proposal_line line
              JOIN psa_entry entry ON entry.id = line.entry_id
             WHERE line.proposal_id = ANY(%s) AND line.decision = 'in' AND entry.over_cap_amount <> 0
          GROUP BY line.proposal_id
            """, self.ids)))
        for proposal in self.sudo().browse(over):
            proposal.amount_held = proposal.currency_id.round(proposal.amount_held + float(over[proposal.id]))
        return result
