from datetime import date

from odoo.tests import tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyMilestone(ApplyCase):
    def setUp(self):
        super().setUp()
        self.order = self.contract(
            self.deal_line(role=self.consultant, price=150), self.deal_line("milestone", 1, 40000, name="Delivery"))
        self.project_ = self.project(self.order)
        self.line = self.order.order_line[1]

    def milestone_item(self, external_id="M1", amount=10000, approved=False, **values):
        return self.item("milestone", external_id, parents={"project": self.project_}, **{
            "name": "Design accepted", "amount": amount, "currency": "USD", "approved": approved, **values})

    def test_share_of_the_contract_line(self):
        milestone = self.run_items(self.milestone_item(target_on=date(2026, 4, 1))).record
        self.assertEqual(milestone.sale_line_id, self.line)
        self.assertEqual(milestone.quantity_percentage, 0.25)
        self.assertEqual(milestone.deadline, date(2026, 4, 1))
        self.assertFalse(milestone.is_reached)
        self.assertEqual(self.entry(milestone, "milestone_id").state, "waiting")
        self.assertEqual(self.line.qty_delivered, 0)

    def test_approved_milestone_is_reached_and_billable(self):
        self.run_items(self.milestone_item())
        milestone = self.run_items(self.milestone_item(approved=True, reached_on=date(2026, 3, 30))).record
        self.assertTrue(milestone.is_reached)
        self.assertEqual(self.line.qty_delivered, 0.25)
        entry = self.entry(milestone, "milestone_id")
        self.assertEqual((entry.state, entry.amount, entry.work_date), ("approved", 10000, date(2026, 3, 30)))
        self.assertEqual(entry.order_line_id, self.line)

    def test_third_of_a_fee_to_the_cent(self):
        milestone = self.run_items(self.milestone_item(amount="13333.33", approved=True)).record
        self.assertEqual(self.entry(milestone, "milestone_id").amount, 13333.33)

    def test_line_of_the_same_name(self):
        order = self.contract(
            self.deal_line("milestone", 1, 100, name="Design"), self.deal_line("milestone", 1, 300, name="Go-live"))
        self.project_ = self.project(order)
        milestone = self.run_items(self.milestone_item(name="Go-Live", amount=300)).record
        self.assertEqual(milestone.sale_line_id, order.order_line[1])
        self.assertEqual(milestone.quantity_percentage, 1)

    def test_shell_of_the_same_name_is_adopted(self):
        shell = self.env["project.milestone"].create({"name": "Design accepted", "project_id": self.project_.id})
        self.assertEqual(self.run_items(self.milestone_item()).record, shell)

    def test_no_milestone_line(self):
        order = self.contract(self.deal_line(role=self.consultant))
        self.project_ = self.project(order)
        item = self.run_items(self.milestone_item())
        self.assert_held(item, "no_contract", "Design accepted", order.name)
        self.assertEqual((item.amount, item.currency), (10000, "USD"))

    def test_currency_mismatch(self):
        self.assert_held(self.run_items(self.milestone_item(currency="EUR")), "currency_mismatch", "EUR", "USD")

    def test_same_milestone_again_changes_nothing(self):
        self.run_items(self.milestone_item(approved=True))
        with self.assert_no_write("project.milestone", "psa.entry"):
            self.run_items(self.milestone_item(approved=True))

    def test_deleted_milestone(self):
        item = self.run_items(self.milestone_item(approved=True))
        milestone, entry = item.record, self.entry(item.record, "milestone_id")
        self.run_items(self.gone(item))
        self.assertFalse(milestone.exists())
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "deleted"))

    def test_queries_do_not_grow_with_the_batch(self):
        def queries(start, size):
            items = [
                self.milestone_item(f"Q{number}", amount=10, approved=True, name=f"Step {number}")
                for number in range(start, start + size)
            ]
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.handler("milestone")._prepare(items)
            self.handler("milestone")._apply(items)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        queries(0, 2)
        small, large = queries(100, 10), queries(1000, 100)
        self.assertLessEqual(large, small + 6)


