from decimal import Decimal

from odoo import models


class PsaProposal(models.Model):
    """Rules of the house about what stands on an invoice: lines worth nothing, totals below zero, small invoices.

    They look at the lines before these are written. A line that a person decided about stays as decided.
    """

    _inherit = "psa.proposal"

    def _apply_rules(self, lines):
        """Change ``decision`` and ``reason`` of ``lines`` as layout and smallest invoice say.

        :param lines: dicts of one proposal: ``decision``, ``reason``, ``amount`` (decimal string), ``decided_by``, ...
        """
        self.ensure_one()
        layout = self.order_id._psa_layout()
        self._rule_zero(lines, layout.zero_lines or "keep")
        total = sum((Decimal(line["amount"]) for line in lines if line["decision"] == "in"), Decimal(0))
        if total < 0 and layout.negative_lines != "credit_note":
            _carry(lines, self.env._("The total would be negative: carried to the next invoice"), all_of_them=True)
        elif total > 0:
            self._rule_minimum(lines, total)

    def _rule_zero(self, lines, rule):
        """Leave off or carry what is worth nothing (a rate of zero, written down to nothing)."""
        if rule == "keep":
            return
        for line in lines:
            if line["decision"] == "in" and not Decimal(line["amount"]) and not line["decided_by"]:
                if rule == "drop":
                    line["decision"], line["reason"] = "excluded", self.env._("Worth nothing: left off the invoice")
                else:
                    line["decision"], line["reason"] = "carried", self.env._("Worth nothing: carried forward")

    def _rule_minimum(self, lines, total):
        """Carry an invoice that would be too small, unless a person decided to bill some of it."""
        minimum = self.order_id._psa_minimum(self.period_end)
        if total >= minimum or any(line["decision"] == "in" and line["decided_by"] for line in lines):
            return
        _carry(lines, self.env._(
            "%(total)s is below the smallest invoice of %(minimum)s: carried to the next one",
            total=self.currency_id.format(float(total)), minimum=self.currency_id.format(float(minimum))))

    def _carry_below_zero(self):
        """Carry what only its taxes take below zero: no invoice can say that either."""
        below = self.filtered(lambda proposal: (
            proposal.amount_total < 0 and proposal.order_id._psa_layout().negative_lines != "credit_note"))
        if below:
            below.line_ids.filtered(lambda line: line.decision == "in").write({
                "decision": "carried", "reserved": False,
                "reason": self.env._("The total would be negative: carried to the next invoice"),
            })
            below._compute_totals()


# === PLAIN HELPERS === #
def _carry(lines, reason, all_of_them=False):
    for line in lines:
        if line["decision"] == "in" and (all_of_them or not line["decided_by"]):
            line["decision"], line["reason"] = "carried", reason
