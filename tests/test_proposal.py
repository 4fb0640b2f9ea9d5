import logging
from datetime import date
from decimal import Decimal

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, RedirectWarning, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase

_logger = logging.getLogger(__name__)
MAY = (date(2026, 5, 1), date(2026, 5, 31))


@tagged("post_install", "-at_install")
class TestProposal(BillingCase):
    """What would be invoiced: in, held, excluded, and by whose approval it becomes an invoice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}),
            ("time_material", 50, 200.0, {"psa_role_id": cls.architect.id}),
        )
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.make_rate(200, cls.order, role_id=cls.architect.id)

    def decisions(self, proposal):
        return sorted(
            (line.decision, line.amount, line.reason or "") for line in proposal.line_ids)

    def test_in_held_excluded_with_the_reason(self):
        self.make_time(self.order, [8])
        self.make_time(self.order, [(date(2026, 4, 30), 2)])
        self.make_time(self.order, [(date(2026, 6, 1), 4)])
        self.make_time(self.order, [3], approved=False)
        self.make_time(self.order, [1], source_blocked="held")
        self.make_time(self.order, [5], billable=False)
        other = self.make_time(self.order, [1], role_id=self.architect.id, order_line_id=None)
        proposal = self.propose(self.order)
        self.assertEqual(self.decisions(proposal), [
            ("excluded", 0.0, "Not billable at the source"),
            ("held", 150.0, "The source keeps it from billing for now"),
            ("held", 450.0, "Not approved at the source yet"),
            ("in", 200.0, ""),
            ("in", 300.0, "Late: done before this period"),
            ("in", 1200.0, ""),
        ])
        self.assertEqual(proposal.amount_untaxed, 1700)
        self.assertEqual(proposal.amount_tax, 255)
        self.assertEqual(proposal.amount_held, 600)
        self.assertEqual(other.order_line_id, self.order.order_line[1])

    def test_missing_rate_shows_its_exception(self):
        order = self.make_contract(("time_material", 10, 1.0))
        [entry] = self.make_time(order, [2], source_amount=300)
        line = self.propose(order).line_ids
        self.assertEqual((line.decision, line.reason), ("held", entry.exception_id.name))

    def test_approval_makes_the_invoice_and_posting_ends_it(self):
        entries = self.make_time(self.order, [8, 4.5])
        self.order.psa_purchase_order = "PO-77"
        proposal = self.propose(self.order)
        self.assertEqual(proposal.prepared_by, self.preparer)
        proposal.action_submit()
        with self.assertRaises(AccessError):
            proposal.with_user(self.reviewer).action_approve()
        action = proposal.with_user(self.approver).action_approve()
        move = proposal.move_id.sudo()
        self.assertEqual(action["res_id"], move.id)
        self.assertEqual((move.state, move.currency_id, move.company_id), (
            "draft", self.order.currency_id, self.company))
        self.assertEqual((move.ref, move.invoice_origin), ("PO-77", self.order.name))
        line = move.invoice_line_ids
        self.assertEqual((line.quantity, line.price_unit, line.tax_ids), (12.5, 150.0, self.tax))
        self.assertEqual(line.sale_line_ids, self.order.order_line[0])
        self.assertIn("Test Consultant", line.name)
        self.assertEqual(move.amount_total, proposal.amount_total)
        self.assertEqual(entries.mapped("billing_state"), ["billed", "billed"])
        self.assertEqual(entries.analytic_line_id.timesheet_invoice_id, move)
        self.assertEqual(self.order.order_line[0].qty_invoiced, 12.5)
        self.assertEqual(self.order.order_line[0].qty_delivered, 12.5)
        self.assertEqual(proposal.state, "approved")
        move.action_post()
        self.assertEqual(proposal.state, "invoiced")
        self.assertLedger(entries)
        self.assertFalse(self.propose(self.order), "nothing is left")

    def test_four_eyes(self):
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        proposal.with_user(self.approver).action_submit()
        with self.assertRaises(AccessError):
            proposal.with_user(self.approver).action_approve()
        self.company.psa_allow_self_approval = True
        proposal.with_user(self.approver).action_approve()
        self.assertEqual(proposal.approved_by, self.approver)

    def test_the_editor_does_not_approve(self):
        self.make_time(self.order, [8, 2])
        proposal = self.propose(self.order)
        line = proposal.line_ids[0].with_user(self.approver)
        with self.assertRaises(UserError):
            line.decision = "excluded"
        line.write({"decision": "excluded", "reason": "Goodwill"})
        self.assertEqual(proposal.amount_untaxed, 300)
        proposal.action_submit()
        with self.assertRaises(AccessError):
            proposal.with_user(self.approver).action_approve()
        with self.assertRaises(AccessError):
            proposal.line_ids[1].with_user(self.preparer).write({"decision": "excluded", "reason": "No"})

    def test_states_are_not_written_by_hand(self):
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        with self.assertRaises(AccessError):
            proposal.write({"state": "approved"})
        with self.assertRaises(AccessError):
            proposal.line_ids.with_user(self.reviewer).write({"quantity": 1})
        with self.assertRaises(UserError):
            proposal.with_user(self.approver).action_approve()

    def test_refresh_keeps_a_reviewers_decision(self):
        self.make_time(self.order, [8, 2])
        proposal = self.propose(self.order)
        line = proposal.line_ids.filtered(lambda line: line.quantity == 2)
        line.with_user(self.reviewer).write({"decision": "carried", "reason": "Customer asked"})
        self.make_time(self.order, [1])
        proposal.action_refresh()
        self.assertEqual(self.decisions(proposal), [
            ("carried", 300.0, "Customer asked"), ("in", 150.0, ""), ("in", 1200.0, ""),
        ])

    def test_a_change_after_building_stops_the_approval(self):
        timesheets = self.make_timesheets(self.order, [8])
        specs = self.time_specs(self.order, timesheets)
        self.env["psa.entry"]._sync("time", specs)
        proposal = self.propose(self.order)
        proposal.action_submit()
        self.env["psa.entry"]._sync("time", [{**specs[0], "quantity": Decimal(6)}])
        self.assertTrue(proposal.needs_refresh)
        with self.assertRaises(UserError):
            proposal.with_user(self.approver).action_approve()
        proposal.action_refresh()
        self.assertEqual((proposal.state, proposal.amount_untaxed), ("draft", 900))

    def test_an_entry_is_reserved_once(self):
        self.make_time(self.order, [8])
        first = self.propose(self.order)
        second = self.propose(self.order, *[date(2026, 6, 1), date(2026, 6, 30)])
        self.assertEqual(self.decisions(second), [("excluded", 1200.0, f"In proposal {first.name}")])
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            second.sudo().line_ids.reserved = True
        first.action_cancel()
        second.action_refresh()
        self.assertEqual(second.amount_untaxed, 1200)

    def test_one_open_proposal_for_a_period_then_a_numbered_one(self):
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        self.assertEqual(self.propose(self.order), proposal)
        self.bill(self.order)
        self.make_time(self.order, [1])
        late = self.propose(self.order)
        self.assertEqual((late.name, late.amount_untaxed), (f"{self.order.name} 2026-05 (2)", 150))

    def test_negative_is_carried_forward(self):
        self.make_time(self.order, [2, -3])
        proposal = self.propose(self.order)
        self.assertEqual(set(proposal.line_ids.mapped("decision")), {"carried"})
        with self.assertRaises(UserError):
            proposal.action_submit()
        self.make_time(self.order, [4])
        proposal.action_refresh()
        self.assertEqual(proposal.amount_untaxed, 450)
        entries = proposal.line_ids.entry_id
        move = self.bill(self.order)
        self.assertEqual(move.invoice_line_ids.quantity, 3)
        self.assertLedger(entries)

    def test_corrections_that_cancel_out(self):
        rate = self.env["psa.rate"].search([("role_id", "=", self.consultant.id), ("order_id", "=", self.order.id)])
        rate.amount = 33.33
        entries = self.make_time(self.order, [0.25, 0.25, -0.5, 8])
        move = self.bill(self.order)
        self.assertEqual(move.amount_untaxed, sum(entries.mapped("amount")))
        self.assertLedger(entries)

    def test_by_person(self):
        self.order.psa_invoice_detail = "person"
        self.make_time(self.order, [8])
        self.make_time(self.order, [2], employee=self.grace)
        move = self.bill(self.order, post=False)
        self.assertEqual(sorted(move.invoice_line_ids.mapped("quantity")), [2, 8])

    def test_rates_of_one_line_are_separate_invoice_lines(self):
        self.make_rate(175, self.order, employee_id=self.grace.id)
        self.make_time(self.order, [8])
        self.make_time(self.order, [2], employee=self.grace)
        move = self.bill(self.order)
        self.assertEqual(
            sorted((line.quantity, line.price_unit) for line in move.invoice_line_ids), [(2, 175), (8, 150)])
        line = self.order.order_line[0]
        self.assertEqual((line.qty_invoiced, line.price_unit), (10, 150), "the contract line's price is not touched")

    def test_days(self):
        day = self.env.ref("uom.product_uom_day")
        order = self.make_contract(("time_material", 10, 1000.0, {"product_uom_id": day.id}))
        self.make_rate(125, order, role_id=self.consultant.id)
        entries = self.make_time(order, [8, 4])
        move = self.bill(order)
        self.assertEqual(
            (move.invoice_line_ids.quantity, move.invoice_line_ids.price_unit, move.amount_untaxed), (1.5, 1000, 1500))
        self.assertLedger(entries)

    def test_milestone_fee_and_expense_lines(self):
        order = self.make_contract(("milestone", 1, 40000.0), ("fixed_fee", 1, 5000.0))
        milestone_line, fee_line = order.order_line
        milestone = self.env["project.milestone"].create({
            "name": "Design", "project_id": self.project_of(order).id, "sale_line_id": milestone_line.id,
            "quantity_percentage": 0.25, "is_reached": True,
        })
        expense = self.env["hr.expense"].create({
            "name": "Train", "employee_id": self.ada.id, "product_id": self.products["expense"].id,
            "total_amount_currency": 119, "company_id": self.company.id,
        })
        spec = {"order_id": order.id, "work_date": date(2026, 5, 8), "currency_id": order.currency_id.id}
        Entry = self.env["psa.entry"]
        entries = Entry._sync("milestone", [{
            **spec, "source": milestone, "fixed_amount": Decimal(10000), "quantity": 1, "description": "Design"}])
        entries |= Entry._sync("fee", [{**spec, "source": fee_line}])
        entries |= Entry._sync("expense", [{
            **spec, "source": expense, "employee_id": self.ada, "quantity": 1, "fixed_amount": Decimal("80.40"),
            "description": "Train to Leeds"}])
        move = self.bill(order)
        self.assertEqual(move.amount_untaxed, 15080.40)
        expense_line = order.order_line.filtered(lambda line: line.psa_billing_method == "expense")
        self.assertEqual(milestone_line.qty_invoiced, 0.25)
        self.assertEqual(milestone_line.qty_delivered, 0.25)
        self.assertEqual(fee_line.qty_invoiced, 1)
        self.assertEqual((expense_line.qty_invoiced, expense_line.qty_to_invoice), (1, 0))
        self.assertIn("Train to Leeds", "\n".join(move.invoice_line_ids.mapped("name")))
        self.assertLedger(entries)

    def test_odoos_create_invoice_leads_to_the_proposal(self):
        self.make_time(self.order, [8])
        wizard = self.env["sale.advance.payment.inv"].create({"sale_order_ids": [Command.set(self.order.ids)]})
        action = wizard.create_invoices()
        self.assertEqual(action["res_model"], "psa.proposal")
        self.assertEqual(len(self.order.psa_proposal_ids), 1)
        with self.assertRaises(RedirectWarning):
            self.order._create_invoices()
        self.assertFalse(self.order.invoice_ids)
        plain = self.make_contract(("time_material", 10, 1.0), psa_contract=False)
        self.make_timesheets(plain, [8])
        self.assertTrue(plain._create_invoices(), "other orders are invoiced by Odoo as ever")

    def test_a_run_over_many_contracts_takes_as_many_queries_as_over_few(self):
        def contracts(count):
            orders = self.env["sale.order"]
            for _index in range(count):
                order = self.make_contract(("time_material", 10, 150.0, {"psa_role_id": self.consultant.id}))
                self.make_rate(150, order, role_id=self.consultant.id)
                self.make_time(order, [8, 7.5])
                orders |= order
            return orders

        def queries(orders):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            proposals = self.env["psa.proposal"]._create_proposals(*MAY, orders)
            self.env.flush_all()
            self.assertEqual(len(proposals), len(orders))
            return self.env.cr.sql_log_count - before

        queries(contracts(1))
        few, many = queries(contracts(3)), queries(contracts(12))
        _logger.info("Queries of a billing run: %d for 3 contracts, %d for 12", few, many)
        self.assertLessEqual(many, few + 2)
