import contextlib
import random
from datetime import date, timedelta
from decimal import Decimal

import psycopg2

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.fields import Date
from odoo.tests import tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase


class CapCase(BillingCase):
    """A contract at 100.00 an hour, and helpers to cap it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id}), ("milestone", 1, 10000.0))
        cls.make_rate(100, cls.order, role_id=cls.consultant.id)

    @classmethod
    def cap(cls, amount=0.0, hours=0.0, order=None, **values):
        return cls.env["psa.cap"].create({
            "order_id": (order or cls.order).id, "amount_limit": amount, "quantity_limit": hours, **values})

    def milestone(self, amount, day=date(2026, 5, 8), **values):
        line = self.order.order_line[1]
        milestone = self.env["project.milestone"].create({
            "name": "Design", "project_id": self.project_of(self.order).id, "sale_line_id": line.id,
            "quantity_percentage": amount / 10000,
        })
        [entry] = self.env["psa.entry"]._sync("milestone", [{
            "source": milestone, "order_id": self.order.id, "work_date": day, "quantity": 1,
            "currency_id": self.order.currency_id.id, "fixed_amount": Decimal(str(amount)), "description": "Design",
            "project_id": milestone.project_id, **values,
        }])
        return entry

    def again(self, entry, **values):
        """The source sends the record again."""
        timesheet = entry.analytic_line_id
        hours = values.pop("hours", None)
        [spec] = self.time_specs(self.order, timesheet, **values)
        if hours is not None:
            spec["quantity"] = Decimal(str(hours))
        return self.env["psa.entry"]._sync("time", [spec])

    def assertCap(self, cap, used, hours=None):
        """The stored sums are those of the uses, and of the entries that are to be billed."""
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(cap.reserved_amount, used)
        self.assertAlmostEqual(cap.reserved_amount, sum(cap.use_ids.mapped("amount")), 6)
        self.assertAlmostEqual(cap.reserved_quantity, sum(cap.use_ids.mapped("quantity")), 6)
        if hours is not None:
            self.assertAlmostEqual(cap.reserved_quantity, hours, 6)


@tagged("post_install", "-at_install")
class TestCap(CapCase):

    def test_what_fits_is_billed_and_the_rest_waits_with_its_money(self):
        cap = self.cap(1000.0)
        [first, second, third] = self.make_time(self.order, [
            (date(2026, 5, 6), 4), (date(2026, 5, 4), 4), (date(2026, 5, 5), 4)])
        self.assertEqual(second.amount, 400, "the earliest work first")
        self.assertEqual((third.state, third.amount), ("approved", 400))
        self.assertEqual(
            (first.state, first.amount, first.quantity, first.over_cap_amount, first.over_cap_quantity),
            ("approved", 200, 2, 200, 2), "what fits in part is billed in part")
        self.assertEqual(first.trace["steps"][-1] | {"cap": None}, {
            "step": "over_cap", "cap": None, "limit": "1000", "limit_hours": None, "used": "800", "used_hours": "8",
            "amount": "-200", "left": "200"})
        self.assertEqual(
            (first.exception_id.cause_code, first.exception_id.amount, first.over_cap_id), ("cap_reached", 200, cap))
        self.assertCap(cap, 1000, 10)
        [late] = self.make_time(self.order, [1])
        self.assertEqual((late.state, late.reason, late.amount), ("held", "cap_reached", 100))
        self.assertEqual(late.exception_id, first.exception_id, "one exception a cap")
        self.assertEqual((late.exception_id.amount, late.exception_id.holder_count), (300, 2))
        self.assertEqual(self.order.psa_held_amount, 300)
        self.assertCap(cap, 1000, 10)

    def test_every_kind_is_reserved_at_approval(self):
        cap = self.cap(1000.0)
        milestone = self.milestone(700.0, day=date(2026, 5, 1))
        self.make_time(self.order, [2])
        expense = self.env["hr.expense"].create({
            "name": "Train", "employee_id": self.ada.id, "product_id": self.products["expense"].id,
            "total_amount_currency": 119, "company_id": self.company.id})
        [train] = self.env["psa.entry"]._sync("expense", [{
            "source": expense, "order_id": self.order.id, "work_date": date(2026, 5, 9), "quantity": 1,
            "employee_id": self.ada, "fixed_amount": Decimal(150), "currency_id": self.order.currency_id.id}])
        self.assertEqual((milestone.amount, train.amount, train.over_cap_amount), (700, 100, 50))
        self.assertCap(cap, 1000, 2)
        over = self.milestone(500.0)
        self.assertEqual((over.state, over.reason), ("held", "cap_reached"))
        self.assertEqual(over.exception_id.amount, 550)

    def test_raising_the_limit_releases_in_the_same_transaction_and_says_how_much(self):
        cap = self.cap(1000.0)
        milestone = self.milestone(900.0, day=date(2026, 5, 1))
        [time] = self.make_time(self.order, [8], day=date(2026, 5, 2))
        late = self.milestone(300.0, day=date(2026, 5, 3))
        self.assertEqual((time.amount, time.over_cap_amount, late.state), (100, 700, "held"))
        exception = time.exception_id
        cap.amount_limit = 1800.0
        self.assertEqual((time.amount, time.over_cap_amount), (800, 0))
        self.assertEqual((late.state, late.amount, late.over_cap_amount), ("approved", 100, 200), "by date of the work")
        self.assertEqual(milestone.amount, 900)
        self.assertEqual(exception.amount, 200)
        self.assertIn("800.00", " ".join(cap.message_ids.mapped("body")))
        cap.amount_limit = 5000.0
        self.assertEqual(exception.state, "resolved")
        audit = self.env["psa.audit"].search([("event", "=", "cap.changed"), ("res_id", "=", cap.id)], limit=1)
        self.assertEqual((audit.before["limit"], audit.after["limit"], audit.after["released"]), (1800, 5000, 200))
        self.assertCap(cap, 2000, 8)

    def test_what_is_given_back_goes_to_what_waits(self):
        cap = self.cap(1000.0)
        [first, second] = self.make_time(self.order, [8, (date(2026, 5, 5), 8)])
        self.assertEqual((second.amount, second.over_cap_amount), (200, 600))
        self.again(first, approved=False)
        self.assertEqual((second.amount, second.over_cap_amount, second.exception_id.id), (800, 0, False))
        self.assertCap(cap, 800, 8)
        self.again(first)
        self.assertEqual((first.amount, first.over_cap_amount, second.amount), (200, 600, 800), "approved is reserved")
        self.again(second, deleted=True)
        self.assertEqual((first.amount, second.state), (800, "withdrawn"))
        self.again(second)
        self.assertEqual((second.amount, second.over_cap_amount), (200, 600))
        self.assertCap(cap, 1000, 10)
        first.action_waive("Goodwill")
        self.assertEqual((first.state, second.amount, second.over_cap_amount), ("excluded", 800, 0))
        self.assertFalse(second.exception_id)

    def test_hours_and_money_whichever_comes_first(self):
        cap = self.cap(10000.0, hours=10.0)
        [_first, second] = self.make_time(self.order, [8, (date(2026, 5, 5), 8)])
        self.assertEqual((second.quantity, second.amount, second.over_cap_quantity), (2, 200, 6))
        self.milestone(500.0)
        self.assertCap(cap, 1500, 10)
        cap.quantity_limit = 12.0
        self.assertEqual((second.quantity, second.amount), (4, 400))

    def test_line_phase_and_contract_caps_work_together(self):
        line = self.order.order_line[0]
        project = self.project_of(self.order)
        phase, other = self.env["project.task"].create([
            {"name": name, "project_id": project.id, "company_id": self.company.id} for name in ("Design", "Build")])
        below = self.env["project.task"].create({"name": "Sketch", "project_id": project.id, "parent_id": phase.id})
        whole = self.cap(1000.0)
        on_line = self.cap(800.0, kind="line", order_line_id=line.id)
        on_phase = self.cap(300.0, kind="phase", project_id=project.id, task_id=phase.id)
        timesheets = self.make_timesheets(self.order, [2, (date(2026, 5, 5), 2), (date(2026, 5, 6), 6)])
        for timesheet, task in zip(timesheets, (phase, below, other), strict=True):
            timesheet.task_id = task
        entries = self.env["psa.entry"]._sync("time", self.time_specs(self.order, timesheets))
        self.assertEqual(entries.mapped("amount"), [200, 100, 500])
        self.assertEqual(entries.over_cap_id, on_phase | on_line)
        self.assertCap(on_phase, 300, 3)
        self.assertCap(on_line, 800, 8)
        milestone = self.milestone(500.0)
        self.assertEqual((milestone.amount, milestone.over_cap_amount), (200, 300))
        self.assertCap(whole, 1000, 8)
        self.assertEqual(len(entries.exception_id | milestone.exception_id), 3, "one for each cap")

    def test_a_customer_s_share_counts_in_part(self):
        stranger = self.env["res.partner"].create({"name": "Pays nothing"})
        mine = self.cap(500.0, kind="customer", partner_id=self.customer.id)
        theirs = self.cap(1.0, kind="customer", partner_id=stranger.id)
        [entry] = self.make_time(self.order, [8])
        self.assertEqual((entry.amount, entry.over_cap_amount), (500, 300), "without shares the customer pays all")
        self.assertCap(theirs, 0)
        mine.amount_limit = 400.0
        self.order.psa_share_ids = [
            Command.create({"partner_id": self.customer.id, "percent": 60, "is_rounding": True}),
            Command.create({"partner_id": stranger.id, "percent": 40}),
        ]
        self.assertEqual((entry.amount, entry.over_cap_amount), (2.5, 797.5), "40 % of 2.50 is the other one's 1.00")
        theirs.amount_limit = 1000.0
        self.assertEqual((entry.amount, entry.over_cap_amount), (666.66, 133.34), "60 % of it is 400.00")
        self.assertCap(mine, 400)
        self.assertCap(theirs, 266.66)

    def test_shares_count_from_their_day(self):
        other = self.env["res.partner"].create({"name": "Joins on May 16"})
        self.order.psa_share_ids = [
            Command.create({
                "partner_id": self.customer.id, "percent": 50, "is_rounding": True, "date_from": "2026-05-16"}),
            Command.create({"partner_id": other.id, "percent": 50, "date_from": "2026-05-16"}),
        ]
        mine = self.cap(5000.0, kind="customer", partner_id=self.customer.id)
        self.make_time(self.order, [(date(2026, 5, 15), 8), (date(2026, 5, 18), 8)])
        self.assertCap(mine, 800 + 400)

    def test_a_soft_cap_lets_through_marks_and_warns_once(self):
        responsible = self.reviewer
        self.order.user_id = responsible
        cap = self.cap(1000.0, enforcement="soft")
        self.make_time(self.order, [7])
        self.assertFalse(self.order.activity_ids)
        self.make_time(self.order, [1])
        self.assertEqual(len(self.order.activity_ids), 1, "80 %")
        self.assertEqual(self.order.activity_ids.user_id, responsible)
        [over] = self.make_time(self.order, [4], day=date(2026, 5, 6))
        self.assertEqual((over.state, over.amount, over.over_soft_cap), ("approved", 400, True))
        self.assertEqual(over.trace["steps"][-1]["step"], "soft_cap")
        self.assertEqual(len(self.order.activity_ids), 2, "100 %")
        self.make_time(self.order, [4], day=date(2026, 5, 7))
        self.assertEqual(len(self.order.activity_ids), 2, "once each")
        self.assertCap(cap, 1600, 16)
        proposal = self.propose(self.order)
        reasons = [line.reason for line in proposal.line_ids]
        self.assertEqual(reasons.count("Over a soft cap"), 2)
        cap.amount_limit = 10000.0
        self.assertEqual(cap.warned_at, 0, "a raised limit warns again")
        self.assertFalse(over.over_soft_cap)

    def test_waiving_gives_up_only_what_is_over_the_cap(self):
        cap = self.cap(600.0)
        [entry, second] = self.make_time(self.order, [8, (date(2026, 5, 5), 1)])
        exception = entry.exception_id
        exception.with_user(self.approver).action_waive("The customer does not pay more")
        self.assertEqual(
            (entry.state, entry.amount, entry.quantity, entry.written_down_amount, entry.over_cap_amount),
            ("approved", 600, 6, 200, 0))
        self.assertEqual((second.state, second.reason), ("excluded", "waived"))
        self.assertEqual(exception.state, "waived")
        self.assertEqual(self.bill(self.order).amount_untaxed, 600)
        self.assertCap(cap, 600, 6)

    def test_the_database_refuses_to_pass_a_hard_cap(self):
        cap = self.cap(1000.0)
        [entry] = self.make_time(self.order, [10])
        self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.cr.savepoint():
            self.env.cr.execute("UPDATE psa_cap_use SET amount = amount + 0.01 WHERE entry_id = %s", [entry.id])
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.cr.savepoint():
            self.env.cr.execute("UPDATE psa_cap SET amount_limit = 999 WHERE id = %s", [cap.id])

    def test_burn_and_forecast(self):
        today = Date.context_today(self.env["psa.cap"])
        cap = self.cap(10000.0, burn_days=28)
        self.make_time(self.order, [(today - timedelta(days=days), 8) for days in (1, 8, 15, 22, 40)])
        self.assertEqual((cap.reserved_amount, cap.left_amount, cap.used_percent), (4000, 6000, 40))
        self.assertEqual((cap.burn_amount, cap.exhausted_on), (800, today + timedelta(days=52)), "6000 / (3200 / 28)")
        empty = self.cap(50.0, kind="line", order_line_id=self.order.order_line[1].id)
        self.assertFalse(empty.exhausted_on)
        cap.amount_limit = 4000.0
        self.assertEqual(cap.exhausted_on, today)

    def test_fix_button_opens_the_cap(self):
        cap = self.cap(100.0)
        [entry] = self.make_time(self.order, [2])
        action = entry.exception_id.with_user(self.preparer).action_fix()
        self.assertEqual((action["res_model"], action["res_id"]), ("psa.cap", cap.id))

    def test_who_may_change_a_cap(self):
        cap = self.cap(100.0)
        for user in (self.preparer, self.reviewer):
            with self.assertRaises(AccessError):
                cap.with_user(user).amount_limit = 200.0
        cap.with_user(self.approver).amount_limit = 200.0
        with self.assertRaises(UserError):
            cap.with_user(self.approver).kind = "line"
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.approver.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        with self.assertRaises(AccessError):
            cap.with_user(self.approver).read(["amount_limit"])

    def test_laws_hold_whatever_happens(self):
        """Random work, corrections, changes, withdrawals, limits and invoices; the laws hold after each."""
        for seed in range(3):
            with self.subTest(seed=seed):
                dice = random.Random(seed)
                order = self.order = self.make_contract(("time_material", 100, 100.0, {
                    "psa_role_id": self.consultant.id}))
                self.make_rate(100, order, role_id=self.consultant.id)
                caps = self.cap(1000.0, order=order) | self.cap(0.0, hours=9.0, enforcement="soft", order=order)
                entries = self.env["psa.entry"]
                for _step in range(25):
                    action = dice.choice(["work", "work", "correction", "change", "withdraw", "limit", "bill"])
                    day = date(2026, 5, dice.randint(1, 28))
                    if action == "work":
                        entries |= self.make_time(order, [(day, dice.choice([0.5, 2, 3.33, 8]))])
                    elif action == "correction":
                        entries |= self.make_time(order, [(day, -dice.choice([0.5, 1, 2]))])
                    elif action in ("change", "withdraw") and entries:
                        entry = dice.choice(entries)
                        hours = entry.source_quantity * dice.choice([0.5, 1, 1.5])
                        self.again(entry, hours=round(hours, 2), approved=action == "change" or dice.random() < 0.3)
                    elif action == "limit":
                        with contextlib.suppress(UserError), self.cr.savepoint():
                            caps[0].amount_limit = dice.choice([600.0, 1000.0, 1500.0, 2500.0])
                    elif action == "bill":
                        for proposal in self.propose(order):
                            if any(line.decision == "in" for line in proposal.line_ids) and proposal.amount_total >= 0:
                                self.bill(order)
                    self.check_laws(caps, entries)

    def check_laws(self, caps, entries):
        for cap in caps:
            self.assertCap(cap, cap.reserved_amount)
        self.assertLessEqual(caps[0].reserved_amount, caps[0].amount_limit)
        for entry in entries:
            worth = Decimal(str(entry.gross_amount))
            amount, over = Decimal(str(entry.amount)), Decimal(str(entry.over_cap_amount))
            self.assertEqual(amount + over, worth, "nothing is lost")
            if entry.state == "approved":
                used = entry.cap_use_ids.filtered(lambda use: use.cap_id == caps[0])
                if amount >= 0:
                    self.assertEqual(Decimal(str(used.amount)), amount)
                else:
                    self.assertLessEqual(Decimal(str(used.amount)), amount, "a correction may keep more of its room")
                self.assertEqual(bool(over) and not entry.pending_change, bool(
                    entry.exception_id.cause_code == "cap_reached"))
            elif entry.state == "held":
                self.assertEqual(entry.reason, "cap_reached")
                self.assertFalse(entry.cap_use_ids)
        self.assertLedger(entries)

    def test_few_queries_however_many_entries(self):
        self.cap(100000.0)
        self.cap(100000.0, kind="line", order_line_id=self.order.order_line[0].id)
        few, many = self.make_timesheets(self.order, [1] * 2), self.make_timesheets(self.order, [1] * 60)
        counts = []
        for timesheets in (few, many):
            specs = self.time_specs(self.order, timesheets)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["psa.entry"]._sync("time", specs)
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 3, counts)
