from datetime import date

from odoo import Command
from odoo.tests import tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyProject(ApplyCase):
    def test_first_project_of_a_deal_is_adopted(self):
        order = self.contract()
        made = self.env["project.project"].search([("psa_contract_id", "=", order.id)])
        manager_user = self.env["res.users"].create({"name": "Max", "login": "max@northwind.example"})
        manager = self.resource("Max", parents={"user": manager_user})
        item = self.apply(
            "project", "PR1", name="Relaunch phase 1", parents={"deal": order, "manager": manager},
            codes={"company": self.us}, starts_on=date(2026, 1, 1), ends_on=date(2026, 6, 30), closed_for_expenses=True,
        )
        self.assertEqual(item.record, made)
        self.assertEqual(made.name, "Relaunch phase 1")
        self.assertEqual((made.date_start, made.date), (date(2026, 1, 1), date(2026, 6, 30)))
        self.assertEqual(made.user_id, manager_user)
        self.assertFalse(made.psa_closed_for_time)
        self.assertTrue(made.psa_closed_for_expenses)

    def test_second_project_of_a_deal_shares_the_contract(self):
        order = self.contract()
        first, second = self.run_items(
            self.item("project", "PR1", name="Phase 1", parents={"deal": order}, codes={"company": None}),
            self.item("project", "PR2", name="Phase 2", parents={"deal": order}, codes={"company": None}),
        )
        self.assertNotEqual(first.record, second.record)
        self.assertEqual(second.record.psa_contract_id, order)
        self.assertEqual(second.record.company_id, self.us)
        self.assertEqual(second.record.partner_id, order.partner_id)
        self.assertTrue(second.record.account_id)
        self.assertEqual(order.project_id, first.record)

    def test_project_without_deal_and_customer_is_internal(self):
        project = self.project(name="Training", billable=True)
        self.assertFalse(project.allow_billable)
        self.assertFalse(project.psa_contract_id)
        self.assertEqual(project.company_id, self.us, "the connection's company")

    def test_project_of_a_customer_without_deal(self):
        party = self.party()
        project = self.apply(
            "project", name="Support", parents={"party": party}, codes={"company": self.de}).record
        self.assertTrue(project.allow_billable)
        self.assertEqual((project.partner_id, project.company_id), (party, self.de))

    def test_deal_that_comes_later_gives_the_contract(self):
        self.apply("project", "PR1", name="Support", parents={"party": self.party()}, codes={"company": self.us})
        order = self.contract()
        item = self.apply("project", "PR1", name="Support", parents={"deal": order}, codes={"company": self.us})
        self.assertEqual(item.record.psa_contract_id, order)

    def test_inactive_project_takes_no_more_time(self):
        project = self.apply("project", "PR1", name="P", active=False, codes={"company": None}).record
        self.assertTrue(project.active, "its history stays in sight")
        self.assertTrue(project.psa_closed_for_time)
        self.apply("project", "PR1", name="P", active=True, codes={"company": None})
        self.assertFalse(project.psa_closed_for_time)

    def test_legal_entity_that_is_not_the_contracts(self):
        order = self.contract()
        item = self.apply("project", name="P", parents={"deal": order}, codes={"company": self.de})
        self.assert_held(item, "wrong_entity", order.name, "Nordwind GmbH", "Northwind Inc.")

    def test_same_project_again_changes_nothing(self):
        values = {"parents": {"deal": self.contract()}, "codes": {"company": None}, "name": "P",
                  "starts_on": date(2026, 1, 1), "ends_on": date(2026, 6, 30)}
        self.apply("project", "PR1", **values)
        with self.assert_no_write("project.project"):
            self.apply("project", "PR1", **values)

    def test_deleted_project_is_closed(self):
        item = self.run_items(self.item("project", "PR1", name="P", codes={"company": None}))
        project = item.record
        self.run_items(self.gone(item))
        self.assertTrue(project.exists() and project.psa_closed_for_time and project.psa_closed_for_expenses)


