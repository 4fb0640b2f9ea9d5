"""Whatever the dates and prices: parts of a period add up to it, and a retainer is never overdrawn."""

import os
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.tests import BaseCase, tagged

from ..models.billing.pricing import round_amount
from ..models.billing.recurrence import DAY, Period, Terms, prorate
from .test_ledger_properties import _CURRENCIES, PATIENT, RUNS
from .test_retainer import RetainerCase

_DAYS = st.dates(date(2023, 1, 1), date(2029, 12, 31))
_PRICES = st.decimals(min_value=-5000, max_value=50000, places=4).map(Fraction)
_TERMS = st.builds(
    lambda months, anchor, prices, pauses, price: Terms(
        months, anchor, date(2022, 1, 1), None,
        [*sorted(prices, reverse=True), (None, price)],
        [(first, first + timedelta(days=length)) for first, length in pauses],
    ),
    st.sampled_from([1, 3, 12]), _DAYS, st.lists(st.tuples(_DAYS, _PRICES), max_size=3, unique_by=lambda p: p[0]),
    st.lists(st.tuples(_DAYS, st.integers(0, 90)), max_size=3), _PRICES,
)


@tagged("post_install", "-at_install")
class TestProration(BaseCase):
    """The arithmetic alone, no database."""

    @PATIENT
    @given(_TERMS, _DAYS)
    def test_every_day_is_in_one_period_of_the_grid(self, terms, day):
        period = terms.period_of(day)
        self.assertLessEqual(period.start, day)
        self.assertLessEqual(day, period.end)
        self.assertEqual(terms.period_of(period.start), period)
        self.assertEqual(terms.period_of(period.end), period)
        self.assertEqual(terms.period_of(period.end + DAY).start, period.end + DAY)

    @PATIENT
    @given(_TERMS, _DAYS, st.lists(st.integers(0, 400), max_size=5), _CURRENCIES)
    def test_parts_of_a_period_add_up_to_it(self, terms, day, cuts, currency):
        whole = terms.period_of(day)
        starts = sorted({whole.start, *(
            whole.start + timedelta(days=cut) for cut in cuts if cut < whole.days)})
        ends = [start - DAY for start in starts[1:]] + [whole.end]

        def rounded(exact):
            return round_amount(exact, currency)

        parts = [
            prorate(terms.worth, whole, Period(start, end), rounded) for start, end in zip(starts, ends, strict=True)]
        self.assertEqual(sum(parts, Decimal(0)), prorate(terms.worth, whole, whole, rounded))

    @PATIENT
    @given(_TERMS, _DAYS)
    def test_a_day_counts_itself(self, terms, day):
        """The worth of a period is the sum of its days, each at the price in force on it, or nothing when paused."""
        whole = terms.period_of(day)
        expected, each = Fraction(0), whole.start
        while each <= whole.end:
            if not any(first <= each <= last for first, last in terms.pauses):
                expected += next(
                    price for valid_from, price in terms.prices if valid_from is None or valid_from <= each
                ) / whole.days
            each += DAY
        self.assertEqual(terms.worth(whole, whole.start, whole.end), expected)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.tuples(st.integers(1, 90), st.sampled_from([0.25, 1.5, 7.25, 8, 12, -0.5, -3]))),
        st.tuples(st.just("change"), st.tuples(st.integers(0, 8), st.sampled_from([0.25, 2, 6.75, 14, -1]))),
        st.tuples(st.just("reject"), st.integers(0, 8)),
        st.tuples(st.just("delete"), st.integers(0, 8)),
        st.tuples(st.just("top_up"), st.sampled_from([50, 333.33, 1000])),
        st.tuples(st.just("expire"), st.none()),
        st.tuples(st.just("bill"), st.none()),
        st.tuples(st.just("rule"), st.sampled_from(["rate", "overage_rate", "hold"])),
        st.tuples(st.just("price"), st.sampled_from([600.0, 1000.0, 1500.0])),
    ),
    min_size=5, max_size=12,
)


