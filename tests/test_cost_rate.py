from datetime import date
from decimal import Decimal

from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestCostRate(ApplyCase):
    """Payroll costs from a day on: work costs what was in force on its day, whenever payroll tells it."""

    def setUp(self):
        super().setUp()
        self.order = self.contract(self.deal_line(role=self.consultant))
        self.work = self.project(self.order)
        self.jane = self.resource(role=self.consultant)

    def cost_item(self, external_id, amount, starts_on, employee=None, currency="USD"):
        return self.item(
            "cost", external_id, parents={"resource": employee or self.jane}, amount=Decimal(str(amount)),
            currency=currency, starts_on=starts_on)

    def cost(self, *args, **values):
        return self.run_items(self.cost_item(*args, **values))

    def worked(self, hours, day):
        return self.time(self.work, self.jane, hours, work_date=day).record

    @freeze_time("2026-03-15")
    def test_the_employee_costs_what_is_in_force_today(self):
        self.cost("C1", "61.50", date(2026, 1, 1))
        self.assertEqual(self.jane.hourly_cost, 61.5)
        self.cost("C2", "66.00", date(2026, 4, 1))
        self.assertEqual(self.jane.hourly_cost, 61.5, "the rise is to come")
        self.env["psa.cost.rate"]._cron_follow()
        self.assertEqual(self.jane.hourly_cost, 61.5)
        with freeze_time("2026-04-01"):
            self.env["psa.cost.rate"]._cron_follow()
        self.assertEqual(self.jane.hourly_cost, 66)

    @freeze_time("2026-07-15")
    def test_time_costs_what_was_in_force_on_its_day(self):
        self.run_items(self.cost_item("C1", "61.50", date(2026, 1, 1)), self.cost_item("C2", "66.40", date(2026, 7, 1)))
        self.assertEqual(self.worked("7.25", date(2026, 6, 30)).amount, -445.88)
        self.assertEqual(self.worked("7.25", date(2026, 7, 1)).amount, -481.40)

    @freeze_time("2026-07-15")
    def test_time_of_many_days_in_one_batch(self):
        self.run_items(self.cost_item("C1", 60, date(2026, 1, 1)), self.cost_item("C2", 70, date(2026, 7, 1)))
        items = self.run_items(*(
            self.time_item(self.work, self.jane, 2, work_date=date(2026, 6, 29 + number))
            if number < 2 else self.time_item(self.work, self.jane, 2, work_date=date(2026, 7, number - 1))
            for number in range(4)))
        self.assertEqual([item.record.amount for item in items], [-120, -120, -140, -140])

    @freeze_time("2026-07-15")
    def test_a_cost_that_comes_late_corrects_the_time_since_then(self):
        self.cost("C1", 60, date(2026, 1, 1))
        before, after = self.worked(8, date(2026, 5, 29)), self.worked(8, date(2026, 6, 1))
        self.assertEqual((before.amount, after.amount), (-480, -480))
        self.cost("C2", "63.33", date(2026, 6, 1))
        self.assertEqual((before.amount, after.amount), (-480, -506.64))
        self.cost("C2", "63.33", date(2026, 7, 1))
        self.assertEqual(after.amount, -480, "the rise began a month later")
        item = self.cost("C3", 90, date(2026, 5, 29))
        self.assertEqual((before.amount, after.amount), (-720, -720))
        gone = self.run_items(self.gone(item))
        self.assert_state(gone, "done")
        self.assertEqual((before.amount, after.amount), (-480, -480), "without the row the one before counts again")

    @freeze_time("2026-07-15")
    def test_what_the_employee_cost_before_the_history_began_is_kept(self):
        self.jane.hourly_cost = 55
        before = self.worked(8, date(2025, 12, 31))
        self.cost("C1", 60, date(2026, 1, 1))
        self.assertEqual(self.jane.hourly_cost, 60)
        self.assertEqual(before.amount, -440)
        self.assertEqual(self.worked(1, date(2025, 12, 30)).amount, -55, "time that comes late too")
        history = self.env["psa.cost.rate"].search([("employee_id", "=", self.jane.id)])
        self.assertEqual(history.mapped(lambda row: (row.amount, row.date_from)), [
            (60, date(2026, 1, 1)), (55, False)])

    @freeze_time("2026-07-15")
    def test_the_project_own_cost_of_a_person_comes_first(self):
        self.cost("C1", 60, date(2026, 1, 1))
        self.env["project.sale.line.employee.map"].create({
            "project_id": self.work.id, "employee_id": self.jane.id, "sale_line_id": self.order.order_line.id,
            "cost": 80, "is_cost_changed": True})
        self.assertEqual(self.worked(8, date(2026, 5, 29)).amount, -640)

    # === CURRENCIES === #
    @freeze_time("2026-07-15")
    def test_payroll_in_another_currency(self):
        self.env["res.currency.rate"].search([]).unlink()
        self.assert_held(
            self.cost("C1", 50, date(2026, 1, 1), currency="EUR"), "invalid_data", "no exchange rate")
        self.env["res.currency.rate"].create({
            "currency_id": self.eur.id, "name": date(2025, 12, 1), "inverse_company_rate": 1.1,
            "company_id": self.us.id})
        row = self.cost("C1", 50, date(2026, 1, 1), currency="EUR").record
        self.assertAlmostEqual(row.hourly_cost, 55, 3)
        self.assertEqual((self.jane.hourly_cost, self.worked(8, date(2026, 5, 29)).amount), (55, -440))

    # === THE SOURCE === #
    @freeze_time("2026-07-15")
    def test_same_cost_again_changes_nothing(self):
        first = self.cost("C1", 60, date(2026, 1, 1))
        with self.assert_no_write("psa.cost.rate", "hr.employee", "account.analytic.line"):
            second = self.cost("C1", 60, date(2026, 1, 1))
        self.assertEqual(first.record, second.record)

    @freeze_time("2026-07-15")
    def test_two_costs_from_the_same_day(self):
        self.cost("C1", 60, date(2026, 1, 1))
        self.assert_held(
            self.cost("C2", 65, date(2026, 1, 1)), "invalid_data", "Jane Doe has two costs from 01/01/2026 on")
        self.assertEqual(self.jane.hourly_cost, 60)

    @freeze_time("2026-07-15")
    def test_row_that_a_person_made_is_taken_over(self):
        row = self.env["psa.cost.rate"].create({
            "employee_id": self.jane.id, "date_from": date(2026, 1, 1), "amount": 58})
        self.assertEqual(self.jane.hourly_cost, 58)
        self.assertEqual(self.cost("C1", 60, date(2026, 1, 1)).record, row)
        self.assertEqual(self.jane.hourly_cost, 60)

    def test_cost_less_than_nothing(self):
        self.assert_held(self.cost("C1", -5, date(2026, 1, 1)), "invalid_data", "less than nothing")

    @freeze_time("2026-07-15")
    def test_the_history_outranks_the_cost_that_a_resource_names(self):
        self.cost("C1", 60, date(2026, 1, 1))
        known = self.env["psa.binding"].search([("res_model", "=", "hr.employee"), ("res_id", "=", self.jane.id)])
        item = self.item("resource", known.external_id, codes={"company": self.us, "role": None}, name="Jane Doe",
                         cost_rate=Decimal(99), cost_currency="USD")
        self.assertEqual(self.run_items(item).record, self.jane)
        self.assertEqual(self.jane.hourly_cost, 60)

    # === WHO SEES IT === #
    def test_costs_are_not_for_everyone(self):
        row = self.cost("C1", 60, date(2026, 1, 1)).record
        company = {"company_id": self.us.id, "company_ids": [Command.set(self.us.ids)]}
        operator = new_test_user(self.env, "cost_operator", "psa_hub.group_operator", **company)
        officer = new_test_user(self.env, "cost_officer", "hr.group_hr_user", **company)
        with self.assertRaises(AccessError):
            row.with_user(operator).read(["amount"])
        row.with_user(officer).with_context(allowed_company_ids=self.us.ids).amount = 62
        self.assertEqual(row.hourly_cost, 62)
