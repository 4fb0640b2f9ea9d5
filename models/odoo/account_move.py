from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import float_compare


class AccountMove(models.Model):
    """An invoice's life is followed by the ledger: posted, reset, cancelled, deleted, credited, paid."""

    _inherit = "account.move"

    psa_proposal_ids = fields.Many2many(
        "psa.proposal", "psa_proposal_move_rel", "move_id", "proposal_id", "Billing Proposals", copy=False,
        readonly=True, help="Several when contracts of a customer share an invoice.",
    )
    psa_proposal_id = fields.Many2one(
        "psa.proposal", "Billing Proposal", compute="_compute_psa_proposal_id", search="_search_psa_proposal_id",
        help="The proposal, when there is only one.",
    )

    # === COMPUTE === #
    @api.depends("psa_proposal_ids")
    def _compute_psa_proposal_id(self):
        for move in self:
            proposals = move.psa_proposal_ids
            move.psa_proposal_id = proposals if len(proposals) == 1 else False

    def _search_psa_proposal_id(self, operator, value):
        return [("psa_proposal_ids", operator, value)]

    # === THE LEDGER FOLLOWS === #
    def _post(self, soft=True):
        self._psa_check_lines()
        posted = super()._post(soft)
        posted._psa_follow()
        return posted

    def action_post(self):
        result = super().action_post()
        # sale_timesheet has just cleared the invoice of every timesheet of the credited contract lines.
        credited = self.filtered(lambda move: move.move_type == "out_refund").reversed_entry_id
        credited._psa_allocations().entry_id._after_allocation()
        return result

    def button_draft(self):
        result = super().button_draft()
        self._psa_follow()
        return result

    def button_cancel(self):
        result = super().button_cancel()
        self._psa_follow()
        return result

    def unlink(self):
        if not self:  # Odoo does so at every change of an invoice
            return super().unlink()
        proposals = self.sudo().psa_proposal_ids
        gone = proposals.filtered(lambda proposal: not (
            proposal.move_ids - self).filtered(lambda move: move.state != "cancel"))
        gone._drop(self.env._("The draft invoice was deleted: its entries are free for the next billing run."))
        result = super().unlink()
        (proposals - gone)._follow_moves()
        return result

    def _compute_payment_state(self):
        # Only notes who changed: the status is worked out and sent once, at the end of the transaction.
        result = super()._compute_payment_state()
        self._psa_queue_status()
        return result

    def write(self, vals):
        if "currency_id" in vals and any(
            move.currency_id.id != vals["currency_id"] for move in self._psa_allocations().move_id
        ):
            raise UserError(self.env._("This invoice bills entries of PSA Hub in the contract's currency."))
        return super().write(vals)

    def _psa_allocations(self):
        return self.env["psa.allocation"].sudo()._of_moves(self)

    def _psa_follow(self):
        """Bring allocations, entries, timesheets and proposals to the state of these moves."""
        Allocation = self.env["psa.allocation"].sudo()
        moves = self.filtered(lambda move: move.move_type in ("out_invoice", "out_refund"))
        if not moves:
            return
        Allocation._allocate_credits(moves.filtered(lambda move: move.state == "posted" and move._psa_credits()))
        Allocation._of_moves(moves)._follow_moves()
        moves.sudo().psa_proposal_ids._follow_moves()
        moves._psa_queue_status()

    def _psa_credits(self):
        """Tell whether this takes something back: a credit note of an invoice, or an invoice that reverses a credit
        note. A credit note that a proposal made of corrections bills them, and takes nothing back.
        """
        return self.move_type == "out_refund" or self.reversed_entry_id.move_type == "out_refund"

    def _psa_check_lines(self):
        """Refuse to post an invoice whose lines do not add up to the entries on them, whoever changed what."""
        moves = self.filtered(lambda move: move.move_type in ("out_invoice", "out_refund"))
        moves._psa_check_strangers()
        for line, amount in self.env["psa.allocation"].sudo()._read_group(
            [("move_id", "in", moves.ids), ("kind", "=", "invoice")], ["move_line_id"], ["amount:sum"]
        ):
            sign = -1 if line.move_id.move_type == "out_refund" else 1
            total = sign * line.quantity * line.price_unit * (1 - (line.discount or 0.0) / 100)
            if float_compare(
                line.currency_id.round(total), amount, precision_rounding=line.currency_id.rounding
            ):
                raise UserError(self.env._(
                    "“%(line)s” says %(total)s, but the approved entries on it add up to %(amount)s.",
                    line=(line.name or "").split("\n")[0],
                    total=line.currency_id.format(total),
                    amount=line.currency_id.format(amount),
                ))

    def _psa_check_strangers(self):
        """Refuse to post a line that bills a contract of the hub and on which no entry stands: the ledger knows nothing
        of it, so the same work would be billed again. What was posted before the contract came to the hub may stay.
        """
        moves = self.sudo().filtered(lambda move: (  # who posts need not see sales or proposals
            move.move_type == "out_invoice" and not move._psa_credits()
            and (move.psa_proposal_ids or not move.posted_before)))
        for line in moves.invoice_line_ids:
            billed = line.sale_line_ids.filtered(lambda sold: (
                sold.order_id.psa_contract and sold.psa_billing_method and not sold.is_downpayment))
            if billed and not line.psa_allocation_ids:
                raise UserError(self.env._(
                    "“%(line)s” bills %(contract)s past PSA Hub, which would bill the same work again: delete it and "
                    "make a billing proposal.",
                    line=(line.name or "").split("\n")[0], contract=billed.order_id[:1].name))
