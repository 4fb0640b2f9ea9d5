from datetime import date
from decimal import Decimal

from psycopg2.errors import UniqueViolation

from odoo.tests import tagged
from odoo.tools import mute_logger

from .amendment_common import AmendmentCase

MAY = [date(2026, 5, day) for day in range(1, 32)]


@tagged("post_install", "-at_install")
class TestLateAmendment(AmendmentCase):
    """A version counts from its day on; what is billed already is corrected by difference lines, never edited."""

    def test_back_dated_rise_over_a_partly_billed_month(self):
        """The table of docs/billing.md: 100 -> 110 from May 1, put in force when half the month is billed."""
        april = self.make_time(self.order, [8], day=date(2026, 4, 30))
        billed = self.make_time(self.order, [(MAY[3], 8), (MAY[4], 7.5)])
        invoice = self.bill(self.order)
        open_work = self.make_time(self.order, [(MAY[17], 4)])
        waiting = self.make_time(self.order, [(MAY[18], 2)], approved=False)
        amendment = self.amend(date(2026, 5, 1), self.rate_change(110))
        self.assertEqual(april.amount, 800, "before its day")
        self.assertEqual(billed.mapped("amount"), [800, 750], "a posted line is never edited")
        self.assertEqual(invoice.amount_untaxed, 2350)
        self.assertEqual((open_work.amount, waiting.amount), (440, 220), "on no invoice: priced again")
        differences = self.differences(billed)
        self.assertEqual(differences.mapped("amount"), [80, 75])
        self.assertEqual(set(differences.mapped("kind")), {"adjustment"})
        self.assertEqual(set(differences.mapped("state")), {"approved"})
        self.assertEqual(differences.amendment_id, amendment)
        self.assertEqual(differences.order_line_id.psa_billing_method, "adjustment")
        self.assertEqual(differences.order_line_id.qty_delivered, 15.5)
        self.assertFalse(self.differences(april | open_work))
        self.assertEqual((amendment.difference_amount, amendment.difference_count), (155, 2))
        june = self.bill(self.order, date(2026, 6, 1), date(2026, 6, 30))
        self.assertEqual(june.amount_untaxed, 440 + 155)
        line = june.invoice_line_ids.filtered(lambda line: line.sale_line_ids == differences.order_line_id)
        self.assertEqual((line.quantity, line.price_unit, line.price_subtotal), (15.5, 10, 155), "one line, not two")
        self.assertIn("Rate rise", line.name)
        self.assertIn("CO-1 §2", line.name)
        self.assertEqual(differences.order_line_id.qty_invoiced, 15.5)
        self.assertFalse(self.propose(self.order, date(2026, 7, 1), date(2026, 7, 31)).filtered("amount_total"))
        self.assertLedger(billed | open_work | differences)

    def test_the_trace_names_amendment_and_clause(self):
        self.amend(date(2026, 5, 4), self.rate_change(110, clause="CO-1 §3"))
        before, after = self.make_time(self.order, [(MAY[2], 1), (MAY[3], 1)])
        self.assertEqual((before.trace["contract_version"], after.trace["contract_version"]), (0, 1))
        self.assertNotIn("amendment", before.trace)
        self.assertEqual(
            {name: after.trace[name] for name in ("amendment", "amendment_in_force_from", "clause", "rate")},
            {"amendment": "1 Rate rise", "amendment_in_force_from": "2026-05-04", "clause": "CO-1 §3", "rate": "110"})
        [architect] = self.make_time(self.order, [1], employee=self.grace, role_id=self.architect.id, day=MAY[5])
        self.assertEqual((architect.trace["contract_version"], architect.amount), (1, 200))
        self.assertNotIn("amendment", architect.trace, "version 1 does not set this rate")

    def test_a_differences_trace_can_be_recomputed(self):
        [billed] = self.make_time(self.order, [7.5])
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        trace = self.differences(billed).trace
        self.assertEqual(trace["rule"], "price_difference")
        self.assertEqual(trace["amendment"], "1 Rate rise")
        self.assertEqual(trace["difference"], {
            "of": billed.display_name, "worth_now": "825", "hours": "7.5", "rate_now": "110", "rate_before": "100",
            "billed_as": "750", "earlier_differences": "0", "difference": "75",
        })

    def test_the_old_rate_ends_the_day_before_and_stays(self):
        amendment = self.amend(date(2026, 5, 1), self.rate_change(110))
        self.assertEqual((self.rate.date_to, self.rate.ended_by_id), (date(2026, 4, 30), amendment))
        self.assertEqual(
            [amendment.rate_ids[name] for name in ("date_from", "date_to", "amount", "clause")],
            [date(2026, 5, 1), False, 110, "CO-1 §2"])

    def test_a_rate_until_a_day_then_the_old_one_again(self):
        self.amend(date(2026, 5, 10), self.rate_change(90, date_to=date(2026, 5, 19)))
        entries = self.make_time(self.order, [(MAY[8], 1), (MAY[9], 1), (MAY[18], 1), (MAY[19], 1)])
        self.assertEqual(entries.mapped("amount"), [100, 90, 90, 100])

    def test_an_earlier_version_agreed_later_leaves_the_later_one(self):
        self.amend(date(2026, 5, 20), self.rate_change(130))
        self.amend(date(2026, 5, 10), self.rate_change(110))
        entries = self.make_time(self.order, [(MAY[8], 1), (MAY[9], 1), (MAY[18], 1), (MAY[19], 1)])
        self.assertEqual(entries.mapped("amount"), [100, 110, 110, 130])
        self.assertEqual([entry.trace["contract_version"] for entry in entries], [0, 2, 2, 1])

    def test_a_version_of_the_same_day_replaces_the_rate(self):
        first = self.amend(date(2026, 5, 1), self.rate_change(110))
        [entry] = self.make_time(self.order, [1])
        second = self.make_amendment(date(2026, 5, 1), self.rate_change(105), name="Agreed again", replaces_id=first.id)
        self.put_in_force(second)
        self.assertEqual((entry.amount, first.state), (105, "superseded"))
        old = first.with_context(active_test=False).rate_ids
        self.assertEqual((old.active, old.amount, old.ended_by_id.id), (False, 110, second.id), "kept to be read")

    # === TWO AMENDMENTS, RATE CUTS === #
    def test_two_late_amendments_on_one_entry(self):
        [entry] = self.make_time(self.order, [8])
        self.bill(self.order)
        first = self.amend(date(2026, 5, 1), self.rate_change(110))
        second = self.amend(date(2026, 5, 2), self.rate_change(125))
        differences = self.differences(entry).sorted("id")
        self.assertEqual(differences.mapped("amount"), [80, 120])
        self.assertEqual(differences.mapped("amendment_id"), first | second)
        self.assertEqual(self.worth(entry), 8 * 125)
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            differences[1].amendment_id = first
            self.env.flush_all()

    def test_a_rate_cut_rides_on_the_next_invoice_as_a_credit(self):
        [billed] = self.make_time(self.order, [8])
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(90))
        [difference] = self.differences(billed)
        self.assertEqual((difference.amount, difference.quantity, difference.rate), (-80, -8, 10))
        alone = self.propose(self.order, date(2026, 6, 1), date(2026, 6, 30))
        self.assertEqual(alone.line_ids.decision, "carried", "no invoice can be negative")
        self.make_time(self.order, [2], day=date(2026, 6, 2))
        june = self.bill(self.order, date(2026, 6, 1), date(2026, 6, 30))
        self.assertEqual(june.amount_untaxed, 2 * 90 - 80)
        self.assertEqual(difference.billing_state, "billed")
        self.assertLedger(billed | difference)

    # === THE SOURCE SENDS IT AGAIN === #
    def test_a_resync_of_what_has_differences_is_no_change(self):
        timesheets = self.make_timesheets(self.order, [8, 4])
        specs = self.time_specs(self.order, timesheets)
        entries = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.env["psa.entry"]._sync("time", specs)
        self.assertFalse(any(entries.mapped("pending_change")))
        self.assertFalse(entries.exception_id)
        self.assertEqual((entries.mapped("amount"), self.worth(entries)), ([800, 400], 1320))

    def test_more_hours_after_the_difference_are_billed_at_the_new_rate(self):
        timesheets = self.make_timesheets(self.order, [8])
        specs = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.env["psa.entry"]._sync("time", [{**specs[0], "quantity": Decimal(10)}])
        self.assertEqual(
            (entry.pending_change, entry.pending_amount), ("changed", 1020), "1,100 less the difference of 80")
        entry.with_user(self.reviewer).action_accept_change()
        self.assertEqual((entry.amount, entry.adjusted_amount, self.worth(entry)), (1020, 80, 1100))
        self.bill(self.order)
        self.assertEqual(entry.billing_state, "billed")
        self.assertLedger(entry | self.differences(entry))

    def test_a_deleted_record_takes_its_difference_along(self):
        timesheets = self.make_timesheets(self.order, [8, 8])
        specs = self.time_specs(self.order, timesheets)
        entries = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        gone, first, second = entries[0], entries[0].adjustment_ids, entries[1].adjustment_ids
        self.env["psa.entry"]._sync("time", [{**specs[0], "approved": False}])
        action = gone.with_user(self.reviewer).action_accept_change()
        self.env["account.move"].browse(action["res_id"]).action_post()
        self.assertEqual((gone.state, first.state, first.reason), ("withdrawn", "withdrawn", "origin_repriced"))
        self.assertEqual((second.state, self.worth(entries)), ("approved", 880))

    def test_a_billed_difference_of_work_that_is_gone_asks_for_its_credit(self):
        timesheets = self.make_timesheets(self.order, [8])
        specs = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.bill(self.order)
        [difference] = self.differences(entry)
        self.env["psa.entry"]._sync("time", [{**specs[0], "approved": False}])
        action = entry.with_user(self.reviewer).action_accept_change()
        self.env["account.move"].browse(action["res_id"]).action_post()
        self.assertEqual(
            (difference.pending_change, difference.exception_id.cause_code), ("rejected", "rejected_after_billing"))
        action = difference.with_user(self.reviewer).action_accept_change()
        credit = self.env["account.move"].browse(action["res_id"])
        self.assertEqual(credit.amount_untaxed, 80)
        credit.action_post()
        self.assertEqual(
            (difference.state, difference.allocated_amount, difference.exception_id.id), ("withdrawn", 0, False))

    # === CREDITS === #
    def test_late_amendment_then_a_partial_credit(self):
        [entry] = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        credit = self.reverse(move)
        credit.invoice_line_ids.quantity = 3
        credit.action_post()
        self.assertEqual((entry.allocated_amount, entry.amount, self.worth(entry)), (500, 800, 880))
        again = self.bill(self.order)
        self.assertEqual(again.amount_untaxed, 300 + 80, "three hours as they were billed, and the difference")
        self.assertLedger(entry | self.differences(entry))

    def test_partial_credit_then_a_late_amendment(self):
        [entry] = self.make_time(self.order, [8])
        credit = self.reverse(self.bill(self.order))
        credit.invoice_line_ids.quantity = 3
        credit.action_post()
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.assertEqual((entry.amount, self.worth(entry)), (800, 880))
        self.assertEqual(self.bill(self.order).amount_untaxed, 380)

    def test_full_credit_withdraws_the_unbilled_difference(self):
        [entry] = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        [difference] = self.differences(entry)
        self.reverse(move).action_post()
        self.assertEqual((entry.amount, entry.adjusted_amount, entry.rate), (880, 0, 110), "the new price itself")
        self.assertEqual((difference.state, difference.reason), ("withdrawn", "origin_repriced"))
        self.assertEqual(difference.order_line_id.qty_delivered, 0)
        self.assertEqual(self.bill(self.order).amount_untaxed, 880)

    def test_full_credit_takes_a_billed_difference_off(self):
        [entry] = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        second = self.bill(self.order)
        self.assertEqual(second.amount_untaxed, 80)
        self.reverse(move).action_post()
        self.assertEqual((entry.gross_amount, entry.adjusted_amount, entry.amount), (880, 80, 800))
        self.assertEqual(entry.trace["steps"], [{"step": "adjusted", "differences": 1, "amount": "-80", "left": "800"}])
        self.assertEqual(self.bill(self.order).amount_untaxed, 800)
        self.reverse(second).action_post()
        self.assertEqual(self.bill(self.order).amount_untaxed, 80, "the difference was credited, not given up")
        self.assertLedger(entry | self.differences(entry))

    def test_one_billed_difference_one_not_when_everything_is_credited(self):
        [entry] = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.bill(self.order)
        self.amend(date(2026, 5, 2), self.rate_change(125))
        self.reverse(move).action_post()
        self.assertEqual((entry.gross_amount, entry.adjusted_amount, entry.amount), (1000, 80, 920))
        self.assertEqual(self.differences(entry).mapped("amount"), [80])
        self.assertEqual(self.worth(entry), 1000)

    def test_a_waived_difference_stays_given_up(self):
        [entry] = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.differences(entry).action_waive("Goodwill")
        self.assertEqual(self.worth(entry), 800)
        self.reverse(move).action_post()
        self.assertEqual((entry.amount, entry.adjusted_amount), (800, 80), "not billed through the back door")

    def test_a_draft_invoice_is_not_edited_either(self):
        [entry] = self.make_time(self.order, [8])
        draft = self.bill(self.order, post=False)
        self.amend(date(2026, 5, 1), self.rate_change(110))
        self.assertEqual((entry.amount, draft.amount_untaxed, self.worth(entry)), (800, 800, 880))
        draft.unlink()
        self.assertEqual((entry.amount, self.worth(entry)), (880, 880))

    # === HOW MUCH IT COSTS === #
    def test_many_entries_cost_as_few_queries_as_one(self):
        self.make_time(self.order, [(MAY[index % 28], 1) for index in range(150)])
        self.bill(self.order)
        self.make_time(self.order, [(MAY[index % 28], 2) for index in range(150)])
        amendments = [self.make_amendment(date(2026, 5, 1), self.rate_change(amount)) for amount in (101, 102)]
        self.put_in_force(amendments[0])
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        amendment = self.put_in_force(amendments[1])
        self.env.flush_all()
        self.assertEqual((amendment.difference_count, amendment.difference_amount), (150, 150))
        self.assertLess(self.env.cr.sql_log_count - before, 150, "not a query per entry")
