from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestCredit(BillingCase):
    """What is credited becomes billable again, only that. The holes of Odoo's own link are the first tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}),
            ("time_material", 50, 200.0, {"psa_role_id": cls.architect.id}),
        )
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.make_rate(200, cls.order, role_id=cls.architect.id)
        cls.line, cls.other_line = cls.order.order_line

    def reverse(self, move, modify=False):
        """Return the draft credit note (or, with ``modify``, the draft that replaces the invoice)."""
        wizard = self.env["account.move.reversal"].with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({"journal_id": move.journal_id.id, "date": date(2026, 6, 15)})
        (wizard.modify_moves if modify else wizard.refund_moves)()
        return wizard.new_move_ids

    def test_partial_credit_then_a_new_period(self):
        """4.5 h in June and 3.5 h in July, 3.5 h credited, 1 h more: 4.5 h are left to bill, not 9."""
        june, july = self.make_time(self.order, [(date(2026, 6, 10), 4.5), (date(2026, 7, 10), 3.5)])
        move = self.bill(self.order, date(2026, 6, 1), date(2026, 7, 31))
        credit = self.reverse(move)
        credit.invoice_line_ids.quantity = 3.5
        credit.action_post()
        self.assertEqual((june.billing_state, july.billing_state), ("billed", "to_bill"))
        self.assertEqual(june.analytic_line_id.timesheet_invoice_id, move)
        self.assertFalse(july.analytic_line_id.timesheet_invoice_id)
        more = self.make_time(self.order, [(date(2026, 7, 20), 1)])
        second = self.bill(self.order, date(2026, 6, 1), date(2026, 7, 31))
        self.assertEqual(second.invoice_line_ids.quantity, 4.5)
        self.assertEqual((self.line.qty_invoiced, self.line.qty_delivered), (9, 9))
        self.assertLedger(june | july | more)

    def test_only_the_credited_line_is_free(self):
        first = self.make_time(self.order, [7])
        second = self.make_time(self.order, [3], line=self.other_line)
        move = self.bill(self.order)
        credit = self.reverse(move)
        credit.invoice_line_ids.filtered(lambda line: line.sale_line_ids == self.other_line).unlink()
        credit.action_post()
        self.assertEqual((first.billing_state, second.billing_state), ("to_bill", "billed"))
        again = self.bill(self.order)
        self.assertEqual((again.invoice_line_ids.sale_line_ids, again.amount_untaxed), (self.line, 1050))
        self.assertLedger(first | second)

    def test_full_credit_frees_everything(self):
        entries = self.make_time(self.order, [7, 2])
        move = self.bill(self.order)
        credit = self.reverse(move)
        self.assertEqual(entries.mapped("billing_state"), ["billed", "billed"], "a draft credit frees nothing")
        credit.action_post()
        self.assertEqual(entries.mapped("billing_state"), ["to_bill", "to_bill"])
        self.assertFalse(entries.analytic_line_id.timesheet_invoice_id)
        self.assertEqual(self.line.qty_invoiced, 0)
        self.assertLedger(entries)

    def test_a_credit_note_reset_to_draft_takes_it_back(self):
        entries = self.make_time(self.order, [7])
        credit = self.reverse(self.bill(self.order))
        credit.action_post()
        credit.button_draft()
        self.assertEqual(entries.billing_state, "billed")
        credit.action_post()
        self.assertEqual(entries.billing_state, "to_bill")
        credit.button_cancel()
        self.assertEqual(entries.billing_state, "billed")
        self.assertLedger(entries)

    def test_a_credit_note_cannot_go_once_its_work_is_billed_again(self):
        self.make_time(self.order, [7])
        credit = self.reverse(self.bill(self.order))
        credit.action_post()
        self.bill(self.order)
        with self.assertRaises(UserError), self.env.cr.savepoint():
            credit.button_draft()

    def test_credit_by_amount_takes_the_newest_work_first(self):
        old, new = self.make_time(self.order, [(date(2026, 5, 4), 4), (date(2026, 5, 20), 2)])
        credit = self.reverse(self.bill(self.order))
        credit.invoice_line_ids.write({"quantity": 1, "price_unit": 400.0})
        credit.action_post()
        self.assertEqual((new.allocated_amount, old.allocated_amount), (0, 500))
        self.assertEqual(old.allocated_quantity, 3.333333)
        self.assertEqual((old.billing_state, new.billing_state), ("partly", "to_bill"))
        again = self.bill(self.order)
        self.assertEqual(again.amount_untaxed, 400)
        self.assertLedger(old | new)

    def test_more_credited_than_billed_frees_no_more_than_billed(self):
        entries = self.make_time(self.order, [2])
        credit = self.reverse(self.bill(self.order))
        credit.invoice_line_ids.price_unit = 500
        credit.action_post()
        self.assertEqual(entries.allocated_amount, 0)
        self.assertLedger(entries)

    def test_two_partial_credits(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order)
        for _time in range(2):
            credit = self.reverse(move)
            credit.invoice_line_ids.quantity = 3
            credit.action_post()
        self.assertEqual((entries.allocated_quantity, entries.allocated_amount), (2, 300))
        self.assertLedger(entries)

    def test_credit_typed_by_hand(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order)
        credit = self.env["account.move"].create({
            "move_type": "out_refund", "partner_id": move.partner_id.id, "company_id": self.company.id,
            "reversed_entry_id": move.id,
            "invoice_line_ids": [Command.create({
                "name": "Goodwill", "quantity": 2, "price_unit": 150, "sale_line_ids": [Command.link(self.line.id)],
            })],
        })
        credit.action_post()
        self.assertEqual(entries.allocated_quantity, 6)
        self.assertLedger(entries)

    def test_replaced_invoice_bills_the_same_entries_once(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order)
        replacement = self.reverse(move, modify=True)
        self.assertEqual((replacement.move_type, replacement.state), ("out_invoice", "draft"))
        self.assertEqual(entries.billing_state, "billed")
        self.assertEqual(entries.analytic_line_id.timesheet_invoice_id, replacement)
        self.assertFalse(self.propose(self.order), "nothing is billed twice")
        replacement.action_post()
        self.assertEqual((move.payment_state, self.line.qty_invoiced), ("reversed", 8))
        self.assertLedger(entries)

    def test_fewer_hours_accepted_make_the_credit_note(self):
        timesheets = self.make_timesheets(self.order, [8, 4])
        specs = self.time_specs(self.order, timesheets)
        entry, other = self.env["psa.entry"]._sync("time", specs)
        move = self.bill(self.order)
        self.env["psa.entry"]._sync("time", [{**specs[0], "quantity": Decimal(6)}])
        exception = entry.exception_id
        action = entry.with_user(self.reviewer).action_accept_change()
        credit = self.env["account.move"].browse(action["res_id"])
        self.assertEqual((credit.move_type, credit.state, credit.amount_untaxed), ("out_refund", "draft", 300))
        self.assertEqual((credit.invoice_line_ids.quantity, credit.invoice_line_ids.price_unit), (2, 150))
        self.assertEqual((credit.reversed_entry_id, exception.is_open), (move, True))
        credit.action_post()
        self.assertEqual((entry.quantity, entry.allocated_quantity, entry.billing_state), (6, 6, "billed"))
        self.assertEqual((exception.state, timesheets[0].unit_amount), ("resolved", 6))
        self.assertEqual(other.billing_state, "billed", "the credit note names what it credits")
        self.assertEqual((self.line.qty_invoiced, self.line.qty_delivered), (10, 10))
        self.assertFalse(self.propose(self.order))
        self.assertLedger(entry | other)

    def test_deleted_after_billing_ends_with_the_credit(self):
        timesheets = self.make_timesheets(self.order, [8])
        specs = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order)
        self.env["psa.entry"]._sync("time", [{**specs[0], "deleted": True}])
        action = entry.with_user(self.reviewer).action_accept_change()
        self.env["account.move"].browse(action["res_id"]).action_post()
        self.assertEqual((entry.state, entry.reason, entry.billing_state), ("withdrawn", "deleted", "to_bill"))
        self.assertFalse(timesheets.exists())
        self.assertFalse(self.propose(self.order))

    def test_accepting_on_a_draft_points_there(self):
        timesheets = self.make_timesheets(self.order, [8])
        specs = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order, post=False)
        self.env["psa.entry"]._sync("time", [{**specs[0], "quantity": Decimal(6)}])
        with self.assertRaises(UserError):
            entry.with_user(self.reviewer).action_accept_change()

    def test_credit_of_a_line_whose_price_is_an_average(self):
        order = self.make_contract(("time_material", 100, 1.0))
        self.make_rate(133.33, order, role_id=self.consultant.id)
        entries = self.make_time(order, [0.25] * 30)
        move = self.bill(order)
        self.assertEqual(move.amount_untaxed, 30 * 33.33)
        credit = self.reverse(move)
        credit.action_post()
        self.assertEqual(set(entries.mapped("allocated_amount")), {0.0})
        self.assertLedger(entries)
