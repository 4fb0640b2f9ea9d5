import random
from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from ..models.billing.pricing import decimal_of, round_amount
from .amendment_common import AmendmentCase

SEEDS = range(4)
STEPS = 14


@tagged("post_install", "-at_install")
class TestAmendmentRandom(AmendmentCase):
    """Whatever happens in whatever order: what is billed and to be billed of work adds up to the version of its day."""

    def test_own_parts_and_differences_add_up_to_the_version_in_force(self):
        for seed in SEEDS:
            with self.subTest(seed=seed), self.env.cr.savepoint() as savepoint:
                self.walk(random.Random(seed))  # the seed makes it the same walk each time
                savepoint.rollback()

    def walk(self, choose):
        self.moves, self.day = self.env["account.move"], 1
        timesheets = self.make_timesheets(self.order, [(date(2026, 5, day), hours) for day, hours in (
            (2, 8), (6, 7.5), (12, 4), (20, 0.25), (25, 6))])
        self.specs = self.time_specs(self.order, timesheets)
        self.entries = self.env["psa.entry"]._sync("time", self.specs)
        steps = (self.step_bill, self.step_amend, self.step_credit, self.step_sync, self.step_hours, self.step_accept)
        for number in range(STEPS):
            step = choose.choice(steps)
            step(choose)
            self.check(f"after step {number}: {step.__name__}")

    # === STEPS === #
    def step_bill(self, choose):
        proposal = self.propose(self.order)
        if proposal and any(line.decision == "in" for line in proposal.line_ids) and proposal.amount_total >= 0:
            self.moves |= self.bill(self.order)

    def step_amend(self, choose):
        self.amend(date(2026, 5, choose.randint(1, 28)), self.rate_change(choose.choice((80, 95, 110, 133.33))))

    def step_credit(self, choose):
        posted = self.moves.filtered(lambda move: move.payment_state != "reversed")
        if not posted:
            return
        move = choose.choice(posted)
        credit = self.reverse(move)
        line = choose.choice(credit.invoice_line_ids)
        if choose.random() < 0.4:
            line.quantity = round(line.quantity / 2, 2)
        credit.action_post()

    def step_sync(self, choose):
        self.env["psa.entry"]._sync("time", self.specs)

    def step_hours(self, choose):
        index = choose.randrange(len(self.specs))
        self.specs[index] = {**self.specs[index], "quantity": Decimal(choose.choice(("1", "3.75", "8")))}
        self.env["psa.entry"]._sync("time", [self.specs[index]])

    def step_accept(self, choose):
        pending = self.entries.filtered("pending_change")
        if not pending:
            return
        action = choose.choice(pending).with_user(self.reviewer).action_accept_change()
        if action:
            self.env["account.move"].browse(action["res_id"]).action_post()

    # === THE LAW === #
    def check(self, when):
        self.env.flush_all()
        self.env.invalidate_all()
        for entry in self.entries:
            differences = self.differences(entry)
            if entry.pending_change:
                continue  # the source says something that nobody has accepted yet
            [rate] = self.env["psa.rate"].search([
                ("order_id", "=", self.order.id), ("role_id", "=", self.consultant.id),
                "|", ("date_from", "=", False), ("date_from", "<=", entry.work_date),
                "|", ("date_to", "=", False), ("date_to", ">=", entry.work_date),
            ])
            own = entry.gross_amount - entry.adjusted_amount
            worth = round_amount(decimal_of(entry.gross_quantity) * decimal_of(rate.amount), entry.currency_id)
            self.assertAlmostEqual(own + sum(differences.mapped("gross_amount")), float(worth), 2, when)
        self.assertLedger(self.entries | self.entries.adjustment_ids)
