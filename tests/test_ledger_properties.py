"""Whatever happens, in whatever order: nothing is billed twice and nothing approved is lost.

``PSA_PROPERTY_RUNS`` sets how many histories are tried (the normal run takes a sample).
"""

import os
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.exceptions import UserError
from odoo.tests import BaseCase, tagged

from ..models.billing.presentation import line_figures, spread
from ..models.billing.pricing import price_hours, round_amount
from ..models.billing.rate_find import FoundRate
from ..models.billing.splitting import Part, divide, take_from
from .billing_common import BillingCase

RUNS = int(os.environ.get("PSA_PROPERTY_RUNS", "8"))
# A shared machine is slow at times: that is no failure. Nothing is written beside the database.
PATIENT = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
_CURRENCIES = st.sampled_from([
    SimpleNamespace(name="USD", rounding=0.01), SimpleNamespace(name="JPY", rounding=1.0),
    SimpleNamespace(name="KWD", rounding=0.001), SimpleNamespace(name="CHF", rounding=0.05),
])
_HOURS = st.decimals(min_value=-24, max_value=24, places=6)
_RATES = st.decimals(min_value=0, max_value=2000, places=4)


@tagged("post_install", "-at_install")
class TestFigures(BaseCase):
    """The arithmetic alone, no database."""

    @PATIENT
    @given(_HOURS, _RATES, _CURRENCIES)
    def test_a_clerk_can_recompute_the_amount(self, hours, rate, currency):
        amount, trace = price_hours(hours, FoundRate(1, "contract_role", rate, None, None), [], currency)
        exact = Decimal(trace["hours"]) * Decimal(trace["rate"])
        self.assertEqual(Decimal(trace["exact"]), exact)
        self.assertEqual(Decimal(trace["amount"]), amount)
        self.assertLessEqual(abs(amount - exact), Decimal(trace["rounding"]) / 2)
        self.assertEqual(amount % Decimal(trace["rounding"]), 0)

    @PATIENT
    @given(st.lists(_HOURS, min_size=1, max_size=40), _RATES, _CURRENCIES, st.booleans(), st.sampled_from([2, 4]))
    def test_an_invoice_line_adds_up_to_its_entries(self, hours, rate, currency, globally, digits):
        amount = sum((round_amount(part * rate, currency) for part in hours), Decimal(0))
        quantity, price = line_figures(sum(hours), rate, amount, currency, digits=digits, globally=globally)
        posted = float(quantity) * float(price)
        self.assertLess(abs(posted - float(amount)), currency.rounding / 2 if not globally else 1e-6)
        self.assertEqual(round_amount(Decimal(repr(posted)).quantize(Decimal("1e-8")), currency), amount)

    @PATIENT
    @given(
        st.lists(st.tuples(_HOURS, st.integers(-100000, 100000)), max_size=12), st.integers(-200000, 200000))
    def test_a_credit_takes_what_it_says_and_never_more_than_there_is(self, sizes, cents):
        currency = SimpleNamespace(rounding=0.01)
        parts = [
            (key, abs(quantity).copy_sign(amount), Decimal(amount) / 100)
            for key, (quantity, amount) in enumerate(sizes)
        ]
        wanted, there = Decimal(cents) / 100, sum((part[2] for part in parts), Decimal(0))
        taken = spread(parts, wanted, currency)
        total = sum((part[2] for part in taken), Decimal(0))
        if not wanted or not there or (wanted < 0) != (there < 0):
            self.assertEqual(taken, [])
        else:
            self.assertEqual(total, min(wanted, there, key=abs))
        available = {key: (quantity, amount) for key, quantity, amount in parts}
        for key, quantity, amount in taken:
            self.assertLessEqual(abs(amount), abs(available[key][1]))
            self.assertLessEqual(abs(quantity), abs(available[key][0]))

    @PATIENT
    @given(
        st.lists(st.integers(-100000, 100000), max_size=12),
        st.lists(st.decimals(min_value="0.000001", max_value=100, places=6), min_size=1, max_size=6),
        st.integers(0, 5))
    def test_shares_of_a_line_are_the_line(self, cents, weights, rest):
        """To the cent, entry by entry; each customer's part is its percentage, the rounding goes to the named one."""
        numbers, cent = [Decimal(number) / 100 for number in cents], Decimal("0.01")
        parts = [Part(key, weight, key == rest % len(weights)) for key, weight in enumerate(weights)]
        divided = divide(numbers, parts, cent)
        whole, total = sum(numbers, Decimal(0)), sum(weights)
        for index, number in enumerate(numbers):
            self.assertEqual(sum(part[index] for part in divided.values()), number)
            for part in divided.values():
                self.assertTrue(min(number, 0) <= part[index] <= max(number, 0))
                self.assertEqual(part[index] % cent, 0)
        for part in parts:
            borne = sum(divided[part.key], Decimal(0))
            if not part.takes_rest and abs(whole) >= len(parts) * cent:
                self.assertLessEqual(abs(borne - whole * part.weight / total), len(parts) * cent / 2)

    @PATIENT
    @given(st.lists(st.integers(-100000, 100000), min_size=1, max_size=12), st.decimals(0, 1, places=4))
    def test_taking_in_proportion(self, cents, share):
        numbers, cent = [Decimal(number) / 100 for number in cents], Decimal("0.01")
        wanted = round_amount(sum(numbers) * share, SimpleNamespace(rounding=0.01))
        taken = take_from(numbers, wanted, cent)
        self.assertEqual(sum(taken), wanted if sum(numbers) else 0)
        for number, part in zip(numbers, taken, strict=True):
            self.assertTrue(min(number, 0) <= part <= max(number, 0))


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.sampled_from([0.25, 1.5, 7.25, 8, -0.5, 0.1])),
        st.tuples(st.just("change"), st.sampled_from([0.25, 2, 6.75, 10])),
        st.tuples(st.just("reject"), st.integers(0, 5)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("draft"), st.none()),
        st.tuples(st.just("bill"), st.none()),
        st.tuples(st.just("unlink"), st.none()),
        st.tuples(st.just("cancel"), st.none()),
        st.tuples(st.just("credit"), st.sampled_from([0.3, 0.5, 1.0, 1.2])),
        st.tuples(st.just("uncredit"), st.none()),
        st.tuples(st.just("accept"), st.integers(0, 5)),
    ),
    min_size=6, max_size=16,
)


