from datetime import date

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .charge_common import ChargeCase


class RetainerCase(ChargeCase):

    def retainer(self, fee=1000.0, rate=100.0, method="retainer", quantity=1, start=date(2026, 1, 1), fee_terms=None,
                 **values):
        """Return a retainer on a new contract whose only line is its fee; hours are worth 100."""
        terms = {"psa_date_start": start, "psa_interval": "month", "psa_anchor": "calendar"}
        if method == "prepaid":
            terms = {}
        order = self.make_contract((method, quantity, fee, {**terms, **(fee_terms or {})}))
        if rate:
            self.make_rate(rate, order, role_id=self.consultant.id)
        return self.env["psa.retainer"].create({
            "name": "Support", "order_id": order.id, "fee_line_id": order.order_line.id, "date_start": start, **values})

    def work(self, retainer, *hours, **values):
        """``hours``: ``(day, hours)`` each; return the entries in that order."""
        order = retainer.order_id
        timesheets = self.make_timesheets(order, list(hours))
        return self.env["psa.entry"]._sync("time", self.time_specs(order, timesheets, **values))

    def again(self, entry, **values):
        [spec] = self.time_specs(entry.order_id, entry.analytic_line_id, **values)
        return self.env["psa.entry"]._sync("time", [spec])

    def figures(self, entries):
        return [(entry.drawn_amount, entry.amount, entry.state) for entry in entries]

    def statement(self, retainer):
        """Return {month: (opening, added, drawn, expired, closing)}."""
        self.env.flush_all()
        self.env.invalidate_all()
        return {
            row.period_start.strftime("%m"): (row.opening, row.added, row.drawn, row.expired, row.closing)
            for row in retainer.statement_ids
        }

    def assertRetainer(self, retainer):
        """The law: the balance is the sum of the ledger and of the rests, and draws are what entries say."""
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertAlmostEqual(retainer.balance, sum(retainer.move_ids.mapped("units")), 6)
        self.assertAlmostEqual(retainer.balance, sum(retainer.move_ids.mapped("rest")), 6)
        for entry in retainer.order_id.psa_entry_ids:
            moves = entry.draw_ids
            self.assertAlmostEqual(entry.drawn_amount, -sum(moves.mapped("amount")), 6)
            self.assertAlmostEqual(entry.drawn_quantity, -sum(moves.mapped("hours")), 6)


