from datetime import date

from psycopg2.errors import CheckViolation

from odoo import Command
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestProposalSplit(BillingCase):
    """One contract, several customers who pay: each gets its percentage, the named one what is left."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(100.01, cls.order, role_id=cls.consultant.id)
        cls.partner = cls.env["res.partner"].create({"name": "Difference Works", "is_company": True})
        cls.split((cls.customer, 60, True), (cls.partner, 40, False))

    @classmethod
    def split(cls, *shares, **values):
        cls.order.psa_share_ids = [Command.clear()] + [
            Command.create({"partner_id": partner.id, "percent": percent, "is_rounding": rounding, **values})
            for partner, percent, rounding in shares
        ]

    def moves(self, proposal):
        return {move.partner_id: move for move in proposal.sudo().move_ids}

    def approve(self, order=None):
        proposal = self.propose(order or self.order)
        proposal.action_submit()
        proposal.with_user(self.approver).action_approve()
        return proposal

    def test_each_customer_gets_its_share_and_one_the_rounding(self):
        """The worked example of the documentation: 8.25 h at 100.01, 60 : 40."""
        entries = self.make_time(self.order, [7.5, 0.5, 0.25])
        self.assertEqual(entries.mapped("amount"), [750.08, 50.01, 25.0])
        proposal = self.approve()
        moves = self.moves(proposal)
        ours, theirs = moves[self.customer], moves[self.partner]
        self.assertEqual((theirs.amount_untaxed, theirs.invoice_line_ids.quantity), (330.04, 3.3))
        self.assertEqual((ours.amount_untaxed, ours.invoice_line_ids.quantity), (495.05, 4.95))
        self.assertEqual(proposal.amount_untaxed, 825.09)
        self.assertEqual(
            self.company.currency_id.compare_amounts(proposal.amount_total, ours.amount_total + theirs.amount_total), 0)
        self.assertEqual(self.order.order_line.qty_invoiced, 8.25)
        self.assertEqual(entries.mapped("billing_state"), ["billed"] * 3)
        self.assertFalse(proposal.move_id, "there is not one invoice")
        (ours | theirs).action_post()
        self.assertEqual(proposal.state, "invoiced")
        self.assertLedger(entries)

    def test_it_is_invoiced_when_all_are_posted(self):
        self.make_time(self.order, [8])
        proposal = self.approve()
        moves = proposal.sudo().move_ids
        moves[0].action_post()
        self.assertEqual(proposal.state, "approved")
        moves[1].action_post()
        self.assertEqual(proposal.state, "invoiced")

    def test_one_crediting_frees_only_its_part_and_goes_back_to_the_same_customer(self):
        entries = self.make_time(self.order, [7.5, 0.5, 0.25])
        proposal = self.approve()
        moves = self.moves(proposal)
        proposal.sudo().move_ids.action_post()
        credit = moves[self.partner]._reverse_moves([{"invoice_date": date(2026, 6, 5)}])
        credit.action_post()
        self.assertLedger(entries)
        self.assertEqual(round(sum(entries.mapped("allocated_amount")), 2), 495.05)
        self.assertEqual(set(entries.mapped("billing_state")), {"partly"})
        self.assertEqual(self.order.order_line.qty_invoiced, 4.95)
        again = self.approve()
        self.assertEqual(again.sudo().move_id.partner_id, self.partner, "the other customer has paid its part")
        self.assertEqual((again.amount_untaxed, again.sudo().move_id.invoice_line_ids.quantity), (330.04, 3.3))
        self.assertEqual(entries.mapped("billing_state"), ["billed"] * 3)
        self.assertEqual(self.order.order_line.qty_invoiced, 8.25)
        self.assertLedger(entries)

    def test_one_draft_deleted_leaves_the_others(self):
        entries = self.make_time(self.order, [8])
        proposal = self.approve()
        moves = self.moves(proposal)
        moves[self.customer].action_post()
        moves[self.partner].unlink()
        self.assertEqual((proposal.state, proposal.line_ids.decision), ("invoiced", "in"))
        self.assertEqual(entries.billing_state, "partly")
        again = self.approve()
        self.assertEqual(again.sudo().move_id.partner_id, self.partner)
        again.sudo().move_id.unlink()
        moves[self.customer].button_cancel()
        self.assertEqual((entries.billing_state, proposal.state), ("to_bill", "cancelled"))
        self.assertLedger(entries)

    def test_fee_and_taxes_of_each_customer(self):
        position = self.env["account.fiscal.position"].create({"name": "Abroad", "company_id": self.company.id})
        self.env["account.tax"].create({
            "name": "0 % Abroad", "amount": 0, "type_tax_use": "sale", "company_id": self.company.id,
            "tax_group_id": self.tax.tax_group_id.id, "country_id": self.tax.country_id.id,
            "fiscal_position_ids": [Command.link(position.id)], "original_tax_ids": [Command.set(self.tax.ids)],
        })
        self.partner.with_company(self.company).property_account_position_id = position
        order = self.make_contract(("fixed_fee", 1, 1000.01))
        order.psa_share_ids = [
            Command.create({"partner_id": self.customer.id, "percent": 33.333333, "is_rounding": True}),
            Command.create({"partner_id": self.partner.id, "percent": 66.666667, "reference": "PO-B"}),
        ]
        entries = self.env["psa.entry"]._sync("fee", [{
            "order_id": order.id, "work_date": date(2026, 5, 8), "currency_id": order.currency_id.id,
            "source": order.order_line}])
        proposal = self.approve(order)
        moves = self.moves(proposal)
        self.assertEqual((moves[self.partner].amount_untaxed, moves[self.partner].amount_tax), (666.67, 0))
        self.assertEqual((moves[self.customer].amount_untaxed, moves[self.customer].amount_tax), (333.34, 50))
        self.assertEqual(moves[self.partner].ref, "PO-B")
        self.assertEqual(proposal.amount_total, 1050.01)
        self.assertEqual(order.order_line.qty_invoiced, 1)
        self.assertLedger(entries)

    def test_a_price_with_tax_included_is_not_split_to_who_does_not_pay_the_tax(self):
        position = self.env["account.fiscal.position"].create({"name": "Abroad", "company_id": self.company.id})
        included = self.tax.copy({"name": "Included", "amount": 19, "price_include_override": "tax_included"})
        self.env["account.tax"].create({
            "name": "0 %", "amount": 0, "type_tax_use": "sale", "company_id": self.company.id,
            "tax_group_id": self.tax.tax_group_id.id, "country_id": self.tax.country_id.id,
            "fiscal_position_ids": [Command.link(position.id)], "original_tax_ids": [Command.set(included.ids)],
        })
        self.partner.with_company(self.company).property_account_position_id = position
        self.order.order_line.tax_ids = included
        self.make_time(self.order, [8])
        with self.assertRaises(UserError):
            self.propose(self.order).action_submit()

    def test_shares_in_force_on_the_work_date(self):
        self.split((self.customer, 100, True), date_to=date(2026, 5, 14))
        self.order.psa_share_ids = [
            Command.create({"partner_id": self.customer.id, "percent": 50, "date_from": date(2026, 5, 15),
                            "is_rounding": True}),
            Command.create({"partner_id": self.partner.id, "percent": 50, "date_from": date(2026, 5, 15)}),
        ]
        self.make_time(self.order, [(date(2026, 5, 14), 10), (date(2026, 5, 15), 10)])
        moves = self.moves(self.approve())
        self.assertEqual(moves[self.customer].amount_untaxed, 1500.15)
        self.assertEqual(moves[self.partner].amount_untaxed, 500.05)

    def test_shares_make_exactly_a_hundred(self):
        for shares in (
            [(self.customer, 60, True), (self.partner, 39.999999, False)],
            [(self.customer, 60, True), (self.partner, 40, True)],
            [(self.customer, 60, False), (self.partner, 40, False)],
            [(self.customer, 60, True), (self.customer, 40, False)],
        ):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.split(*shares)
        self.split()
        self.assertFalse(self.order.psa_share_ids)

    def test_the_database_refuses_it_too(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            self.order.psa_share_ids[0].percent = 59
            self.env.flush_all()
            self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_changed_shares_make_an_open_proposal_out_of_date(self):
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        self.split((self.customer, 50, True), (self.partner, 50, False))
        self.assertTrue(proposal.needs_refresh)

    def test_a_change_after_billing_is_credited_to_each_by_its_share(self):
        entries = self.make_time(self.order, [10])
        proposal = self.approve()
        proposal.sudo().move_ids.action_post()
        specs = self.time_specs(self.order, entries.analytic_line_id)
        self.env["psa.entry"]._sync("time", [{**specs[0], "quantity": 5}])
        entries.with_user(self.reviewer).action_accept_change()
        credits = self.env["account.move"].search([
            ("move_type", "=", "out_refund"), ("reversed_entry_id", "in", proposal.sudo().move_ids.ids)])
        self.assertEqual(
            {move.partner_id: move.amount_untaxed for move in credits},
            {self.customer: 300.03, self.partner: 200.02})
        credits.action_post()
        self.assertEqual((entries.quantity, entries.billing_state), (5, "billed"))
        self.assertLedger(entries)
