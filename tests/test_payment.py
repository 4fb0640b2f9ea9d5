from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .payment_common import PAID_ON, PaymentCase


@tagged("post_install", "-at_install")
class TestPayment(PaymentCase):
    """Money that came in: booked once, on the invoice that it is for, or held."""

    # --- which invoice -----------------------------------------------------------------------------------------------

    def test_the_named_invoice_is_paid_at_once(self):
        invoice = self.invoice()
        payment = self.pay(invoice, fee=Decimal("34.81"))
        self.assertEqual(
            (payment.payment_type, payment.amount, payment.date, payment.journal_id, payment.state, payment.company_id),
            ("inbound", 1190, PAID_ON, self.provider, "paid", self.us))
        self.assertEqual((invoice.payment_state, invoice.amount_residual), ("paid", 0))
        self.assertEqual(payment.move_id.line_ids.mapped("account_id"),
                         self.provider.default_account_id | payment.destination_account_id)
        self.assertEqual(payment.psa_fee_move_ids.state, "posted")
        self.assertEqual(self.balance(self.fees), 34.81)
        self.assertEqual(self.held(), 1155.19, "what the provider owes us")

    def test_the_hubs_reference_counts_on_its_own_connection(self):
        invoice = self.invoice()
        reference = f"account.move:{invoice.id}"
        self.assert_held(
            self.run_items(self.money(invoice_reference=reference, parents={"party": self.contoso})),
            "payment_unmatched", "not of this database", "Contoso", "1,190.00")
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Page", "external_id": reference,
            "canonical_type": "payment_request", "res_model": "account.move", "res_id": invoice.id})
        self.pay(invoice, invoice_reference=reference)
        self.assertEqual(invoice.payment_state, "paid")

    def test_the_only_open_invoice_of_the_customer_over_the_amount(self):
        invoice, other = self.invoice(1190), self.invoice(500)
        payment = self.pay(None, parents={"party": self.contoso}, invoice_reference="my order 7")
        self.assertEqual((invoice.payment_state, other.payment_state), ("paid", "not_paid"))
        self.assertEqual(payment.psa_invoice_id, invoice)

    def test_two_that_fit_are_never_guessed(self):
        first, second = self.invoice(), self.invoice()
        item = self.run_items(self.money(parents={"party": self.contoso}))
        self.assert_held(item, "payment_unmatched", "2 open invoices")
        self.assertEqual((item.outcome.key, item.amount), (item.key, Decimal("1190.00")))
        self.assertEqual({first.payment_state, second.payment_state}, {"not_paid"})
        self.assert_held(self.run_items(self.money()), "payment_unmatched", "no open one fits")
        self.assertFalse(self.held(), "nothing is booked")

    def test_two_payments_of_one_batch_do_not_share_a_guess(self):
        invoice = self.invoice()
        first, second = self.run_items(
            self.money(parents={"party": self.contoso}), self.money(parents={"party": self.contoso}))
        self.assertEqual([first.outcome.state, second.outcome.state], ["done", "held"])
        self.assertEqual(first.record.psa_invoice_id, invoice)

    def test_an_invoice_that_cannot_take_it(self):
        draft, euro = self.invoice(), self.invoice(currency=self.eur)
        draft.button_draft()
        self.env["psa.payment.match"].create([{
            "connection_id": self.connection.id, "object_type": "Payment", "external_id": external_id,
            "move_id": move.id} for external_id, move in (("ch_draft", draft), ("ch_euro", euro))])
        self.assert_held(self.run_items(self.money(external_id="ch_draft")), "payment_unmatched", "not posted")
        self.assert_held(self.run_items(self.money(external_id="ch_euro")), "payment_unmatched", "in EUR")

    # --- how much ----------------------------------------------------------------------------------------------------

    def test_a_part_is_a_part(self):
        invoice = self.invoice()
        self.pay(invoice, amount="390.01")
        self.assertEqual((invoice.payment_state, invoice.amount_residual), ("partial", 799.99))
        self.pay(invoice, amount="799.99")
        self.assertEqual((invoice.payment_state, invoice.amount_residual), ("paid", 0))

    def test_too_much_stays_open_and_is_told(self):
        invoice, second = self.invoice(), self.invoice(10)
        payment = self.pay(invoice, amount="1200.00")
        self.assertEqual((invoice.payment_state, payment._psa_open_amount()), ("paid", 10))
        exception = self.exceptions("payment_excess")
        self.assertEqual((exception.amount, exception.partner_id, exception.res_id), (10, self.contoso, payment.id))
        exception.action_retry()
        self.assertEqual(exception.state, "new", "it still stands open")
        payment._psa_settle(second)
        self.assertFalse(self.exceptions("payment_excess"), "closed when it is used")
        self.assertEqual((exception.state, second.payment_state), ("resolved", "paid"))

    def test_a_second_payment_of_a_paid_invoice_is_all_excess(self):
        invoice = self.invoice()
        self.pay(invoice)
        self.pay(invoice)
        self.assertEqual(self.exceptions("payment_excess").amount, 1190)

    # --- versions ----------------------------------------------------------------------------------------------------

    def test_again_and_again_books_once(self):
        payment = self.pay(self.invoice(), fee=Decimal("30"))
        with self.assert_no_write("account.payment", "account.move", "account.move.line"):
            self.again(payment, fee=Decimal("30"))
            self.again(payment)
        self.assertEqual((self.held(), self.balance(self.fees)), (1160, 30))

    def test_the_fee_that_comes_later(self):
        payment = self.pay(self.invoice())
        self.assertFalse(payment.psa_fee_move_ids)
        for _time in range(2):
            self.again(payment, fee=Decimal("34.81"))
            self.assertEqual((self.held(), len(payment.psa_fee_move_ids)), (1155.19, 1))

    def test_a_changed_amount_is_held(self):
        payment = self.pay(self.invoice(), fee=Decimal("30"))
        for values in ({"amount": "1191.00"}, {"currency": "EUR"}, {"kind": "refund"},
                       {"settlement_currency": "EUR", "settled_amount": Decimal("1000")}):
            item = self.again(payment, **values)
            self.assert_held(item, "payment_changed", payment.name)
        self.assertEqual((self.held(), payment.amount), (1160, 1190))

    def test_a_fee_that_changes_is_booked_by_its_difference(self):
        payment = self.pay(self.invoice(), fee=Decimal("30"))
        for fee in ("45.50", "45.50", "12"):
            self.again(payment, fee=Decimal(fee))
            self.assertEqual((self.balance(self.fees), self.held()), (float(fee), 1190 - float(fee)))
        self.assertEqual(payment.psa_fee_move_ids.mapped("state"), ["posted"] * 3)

    def test_what_has_not_moved_is_left_out_until_it_moves(self):
        invoice = self.invoice()
        for values in ({"succeeded": False}, {"failed": True}, {"succeeded": False, "failed": True}):
            item = self.run_items(self.money(external_id="ch_late", invoice_reference=invoice.name, **values))
            self.assert_state(item, "skipped", "out_of_scope")
        self.pay(invoice, external_id="ch_late")
        self.assertEqual(invoice.payment_state, "paid")

    def test_a_payment_that_fails_afterwards_is_reversed(self):
        invoice = self.invoice()
        payment = self.pay(invoice, fee=Decimal("30"))
        self.assert_state(self.again(payment, failed=True), "done")
        self.assertEqual((invoice.payment_state, invoice.amount_residual), ("not_paid", 1190))
        self.assertEqual((payment.state, self.held(), self.balance(self.fees)), ("rejected", 0, 0))
        self.again(payment, failed=True)
        self.assertEqual(len(payment.move_id.reversal_move_ids), 1, "reversed once")
        second = self.again(payment, invoice_reference=invoice.name).record
        self.assertNotEqual(second, payment)
        self.assertEqual((invoice.payment_state, self.held()), ("paid", 1190))

    def test_a_fee_that_the_provider_keeps_stays(self):
        payment = self.pay(self.invoice(), fee=Decimal("5"))
        self.again(payment, failed=True, fee=Decimal("5"))
        self.assertEqual((self.held(), self.balance(self.fees)), (-5, 5))

    def test_what_a_person_took_out_of_the_books_stays_out(self):
        payment = self.pay(self.invoice())
        payment.action_cancel()
        self.again(payment)
        self.assertEqual((payment.state, self.held()), ("canceled", 0))

    # --- setting up --------------------------------------------------------------------------------------------------

    def test_without_settings_it_waits_for_them(self):
        invoice = self.invoice()
        self.connection.payment_journal_id = False
        item = self.run_items(self.money(invoice_reference=invoice.name))
        self.assert_held(item, "payment_setup", "Payment Journal", self.connection.name)
        self.assertEqual((item.outcome.key, item.outcome.record), (f"payment_setup:{self.connection.id}",
                                                                   self.connection))
        self.connection.write({"payment_journal_id": self.provider.id, "fee_account_id": False})
        self.assert_held(self.run_items(self.money(invoice_reference=invoice.name, fee=Decimal("1"))), "payment_setup")
        self.pay(invoice)
        self.assertEqual(invoice.payment_state, "paid", "without a fee no account of fees is needed")

    def test_journals_of_another_company_are_refused(self):
        other = self.env["account.journal"].create(
            {"name": "Theirs", "code": "THRS", "type": "bank", "company_id": self.de.id})
        with self.assertRaises(UserError):
            self.connection.payment_journal_id = other

    def test_settings_show_where_payments_are_read(self):
        self.assertFalse(self.connection.has_payments)
        self.env["psa.stream"].create({
            "connection_id": self.connection.id, "provider_code": "fake", "code": "payment", "name": "Payments",
            "object_type": "Payment", "canonical_type": "payment", "direction": "in"})
        self.assertTrue(self.connection.has_payments)

    def test_a_closed_period_gets_odoos_first_open_day(self):
        invoice = self.invoice(invoice_date=date(2026, 6, 2))
        self.us.fiscalyear_lock_date = date(2026, 5, 31)
        payment = self.pay(invoice, fee=Decimal("1"))
        self.assertGreater(payment.move_id.date, date(2026, 5, 31))
        self.assertEqual((payment.date, invoice.payment_state), (PAID_ON, "paid"))

    # --- currencies --------------------------------------------------------------------------------------------------

    def test_the_providers_own_exchange_is_what_it_is_worth(self):
        self.rate(date(2026, 5, 1), 1.10)
        invoice = self.invoice(1000, currency=self.eur)
        payment = self.pay(
            invoice, amount="1000.00", currency="EUR", settlement_currency="USD", settled_amount=Decimal("1120.50"),
            fee=Decimal("33.10"))
        self.assertEqual((invoice.payment_state, payment.amount, payment.currency_id), ("paid", 1000, self.eur))
        liquidity = payment._psa_liquidity()
        self.assertEqual((liquidity.amount_currency, liquidity.currency_id, liquidity.balance),
                         (1120.5, self.usd, 1120.5))
        self.assertEqual((self.held(), self.balance(self.fees)), (1087.4, 33.1))
        difference = self.env["account.move"].search([
            ("journal_id", "=", self.us.currency_exchange_journal_id.id), ("state", "=", "posted")])
        self.assertEqual(max(difference.line_ids.mapped("balance")), 20.5, "Odoo books the gain")
        self.assert_state(self.again(
            payment, amount="1000.00", currency="EUR", settlement_currency="USD", settled_amount=Decimal("1120.50"),
            fee=Decimal("33.10")), "done")

    def test_a_currency_without_cents(self):
        yen = self.env.ref("base.JPY")
        yen.active = True
        invoice = self.invoice(10000, currency=yen)
        values = {"amount": "10000", "currency": "JPY", "settlement_currency": "USD",
                  "settled_amount": Decimal("64.10"), "fee": Decimal("2.23")}
        payment = self.pay(invoice, **values)
        self.again(payment, **values)
        self.assertEqual((invoice.payment_state, self.held(), self.balance(self.fees)), ("paid", 61.87, 2.23))

    def test_kept_in_a_foreign_currency_at_odoos_rate(self):
        invoice_rate = self.rate(date(2026, 5, 1), 1.10)
        invoice = self.invoice(100, currency=self.eur)
        self.rate(PAID_ON, 1.20)
        self.pay(invoice, amount="100.00", currency="EUR", settlement_currency="EUR", settled_amount=Decimal("100"),
                 fee=Decimal("10"))
        self.assertEqual((invoice.payment_state, self.held(), self.balance(self.fees)), ("paid", 108, 12))
        self.assertTrue(invoice_rate)

    def test_without_a_rate_it_is_held(self):
        self.rate(date(2026, 5, 21), 1.10)
        invoice = self.invoice(100, currency=self.eur)
        item = self.run_items(self.money(amount="100.00", currency="EUR", invoice_reference=invoice.name))
        self.assert_held(item, "missing_exchange_rate", "EUR", "2026-05-20")
        self.assert_held(self.run_items(self.money(currency="CHF")), "currency_mismatch", "CHF")

    def rate(self, day, value):
        return self.env["res.currency.rate"].create({
            "currency_id": self.eur.id, "name": day, "inverse_company_rate": value, "company_id": self.us.id})

    # --- a person chooses --------------------------------------------------------------------------------------------

    def test_a_person_chooses_the_invoice(self):
        near, far = self.invoice(1180), self.invoice(500)
        item = self.run_items(self.money(external_id="ch_lost"))
        exception = self.env["psa.exception"]._raise([{
            "cause": "payment_unmatched", "subject_key": item.key, "text": item.outcome.text,
            "company_id": self.us.id, "connection_id": self.connection.id, "amount": 1190,
        }])["payment_unmatched", item.key]
        action = exception.action_fix()
        choose = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(choose.line_ids.mapped("move_id"), near | far, "closest first")
        choose.line_ids[0].action_choose()
        self.assertEqual(exception.state, "retrying")
        self.pay(None, external_id="ch_lost")
        self.assertEqual((near.payment_state, far.payment_state), ("paid", "not_paid"))
        self.assertEqual(self.exceptions("payment_excess").amount, 10)

    def test_who_may_choose(self):
        """An operator who sees invoices chooses one; who sees none cannot, and an auditor not at all."""
        invoice = self.invoice()
        company = {"company_id": self.us.id, "company_ids": [(6, 0, self.us.ids)],
                   "context": {"no_reset_password": True}}
        clerk, operator, auditor = (
            new_test_user(self.env, login, groups, **company) for login, groups in (
                ("clerk", "account.group_account_invoice,psa_hub.group_operator"),
                ("operator", "psa_hub.group_operator"), ("auditor", "psa_hub.group_auditor")))
        item = self.run_items(self.money())
        exception = self.env["psa.exception"]._raise([{
            "cause": "payment_unmatched", "subject_key": item.key, "text": "x", "company_id": self.us.id,
            "amount": 1190}])["payment_unmatched", item.key]
        for user in (operator, auditor):
            with self.assertRaises(AccessError):
                exception.with_user(user).with_company(self.us).action_fix()
        action = exception.with_user(clerk).with_context(allowed_company_ids=self.us.ids).action_fix()
        choose = self.env[action["res_model"]].with_user(clerk).with_context(
            allowed_company_ids=self.us.ids).browse(action["res_id"])
        choose.line_ids.action_choose()
        match = self.env["psa.payment.match"].search([("external_id", "=", item.external_id)])
        self.assertEqual(match.move_id, invoice)

    def test_another_invoice_has_to_be_named(self):
        item = self.run_items(self.money())
        exception = self.env["psa.exception"]._raise([{
            "cause": "payment_unmatched", "subject_key": item.key, "text": "x", "company_id": self.us.id,
        }])["payment_unmatched", item.key]
        choose = self.env["psa.payment.choose"].create({"exception_id": exception.id})
        with self.assertRaises(UserError):
            choose.action_choose()
        paid = self.invoice()
        choose.move_id = paid
        choose.action_choose()
        self.assertEqual(self.env["psa.payment.match"].search([("external_id", "=", item.external_id)]).move_id, paid)
