from datetime import date, timedelta

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .billing_common import BillingCase


class HoldCase(BillingCase):
    """A customer with an unpaid invoice of 1,150.00 (1,000.00 and 15 % tax) and a proposal of as much."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_hourly_contract()
        cls.hold_env = cls.env["psa.hold"]

    @classmethod
    def make_hourly_contract(cls, partner=None, **values):
        order = cls.make_contract(
            ("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id, "tax_ids": [Command.set(cls.tax.ids)]}),
            partner=partner, **values)
        cls.make_rate(100, order, role_id=cls.consultant.id)
        return order

    def invoice(self, order=None, day=None, hours=10):
        """Return a posted invoice over ``hours`` at 100.00 before tax, due at once, by default 100 days ago."""
        order = order or self.order
        day = day or fields.Date.context_today(self.company) - timedelta(days=100)
        self.make_time(order, [hours], day=date(2026, 2, 2))
        move = self.bill(order, date(2026, 2, 1), date(2026, 2, 28), post=False)
        move.write({"invoice_date": day, "invoice_payment_term_id": False, "invoice_date_due": day})
        move.action_post()
        return move

    def pay(self, move, amount=None):
        """Register a payment of ``amount`` (default: all of it) and reconcile it."""
        wizard = self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({
            "amount": amount if amount is not None else move.amount_residual, "payment_date": date(2026, 6, 1),
            "payment_difference_handling": "open",
        })
        return wizard._create_payments()

    def ready(self, order=None, hours=10):
        """Return a draft proposal of May work."""
        order = order or self.order
        self.make_time(order, [hours])
        return self.propose(order)

    def holds(self, proposal):
        self.env.invalidate_all()
        return {hold.kind for hold in self.hold_env._find(proposal.order_id).get(proposal.order_id.id, [])}

    def assertRefused(self, proposal, words):
        with self.assertRaises(UserError) as caught:
            proposal.with_user(self.preparer).action_submit()
        self.assertIn(words, str(caught.exception))

    def settle(self):
        """What a commit does before it commits: the same transaction."""
        self.env.cr.flush()


@tagged("post_install", "-at_install")
class TestHold(HoldCase):

    def test_the_payment_lifts_an_overdue_hold_in_its_own_transaction(self):
        self.company.write({"psa_hold_overdue": True, "psa_overdue_days": 30, "psa_overdue_amount": 500})
        salesperson = new_test_user(
            self.env, "sally", "sales_team.group_sale_salesman", company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)])
        self.order.user_id = salesperson
        move = self.invoice()
        proposal = self.ready()
        self.assertTrue(proposal.on_hold)
        self.assertEqual((proposal.hold_amount, proposal.hold_since), (1150, move.invoice_date_due))
        self.assertIn("1,150.00", proposal.hold_text)
        self.assertEqual(proposal.line_ids[0].hold_text, proposal.hold_text, "each line says why")
        self.assertRefused(proposal, "is on hold")
        row = self.hold_env.search([("partner_id", "=", self.customer.id)])
        self.assertEqual((row.kind, row.state, row.amount, row.since), ("overdue", "open", 1150, move.invoice_date_due))
        activity = self.env["mail.activity"].search([("user_id", "=", salesperson.id)])
        self.assertEqual((activity.res_model, activity.res_id), ("sale.order", self.order.id))
        self.assertIn("1,150.00", activity.note)

        payment = self.pay(move)
        proposal.with_user(self.preparer).action_submit()  # at once: nothing was stored that had to be refreshed
        self.settle()
        self.assertEqual((row.state, row.released_by, row.release_move_id), ("released", "payment", payment.move_id))
        self.assertFalse(activity.exists(), "nobody is asked to look after what is settled")
        proposal.with_user(self.approver).action_approve()
        self.assertEqual(proposal.state, "approved")
        events = self.env["psa.audit"].search([("res_model", "=", "psa.hold"), ("res_id", "=", row.id)])
        self.assertEqual(set(events.mapped("event")), {"hold.open", "hold.release"})

    def test_overdue_is_older_than_the_days_and_more_than_the_amount(self):
        today = fields.Date.context_today(self.company)
        table = [
            # due days ago, rule: days, more than -> on hold
            (31, 30, 500, True),
            (30, 30, 500, False),
            (31, 30, 1150, False),
            (31, 30, 1149.99, True),
        ]
        for index, (age, days, amount, expected) in enumerate(table):
            customer = self.customer.create({"name": f"Customer {index}", "is_company": True})
            order = self.make_hourly_contract(customer)
            self.invoice(order, day=today - timedelta(days=age))
            self.company.write({"psa_hold_overdue": True, "psa_overdue_days": days, "psa_overdue_amount": amount})
            self.assertEqual(self.ready(order).on_hold, expected, table[index])
            self.company.psa_hold_overdue = False
            self.assertFalse(self.holds(self.propose(order)), "the rule is off")

    def test_a_credit_note_lifts_it_too(self):
        self.company.write({"psa_hold_overdue": True})
        move = self.invoice()
        proposal = self.ready()
        self.assertTrue(proposal.on_hold)
        move._reverse_moves([{"invoice_date": date(2026, 5, 31)}], cancel=True)
        self.settle()
        self.env.invalidate_all()
        self.assertFalse(proposal.on_hold)
        self.assertEqual(self.hold_env.search([("partner_id", "=", self.customer.id)]).released_by, "credit")

    def test_credit_limit_with_a_partial_payment(self):
        """Owed 1,150, proposed 1,150, limit 2,000: 300 over. Paying 299.99 is not enough, a cent more is."""
        self.company.account_use_credit_limit = True
        self.customer.with_company(self.company).credit_limit = 2000
        move = self.invoice()
        proposal = self.ready()
        self.assertEqual(self.holds(proposal), {"credit_limit"})
        self.assertEqual(proposal.hold_amount, 300)
        self.assertRefused(proposal, "over the credit limit")
        row = self.hold_env.search([("order_id", "=", self.order.id)])
        self.assertEqual((row.kind, row.amount), ("credit_limit", 300))
        self.pay(move, 299.99)
        self.settle()
        self.assertEqual(self.holds(proposal), {"credit_limit"})
        self.assertEqual((row.state, row.amount), ("open", 0.01), "the log keeps up")
        self.pay(move, 0.01)
        self.settle()
        self.assertFalse(self.holds(proposal))
        self.assertEqual((row.state, row.released_by), ("released", "payment"))
        proposal.with_user(self.preparer).action_submit()

    def test_drafts_and_a_batch_share_the_limit(self):
        self.company.account_use_credit_limit = True
        self.customer.with_company(self.company).credit_limit = 2000
        other = self.make_hourly_contract()
        first, second = self.ready(), self.ready(other)
        self.assertFalse(first.on_hold or second.on_hold, "each alone fits")
        with self.assertRaises(UserError):
            (first | second).with_user(self.preparer).action_submit()
        first.with_user(self.preparer).action_submit()
        first.with_user(self.approver).action_approve()
        self.env.invalidate_all()
        self.assertTrue(second.on_hold, "the draft invoice of the first counts")
        self.customer.with_company(self.company).credit_limit = 2300
        self.env.invalidate_all()
        self.assertFalse(second.on_hold)

    def test_a_raised_limit_closes_the_log(self):
        self.company.account_use_credit_limit = True
        self.customer.with_company(self.company).credit_limit = 1000
        proposal = self.ready()
        row = self.hold_env.search([("order_id", "=", self.order.id)])
        self.assertEqual(row.state, "open")
        self.customer.with_company(self.company).credit_limit = 5000
        self.assertEqual((row.state, row.released_by), ("released", "terms"))
        proposal.with_user(self.preparer).action_submit()

    def test_dispute(self):
        move = self.invoice()
        proposal = self.ready()
        proposal.with_user(self.preparer).action_submit()
        clerk = new_test_user(
            self.env, "clerk", "account.group_account_invoice", company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)])
        with self.assertRaises(UserError):
            move.with_user(clerk)._psa_set_dispute(" ")
        with self.assertRaises(AccessError):
            move.with_user(clerk).write({"psa_disputed": True})
        move.with_user(clerk)._psa_set_dispute("Hours of Grace were not agreed")
        self.env.invalidate_all()
        self.assertEqual((move.psa_disputed_by_id, bool(move.psa_disputed_at)), (clerk, True))
        with self.assertRaises(UserError) as caught:
            proposal.with_user(self.approver).action_approve()
        self.assertIn("Hours of Grace were not agreed", str(caught.exception))
        row = self.hold_env.search([("partner_id", "=", self.customer.id)])
        self.assertEqual((row.kind, row.state, row.amount), ("dispute", "open", 1150))
        move.with_user(clerk)._psa_end_dispute("Agreed by telephone")
        self.assertEqual((row.state, row.released_by), ("released", "person"))
        proposal.with_user(self.approver).action_approve()

    def test_a_disputed_invoice_that_is_paid_holds_nothing(self):
        move = self.invoice()
        proposal = self.ready()
        move._psa_set_dispute("Too much")
        self.assertEqual(self.holds(proposal), {"dispute"})
        self.pay(move)
        self.settle()
        self.assertFalse(self.holds(proposal))
        move.line_ids.remove_move_reconcile()
        self.assertEqual(self.holds(proposal), {"dispute"}, "unpaid again, disputed as before")

    def test_blocked_in_odoo_is_a_dispute(self):
        move = self.invoice()
        proposal = self.ready()
        move.action_toggle_block_payment()
        self.assertEqual(self.holds(proposal), {"dispute"})
        move.action_toggle_block_payment()
        self.assertFalse(self.holds(proposal))

    def test_by_hand_on_a_contract_and_on_a_customer(self):
        other = self.make_hourly_contract()
        first, second = self.ready(), self.ready(other)
        hold = self.hold_env.with_user(self.preparer)._put(self.order, "Scope is being discussed")
        self.assertEqual((self.holds(first), self.holds(second)), ({"manual"}, set()))
        with self.assertRaises(UserError):
            self.hold_env._put(self.order, "Twice")
        with self.assertRaises(AccessError):
            hold.with_user(self.preparer).action_release("Settled")
        hold.with_user(self.reviewer).action_release("Settled")
        self.assertFalse(self.holds(first))
        self.hold_env.with_user(self.preparer)._put(self.customer, "Insolvency proceedings")
        self.assertEqual((self.holds(first), self.holds(second)), ({"manual"}, {"manual"}))
        self.assertEqual(
            self.env["psa.proposal"].search([("on_hold", "=", True), ("company_id", "=", self.company.id)]),
            second | first)

    def test_override_is_for_this_proposal_and_these_holds(self):
        self.company.psa_hold_overdue = True
        self.invoice()
        proposal = self.ready()
        with self.assertRaises(AccessError):
            proposal.with_user(self.reviewer)._override_holds("They promised")
        with self.assertRaises(UserError):
            proposal.with_user(self.approver)._override_holds("")
        wizard = self.env["psa.reason"].with_user(self.approver).create({
            "ask": "override", "res_model": "psa.proposal", "res_ids": proposal.ids, "reason": "They promised to pay"})
        wizard.action_confirm()
        self.env.invalidate_all()
        self.assertFalse(proposal.on_hold)
        self.assertEqual((proposal.override_by_id, proposal.override_reason), (self.approver, "They promised to pay"))
        self.assertEqual(len(self.env["psa.audit"].search([("event", "=", "hold.override")])), 1)
        proposal.with_user(self.preparer).action_submit()
        self.hold_env._put(self.order, "Something new")
        with self.assertRaises(UserError):
            proposal.with_user(self.approver).action_approve()
        other = self.ready(self.make_hourly_contract())
        self.assertTrue(other.on_hold, "another proposal of the same customer is held as before")

    def test_the_dialog_does_only_what_it_says(self):
        with self.assertRaises(UserError):
            self.env["psa.reason"].with_user(self.approver).create({
                "ask": "release", "res_model": "psa.proposal", "res_ids": [1], "reason": "x"}).action_confirm()

    def test_the_watch_logs_what_the_calendar_made_overdue(self):
        self.company.write({"psa_hold_overdue": False})
        self.invoice()
        self.ready()
        self.company.psa_hold_overdue = True
        self.assertFalse(self.hold_env.search([("partner_id", "=", self.customer.id)]))
        self.hold_env._cron_watch()
        row = self.hold_env.search([("partner_id", "=", self.customer.id)])
        self.assertEqual((row.kind, row.state), ("overdue", "open"))
        self.hold_env._cron_watch()
        self.assertEqual(self.hold_env.search_count([("partner_id", "=", self.customer.id)]), 1)

    def test_holds_of_many_contracts_cost_as_many_queries_as_of_few(self):
        self.company.write({"psa_hold_overdue": True, "account_use_credit_limit": True})
        orders = self.order.browse()
        for index in range(12):
            customer = self.customer.create({"name": f"Many {index}", "is_company": True})
            customer.with_company(self.company).credit_limit = 10
            orders |= self.make_hourly_contract(customer)

        def queries(chosen):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.hold_env._find(chosen)
            return self.env.cr.sql_log_count - before

        queries(orders)
        self.assertLessEqual(queries(orders), queries(orders[:3]))
