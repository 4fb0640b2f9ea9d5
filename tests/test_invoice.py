from datetime import date
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tests import tagged

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestInvoice(BillingCase):
    """The ledger follows the invoice: posted, reset, cancelled, deleted, edited by hand."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.line = cls.order.order_line

    def test_reset_and_posted_again(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order)
        self.assertEqual(entries.allocation_ids.state, "posted")
        move.button_draft()
        self.assertEqual(entries.allocation_ids.state, "draft")
        self.assertEqual((entries.billing_state, move.psa_proposal_id.state), ("billed", "approved"))
        move.action_post()
        self.assertEqual((entries.billing_state, move.psa_proposal_id.state), ("billed", "invoiced"))
        self.assertLedger(entries)

    def test_cancelled_frees_the_entries(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order)
        move.button_cancel()
        self.assertEqual((entries.allocation_ids.state, entries.billing_state), ("cancel", "to_bill"))
        self.assertFalse(entries.analytic_line_id.timesheet_invoice_id)
        self.assertEqual(move.psa_proposal_id.state, "cancelled")
        self.assertEqual(self.line.qty_invoiced, 0)
        second = self.bill(self.order)
        self.assertEqual(second.amount_untaxed, 1200)
        self.assertEqual(entries.analytic_line_id.timesheet_invoice_id, second)
        self.assertLedger(entries)

    def test_a_cancelled_invoice_cannot_come_back_over_what_was_billed_since(self):
        self.make_time(self.order, [8])
        move = self.bill(self.order)
        move.button_cancel()
        self.bill(self.order)
        with self.assertRaises(UserError), self.env.cr.savepoint():
            move.button_draft()

    def test_deleted_draft_frees_the_entries(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order, post=False)
        proposal = move.psa_proposal_id
        move.unlink()
        self.assertFalse(entries.allocation_ids)
        self.assertEqual((entries.billing_state, proposal.state), ("to_bill", "cancelled"))
        self.assertEqual(self.bill(self.order).amount_untaxed, 1200)
        self.assertLedger(entries)

    def test_one_line_deleted_from_the_draft(self):
        self.make_rate(200, self.order, employee_id=self.grace.id)
        ada = self.make_time(self.order, [8])
        grace = self.make_time(self.order, [2], employee=self.grace)
        move = self.bill(self.order, post=False)
        move.invoice_line_ids.filtered(lambda line: line.price_unit == 200).unlink()
        self.assertEqual((ada.billing_state, grace.billing_state), ("billed", "to_bill"))
        self.assertFalse(grace.analytic_line_id.timesheet_invoice_id)
        self.assertEqual(ada.analytic_line_id.timesheet_invoice_id, move, "only what was deleted loses its invoice")
        carried = move.psa_proposal_id.line_ids.filtered(lambda line: line.entry_id == grace)
        self.assertEqual((carried.decision, carried.reason), ("carried", "Removed from the draft invoice"))
        move.action_post()
        self.assertEqual(self.bill(self.order).amount_untaxed, 400)
        self.assertLedger(ada | grace)

    def test_quantity_and_price_belong_to_the_entries(self):
        self.make_time(self.order, [8])
        move = self.bill(self.order, post=False)
        line = move.invoice_line_ids
        for values in ({"quantity": 7}, {"price_unit": 140}, {"discount": 10}):
            with self.assertRaises(UserError), self.env.cr.savepoint():
                line.write(values)
        with self.assertRaises(UserError), self.env.cr.savepoint():
            move.currency_id = self.env.ref("base.EUR")
        line.write({"name": "Better words", "quantity": 8})
        move.action_post()

    def test_a_line_that_no_longer_adds_up_is_not_posted(self):
        self.make_time(self.order, [8])
        move = self.bill(self.order, post=False)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE account_move_line SET price_unit = 160 WHERE id = %s", [move.invoice_line_ids.id])
        self.env.invalidate_all()
        with self.assertRaises(UserError):
            move.action_post()

    def test_a_line_added_by_hand_is_the_users_own(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order, post=False)
        move.invoice_line_ids = [(0, 0, {"name": "Books", "quantity": 1, "price_unit": 20})]
        move.action_post()
        self.assertEqual(move.amount_untaxed, 1220)
        self.assertLedger(entries)

    def test_taxes_and_fiscal_position_are_odoos(self):
        exempt = self.env["account.fiscal.position"].create({"name": "Export", "company_id": self.company.id})
        zero = self.env["account.tax"].create({
            "name": "Zero", "amount": 0, "company_id": self.company.id, "tax_group_id": self.tax.tax_group_id.id,
            "fiscal_position_ids": exempt.ids, "original_tax_ids": self.tax.ids, "country_id": self.tax.country_id.id,
        })
        term = self.env["account.payment.term"].create({"name": "45 days", "line_ids": [
            (0, 0, {"value": "percent", "value_amount": 100, "nb_days": 45})]})
        order = self.make_contract(
            ("time_material", 10, 150.0), fiscal_position_id=exempt.id, payment_term_id=term.id)
        self.make_rate(150, order, role_id=self.consultant.id)
        self.make_time(order, [8])
        proposal = self.propose(order)
        self.assertEqual((proposal.amount_tax, proposal.amount_total), (0, 1200))
        move = self.bill(order)
        self.assertEqual((move.fiscal_position_id, move.invoice_payment_term_id), (exempt, term))
        self.assertEqual(move.invoice_line_ids.tax_ids, zero)

    def test_early_payment_discount_changes_the_tax_base(self):
        term = self.env["account.payment.term"].create({
            "name": "2/7 Net 30", "early_discount": True, "discount_percentage": 2, "discount_days": 7,
            "early_pay_discount_computation": "mixed",
            "line_ids": [(0, 0, {"value": "percent", "value_amount": 100, "nb_days": 30})],
        })
        order = self.make_contract(("time_material", 10, 150.0), payment_term_id=term.id)
        self.make_rate(150, order, role_id=self.consultant.id)
        self.make_time(order, [8])
        proposal = self.propose(order)
        self.assertEqual(proposal.amount_tax, 176.40, "15 % of 98 %")
        self.assertEqual(self.bill(order).amount_total, proposal.amount_total)

    def test_the_source_is_stopped_at_what_is_billed(self):
        timesheets = self.make_timesheets(self.order, [8])
        [spec] = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        self.bill(self.order)
        [entry] = self.env["psa.entry"]._sync("time", [{**spec, "source_blocked": "billed"}])
        self.assertEqual((entry.state, entry.pending_change), ("approved", False), "our own echo")
        self.env["psa.entry"]._sync("time", [{**spec, "quantity": Decimal(6)}])
        self.assertEqual((entry.quantity, entry.amount, entry.allocated_amount), (8, 1200, 1200))
        self.assertEqual((entry.pending_change, entry.pending_quantity, entry.pending_amount), ("changed", 6, 900))
        exception = entry.exception_id
        self.assertEqual((exception.cause_code, exception.amount), ("changed_after_billing", 300))
        self.env["psa.entry"]._sync("time", [spec])
        self.assertFalse(entry.pending_change)
        self.assertEqual(exception.state, "resolved", "the source took it back")

    def test_rejected_and_deleted_after_billing(self):
        timesheets = self.make_timesheets(self.order, [8, 4])
        specs = self.time_specs(self.order, timesheets)
        entries = self.env["psa.entry"]._sync("time", specs)
        self.bill(self.order)
        self.env["psa.entry"]._sync("time", [
            {**specs[0], "approved": False}, {**specs[1], "deleted": True}])
        self.assertEqual(
            entries.exception_id.mapped("cause_code"), ["rejected_after_billing", "deleted_after_billing"])
        self.assertEqual(sorted(entries.exception_id.mapped("amount")), [600, 1200])
        self.assertEqual(entries.mapped("billing_state"), ["billed", "billed"])
        self.assertLedger(entries)

    def test_more_hours_after_billing_are_billed_once_accepted(self):
        timesheets = self.make_timesheets(self.order, [8])
        [spec] = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        self.bill(self.order)
        self.env["psa.entry"]._sync("time", [{**spec, "quantity": Decimal(10)}])
        exception = entry.exception_id
        self.assertFalse(self.propose(self.order), "the billed part is left alone")
        entry.with_user(self.reviewer).action_accept_change()
        self.assertEqual((entry.quantity, entry.billing_state, exception.state), (10, "partly", "resolved"))
        self.assertEqual(timesheets.unit_amount, 10)
        move = self.bill(self.order)
        self.assertEqual((move.amount_untaxed, self.line.qty_invoiced, self.line.qty_delivered), (300, 10, 10))
        self.assertLedger(entry)

    def test_a_change_while_on_a_draft_waits_and_settles_when_the_draft_goes(self):
        timesheets = self.make_timesheets(self.order, [8])
        [spec] = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        move = self.bill(self.order, post=False)
        self.env["psa.entry"]._sync("time", [{**spec, "quantity": Decimal(6)}])
        exception = entry.exception_id
        self.assertEqual(entry.pending_change, "changed")
        move.unlink()
        self.assertEqual((entry.quantity, entry.amount, entry.pending_change), (6, 900, False))
        self.assertEqual((exception.state, timesheets.unit_amount), ("resolved", 6))

    def test_changed_to_work_without_a_rate(self):
        timesheets = self.make_timesheets(self.order, [8])
        [spec] = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        self.bill(self.order)
        self.env["psa.entry"]._sync("time", [{**spec, "role_id": self.architect.id, "quantity": Decimal(6)}])
        self.assertEqual((entry.pending_change, entry.pending_quantity, entry.pending_amount), ("changed", 6, 0))
        self.assertIn("not known", entry.exception_id.name)
        with self.assertRaises(UserError):
            entry.with_user(self.reviewer).action_accept_change()

    def test_a_billed_contract_stays_one(self):
        self.make_time(self.order, [8])
        with self.assertRaises(UserError):
            self.order.psa_contract = False

    def test_waived_change_leaves_the_bill(self):
        timesheets = self.make_timesheets(self.order, [8])
        [spec] = self.time_specs(self.order, timesheets)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        self.bill(self.order)
        self.env["psa.entry"]._sync("time", [{**spec, "quantity": Decimal(6)}])
        entry.exception_id.action_waive("Agreed with the customer")
        self.assertEqual((entry.amount, entry.billing_state, entry.pending_change), (1200, "billed", False))

    def test_period_boundaries(self):
        entries = self.make_time(self.order, [(date(2026, 4, 30), 1), (date(2026, 5, 31), 2), (date(2026, 6, 1), 4)])
        april = self.bill(self.order, date(2026, 4, 1), date(2026, 4, 30))
        may = self.bill(self.order)
        june = self.bill(self.order, date(2026, 6, 1), date(2026, 6, 30))
        self.assertEqual(
            [move.amount_untaxed for move in (april, may, june)], [150, 300, 600])
        self.assertLedger(entries)

    def test_contract_in_another_currency(self):
        euro = self.env.ref("base.EUR")
        euro.active = True
        self.env["res.currency.rate"].create({
            "name": date(2026, 1, 1), "currency_id": euro.id, "company_id": self.company.id,
            "inverse_company_rate": 1.25,
        })
        order = self.make_contract(("time_material", 10, 100.0), currency=euro)
        self.make_rate(100, order, role_id=self.consultant.id)
        entries = self.make_time(order, [8])
        move = self.bill(order)
        self.assertEqual((move.currency_id, move.amount_untaxed, move.amount_untaxed_signed), (euro, 800, 1000))
        self.assertLedger(entries)
