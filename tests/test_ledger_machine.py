"""One contract, anything that can happen to it, in any order: after each step the money laws hold.

``PSA_MACHINE_RUNS`` sets how many histories are tried (300 in the normal run).
"""

import os
from datetime import date
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL

from .billing_common import BillingCase

RUNS = int(os.environ.get("PSA_MACHINE_RUNS", "300"))
STEPS = 12
# Longer histories are rare in a sample; each run is a savepoint that is rolled back.
PATIENT = settings(
    max_examples=RUNS, stateful_step_count=STEPS, deadline=None, database=None,
    derandomize="PSA_MACHINE_RUNS" not in os.environ,
    suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=True)
HOURS = st.sampled_from([Decimal("0.25"), Decimal("0.1"), Decimal("1.5"), Decimal("7.25"), Decimal(8), Decimal("-0.5")])
WHICH = st.integers(0, 4)

# One row a law that is broken; nothing is as it should be. All in the database, so that no cache can hide it.
LAWS = {
    "allocated is invoiced less credited, per entry": """
        SELECT entry.id FROM psa_entry entry
     LEFT JOIN psa_allocation a ON a.entry_id = entry.id
           AND ((a.kind = 'invoice' AND a.state IN ('draft', 'posted')) OR (a.kind = 'credit' AND a.state = 'posted'))
         WHERE entry.order_id = %(order)s GROUP BY entry.id
        HAVING COALESCE(SUM(a.amount), 0) <> COALESCE(entry.allocated_amount, 0)
            OR COALESCE(SUM(a.quantity), 0) <> COALESCE(entry.allocated_quantity, 0)""",
    "0 <= allocated <= approved": """
        SELECT id FROM psa_entry WHERE order_id = %(order)s AND (
               allocated_amount NOT BETWEEN LEAST(amount, 0) AND GREATEST(amount, 0)
            OR allocated_quantity NOT BETWEEN LEAST(quantity, 0) AND GREATEST(quantity, 0))""",
    "an invoice line says what stands on it": """
        SELECT line.id FROM account_move_line line JOIN account_move move ON move.id = line.move_id
          JOIN psa_allocation a ON a.move_line_id = line.id AND a.kind = 'invoice'
         WHERE move.state IN ('draft', 'posted') AND a.entry_id IN (
               SELECT id FROM psa_entry WHERE order_id = %(order)s)
      GROUP BY line.id, line.price_subtotal HAVING SUM(a.amount) <> line.price_subtotal""",
    "never more credited than invoiced, per invoice line": """
        SELECT COALESCE(a.origin_line_id, a.move_line_id), a.entry_id FROM psa_allocation a
          JOIN psa_entry entry ON entry.id = a.entry_id AND entry.order_id = %(order)s
         WHERE (a.kind = 'invoice' AND a.state IN ('draft', 'posted'))
            OR (a.kind = 'credit' AND a.state = 'posted')
      GROUP BY 1, 2, entry.amount
        HAVING SUM(a.amount) * SIGN(entry.amount) < 0""",
    "revenue in the general ledger is what the allocations say": """
        SELECT 1 FROM (
            SELECT COALESCE(SUM(-line.balance), 0) AS booked FROM account_move_line line
              JOIN account_move move ON move.id = line.move_id AND move.state = 'posted'
             WHERE line.display_type = 'product' AND line.company_id = %(company)s
               AND move.move_type IN ('out_invoice', 'out_refund')) ledger, (
            SELECT COALESCE(SUM(a.amount), 0) AS said FROM psa_allocation a JOIN psa_entry entry
                ON entry.id = a.entry_id AND entry.order_id = %(order)s WHERE a.state = 'posted') hub
         WHERE ledger.booked <> hub.said""",
    "nothing that is not approved is on an invoice without an exception": """
        SELECT id FROM psa_entry WHERE order_id = %(order)s AND allocated_amount <> 0
           AND state <> 'approved' AND pending_change IS NULL""",
    "a timesheet names an invoice exactly while its entry stands on one": """
        SELECT entry.id FROM psa_entry entry
          JOIN account_analytic_line timesheet ON timesheet.id = entry.analytic_line_id
         WHERE entry.order_id = %(order)s AND (timesheet.timesheet_invoice_id IS NOT NULL)
            <> (COALESCE(entry.allocated_amount, 0) <> 0 OR COALESCE(entry.allocated_quantity, 0) <> 0)""",
    "a hard cap holds, and its sum is what is reserved": """
        SELECT cap.id FROM psa_cap cap LEFT JOIN psa_cap_use use ON use.cap_id = cap.id
         WHERE cap.order_id = %(order)s GROUP BY cap.id
        HAVING COALESCE(cap.reserved_amount, 0) > cap.amount_limit
            OR COALESCE(cap.reserved_amount, 0) <> COALESCE(SUM(use.amount), 0)""",
    "worth less deductions is what is to be billed": """
        SELECT id FROM psa_entry WHERE order_id = %(order)s
           AND amount <> gross_amount - COALESCE(written_down_amount, 0) - COALESCE(drawn_amount, 0)
           - COALESCE(over_cap_amount, 0) - COALESCE(adjusted_amount, 0)""",
}


