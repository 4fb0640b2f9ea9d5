"""What customers, banks and Stripe do with money: payments, refunds, disputes, payouts, each with its events.

Amounts are integers in cents. Every method takes ``moment`` (aware datetime; None: now by the stand-in's clock).
"""

from .plain import charge_fields, fee, transaction_fields

_DISPUTE_FEE = 1500
_DAY = 86_400
_UPDATES = {"ch": ("charge", "charge.updated"), "re": ("refund", "refund.updated"),
            "dp": ("dispute", "charge.dispute.updated")}
_FAILURE = {"failure_code": "card_declined", "failure_message": "Your card was declined."}


class Money:
    """:param settle_days: days until the money of a payment is available for a payout"""

    def __init__(self, store, events, settle_days=7):
        self.store, self.events, self.settle_days = store, events, settle_days

    # === PAYMENTS === #

    def pay(self, what, moment=None, outcome="succeeded", email="", name=""):
        """Let a customer pay and return the charge.

        :param what: id of a payment link, or ``{"amount", "currency", "metadata", "customer", "description"}``
        :param outcome: ``succeeded``; ``failed`` (declined); ``pending`` (a bank debit, see :meth:`settle`)
        :raise ValueError: no such link, or it is not active
        """
        with self.store.lock:
            link = self._open_link(what) if isinstance(what, str) else None
            values = self._link_values(link) if link else what
            created = self.store.second(moment)
            customer = self.store["customer"].get(values.get("customer") or "")
            if values.get("customer") and not customer:
                raise ValueError(f"no customer {values['customer']}")
            shared = {
                "amount": int(values["amount"]), "currency": values.get("currency", "eur").lower(),
                "customer": values.get("customer"), "description": values.get("description"),
                "metadata": dict(values.get("metadata") or {})}
            paid = outcome == "succeeded"
            intent = self.store.add(
                "payment_intent", created, **shared, amount_received=shared["amount"] if paid else 0,
                capture_method="automatic", last_payment_error=None, latest_charge=None,
                payment_details={"order_reference": values.get("order_reference"), "customer_reference": None},
                status={"succeeded": "succeeded", "pending": "processing"}.get(outcome, "requires_payment_method"))
            payer = {"address": None, "phone": None, "email": email or (customer or {}).get("email"),
                     "name": name or (customer or {}).get("name")}
            charge = self.store.add("charge", created, **charge_fields(
                **shared, billing_details=payer, payment_intent=intent["id"], status=outcome, paid=paid,
                captured=outcome != "failed", amount_captured=shared["amount"] if paid else 0,
                **(_FAILURE if outcome == "failed" else {})))
            charge["receipt_email"] = payer["email"]
            intent["latest_charge"] = charge["id"]
            if outcome == "failed":
                intent["last_payment_error"] = {"type": "card_error", "code": "card_declined",
                                                "charge": charge["id"], "message": _FAILURE["failure_message"]}
                self.events.emit("charge.failed", charge, moment)
                self.events.emit("payment_intent.payment_failed", intent, moment)
                return charge
            if paid:
                self._book(charge, created)
            self.events.emit(f"charge.{outcome}", charge, moment)
            self.events.emit(f"payment_intent.{intent['status']}", intent, moment)
            if link:
                self._complete_session(link, charge, payer, moment)
            return charge

    def settle(self, charge_id, moment=None, succeeds=True):
        """Decide a pending charge."""
        with self.store.lock:
            charge = self._charge(charge_id)
            if charge["status"] != "pending":
                raise ValueError(f"{charge_id} is not pending")
            intent = self.store["payment_intent"].get(charge["payment_intent"])
            if succeeds:
                charge.update(status="succeeded", paid=True, amount_captured=charge["amount"])
                intent.update(status="succeeded", amount_received=charge["amount"])
                self._book(charge, self.store.second(moment))
                self.events.emit("charge.succeeded", charge, moment)
                self.events.emit("payment_intent.succeeded", intent, moment)
            else:
                charge.update(status="failed", captured=False, **_FAILURE)
                intent["status"] = "requires_payment_method"
                self.events.emit("charge.failed", charge, moment)
                self.events.emit("payment_intent.payment_failed", intent, moment)
            return charge

    def change(self, id_, moment=None, **changes):
        """Change ``description`` or ``metadata`` of a charge, or ``metadata`` of a refund or dispute."""
        with self.store.lock:
            kind, event = _UPDATES[id_.partition("_")[0]]
            row = self._charge(id_) if kind == "charge" else self._found(kind, id_)
            before = {name: row[name] for name in changes}
            row.update(changes)
            self.events.emit(event, row, moment, before)
            return row

    def bill(self, number, moment=None, **values):
        """Let a customer pay an invoice of Stripe's own; return its invoice payment."""
        with self.store.lock:
            charge = self.pay(values, moment)
            created, amount = charge["created"], charge["amount"]
            invoice = self.store.add(
                "invoice", created, number=number, status="paid", total=amount, amount_due=amount, amount_paid=amount,
                amount_remaining=0, amount_overpaid=0, amount_paid_off_stripe=0, currency=charge["currency"],
                customer=charge["customer"], due_date=None, metadata={}, parent=None,
                collection_method="send_invoice")
            payment = self.store.add(
                "invoice_payment", created, invoice=invoice["id"], amount_requested=amount, amount_paid=amount,
                currency=charge["currency"], is_default=True, status="paid",
                payment={"type": "payment_intent", "payment_intent": charge["payment_intent"]},
                status_transitions={"canceled_at": None, "paid_at": created})
            self.events.emit("invoice.paid", invoice, moment)
            self.events.emit("invoice_payment.paid", payment, moment)
            return payment

    # === MONEY THAT GOES BACK === #

    def refund(self, charge_id, amount=None, moment=None, reason="requested_by_customer"):
        """Refund a charge, wholly when ``amount`` is None, and return the refund."""
        with self.store.lock:
            charge = self._charge(charge_id)
            left = charge["amount_captured"] - charge["amount_refunded"]
            amount = left if amount is None else int(amount)
            if not 0 < amount <= left:
                raise ValueError(f"{charge_id} has {left} left to refund")
            created = self.store.second(moment)
            refund = self.store.add(
                "refund", created, amount=amount, charge=charge_id, currency=charge["currency"], metadata={},
                payment_intent=charge["payment_intent"], reason=reason, status="succeeded", balance_transaction=None,
                failure_balance_transaction=None)
            refund["balance_transaction"] = self._transaction(
                created, amount=-amount, type="refund", reporting_category="refund", source=refund["id"])["id"]
            charge["amount_refunded"] += amount
            charge["refunded"] = charge["amount_refunded"] == charge["amount"]
            self.events.emit("refund.created", refund, moment)
            self.events.emit("charge.refunded", charge, moment, {"amount_refunded": charge["amount_refunded"] - amount})
            return refund

    def fail_refund(self, refund_id, moment=None):
        """The customer's bank sends a refund back."""
        with self.store.lock:
            refund = self._found("refund", refund_id)
            if refund["status"] != "succeeded":
                raise ValueError(f"{refund_id} is {refund['status']}")
            charge = self._charge(refund["charge"])
            back = self._transaction(self.store.second(moment), amount=refund["amount"], type="refund_failure",
                                     reporting_category="refund_failure", source=refund_id)
            refund.update(status="failed", failure_balance_transaction=back["id"],
                          failure_reason="expired_or_canceled_card")
            charge["amount_refunded"] -= refund["amount"]
            charge["refunded"] = False
            self.events.emit("refund.failed", refund, moment)
            self.events.emit("charge.refund.updated", refund, moment)
            return refund

    def dispute(self, charge_id, moment=None, reason="fraudulent"):
        """A customer's bank takes a whole charge back; return the dispute."""
        with self.store.lock:
            charge = self._charge(charge_id)
            if charge["disputed"] or not charge["paid"]:
                raise ValueError(f"{charge_id} cannot be disputed")
            created = self.store.second(moment)
            dispute = self.store.add(
                "dispute", created, amount=charge["amount"], charge=charge_id, currency=charge["currency"],
                payment_intent=charge["payment_intent"], reason=reason, status="needs_response", metadata={},
                is_charge_refundable=False, balance_transactions=[])
            taken = self._transaction(created, amount=-charge["amount"], fee=_DISPUTE_FEE, type="adjustment",
                                      reporting_category="dispute", source=dispute["id"])
            dispute["balance_transactions"] = [taken]
            charge["disputed"] = True
            self.events.emit("charge.dispute.created", dispute, moment)
            self.events.emit("charge.dispute.funds_withdrawn", dispute, moment)
            self.events.emit("charge.updated", charge, moment, {"disputed": False})
            return dispute

    def close_dispute(self, dispute_id, outcome, moment=None):
        """:param outcome: ``won`` (the money comes back) or ``lost``"""
        with self.store.lock:
            dispute = self._found("dispute", dispute_id)
            if outcome not in ("won", "lost") or dispute["status"] in ("won", "lost"):
                raise ValueError(f"{dispute_id} is {dispute['status']} and cannot be {outcome}")
            dispute["status"] = outcome
            if outcome == "won":
                dispute["balance_transactions"] = [*dispute["balance_transactions"], self._transaction(
                    self.store.second(moment), amount=dispute["amount"], fee=-_DISPUTE_FEE, type="adjustment",
                    reporting_category="dispute_reversal", source=dispute_id)]
                self.events.emit("charge.dispute.funds_reinstated", dispute, moment)
            self.events.emit("charge.dispute.closed", dispute, moment)
            return dispute

    # === PAYOUTS === #

    def payout(self, moment=None, settle=False):
        """Pay all available money out and return the payout; None when there is none.

        :param settle: make money that is still pending available first
        """
        with self.store.lock:
            created = self.store.second(moment)
            rows = [row for row in self.store["balance_transaction"].all()
                    if row["_payout"] is None and row["created"] <= created]
            if settle:
                for row in rows:
                    row["available_on"] = min(row["available_on"], created)
            rows = [row for row in rows if row["available_on"] <= created]
            amount = sum(row["net"] for row in rows)
            if amount <= 0:
                return None
            payout = self.store.add(
                "payout", created, amount=amount, arrival_date=created // _DAY * _DAY + 2 * _DAY, automatic=True,
                balance_transaction=None, currency="eur", description="STRIPE PAYOUT", destination="ba_Demo01",
                failure_balance_transaction=None, failure_code=None, failure_message=None, metadata={},
                method="standard", original_payout=None, reconciliation_status="completed", reversed_by=None,
                source_type="card", status="paid", trace_id={"status": "supported", "value": f"TRACE{created}"},
                type="bank_account")
            own = self._transaction(created, amount=-amount, type="payout", reporting_category="payout",
                                    source=payout["id"])
            own["available_on"] = created
            payout["balance_transaction"] = own["id"]
            for row in [*rows, own]:
                row["_payout"] = payout["id"]
            for name in ("payout.created", "payout.paid", "payout.reconciliation_completed"):
                self.events.emit(name, payout, moment)
            return payout

    def fail_payout(self, payout_id, moment=None):
        """The bank sends a payout back; its money is paid out with the next one."""
        with self.store.lock:
            payout = self._found("payout", payout_id)
            if payout["status"] != "paid":
                raise ValueError(f"{payout_id} is {payout['status']}")
            created = self.store.second(moment)
            back = self._transaction(created, amount=payout["amount"], type="payout_failure",
                                     reporting_category="payout_reversal", source=payout_id)
            back["available_on"] = created
            payout.update(status="failed", failure_code="account_closed", failure_balance_transaction=back["id"],
                          failure_message="The bank account has been closed.")
            self.events.emit("payout.failed", payout, moment)
            return payout

    # === PARTS === #

    def _found(self, kind, id_):
        row = self.store[kind].get(id_)
        if row is None:
            raise ValueError(f"no {kind} {id_}")
        return row

    def _charge(self, id_):
        charge = self._found("charge", id_)
        self.store["charge"].rows[id_] = charge
        return charge

    def _transaction(self, created, **fields):
        return self.store.add("balance_transaction", created, **transaction_fields(
            available_on=created + self.settle_days * _DAY, **fields), _payout=None)

    def _book(self, charge, created):
        charge["balance_transaction"] = self._transaction(
            created, amount=charge["amount"], fee=fee(charge["amount"]), type="charge", reporting_category="charge",
            source=charge["id"], description=charge["description"])["id"]

    def open_links(self):
        return [row["id"] for row in self.store["payment_link"].all() if row["active"]]

    def _open_link(self, id_):
        link = self._found("payment_link", id_)
        if not link["active"]:
            raise ValueError(f"payment link {id_} is not active")
        return link

    def _link_values(self, link):
        data = link["payment_intent_data"] or {}
        return {"amount": sum(item["amount_total"] for item in link["_items"]), "currency": link["currency"],
                "description": data.get("description"), "metadata": data.get("metadata")}

    def _complete_session(self, link, charge, payer, moment):
        session = self.store.add(
            "checkout.session", charge["created"], amount_total=charge["amount"], currency=charge["currency"],
            customer=None, customer_details={"email": payer["email"], "name": payer["name"]},
            metadata=dict(link["metadata"]), mode="payment", payment_intent=charge["payment_intent"],
            payment_link=link["id"], payment_status="paid" if charge["paid"] else "unpaid", status="complete",
            subscription=None)
        link["_completed"] += 1
        limit = ((link["restrictions"] or {}).get("completed_sessions") or {}).get("limit")
        if limit and link["_completed"] >= limit:
            link["active"] = False
        self.events.emit("checkout.session.completed", session, moment)