@tagged("post_install", "-at_install")
class TestApplyAssignment(ApplyCase):
    def setUp(self):
        super().setUp()
        self.jane = self.resource("Jane Doe", role=self.consultant)
        self.order = self.contract(self.deal_line(role=self.consultant, price=150))
        self.project_ = self.project(self.order)

    def assignment_item(self, external_id="AS1", rate=180, role=None, resource=None, **values):
        return self.item(
            "assignment", external_id, parents={"project": self.project_, "resource": resource or self.jane},
            codes={"role": role}, **{"bill_rate": rate, "billable": True, "currency": "USD", **values})

    def rates(self):
        return self.env["psa.rate"].search([("order_id", "=", self.order.id), ("employee_id", "=", self.jane.id)])

    def test_rate_of_the_person_on_the_contract(self):
        item = self.run_items(self.assignment_item(starts_on=date(2026, 1, 1), ends_on=date(2026, 6, 30)))
        rate = item.record.rate_id
        self.assertEqual(rate, self.rates())
        self.assertEqual((rate.amount, rate.date_from, rate.date_to), (180, date(2026, 1, 1), date(2026, 6, 30)))
        self.assertEqual(rate.company_id, self.us)
        timesheet = self.time(self.project_, self.jane, 8).record
        self.assertEqual(self.entry(timesheet).amount, 1440, "the person's rate wins over the role's 150")

    def test_daily_rate_becomes_an_hourly_price(self):
        item = self.run_items(self.assignment_item(rate=1100, rate_per_day=True))
        self.assertEqual(item.record.rate_id.amount, 137.5)
        self.assertEqual(item.record.bill_rate, 1100)

    def test_role_of_the_assignment_narrows_the_rate(self):
        self.run_items(self.assignment_item(role=self.architect))
        booked = self.time(self.project_, self.jane, 1, role=self.architect).record
        other = self.time(self.project_, self.jane, 1, role=self.consultant).record
        self.assertEqual(self.entry(booked).amount, 180)
        self.assertEqual(self.entry(other).amount, 150)

    def test_changed_rate_is_changed_in_place_and_reprices(self):
        self.run_items(self.assignment_item())
        timesheet = self.time(self.project_, self.jane, 1).record
        rate = self.rates()
        self.run_items(self.assignment_item(rate=200))
        self.assertEqual(self.rates(), rate)
        self.assertEqual(self.entry(timesheet).amount, 200)

    def test_a_rate_that_an_amendment_changed_is_the_contracts_from_then_on(self):
        assignment = self.assignment_item(starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31))
        self.run_items(assignment)
        amendment = self.env["psa.amendment"].create({
            "order_id": self.order.id, "name": "Rise", "date_effective": date(2026, 5, 1),
            "change_ids": [Command.create({"kind": "rate", "employee_id": self.jane.id, "amount": 195})],
        })
        amendment._put_in_force(self.env.user)
        again = self.run_items(self.assignment_item(rate=180, starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31)))
        self.assertEqual(again.outcome.state, "done", "the source's old price is no second opinion")
        self.assertEqual(sorted(self.rates().mapped("amount")), [180, 195])
        self.assertEqual(again.record.rate_id, amendment.rate_ids)

    def test_same_assignment_again_changes_nothing(self):
        values = {"rate": "137.123457", "starts_on": date(2026, 1, 1)}
        self.run_items(self.assignment_item(**values))
        with self.assert_no_write("psa.assignment", "psa.rate"):
            self.run_items(self.assignment_item(**values))

    def test_two_assignments_at_one_price_share_the_row(self):
        first, second = self.run_items(
            self.assignment_item("AS1", starts_on=date(2026, 1, 1), ends_on=date(2026, 3, 31)),
            self.assignment_item("AS2", starts_on=date(2026, 3, 1), ends_on=date(2026, 6, 30)),
        )
        self.assertEqual(first.record.rate_id, second.record.rate_id)
        self.assertEqual(self.rates().date_to, date(2026, 6, 30))

    def test_two_prices_at_one_time_are_held(self):
        first, second = self.run_items(
            self.assignment_item("AS1", starts_on=date(2026, 1, 1)),
            self.assignment_item("AS2", rate=190, starts_on=date(2026, 3, 1)),
        )
        self.assert_state(first, "done")
        self.assert_held(second, "invalid_data", "Jane Doe", self.order.name, "180", "190")

    def test_two_prices_one_after_the_other(self):
        self.run_items(
            self.assignment_item("AS1", starts_on=date(2026, 1, 1), ends_on=date(2026, 2, 28)),
            self.assignment_item("AS2", rate=190, starts_on=date(2026, 3, 1)),
        )
        self.assertEqual(self.rates().mapped("amount"), [190, 180])

    def test_currency_of_another_contract(self):
        item = self.run_items(self.assignment_item(currency="EUR"))
        self.assert_held(item, "currency_mismatch", "Jane Doe", "EUR", "USD", self.order.name)

    def test_non_billable_assignment_makes_no_rate(self):
        item = self.run_items(self.assignment_item(billable=False))
        self.assertFalse(item.record.rate_id)
        self.assertFalse(self.rates())

    def test_deleted_assignment_keeps_its_price(self):
        item = self.run_items(self.assignment_item())
        self.run_items(self.gone(item))
        self.assertFalse(item.record.active)
        self.assertTrue(self.rates())

    def test_queries_do_not_grow_with_the_batch(self):
        people = [self.resource(f"P{number}") for number in range(50)]

        def queries(chunk):
            items = [self.assignment_item(f"Q{person.id}", resource=person) for person in chunk]
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.handler("assignment")._prepare(items)
            self.handler("assignment")._apply(items)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        small, large = queries(people[:10]), queries(people[10:])
        self.assertLessEqual(large, small + 4)
