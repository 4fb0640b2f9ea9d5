from datetime import date

from psycopg2.errors import CheckViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .charge_common import ChargeCase


@tagged("post_install", "-at_install")
class TestProgress(ChargeCase):
    """Percent complete: reported by one, approved by another, exactly the line at 100 %."""

    def report(self, line, percent, day, approve=True, **values):
        report = self.env["psa.progress"].with_user(self.preparer).create({
            "order_line_id": line.id, "date": day, "percent": percent, **values})
        report.action_report()
        if approve:
            report.with_user(self.reviewer).action_approve()
        return report

    def test_the_example_of_the_documentation(self):
        """10,000.01 in three steps: 3,333.33, 3,333.35 and what is left, 3,333.33."""
        line = self.make_contract(("progress", 1, 10000.01)).order_line
        steps = [(33.3333, date(2026, 1, 31)), (66.6667, date(2026, 2, 28)), (100, date(2026, 3, 31))]
        reports = [self.report(line, percent, day) for percent, day in steps]
        charges = self.charges(line)
        self.assertEqual(charges.mapped("amount"), [3333.33, 3333.35, 3333.33])
        self.assertAlmostEqual(sum(charges.mapped("amount")), line.price_subtotal, 6)
        self.assertEqual(charges.mapped("quantity"), [0.33, 0.34, 0.33])
        self.assertEqual((line.qty_delivered, line.psa_progress_percent), (1, 100))
        self.assertEqual(charges.entry_ids.mapped("state"), ["approved"] * 3)
        self.assertEqual(charges[1].trace["charged_before"], "3333.33")
        self.assertEqual([report.amount for report in reports], [3333.33, 3333.35, 3333.33])
        invoice = self.bill(line.order_id, date(2026, 1, 1), date(2026, 3, 31))
        self.assertEqual(invoice.amount_untaxed, 10000.01)
        self.assertEqual(line.qty_invoiced, 1)
        self.assertIn("66.6667", invoice.invoice_line_ids[1].name)

    def test_nobody_approves_what_they_reported(self):
        line = self.make_contract(("progress", 1, 1000.0)).order_line
        report = self.report(line, 10, date(2026, 1, 31), approve=False)
        with self.assertRaises(AccessError):
            report.action_approve()
        report.with_user(self.reviewer).percent = 20
        self.assertEqual(report.reported_by, self.reviewer, "who changes the figure has reported it")
        with self.assertRaises(AccessError):
            report.with_user(self.reviewer).action_approve()
        self.assertFalse(self.charges(line))
        report.with_user(self.approver).action_approve()
        self.assertEqual(self.charges(line).amount, 200)
        with self.assertRaises(UserError):
            report.with_user(self.preparer).percent = 90
        with self.assertRaises(AccessError):
            self.report(line, 30, date(2026, 2, 28), approve=False).state = "approved"

    def test_never_over_100_percent(self):
        line = self.make_contract(("progress", 1, 1000.0)).order_line
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            self.report(line, 100.01, date(2026, 1, 31), approve=False)

    def test_down_only_with_a_reason(self):
        line = self.make_contract(("progress", 1, 1000.0)).order_line
        self.report(line, 60, date(2026, 1, 31))
        self.bill(line.order_id, date(2026, 1, 1), date(2026, 1, 31))
        report = self.report(line, 40, date(2026, 2, 28), approve=False)
        with self.assertRaises(UserError):
            report.with_user(self.reviewer).action_approve()
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            report.sudo().write({"state": "approved", "previous_percent": 60})
            self.env.flush_all()
        report.reason = "Module B was rejected"
        report.with_user(self.reviewer).action_approve()
        self.assertEqual(self.charges(line).mapped("amount"), [600, -200])
        self.report(line, 100, date(2026, 3, 31))
        self.assertEqual(sum(self.charges(line).mapped("amount")), 1000)
        self.assertEqual(self.bill(line.order_id, date(2026, 2, 1), date(2026, 3, 31)).amount_untaxed, 400)

    def test_reports_are_in_order_and_the_latest_can_be_taken_back(self):
        line = self.make_contract(("progress", 1, 1000.0)).order_line
        first, second = self.report(line, 30, date(2026, 1, 31)), self.report(line, 50, date(2026, 2, 28))
        with self.assertRaises(UserError):
            self.report(line, 55, date(2026, 2, 15))
        with self.assertRaises(UserError):
            first.with_user(self.reviewer).action_take_back()
        second.with_user(self.reviewer).action_take_back()
        self.assertEqual((self.charges(line).mapped("amount"), line.psa_progress_percent), ([300], 30))
        self.assertEqual(second.charge_id.entry_ids.state, "withdrawn")
        with self.assertRaises(UserError):
            first.unlink()

    def test_a_dearer_line_catches_up(self):
        line = self.make_contract(("progress", 1, 1000.0)).order_line
        self.report(line, 50, date(2026, 1, 31))
        line.price_unit = 1200
        self.report(line, 100, date(2026, 2, 28))
        self.assertEqual(self.charges(line).mapped("amount"), [500, 700])

    def test_proposed_from_hours_and_cost(self):
        order = self.make_contract(("progress", 1, 1000.0, {
            "psa_progress_method": "hours", "psa_budget_hours": 40.0}))
        line = order.order_line
        self.ada.hourly_cost = 50
        self.make_timesheets(order, [(date(2026, 1, 10), 8), (date(2026, 1, 20), 2), (date(2026, 2, 2), 40)])
        report = self.report(line, 0, date(2026, 1, 31), approve=False)
        self.assertEqual((report.percent, report.proposed_percent, report.amount), (25, 25, 250))
        self.assertEqual(report.proposed_from, "10 of 40 hours")
        report.with_user(self.reviewer).action_approve()
        over = self.report(line, 0, date(2026, 2, 28), approve=False)
        self.assertEqual((over.percent, over.proposed_percent), (100, 125))
        line.write({"psa_progress_method": "cost", "psa_budget_cost": 5000})
        over.action_propose()
        self.assertEqual(over.percent, 50, "50 hours at a cost of 50 over a budget of 5,000")

    def test_time_on_it_is_covered(self):
        order = self.make_contract(("progress", 1, 1000.0))
        [entry] = self.make_time(order, [8])
        self.assertEqual((entry.state, entry.reason), ("excluded", "covered"))
