from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from .payment_common import PaymentCase


@tagged("post_install", "-at_install")
class TestPaymentBack(PaymentCase):
    """Money that goes back: refunds, disputes; and money that goes on: payouts."""

    def setUp(self):
        super().setUp()
        self.bill = self.invoice()
        self.paid = self.pay(self.bill)

    def back(self, kind="refund", amount="1190.00", of=None, **values):
        return self.pay(None, kind, amount, parents={"of": of or self.paid}, **values)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def test_a_refund_pays_the_credit_note(self):
        credit = self.credit(self.bill, 190.5)
        refund = self.back(amount="190.50", fee=Decimal("0"))
        self.assertEqual((refund.payment_type, refund.partner_id, refund.is_reconciled), (
            "outbound", self.contoso, True))
        self.assertEqual((credit.payment_state, credit.amount_residual, self.bill.payment_state), ("paid", 0, "paid"))
        self.assertEqual(self.held(), 999.5)
        self.assertFalse(refund.psa_fee_move_ids, "a fee of nothing is no entry")

    def test_a_refund_before_the_credit_note(self):
        refund = self.back(amount="190.50")
        self.assertFalse(refund.is_reconciled)
        exception = self.exceptions("refund_without_credit")
        self.assertEqual((exception.amount, exception.res_id, exception.res_model), (
            190.5, self.bill.id, "account.move"))
        other = self.credit(self.bill, 100)
        self.assertEqual(self.exceptions("refund_without_credit"), exception, "another amount is another matter")
        credit = self.credit(self.bill, 190.5)
        self.assertEqual((credit.payment_state, refund.is_reconciled, other.payment_state), ("paid", True, "not_paid"))
        self.assertFalse(self.exceptions("refund_without_credit"))

    def test_a_credit_note_that_frees_the_payment(self):
        """Odoo's "reverse and reconcile" of a paid invoice takes the payment away: the refund pays that back."""
        refund = self.back()
        self.assertTrue(self.exceptions("refund_without_credit"))
        self.bill._reverse_moves([{"invoice_date": date(2026, 5, 25)}], cancel=True)
        self.assertTrue(refund.is_reconciled and self.paid.is_reconciled)
        self.assertEqual(self.bill.payment_state, "reversed")
        self.assertFalse(self.exceptions("refund_without_credit"))

    def test_a_refund_of_what_was_too_much_needs_no_credit_note(self):
        second = self.pay(self.bill)
        self.assertTrue(self.exceptions("payment_excess"))
        refund = self.back(of=second)
        self.assertTrue(refund.is_reconciled)
        self.assertFalse(self.exceptions("payment_excess") | self.exceptions("refund_without_credit"))
        self.assertEqual((self.bill.payment_state, self.held()), ("paid", 1190))

    def test_a_refund_that_failed_is_reversed(self):
        credit = self.credit(self.bill)
        refund = self.back()
        self.assertEqual(credit.payment_state, "paid")
        self.again(refund, "refund", parents={"of": self.paid}, failed=True)
        self.assertEqual((credit.payment_state, credit.amount_residual, self.held()), ("not_paid", 1190, 1190))

    # --- disputes ----------------------------------------------------------------------------------------------------

    def test_a_dispute_opens_the_invoice_and_winning_it_pays_it(self):
        dispute = self.back("dispute", fee=Decimal("15.00"))
        self.assertEqual((self.bill.payment_state, self.bill.amount_residual), ("not_paid", 1190))
        self.assertTrue(self.bill.psa_disputed)
        self.assertIn("took back", self.bill.psa_dispute_reason)
        self.assertTrue(dispute.is_reconciled and self.paid.is_reconciled, "the two cancel each other")
        self.assertEqual((self.held(), self.balance(self.fees)), (-15, 15))
        won = self.back("dispute_won", of=dispute)
        self.assertEqual((self.bill.payment_state, self.bill.psa_disputed), ("paid", False))
        self.assertEqual((won.payment_type, won.psa_invoice_id, self.held()), ("inbound", self.bill, 1175))
        self.assertFalse(self.exceptions("payment_excess"))

    def test_a_dispute_that_turns_into_a_won_one(self):
        """One record at the source: first the bank took the money, then it came back, and so did the fee."""
        of = {"of": self.paid}
        dispute = self.back("dispute", external_id="dp_1", fee=Decimal("15"))
        self.again(dispute, "dispute", parents=of, fee=Decimal("30"))
        self.assertEqual((self.held(), self.balance(self.fees)), (-30, 30), "fighting it costs too")
        for _time in range(2):
            item = self.again(dispute, "dispute_won", parents=of, fee=Decimal("15"))
            self.assert_state(item, "done")
            self.assertEqual((item.record.psa_kind, item.record.psa_of_id), ("dispute_won", dispute))
            self.assertEqual((self.bill.payment_state, self.bill.psa_disputed), ("paid", False))
            self.assertEqual((self.held(), self.balance(self.fees)), (1175, 15))

    def test_a_dispute_that_is_heard_of_when_it_is_won(self):
        won = self.back("dispute_won", external_id="dp_1", fee=Decimal("15"))
        self.assertEqual(won.psa_of_id.psa_kind, "dispute")
        self.assertEqual((self.bill.payment_state, self.bill.psa_disputed), ("paid", False))
        self.assertEqual((self.held(), self.balance(self.fees)), (1175, 15))
        self.assertFalse(self.exceptions("payment_excess"))

    def test_a_dispute_of_a_part(self):
        self.back("dispute", "190.00")
        self.assertEqual((self.bill.payment_state, self.bill.amount_residual), ("partial", 190))
        self.assertTrue(self.paid.is_reconciled)
        self.back("dispute_won", "190.00")
        self.assertEqual((self.bill.payment_state, self.bill.amount_residual), ("paid", 0))

    def test_a_dispute_leaves_what_else_the_payment_did(self):
        """The customer paid 10 too much and got that back: the dispute takes only the rest."""
        invoice = self.invoice(90)
        payment = self.pay(invoice, amount="100.00")
        refund = self.back(amount="10.00", of=payment)
        dispute = self.back("dispute", "90.00", of=payment)
        self.assertEqual((invoice.amount_residual, refund.is_reconciled, dispute.is_reconciled), (90, True, True))

    def test_winning_after_the_customer_paid_again_is_excess(self):
        dispute = self.back("dispute")
        self.pay(self.bill)
        self.back("dispute_won", of=dispute)
        self.assertEqual((self.bill.payment_state, self.exceptions("payment_excess").amount), ("paid", 1190))

    def test_a_dispute_of_no_payment_is_held(self):
        self.assert_held(self.run_items(self.money("dispute")), "payment_unmatched")

    def test_an_unknown_kind_is_held(self):
        self.assert_held(self.run_items(self.money("gift", parents={"of": self.paid})), "invalid_data", "gift")


