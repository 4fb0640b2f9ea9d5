from datetime import date

from odoo.exceptions import UserError
from odoo.tests import tagged

from .test_cap import CapCase


@tagged("post_install", "-at_install")
class TestCapAfterBilling(CapCase):
    """What changes after the bill: caps that come later, more work, less work, corrections."""

    def test_a_later_cap_counts_what_is_billed(self):
        self.make_time(self.order, [8])
        self.bill(self.order)
        [waiting] = self.make_time(self.order, [4])
        with self.assertRaises(UserError) as refused:
            self.cap(700.0)
        self.assertIn("800.00 is billed already", str(refused.exception))
        cap = self.cap(1000.0)
        self.assertEqual((waiting.amount, waiting.over_cap_amount), (200, 200))
        self.assertCap(cap, 1000, 12 - 2)
        with self.assertRaises(UserError) as refused:
            cap.amount_limit = 799.0
        self.assertIn("800.00 is billed already", str(refused.exception))
        cap.amount_limit = 800.0
        self.assertEqual((waiting.state, waiting.amount), ("held", 400))
        cap.unlink()
        self.assertEqual((waiting.state, waiting.amount, waiting.over_cap_id.id), ("approved", 400, False))

    def test_billed_in_part_becomes_billable_for_the_rest(self):
        cap = self.cap(600.0)
        [entry] = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.assertEqual((move.amount_untaxed, entry.billing_state, entry.over_cap_amount), (600, "billed", 200))
        self.make_rate(500, self.order, employee_id=self.ada.id)
        cap.amount_limit = 700.0
        self.assertEqual(
            (entry.amount, entry.over_cap_amount, entry.billing_state, entry.pending_change),
            (700, 100, "partly", False), "at the price that is billed already, whatever the rate is now")
        self.assertEqual(entry.exception_id.amount, 100)
        self.assertEqual(self.bill(self.order).amount_untaxed, 100)
        cap.amount_limit = 1000.0
        self.assertFalse(entry.exception_id)
        self.assertEqual(self.bill(self.order).amount_untaxed, 100)
        self.assertLedger(entry)
        self.assertCap(cap, 800, 8)

    def test_more_work_after_billing_against_a_full_cap_waits_there(self):
        cap = self.cap(1000.0)
        [entry, other] = self.make_time(self.order, [8, (date(2026, 5, 5), 2)])
        self.bill(self.order)
        self.again(entry, hours=10)
        self.assertEqual(
            (entry.amount, entry.over_cap_amount, entry.gross_amount, entry.pending_change), (800, 200, 1000, False))
        self.assertEqual((entry.exception_id.cause_code, entry.exception_id.amount), ("cap_reached", 200))
        self.assertEqual(entry.analytic_line_id.unit_amount, 10)
        self.assertCap(cap, 1000, 10)
        self.assertLedger(entry | other)
        cap.amount_limit = 1200.0
        self.assertEqual((entry.amount, entry.billing_state, entry.exception_id.id), (1000, "partly", False))
        self.assertEqual(self.bill(self.order).amount_untaxed, 200)

    def test_more_work_after_billing_that_fits_in_part_is_for_a_person(self):
        cap = self.cap(900.0)
        [entry] = self.make_time(self.order, [8])
        self.bill(self.order)
        self.again(entry, hours=10)
        self.assertEqual((entry.pending_change, entry.amount, entry.over_cap_amount), ("changed", 800, 0))
        self.assertEqual(entry.exception_id.amount, 200, "all of the difference")
        self.assertCap(cap, 800, 8)
        entry.with_user(self.reviewer).action_accept_change()
        self.assertEqual((entry.amount, entry.over_cap_amount, entry.pending_change), (900, 100, False))
        self.assertEqual((entry.exception_id.cause_code, entry.exception_id.amount), ("cap_reached", 100))
        self.assertCap(cap, 900, 9)

    def test_less_work_after_billing_frees_the_cap_once_it_is_credited(self):
        cap = self.cap(1000.0)
        [entry, waiting] = self.make_time(self.order, [8, (date(2026, 5, 5), 8)])
        waiting_amount = waiting.amount
        self.bill(self.order, end=date(2026, 5, 4))
        self.again(entry, hours=6)
        self.assertEqual((entry.pending_change, waiting.amount), ("changed", waiting_amount))
        action = entry.with_user(self.reviewer).action_accept_change()
        self.env["account.move"].browse(action["res_id"]).action_post()
        self.assertEqual((entry.amount, entry.pending_change), (600, False))
        self.assertEqual((waiting.amount, waiting.over_cap_amount), (400, 400))
        self.assertCap(cap, 1000, 10)

    def test_corrections_make_room_and_take_it_back(self):
        cap = self.cap(1000.0)
        [first, correction] = self.make_time(self.order, [10, -2])
        self.assertCap(cap, 800, 8)
        [third] = self.make_time(self.order, [3], day=date(2026, 5, 6))
        self.assertEqual((third.amount, third.over_cap_amount), (200, 100))
        self.again(correction, approved=False)
        self.assertEqual((first.amount, third.state, third.amount), (1000, "held", 300), "the last is squeezed out")
        self.assertCap(cap, 1000, 10)
        self.again(correction)
        self.assertEqual((third.amount, third.over_cap_amount), (200, 100))
        self.bill(self.order)
        self.assertCap(cap, 1000, 10)

    def test_room_of_a_correction_that_was_billed_is_not_given_back(self):
        cap = self.cap(1000.0)
        [correction] = self.make_time(self.order, [-2], day=date(2026, 5, 30))
        [work] = self.make_time(self.order, [12])
        self.assertEqual(work.amount, 1200)
        self.bill(self.order, end=date(2026, 5, 29))
        self.again(correction, deleted=True)
        self.assertCap(cap, 1000)
        exception = self.env["psa.exception"].search([("subject_key", "=", f"cap:{cap.id}:overdrawn")])
        self.assertEqual((exception.amount, exception.cause_code, exception.is_open), (200, "cap_reached", True))
        [late] = self.make_time(self.order, [1])
        self.assertEqual((late.state, late.reason), ("held", "cap_reached"))
        cap.amount_limit = 1500.0
        self.assertCap(cap, 1300, 13)
        self.assertEqual((late.state, exception.state), ("approved", "resolved"))
