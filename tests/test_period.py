from datetime import date, datetime

from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .fake_connector import FakeConnector, registered
from .test_hold import HoldCase

MAY, JUNE = (date(2026, 5, 1), date(2026, 5, 31)), (date(2026, 6, 1), date(2026, 6, 30))


class PeriodCase(HoldCase):
    """May 2026 with a cut-off on 3 June at noon for everything."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.may = cls.env["psa.closing"].create({
            "company_id": cls.company.id, "period_start": MAY[0], "period_end": MAY[1],
            "cutoff_ids": [Command.create({"cutoff_at": datetime(2026, 6, 3, 12)})],
        })
        cls.receivable_revenue = cls.env["account.account"].create({
            "name": "Accrued Revenue", "code": "106500", "account_type": "asset_current",
            "company_ids": [Command.set(cls.company.ids)]})
        cls.revenue = cls.env["account.account"].create({
            "name": "Revenue Accruals", "code": "400500", "account_type": "income",
            "company_ids": [Command.set(cls.company.ids)]})
        cls.journal = cls.env["account.journal"].search(
            [("type", "=", "general"), ("company_id", "=", cls.company.id)], limit=1)

    def set_up_accruals(self):
        self.company.write({
            "psa_accrual_journal_id": self.journal.id, "psa_accrued_account_id": self.receivable_revenue.id,
            "psa_accrual_revenue_account_id": self.revenue.id,
        })

    def close(self, closing=None):
        (closing or self.may).with_user(self.approver)._close("A test")

    def arrive(self, moment, hours=(8,), order=None, day=date(2026, 5, 20), **values):
        """Return May work that is approved at ``moment``."""
        with freeze_time(moment):
            entries = self.make_time(order or self.order, list(hours), day=day, **values)
            self.env.flush_all()
        return entries

    def in_proposal(self, period, order=None):
        """Return what the proposal of a period bills: ``{entry: reason}``."""
        proposal = self.propose(order or self.order, *period)
        return {line.entry_id: line.reason for line in proposal.line_ids if line.decision == "in"}

    def balances(self, move):
        return {line.account_id: line.balance for line in move.line_ids}


@tagged("post_install", "-at_install")
class TestLateArrival(PeriodCase):

    def test_in_time_and_late(self):
        """Approved before the cut-off: May. After it: the next open period, and marked."""
        early = self.arrive("2026-06-03 11:59:59")
        self.close()
        late = self.arrive("2026-06-03 12:00:01")
        self.assertFalse(early.late_policy)
        self.assertEqual(
            (late.state, late.late_policy, late.late_cause, late.late_closing_id, late.late_period),
            ("approved", "next_period", "cutoff", self.may, date(2026, 6, 1)))
        self.assertEqual(list(self.in_proposal(MAY)), [early])
        june = self.in_proposal(JUNE)
        self.assertEqual(list(june), [late])
        self.assertIn("Late arrival", june[late])
        self.assertEqual((self.may.late_count, self.may.late_amount), (1, 800))

    def test_each_source_has_its_cutoff(self):
        with registered(FakeConnector()):
            connections = self.env["psa.connection"].create([
                {"name": name, "connector_code": "fake", "company_id": self.company.id, "environment": "sandbox"}
                for name in ("Fast", "Slow")
            ])
        self.may.cutoff_ids = [
            Command.create({"connection_id": connections[1].id, "cutoff_at": datetime(2026, 6, 10, 12)})]
        messages = self.env["psa.message"].sudo().create([
            {
                "connection_id": stream.connection_id.id, "stream_id": stream.id, "company_id": self.company.id,
                "lane": "transaction", "dedupe_key": "1", "object_type": "Timecard", "external_id": "1",
                "operation": "upsert", "state": "done",
            }
            for stream in connections.stream_ids.filtered(lambda stream: stream.code == "account").sorted("id")
        ])
        self.close()
        fast, slow = (self.arrive("2026-06-05 09:00:00", message_id=message.id) for message in messages)
        self.assertEqual((fast.late_policy, slow.late_policy), ("next_period", False))

    def test_the_policy_of_the_contract_wins(self):
        self.close()
        self.order.psa_late_policy = "ask"
        entry = self.arrive("2026-06-05 09:00:00")
        self.assertEqual((entry.state, entry.reason, entry.exception_id.cause_code),
                         ("held", "late_arrival", "late_arrival"))
        self.assertEqual(entry.exception_id.amount, 800)
        self.assertFalse(self.in_proposal(JUNE))

    def test_ask_and_the_four_answers(self):
        self.set_up_accruals()
        self.close()
        self.order.psa_late_policy = "ask"
        table = [
            # answer, chosen day -> billed from, in May's proposal, in June's, in July's
            ("next_period", None, date(2026, 6, 1), False, True, True),
            ("in_time", None, date(2026, 5, 20), True, True, True),
            ("chosen", date(2026, 7, 1), date(2026, 7, 1), False, False, True),
            ("accrue", None, date(2026, 6, 1), False, True, True),
        ]
        july = date(2026, 7, 1), date(2026, 7, 31)
        for answer, day, billed_from, *where in table:
            order = self.make_hourly_contract(psa_late_policy="ask")
            entry = self.arrive("2026-06-05 09:00:00", order=order)
            exception = entry.exception_id
            action = exception.with_user(self.reviewer).action_fix()
            self.assertEqual(action["res_model"], "psa.late.decide")
            wizard = self.env["psa.late.decide"].with_user(self.reviewer).with_context(**action["context"]).create({
                "how": answer, "period": day or date(2026, 1, 1)})
            self.assertEqual((wizard.entry_ids, wizard.amount), (entry, 800))
            wizard.action_decide()
            self.assertEqual((entry.state, entry.late_period, exception.state),
                             ("approved", billed_from, "resolved"), answer)
            self.assertEqual(entry.late_decided_by_id, self.reviewer)
            for period, expected in zip((MAY, JUNE, july), where, strict=True):
                domain = self.env["psa.proposal"]._backlog_domain(order, period[1])
                self.assertEqual(bool(self.env["psa.entry"].search(domain)), expected, f"{answer}, {period}")
            self.assertEqual(bool(entry.accrual_ids), answer == "accrue")

    def test_only_reviewers_choose(self):
        self.close()
        self.order.psa_late_policy = "ask"
        entry = self.arrive("2026-06-05 09:00:00")
        with self.assertRaises(AccessError):
            self.env["psa.late.decide"].with_user(self.preparer).create({"entry_ids": [Command.set(entry.ids)]})

    def test_a_locked_month_never_errors(self):
        """Books locked at the end of May: work goes on to June, the invoice bears 1 June, nothing raises."""
        early = self.make_time(self.order, [8])
        self.company.sale_lock_date = date(2026, 5, 31)
        self.env.invalidate_all()
        self.assertFalse(early.late_policy)
        for policy in ("next_period", "accrue"):
            self.company.psa_late_policy = policy
            late = self.make_time(self.order, [2], day=date(2026, 5, 21))
            self.assertEqual(
                (late.state, late.late_cause, late.late_policy, late.late_period),
                ("approved", "locked", "next_period", date(2026, 6, 1)), policy)
        self.early_is_not_late_after_a_change(early)
        move = self.bill(self.order)
        self.assertEqual((move.invoice_date, move.date, move.amount_untaxed),
                         (date(2026, 6, 1), date(2026, 6, 1), 800))
        move = self.bill(self.order, *JUNE)
        self.assertEqual(move.amount_untaxed, 400)

    def early_is_not_late_after_a_change(self, early):
        early._reprice(early)
        self.assertFalse(early.late_policy, "it was there before the books were locked")

    def test_a_lock_exception_opens_the_month(self):
        self.company.fiscalyear_lock_date = date(2026, 5, 31)
        self.env["account.lock_exception"].create({
            "company_id": self.company.id, "user_id": False, "fiscalyear_lock_date": date(2026, 4, 30),
            "reason": "Late correction", "end_datetime": False,
        })
        self.env.invalidate_all()
        self.assertFalse(self.make_time(self.order, [8]).late_policy)
        self.assertEqual(self.company._psa_lock_day(), date(2026, 4, 30))

    def test_first_open_day_steps_over_closed_periods(self):
        self.env["psa.closing"].create({"company_id": self.company.id, "period_start": JUNE[0]})
        june = self.env["psa.closing"].search([("period_start", "=", JUNE[0])])
        self.close(self.may | june)
        entry = self.arrive("2026-07-20 09:00:00")
        self.assertEqual(entry.late_period, date(2026, 7, 1))

    def test_closing_finds_what_came_after_the_cutoff(self):
        entry = self.arrive("2026-06-05 09:00:00")
        self.assertFalse(entry.late_policy, "nobody has begun to close")
        self.may.with_user(self.reviewer).action_start()
        self.assertEqual(entry.late_policy, "next_period")

    def test_a_later_cutoff_takes_it_back_while_closing(self):
        self.may.with_user(self.reviewer).action_start()
        entry = self.arrive("2026-06-05 09:00:00")
        self.assertEqual(entry.late_policy, "next_period")
        self.may.cutoff_ids.with_user(self.reviewer).cutoff_at = datetime(2026, 6, 8, 12)
        self.assertFalse(entry.late_policy)
        self.may.cutoff_ids.with_user(self.reviewer).cutoff_at = datetime(2026, 6, 4, 12)
        self.assertEqual(entry.late_policy, "next_period")
        self.close()
        with self.assertRaises(UserError):
            self.may.cutoff_ids.cutoff_at = datetime(2026, 6, 9, 12)

    def test_reopening_takes_it_back(self):
        self.set_up_accruals()
        self.company.psa_late_policy = "accrue"
        self.close()
        entry = self.arrive("2026-06-05 09:00:00")
        self.assertTrue(entry.accrual_ids)
        with self.assertRaises(UserError):
            self.may.with_user(self.approver)._reopen("")
        with self.assertRaises(AccessError):
            self.may.with_user(self.reviewer)._reopen("Because")
        self.may.with_user(self.approver)._reopen("The customer asked for one invoice")
        self.assertFalse(entry.late_policy)
        self.assertEqual(list(self.in_proposal(MAY)), [entry])
        audit = self.env["psa.audit"].search([("event", "=", "closing.reopen")])
        self.assertEqual(audit.reason, "The customer asked for one invoice")
        self.assertFalse(entry.accrual_ids.filtered(lambda accrual: not accrual.undone_at))


@tagged("post_install", "-at_install")
class TestClosing(PeriodCase):

    def test_checklist(self):
        self.make_time(self.order, [8])
        self.make_time(self.order, [1], currency_id=self.env.ref("base.EUR").id)  # not the contract's currency
        self.make_time(self.order, [2], approved=False)
        self.propose(self.order)
        counts = {check.kind: (check.count, check.amount) for check in self.may.check_ids}
        self.assertEqual(counts["unapproved"], (1, 200))
        self.assertEqual(counts["proposals"], (1, 800))
        self.assertEqual(counts["exceptions"][0], 1)
        self.assertEqual(counts["messages"][0], 0)
        for check in self.may.check_ids:
            action = check.action_open()
            self.assertEqual(self.env[action["res_model"]].search_count(action["domain"]), check.count, check.kind)
        action = self.may.with_user(self.approver).action_close()
        self.assertEqual(action["res_model"], "psa.reason", "with open checks the reason is asked for")
        with self.assertRaises(UserError):
            self.may.with_user(self.approver)._close()
        self.env["psa.reason"].with_user(self.approver).create({
            "ask": "close", "res_model": "psa.closing", "res_ids": self.may.ids,
            "reason": "The rest is written off"}).action_confirm()
        self.assertEqual(self.may.state, "closed")
        audit = self.env["psa.audit"].search([("event", "=", "closing.close")])
        self.assertEqual(audit.reason, "The rest is written off")

    def test_nothing_open_closes_without_a_word(self):
        self.may.check_ids = [Command.create({"label": "Bank reconciled"})]
        check = self.may.check_ids.filtered(lambda check: check.kind == "manual")
        self.assertEqual(self.may.open_check_count, 1)
        check.with_user(self.preparer).action_toggle()
        self.assertEqual((check.done_by_id, self.may.open_check_count), (self.preparer, 0))
        self.assertFalse(self.may.with_user(self.approver).action_close())
        self.assertEqual(self.may.state, "closed")

    def test_who_may(self):
        with self.assertRaises(AccessError):
            self.may.with_user(self.preparer).action_start()
        with self.assertRaises(AccessError):
            self.may.with_user(self.reviewer).action_close()
        with self.assertRaises(AccessError):
            self.may.with_user(self.approver).write({"state": "closed"})

    def test_a_new_period_gets_cutoffs_and_a_checklist(self):
        self.company.psa_cutoff_days = 5
        june = self.env["psa.closing"].with_company(self.company).create({})
        self.assertEqual((june.period_start, june.period_end, june.name), (*JUNE, "2026-06"))
        self.assertEqual(june.cutoff_ids.mapped("cutoff_at"), [datetime(2026, 7, 5, 23, 59, 59)])
        self.assertEqual(len(june.check_ids), 4)


@tagged("post_install", "-at_install")
class TestAccrual(PeriodCase):

    def setUp(self):
        super().setUp()
        self.set_up_accruals()

    def test_accrual_and_reversal_to_the_cent(self):
        """2.5 h at 133.33 (333.33) and 8 h at 100 arrive late: 1,133.33 in May, taken back on 1 June."""
        self.company.psa_late_policy = "accrue"
        self.close()
        self.make_rate(133.33, self.order, employee_id=self.grace.id)
        with freeze_time("2026-06-05 09:00:00"):
            timesheets = self.make_timesheets(self.order, [8]) | self.make_timesheets(
                self.order, [2.5], employee=self.grace)
            entries = self.env["psa.entry"]._sync("time", self.time_specs(self.order, timesheets))
        self.assertEqual(sum(entries.mapped("amount")), 1133.33)
        move, reversal = entries.accrual_ids.move_id, entries.accrual_ids.reversal_id
        self.assertEqual((len(move), move.state, move.date, len(reversal), reversal.date),
                         (1, "draft", date(2026, 5, 31), 1, date(2026, 6, 1)))
        self.assertEqual(self.balances(move), {self.receivable_revenue: 1133.33, self.revenue: -1133.33})
        self.assertEqual(self.balances(reversal), {self.receivable_revenue: -1133.33, self.revenue: 1133.33})
        move.action_post()
        self.assertEqual((move.state, reversal.state), ("posted", "posted"), "the reversal cannot be forgotten")
        billed = self.bill(self.order, *JUNE)
        self.assertEqual(billed.amount_untaxed, 1133.33)
        self.assertFalse(entries.accrual_ids.filtered("undone_at"), "billed in June: May keeps its revenue")

    def test_all_unbilled_work_of_a_period(self):
        entries = self.make_time(self.order, [8, 2])
        with self.assertRaises(UserError):
            self.may.with_user(self.reviewer).action_accrue()
        self.may.with_user(self.reviewer).action_start()
        entries.invalidate_recordset()
        # what arrived after the cut-off is late by the rule, and unbilled all the same
        self.may.with_user(self.reviewer).action_accrue()
        self.assertEqual((self.may.accrual_count, self.may.accrual_amount), (2, 1000))
        with self.assertRaises(UserError):
            self.may.with_user(self.reviewer).action_accrue()
        with self.assertRaises(AccessError):
            self.may.with_user(self.preparer).action_accrue()

    def test_withdrawn_work_leaves_the_draft(self):
        entries = self.make_time(self.order, [8, 2])
        self.may.action_start()
        self.may.action_accrue()
        move = entries.accrual_ids.move_id
        self.env["psa.entry"]._sync("time", self.time_specs(
            self.order, entries[1].analytic_line_id, approved=False))
        self.assertEqual(entries[1].accrual_ids.undone_reason, "withdrawn")
        self.assertEqual(self.balances(move), {self.receivable_revenue: 800, self.revenue: -800})
        reversal = entries[0].accrual_ids.reversal_id
        self.assertEqual(self.balances(reversal), {self.receivable_revenue: -800, self.revenue: 800})
        self.env["psa.entry"]._sync("time", self.time_specs(
            self.order, entries[0].analytic_line_id, approved=False))
        self.assertFalse((move | reversal).exists(), "nothing is left of the proposal")
        self.assertEqual(entries.accrual_ids.mapped("undone_reason"), ["withdrawn", "withdrawn"])

    def test_a_deleted_draft_can_be_proposed_again(self):
        entry = self.make_time(self.order, [8])
        self.may.action_start()
        self.may.action_accrue()
        first = entry.accrual_ids
        reversal = first.reversal_id
        first.move_id.unlink()
        self.assertEqual(first.undone_reason, "deleted")
        self.assertFalse(reversal.exists())
        self.may.action_accrue()
        self.assertEqual(self.may.accrual_amount, 800)

    def test_changed_work_changes_the_draft(self):
        entry = self.make_time(self.order, [8])
        self.may.action_start()
        self.may.action_accrue()
        timesheet = entry.analytic_line_id
        timesheet.unit_amount = 9.5
        self.env["psa.entry"]._sync("time", self.time_specs(self.order, timesheet))
        self.assertEqual(entry.accrual_ids.amount, 950)
        self.assertEqual(self.balances(entry.accrual_ids.move_id)[self.revenue], -950)

    def test_withdrawn_after_posting_is_corrected(self):
        entry = self.make_time(self.order, [8])
        self.may.action_start()
        self.may.action_accrue()
        entry.accrual_ids.move_id.action_post()
        self.env["psa.entry"]._sync("time", self.time_specs(
            self.order, entry.analytic_line_id, approved=False))
        undo = entry.accrual_ids.undo_move_id
        self.assertEqual((undo.state, undo.date), ("draft", date(2026, 5, 31)))
        self.assertEqual(self.balances(undo), {self.receivable_revenue: -800, self.revenue: 800})
        undo.action_post()
        total = sum(self.env["account.move.line"].search([
            ("account_id", "=", self.revenue.id), ("parent_state", "=", "posted")]).mapped("balance"))
        self.assertEqual(total, 0)

    def test_billed_in_the_same_period(self):
        entry = self.arrive("2026-06-02 09:00:00")
        self.may.action_start()
        self.may.action_accrue()
        accrual = entry.accrual_ids
        self.may._reopen("One invoice more")
        self.assertFalse(accrual.undone_at, "in time and unbilled: accrued until an invoice of May says it")
        move = self.bill(self.order, post=False)
        move.invoice_date = date(2026, 5, 31)
        move.action_post()
        self.assertEqual(accrual.undone_reason, "billed")
        self.assertFalse(self.may.accrual_count)

    def test_without_accounts_it_asks(self):
        self.company.psa_accrued_account_id = False
        self.company.psa_late_policy = "accrue"
        self.close()
        entry = self.arrive("2026-06-05 09:00:00")
        self.assertEqual((entry.state, entry.reason), ("held", "late_arrival"))

    def test_foreign_currency(self):
        """100 EUR an hour, 0.8 EUR a dollar: 8 h are 800 EUR, 1,000 USD in the accrual."""
        eur = self.env.ref("base.EUR")
        eur.active = True
        self.env["res.currency.rate"].create({
            "currency_id": eur.id, "company_id": self.company.id, "name": "2026-01-01", "rate": 0.8})
        order = self.make_contract(
            ("time_material", 10, 100.0, {"psa_role_id": self.consultant.id}), currency=eur)
        self.make_rate(100, order, role_id=self.consultant.id)
        entry = self.make_time(order, [8])
        self.may.action_start()
        self.may.action_accrue()
        self.assertEqual((entry.amount, entry.accrual_ids.amount), (800, 1000))