@tagged("post_install", "-at_install")
class TestPaymentPayout(PaymentCase):

    def setUp(self):
        super().setUp()
        self.first = self.pay(self.invoice(1000), amount="1000.00", fee=Decimal("29.30"))
        self.second = self.pay(self.invoice(500), amount="500.00", fee=Decimal("14.80"))
        self.refund = self.pay(None, "refund", "100.00", parents={"of": self.first})

    def line(self, payment, gross, fee="0", **values):
        return {
            "external_id": f"txn_{payment and payment.id}_{gross}",
            "payment_id": payment.payment_reference if payment else None, "kind": "charge", "gross": Decimal(gross),
            "fee": Decimal(fee), "net": Decimal(gross) - Decimal(fee), **values,
        }

    def payout(self, amount="1355.90", lines=None, external_id="po_1", **values):
        lines = lines if lines is not None else [
            self.line(self.first, "1000.00", "29.30"), self.line(self.second, "500.00", "14.80"),
            self.line(self.refund, "-100.00"),
        ]
        return self.run_items(self.item("payout", external_id, **{
            "amount": Decimal(amount), "currency": "USD", "arrives_on": date(2026, 5, 27), "status": "paid",
            "succeeded": True, "complete": True, "lines": lines, **values}))

    def at_bank(self):
        return self.balance(self.bank.default_account_id)

    def test_a_payout_empties_the_provider(self):
        self.assertEqual(self.held(), 1355.9)
        item = self.payout()
        self.assert_state(item, "done")
        self.assertEqual((self.held(), self.at_bank()), (0, 1355.9))
        self.assertEqual((item.record.state, item.record.date, item.record.journal_id), (
            "posted", date(2026, 5, 27), self.provider))
        with self.assert_no_write("account.move", "account.move.line"):
            self.payout()

    def test_a_bank_with_outstanding_receipts_gets_it_there(self):
        outstanding = self.env["account.account"].create({
            "name": "Outstanding", "code": "101999", "account_type": "asset_current", "reconcile": True,
            "company_ids": [(6, 0, self.us.ids)]})
        self.bank.inbound_payment_method_line_ids.payment_account_id = outstanding
        self.payout()
        self.assertEqual((self.balance(outstanding), self.at_bank(), self.held()), (1355.9, 0, 0))

    def test_a_payout_that_came_back_is_reversed_once(self):
        item = self.payout()
        for _time in range(2):
            self.payout(failed=True)
            self.assertEqual((self.held(), self.at_bank(), len(item.record.reversal_move_ids)), (1355.9, 0, 1))
        self.assertNotEqual(self.payout().record, item.record)
        self.assertEqual((self.held(), self.at_bank()), (0, 1355.9))

    def test_on_its_way_is_left_out(self):
        self.assert_state(self.payout(succeeded=False), "skipped", "out_of_scope")
        self.assert_state(self.payout(failed=True), "skipped", "out_of_scope")
        self.assertEqual(self.at_bank(), 0)

    def test_the_bank_can_be_asked_for_money(self):
        self.payout("-100.00", [self.line(self.refund, "-100.00")])
        self.assertEqual(self.at_bank(), -100)

    def test_a_payment_that_is_not_booked_holds_it(self):
        stranger = {**self.line(self.first, "10.00"), "payment_id": "ch_unknown"}
        item = self.payout("1365.90", [
            self.line(self.first, "1000.00", "29.30"), self.line(self.second, "500.00", "14.80"),
            self.line(self.refund, "-100.00"), stranger])
        self.assert_held(item, "payout_incomplete", "ch_unknown", "1365.90")
        self.assertEqual(item.amount, Decimal("10.00"))
        self.assertEqual(item.outcome.key, f"record:{self.connection.id}:Payment:ch_unknown", "goes on with it")

    def test_lines_that_do_not_add_up(self):
        item = self.payout("1355.91")
        self.assert_held(item, "payout_incomplete", "1355.90")
        self.assertEqual(item.amount, Decimal("0.01"))
        self.assert_state(self.payout("1355.91", complete=False), "done")

    def test_what_the_provider_charges_for_itself(self):
        charge = self.line(None, "-10.40", kind="fee", description="Radar")
        item = self.payout("1345.50", [
            self.line(self.first, "1000.00", "29.30"), self.line(self.second, "500.00", "14.80"),
            self.line(self.refund, "-100.00"), charge])
        self.assertEqual((self.held(), self.at_bank(), self.balance(self.fees)), (0, 1345.5, 54.5))
        self.assertIn("Radar", item.record.line_ids.mapped("name"))

    def test_income_of_nobody_is_held(self):
        item = self.payout("1365.90", [
            self.line(self.first, "1000.00", "29.30"), self.line(self.second, "500.00", "14.80"),
            self.line(self.refund, "-100.00"), self.line(None, "10.00", kind="topup")])
        self.assert_held(item, "payout_incomplete", "topup")

    def test_a_changed_payout_is_held(self):
        self.payout()
        self.assert_held(self.payout("1300.00"), "payment_changed", "po_1")

    def test_without_a_bank_it_waits(self):
        self.connection.payout_journal_id = False
        self.assert_held(self.payout(), "payment_setup", "Payouts Arrive In")

    def test_a_foreign_payout_needs_a_rate(self):
        self.assert_held(self.payout("100.00", [], currency="EUR", complete=False), "missing_exchange_rate", "EUR")
        self.env["res.currency.rate"].create({
            "currency_id": self.eur.id, "name": date(2026, 5, 1), "inverse_company_rate": 1.1,
            "company_id": self.us.id})
        item = self.payout("100.00", [], currency="EUR", complete=False)
        self.assertEqual(self.at_bank(), 110)
        self.assertEqual(item.record.line_ids.mapped("amount_currency"), [100, -100])
