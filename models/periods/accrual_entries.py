from odoo import fields, models
from odoo.fields import Domain

from ..billing.pricing import decimal_of, round_amount


class PsaEntry(models.Model):
    """An entry's accrual follows it: made when it is late by the rule to accrue, undone when it is billed or gone."""

    _inherit = "psa.entry"

    accrual_ids = fields.One2many("psa.accrual", "entry_id", "Accruals", readonly=True)

    def _accrual_amount(self, closing):
        """Return what is left to bill as a Decimal in the company's currency, at the rate of the period's end."""
        self.ensure_one()
        left = decimal_of(self.amount) - decimal_of(self.allocated_amount)
        company = closing.company_id
        if self.currency_id == company.currency_id:
            return left
        return round_amount(decimal_of(self.currency_id._convert(
            float(left), company.currency_id, company, closing.period_end)), company.currency_id)

    def _after_store(self, rows):
        """Accrue what is late by that rule; take back what is not approved any more, or changed, or in time."""
        result = super()._after_store(rows)
        known = [row["entry"].id for row in rows if not row.get("is_new")]
        accruals = self.env["psa.accrual"].sudo()
        if known:
            accruals = accruals.search([("entry_id", "in", known), ("undone_at", "=", False)])
        gone = accruals.filtered(lambda accrual: accrual.entry_id.state not in ("approved", "held"))
        gone._undo("withdrawn")
        in_time = (accruals - gone).filtered(lambda accrual: accrual.entry_id.late_policy == "in_time")
        in_time._undo("in_time")
        changed = (accruals - gone - in_time).filtered(
            lambda accrual: accrual.move_id.state == "draft" and accrual.currency_id.compare_amounts(
                accrual.amount, float(accrual.entry_id._accrual_amount(accrual.closing_id))))
        for accrual in changed:
            accrual.amount = float(accrual.entry_id._accrual_amount(accrual.closing_id))
        for of_move in changed.grouped("move_id").values():
            of_move._rebuild_draft()
        late = self.env["psa.entry"].sudo().browse([
            row["entry"].id for row in rows
            if row["late"]["late_policy"] == "accrue" and row["state"] == "approved" and row["late"]["late_closing_id"]
        ])
        for closing, of_period in (late - accruals.entry_id).grouped("late_closing_id").items():
            self.env["psa.accrual"]._propose(closing, of_period)
        return result

    def _after_allocation(self):
        """What is billed on an invoice dated in the period needs no accrual there."""
        result = super()._after_allocation()
        accruals = self.env["psa.accrual"].sudo().search(
            [("entry_id", "in", self.ids), ("undone_at", "=", False)])
        if accruals:
            accruals.filtered(lambda accrual: any(
                allocation.kind == "invoice" and allocation.state == "posted"
                and allocation.move_id.date <= accrual.date
                for allocation in accrual.entry_id.allocation_ids
            ))._undo("billed")
        return result


class AccountMove(models.Model):
    """An accrual and its reversal go together; who deletes the draft takes the accrual back."""

    _inherit = "account.move"

    psa_accrual_ids = fields.One2many("psa.accrual", "move_id", "Accrued Work", readonly=True)

    def _psa_reversals(self):
        """Return the draft reversals of the accruals and corrections among these."""
        if not (entries := self.filtered(lambda move: move.move_type == "entry")):
            return self.browse()
        accruals = self.env["psa.accrual"].sudo().search(
            Domain("move_id", "in", entries.ids) | Domain("undo_move_id", "in", entries.ids))
        return (accruals.move_id | accruals.undo_move_id).filtered(
            lambda move: move in entries).reversal_move_ids.filtered(lambda move: move.state == "draft")

    def _post(self, soft=True):
        posted = super()._post(soft)
        # The reversal lies in the future often enough; posted at once, it cannot be forgotten.
        if reversals := posted._psa_reversals():
            reversals._post(soft=False)
        return posted

    def unlink(self):
        if reversals := self._psa_reversals() - self:
            reversals.unlink()
        self.env["psa.accrual"].sudo().search(
            [("move_id", "in", self.ids), ("undone_at", "=", False)]
        ).write({"undone_at": fields.Datetime.now(), "undone_reason": "deleted"})
        return super().unlink()
