from odoo import models

from .tools import currencies_by_code, share_prefetch

_INBOUND = {"payment", "dispute_won"}
_KINDS = _INBOUND | {"refund", "dispute"}


class PsaApplyPayment(models.AbstractModel):
    """Payments, refunds and disputes -> posted ``account.payment`` records, reconciled with what they pay.

    The gross amount is booked on the day of the payment; what the provider keeps is an entry of its own. Money that did
    not move (yet) is nobody's business. What is booked never changes silently: another amount is held, a payment that
    failed afterwards is reversed. When a period is closed, Odoo gives the entry its first open day.
    """

    _name = "psa.apply.payment"
    _inherit = ["psa.apply.payment.invoice", "psa.apply.money"]
    _description = "Apply Payments"
    _books = True

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        for item in items:
            item.company = item.connection.company_id  # the provider's account is this company's
        currencies = self._currencies(items)
        steps = {item: self._step(item) for item in items}
        for item, step in steps.items():
            if step == "new":
                self._check_new(item, currencies)
            elif step in ("follow", "won", "reverse"):
                self._check_booked(item, step, currencies)
            elif step == "none":
                item.skip("out_of_scope")  # no money has moved; a newer version says when it has
        self._match([
            item for item in items
            if item.ok and steps[item] == "new" and (item.values["kind"] == "payment" or not item.parents.get("of"))
        ])

    def _step(self, item):
        """Return what there is to do.

        ``new`` to book, ``follow`` what is booked, ``won``: what is booked as a dispute has come back, ``reverse`` what
        is booked, ``leave`` it as a person left it, ``none``.
        """
        source, payment = item.values, item.record
        moved = bool(source["succeeded"] and not source["failed"] and source["amount"])
        if payment and payment._psa_is_booked():
            if source["failed"]:
                return "reverse"
            if moved and (payment.psa_kind, source["kind"]) == ("dispute", "dispute_won"):
                return "won"
            return "follow" if moved else "leave"
        if moved and not self._was_deleted(item) and (not payment or payment.state == "rejected"):
            return "new"
        return "leave" if payment else "none"

    def _currencies(self, items):
        return currencies_by_code(self.env, {
            code for item in items for code in (item.values["currency"], item.values["settlement_currency"])})

    def _check_new(self, item, currencies):
        source = item.values
        company = item.company
        kept_in = source["settlement_currency"] or source["currency"]
        hold = {
            "key": item.key, "company": company, "amount": source["amount"], "currency": source["currency"],
            "record": item.parents.get("of") or item.parents.get("party"),
        }
        inactive = [code for code in (source["currency"], kept_in)
                    if not currencies.get(code) or not currencies[code].active]
        settings = ["payment_journal_id", *(["fee_account_id"] if source["fee"] else [])]
        if source["kind"] not in _KINDS:
            item.hold("invalid_data", self.env._(
                "%(record)s is a “%(kind)s”, which is no kind of payment that the hub knows.",
                record=item.name, kind=source["kind"]), **hold)
        elif inactive:
            item.hold("currency_mismatch", self.env._(
                "%(record)s is in %(currency)s, which is not switched on in Odoo.",
                record=item.name, currency=inactive[0]), **hold)
        elif not item.connection._hold_for_settings(item, settings):
            self._hold_without_rate(item, currencies[kept_in], source["paid_on"], hold)

    def _check_booked(self, item, step, currencies):
        """Hold what says something else of money than the books do."""
        source, payment = item.values, item.record
        if step != "reverse" and self._differs(payment, source, step, currencies):
            item.hold("payment_changed", self.env._(
                "%(payment)s is booked as %(kind)s of %(booked)s, and now %(record)s says %(amount)s %(currency)s "
                "(%(new_kind)s, %(settled)s %(kept_in)s at the provider).",
                payment=payment.name, kind=payment.psa_kind, booked=payment.currency_id.format(payment.amount),
                record=item.name, amount=source["amount"], currency=source["currency"], new_kind=source["kind"],
                settled=source["settled_amount"] or source["amount"],
                kept_in=source["settlement_currency"] or source["currency"],
            ), key=item.key, amount=source["amount"], currency=source["currency"], company=item.company,
                record=payment)
            return
        settings = ["payment_journal_id"] if step == "won" else []
        if self._fee_left(item, payment, currencies):
            settings.append("fee_account_id")
        item.connection._hold_for_settings(item, settings)

    def _differs(self, payment, source, step, currencies):
        same_kind = step == "won" or payment.psa_kind == source["kind"]
        if not same_kind or payment.currency_id.name != source["currency"] or payment.currency_id.compare_amounts(
                payment.amount, float(source["amount"])):
            return True
        kept_in = currencies.get(source["settlement_currency"])
        if step == "won" or not kept_in or source["settled_amount"] is None:
            return False
        liquidity = payment._psa_liquidity()
        return liquidity.currency_id != kept_in or bool(kept_in.compare_amounts(
            abs(liquidity.amount_currency), float(source["settled_amount"])))

    # === APPLY === #
    def _apply(self, items):
        currencies = self._currencies(items)
        for item in items:
            handler = self.with_company(item.company)
            step = self._step(item)
            payment = item.record and item.record.with_env(handler.env)
            if step == "new":
                payment = handler._book_new(item, currencies)
            elif step == "won":
                payment = handler._book(item, currencies, "dispute_won", payment)
            elif step == "reverse":
                payment._psa_reverse()
            if step != "leave" and (fee := self._fee_left(item, payment, currencies)):
                payment._psa_book_fee(fee, self._kept_in(item, currencies))
            item.done(payment)

    def _book_new(self, item, currencies):
        kind, origin = item.values["kind"], item.parents.get("of") or self.env["account.payment"]
        if kind == "dispute_won":
            # What came back had been taken: when nobody told us, both are booked.
            origin = origin._psa_open_dispute(float(item.values["amount"])) or self._book(
                item, currencies, "dispute", origin)
        return self._book(item, currencies, kind, origin)

    def _book(self, item, currencies, kind, origin):
        """Book money and reconcile it as its kind asks."""
        payment = self.env["account.payment"]._psa_book(
            self._payment_values(item, currencies, kind, origin), self._settled(item, currencies))
        getattr(self, f"_reconcile_{kind}")(payment)
        return payment

    def _kept_in(self, item, currencies):
        """Return the currency in which the provider keeps the money."""
        return currencies[item.values["settlement_currency"] or item.values["currency"]]

    def _fee_left(self, item, payment, currencies):
        """Return how much of the fee that the source names is not booked yet, as a float.

        A fee that is not known yet is no fee of zero. What fails costs only what the provider says that it costs.
        """
        fee = item.values["fee"]
        if fee is None and not item.values["failed"]:
            return 0.0
        return self._kept_in(item, currencies).round(float(fee or 0) - payment._psa_fee())

    def _payment_values(self, item, currencies, kind, origin):
        source = item.values
        invoice = item.parents.get("invoice") or self.env["account.move"]
        receivable = invoice.line_ids.filtered(lambda line: line.display_type == "payment_term").account_id[:1]
        return {
            "payment_type": "inbound" if kind in _INBOUND else "outbound",
            "partner_type": "customer",
            "partner_id": (origin.partner_id or invoice.commercial_partner_id).id,
            "destination_account_id": (origin.destination_account_id or receivable).id,
            "journal_id": item.connection.payment_journal_id.id,
            "company_id": item.company.id,
            "amount": float(source["amount"]),
            "currency_id": currencies[source["currency"]].id,
            "date": source["paid_on"],
            "memo": " ".join(dict.fromkeys(filter(None, [item.external_id, invoice.name, source["description"]]))),
            "payment_reference": item.external_id,
            "psa_connection_id": item.connection.id,
            "psa_kind": kind,
            "psa_invoice_id": (invoice or origin.psa_invoice_id or origin._psa_invoices()[:1]).id,
            "psa_of_id": origin.id,
        }

    def _settled(self, item, currencies):
        """Return what ``account.payment._psa_book`` wants to know of money that is kept in another currency.

        The provider's own exchange is what the entry is worth; Odoo books the difference to the invoice's rate.
        """
        source, company = item.values, item.company
        kept_in = currencies.get(source["settlement_currency"])
        if not kept_in or source["settled_amount"] is None or kept_in.name == source["currency"]:
            return None
        amount = float(source["settled_amount"])
        if source["currency"] == company.currency_id.name:
            balance = float(source["amount"])
        else:
            balance = kept_in._convert(amount, company.currency_id, company, source["paid_on"])
        return amount, kept_in, balance

    # === RECONCILE === #
    def _reconcile_payment(self, payment):
        payment._psa_settle(payment.psa_invoice_id)
        self._tell_excess(payment)

    def _reconcile_refund(self, payment):
        """A refund pays the credit note, or gives back what was paid too much. Else finance has to credit."""
        invoice = payment.psa_invoice_id
        if not payment._psa_settle_refund(invoice.reversal_move_ids):
            self._tell_open(payment, "refund_without_credit", self.env._(
                "%(amount)s were paid back to %(customer)s for %(invoice)s, and no credit note says so. Credit the "
                "invoice by this amount: the credit note is then settled with %(payment)s.",
                amount=payment.currency_id.format(payment.amount), customer=payment.partner_id.display_name,
                invoice=invoice.name or self.env._("an unknown invoice"), payment=payment.name,
            ), invoice or payment)

    def _reconcile_dispute(self, payment):
        """The bank has taken the money: the invoice is open again, and disputed."""
        payment._psa_take_back(payment.psa_of_id)
        invoices = payment.psa_invoice_id.filtered(lambda move: move.state == "posted" and not move.psa_disputed)
        if invoices:
            invoices._psa_set_dispute(self.env._(
                "The customer's bank took back %(amount)s (%(reference)s).",
                amount=payment.currency_id.format(payment.amount), reference=payment.payment_reference))

    def _reconcile_dispute_won(self, payment):
        """The money is back, and pays again what the dispute had opened."""
        invoice = payment.psa_invoice_id
        if invoice.psa_disputed:
            invoice._psa_end_dispute(self.env._(
                "The bank gave back %(amount)s (%(reference)s).",
                amount=payment.currency_id.format(payment.amount), reference=payment.payment_reference))
        payment._psa_settle(invoice)
        self._tell_excess(payment)

    def _tell_excess(self, payment):
        amount = payment._psa_open_amount()
        if not payment.currency_id.is_zero(amount):
            self._tell_open(payment, "payment_excess", self.env._(
                "%(customer)s paid %(paid)s for %(invoice)s, which is %(excess)s more than was open. It stands on the "
                "customer's account: use it for another invoice, or pay it back.",
                customer=payment.partner_id.display_name, paid=payment.currency_id.format(payment.amount),
                invoice=payment.psa_invoice_id.name, excess=payment.currency_id.format(amount),
            ), payment, amount)

    def _tell_open(self, payment, cause, text, record, amount=None):
        """Tell finance of what stands open on the customer's account; it closes when it is reconciled."""
        self.env["psa.exception"]._raise([{
            "cause": cause, "subject_key": payment._psa_key(), "text": text, "company_id": payment.company_id.id,
            "connection_id": payment.psa_connection_id.id, "amount": amount or payment.amount,
            "currency_id": payment.currency_id.id, "res_model": record._name, "res_id": record.id,
            "partner_id": payment.partner_id.commercial_partner_id.id,
        }])
