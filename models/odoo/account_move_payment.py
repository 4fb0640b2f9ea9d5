from odoo import api, fields, models
from odoo.exceptions import UserError

_QUEUE = "psa_hub.payment_requests"
_REQUEST, _ACCOUNT = "payment_request", "account_status"


class AccountMove(models.Model):
    """Invoices and the systems that collect their money: a page to pay at, and what each customer owes.

    Like the billing status, both are worked out once, before the transaction commits. Companies without such systems
    pay nothing for it.
    """

    _inherit = "account.move"

    psa_payment_url = fields.Char(
        "Payment Page", readonly=True, copy=False, help="Where the customer can pay this invoice online.")
    psa_can_pay_online = fields.Boolean(compute="_compute_psa_can_pay_online")
    psa_fee_payment_id = fields.Many2one(
        "account.payment", "Fee Of", readonly=True, copy=False, index="btree_not_null", ondelete="restrict",
        help="The payment whose provider's fee this entry books.")

    @api.depends("psa_payment_url", "state", "payment_state", "amount_residual")
    def _compute_psa_can_pay_online(self):
        for move in self:
            move.psa_can_pay_online = bool(move.psa_payment_url) and move._psa_is_payable()

    # === ACTIONS === #
    def action_psa_payment_page(self):
        """Open the page where the customer pays.

        :raise UserError: there is none
        """
        self.ensure_one()
        self.check_access("read")
        if not self.psa_payment_url:
            raise UserError(self.env._("There is no payment page for this invoice yet."))
        return {"type": "ir.actions.act_url", "url": self.psa_payment_url, "target": "new"}

    # === THE LEDGER FOLLOWS === #
    def _psa_follow(self):
        result = super()._psa_follow()
        self.filtered(
            lambda move: move.move_type == "out_refund" and move.state == "posted").sudo()._psa_settle_refunds()
        return result

    def _psa_settle_refunds(self):
        """A credit note takes the refund that was paid out before it."""
        if not self.reversed_entry_id:
            return
        refunds = self.env["account.payment"].search([
            ("psa_kind", "=", "refund"), ("psa_invoice_id", "in", self.reversed_entry_id.ids),
            ("is_reconciled", "=", False), ("state", "in", ("in_process", "paid"))])
        for refund in refunds:
            refund._psa_settle_refund(self)

    def _psa_credit_for(self, invoice, amount, currency):
        """Return the one among these that credits ``invoice`` and leaves just ``amount`` to pay back."""
        return self.filtered(lambda move: (
            move.reversed_entry_id == invoice and move.state == "posted" and move.currency_id == currency
            and not currency.compare_amounts(move.amount_residual, amount)))[:1]

    # === NOTING === #
    def _psa_queue_status(self):
        result = super()._psa_queue_status()
        Stream = self.env["psa.stream"]
        companies = Stream._outbound_companies(_REQUEST) | Stream._outbound_companies(_ACCOUNT)
        ids = companies and {
            move.id for move in self if isinstance(move.id, int) and move.company_id.id in companies
            and move.move_type in ("out_invoice", "out_refund") and (move.state != "draft" or move.posted_before)}
        if ids:
            precommit = self.env.cr.precommit
            if _QUEUE not in precommit.data:
                precommit.data[_QUEUE] = set()
                precommit.add(self.env["account.move"].browse().sudo()._psa_send_payments)
            precommit.data[_QUEUE].update(ids)
        return result

    # === TELLING === #
    @api.model
    def _psa_send_payments(self):
        """Put payment pages to open or close, and the accounts of customers, into the outbox, in this transaction."""
        moves = self.browse(self.env.cr.precommit.data.pop(_QUEUE, ())).exists()
        Stream = self.env["psa.stream"]
        for company, members in moves.grouped("company_id").items():
            if company.id in Stream._outbound_companies(_REQUEST):
                members._psa_send_requests(company)
            if company.id in Stream._outbound_companies(_ACCOUNT):
                members.commercial_partner_id._psa_send_account(company)
        self.env.flush_all()

    def _psa_send_requests(self, company):
        """Ask for a page for each payable invoice of a contract; take down the page of what needs none any more."""
        invoices = self.filtered(lambda move: move.move_type == "out_invoice")
        payable = invoices.filtered(lambda move: move._psa_is_payable() and move._psa_of_contract())
        Message = self.env["psa.message"]
        Message._create_targets(_REQUEST, payable)
        Message._emit(_REQUEST, [(move, move._psa_payment_request()) for move in invoices], company=company)
        (invoices - payable).filtered("psa_payment_url").psa_payment_url = False

    def _psa_is_payable(self):
        """There is something to pay on this invoice, and nothing that says not to."""
        return (
            self.move_type == "out_invoice" and self.state == "posted"
            and self.payment_state in ("not_paid", "partial") and self.currency_id.compare_amounts(
                self.amount_residual, 0) > 0)

    def _psa_of_contract(self):
        return bool(
            self.psa_proposal_ids or self.invoice_line_ids.sale_line_ids.order_id.filtered("psa_contract"))

    def _psa_payment_request(self):
        """Return the canonical ``payment_request`` of this invoice as it stands."""
        order_numbers = self.invoice_line_ids.sale_line_ids.order_id.mapped("client_order_ref") or [self.ref]
        orders = ", ".join(dict.fromkeys(number for number in order_numbers if number))
        number = self.name or ""
        partner = self.commercial_partner_id
        return {
            "reference": f"{self._name}:{self.id}",
            "number": number,
            "amount": f"{self.amount_residual:.{self.currency_id.decimal_places}f}",
            "currency": self.currency_id.name,
            "description": self.with_context(lang=partner.lang).env._(
                "%(invoice)s, your order %(order)s", invoice=number, order=orders) if orders else number,
            "customer_name": partner.name or "",
            "customer_email": self.partner_id.email or partner.email or "",
            "due_on": self.invoice_date_due.isoformat() if self.invoice_date_due else "",
            "open": self._psa_is_payable(),
        }

    def _psa_pushed(self, canonical_type, data):
        """Keep what a system told back after a write-back of this record; the engine calls it in the transaction that
        ends the write-back.

        :param canonical_type: what was written
        :param data: the connector's :attr:`PushResult.data`
        """
        url = data.get("url") or ""
        if canonical_type == _REQUEST:
            self.psa_payment_url = url if url.startswith(("https://", "http://")) and self._psa_is_payable() else False
