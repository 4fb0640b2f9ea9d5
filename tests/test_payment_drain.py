# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from contextlib import ExitStack
from datetime import date

from odoo import Command
from odoo.tests import TransactionCase, tagged

from ..connectors import base
from .fake_connector import registered
from .test_apply_drain import PlainConnector


@tagged("post_install", "-at_install")
class TestPaymentDrain(TransactionCase):
    """Payments on their whole way: from the message to the books, and what a person's decision sets free."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(PlainConnector()))

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)
        usd = self.env.ref("base.USD")
        self.company = self.env["res.company"].create({
            "name": "Northwind Inc.", "currency_id": usd.id, "country_id": self.env.ref("base.us").id})
        self.env.user.company_ids |= self.company
        self.env = self.env(context={**self.env.context, "allowed_company_ids": self.company.ids})
        self.env["account.chart.template"].try_loading("generic_coa", company=self.company, install_demo=False)
        self.provider, self.bank = self.env["account.journal"].create([
            {"name": "Provider", "code": "PROV", "type": "bank", "company_id": self.company.id},
            {"name": "House Bank", "code": "HOUS", "type": "bank", "company_id": self.company.id}])
        self.connection = self.env["psa.connection"].create({
            "name": "Provider", "connector_code": "plain", "environment": "sandbox", "state": "connected",
            "company_id": self.company.id, "payment_journal_id": self.provider.id, "payout_journal_id": self.bank.id})
        self.streams = {stream.code: stream for stream in self.connection.stream_ids}
        self.customer = self.env["res.partner"].create({"name": "Contoso", "is_company": True})
        self.bill = self.env["account.move"].create({
            "move_type": "out_invoice", "partner_id": self.customer.id, "company_id": self.company.id,
            "invoice_date": date(2026, 5, 4), "invoice_line_ids": [
                Command.create({"name": "Work", "price_unit": 1190, "tax_ids": [Command.clear()]})]})
        self.bill.action_post()
        self.env.cr.commit()
        self.version = 0

    def receive(self, code, external_id, **raw):
        self.version += 1
        stream = self.streams[code]
        self.env["psa.message"]._receive(
            stream, [base.RawRecord(stream.object_type, external_id, f"{self.version:04}", raw)], "pull")
        self.env.cr.commit()

    def payment(self, external_id="ch_1", **values):
        self.receive("payment", external_id, **{
            "kind": "payment", "amount": "1190.00", "currency": "USD", "paid_on": "2026-05-20", "status": "succeeded",
            "succeeded": True, **values})

    def payout(self):
        self.receive("payout", "po_1", amount="1190.00", currency="USD", arrives_on="2026-05-27", status="paid",
                     succeeded=True, complete=True, lines=[{
                         "external_id": "txn_1", "payment_id": "ch_1", "kind": "charge", "gross": "1190.00",
                         "fee": "0.00", "net": "1190.00"}])

    def drain(self):
        self.env.flush_all()
        self.env.cr.commit()
        self.env["psa.lane"]._drain("transaction", stand_by=0)
        self.env.invalidate_all()

    def states(self):
        return {message.external_id: message.state for message in self.env["psa.message"].search(
            [("connection_id", "=", self.connection.id)], order="id")}

    def open_causes(self):
        exceptions = self.env["psa.exception"].search([
            ("connection_id", "=", self.connection.id), ("is_open", "=", True)])
        return {exception.cause_code: exception.amount for exception in exceptions}

    def test_a_refund_waits_for_its_payment(self):
        self.payment("re_1", kind="refund", of="ch_1", amount="190.00")
        self.drain()
        self.assertEqual(self.states(), {"re_1": "waiting", "ch_1": "pending"}, "the source is asked for it")
        self.payment(invoice_reference=self.bill.name)
        self.drain()
        self.drain()
        self.assertEqual(self.states(), {"re_1": "done", "ch_1": "done"})
        self.assertEqual(self.bill.payment_state, "paid")
        self.assertEqual(self.open_causes(), {"refund_without_credit": 190})

    def test_a_person_chooses_and_the_payout_follows(self):
        self.payment()
        self.payout()
        self.drain()
        self.assertEqual(self.states(), {"ch_1": "held", "po_1": "held"})
        self.assertEqual(self.open_causes(), {"payment_unmatched": 1190, "payout_incomplete": 1190})
        exception = self.env["psa.exception"].search([("cause_code", "=", "payment_unmatched")])
        action = exception.action_fix()
        choose = self.env[action["res_model"]].browse(action["res_id"])
        choose.line_ids.filtered(lambda line: line.move_id == self.bill).action_choose()
        self.drain()
        self.drain()
        self.assertEqual(self.states(), {"ch_1": "done", "po_1": "done"})
        self.assertEqual(self.open_causes(), {})
        self.assertEqual((self.bill.payment_state, exception.state), ("paid", "resolved"))

    def test_a_setting_lets_go_what_waits_for_it(self):
        self.connection.payment_journal_id = False
        self.payment(invoice_reference=self.bill.name)
        self.drain()
        self.assertEqual(self.open_causes(), {"payment_setup": 1190})
        exception = self.env["psa.exception"].search([("cause_code", "=", "payment_setup")])
        self.assertEqual(exception.action_fix()["res_id"], self.connection.id)
        self.connection.payment_journal_id = self.provider
        self.drain()
        self.assertEqual((self.states(), self.open_causes()), ({"ch_1": "done"}, {}))

    def test_versions_that_change_nothing_book_nothing(self):
        for status in ("pending", "succeeded", "succeeded", "paid"):
            self.payment(invoice_reference=self.bill.name, status=status, succeeded=status != "pending")
            self.drain()
        payments = self.env["account.payment"].search([("psa_connection_id", "=", self.connection.id)])
        self.assertEqual((len(payments), self.bill.amount_residual), (1, 0))
        payments.unlink()
        self.assertEqual(self.bill.payment_state, "not_paid")
        self.payment(invoice_reference=self.bill.name, status="settled")
        self.drain()
        self.assertFalse(self.env["account.payment"].search([("psa_connection_id", "=", self.connection.id)]),
                         "what a person deleted stays deleted")

    def test_in_shadow_mode_payments_wait_and_are_booked_when_it_goes_live(self):
        self.connection.sudo().is_shadow = True
        self.payment(invoice_reference=self.bill.name)
        self.payout()
        self.drain()
        self.assertEqual(self.states(), {"ch_1": "waiting", "po_1": "waiting"})
        messages = self.env["psa.message"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual(set(messages.mapped("error")), {"Waits until Provider goes live."})
        self.assertEqual((sum(messages.mapped("risk_amount")), self.bill.payment_state), (0, "not_paid"))
        self.assertFalse(self.env["account.payment"].search([("company_id", "=", self.company.id)]))
        self.env["psa.lane"]._cron_sweep()
        self.env["psa.message"].invalidate_model()
        self.assertEqual(self.states(), {"ch_1": "waiting", "po_1": "waiting"})
        self.connection.sudo().write({"is_shadow": False, "went_live_at": "2026-05-30 00:00:00"})
        self.env["psa.lane"]._cron_sweep()
        self.drain()
        self.assertEqual(self.states()["ch_1"], "done")
