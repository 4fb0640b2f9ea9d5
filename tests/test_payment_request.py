# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
import json
from datetime import date
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import HttpCase, tagged

from ..connectors import base
from ..connectors.base import PushResult
from .billing_common import BillingCase
from .fake_connector import registered
from .link_case import LinkCase


class CollectConnector(base.Connector):
    """A vendor that makes payment pages, and wants to know what customers owe."""

    code = "collect_test"
    label = "Collecting Test Vendor"
    auth_methods = (base.AuthMethod("none", "None", ()),)
    outbound = (
        base.OutboundSpec("page", "Payment pages", "payment_request", ("Page",), creates=True),
        base.OutboundSpec("account", "Accounts", "account_status", ("Company",)),
    )

    def default_mappings(self):
        return {}

    def default_value_maps(self):
        return {}


class CollectCase(BillingCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(registered(CollectConnector()))
        cls.connection = cls.make_connection(cls.company)
        cls.customer.email = "ap@analytical.example"
        cls.order = cls.make_contract(
            ("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}), client_order_ref="PO-4711")
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)

    @classmethod
    def make_connection(cls, company):
        return cls.env["psa.connection"].create({
            "name": "Collect", "connector_code": "collect_test", "company_id": company.id, "environment": "sandbox",
            "state": "connected"})

    def billed(self, hours=8):
        self.make_time(self.order, [hours])
        return self.bill(self.order)

    def told(self, code="page"):
        """Return ``[(external id, values)]`` put into the outbox since the last look."""
        self.env.cr.flush()
        seen = self.__dict__.setdefault("seen", set())
        messages = self.env["psa.message"].search([
            ("connection_id", "=", self.connection.id), ("stream_id.code", "=", code), ("id", "not in", list(seen)),
        ], order="id")
        seen.update(messages.ids)
        return [(message.external_id, json.loads(message.payload)) for message in messages]

    def pay(self, move, amount):
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({"amount": amount, "payment_difference_handling": "open"})._create_payments()


@tagged("post_install", "-at_install")
class TestPaymentRequest(CollectCase):

    def test_a_posted_invoice_gets_a_page(self):
        move = self.billed()
        self.assertEqual(self.told(), [(f"account.move:{move.id}", {
            "reference": f"account.move:{move.id}", "number": move.name, "amount": "1380.00", "currency": "USD",
            "description": f"{move.name}, your order PO-4711", "customer_name": "Analytical Engines",
            "customer_email": "ap@analytical.example", "due_on": move.invoice_date_due.isoformat(), "open": True,
        })])
        binding = self.env["psa.binding"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual((binding.object_type, binding.res_model, binding.res_id, binding.company_id), (
            "Page", "account.move", move.id, self.company))
        move.ref = "something else"
        self.assertEqual(self.told(), [], "told once")

    def test_a_part_payment_leaves_the_rest_and_payment_closes(self):
        move = self.billed()
        self.told()
        self.pay(move, 380)
        self.assertEqual([(values["amount"], values["open"]) for _id, values in self.told()], [("1000.00", True)])
        self.pay(move, 1000)
        self.assertEqual([(values["amount"], values["open"]) for _id, values in self.told()], [("0.00", False)])

    def test_back_to_draft_posted_again_and_cancelled(self):
        move = self.billed()
        self.told()
        move.psa_payment_url = "https://pay.example/1"
        move.button_draft()
        self.assertEqual([values["open"] for _id, values in self.told()], [False])
        self.assertFalse(move.psa_payment_url)
        move.action_post()
        self.assertEqual([values["open"] for _id, values in self.told()], [True], "the same words, a new event")
        move.button_cancel()
        self.assertEqual([values["open"] for _id, values in self.told()], [False])

    def test_a_full_credit_closes(self):
        move = self.billed()
        self.told()
        move._reverse_moves([{"invoice_date": date(2026, 6, 1)}], cancel=True)
        self.assertEqual([values["open"] for _id, values in self.told()], [False])

    def test_other_invoices_get_none(self):
        self.env["account.move"].create({
            "move_type": "out_invoice", "partner_id": self.customer.id, "company_id": self.company.id,
            "invoice_line_ids": [Command.create({"name": "Books", "quantity": 1, "price_unit": 20})],
        }).action_post()
        self.assertEqual(self.told(), [])

    def test_another_company_is_not_asked(self):
        self.connection.stream_ids.active = False
        other = self.env["res.company"].create({"name": "Other"})
        self.make_connection(other)
        self.billed()
        self.env.cr.flush()
        self.assertFalse(self.env["psa.message"].search_count([("operation", "=", "push")]))

    def test_one_page_although_two_systems_could_make_it(self):
        self.make_connection(self.company)
        move = self.billed()
        self.env.cr.flush()
        self.assertEqual(len(self.env["psa.message"].search([("external_id", "=", f"account.move:{move.id}")])), 1)

    def test_the_address_comes_back(self):
        move = self.billed()
        self.told()
        stream = self.connection.stream_ids.filtered(lambda stream: stream.code == "page")
        message = self.env["psa.message"].search([("stream_id", "=", stream.id)])
        result = PushResult("key", data={"id": "page_1", "url": "https://pay.example/1"})
        stream._succeed([(message, result)])
        self.assertEqual((move.psa_payment_url, move.psa_can_pay_online), ("https://pay.example/1", True))
        self.assertEqual(move.action_psa_payment_page()["url"], "https://pay.example/1")
        self.assertFalse(move.copy().psa_payment_url)
        self.pay(move, 1380)
        self.env.cr.flush()
        self.assertFalse(move.psa_payment_url)
        stream._succeed([(message, result)])
        self.assertFalse(move.psa_payment_url, "a late answer opens no page of a paid invoice")
        with self.assertRaises(UserError):
            move.action_psa_payment_page()

    def test_only_web_addresses_are_kept(self):
        move = self.billed()
        move._psa_pushed("payment_request", {"url": "javascript:alert(1)"})
        self.assertFalse(move.psa_payment_url)


@tagged("post_install", "-at_install")
class TestPaymentPortal(CollectCase, HttpCase):

    def test_the_customer_sees_the_button(self):
        move = self.billed()
        move.psa_payment_url = "https://pay.example/1"
        self.env.cr.flush()
        page = self.url_open(move.get_portal_url()).text
        self.assertIn('href="https://pay.example/1"', page)
        self.assertIn("Pay Online", page)
        self.pay(move, 1380)
        self.env.cr.flush()
        self.assertNotIn("Pay Online", self.url_open(move.get_portal_url()).text)


@tagged("post_install", "-at_install")
class TestPaymentAccount(CollectCase):
    """What a customer owes, told to whom it may concern."""

    def setUp(self):
        super().setUp()
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Company", "external_id": "C1",
            "canonical_type": "party", "res_model": "res.partner", "res_id": self.customer.id})

    def account(self):
        return [values for _id, values in self.told("account")]

    def test_posted_paid_and_credited(self):
        move = self.billed()
        [values] = self.account()
        self.assertEqual(values, {
            "currency": "USD", "invoiced": "1380.00", "paid": "0.00", "due": "1380.00",
            "overdue": values["overdue"], "credited": "0.00", "last_invoice": move.name,
            "last_invoice_date": move.invoice_date.isoformat(), "updated_on": values["updated_on"]})
        self.pay(move, 380)
        [values] = self.account()
        self.assertEqual((values["paid"], values["due"]), ("380.00", "1000.00"))
        credit = move._reverse_moves([{"invoice_date": date(2026, 6, 1)}])
        self.assertEqual(self.account(), [], "a draft is nobody's business")
        credit.action_post()
        [values] = self.account()
        self.assertEqual((values["invoiced"], values["credited"], values["paid"], values["due"]), (
            "1380.00", "1380.00", "380.00", "-380.00"))

    def test_overdue(self):
        move = self.billed()
        move.invoice_date_due = date(2020, 1, 1)
        self.assertEqual(self.customer._psa_account_status(self.company)[self.customer]["overdue"], "1380.00")
        move.invoice_date_due = date(2999, 1, 1)
        self.assertEqual(self.customer._psa_account_status(self.company)[self.customer]["overdue"], "0.00")

    def test_one_transaction_tells_once(self):
        move = self.billed()
        self.pay(move, 380)
        self.pay(move, 1000)
        self.assertEqual([(values["paid"], values["due"]) for values in self.account()], [("1380.00", "0.00")])

    def test_a_customer_nobody_knows_costs_no_message(self):
        self.env["psa.binding"].search([("external_id", "=", "C1")]).unlink()
        self.billed()
        self.assertEqual(self.account(), [])

    def test_without_such_streams_it_costs_nothing(self):
        move = self.billed()
        self.env.cr.flush()
        self.connection.stream_ids.active = False
        self.env.cr.flush()
        move._psa_queue_status()  # reads the invoice and the streams, once
        queue = self.env.cr.precommit.data
        with self.assertQueryCount(0, flush=False):
            move._psa_queue_status()
        self.assertNotIn("psa_hub.payment_requests", queue)


@tagged("post_install", "-at_install")
class TestPushBack(LinkCase):
    """What a vendor gives back after a write reaches the record that was written."""

    def setUp(self):
        super().setUp()
        self.partner = self.env["res.partner"].create({"name": "Contoso"})
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Account", "external_id": "A1",
            "canonical_type": "party", "res_model": "res.partner", "res_id": self.partner.id})
        self.env.cr.commit()

    def emit(self, **values):
        count = self.env["psa.message"]._emit("billing_status", [(self.partner, values)])
        self.env.cr.commit()
        return count

    def test_data_reaches_the_record_in_the_same_transaction(self):
        given = []

        def pushed(record, canonical_type, data):
            given.append((record.id, canonical_type, data, record.env["psa.message"].search(
                [("external_id", "=", "A1")]).state))

        self.emit(invoiced=True)
        with patch.object(self.env.registry["res.partner"], "_psa_pushed", pushed, create=True), patch.object(
                self.fake, "push", lambda session, outbound, items: [
                    PushResult(item.key, data={"id": "x"}) for item in items]):
            self.env["psa.stream"]._cron_push()
        self.assertEqual(given, [(self.partner.id, "billing_status", {"id": "x"}, "done")])

    def test_a_state_is_told_when_it_differs_from_what_was_told(self):
        self.assertEqual([self.emit(due="1"), self.emit(due="1"), self.emit(due="2"), self.emit(due="1")], [1, 0, 1, 1])
        messages = self.messages(self.status)
        self.assertEqual(messages.mapped("state"), ["skipped", "skipped", "pending"])
