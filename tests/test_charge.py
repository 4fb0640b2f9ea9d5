from datetime import date

from psycopg2.errors import ExclusionViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .charge_common import ChargeCase


@tagged("post_install", "-at_install")
class TestCharge(ChargeCase):
    """Recurring fees: whole periods, parts of them, pauses, prices by date, and what follows billing."""

    def test_scenarios(self):
        """(terms, charged until) -> (first day, amount) of each charge."""
        cases = [
            ("whole months from the line's own start", {"start": date(2026, 1, 31), "psa_date_end": date(2026, 4, 29)},
             date(2026, 12, 31),
             [("2026-01-31", 1000), ("2026-02-28", 1000), ("2026-03-31", 1000)]),
            ("calendar months, first and last by the day",
             {"start": date(2026, 1, 17), "psa_date_end": date(2026, 3, 10), "psa_anchor": "calendar"},
             date(2026, 12, 31),
             [("2026-01-17", 483.87), ("2026-02-01", 1000), ("2026-03-01", 322.58)]),
            ("a leap day makes February 29 days long",
             {"start": date(2028, 2, 15), "psa_date_end": date(2028, 2, 29), "psa_anchor": "calendar"},
             date(2028, 12, 31), [("2028-02-15", 517.24)]),
            ("no leap day", {"start": date(2027, 2, 15), "psa_date_end": date(2027, 2, 28), "psa_anchor": "calendar"},
             date(2028, 12, 31), [("2027-02-15", 500)]),
            ("a leap year has 366 days",
             {"start": date(2028, 1, 1), "psa_date_end": date(2028, 2, 29), "psa_interval": "year"},
             date(2028, 12, 31), [("2028-01-01", 163.93)]),
            ("quarters of the calendar",
             {"start": date(2026, 2, 1), "psa_interval": "quarter", "psa_anchor": "calendar"},
             date(2026, 7, 1), [("2026-02-01", 655.56), ("2026-04-01", 1000), ("2026-07-01", 1000)]),
            ("in arrears a period is charged on its last day", {"psa_charge_when": "arrears"},
             date(2026, 3, 30), [("2026-01-01", 1000), ("2026-02-01", 1000)]),
            ("sold for the whole term: as many periods as were sold", {"quantity": 3, "psa_sold_per": "term"},
             date(2026, 12, 31), [("2026-01-01", 1000), ("2026-02-01", 1000), ("2026-03-01", 1000)]),
            ("quantity of each period, less discount", {"quantity": 3, "discount": 10.0},
             date(2026, 1, 31), [("2026-01-01", 2700)]),
            ("charged once", {"psa_interval": "once", "start": date(2026, 2, 3)},
             date(2026, 12, 31), [("2026-02-03", 1000)]),
        ]
        for name, terms, until, expected in cases:
            line = self.fee(**terms)
            self.charge(line, until)
            self.assertEqual(self.amounts(line), expected, name)
            self.charge(line, until)
            self.assertEqual(self.amounts(line), expected, f"{name}: twice changes nothing")
            entries = self.charges(line).entry_ids
            self.assertEqual(entries.mapped("state"), ["approved"] * len(expected), name)
            self.assertAlmostEqual(sum(entries.mapped("amount")), sum(amount for _day, amount in expected), 6)

    def test_the_example_of_the_documentation(self):
        """1,000 a month from January 17th: 15 of 31 days; billed, paused, credited."""
        line = self.fee(start=date(2026, 1, 17), psa_anchor="calendar")
        invoice = self.bill(line.order_id, date(2026, 1, 1), date(2026, 2, 28))
        self.assertEqual(invoice.amount_untaxed, 1483.87)
        self.assertEqual((line.qty_delivered, line.qty_invoiced), (1.48, 1.48))
        pause = self.env["psa.pause"].create({
            "order_id": line.order_id.id, "date_from": date(2026, 2, 15), "date_to": date(2026, 3, 14),
            "reason": "Customer's shutdown",
        })
        self.charge(line, date(2026, 3, 31))
        self.assertEqual(self.amounts(line), [("2026-01-17", 483.87), ("2026-02-01", 500), ("2026-03-01", 548.39)])
        february = self.charges(line)[1].entry_ids
        self.assertEqual((february.amount, february.pending_change, february.pending_amount), (1000, "changed", 500))
        self.assertEqual(february.exception_id.cause_code, "changed_after_billing")
        february.with_user(self.reviewer).action_accept_change()
        credit = self.env["account.move"].search(
            [("move_type", "=", "out_refund"), ("company_id", "=", self.company.id)])
        self.assertEqual(credit.amount_untaxed, 500)
        credit.action_post()
        self.assertEqual((february.amount, february.billing_state, february.pending_change), (500, "billed", False))
        self.assertLedger(line.order_id.psa_entry_ids)
        pause.unlink()
        self.charge(line, date(2026, 3, 31))
        self.assertEqual(self.amounts(line)[-1], ("2026-03-01", 1000))

    def test_co_termed_lines_are_billed_together(self):
        order = self.make_contract(("time_material", 10, 100.0))
        order.psa_anchor_date = date(2026, 1, 10)
        first = self.fee(310, start=date(2026, 1, 1), psa_anchor="contract", order=order)
        added = self.fee(310, start=date(2026, 2, 1), psa_anchor="contract", order=order)
        self.charge(first | added, date(2026, 3, 31))
        self.assertEqual(self.amounts(first), [
            ("2026-01-01", 90), ("2026-01-10", 310), ("2026-02-10", 310), ("2026-03-10", 310)])
        self.assertEqual(self.amounts(added), [("2026-02-01", 90), ("2026-02-10", 310), ("2026-03-10", 310)])

    def test_pauses(self):
        line = self.fee(310)
        other = self.fee(310, order=line.order_id)
        pauses = self.env["psa.pause"].create([
            {"order_id": line.order_id.id, "date_from": date(2026, 1, 11), "date_to": date(2026, 1, 20), "reason": "a"},
            {"order_id": line.order_id.id, "order_line_id": line.id, "date_from": date(2026, 1, 16),
             "date_to": date(2026, 1, 31), "reason": "overlaps the other one: no day is taken off twice"},
        ])
        self.charge(line | other, date(2026, 1, 31))
        self.assertEqual((self.amounts(line), self.amounts(other)), ([("2026-01-01", 100)], [("2026-01-01", 210)]))
        self.assertEqual(self.charges(line).trace["days_charged"], 10)
        self.assertEqual(self.charges(line).trace["days_paused"], 21)
        pauses[1].date_from = date(2026, 1, 1)
        self.assertEqual(self.amounts(line), [], "a period without a day is not charged")
        entry = self.env["psa.entry"].search([("order_line_id", "=", line.id)])
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "deleted"))
        pauses[1].unlink()
        self.assertEqual(self.amounts(line), [("2026-01-01", 210)])
        self.assertEqual((entry.state, entry.amount), ("approved", 210), "the same entry, approved again")
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            pauses[0].copy()
            self.env.flush_all()

    def test_prices_by_date(self):
        line = self.fee(310)
        change = self.env["psa.line.price"].create({
            "order_line_id": line.id, "date_from": date(2026, 1, 16), "price_unit": 620})
        self.charge(line, date(2026, 2, 28))
        self.assertEqual(self.amounts(line), [("2026-01-01", 470), ("2026-02-01", 620)], "15 days of 310, 16 of 620")
        self.assertEqual(self.charges(line)[0].trace["prices"], [
            {"from": "2026-01-01", "price": "310"}, {"from": "2026-01-16", "price": "620"}])
        change.price_unit = 310
        self.assertEqual(self.amounts(line), [("2026-01-01", 310), ("2026-02-01", 310)])

    def test_an_earlier_end_takes_back_what_was_charged_ahead(self):
        self.at("2026-03-31")
        line = self.fee(310)
        self.assertEqual(len(self.charges(line)), 3)
        self.bill(line.order_id, date(2026, 1, 1), date(2026, 1, 31))
        line.psa_date_end = date(2026, 1, 21)
        self.assertEqual(self.amounts(line), [("2026-01-01", 210)])
        january = self.charges(line).entry_ids
        self.assertEqual((january.pending_change, january.pending_amount), ("changed", 210))
        self.assertEqual(self.env["psa.entry"].search_count(
            [("order_line_id", "=", line.id), ("state", "=", "withdrawn")]), 2)
        line.psa_date_end = False
        self.assertEqual(len(self.charges(line)), 3)
        self.assertFalse(january.pending_change)

    def test_billed_periods_stay_where_they_are(self):
        self.at("2026-01-20")
        line = self.fee(310)
        line.psa_date_start = date(2026, 1, 15)
        self.assertEqual(self.amounts(line), [("2026-01-15", 310)])
        self.bill(line.order_id, date(2026, 1, 1), date(2026, 1, 31))
        for values in ({"psa_interval": "year"}, {"psa_date_start": date(2026, 1, 1)}, {"psa_anchor": "calendar"}):
            with self.assertRaises(UserError):
                line.write(values)
        line.write({"psa_interval": "month"})

    def test_no_day_is_charged_twice_by_the_database(self):
        line = self.fee(310)
        [charge] = self.charges(line)
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            charge.copy({"date_from": date(2026, 1, 31), "date_to": date(2026, 2, 5), "state": "charged"})

    def test_missing_terms_are_an_exception_with_the_money(self):
        line = self.fee(1200, psa_interval=False)
        orphan = self.fee(500, psa_anchor="contract")
        self.env["psa.charge"]._charge_orders(line.order_id | orphan.order_id, date(2026, 1, 31))
        exceptions = self.env["psa.exception"].search([("cause_code", "=", "billing_terms_missing")])
        self.assertEqual(sorted(exceptions.mapped("amount")), [500, 1200])
        self.assertFalse(self.charges(line | orphan))
        action = exceptions.filtered(lambda e: e.res_id == line.id).action_fix()
        self.assertEqual((action["res_model"], action["res_id"]), ("sale.order.line", line.id))
        line.psa_interval = "month"
        orphan.order_id.psa_anchor_date = date(2026, 1, 1)
        self.assertEqual(set(exceptions.mapped("state")), {"resolved"})
        self.assertEqual((self.amounts(line), self.amounts(orphan)), ([("2026-01-01", 1200)], [("2026-01-01", 500)]))

    def test_the_daily_job_charges_what_is_due(self):
        line = self.fee(100)
        self.assertEqual(line.psa_next_charge_date, date(2026, 2, 1))
        self.at("2026-03-02")
        self.patch(type(self.env["ir.cron"]), "_commit_progress", lambda *args, **kwargs: 1000)
        self.env["psa.charge"]._cron_charge()
        self.assertEqual(len(self.charges(line)), 3)
        before = self.env.cr.sql_log_count
        self.env["psa.charge"]._cron_charge()
        self.assertLess(self.env.cr.sql_log_count - before, 5, "nothing is due: nothing is looked at")

    def test_two_hundred_lines_cost_few_queries(self):
        order = self.make_contract(*[
            ("recurring", 1, 100.0, {"psa_interval": "month", "psa_date_start": date(2026, 1, 1)})] * 200)
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        self.charge(order.order_line, date(2026, 2, 28))
        self.env.flush_all()
        self.assertEqual(len(self.charges(order.order_line)), 400)
        self.assertLess(self.env.cr.sql_log_count - before, 300, "no query per charge")

    def test_what_is_ordered_once_more_is_charged_once_more(self):
        line = self.fee(100, 10, "prepaid", psa_interval=False)
        self.charge(line, date(2026, 1, 31))
        self.assertEqual(self.amounts(line), [("2026-01-01", 1000)])
        line.product_uom_qty = 12
        self.assertEqual(self.amounts(line), [("2026-01-01", 1200)], "nothing is billed: it is one charge")
        self.bill(line.order_id, date(2026, 1, 1), date(2026, 1, 31))
        self.at("2026-02-10")
        line.product_uom_qty = 20
        self.assertEqual(self.amounts(line), [("2026-01-01", 1200), ("2026-02-10", 800)])
        self.assertEqual(sum(self.charges(line).mapped("quantity")), 20)

    def test_who_may(self):
        line = self.fee(100)
        values = {"order_id": line.order_id.id, "date_from": date(2026, 1, 5), "reason": "x"}
        with self.assertRaises(AccessError):
            self.env["psa.pause"].with_user(self.preparer).create(values)
        self.env["psa.pause"].with_user(self.approver).create(values)
        self.assertEqual(self.amounts(line), [("2026-01-01", 12.9)])
        with self.assertRaises(AccessError):
            self.charges(line).with_user(self.approver).amount = 1
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.approver.copy({
            "login": "stranger", "company_id": other.id, "company_ids": [Command.set(other.ids)]})
        self.assertFalse(self.env["psa.charge"].with_user(stranger).with_context(
            allowed_company_ids=other.ids).search([]))
