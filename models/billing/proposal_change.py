from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import AccessError, UserError

from .pricing import decimal_of, plain, round_amount


class PsaProposalLine(models.Model):
    """A reviewer bills less for a line, and says why: the entry is written down, so that the ledger's law holds."""

    _inherit = "psa.proposal.line"

    gross_amount = fields.Monetary("Worth", related="entry_id.gross_amount")
    written_down_amount = fields.Monetary("Written Down", related="entry_id.written_down_amount")

    def _bill_less(self, amount, reason):
        """Bill ``amount`` for each of these lines instead of what its entry comes to.

        A write-down may be taken back, in part or whole; more than the contract's worth is never billed.

        :param amount: float, before tax, in the contract's currency
        :param reason: kept on the line and in the audit trail
        :raise AccessError: above the limit of reviewers
        """
        for line in self:
            line._check_bill_less(amount, reason)
        lines = self.sudo()
        audit = []
        outdated = lines.proposal_id.filtered("needs_refresh")
        for line in lines:
            entry = line.entry_id
            before = entry.amount
            line._write_down(decimal_of(line.amount) - round_amount(decimal_of(amount), line.currency_id), reason)
            line._follow_entry(reason)
            audit.append({
                "event": "proposal.line_changed",
                "res_model": entry._name,
                "res_id": entry.id,
                "company_id": line.company_id.id,
                "reason": reason,
                "before": {"amount": plain(before)},
                "after": {"amount": plain(entry.amount), "proposal": line.proposal_id.name},
            })
        # What was changed here is known here; a proposal is only out of date when something else moved with it.
        (lines.proposal_id - outdated)._refresh_needed()
        self.env["psa.audit"]._log(audit)

    def _check_bill_less(self, amount, reason):
        self.ensure_one()
        self._check_decision("excluded", reason)
        entry, currency, company = self.entry_id.sudo(), self.currency_id, self.company_id.sudo()
        if self.decision != "in":
            raise UserError(self.env._("Only what is billed now can be billed at less."))
        if entry.amount < 0:
            raise UserError(self.env._("%s takes money off already: leave it out instead.", entry.display_name))
        if entry.billing_state != "to_bill":
            raise UserError(self.env._(
                "A part of %s stands on an invoice already: credit that instead.", entry.display_name))
        most = decimal_of(entry.amount) + decimal_of(entry.written_down_amount)
        wanted = round_amount(decimal_of(amount), currency)
        if not min(most, Decimal(0)) <= wanted <= max(most, Decimal(0)):
            raise UserError(self.env._(
                "%(entry)s is worth %(worth)s by the contract: a reviewer can bill less, not more.",
                entry=entry.display_name, worth=currency.format(float(most))))
        off = currency._convert(
            float(abs(most - wanted)), company.currency_id, company, fields.Date.context_today(self))
        if off > company.psa_write_down_limit and not self.env.user.has_group("psa_hub.group_approver"):
            raise AccessError(self.env._(
                "Reviewers take at most %(limit)s off a line; %(amount)s needs an approver.",
                limit=company.currency_id.format(company.psa_write_down_limit),
                amount=company.currency_id.format(off)))

    def _write_down(self, difference, reason):
        """Write the entry down by ``difference`` (Decimal; of the other sign: take a write-down back).

        The write-downs of this entry alone are replaced by one of the new amount.
        """
        WriteDown, Reason = self.env["psa.write.down"].sudo(), self.env["psa.write.down.reason"].sudo()
        entry, now = self.entry_id, fields.Datetime.now()
        total = decimal_of(entry.written_down_amount) + difference
        standing = self.env["psa.write.down.line"].sudo().search(
            [("entry_id", "=", entry.id), ("state", "=", "approved")])
        alone = standing.write_down_id.filtered(lambda write_down: len(write_down.line_ids) == 1)
        alone.write({"state": "reversed"})
        kept = sum((decimal_of(line.applied_amount) for line in standing - alone.line_ids), Decimal(0))
        if total < kept:
            raise UserError(self.env._(
                "%s was written down together with other entries: reverse that write-down.", entry.display_name))
        if total > kept:
            amount = float(total - kept)
            made = WriteDown.create({
                "company_id": entry.company_id.id, "currency_id": entry.currency_id.id,
                "entry_ids": [fields.Command.set(entry.ids)], "mode": "amount", "amount": amount, "comment": reason,
                "reason_id": (Reason.search([("code", "=", "goodwill")]) or Reason.search([], limit=1)).id,
                "requested_by": self.env.uid, "decided_by": self.env.uid, "decided_at": now,
                "line_ids": [fields.Command.create({
                    "entry_id": entry.id, "worth": entry.amount + float(decimal_of(entry.written_down_amount)),
                    "amount": amount})],
            })
            made.state = "approved"
        self.env.flush_all()
        self.env["psa.entry"].sudo()._reprice(entry)

    def _follow_entry(self, reason):
        """Show what the entry comes to now."""
        entry = self.entry_id
        values = {
            "amount": entry.amount - entry.allocated_amount,
            "quantity": entry.quantity - entry.allocated_quantity,
            "reason": reason,
        }
        if entry.state != "approved":
            values.update(decision="excluded", reserved=False)
        self.write(values)
