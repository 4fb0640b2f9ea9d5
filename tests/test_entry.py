import logging
import time
from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged

from .billing_common import BillingCase

_logger = logging.getLogger(__name__)


@tagged("post_install", "-at_install")
class TestEntry(BillingCase):
    """From source records to priced entries."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}),
            ("time_material", 50, 200.0, {"psa_role_id": cls.architect.id}),
        )
        cls.rate = cls.make_rate(133.33, cls.order, role_id=cls.consultant.id)
        cls.make_rate(200, cls.order, role_id=cls.architect.id)

    def sync(self, timesheets, **values):
        return self.env["psa.entry"]._sync("time", self.time_specs(self.order, timesheets, **values))

    def test_time_is_priced_once_rounded_and_says_why(self):
        [entry] = self.make_time(self.order, [0.25])
        self.assertEqual((entry.state, entry.rate, entry.amount), ("approved", 133.33, 33.33))
        self.assertEqual(entry.trace, {
            "rule": "hours_times_rate", "hours": "0.25", "rate": "133.33", "rate_id": self.rate.id,
            "scope": "contract_role", "tried": [
                "project_person_role", "project_person", "project_role", "contract_person_role", "contract_person"],
            "valid_from": None, "valid_to": None, "exact": "33.3325", "currency": "USD", "rounding": "0.01",
            "amount": "33.33",
        })
        self.assertEqual(Decimal(entry.trace["hours"]) * Decimal(entry.trace["rate"]), Decimal(entry.trace["exact"]))
        self.assertEqual(entry.role_id, self.consultant, "the role is the contract line's")
        self.assertEqual(entry.billing_state, "to_bill")

    def test_half_a_cent_is_rounded_away_from_zero_both_ways(self):
        self.rate.amount = 0.5
        entries = self.make_time(self.order, [0.01, -0.01, 0.03])
        self.assertEqual(entries.mapped("amount"), [0.01, -0.01, 0.02])

    def test_the_same_record_again_is_one_entry(self):
        timesheets = self.make_timesheets(self.order, [8])
        first = self.sync(timesheets)
        timesheets.unit_amount = 6
        second = self.sync(timesheets)
        self.assertEqual(first, second)
        self.assertEqual((second.quantity, second.amount), (6, 799.98))

    def test_unchanged_records_write_nothing(self):
        timesheets = self.make_timesheets(self.order, [8] * 20)
        self.sync(timesheets)
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        self.sync(timesheets)
        self.env.flush_all()
        self.assertLess(self.env.cr.sql_log_count - before, 20)

    def test_standing(self):
        cases = [
            ({"approved": False}, "waiting", "not_approved"),
            ({"billable": False}, "excluded", "not_billable"),
            ({"source_blocked": "excluded"}, "excluded", "source_excluded"),
            ({"source_blocked": "billed"}, "excluded", "source_billed"),
            ({"source_blocked": "held"}, "held", "source_hold"),
            ({"currency_id": self.env.ref("base.EUR").id}, "held", "currency_mismatch"),
            ({"employee_id": None, "role_id": None, "order_line_id": None}, "approved", False),
        ]
        for values, state, reason in cases:
            [entry] = self.make_time(self.order, [1], **values)
            self.assertEqual((entry.state, entry.reason), (state, reason), values)
            self.assertEqual(bool(entry.exception_id), reason == "currency_mismatch")

    def test_line_is_found_by_role_when_none_is_named(self):
        [entry] = self.make_time(self.order, [1], order_line_id=None, role_id=self.architect.id)
        self.assertEqual(entry.order_line_id, self.order.order_line[1])
        self.assertEqual(entry.amount, 200)

    def test_time_on_a_fee_is_covered_by_it(self):
        order = self.make_contract(("fixed_fee", 1, 10000.0))
        [entry] = self.make_time(order, [8])
        self.assertEqual((entry.state, entry.reason, entry.amount), ("excluded", "covered", 0))
        self.assertFalse(entry.exception_id)

    def test_contract_without_a_fitting_line_is_an_exception(self):
        order = self.make_contract(("expense", 0, 0.0))
        timesheets = self.make_timesheets(order, [8], line=self.order.order_line[0])
        specs = self.time_specs(order, timesheets, order_line_id=None, source_amount=900)
        [entry] = self.env["psa.entry"]._sync("time", specs)
        self.assertEqual((entry.state, entry.exception_id.cause_code), ("held", "no_contract"))
        self.assertEqual(entry.exception_id.amount, 900)

    def test_withdrawn_and_approved_again(self):
        timesheets = self.make_timesheets(self.order, [8])
        [entry] = self.sync(timesheets)
        self.sync(timesheets, approved=False)
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "rejected"))
        self.sync(timesheets, approved=False)
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "rejected"))
        self.sync(timesheets)
        self.assertEqual((entry.state, entry.reason, entry.amount), ("approved", False, 1066.64))
        self.sync(timesheets, deleted=True)
        timesheets.unlink()
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "deleted"))

    def test_internal_work_is_no_entry(self):
        timesheets = self.make_timesheets(self.order, [8])
        specs = self.time_specs(self.order, timesheets, order_id=None)
        self.assertFalse(self.env["psa.entry"]._sync("time", specs))

    def test_milestone_fee_and_expense(self):
        order = self.make_contract(("milestone", 1, 40000.0), ("fixed_fee", 2, 500.0, {"discount": 10.0}))
        milestone_line, fee_line = order.order_line
        milestone = self.env["project.milestone"].create({
            "name": "Design", "project_id": self.project_of(order).id, "sale_line_id": milestone_line.id,
            "quantity_percentage": 0.25,
        })
        spec = {"order_id": order.id, "work_date": date(2026, 5, 8), "currency_id": order.currency_id.id}
        [entry] = self.env["psa.entry"]._sync("milestone", [{
            **spec, "source": milestone, "fixed_amount": Decimal("9999.99"), "quantity": 1, "description": "Design"}])
        self.assertEqual((entry.quantity, entry.amount, entry.order_line_id), (0.25, 9999.99, milestone_line))
        [fee] = self.env["psa.entry"]._sync("fee", [{**spec, "source": fee_line}])
        self.assertEqual((fee.quantity, fee.amount), (2, 900), "two at 500 less 10 %")
        expense = self.env["hr.expense"].create({
            "name": "Train", "employee_id": self.ada.id, "product_id": self.products["expense"].id,
            "total_amount_currency": 119, "company_id": self.company.id,
        })
        [entry] = self.env["psa.entry"]._sync("expense", [{
            **spec, "source": expense, "employee_id": self.ada, "quantity": 1, "fixed_amount": Decimal("100.005")}])
        self.assertEqual(entry.amount, 100.01)
        line = entry.order_line_id
        self.assertEqual((line.psa_billing_method, line.product_uom_qty, line.qty_delivered), ("expense", 0, 1))
        self.assertEqual(order.amount_untaxed, 40900, "the contract's total stays what was sold")

    def test_project_excluded_from_billing(self):
        self.project_of(self.order).psa_excluded_from_billing = True
        [entry] = self.make_time(self.order, [1])
        self.assertEqual((entry.state, entry.reason), ("excluded", "project_excluded"))

    def test_waived_stays_waived(self):
        order = self.make_contract(("time_material", 10, 1.0))
        timesheets = self.make_timesheets(order, [8])
        specs = self.time_specs(order, timesheets, source_amount=10)
        [entry] = self.env["psa.entry"]._sync("time", specs)
        entry.exception_id.action_waive("Goodwill")
        self.env["psa.entry"]._sync("time", specs)
        self.assertEqual((entry.state, entry.reason), ("excluded", "waived"))
        self.assertFalse(entry.exception_id)

    def test_contract_totals(self):
        self.make_time(self.order, [1, 2])
        self.make_time(self.order, [3], approved=False)
        self.assertEqual(
            (self.order.psa_to_bill_amount, self.order.psa_held_amount, self.order.psa_state),
            (399.99, 399.99, "held"))
        self.bill(self.order)
        self.env.invalidate_all()
        self.assertEqual((self.order.psa_to_bill_amount, self.order.psa_billed_amount), (0, 399.99))

    def test_five_thousand_cost_as_few_queries_as_one(self):
        timesheets = self.make_timesheets(self.order, [8])
        # One record is enough to copy: the timesheets themselves are not what is measured.
        self.env.flush_all()
        self.env.cr.execute(
            """
            INSERT INTO account_analytic_line (name, date, amount, unit_amount, company_id, project_id, employee_id,
                                               so_line, account_id, currency_id)
            SELECT name, date, amount, unit_amount, company_id, project_id, employee_id, so_line, account_id,
                   currency_id
              FROM account_analytic_line, generate_series(1, 5000) WHERE id = %s RETURNING id
            """, [timesheets.id])
        ids = [row[0] for row in self.env.cr.fetchall()]
        [spec] = self.time_specs(self.order, timesheets)
        Line = self.env["account.analytic.line"]
        specs = [{**spec, "source": Line.browse(line_id)} for line_id in ids]
        self.env.invalidate_all()
        queries, start = self.env.cr.sql_log_count, time.monotonic()
        entries = self.env["psa.entry"]._sync("time", specs)
        self.env.flush_all()
        seconds, queries = time.monotonic() - start, self.env.cr.sql_log_count - queries
        self.assertEqual(len(entries), 5000)
        self.assertEqual(set(entries.mapped("amount")), {1066.64})
        _logger.info("5,000 entries: %.2f s, %.3f ms each, %d queries", seconds, seconds / 5, queries)
        self.assertLess(queries, 25, "not a query per record")

    def test_time_from_a_source_is_corrected_there(self):
        timesheets = self.make_timesheets(self.order, [8, 8])
        self.sync(timesheets[0])
        manager = new_test_user(
            self.env, "manager", "hr_timesheet.group_timesheet_manager", company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)])
        hub, own = timesheets.with_user(manager)
        with self.assertRaises(UserError):
            hub.unit_amount = 6
        with self.assertRaises(UserError):
            hub.unlink()
        hub.name = "Better words"
        own.unit_amount = 6
        own.unlink()
