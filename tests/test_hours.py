from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from ..models.billing.hours import round_hours
from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestHours(BillingCase):
    """How contracts count hours."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 120.0, {"psa_role_id": cls.consultant.id}),
            psa_hours_rounding="15", psa_hours_rounding_mode="up")
        cls.make_rate(120, cls.order, role_id=cls.consultant.id)

    def test_rounding_rules(self):
        for hours, minutes, mode, counted in (
            ("1.01", "exact", "up", "1.01"),
            ("1.01", "6", "up", "1.1"), ("1.04", "6", "nearest", "1"), ("1.05", "6", "nearest", "1.1"),
            ("1.01", "15", "up", "1.25"), ("1.12", "15", "nearest", "1"), ("1.125", "15", "nearest", "1.25"),
            ("1.01", "30", "up", "1.5"), ("1.25", "30", "nearest", "1.5"), ("1.24", "30", "nearest", "1"),
            ("1.25", "15", "up", "1.25"), ("0", "15", "up", "0"), ("0.01", "30", "nearest", "0"),
        ):
            with self.subTest(hours=hours, minutes=minutes, mode=mode):
                self.assertEqual(round_hours(Decimal(hours), minutes, mode), Decimal(counted))
                self.assertEqual(round_hours(-Decimal(hours), minutes, mode), -Decimal(counted), "symmetrical")

    def test_each_timesheet_is_rounded_and_the_trace_lets_a_clerk_recompute(self):
        entries = self.make_time(self.order, [1.1, 0.25, -1.1])
        self.assertEqual(entries.mapped("source_quantity"), [1.1, 0.25, -1.1])
        self.assertEqual(entries.mapped("quantity"), [1.25, 0.25, -1.25])
        self.assertEqual(entries.mapped("amount"), [150, 30, -150])
        trace = entries[0].trace
        self.assertEqual(trace["steps"], [
            {"step": "rounding", "raw_hours": "1.1", "minutes": "15", "mode": "up", "hours": "1.25"}])
        self.assertEqual((trace["hours"], trace["rate"], trace["amount"]), ("1.25", "120", "150"))

    def test_delivered_stays_raw_and_invoiced_is_what_counts(self):
        entries = self.make_time(self.order, [1.1, (date(2026, 5, 5), 2.4)])
        line = self.order.order_line
        self.bill(self.order)
        self.assertEqual((line.qty_delivered, line.qty_invoiced), (3.5, 3.75))
        self.assertEqual(sum(entries.mapped("source_quantity")), line.qty_delivered)
        self.assertEqual(sum(entries.mapped("quantity")), line.qty_invoiced)
        self.make_time(self.order, [0.3], day=date(2026, 5, 6), approved=False)
        self.assertEqual(
            (line.psa_source_quantity, line.psa_counted_quantity, line.psa_taken_off_quantity,
             line.psa_billed_quantity), (3.8, 4.25, 0.5, 3.75), "the contract's page says how one leads to the other")

    def test_another_rule_reaches_what_is_on_no_invoice(self):
        [billed] = self.make_time(self.order, [1.1])
        self.bill(self.order)
        [entry] = self.make_time(self.order, [1.1], day=date(2026, 5, 5))
        self.order.psa_hours_rounding = "30"
        self.assertEqual((billed.quantity, entry.quantity, entry.amount), (1.25, 1.5, 180))
        self.order.psa_hours_rounding = "exact"
        self.assertEqual((entry.quantity, entry.amount), (1.1, 132))

    def test_invoice_counts_days_of_the_contract(self):
        order = self.make_contract(
            ("time_material", 100, 120.0, {"psa_role_id": self.consultant.id}),
            psa_time_unit="day", psa_hours_per_day=7.5)
        self.make_rate(120, order, role_id=self.consultant.id)
        entries = self.make_time(order, [7.5, (date(2026, 5, 5), 7.5), (date(2026, 5, 6), 3.75)])
        self.assertEqual(entries[2].trace["steps"], [
            {"step": "days", "hours": "3.75", "hours_per_day": "7.5", "days": "0.5"}])
        proposal = self.propose(order)
        self.assertEqual(proposal.amount_untaxed, 2250)
        move = self.bill(order)
        [line] = move.invoice_line_ids
        self.assertEqual((line.quantity, line.price_unit, line.price_subtotal), (2.5, 900, 2250))
        self.assertEqual(line.product_uom_id.name, "Days of 7.5 h")
        self.assertEqual((order.order_line.qty_delivered, order.order_line.qty_invoiced), (18.75, 18.75), "in hours")
        self.assertLedger(entries)

    def test_a_day_of_eight_hours_is_odoo_s_own(self):
        order = self.make_contract(("time_material", 100, 120.0), psa_time_unit="day")
        self.assertEqual(order._psa_invoice_unit(order.order_line), self.env.ref("uom.product_uom_day"))

    def test_new_contracts_start_with_the_company_s_rule(self):
        self.company.write({
            "psa_hours_rounding": "6", "psa_hours_rounding_mode": "nearest", "psa_time_unit": "day",
            "psa_hours_per_day": 7.0})
        order = self.make_contract(("time_material", 100, 120.0))
        self.assertEqual(
            (order.psa_hours_rounding, order.psa_hours_rounding_mode, order.psa_time_unit, order.psa_hours_per_day),
            ("6", "nearest", "day", 7))
        self.company.psa_hours_rounding = "30"
        self.assertEqual(order.psa_hours_rounding, "6", "a contract keeps what was agreed")
