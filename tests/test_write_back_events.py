import json
from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.tests import tagged

from ..connectors import base
from .billing_common import BillingCase
from .fake_connector import registered


class StatusConnector(base.Connector):
    """A vendor that takes the billing status of whatever it is."""

    code = "status_test"
    label = "Status Test Vendor"
    auth_methods = (base.AuthMethod("none", "None", ()),)
    streams = (base.StreamSpec("hour", "Hours", "Hour", "time", 80),)
    outbound = (
        base.OutboundSpec("status", "Billing status", "billing_status", ("Hour", "Deal", "Stage", "Cost")),
    )

    def default_mappings(self):
        return {}

    def default_value_maps(self):
        return {}


@tagged("post_install", "-at_install")
class TestWriteBackEvents(BillingCase):
    """What is told to the sources, once, in the transaction that makes it true."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(registered(StatusConnector()))
        cls.connection = cls.env["psa.connection"].create({
            "name": "Status", "connector_code": "status_test", "company_id": cls.company.id,
            "environment": "sandbox", "state": "connected",
        })
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.bind("Deal", "D1", cls.order)

    @classmethod
    def bind(cls, object_type, external_id, record):
        cls.env["psa.binding"].create({
            "connection_id": cls.connection.id, "object_type": object_type, "external_id": external_id,
            "canonical_type": "time", "res_model": record._name, "res_id": record.id,
        })

    def hours(self, *hours):
        entries = self.make_time(self.order, list(hours))
        for entry in entries:
            self.bind("Hour", f"T{entry.id}", entry.analytic_line_id)
        return entries

    def told(self):
        """Return ``[(external id, values)]`` put into the outbox since the last look, in order."""
        self.env.cr.flush()
        messages = self.env["psa.message"].search([
            ("connection_id", "=", self.connection.id), ("operation", "=", "push"),
            ("id", ">", getattr(self, "last_told", 0)),
        ], order="id")
        self.last_told = messages[-1:].id or getattr(self, "last_told", 0)
        return [(message.external_id, json.loads(message.payload)) for message in messages]

    def events(self):
        return sorted((external_id, values["event"], values["invoiced"]) for external_id, values in self.told())

    def pay(self, move, amount):
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({"amount": amount, "payment_difference_handling": "open"})._create_payments()

    def refund(self, move, quantity=None):
        wizard = self.env["account.move.reversal"].with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({"journal_id": move.journal_id.id, "date": date(2026, 6, 15)})
        wizard.refund_moves()
        credit = wizard.new_move_ids
        if quantity:
            credit.invoice_line_ids.quantity = quantity
        credit.action_post()
        return credit

    def test_posted_says_everything(self):
        [entry] = self.hours(8)
        move = self.bill(self.order, post=False)
        self.assertEqual(self.told(), [], "a draft is nobody's business")
        move.invoice_date = date(2026, 6, 1)
        move.action_post()
        told = dict(self.told())
        self.assertEqual(told[f"T{entry.id}"], {
            "event": "posted", "invoiced": True, "invoice_number": move.name, "invoice_date": "2026-06-01",
            "payment_state": "not_paid", "amount_total": "1380.00", "amount_residual": "1380.00", "currency": "USD",
            "credit_note": None, "url": f"{move.get_base_url()}/odoo/customer-invoices/{move.id}",
        })
        self.assertEqual(told["D1"], told[f"T{entry.id}"])
        self.assertEqual(self.told(), [], "told once")

    def test_part_payment_and_payment(self):
        [entry] = self.hours(8)
        move = self.bill(self.order)
        self.told()
        self.pay(move, 380)
        told = dict(self.told())[f"T{entry.id}"]
        self.assertEqual((told["event"], told["payment_state"], told["amount_residual"]), (
            "partial", "partial", "1000.00"))
        self.pay(move, 1000)
        told = dict(self.told())[f"T{entry.id}"]
        self.assertEqual((told["event"], told["invoiced"], told["amount_residual"]), ("paid", True, "0.00"))

    def test_payment_taken_back(self):
        [entry] = self.hours(8)
        move = self.bill(self.order)
        self.pay(move, 1380)
        self.told()
        move.line_ids.remove_move_reconcile()
        self.assertEqual(self.events(), [("D1", "posted", True), (f"T{entry.id}", "posted", True)])

    def test_full_credit(self):
        [entry] = self.hours(8)
        move = self.bill(self.order)
        self.told()
        credit = self.refund(move)
        told = dict(self.told())
        self.assertEqual(
            [(told[key]["event"], told[key]["invoiced"], told[key]["credit_note"]) for key in (f"T{entry.id}", "D1")],
            [("credited", False, credit.name)] * 2)

    def test_partial_credit_tells_only_what_is_credited(self):
        first, second = self.make_time(self.order, [(date(2026, 5, 4), 5), (date(2026, 5, 20), 3)])
        for entry in (first, second):
            self.bind("Hour", f"T{entry.id}", entry.analytic_line_id)
        move = self.bill(self.order)
        self.told()
        credit = self.refund(move, quantity=3)
        told = dict(self.told())
        self.assertEqual((told[f"T{second.id}"]["event"], told[f"T{second.id}"]["invoiced"]), ("credited", False))
        self.assertEqual(told[f"T{second.id}"]["credit_note"], credit.name)
        self.assertEqual(told[f"T{first.id}"]["invoiced"], True)
        self.assertIsNone(told[f"T{first.id}"]["credit_note"])
        self.assertEqual((told["D1"]["invoiced"], told["D1"]["credit_note"]), (True, credit.name))

    def test_reset_posted_again_and_cancelled(self):
        [entry] = self.hours(8)
        move = self.bill(self.order)
        self.told()
        key = f"T{entry.id}"
        move.button_draft()
        self.assertEqual(self.events(), [("D1", "draft", False), (key, "draft", False)])
        move.action_post()
        self.assertEqual(self.events(), [("D1", "posted", True), (key, "posted", True)])
        move.button_cancel()
        self.assertEqual(self.events(), [("D1", "cancelled", False), (key, "cancelled", False)])

    def test_billed_again_after_a_credit_names_the_new_invoice(self):
        [entry] = self.hours(8)
        self.refund(self.bill(self.order))
        self.told()
        second = self.bill(self.order)
        told = dict(self.told())
        self.assertEqual({told[key]["invoice_number"] for key in (f"T{entry.id}", "D1")}, {second.name})
        self.assertTrue(told[f"T{entry.id}"]["invoiced"])

    def test_one_transaction_tells_the_end_only(self):
        [entry] = self.hours(8)
        move = self.bill(self.order)
        self.pay(move, 1380)
        self.assertEqual(self.events(), [("D1", "paid", True), (f"T{entry.id}", "paid", True)])

    def test_milestone_and_expense_are_told(self):
        order = self.make_contract(("milestone", 1, 40000.0))
        milestone = self.env["project.milestone"].create({
            "name": "Design", "project_id": self.project_of(order).id, "sale_line_id": order.order_line.id,
            "quantity_percentage": 0.25,
        })
        expense = self.env["hr.expense"].create({
            "name": "Train", "employee_id": self.ada.id, "product_id": self.products["expense"].id,
            "total_amount_currency": 119, "company_id": self.company.id,
        })
        spec = {"order_id": order.id, "work_date": date(2026, 5, 8)}
        self.env["psa.entry"]._sync("milestone", [{**spec, "source": milestone, "fixed_amount": Decimal(10000)}])
        self.env["psa.entry"]._sync("expense", [{**spec, "source": expense, "fixed_amount": Decimal(100)}])
        self.bind("Stage", "M1", milestone)
        self.bind("Cost", "E1", expense)
        self.bill(order)
        self.assertEqual(self.events(), [("E1", "posted", True), ("M1", "posted", True)])

    def test_other_invoices_are_nobodys_business(self):
        move = self.env["account.move"].create({
            "move_type": "out_invoice", "partner_id": self.customer.id, "company_id": self.company.id,
            "invoice_line_ids": [Command.create({"name": "Books", "quantity": 1, "price_unit": 20})],
        })
        move.action_post()
        self.assertEqual(self.told(), [])

    def test_a_failed_transaction_tells_nothing(self):
        self.hours(8)
        move = self.bill(self.order, post=False)
        self.env.cr.flush()
        with self.assertRaises(RuntimeError), self.env.cr.savepoint():
            move.action_post()
            raise RuntimeError("the bank is on fire")
        self.assertEqual(self.told(), [])
        self.assertEqual(move.state, "draft")
