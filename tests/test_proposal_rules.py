from datetime import date

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .billing_common import BillingCase

JUNE = (date(2026, 6, 1), date(2026, 6, 30))


@tagged("post_install", "-at_install")
class TestProposalRules(BillingCase):
    """Small invoices, lines worth nothing or less, how lines are put together, and in which words."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.layout = cls.env["psa.invoice.layout"].create({"name": "House"})

    def decisions(self, proposal):
        return sorted((line.decision, line.amount, line.reason or "") for line in proposal.line_ids)

    # === SMALLEST INVOICE === #
    def test_a_small_invoice_is_carried_until_it_is_large_enough(self):
        """The worked example of the documentation: 300 in May is below 500; June's 450 bring it to 750."""
        self.company.psa_minimum_invoice = 500
        self.make_time(self.order, [2])
        proposal = self.propose(self.order)
        why = "$ 300.00 is below the smallest invoice of $ 500.00: carried to the next one".replace("$ ", "$\xa0")
        self.assertEqual(self.decisions(proposal), [("carried", 300, why)])
        self.assertEqual((proposal.amount_untaxed, proposal.amount_carried), (0, 300))
        with self.assertRaises(UserError):
            proposal.action_submit()
        self.make_time(self.order, [(date(2026, 6, 3), 3)])
        june = self.propose(self.order, *JUNE)
        self.assertEqual((june.amount_untaxed, set(june.line_ids.mapped("decision"))), (750, {"in"}))

    def test_customer_and_contract_know_better_than_the_company(self):
        self.company.psa_minimum_invoice = 500
        self.make_time(self.order, [2])
        customer = self.customer.with_company(self.company)
        customer.write({"psa_minimum_rule": "own", "psa_minimum_amount": 0})
        proposal = self.propose(self.order)
        self.assertEqual(proposal.amount_untaxed, 300)
        self.order.write({"psa_minimum_rule": "own", "psa_minimum_amount": 301})
        self.assertTrue(proposal.needs_refresh)
        proposal.action_refresh()
        self.assertEqual(proposal.amount_untaxed, 0)

    def test_a_person_may_bill_it_all_the_same(self):
        self.company.psa_minimum_invoice = 500
        self.make_time(self.order, [2])
        proposal = self.propose(self.order)
        proposal.line_ids.with_user(self.reviewer).write({"decision": "in", "reason": "Last invoice"})
        proposal.action_refresh()
        self.assertEqual(proposal.amount_untaxed, 300)

    # === WORTH NOTHING, OR LESS === #
    def test_lines_worth_nothing(self):
        self.make_rate(0, self.order, employee_id=self.grace.id)
        self.make_time(self.order, [8])
        self.make_time(self.order, [2], employee=self.grace)
        self.order.psa_invoice_layout_id = self.layout
        for rule, expected in [
            ("keep", ("in", 0, "")),
            ("drop", ("excluded", 0, "Worth nothing: left off the invoice")),
            ("carry", ("carried", 0, "Worth nothing: carried forward")),
        ]:
            self.layout.zero_lines = rule
            proposal = self.propose(self.order)
            proposal.action_refresh()
            self.assertIn(expected, self.decisions(proposal))
        self.layout.zero_lines = "keep"
        proposal.action_refresh()
        move = self.bill(self.order)
        self.assertEqual(sorted(move.invoice_line_ids.mapped("quantity")), [2, 8])

    def test_what_only_its_taxes_take_below_zero_is_carried(self):
        order = self.make_contract(
            ("time_material", 10, 100.0, {"psa_role_id": self.consultant.id, "tax_ids": [Command.clear()]}),
            ("time_material", 10, 95.0, {"psa_role_id": self.architect.id}))
        self.make_rate(100, order, role_id=self.consultant.id)
        self.make_rate(95, order, role_id=self.architect.id)
        self.make_time(order, [1], role_id=self.consultant.id)
        self.make_time(order, [-1], line=order.order_line[1], role_id=self.architect.id)
        proposal = self.propose(order)
        # 100.00 without tax less 95.00 with 15 %: 5.00 before tax, -9.25 in all
        self.assertEqual(proposal.line_ids.mapped("decision"), ["carried", "carried"])
        self.assertEqual((proposal.amount_total, proposal.amount_carried), (0, 5))

    def test_corrections_on_a_credit_note_of_their_own(self):
        self.layout.negative_lines = "credit_note"
        self.company.psa_invoice_layout_id = self.layout
        entries = self.make_time(self.order, [8, -2])
        proposal = self.propose(self.order)
        self.assertEqual((proposal.amount_untaxed, proposal.amount_tax), (900, 135))
        moves = self.bill(self.order, post=False)
        self.assertEqual(
            sorted((move.move_type, move.amount_untaxed, move.invoice_line_ids.quantity) for move in moves),
            [("out_invoice", 1200, 8), ("out_refund", 300, 2)])
        self.assertEqual(self.order.order_line.qty_invoiced, 6)
        moves.action_post()
        self.assertEqual(proposal.state, "invoiced")
        self.assertEqual(entries.mapped("billing_state"), ["billed", "billed"])
        self.assertLedger(entries)
        refund = moves.filtered(lambda move: move.move_type == "out_refund")
        undone = refund._reverse_moves([{"invoice_date": date(2026, 6, 5)}])
        undone.action_post()
        self.assertEqual(entries.mapped("billing_state"), ["billed", "to_bill"])
        self.assertLedger(entries)

    def test_more_corrections_than_work_on_a_credit_note(self):
        self.layout.negative_lines = "credit_note"
        self.order.psa_invoice_layout_id = self.layout
        self.make_time(self.order, [2, -3])
        proposal = self.propose(self.order)
        self.assertEqual(proposal.amount_untaxed, -150)
        self.assertEqual(len(self.bill(self.order)), 2)
        self.assertEqual(proposal.state, "invoiced")

    # === LAYOUT === #
    def lines(self, move):
        return [
            (line.name, line.quantity) if line.display_type == "product" else line.name
            for line in move.invoice_line_ids.sorted("sequence")
        ]

    def test_by_month_and_person_in_words_of_the_house(self):
        self.layout.write({
            "part_ids": [
                Command.create({"sequence": 1, "by": "month"}), Command.create({"sequence": 2, "by": "person"})],
            "show_sections": True,
            "text": "{person}, {role}: {quantity} {unit} at {rate}\n{narrative}\n{task}",
        })
        self.customer.with_company(self.company).psa_invoice_layout_id = self.layout
        april = self.make_time(self.order, [(date(2026, 4, 28), 1)])
        self.make_time(self.order, [8, 1.5])
        self.make_rate(150, self.order, employee_id=self.grace.id)
        self.make_time(self.order, [2], employee=self.grace)
        april.narrative = "Scope {rate} workshop"
        self.assertEqual(self.lines(self.bill(self.order)), [
            "April 2026",
            ("Ada, Test Consultant: 1 Hours at $\xa0150.00\nScope {rate} workshop", 1),
            "May 2026",
            ("Ada, Test Consultant: 9.5 Hours at $\xa0150.00", 9.5),
            ("Grace, Test Consultant: 2 Hours at $\xa0150.00", 2),
        ])

    def test_persons_put_together_by_month_and_task(self):
        task = self.env["project.task"].create({"name": "Engine", "project_id": self.project_of(self.order).id})
        self.layout.part_ids = [Command.create({"sequence": 1, "by": "task"})]
        self.order.psa_invoice_layout_id = self.layout
        self.make_rate(150, self.order, employee_id=self.grace.id)
        entries = self.make_time(self.order, [8]) | self.make_time(self.order, [2], employee=self.grace)
        entries[0].analytic_line_id.task_id = task
        self.make_time(self.order, [1])
        move = self.bill(self.order)
        self.assertEqual(
            [(("Engine" in name), quantity) for name, quantity in self.lines(move)], [(False, 3), (True, 8)])

    def test_unknown_placeholders_are_refused(self):
        with self.assertRaises(ValidationError):
            self.layout.text = "{line} {password}"

    def test_contracts_of_a_customer_share_an_invoice(self):
        self.company.tax_calculation_rounding_method = "round_per_line"
        self.layout.consolidate = "customer"
        self.customer.with_company(self.company).psa_invoice_layout_id = self.layout
        other = self.make_contract(("time_material", 100, 150.0, {"psa_role_id": self.consultant.id}))
        self.make_rate(33.33, other, role_id=self.consultant.id)
        self.order.psa_purchase_order, other.psa_purchase_order = "PO-1", "PO-2"
        entries = self.make_time(self.order, [8]) | self.make_time(other, [1.5])
        proposals = self.propose(self.order | other)
        proposals.action_submit()
        proposals.with_user(self.approver).action_approve()
        move = proposals.sudo().move_ids
        self.assertEqual(len(move), 1)
        self.assertEqual((move.amount_untaxed, move.ref), (1250, "PO-1, PO-2"))
        self.assertEqual(move.amount_total, sum(proposals.mapped("amount_total")))
        self.assertEqual(self.lines(move)[0], f"{self.order.name}, PO-1")
        self.assertLedger(entries)
        move.action_post()
        self.assertEqual(proposals.mapped("state"), ["invoiced", "invoiced"])
        self.assertEqual(other.order_line.qty_invoiced, 1.5)

    # === BESIDE THE AMOUNT === #
    def test_margin_and_what_the_contract_leaves(self):
        self.ada.hourly_cost = 60
        first = self.make_time(self.order, [2])
        self.bill(self.order)
        entries = self.make_time(self.order, [8])
        self.assertTrue(first and entries)
        proposal = self.propose(self.order)
        with self.assertRaises(AccessError):
            proposal.read(["margin_amount"])
        seen = proposal.with_user(self.approver)
        self.assertEqual((seen.cost_amount, seen.margin_amount, seen.margin_percent), (480, 720, 60))
        self.assertEqual((proposal.billed_to_date, proposal.contract_total), (300, 15000))
        self.assertEqual((proposal.last_invoice_id, proposal.last_invoice_amount), (first.allocation_ids.move_id, 300))
        proposal.line_ids.with_user(self.reviewer).write({"amount": 900, "reason": "Learning curve"})
        proposal.invalidate_recordset()
        self.assertEqual((proposal.average_rate, proposal.card_rate, proposal.realisation), (112.5, 150, 0.75))
