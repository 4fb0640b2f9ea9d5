from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command

from ..billing.pricing import decimal_of


class PsaAccrual(models.Model):
    """How much of an entry is booked as revenue of a closed period before it is billed, and where.

    One draft entry in the accrual journal for many of them, one pair of lines a contract line, and its reversal on the
    first day after the period; both are posted together. Amounts are in the company's currency, rounded once an entry.
    """

    _name = "psa.accrual"
    _description = "Accrued Work"
    _order = "date desc, id desc"
    _rec_name = "entry_id"
    _check_company_auto = True

    # === FIELDS === #
    entry_id = fields.Many2one("psa.entry", required=True, readonly=True, index=True, ondelete="restrict")
    order_id = fields.Many2one(related="entry_id.order_id")
    partner_id = fields.Many2one(related="entry_id.partner_id")
    closing_id = fields.Many2one("psa.closing", "Period", required=True, readonly=True, index=True,
                                 ondelete="restrict")
    company_id = fields.Many2one(related="closing_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    amount = fields.Monetary(required=True, readonly=True, help="In the company's currency, before tax.")
    date = fields.Date(required=True, readonly=True)
    move_id = fields.Many2one(
        "account.move", "Accrual", readonly=True, index=True, ondelete="set null", help="Empty: the draft was deleted.")
    reversal_id = fields.Many2one("account.move", readonly=True, ondelete="set null", index="btree_not_null")
    move_state = fields.Selection(related="move_id.state", string="Booking")
    undone_at = fields.Datetime("Undone", readonly=True)
    undone_reason = fields.Selection(
        [("billed", "Billed in That Period"), ("withdrawn", "Withdrawn"), ("in_time", "In Time After All"),
         ("deleted", "Draft Deleted")],
        readonly=True)
    undo_move_id = fields.Many2one(
        "account.move", "Correction", readonly=True, ondelete="set null", index="btree_not_null",
        help="Takes a posted accrual back. Empty: the accrual was a draft, or the books are locked and only its "
        "reversal takes it back.")

    _once = models.UniqueIndex(
        "(entry_id, closing_id) WHERE undone_at IS NULL", "This work is accrued in that period already.")
    _undone_says_why = models.Constraint(
        "CHECK ((undone_at IS NULL) = (undone_reason IS NULL))", "What is undone says why.")

    # === PROPOSE === #
    @api.model
    def _propose(self, closing, entries):
        """Make the draft accrual of ``entries`` in ``closing`` and its draft reversal.

        :return: the accruals; none when nothing is left to accrue or Odoo's books are locked at the period's end
        """
        closing, entries = closing.sudo(), entries.sudo()
        company = closing.company_id
        if not company._psa_can_accrue():
            raise UserError(self.env._("Set the journal and accounts for accruals in the settings first."))
        if (lock_day := company._psa_lock_day()) and closing.period_end <= lock_day:
            return self
        accrued = self.sudo().search([
            ("closing_id", "=", closing.id), ("entry_id", "in", entries.ids), ("undone_at", "=", False)]).entry_id
        amounts = {entry: entry._accrual_amount(closing) for entry in entries - accrued}
        amounts = {entry: amount for entry, amount in amounts.items() if amount}
        if not amounts:
            return self
        move = self._book(closing, self._by_line(amounts), self.env._(
            "Accrued revenue %s", closing.name))
        reversal = self._reverse(move, closing)
        return self.sudo().create([
            {
                "entry_id": entry.id, "closing_id": closing.id, "amount": float(amount), "date": closing.period_end,
                "move_id": move.id, "reversal_id": reversal.id,
            }
            for entry, amount in amounts.items()
        ])

    @api.model
    def _by_line(self, amounts):
        """Return ``{(order, order line): Decimal}`` of ``{entry: Decimal}``."""
        sums = defaultdict(Decimal)
        for entry, amount in amounts.items():
            sums[entry.order_id, entry.order_line_id] += amount
        return sums

    @api.model
    def _book(self, closing, sums, ref):
        """Return a draft entry at the end of the period: accrued revenue against revenue, a pair a contract line."""
        company = closing.company_id
        return self.env["account.move"].sudo().with_company(company).create({
            "move_type": "entry",
            "company_id": company.id,
            "journal_id": company.psa_accrual_journal_id.id,
            "date": closing.period_end,
            "ref": ref,
            "line_ids": self._pairs(company, sums),
        })

    @api.model
    def _pairs(self, company, sums):
        commands = []
        for (order, order_line), amount in sums.items():
            if not amount:
                continue
            balance = float(amount)
            text = {
                "name": f"{order.name}: {(order_line.name or '').partition(chr(10))[0]}",
                "partner_id": order.partner_invoice_id.commercial_partner_id.id,
                "currency_id": company.currency_id.id,
            }
            commands += [
                Command.create({
                    **text, "account_id": company.psa_accrued_account_id.id, "balance": balance,
                    "amount_currency": balance,
                }),
                Command.create({
                    **text, "account_id": company.psa_accrual_revenue_account_id.id, "balance": -balance,
                    "amount_currency": -balance, "analytic_distribution": order_line.analytic_distribution or False,
                }),
            ]
        return commands

    @api.model
    def _reverse(self, move, closing):
        return move._reverse_moves([{
            "date": closing.period_end + timedelta(days=1),
            "ref": self.env._("Reversal of: %s", move.ref),
            "auto_post": "no",
        }])

    # === UNDO === #
    def _undo(self, reason):
        """Take these back: out of a draft, by a correction where it is posted."""
        active = self.sudo().filtered(lambda accrual: not accrual.undone_at)
        if not active:
            return
        active.write({"undone_at": fields.Datetime.now(), "undone_reason": reason})
        for move, of_move in active.grouped("move_id").items():
            if move.state == "draft":
                of_move._rebuild_draft()
            elif move.state == "posted":
                of_move._correct()

    def _rebuild_draft(self):
        """Give the draft accrual of these, and its draft reversal, the lines of what is left of it."""
        move, reversal, closing = self.move_id, self.reversal_id, self.closing_id[:1]
        left = self.search([("move_id", "=", move.id), ("undone_at", "=", False)])
        if not left:
            # Without its entry an accrual says nothing: it was only proposed.
            (move | reversal.filtered(lambda entry: entry.state == "draft")).unlink()
            return
        sums = self._by_line({accrual.entry_id: decimal_of(accrual.amount) for accrual in left})
        move.write({"line_ids": [Command.clear(), *self._pairs(closing.company_id, sums)]})
        if reversal.state == "draft":
            reversal.unlink()
            left.reversal_id = self._reverse(move, closing)

    def _correct(self):
        """Book the opposite of these beside their posted accrual; nothing when the books are locked by now."""
        for closing, of_period in self.grouped("closing_id").items():
            lock_day = closing.company_id._psa_lock_day()
            if lock_day and closing.period_end <= lock_day:
                continue
            sums = self._by_line({accrual.entry_id: -decimal_of(accrual.amount) for accrual in of_period})
            move = self._book(closing, sums, self.env._("Accrued revenue %s, taken back", closing.name))
            self._reverse(move, closing)
            of_period.undo_move_id = move


class PsaClosing(models.Model):
    _inherit = "psa.closing"

    accrual_amount = fields.Monetary("Accrued", compute="_compute_accruals", compute_sudo=True)
    accrual_count = fields.Integer(compute="_compute_accruals", compute_sudo=True)

    @api.depends("accrual_ids.amount", "accrual_ids.undone_at")
    def _compute_accruals(self):
        totals = {
            closing.id: (count, amount)
            for closing, count, amount in self.env["psa.accrual"]._read_group(
                [("closing_id", "in", self.ids), ("undone_at", "=", False)],
                ["closing_id"], ["__count", "amount:sum"])
        }
        for closing in self:
            closing.accrual_count, closing.accrual_amount = totals.get(closing.id, (0, 0.0))

    def action_accrue(self):
        """Propose the accrual of all approved work of these periods that is on no invoice.

        :raise UserError: while the period is open, when nothing is left to accrue, or the books are locked
        """
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may propose accruals."))
        accruals = self.env["psa.accrual"]
        for closing in self:
            if closing.state == "open":
                raise UserError(self.env._("Begin to close %s first.", closing.name))
            entries = self.env["psa.entry"].sudo().search([
                ("company_id", "=", closing.company_id.id), ("state", "=", "approved"),
                ("billing_state", "in", ("to_bill", "partly")),
                ("work_date", ">=", closing.period_start), ("work_date", "<=", closing.period_end),
            ])
            accruals |= accruals._propose(closing, entries)
        if not accruals:
            raise UserError(self.env._("Nothing is left to accrue, or Odoo's books are locked there."))
        return self.action_accruals()

    def action_accruals(self):
        """The accruals of these periods."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_accrual")
        return {**action, "domain": [("closing_id", "in", self.ids)], "context": {}}