class ContractMachine(RuleBasedStateMachine):
    """What people and sources do to a contract; the test case gives the database."""

    case = None

    @initialize()
    def start(self):
        self.savepoint = self.case.env.cr.savepoint()
        self.specs, self.day = {}, 0
        self.step_work(Decimal(8), True)

    def teardown(self):
        if hasattr(self, "savepoint"):
            try:
                self.check_that_nothing_is_lost()
            finally:
                self.savepoint.rollback()
                self.savepoint.close(rollback=True)
                self.case.env.invalidate_all()

    # === THE SOURCE === #
    @rule(hours=HOURS, approved=st.booleans())
    def step_work(self, hours, approved):
        case = self.case
        self.day = self.day % 28 + 1
        [timesheet] = case.make_timesheets(
            case.order, [(date(2026, 5, self.day), float(hours))], line=case.order.order_line[self.day % 2])
        [spec] = case.time_specs(case.order, timesheet, approved=approved)
        [entry] = case.env["psa.entry"]._sync("time", [spec])
        self.specs[entry.id] = spec

    @rule(which=WHICH, hours=HOURS)
    def step_change(self, which, hours):
        self.resend(which, quantity=hours)

    @rule(which=WHICH)
    def step_approve(self, which):
        self.resend(which, approved=True)

    @rule(which=WHICH)
    def step_reject(self, which):
        self.resend(which, approved=False)

    @rule(which=WHICH)
    def step_delete(self, which):
        self.resend(which, deleted=True)

    @rule(which=WHICH)
    def step_sync_again(self, which):
        self.resend(which)

    # === THE CONTRACT === #
    @rule(amount=st.sampled_from([120.0, 150.0, 133.33]), day=st.integers(1, 28))
    def step_amend(self, amount, day):
        """A change order sets the rate from a day on, also one that is billed already."""
        amendment = self.case.env["psa.amendment"].with_user(self.case.preparer).create({
            "order_id": self.case.order.id, "name": "Rates", "date_effective": date(2026, 5, day),
            "change_ids": [Command.create({
                "kind": "rate", "role_id": self.case.consultant.id, "amount": amount})],
        })
        self.tried(amendment.with_user(self.case.approver).action_put_in_force)

    @rule(more=st.sampled_from([-500.0, 400.0, 2000.0]))
    def step_move_cap(self, more):
        """What is reserved already bounds how far a cap can be lowered."""
        cap = self.case.cap
        limit = max(cap.amount_limit + more, 500.0)
        self.tried(lambda: cap.with_user(self.case.approver).write({"amount_limit": limit}))

    @rule(which=WHICH)
    def step_write_down(self, which):
        entries = self.entries().filtered(
            lambda entry: entry.state == "approved" and entry.billing_state == "to_bill" and entry.amount > 1)
        if entries:
            self.tried(lambda: self.case.env["psa.write.down"].with_user(self.case.reviewer).create({
                "entry_ids": [Command.set(entries[which % len(entries)].ids)], "mode": "percent", "percent": 10.0,
                "reason_id": self.case.env.ref("psa_hub.write_down_reason_goodwill").id,
            }).action_submit())

    # === FINANCE === #
    @rule()
    def step_propose(self):
        self.case.propose(self.case.order)

    @rule(post=st.booleans())
    def step_invoice(self, post):
        proposal = self.case.propose(self.case.order)
        if not proposal or proposal.state != "draft":
            return
        proposal.action_refresh()
        if not any(line.decision == "in" for line in proposal.line_ids):
            return
        proposal.action_submit()
        proposal.with_user(self.case.approver).action_approve()
        if post:
            self.moves("draft").action_post()

    @precondition(lambda self: self.moves("draft"))
    @rule(delete=st.booleans())
    def step_finish_draft(self, delete):
        move = self.moves("draft")[0]
        move.unlink() if delete else move.action_post()

    @precondition(lambda self: self.moves("posted"))
    @rule(share=st.sampled_from([Decimal("0.3"), Decimal("0.5"), Decimal(1)]), one_line=st.booleans())
    def step_credit(self, share, one_line):
        move = self.moves("posted")[-1]
        credit = move._reverse_moves([{"invoice_date": date(2026, 6, 15)}])
        if one_line and len(credit.invoice_line_ids) > 1:
            credit.invoice_line_ids[1:].unlink()
        for line in credit.invoice_line_ids:
            line.quantity = round(line.quantity * float(share), 2)
        credit.action_post()

    @precondition(lambda self: self.moves("posted", "out_refund"))
    @rule()
    def step_take_back_credit(self):
        credit = self.moves("posted", "out_refund")[-1]
        if self.tried(credit.button_draft):
            credit.unlink()

    @precondition(lambda self: self.moves("posted"))
    @rule(share=st.sampled_from([0.4, 1.0]))
    def step_pay(self, share):
        move = self.moves("posted")[-1]
        if move.amount_residual > 0:
            self.case.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=move.ids,
            ).create({"amount": move.currency_id.round(move.amount_residual * share)})._create_payments()

    @precondition(lambda self: self.moves("posted"))
    @rule()
    def step_unpay(self):
        self.moves("posted")[-1].line_ids.remove_move_reconcile()

    @precondition(lambda self: self.moves("posted"))
    @rule(cancel=st.booleans())
    def step_reset(self, cancel):
        move = self.moves("posted")[-1]
        if not move.reversal_move_ids.filtered(lambda credit: credit.state == "posted"):
            move.button_draft()
            if cancel:
                move.button_cancel()

    @precondition(lambda self: self.entries().filtered("pending_change"))
    @rule()
    def step_accept_change(self):
        entry = self.entries().filtered("pending_change")[0]
        if self.tried(entry.with_user(self.case.reviewer).action_accept_change):
            self.moves("draft", "out_refund").action_post()

    # === WHAT MUST HOLD === #
    @invariant()
    def the_laws_hold(self):
        if not hasattr(self, "savepoint"):
            return
        case = self.case
        case.env.flush_all()
        case.env.invalidate_all()
        for law, query in LAWS.items():
            broken = case.env.execute_query(SQL(query, order=case.order.id, company=case.company.id))
            case.assertFalse(broken, law)
        for entry in self.entries().filtered("pending_change"):
            case.assertTrue(entry.exception_id.is_open, "a change after billing is an open exception")

    def check_that_nothing_is_lost(self):
        """What is approved and on no invoice is offered by the next proposal, or carried by it; nothing twice."""
        left = sum(
            (Decimal(str(entry.amount)) - Decimal(str(entry.allocated_amount))
             for entry in self.entries() if entry.state == "approved" and not entry.pending_change), Decimal(0))
        proposal = self.case.propose(self.case.order)
        if proposal:
            proposal.action_refresh()
        lines = proposal.line_ids.filtered(lambda line: line.decision in ("in", "carried"))
        offered = sum((Decimal(str(line.amount)) for line in lines), Decimal(0))
        self.case.assertEqual(offered, left, "offered once, all of it")
        self.case.assertEqual(len(lines.entry_id), len(lines))

    # === HELPERS === #
    def entries(self):
        return self.case.env["psa.entry"].search([("order_id", "=", self.case.order.id)], order="id")

    def moves(self, state, move_type="out_invoice"):
        return self.case.env["account.move"].search([
            ("state", "=", state), ("move_type", "=", move_type), ("company_id", "=", self.case.company.id),
        ], order="id")

    def resend(self, which, **changes):
        """The source sends the record again, changed or not."""
        entries = self.entries().filtered("analytic_line_id")
        if not entries:
            return
        entry = entries[which % len(entries)]
        spec = {**self.specs[entry.id], "source": entry.analytic_line_id, **changes}
        self.specs[entry.id] = {**spec, "deleted": False}
        self.case.env["psa.entry"]._sync("time", [spec])

    def tried(self, action):
        """Do what may be refused with a clear sentence; tell whether it was done."""
        try:
            with self.case.env.cr.savepoint():
                action()
        except UserError:
            return False
        return True


@tagged("post_install", "-at_install")
class TestLedgerMachine(BillingCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 133.33, {"psa_role_id": cls.consultant.id}),
            ("time_material", 100, 97.5, {"psa_role_id": cls.architect.id}))
        cls.make_rate(133.33, cls.order, role_id=cls.consultant.id)
        cls.cap = cls.env["psa.cap"].create({"order_id": cls.order.id, "kind": "contract", "amount_limit": 3000.0})

    def test_any_history_keeps_the_laws(self):
        machine = type("Machine", (ContractMachine,), {"case": self})
        run_state_machine_as_test(machine, settings=PATIENT)
