from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyCosts(ApplyCase):
    """Records in another currency than their contract's: held, or converted where the contract says how."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.currency.rate"].search([]).unlink()
        cls.env["res.currency.rate"].create({
            "currency_id": cls.eur.id, "name": date(2026, 2, 1), "inverse_company_rate": 1.1, "company_id": cls.us.id})
        cls.category = cls.env["product.product"].create({
            "name": "Travel", "can_be_expensed": True, "standard_price": 0.0, "supplier_taxes_id": False})

    def setUp(self):
        super().setUp()
        self.order = self.contract(self.deal_line(role=self.consultant))
        self.work = self.project(self.order)
        self.jane = self.resource()

    def expense_item(self, **values):
        return self.item(
            "expense", "E1", parents={"project": self.work, "resource": self.jane},
            codes={"category": self.category},
            **{"spent_on": date(2026, 2, 3), "amount": Decimal("119"), "currency": "EUR",
               "billing_amount": Decimal("100"), "billing_currency": "EUR", "billable": True, "approved": True,
               **values},
        )

    def test_an_expense_in_euro_on_a_contract_in_dollars(self):
        self.assert_held(
            self.run_items(self.expense_item()), "currency_mismatch", self.order.name, "which exchange rate")
        self.order.psa_exchange_rule = "work_date"
        entry = self.entry(self.run_items(self.expense_item()).record, "expense_id")
        self.assertEqual((entry.state, entry.amount, entry.currency_id), ("approved", 110, self.usd))
        self.assertEqual((entry.source_amount, entry.source_currency_id), (100, self.eur))

    def test_what_was_paid_in_another_currency_than_is_billed(self):
        self.env["psa.expense.policy"].create({
            "company_id": self.us.id, "order_id": self.order.id, "basis": "gross"})
        entry = self.entry(self.run_items(
            self.expense_item(billing_amount=Decimal("125"), billing_currency="USD")).record, "expense_id")
        self.assertEqual((entry.state, entry.reason, entry.amount), ("held", "currency_mismatch", 0))
        self.order.psa_exchange_rule = "work_date"
        self.assertEqual((entry.state, entry.amount, entry.trace["cost"]), ("approved", 130.9, "119"))

    def test_an_expense_that_is_not_billed_needs_no_rule(self):
        item = self.run_items(self.expense_item(billable=False))
        self.assertEqual(self.entry(item.record, "expense_id").state, "excluded")

    def test_a_changed_expense_follows_its_policy(self):
        self.env["psa.expense.policy"].create({
            "company_id": self.us.id, "order_id": self.order.id, "method": "markup", "markup_percent": 10})
        values = {"currency": "USD", "billing_currency": "USD"}
        entry = self.entry(self.run_items(self.expense_item(**values)).record, "expense_id")
        self.assertEqual(entry.amount, 110)
        self.run_items(self.expense_item(billing_amount=Decimal("200"), **values))
        self.assertEqual(entry.amount, 220)
        self.run_items(self.expense_item(billing_amount=Decimal("200"), approved=False, **values))
        self.assertEqual(entry.state, "withdrawn")

    def test_hours_whose_source_counts_in_euro(self):
        self.assert_held(self.time(self.work, self.jane, currency="EUR"), "currency_mismatch")
        self.order.psa_exchange_rule = "work_date"
        entry = self.entry(self.time(self.work, self.jane, currency="EUR").record)
        self.assertEqual((entry.state, entry.amount), ("approved", 1200))
