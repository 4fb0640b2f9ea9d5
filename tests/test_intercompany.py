"""People of one company on a contract of another one: held without a transfer price, charged once with one."""

from datetime import date

import psycopg2

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestIntercompany(BillingCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lender = cls.env["res.company"].create({
            "name": "Ledger Lenders", "currency_id": cls.env.ref("base.USD").id,
            "country_id": cls.env.ref("base.us").id})
        cls.env.user.company_ids = [Command.link(cls.lender.id)]
        cls.env["account.chart.template"].try_loading("generic_coa", company=cls.lender, install_demo=False)
        cls.lent = cls.env["hr.employee"].create({
            "name": "Lena", "company_id": cls.lender.id, "hourly_cost": 70.0})
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(133.33, cls.order, role_id=cls.consultant.id)

    @classmethod
    def make_timesheets(cls, order, hours, employee=None, line=None, day=date(2026, 5, 4)):
        """As a lane does it: with all companies. Finance and approver of the tests know only their own one."""
        own = cls.env
        cls.env = own(context=dict(own.context, allowed_company_ids=[cls.company.id, cls.lender.id]))
        try:
            return super().make_timesheets(order, hours, employee, line, day).with_env(own)
        finally:
            cls.env = own

    def make_price(self, **values):
        return self.env["psa.transfer.price"].create({
            "provider_company_id": self.lender.id, "receiver_company_id": self.company.id, "method": "percent",
            "percent": 60.0, **values})

    def lend(self, hours, **values):
        return self.make_time(self.order, hours, employee=self.lent, role_id=self.consultant.id, **values)

    def test_without_a_price_it_is_held_with_its_money_and_the_price_releases_it(self):
        [entry] = self.lend([2])
        self.assertEqual((entry.state, entry.reason, entry.risk_amount), ("held", "wrong_entity", 266.66))
        self.assertEqual(entry.exception_id.cause_code, "wrong_entity")
        exception = entry.exception_id
        self.make_price()
        self.assertEqual((entry.state, entry.amount), ("approved", 266.66))
        self.assertEqual(exception.state, "resolved")

    def test_invoice_and_bill_are_made_when_the_customer_is_invoiced(self):
        self.make_price()
        self.lend([(date(2026, 5, 4), 0.25), (date(2026, 5, 5), 2)])
        self.make_time(self.order, [1])  # own people: nothing between the companies
        move = self.bill(self.order)
        lendings = move.psa_lending_ids
        # 0.25 x 79.998 = 19.9995 -> 20.00; 2 x 79.998 = 159.996 -> 160.00
        self.assertEqual(lendings.sorted("work_date").mapped("amount"), [20.0, 160.0])
        invoice, bill = lendings.invoice_id, lendings.bill_id
        self.assertEqual(
            (invoice.company_id, invoice.partner_id, invoice.state, invoice.amount_untaxed),
            (self.lender, self.company.partner_id, "posted", 180.0))
        self.assertEqual(
            (bill.company_id, bill.partner_id, bill.state, bill.amount_untaxed, bill.ref),
            (self.company, self.lender.partner_id, "posted", 180.0, invoice.name))
        self.assertEqual(sum(invoice.invoice_line_ids.mapped("quantity")), 2.25)
        self.assertEqual(move.psa_lending_count, 2)

    def test_reset_cancels_both_and_posting_again_charges_again(self):
        self.make_price()
        self.lend([2])
        move = self.bill(self.order)
        first = move.psa_lending_ids
        move.button_draft()
        self.assertEqual((first.state, first.invoice_id.state, first.bill_id.state), ("cancel", "cancel", "cancel"))
        move.action_post()
        second = move.psa_lending_ids - first
        self.assertEqual((second.state, second.amount, second.invoice_id.state), ("charged", 160.0, "posted"))
        move.button_draft()
        move.button_cancel()
        self.assertEqual(set(move.psa_lending_ids.mapped("state")), {"cancel"})

    def test_work_that_is_credited_and_billed_again_is_charged_between_the_companies_once(self):
        self.make_price()
        self.lend([2])
        move = self.bill(self.order)
        self.env["account.move.reversal"].with_context(active_model="account.move", active_ids=move.ids).create(
            {"journal_id": move.journal_id.id}).refund_moves()
        move.reversal_move_ids.action_post()
        again = self.bill(self.order)
        self.assertEqual(again.amount_untaxed, 266.66)
        self.assertFalse(again.psa_lending_ids)
        self.assertEqual(self.env["psa.lending"].search([("entry_id", "in", again.psa_allocation_ids.entry_id.ids)])
                         .mapped("state"), ["charged"])

    def test_fixed_price_cost_plus_and_the_role_of_its_own(self):
        self.make_price(method="fixed", amount=80.0, percent=0)
        self.make_price(method="cost_plus", percent=10.0, role_id=self.architect.id, date_from=date(2026, 5, 10))
        self.make_rate(200, self.order, role_id=self.architect.id)
        specs = self.make_timesheets(self.order, [(date(2026, 5, 4), 1), (date(2026, 5, 12), 1)], self.lent)
        self.env["psa.entry"]._sync("time", self.time_specs(self.order, specs, role_id=self.architect.id))
        move = self.bill(self.order)
        # before the 10th the architect has no price of its own; from then on 70 + 10 % = 77
        self.assertEqual(move.psa_lending_ids.sorted("work_date").mapped("amount"), [80.0, 77.0])

    def test_no_hourly_cost_is_said_and_nothing_is_posted(self):
        self.make_price(method="cost_plus", percent=10.0)
        self.lent.hourly_cost = 0
        self.lend([2])
        with self.assertRaisesRegex(UserError, "Lena has no hourly cost"):
            self.bill(self.order)

    def test_the_database_refuses_overlap_and_a_second_charge(self):
        price = self.make_price()
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.ExclusionViolation), self.env.cr.savepoint():
            self.make_price(date_from=date(2026, 1, 1))
        self.lend([2])
        lending = self.bill(self.order).psa_lending_ids
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.UniqueViolation), self.env.cr.savepoint():
            lending.copy()
        self.assertEqual(lending.transfer_price_id, price)
