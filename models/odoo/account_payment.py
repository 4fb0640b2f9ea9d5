from odoo import Command, api, fields, models

_OPEN_CAUSES = ("payment_excess", "refund_without_credit")
_QUEUE = "psa_hub.settled_payments"


class AccountPayment(models.Model):
    """Payments that a connection reported: money in (payment, dispute won) and money out (refund, dispute).

    They are booked on their journal's own account, not on an outstanding one: the provider has the money, and what it
    says needs no second confirmation by a bank statement. So an invoice is paid at once.
    """

    _inherit = "account.payment"

    psa_connection_id = fields.Many2one(
        "psa.connection", "Reported By", readonly=True, copy=False, index="btree_not_null", ondelete="restrict")
    psa_kind = fields.Selection(
        [("payment", "Payment"), ("refund", "Refund"), ("dispute", "Disputed"), ("dispute_won", "Dispute Won")],
        "Reported As", readonly=True, copy=False)
    psa_invoice_id = fields.Many2one(
        "account.move", "Made For", readonly=True, copy=False, index="btree_not_null",
        help="The invoice that the customer paid, also while a dispute has opened it again.")
    psa_of_id = fields.Many2one(
        "account.payment", "Takes Back", readonly=True, copy=False, index="btree_not_null",
        help="The payment that this refund or dispute takes back, or that a won dispute gives back.")
    psa_fee_move_ids = fields.One2many("account.move", "psa_fee_payment_id", "Fee Entries", readonly=True)

    # === COMPUTE === #
    @api.depends("psa_connection_id", "journal_id")
    def _compute_outstanding_account_id(self):
        reported = self.filtered("psa_connection_id")
        for payment in reported:
            payment.outstanding_account_id = payment.journal_id.default_account_id
        return super(AccountPayment, self - reported)._compute_outstanding_account_id()

    def _compute_reconciliation_status(self):
        result = super()._compute_reconciliation_status()
        settled = [payment.id for payment in self if payment.psa_connection_id and payment.is_reconciled]
        if settled:
            precommit = self.env.cr.precommit
            if _QUEUE not in precommit.data:
                precommit.data[_QUEUE] = set()
                precommit.add(self.env["account.payment"].browse().sudo()._psa_close_settled)
            precommit.data[_QUEUE].update(settled)
        return result

    @api.model
    def _psa_close_settled(self):
        """Nothing of these payments is open any more: what told finance that it is, is done."""
        payments = self.browse(self.env.cr.precommit.data.pop(_QUEUE, ())).exists().filtered("is_reconciled")
        self.env["psa.exception"].search([
            ("cause_code", "in", _OPEN_CAUSES), ("is_open", "=", True),
            ("subject_key", "in", [payment._psa_key() for payment in payments]),
        ])._close("resolved")
        self.env.flush_all()

    # === READING === #
    def _psa_key(self):
        """Return the exception subject of what is open on this payment."""
        return f"payment:{self.id}"

    def _psa_is_booked(self):
        return self.state in ("in_process", "paid")

    def _psa_open_lines(self):
        """Return the lines on the customer's account that are not reconciled."""
        return self.move_id.line_ids.filtered(
            lambda line: line.account_id == self.destination_account_id and not line.reconciled)

    def _psa_open_amount(self):
        """Return how much of these payments is not reconciled, in their currency."""
        return abs(sum(self._psa_open_lines().mapped("amount_residual_currency")))

    def _psa_liquidity(self):
        """Return the line on the journal's own account."""
        account = self.journal_id.default_account_id
        return self.move_id.line_ids.filtered(lambda line: line.account_id == account)[:1]

    def _psa_fee(self):
        """Return the fee that is booked for this payment, in the currency of the fee; for a won dispute with what the
        dispute cost that the same record at the source reported before.
        """
        reported = self | self.psa_of_id.filtered(lambda payment: (
            payment.psa_connection_id == self.psa_connection_id
            and payment.payment_reference == self.payment_reference))
        lines = reported.psa_fee_move_ids.filtered(lambda move: move.state == "posted").line_ids
        return sum(lines.filtered(
            lambda line: line.account_id != self.journal_id.default_account_id).mapped("amount_currency"))

    def _psa_open_dispute(self, amount):
        """Return the booked dispute over ``amount`` that this is or that took this payment back, and is not won yet."""
        disputes = self if self.psa_kind == "dispute" else self.search([
            ("psa_of_id", "in", self.ids), ("psa_kind", "=", "dispute"), ("state", "in", ("in_process", "paid"))])
        won = self.search([
            ("psa_of_id", "in", disputes.ids), ("psa_kind", "=", "dispute_won"),
            ("state", "in", ("in_process", "paid"))]).psa_of_id
        return (disputes - won).filtered(
            lambda dispute: not dispute.currency_id.compare_amounts(dispute.amount, amount))[:1]

    def _psa_invoices(self):
        """Return the posted invoices that this payment was made for or is reconciled with."""
        return (self.psa_invoice_id | self.reconciled_invoice_ids).filtered(
            lambda move: move.move_type == "out_invoice" and move.state == "posted")

    # === BOOKING === #
    @api.model
    def _psa_book(self, vals, settled=None):
        """Create and post one payment.

        :param vals: field values, with journal, company, partner, amount, currency and the customer's account
        :param settled: ``(amount, res.currency, balance)`` when the provider keeps the money in another currency than
            the customer paid: how much it is there, and what that is in the company's currency
        """
        if settled:
            amount, currency, balance = settled
            sign = 1 if vals["payment_type"] == "inbound" else -1
            common = {"name": vals["memo"], "date_maturity": vals["date"], "partner_id": vals["partner_id"]}
            journal = self.env["account.journal"].browse(vals["journal_id"])
            vals = {**vals, "line_ids": [
                Command.create({
                    **common, "account_id": journal.default_account_id.id, "currency_id": currency.id,
                    "amount_currency": sign * amount, "balance": sign * balance}),
                Command.create({
                    **common, "account_id": vals["destination_account_id"], "currency_id": vals["currency_id"],
                    "amount_currency": -sign * vals["amount"], "balance": -sign * balance}),
            ]}
        payment = self.create(vals)
        payment.action_post()
        return payment

    def _psa_book_fee(self, fee, currency):
        """Book what the provider keeps of this payment: the fee account against the money that the provider holds.

        :param fee: in ``currency``; negative when the provider gives some back
        """
        company = self.company_id
        balance = currency._convert(fee, company.currency_id, company, self.date)
        common = {"currency_id": currency.id, "name": self.env._("Fee of %s", self.name)}
        move = self.env["account.move"].create({
            "move_type": "entry", "journal_id": self.journal_id.id, "company_id": company.id, "date": self.date,
            "ref": common["name"], "psa_fee_payment_id": self.id,
            "line_ids": [
                Command.create({
                    **common, "account_id": self.psa_connection_id.fee_account_id.id, "amount_currency": fee,
                    "balance": balance}),
                Command.create({
                    **common, "account_id": self.journal_id.default_account_id.id, "amount_currency": -fee,
                    "balance": -balance}),
            ],
        })
        move._post(soft=False)
        return move

    def _psa_reverse(self):
        """The money did not stay where it went: reverse the entry, so that what it was reconciled with is open again.
        """
        move = self.move_id
        move._reverse_moves([{
            "date": fields.Date.context_today(self), "ref": self.env._("Reversal of %s", move.ref or move.name),
        }], cancel=True)
        self.action_reject()

    # === RECONCILING === #
    def _psa_settle(self, others):
        """Reconcile what is open of this payment with what is open of ``others`` on the same account.

        :param others: ``account.move`` records, or a payment
        """
        moves = others.move_id if others._name == self._name else others
        lines = self._psa_open_lines()
        open_lines = moves.line_ids.filtered(
            lambda line: line.account_id == self.destination_account_id and not line.reconciled
            and line.parent_state == "posted")
        if lines and open_lines:
            (lines | open_lines).reconcile()

    def _psa_settle_refund(self, credits):
        """Reconcile this refund with the credit note that it pays, else with what its payment left open.

        :param credits: credit notes to choose from
        :return: True when it is settled
        """
        other = credits._psa_credit_for(self.psa_invoice_id, self.amount, self.currency_id)
        if not other and self.currency_id.compare_amounts(self.psa_of_id._psa_open_amount(), self.amount) >= 0:
            other = self.psa_of_id
        if other:
            self._psa_settle(other)
        return bool(other)

    def _psa_take_back(self, origin):
        """Let this dispute take the payment ``origin`` away from its invoices, which are open again by its amount."""
        invoices = origin._psa_invoices()
        origin.psa_invoice_id = origin.psa_invoice_id or invoices[:1]  # a won dispute pays it again
        lines = origin.move_id.line_ids.filtered(lambda line: line.account_id == origin.destination_account_id)
        (lines.matched_debit_ids.filtered(lambda partial: partial.debit_move_id.move_id in invoices)
         | lines.matched_credit_ids.filtered(lambda partial: partial.credit_move_id.move_id in invoices)).unlink()
        self._psa_settle(origin)
        origin._psa_settle(invoices)