@tagged("post_install", "-at_install")
class TestLedgerProperties(BillingCase):
    """Histories of one contract against the real database."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(133.33, cls.order, role_id=cls.consultant.id)

    @settings(PATIENT, max_examples=RUNS, derandomize="PSA_PROPERTY_RUNS" not in os.environ)
    @given(_STEPS)
    def test_histories(self, steps):
        with self.env.cr.savepoint() as savepoint:
            self.specs = {}
            self.day = 0
            self.step_work(8)
            for name, argument in steps:
                getattr(self, f"step_{name}")(argument)
                self.check_laws(name)
            savepoint.rollback()

    # === WHAT CAN HAPPEN === #
    def entries(self):
        return self.env["psa.entry"].search([("order_id", "=", self.order.id)], order="id")

    def invoices(self, state, move_type="out_invoice"):
        return self.env["account.move"].search([
            ("state", "=", state), ("move_type", "=", move_type), ("company_id", "=", self.company.id)], order="id")

    def sync(self, entry, **changes):
        if not entry.analytic_line_id:
            return
        spec = {**self.specs[entry.id], "source": entry.analytic_line_id, **changes}
        self.specs[entry.id] = spec
        self.env["psa.entry"]._sync("time", [spec])

    def step_work(self, hours):
        self.day = self.day % 28 + 1
        [timesheet] = self.make_timesheets(self.order, [(date(2026, 5, self.day), hours)])
        [spec] = self.time_specs(self.order, timesheet)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        self.specs[entry.id] = spec

    def step_change(self, hours):
        entries = self.entries().filtered("analytic_line_id")
        if entries:
            self.sync(entries[-1], quantity=Decimal(repr(hours)), approved=True)

    def step_reject(self, index):
        for entry in self.entries()[index:index + 1]:
            self.sync(entry, approved=False)

    def step_delete(self, index):
        for entry in self.entries()[index:index + 1]:
            self.sync(entry, deleted=True)

    def step_draft(self, _argument):
        proposal = self.propose(self.order)
        if proposal and proposal.state == "draft":
            proposal.action_refresh()
            if any(line.decision == "in" for line in proposal.line_ids):
                proposal.action_submit()
                proposal.with_user(self.approver).action_approve()

    def step_bill(self, _argument):
        self.step_draft(None)
        for move in self.invoices("draft"):
            total = move.psa_proposal_id.amount_total
            move.action_post()
            if move.psa_proposal_id.line_ids.filtered(lambda line: line.decision == "carried"):
                continue
            self.assertEqual(move.currency_id.compare_amounts(move.amount_total, total), 0)

    def step_unlink(self, _argument):
        self.invoices("draft")[:1].unlink()

    def step_cancel(self, _argument):
        move = self.invoices("posted")[:1]
        if not move.reversal_move_ids:
            move.button_cancel()

    def step_credit(self, share):
        for move in self.invoices("posted")[-1:]:
            credit = move._reverse_moves([{"invoice_date": date(2026, 6, 15)}])
            for line in credit.invoice_line_ids:
                line.quantity = round(line.quantity * share, 2)
            credit.action_post()

    def step_uncredit(self, _argument):
        for credit in self.invoices("posted", "out_refund")[-1:]:
            try:
                with self.env.cr.savepoint():
                    credit.button_draft()
            except UserError:
                return  # its work is billed again: refused
            credit.unlink()

    def step_accept(self, index):
        for entry in self.entries().filtered("pending_change")[index:index + 1]:
            try:
                with self.env.cr.savepoint():
                    entry.with_user(self.reviewer).action_accept_change()
            except UserError:
                return  # on a draft invoice: to be deleted there
            self.invoices("draft", "out_refund").action_post()

    # === WHAT MUST HOLD === #
    def check_laws(self, step):
        self.env.flush_all()
        self.env.invalidate_all()
        entries = self.entries()
        self.assertLedger(entries)
        for entry in entries:
            if entry.pending_change:
                self.assertTrue(entry.exception_id.is_open, step)
            elif entry.state != "approved":
                self.assertFalse(entry.allocated_amount, step)
            if entry.analytic_line_id:
                linked = entry.analytic_line_id.timesheet_invoice_id
                self.assertEqual(bool(linked), bool(entry.allocated_quantity or entry.allocated_amount), step)
        # Per invoice line: what it says is what stands on it.
        for line in self.invoices("posted").invoice_line_ids | self.invoices("draft").invoice_line_ids:
            on_line = line.psa_allocation_ids.filtered(lambda allocation: allocation.kind == "invoice")
            self.assertEqual(line.currency_id.compare_amounts(
                line.currency_id.round(line.quantity * line.price_unit), sum(on_line.mapped("amount"))), 0, step)
        # Nothing lost: what is approved and not on an invoice is offered by the next proposal, or carried by it.
        left = sum(
            Decimal(str(entry.amount)) - Decimal(str(entry.allocated_amount))
            for entry in entries if entry.state == "approved" and not entry.pending_change)
        with self.env.cr.savepoint() as savepoint:
            proposal = self.propose(self.order)
            proposal.action_refresh() if proposal else None
            offered = sum(
                Decimal(str(line.amount)) for line in proposal.line_ids if line.decision in ("in", "carried"))
            self.assertEqual(offered, left, step)
            savepoint.rollback()
