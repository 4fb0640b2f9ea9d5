from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestProposalApproval(BillingCase):
    """Billing less with a reason and within a limit; two approvers from an amount on; who is asked."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.second = new_test_user(
            cls.env, "second", "account.group_account_invoice,psa_hub.group_approver",
            company_id=cls.company.id, company_ids=[(6, 0, cls.company.ids)])
        cls.env.flush_all()

    def asked(self, proposal):
        return proposal.sudo().activity_ids.user_id & (self.preparer | self.reviewer | self.approver | self.second)

    # === BILLING LESS === #
    def test_a_line_is_billed_at_less_with_a_reason(self):
        """The worked example of the documentation: 8 h are worth 1,200, billed at 1,000."""
        entry = self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        line = proposal.line_ids.with_user(self.reviewer)
        with self.assertRaises(UserError):
            line.amount = 1000
        line.write({"amount": 1000, "reason": "Rework on our side"})
        self.assertEqual((entry.gross_amount, entry.written_down_amount, entry.amount), (1200, 200, 1000))
        self.assertEqual((proposal.amount_untaxed, proposal.amount_total), (1000, 1150))
        self.assertFalse(proposal.needs_refresh)
        self.assertEqual(proposal.editor_ids, self.reviewer)
        self.assertEqual(entry.trace["steps"][-1]["left"], "1000")
        audit = self.env["psa.audit"].search([("event", "=", "proposal.line_changed"), ("res_id", "=", entry.id)])
        self.assertEqual((audit.reason, audit.before, audit.after["amount"]), (
            "Rework on our side", {"amount": "1200"}, "1000"))
        proposal.action_refresh()
        self.assertEqual((proposal.line_ids.amount, proposal.line_ids.reason), (1000, "Rework on our side"))
        move = self.bill(self.order)
        self.assertEqual((move.amount_untaxed, move.invoice_line_ids.quantity), (1000, 8))
        self.assertLedger(entry)

    def test_it_can_be_taken_back_but_never_raised(self):
        entry = self.make_time(self.order, [8])
        line = self.propose(self.order).line_ids.with_user(self.reviewer)
        line.write({"amount": 1000, "reason": "Rework"})
        with self.assertRaises(UserError):
            line.write({"amount": 1300, "reason": "More"})
        line.write({"amount": 1200, "reason": "They pay after all"})
        self.assertEqual((entry.written_down_amount, entry.amount), (0, 1200))

    def test_the_limit_of_reviewers(self):
        self.company.psa_write_down_limit = 150
        self.make_time(self.order, [8])
        line = self.propose(self.order).line_ids
        line.with_user(self.reviewer).write({"amount": 1100, "reason": "First"})
        with self.assertRaises(AccessError):
            line.with_user(self.reviewer).write({"amount": 1000, "reason": "In two steps"})
        line.with_user(self.approver).write({"amount": 1000, "reason": "Agreed by phone"})
        self.assertEqual(line.amount, 1000)
        self.assertIn(self.approver, line.proposal_id.editor_ids)

    def test_written_down_to_nothing_is_excluded(self):
        self.company.psa_write_down_limit = 5000
        entry = self.make_time(self.order, [8])
        self.make_time(self.order, [1])
        proposal = self.propose(self.order)
        line = proposal.line_ids.filtered(lambda line: line.entry_id == entry)
        line.with_user(self.reviewer).write({"amount": 0, "reason": "Training"})
        self.assertEqual((line.decision, entry.state, entry.reason), ("excluded", "excluded", "written_off"))
        self.assertEqual(proposal.amount_untaxed, 150)

    # === TWO STEPS === #
    def test_two_approvers_from_an_amount_on(self):
        """The worked example of the documentation: from 1,000 on a second approver is needed."""
        self.company.psa_second_approval_from = 1000
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        proposal.action_submit()
        self.assertEqual(self.asked(proposal), self.approver | self.second)
        self.assertFalse(proposal.with_user(self.approver).action_approve())
        self.assertEqual((proposal.state, proposal.first_approved_by), ("second_approval", self.approver))
        self.assertFalse(proposal.sudo().move_ids)
        self.assertEqual(self.asked(proposal), self.second)
        for user in (self.approver, self.preparer):
            with self.assertRaises(AccessError):
                proposal.with_user(user).action_approve()
        proposal.with_user(self.second).action_approve()
        self.assertEqual((proposal.state, proposal.approved_by), ("approved", self.second))
        self.assertEqual(proposal.sudo().move_id.amount_untaxed, 1200)
        self.assertFalse(self.asked(proposal))

    def test_below_the_amount_one_is_enough(self):
        self.company.psa_second_approval_from = 1200.01
        self.make_time(self.order, [8])
        self.assertEqual(self.bill(self.order).amount_untaxed, 1200)

    def test_the_amount_is_in_the_companys_currency(self):
        euro = self.env.ref("base.EUR")
        euro.active = True
        self.env["res.currency.rate"].create({
            "currency_id": euro.id, "company_id": self.company.id, "name": "2020-01-01", "inverse_company_rate": 1.25})
        order = self.make_contract(
            ("time_material", 100, 150.0, {"psa_role_id": self.consultant.id}), currency=euro)
        self.make_rate(100, order, role_id=self.consultant.id)
        self.company.psa_second_approval_from = 1000
        self.make_time(order, [8])
        proposal = self.propose(order)
        proposal.action_submit()
        proposal.with_user(self.approver).action_approve()
        self.assertEqual(proposal.state, "second_approval", "800 EUR are 1,000 USD")

    def test_taken_back_it_starts_anew(self):
        self.company.psa_second_approval_from = 1000
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        proposal.action_submit()
        proposal.with_user(self.approver).action_approve()
        proposal.action_back_to_draft()
        self.assertEqual((proposal.state, proposal.first_approved_by.id), ("draft", False))
        self.assertFalse(self.asked(proposal))

    def test_even_where_the_preparer_may_approve_the_second_is_another(self):
        self.company.write({"psa_second_approval_from": 1000, "psa_allow_self_approval": True})
        self.make_time(self.order, [8])
        proposal = self.propose(self.order).with_user(self.approver)
        proposal.action_submit()
        proposal.action_approve()
        with self.assertRaises(AccessError):
            proposal.action_approve()
        proposal.with_user(self.second).action_approve()
        self.assertEqual(proposal.state, "approved")

    def test_a_named_approver_is_asked_alone(self):
        self.company.psa_first_approver_id = self.second
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        proposal.action_submit()
        self.assertEqual(self.asked(proposal), self.second)

    def test_an_editor_is_not_asked(self):
        self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        proposal.line_ids.with_user(self.approver).write({"amount": 1100, "reason": "Round"})
        proposal.action_submit()
        self.assertEqual(self.asked(proposal), self.second)