@tagged("post_install", "-at_install")
class TestRetainerProperties(RetainerCase):
    """Histories of one retainer against the real database."""

    @settings(PATIENT, max_examples=RUNS, derandomize="PSA_PROPERTY_RUNS" not in os.environ)
    @given(st.sampled_from(["none", "all", "limited"]), _STEPS)
    def test_histories(self, rollover, steps):
        with self.env.cr.savepoint() as savepoint:
            self.at("2026-03-31")
            self.held = self.retainer(rollover=rollover, overage_rate=150)
            self.specs = {}
            for name, argument in steps:
                getattr(self, f"step_{name}")(argument)
                self.check_laws(f"{name} {argument}")
            savepoint.rollback()

    def time(self):
        return self.held.order_id.psa_entry_ids.filtered(lambda e: e.kind == "time").sorted("id")

    def sync(self, index, **changes):
        for entry in self.time()[index:index + 1].filtered("analytic_line_id"):
            spec = {**self.specs[entry.id], **changes}
            self.specs[entry.id] = spec
            self.env["psa.entry"]._sync("time", [spec])

    def step_work(self, argument):
        day, hours = argument
        [timesheet] = self.make_timesheets(self.held.order_id, [(date(2026, 1, 1) + timedelta(days=day - 1), hours)])
        [spec] = self.time_specs(self.held.order_id, timesheet)
        [entry] = self.env["psa.entry"]._sync("time", [spec])
        self.specs[entry.id] = spec

    def step_change(self, argument):
        index, hours = argument
        self.sync(index, quantity=Decimal(repr(hours)), approved=True, deleted=False)

    def step_reject(self, index):
        self.sync(index, approved=False)

    def step_delete(self, index):
        self.sync(index, deleted=True)

    def step_top_up(self, units):
        self.held._add_by_hand(date(2026, 2, 1), units, False, "More")

    def step_expire(self, _argument):
        self.env["psa.retainer"]._cron_expire()

    def step_rule(self, overage):
        self.held.overage = overage

    def step_price(self, price):
        self.held.fee_line_id.price_unit = price

    def step_bill(self, _argument):
        proposal = self.propose(self.held.order_id, date(2026, 1, 1), date(2026, 3, 31))
        if proposal and proposal.state == "draft":
            proposal.action_refresh()
            if any(line.decision == "in" for line in proposal.line_ids):
                proposal.action_submit()
                proposal.with_user(self.approver).action_approve()
                proposal.sudo().move_id.action_post()

    def check_laws(self, step):
        self.assertRetainer(self.held)
        self.assertLedger(self.held.order_id.psa_entry_ids)
        self.assertGreaterEqual(self.held.balance, 0, step)
        for move in self.held.move_ids.filtered("lot_id"):
            lot = move.lot_id
            self.assertGreaterEqual(lot.rest, 0, step)
            if move.kind == "drawn" and move.units < 0:
                self.assertTrue(not lot.expires_on or move.date <= lot.expires_on, step)
                self.assertTrue(not lot.starts_on or lot.starts_on <= move.date, step)
        for entry in self.time():
            if entry.state in ("waiting", "withdrawn"):
                self.assertFalse(entry.draw_ids, step)
            if entry.state == "approved" and entry.billing_state == "to_bill" and entry.amount > 0:
                free = self.held.move_ids.filtered(lambda lot, entry=entry: (
                    not lot.lot_id and lot.rest > 0
                    and (not lot.expires_on or lot.expires_on >= entry.work_date)
                    and (not lot.starts_on or lot.starts_on <= entry.work_date)))
                self.assertFalse(free, f"{step}: nothing is billed that the retainer could pay for")
        closing = {}
        for row in self.held.statement_ids.sorted("period_start"):
            self.assertAlmostEqual(
                row.opening + row.added - row.drawn - row.expired, row.closing, 6, step)
            self.assertAlmostEqual(row.opening, closing.get("last", 0), 6, step)
            closing["last"] = row.closing
        self.assertAlmostEqual(closing["last"], self.held.balance, 6, step)
