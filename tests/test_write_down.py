from datetime import date

import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestWriteDown(BillingCase):
    """Less is billed than the work is worth, with a reason and, above the limit, another person."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(100, cls.order, role_id=cls.consultant.id)
        cls.goodwill = cls.env.ref("psa_hub.write_down_reason_goodwill")
        cls.quality = cls.env.ref("psa_hub.write_down_reason_quality")
        cls.second_approver = new_test_user(
            cls.env, "second_approver", "psa_hub.group_approver", company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)])

    def write_down(self, entries, user=None, reason=None, **values):
        write_down = self.env["psa.write.down"].with_user(user or self.reviewer).create({
            "entry_ids": [Command.set(entries.ids)], "reason_id": (reason or self.goodwill).id, **values})
        write_down.action_submit()
        return write_down.sudo()

    def test_an_amount_is_spread_to_the_cent_and_the_invoice_says_less(self):
        entries = self.make_time(self.order, [1, 1, 1])
        write_down = self.write_down(entries, mode="amount", amount=100.0, comment="We are sorry")
        self.assertEqual(write_down.state, "approved")
        self.assertEqual(entries.mapped("written_down_amount"), [33.33, 33.34, 33.33])
        self.assertEqual(entries.mapped("amount"), [66.67, 66.66, 66.67])
        step = entries[0].trace["steps"][-1]
        self.assertEqual((step["step"], step["reason"], step["amount"], step["left"]), (
            "written_down", "Goodwill", "-33.33", "66.67"))
        move = self.bill(self.order)
        self.assertEqual((move.amount_untaxed, move.invoice_line_ids.quantity), (200, 3))
        self.assertLedger(entries)

    def test_a_percentage_and_hours_as_well(self):
        entries = self.make_time(self.order, [4, 6])
        self.write_down(entries, mode="percent", percent=25.0, with_hours=True)
        self.assertEqual(entries.mapped("amount"), [300, 450])
        self.assertEqual(entries.mapped("quantity"), [3, 4.5])
        self.assertEqual(entries.mapped("written_down_quantity"), [1, 1.5])
        [line] = self.bill(self.order).invoice_line_ids
        self.assertEqual((line.quantity, line.price_unit, line.price_subtotal), (7.5, 100, 750))

    def test_write_off_and_back_before_billing(self):
        [entry] = self.make_time(self.order, [4])
        write_down = self.write_down(entry)
        self.assertEqual((entry.state, entry.reason, entry.amount), ("excluded", "written_off", 0))
        self.assertEqual(self.order.psa_to_bill_amount, 0)
        write_down.with_user(self.reviewer).action_reverse()
        self.assertEqual((entry.state, entry.amount, entry.written_down_amount), ("approved", 400, 0))
        self.assertEqual((write_down.state, write_down.line_ids.applied_amount), ("reversed", 0))
        events = self.env["psa.audit"].search([("res_model", "=", "psa.write.down"), ("res_id", "=", write_down.id)])
        self.assertEqual(set(events.mapped("event")), {"write_down.approved", "write_down.reversed"})

    def test_it_stays_with_the_entry_when_the_source_sends_it_again(self):
        [entry] = self.make_time(self.order, [4])
        write_down = self.write_down(entry, mode="amount", amount=300.0)
        [spec] = self.time_specs(self.order, entry.analytic_line_id)
        for hours, amount, applied in ((6, 300, 300), (2, 0, 200), (4, 100, 300)):
            self.env["psa.entry"]._sync("time", [{**spec, "quantity": hours}])
            self.assertEqual((entry.amount, entry.written_down_amount), (amount, applied), hours)
            self.assertEqual(write_down.line_ids.applied_amount, applied, "never more than there is")
        self.env["psa.entry"]._sync("time", [{**spec, "deleted": True}])
        self.assertEqual((entry.state, write_down.line_ids.applied_amount), ("withdrawn", 0))

    def test_above_the_limit_another_person_approves(self):
        entries = self.make_time(self.order, [6])
        write_down = self.write_down(entries, user=self.approver)
        self.assertEqual((write_down.state, entries.amount), ("to_approve", 600))
        with self.assertRaises(AccessError):
            write_down.with_user(self.approver).action_approve()
        with self.assertRaises(AccessError):
            write_down.with_user(self.reviewer).action_approve()
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.cr.savepoint():
            write_down.write({"state": "approved", "decided_by": self.approver.id})
            self.env.flush_all()
        self.env.invalidate_all()
        write_down.with_user(self.second_approver).action_approve()
        self.assertEqual((write_down.state, entries.reason), ("approved", "written_off"))
        refused = self.write_down(self.make_time(self.order, [6]))
        refused.with_user(self.second_approver).action_refuse()
        self.assertEqual((refused.state, refused.entry_ids.amount), ("refused", 600))

    def test_small_steps_do_not_get_past_the_limit(self):
        entries = self.make_time(self.order, [8])
        self.assertEqual(self.write_down(entries, mode="amount", amount=400.0).state, "approved")
        self.assertEqual(self.write_down(entries, mode="amount", amount=200.0).state, "to_approve")

    def test_what_is_billed_is_refused_in_plain_words(self):
        [entry] = self.make_time(self.order, [4])
        move = self.bill(self.order)
        with self.assertRaises(UserError) as refused:
            self.write_down(entry)
        self.assertIn(move.name, str(refused.exception))
        [other] = self.make_time(self.order, [4])
        write_down = self.write_down(other, mode="amount", amount=100.0)
        self.bill(self.order)
        with self.assertRaises(UserError):
            write_down.with_user(self.reviewer).action_reverse()

    def test_it_never_bills_more(self):
        [correction] = self.make_time(self.order, [-4])
        with self.assertRaises(UserError):
            self.write_down(correction)
        [entry] = self.make_time(self.order, [4])
        with self.assertRaises(UserError):
            self.write_down(entry, mode="amount", amount=400.01)
        for values in ({"mode": "amount", "amount": -10.0}, {"mode": "percent", "percent": 101.0}):
            with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.cr.savepoint():
                self.write_down(entry, **values)
        with self.assertRaises(UserError):
            self.write_down(self.make_time(self.order, [4], approved=False))

    def test_who_may(self):
        [entry] = self.make_time(self.order, [4])
        with self.assertRaises(AccessError):
            self.write_down(entry, user=self.preparer)
        with self.assertRaises(AccessError):
            self.env["psa.write.down"].with_user(self.approver).create({
                "entry_ids": [Command.set(entry.ids)], "reason_id": self.goodwill.id, "state": "approved"})
        write_down = self.write_down(entry, mode="amount", amount=10.0)
        with self.assertRaises(UserError):
            write_down.with_user(self.approver).amount = 20.0
        with self.assertRaises(UserError):
            write_down.with_user(self.reviewer).unlink()

    def test_it_frees_the_cap(self):
        cap = self.env["psa.cap"].create({"order_id": self.order.id, "amount_limit": 800.0})
        [first, second] = self.make_time(self.order, [8, (date(2026, 5, 5), 4)])
        self.assertEqual(second.state, "held")
        self.write_down(first, mode="amount", amount=300.0)
        self.assertEqual((first.amount, second.amount, second.over_cap_amount), (500, 300, 100))
        self.write_down(second, mode="amount", amount=100.0)
        self.assertEqual((second.amount, second.over_cap_amount, second.exception_id.id), (300, 0, False))
        self.assertEqual(cap.reserved_amount, 800)

    def test_dialog_from_entries_and_from_a_proposal(self):
        entries = self.make_time(self.order, [1, 2])
        proposal = self.propose(self.order)
        action = proposal.line_ids.with_user(self.reviewer).action_write_down()
        form = Form(
            self.env["psa.write.down"].with_user(self.reviewer).with_context(**action["context"]),
            view="psa_hub.psa_write_down_view_form_dialog")
        form.mode, form.percent, form.reason_id = "percent", 50.0, self.quality
        self.assertEqual((form.worth, form.total), (300, 150))
        form.save().action_submit()
        self.assertEqual(entries.mapped("amount"), [50, 100])
        self.assertTrue(proposal.sudo().needs_refresh)

    def test_amount_by_reason(self):
        self.write_down(self.make_time(self.order, [1, 2]), reason=self.quality)
        self.write_down(self.make_time(self.order, [4]), mode="amount", amount=50.0)
        groups = self.env["psa.write.down.line"].with_user(self.reviewer)._read_group(
            [("order_id", "=", self.order.id), ("state", "=", "approved")], ["reason_id"], ["applied_amount:sum"])
        self.assertEqual(dict(groups), {self.quality: 300, self.goodwill: 50})
