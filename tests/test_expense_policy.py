from datetime import date, timedelta
from decimal import Decimal

from psycopg2.errors import CheckViolation, ExclusionViolation

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .costs_common import CostsCase


@tagged("post_install", "-at_install")
class TestExpensePolicy(CostsCase):
    """What a contract lets through of expenses, to the cent, with a trace that can be recomputed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0))

    # === WHICH POLICY === #
    def test_without_a_policy_an_expense_is_billed_at_what_its_source_says(self):
        entry = self.make_expense(self.order, 99.99)
        self.assertEqual((entry.state, entry.amount, entry.expense_policy_id.id), ("approved", 99.99, False))
        self.assertEqual(entry.trace["rule"], "agreed_amount")

    def test_the_most_specific_policy_decides_never_the_cheapest(self):
        scopes = [
            ("company", {}, 10),
            ("company_category", {"product_id": self.travel.id}, 20),
            ("customer", {"partner_id": self.customer.id}, 5),
            ("customer_category", {"partner_id": self.customer.id, "product_id": self.travel.id}, 40),
            ("contract", {"order_id": self.order.id}, 1),
            ("contract_category", {"order_id": self.order.id, "product_id": self.travel.id}, 60),
        ]
        entry = self.make_expense(self.order, 100)
        for scope, values, markup in scopes:
            policy = self.make_policy(method="markup", markup_percent=markup, **values)
            self.assertEqual(policy.scope, scope)
            self.assertEqual((entry.amount, entry.trace["policy"]["scope"]), (100 + markup, scope))
            self.assertNotIn(scope, entry.trace["policy"]["tried"])
        self.assertEqual(self.make_expense(self.order, 100, product=self.meals).amount, 101, "another category")

    def test_the_policy_in_force_on_the_day_of_the_expense(self):
        self.make_policy(method="markup", markup_percent=5, date_to=date(2026, 4, 30))
        self.make_policy(method="markup", markup_percent=8, date_from=date(2026, 5, 1), date_to=date(2026, 5, 31))
        days = [date(2026, 4, 30), date(2026, 5, 1), date(2026, 5, 31), date(2026, 6, 1)]
        self.assertEqual([self.make_expense(self.order, 100, day=day).amount for day in days], [105, 108, 108, 100])

    def test_overlap_is_refused_by_the_database(self):
        self.make_policy(product_id=self.travel.id, date_to=date(2026, 5, 31))
        self.make_policy(date_from=date(2026, 5, 1))
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            self.make_policy(product_id=self.travel.id, date_from=date(2026, 5, 31))
            self.env.flush_all()

    def test_impossible_policies_are_refused_by_the_database(self):
        for values in (
            {"markup_percent": -1}, {"method": "per_diem"}, {"cap_amount": -5},
            {"order_id": self.order.id, "partner_id": self.customer.id},
        ):
            with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
                self.make_policy(**values)
                self.env.flush_all()

    def test_a_changed_policy_reaches_what_is_on_no_invoice_and_only_that(self):
        policy = self.make_policy(method="markup", markup_percent=10)
        billed = self.make_expense(self.order, 100)
        self.bill(self.order)
        waiting = self.make_expense(self.order, 100)
        policy.markup_percent = 20
        self.assertEqual((billed.amount, waiting.amount), (110, 120))
        self.sync_expense(self.order, billed.expense_id, 100)
        self.assertFalse(billed.pending_change, "the source says nothing new")
        self.sync_expense(self.order, billed.expense_id, 150)
        self.assertEqual((billed.pending_change, billed.pending_amount), ("changed", 180))
        policy.unlink()
        self.assertEqual((billed.amount, waiting.amount), (110, 100))

    # === MARK-UP === #
    def test_mark_up_is_rounded_once(self):
        """| cost  | mark-up | exact    | billed |"""
        for cost, markup, exact, billed in [
            (33.33, 7.5, "35.82975", 35.83),
            (0.10, 5, "0.105", 0.11),
            (-0.10, 5, "-0.105", -0.11),
            (19.99, 12.25, "22.438775", 22.44),
        ]:
            policy = self.make_policy(method="markup", markup_percent=markup, order_id=self.order.id)
            entry = self.make_expense(self.order, cost)
            self.assertEqual((entry.trace["exact"], entry.amount), (exact, billed))
            self.assertEqual(
                Decimal(entry.trace["cost"]) * (1 + Decimal(entry.trace["markup_percent"]) / 100), Decimal(exact))
            self.assertEqual((entry.cost_amount, entry.margin_amount), (cost, round(billed - cost, 2)))
            policy.unlink()

    # === TAX ON THE EXPENSE === #
    def test_paid_price_holds_tax_that_the_company_gets_back(self):
        tax = self.company.account_purchase_tax_id  # 15 %, posted to an account of its own
        order = self.make_contract(("time_material", 1, 1))
        for basis, cost, billed in [("source", "90", 99), ("net", "100", 110), ("gross", "115", 126.5)]:
            policy = self.make_policy(method="markup", markup_percent=10, basis=basis, order_id=order.id)
            entry = self.make_expense(order, 90, paid=115, tax=tax)
            self.assertEqual((entry.trace["cost"], entry.amount), (cost, billed), basis)
            policy.unlink()

    def test_tax_that_is_not_recovered_is_a_cost(self):
        tax = self.company.account_purchase_tax_id.copy({"name": "Not recoverable"})
        tax.invoice_repartition_line_ids.filtered(lambda line: line.repartition_type == "tax").account_id = False
        self.make_policy(basis="net")
        self.assertEqual(self.make_expense(self.order, 90, paid=115, tax=tax).amount, 115)

    # === PER DIEM === #
    def test_per_diem_is_billed_once_a_person_and_day(self):
        self.make_policy(method="per_diem", per_diem_amount=60, product_id=self.meals.id)
        lunch = self.make_expense(self.order, 18.5, product=self.meals)
        dinner = self.make_expense(self.order, 44, product=self.meals)
        grace = self.make_expense(self.order, 12, product=self.meals, employee=self.grace)
        tuesday = self.make_expense(self.order, 90, product=self.meals, day=date(2026, 5, 5))
        train = self.make_expense(self.order, 30)
        entries = lunch | dinner | grace | tuesday | train
        self.assertEqual(entries.mapped("amount"), [60, 0, 60, 60, 30])
        self.assertEqual((dinner.state, dinner.reason), ("excluded", "per_diem"))
        self.assertEqual(lunch.margin_amount, 41.5, "the firm keeps what was not eaten")
        turn = f"expense-day:{lunch.expense_policy_id.id}:{self.order.id}:{self.ada.id}:2026-05-04"
        self.assertTrue(
            self.env["psa.apply.turn"].search([("name", "=", turn)]), "two workers cannot both find the day empty")
        self.sync_expense(self.order, lunch.expense_id, 18.5, deleted=True)
        self.assertEqual((dinner.state, dinner.amount), ("approved", 60), "the day's allowance is free again")
        move = self.bill(self.order)
        self.assertLines(move, *[("expense", 1, amount) for amount in (60, 60, 30, 60)])

    def test_a_whole_day_in_one_message_or_one_by_one_comes_to_the_same(self):
        self.make_policy(cap_amount=100, cap_per="day", over_cap="cut")
        amounts = (70, 20, 50, 5)
        single = self.env["psa.entry"].union(*(self.make_expense(self.order, amount) for amount in amounts))
        self.assertEqual(single.mapped("amount"), [70, 20, 10, 0])
        self.assertEqual(single.mapped("state"), ["approved", "approved", "approved", "excluded"])
        self.env["psa.entry"]._reprice(single)
        self.assertEqual(single.mapped("amount"), [70, 20, 10, 0])
        self.sync_expense(self.order, single[1].expense_id, 0.5)
        self.assertEqual(single.mapped("amount"), [70, 0.5, 29.5, 0])
        self.sync_expense(self.order, single[0].expense_id, 30)
        self.assertEqual(single.mapped("amount"), [30, 0.5, 50, 5])

    # === LIMITS === #
    def test_what_is_above_the_limit_waits_and_the_rest_is_billed(self):
        self.make_policy(method="markup", markup_percent=10, cap_amount=100)
        entry = self.make_expense(self.order, 120)
        self.assertEqual(
            (entry.state, entry.gross_amount, entry.amount, entry.policy_over_amount), ("approved", 132, 100, 32))
        exception = entry.exception_id
        self.assertEqual((exception.cause_code, exception.amount), ("expense_policy", 32))
        self.assertEqual(exception.action_fix()["res_model"], "psa.expense.policy")
        self.assertEqual(exception.action_fix()["res_id"], entry.expense_policy_id.id)
        self.assertEqual([step["amount"] for step in entry.trace["steps"]], ["-32"])
        entry.expense_policy_id.cap_amount = 200
        self.assertEqual((entry.amount, entry.policy_over_amount, exception.state), (132, 0, "resolved"))

    def test_waiving_gives_up_only_what_is_above(self):
        self.make_policy(cap_amount=100)
        entry = self.make_expense(self.order, 120)
        entry.exception_id.with_user(self.approver).action_waive("The customer will not pay it")
        self.assertEqual((entry.state, entry.amount, entry.exception_id.id), ("approved", 100, False))
        self.assertEqual([step["step"] for step in entry.trace["steps"]], ["cut_by_policy"])
        self.assertLines(self.bill(self.order), ("expense", 1, 100))
        self.assertLedger(entry)

    def test_cut_off(self):
        self.make_policy(cap_amount=80, over_cap="cut")
        entry = self.make_expense(self.order, 120)
        self.assertEqual((entry.state, entry.gross_amount, entry.amount), ("approved", 80, 80))
        self.assertEqual(entry.trace["steps"], [
            {"step": "cut_by_policy", "limit": "80", "per": "item", "amount": "-40", "left": "80"}])
        self.assertFalse(entry.exception_id)

    def test_nothing_left_of_the_day_waits_whole(self):
        self.make_policy(cap_amount=50, cap_per="day")
        first, second = self.make_expense(self.order, 50), self.make_expense(self.order, 30)
        self.assertEqual(first.amount, 50)
        self.assertHeld(second, "expense_policy", "expense_policy", 30)

    # === PROOF === #
    def test_receipt(self):
        self.make_policy(receipt_required=True, receipt_from=25)
        cheap, dear, other = (self.make_expense(self.order, amount) for amount in (24.99, 25, 80))
        self.assertEqual(cheap.state, "approved")
        self.assertHeld(dear, "receipt_missing", "receipt_missing", 105)
        self.assertEqual(dear.exception_id, other.exception_id, "one exception a person and contract")
        exception = dear.exception_id
        shown = self.env["hr.expense"].search(exception.action_fix()["domain"])
        self.assertEqual(shown, (dear | other).expense_id)
        receipt = self.attach_receipt(dear)
        self.assertEqual((dear.state, exception.is_open, exception.amount), ("approved", True, 80))
        self.attach_receipt(other)
        self.assertEqual((other.state, exception.state), ("approved", "resolved"))
        receipt.unlink()
        self.assertHeld(dear, "receipt_missing", "receipt_missing", 25)
        dear.expense_id.message_post(body="here", attachments=[("receipt.pdf", b"receipt")])
        self.assertEqual(dear.state, "approved", "a receipt in a message is one as well")

    def test_too_old(self):
        policy = self.make_policy(max_age_days=30)
        today = fields.Date.today()
        fresh = self.make_expense(self.order, 40, day=today - timedelta(days=30))
        late = self.make_expense(self.order, 50, day=today - timedelta(days=31))
        self.assertEqual(fresh.state, "approved")
        self.assertHeld(late, "expense_policy", "expense_policy", 50)
        policy.max_age_days = 60
        self.assertEqual(late.state, "approved")

    def test_not_billed(self):
        policy = self.make_policy(method="not_billed", product_id=self.meals.id)
        entry = self.make_expense(self.order, 40, product=self.meals)
        self.assertEqual((entry.state, entry.reason), ("excluded", "policy_excluded"))
        policy.method = "cost"
        self.assertEqual((entry.state, entry.amount), ("approved", 40))

    # === THE WHOLE WAY === #
    def test_an_invoice_of_all_kinds(self):
        """The worked example of the documentation."""
        self.make_policy(method="markup", markup_percent=10, cap_amount=300, order_id=self.order.id)
        self.make_policy(
            method="per_diem", per_diem_amount=60, order_id=self.order.id, product_id=self.meals.id)
        self.make_expense(self.order, 212.4)
        self.make_expense(self.order, 35, product=self.meals)
        hotel = self.make_expense(self.order, 290, day=date(2026, 5, 5))
        move = self.bill(self.order)
        self.assertLines(move, ("expense", 1, 233.64), ("expense", 1, 60), ("expense", 1, 300))
        self.assertEqual(move.amount_untaxed, 593.64)
        self.assertEqual(hotel.policy_over_amount, 19)
        self.assertLedger(move.psa_allocation_ids.entry_id)

    def test_only_those_who_keep_prices_change_policies(self):
        policy = self.make_policy(method="markup", markup_percent=10)
        self.assertEqual(policy.with_user(self.preparer).markup_percent, 10)
        with self.assertRaises(AccessError):
            policy.with_user(self.preparer).markup_percent = 50
        policy.with_user(self.approver).markup_percent = 12

    def test_queries_do_not_grow_with_the_rows(self):
        self.make_policy(method="markup", markup_percent=10, cap_amount=50, cap_per="day", receipt_required=True)
        entries = self.env["psa.entry"].union(*(
            self.make_expense(self.order, 10, day=date(2026, 5, day)) for day in range(1, 13)))
        self.env.flush_all()
        counts = []
        for chosen in (entries[:3], entries):
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            self.env["psa.entry"]._reprice(chosen)
            self.env.flush_all()
            counts.append(self.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 3, counts)