@tagged("post_install", "-at_install")
class TestApplyExpense(ApplyCase):
    def setUp(self):
        super().setUp()
        self.jane = self.resource("Jane Doe")
        self.order = self.contract(self.deal_line(role=self.consultant, price=150))
        self.project_ = self.project(self.order)
        self.travel = self.env["product.product"].create({
            "name": "Travel", "type": "service", "can_be_expensed": True, "expense_policy": "no", "standard_price": 0,
            "supplier_taxes_id": False,
        })

    def expense_item(self, external_id="E1", amount=119, billing_amount=100, **values):
        return self.item(
            "expense", external_id,
            parents={
                "project": self.project_, "resource": values.pop("resource", self.jane), **values.pop("parents", {}),
            },
            codes={"category": self.travel}, **{
                "spent_on": date(2026, 2, 3), "description": "Train to Berlin", "amount": amount, "currency": "USD",
                "billing_amount": billing_amount, "billing_currency": "USD", "billable": True, "reimbursable": True,
                "approved": True, **values,
            })

    def test_approved_expense_waits_for_accounting_and_is_billable(self):
        expense = self.run_items(self.expense_item()).record
        self.assertEqual(expense.state, "approved")
        self.assertFalse(expense.account_move_id)
        self.assertFalse(expense.sale_order_id, "Odoo must not re-invoice what the hub bills")
        self.assertEqual((expense.total_amount_currency, expense.company_id), (119, self.us))
        self.assertEqual(expense.payment_mode, "own_account")
        self.assertEqual(expense.analytic_distribution, {str(self.project_.account_id.id): 100})
        entry = self.entry(expense, "expense_id")
        self.assertEqual((entry.state, entry.amount, entry.currency_id), ("approved", 100, self.usd))
        self.assertEqual(entry.order_line_id.psa_billing_method, "expense")

    def test_spent_in_another_currency_billed_in_the_contracts(self):
        expense = self.run_items(self.expense_item(currency="EUR", amount=90)).record
        self.assertEqual((expense.currency_id, expense.total_amount_currency), (self.eur, 90))
        self.assertEqual(self.entry(expense, "expense_id").amount, 100)

    def test_unapproved_expense_is_a_draft_and_waits(self):
        expense = self.run_items(self.expense_item(approved=False)).record
        self.assertEqual(expense.state, "draft")
        self.assertEqual(self.entry(expense, "expense_id").state, "waiting")
        self.run_items(self.expense_item())
        self.assertEqual(expense.state, "approved")
        self.assertEqual(self.entry(expense, "expense_id").state, "approved")

    def test_rejected_expense_leaves_no_trace(self):
        new = self.run_items(self.expense_item("E9", approved=False, status="Rejected"))
        self.assert_state(new, "done")
        self.assertIsNone(new.record)
        expense = self.run_items(self.expense_item()).record
        entry = self.entry(expense, "expense_id")
        self.run_items(self.expense_item(approved=False, status="Rejected"))
        self.assertFalse(expense.exists())
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "rejected"))

    def test_paid_by_the_company(self):
        self.assertEqual(self.run_items(self.expense_item(reimbursable=False)).record.payment_mode, "company_account")

    def test_not_billable(self):
        expense = self.run_items(self.expense_item(billable=False, billing_amount=None)).record
        self.assertEqual(expense.state, "approved")
        self.assertEqual(self.entry(expense, "expense_id").state, "excluded")

    def test_held_cases(self):
        anna = self.resource("Anna", company=self.de)
        self.assert_held(self.run_items(self.expense_item(resource=anna)), "wrong_entity", "Anna")
        self.assert_held(
            self.run_items(self.expense_item(billing_currency="EUR")), "currency_mismatch", "EUR", self.order.name)
        self.assert_held(self.run_items(self.expense_item(currency="CHF")), "currency_mismatch", "CHF")
        self.assert_held(self.run_items(self.expense_item(billing_amount=None)), "invalid_data", "what to bill")
        internal = self.project(name="Training")
        item = self.run_items(self.expense_item(parents={"project": internal}))
        self.assert_held(item, "no_contract", "Training")
        self.assertEqual((item.amount, item.currency), (100, "USD"))
        self.project_.psa_closed_for_expenses = True
        self.assert_held(self.run_items(self.expense_item()), "closed_project", "Relaunch")

    def test_changed_amount(self):
        expense = self.run_items(self.expense_item()).record
        self.run_items(self.expense_item(amount=238, billing_amount=200))
        self.assertEqual((expense.total_amount_currency, expense.state), (238, "approved"))
        self.assertEqual(self.entry(expense, "expense_id").amount, 200)

    def test_same_expense_again_changes_nothing(self):
        self.run_items(self.expense_item())
        with self.assert_no_write("hr.expense", "psa.entry"):
            self.run_items(self.expense_item())

    def test_leavers_expense(self):
        self.jane.active = False
        self.assert_state(self.run_items(self.expense_item()), "done")

    def test_deleted_at_source(self):
        item = self.run_items(self.expense_item())
        expense, entry = item.record, self.entry(item.record, "expense_id")
        self.assertIsNone(self.run_items(self.gone(item)).record)
        self.assertFalse(expense.exists())
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "deleted"))

    def test_queries_do_not_grow_with_the_batch(self):
        def queries(start, size):
            items = [self.expense_item(f"Q{number}", amount=10 + number) for number in range(start, start + size)]
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.handler("expense")._prepare(items)
            self.handler("expense")._apply(items)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        queries(0, 2)
        small, large = queries(100, 10), queries(1000, 100)
        self.assertLessEqual(large, small + 10)