@tagged("post_install", "-at_install")
class TestRetainer(RetainerCase):
    """Money and hours paid beforehand: filled by fees, drawn by work, rolled over or expired."""

    def test_the_example_of_the_documentation(self):
        """1,000 a month, no roll-over; 6 h in January, 12 h in February."""
        retainer = self.retainer(rollover="none")
        self.assertEqual(retainer.balance, 1000)
        january = self.work(retainer, (date(2026, 1, 15), 6))
        self.assertEqual(self.figures(january), [(600, 0, "excluded")])
        self.assertEqual(january.reason, "drawn")
        self.at("2026-02-20")
        self.env["psa.retainer"]._cron_expire()
        self.env["psa.charge"]._charge(retainer.fee_line_id, date(2026, 2, 20))
        february = self.work(retainer, (date(2026, 2, 3), 8), (date(2026, 2, 17), 4))
        self.assertEqual(self.figures(february), [(800, 0, "excluded"), (200, 200, "approved")])
        self.assertEqual((february[1].quantity, february[1].drawn_quantity), (2, 2))
        self.assertEqual(february[1].trace["steps"], [{
            "step": "drawn", "retainer": "Support", "lots": [{"lot": "2026-02-01", "drawn": "200"}],
            "amount": "-200", "left": "200",
        }])
        self.assertRetainer(retainer)
        statement = self.statement(retainer)
        self.assertEqual(statement["01"], (0, 1000, 600, 400, 0))
        self.assertEqual(statement["02"], (0, 1000, 1000, 0, 0))
        invoice = self.bill(retainer.order_id, date(2026, 1, 1), date(2026, 2, 28))
        self.assertEqual(sorted(invoice.invoice_line_ids.mapped("price_subtotal")), [200, 1000, 1000])
        self.assertEqual(retainer.fee_line_id.qty_delivered, retainer.fee_line_id.qty_invoiced)

    def test_roll_over(self):
        """What is left of January (400) in the months after: (rule, what February and March may draw)."""
        for values, expected in [
            ({"rollover": "none"}, [1000, 1000]),
            ({"rollover": "all"}, [1400, 1000]),
            ({"rollover": "limited", "rollover_periods": 1}, [1400, 1000]),
            ({"rollover": "all", "expiry_months": 1}, [1000, 1000]),
            ({"rollover": "all", "expiry_months": 2}, [1400, 1000]),
        ]:
            self.at("2026-01-31")
            retainer = self.retainer(**values)
            self.work(retainer, (date(2026, 1, 15), 6))
            self.at("2026-03-31")
            self.env["psa.charge"]._charge(retainer.fee_line_id, date(2026, 3, 31))
            work = self.work(retainer, (date(2026, 2, 15), 20), (date(2026, 3, 15), 20))
            self.assertEqual(work.mapped("drawn_amount"), expected, values)
            self.env["psa.retainer"]._cron_expire()
            self.assertRetainer(retainer)

    def test_rest_of_two_months_ago_with_one_period_of_roll_over(self):
        retainer = self.retainer(rollover="limited", rollover_periods=1)
        self.at("2026-03-31")
        self.env["psa.charge"]._charge(retainer.fee_line_id, date(2026, 3, 31))
        [work] = self.work(retainer, (date(2026, 3, 15), 50))
        self.assertEqual(work.drawn_amount, 2000, "February and March, not January")
        self.env["psa.retainer"]._cron_expire()
        self.assertEqual(self.statement(retainer)["02"], (1000, 1000, 0, 1000, 1000))

    def test_oldest_first(self):
        retainer = self.retainer(rollover="all")
        self.at("2026-02-28")
        self.env["psa.charge"]._charge(retainer.fee_line_id, date(2026, 2, 28))
        [work] = self.work(retainer, (date(2026, 2, 10), 12))
        self.assertEqual(
            [(str(move.lot_id.date), move.units) for move in work.draw_ids.sorted(lambda move: move.lot_id.date)],
            [("2026-01-01", -1000), ("2026-02-01", -200)])
        [early] = self.work(retainer, (date(2026, 1, 10), 7))
        self.assertEqual(early.drawn_amount, 700, "older work goes first, and only January's money is there for it")
        self.assertEqual(work.drawn_amount, 1200, "300 of January are left, and 900 of February")
        self.assertRetainer(retainer)
        more = self.work(retainer, (date(2026, 1, 11), 7))
        self.assertEqual((more.drawn_amount, work.drawn_amount), (300, 1000))
        self.assertRetainer(retainer)

    def test_late_work_draws_on_what_expired_after_its_day(self):
        retainer = self.retainer(rollover="none")
        self.at("2026-02-05")
        self.env["psa.retainer"]._cron_expire()
        self.assertEqual(retainer.balance, 0)
        [late] = self.work(retainer, (date(2026, 1, 30), 3))
        self.assertEqual(late.drawn_amount, 300)
        self.assertEqual(self.statement(retainer)["01"], (0, 1000, 300, 700, 0))
        self.env["psa.retainer"]._cron_expire()
        self.assertEqual(self.statement(retainer)["01"], (0, 1000, 300, 700, 0), "twice changes nothing")

    def test_given_back(self):
        retainer = self.retainer()
        first, second = self.work(retainer, (date(2026, 1, 5), 8), (date(2026, 1, 6), 8))
        self.assertEqual((first.drawn_amount, second.drawn_amount, second.amount), (800, 200, 600))
        self.again(first, approved=False)
        self.assertEqual((first.state, second.drawn_amount, second.amount), ("withdrawn", 800, 0))
        self.assertRetainer(retainer)
        self.again(first)
        self.assertEqual((first.drawn_amount, second.drawn_amount), (800, 200))
        self.again(first, quantity=5)
        self.assertEqual((first.drawn_amount, second.drawn_amount), (500, 500))
        self.again(first, deleted=True)
        self.assertEqual((first.draw_ids.ids, second.drawn_amount), ([], 800))
        second.sudo().action_waive("Goodwill")
        self.assertEqual(retainer.balance, 1000)
        self.assertRetainer(retainer)

    def test_a_correction_gives_back(self):
        retainer = self.retainer()
        work, correction = self.work(retainer, (date(2026, 1, 5), 8), (date(2026, 1, 6), -2))
        self.assertEqual((work.drawn_amount, correction.drawn_amount, retainer.balance), (800, -200, 400))
        [more] = self.work(retainer, (date(2026, 1, 7), 5))
        self.assertEqual((more.drawn_amount, retainer.balance), (400, 0))
        self.again(correction, deleted=True)
        self.assertEqual((more.drawn_amount, more.amount), (200, 300))
        self.assertRetainer(retainer)

    def test_overage(self):
        for values, expected in [
            ({"overage": "rate"}, (1000, 200, "approved", False)),
            ({"overage": "overage_rate", "overage_rate": 150}, (1000, 300, "approved", False)),
            ({"overage": "hold"}, (1000, 200, "held", "retainer_empty")),
        ]:
            retainer = self.retainer(**values)
            [work] = self.work(retainer, (date(2026, 1, 15), 12))
            self.assertEqual((work.drawn_amount, work.amount, work.state, work.reason), expected, values)
            self.assertEqual((work.quantity, work.gross_amount), (2, expected[0] + expected[1]))
            self.assertRetainer(retainer)
            self.bill(retainer.order_id, date(2026, 1, 1), date(2026, 1, 31))
            self.again(work)
            self.assertFalse(work.pending_change, "the same record again is no change")

    def test_a_top_up_releases_what_is_held(self):
        retainer = self.retainer(overage="hold")
        [work] = self.work(retainer, (date(2026, 1, 15), 12))
        exception = work.exception_id
        self.assertEqual((exception.cause_code, exception.amount), ("retainer_empty", 200))
        self.assertEqual(exception.action_fix()["res_id"], retainer.id)
        wizard = self.env["psa.retainer.add"].with_user(self.approver).create({
            "retainer_id": retainer.id, "kind": "added", "units": 500, "note": "Agreed with the customer"})
        wizard.action_add()
        self.assertEqual((work.state, work.reason, work.drawn_amount), ("excluded", "drawn", 1200))
        self.assertEqual((exception.state, retainer.balance), ("resolved", 300))
        lot = retainer.move_ids.filtered("note")
        lot.with_user(self.approver).action_remove()
        self.assertEqual((work.state, work.reason, work.amount), ("held", "retainer_empty", 200))
        self.assertRetainer(retainer)

    def test_when_it_is_filled(self):
        for rule, steps in [
            ("approved", [1000, 1000, 1000, 1000]),
            ("billed", [0, 0, 1000, 1000]),
            ("paid", [0, 0, 0, 1000]),
        ]:
            retainer = self.retainer(adds_when=rule)
            balances = [retainer.balance]
            move = self.bill(retainer.order_id, date(2026, 1, 1), date(2026, 1, 31), post=False)
            balances.append(retainer.balance)
            move.action_post()
            balances.append(retainer.balance)
            self.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=move.ids).create({})._create_payments()
            self.env.cr.flush()
            balances.append(retainer.balance)
            self.assertEqual(balances, steps, rule)

    def test_a_credited_fee_takes_its_money_along(self):
        retainer = self.retainer(adds_when="billed")
        move = self.bill(retainer.order_id, date(2026, 1, 1), date(2026, 1, 31))
        [work] = self.work(retainer, (date(2026, 1, 15), 4))
        self.assertEqual((work.drawn_amount, work.amount), (400, 0))
        credit = move._reverse_moves([{"invoice_date": date(2026, 2, 1)}])
        credit.action_post()
        self.assertEqual((work.drawn_amount, work.amount, work.state, retainer.balance), (0, 400, "approved", 0))
        self.assertRetainer(retainer)

    def test_a_fee_that_billed_work_drew_on_cannot_go(self):
        retainer = self.retainer(adds_when="billed")
        move = self.bill(retainer.order_id, date(2026, 1, 1), date(2026, 1, 31))
        self.work(retainer, (date(2026, 1, 15), 14))
        self.bill(retainer.order_id, date(2026, 1, 1), date(2026, 1, 31))
        credit = move._reverse_moves([{"invoice_date": date(2026, 2, 1)}])
        with self.assertRaises(UserError), self.env.cr.savepoint():
            credit.action_post()

    def test_attached_after_the_fact(self):
        order = self.make_contract(("time_material", 100, 0.0))
        self.make_rate(100, order, role_id=self.consultant.id)
        billed = self.make_time(order, [(date(2026, 1, 5), 8)])
        self.bill(order, date(2026, 1, 1), date(2026, 1, 31))
        unbilled = self.make_time(order, [(date(2026, 1, 7), 4), (date(2025, 12, 30), 1)])
        retainer = self.env["psa.retainer"].create({
            "name": "Support", "order_id": order.id, "date_start": date(2026, 1, 1), "period": "none"})
        retainer._add_by_hand(date(2026, 1, 1), 1000, False, "Paid in December")
        self.assertEqual(unbilled.mapped("drawn_amount"), [400, 0])
        self.assertEqual((billed.amount, billed.drawn_amount, billed.pending_change), (800, 0, False))
        offer = self.env["psa.retainer.offer"].with_user(self.reviewer).with_context(
            default_retainer_id=retainer.id).create({})
        self.assertEqual([(line.entry_id, line.draw_amount) for line in offer.line_ids], [(billed, 600)])
        self.assertEqual(retainer.balance, 600, "an offer draws nothing")
        offer.action_offer()
        self.assertEqual((billed.pending_change, billed.pending_amount), ("changed", 200))
        billed.with_user(self.reviewer).action_accept_change()
        credit = self.env["account.move"].search([
            ("move_type", "=", "out_refund"), ("company_id", "=", self.company.id)])
        self.assertEqual(credit.amount_untaxed, 600)
        credit.action_post()
        self.assertEqual(
            (billed.drawn_amount, billed.amount, billed.billing_state, billed.pending_change),
            (600, 200, "billed", False))
        self.assertEqual(retainer.balance, 0)
        self.assertRetainer(retainer)
        self.assertLedger(order.psa_entry_ids)

    def test_an_offer_that_is_waived_leaves_everything_as_it_was(self):
        order = self.make_contract(("time_material", 100, 0.0))
        self.make_rate(100, order, role_id=self.consultant.id)
        billed = self.make_time(order, [(date(2026, 1, 5), 8)])
        self.bill(order, date(2026, 1, 1), date(2026, 1, 31))
        retainer = self.env["psa.retainer"].create({
            "name": "Support", "order_id": order.id, "date_start": date(2026, 1, 1), "period": "none"})
        retainer._add_by_hand(date(2026, 1, 1), 1000, False, "Paid in December")
        billed._offer_draws()
        self.assertEqual(billed.pending_amount, 0)
        billed.exception_id.action_waive("The customer prefers the invoice")
        self.assertEqual((billed.pending_change, billed.draw_offered, retainer.balance), (False, False, 1000))

    def test_hours(self):
        """20 hours a month for 3,000; work has no rate of its own: an hour is worth 150."""
        retainer = self.retainer(3000, rate=None, unit="hours", hours_per_period=20, rollover="none")
        [first, second] = self.work(retainer, (date(2026, 1, 15), 16), (date(2026, 1, 20), 6))
        self.assertEqual((first.drawn_quantity, first.drawn_amount, first.rate), (16, 2400, 150))
        self.assertEqual((second.drawn_quantity, second.drawn_amount), (4, 600))
        self.assertEqual(
            (second.state, second.reason, second.amount, second.quantity), ("held", "missing_rate", 0, 2),
            "nobody said what an hour over the retainer costs")
        self.make_rate(180, retainer.order_id, role_id=self.consultant.id)
        self.assertEqual((second.state, second.amount, second.drawn_amount), ("approved", 360, 720))
        self.assertRetainer(retainer)

    def test_hours_of_a_part_of_a_month(self):
        self.at("2026-01-31")
        retainer = self.retainer(3100, unit="hours", hours_per_period=31, start=date(2026, 1, 22))
        self.assertEqual((retainer.balance, retainer.move_ids.amount), (10, 1000))

    def test_time_paid_beforehand_without_a_retainer_is_held(self):
        order = self.make_contract(("prepaid", 40, 120.0))
        [entry] = self.make_time(order, [2])
        self.assertEqual((entry.state, entry.reason), ("held", "missing_rate"))
        self.make_rate(100, order, role_id=self.consultant.id)
        self.assertEqual((entry.state, entry.reason, entry.amount), ("held", "retainer_empty", 200))
        action = entry.exception_id.action_fix()
        self.assertEqual(action["context"]["default_fee_line_id"], order.order_line.id)
        values = {key[8:]: value for key, value in action["context"].items()}
        retainer = self.env["psa.retainer"].create(values)
        self.assertEqual((entry.state, entry.drawn_amount, retainer.balance), ("excluded", 200, 38))

    def test_time_that_names_no_line_goes_to_the_retainer(self):
        retainer = self.retainer()
        [work] = self.work(retainer, (date(2026, 1, 5), 2), order_line_id=None)
        self.assertEqual((work.order_line_id, work.drawn_amount), (retainer.fee_line_id, 200))

    def test_the_printed_statement(self):
        retainer = self.retainer()
        self.work(retainer, (date(2026, 1, 5), 2))
        html, _kind = self.env["ir.actions.report"]._render_qweb_html("psa_hub.report_psa_retainer", retainer.ids)
        for figure in (b"1000.00", b"200.00", b"800.00"):
            self.assertIn(figure, html)

    def test_expenses(self):
        retainer = self.retainer(covers_expenses=True)
        expense = self.env["hr.expense"].create({
            "name": "Train", "employee_id": self.ada.id, "product_id": self.products["expense"].id,
            "total_amount_currency": 119, "company_id": self.company.id,
        })
        [entry] = self.env["psa.entry"]._sync("expense", [{
            "source": expense, "order_id": retainer.order_id.id, "work_date": date(2026, 1, 8), "quantity": 1,
            "currency_id": retainer.currency_id.id, "fixed_amount": 120, "employee_id": self.ada}])
        self.assertEqual((entry.state, entry.drawn_amount, retainer.balance), ("excluded", 120, 880))

    def test_rules_may_change(self):
        retainer = self.retainer(overage="hold")
        [work] = self.work(retainer, (date(2026, 1, 15), 12))
        retainer.overage = "rate"
        self.assertEqual((work.state, work.amount), ("approved", 200))
        retainer.date_start = date(2026, 1, 16)
        self.assertEqual((work.state, work.amount, work.drawn_amount), ("approved", 1200, 0))
        retainer.date_start = date(2026, 1, 1)
        self.assertEqual(work.drawn_amount, 1000)
        retainer.active = False
        self.assertEqual((work.drawn_amount, retainer.balance), (0, 1000))

    def test_the_database_keeps_it_above_zero(self):
        retainer = self.retainer()
        self.work(retainer, (date(2026, 1, 15), 2))
        lot, draw = retainer.move_ids.sorted("units", reverse=True)
        for values in ({"units": -1000.01}, {"units": -1500}):
            with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
                draw.write(values)
                self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            lot.units = 199
            self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            draw.copy()
            self.env.flush_all()
        self.assertEqual(retainer.balance, 800)
        with self.assertRaises(UserError):
            retainer.unlink()

    def test_the_ledger_is_locked_while_work_draws(self):
        retainer = self.retainer()
        queries = []
        original = type(self.env.cr).execute

        def execute(cursor, query, *args, **kwargs):
            text = query.code if hasattr(query, "code") else str(query)
            queries.append(text)
            return original(cursor, query, *args, **kwargs)

        self.patch(type(self.env.cr), "execute", execute)
        self.work(retainer, (date(2026, 1, 15), 2))
        lock = next(i for i, text in enumerate(queries) if "psa_retainer WHERE" in text and "FOR NO KEY UPDATE" in text)
        read = next(i for i, text in enumerate(queries) if "FROM psa_retainer_move lot" in text)
        self.assertLess(lock, read, "locked before it is read")

    def test_a_thousand_draws_cost_few_queries(self):
        retainer = self.retainer(1000000)
        order = retainer.order_id
        timesheets = self.make_timesheets(order, [(date(2026, 1, 1 + i % 28), 1) for i in range(300)])
        specs = self.time_specs(order, timesheets)
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        entries = self.env["psa.entry"]._sync("time", specs)
        self.env.flush_all()
        self.assertLess(self.env.cr.sql_log_count - before, 60)
        self.assertEqual(sum(entries.mapped("drawn_amount")), 30000)

    def test_who_may(self):
        retainer = self.retainer()
        with self.assertRaises(AccessError):
            retainer.with_user(self.preparer).overage = "hold"
        with self.assertRaises(AccessError):
            retainer.with_user(self.approver).balance = 5
        with self.assertRaises(AccessError):
            self.env["psa.retainer.move"].with_user(self.approver).create({
                "retainer_id": retainer.id, "date": date(2026, 1, 1), "kind": "opening", "units": 5})
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.approver.copy({
            "login": "stranger", "company_id": other.id, "company_ids": [Command.set(other.ids)]})
        for model in ("psa.retainer", "psa.retainer.move", "psa.retainer.statement", "psa.progress", "psa.pause"):
            self.assertFalse(self.env[model].with_user(stranger).with_context(
                allowed_company_ids=other.ids).search([]), model)
