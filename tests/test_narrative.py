from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestNarrative(BillingCase):
    """What the customer reads about an entry."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("milestone", 1, 10000.0))
        cls.milestone = cls.env["project.milestone"].create({
            "name": "Design", "project_id": cls.project_of(cls.order).id, "sale_line_id": cls.order.order_line.id,
            "quantity_percentage": 0.25,
        })

    def sync(self, description="mlstn dsgn"):
        [entry] = self.env["psa.entry"]._sync("milestone", [{
            "source": self.milestone, "order_id": self.order.id, "work_date": date(2026, 5, 8), "quantity": 1,
            "currency_id": self.order.currency_id.id, "fixed_amount": Decimal(2500), "description": description}])
        return entry

    def test_the_reviewer_s_words_are_kept_and_go_to_the_invoice(self):
        entry = self.sync()
        entry.with_user(self.reviewer).narrative = "Design of the engine, accepted on 8 May"
        self.sync("mlstn dsgn v2")
        self.assertEqual(
            (entry.description, entry.narrative), ("mlstn dsgn v2", "Design of the engine, accepted on 8 May"))
        self.assertEqual(self.propose(self.order).line_ids.description, "Design of the engine, accepted on 8 May")
        move = self.bill(self.order)
        self.assertIn("Design of the engine, accepted on 8 May", move.invoice_line_ids.name)
        self.assertNotIn("mlstn", move.invoice_line_ids.name)
        audit = self.env["psa.audit"].search([("event", "=", "entry.narrative"), ("res_id", "=", entry.id)])
        self.assertEqual((audit.user_id, audit.before, audit.after), (
            self.reviewer, {"narrative": ""}, {"narrative": "Design of the engine, accepted on 8 May"}))
        with self.assertRaises(UserError):
            entry.with_user(self.reviewer).narrative = "Too late"

    def test_only_reviewers_and_only_the_text(self):
        entry = self.sync()
        with self.assertRaises(AccessError):
            entry.with_user(self.preparer).narrative = "Mine"
        for values in ({"amount": 1}, {"narrative": "x", "state": "excluded"}):
            with self.assertRaises(AccessError):
                entry.with_user(self.approver).write(values)

    def test_who_wrote_the_text_does_not_approve_it(self):
        entry = self.sync()
        proposal = self.propose(self.order)
        proposal.action_submit()
        entry.with_user(self.approver).narrative = "My own words"
        with self.assertRaises(AccessError):
            proposal.with_user(self.approver).action_approve()
