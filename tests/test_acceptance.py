from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .charge_common import ChargeCase


@tagged("post_install", "-at_install")
class TestAcceptance(ChargeCase):
    """Milestones are billed when the customer has accepted them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("milestone", 1, 8000.0, {"psa_acceptance_required": True}))
        cls.line = cls.order.order_line
        cls.milestone = cls.env["project.milestone"].create({
            "name": "Design", "project_id": cls.project_of(cls.order).id, "sale_line_id": cls.line.id,
            "quantity_percentage": 0.25, "is_reached": True,
        })

    def sync(self, **values):
        return self.env["psa.entry"]._sync("milestone", [{
            "source": self.milestone, "order_id": self.order.id, "order_line_id": self.line.id,
            "work_date": date(2026, 1, 8), "quantity": Decimal("0.25"), "currency_id": self.order.currency_id.id,
            "fixed_amount": Decimal(2000), "approved": True, "description": "Design", **values,
        }])

    def accept(self):
        self.milestone.psa_accepted_name = "Charles Babbage"
        self.milestone.action_psa_accept()

    def test_held_until_accepted(self):
        entry = self.sync()
        self.assertEqual((entry.state, entry.reason), ("held", "acceptance_missing"))
        exception = entry.exception_id
        self.assertEqual((exception.cause_code, exception.amount), ("acceptance_missing", 2000))
        self.assertEqual(exception.action_fix()["res_id"], self.milestone.id)
        with self.assertRaises(UserError):
            self.milestone.action_psa_accept()
        self.accept()
        self.assertEqual((entry.state, entry.reason, exception.state), ("approved", False, "resolved"))
        self.assertEqual(self.milestone.psa_accepted_on, date(2026, 1, 1))

    def test_signed_evidence(self):
        self.line.psa_evidence_required = True
        entry = self.sync()
        self.accept()
        self.assertEqual((entry.state, entry.exception_id.cause_code), ("held", "evidence_missing"))
        self.milestone.psa_evidence_ids = self.env["ir.attachment"].create({
            "name": "signed.pdf", "raw": b"%PDF-1.4", "res_model": "project.milestone", "res_id": self.milestone.id})
        self.assertEqual(entry.state, "approved")
        self.assertFalse(entry.exception_id)

    def test_the_terms_of_the_line_decide(self):
        entry = self.sync()
        self.line.psa_acceptance_required = False
        self.assertEqual(entry.state, "approved")
        self.line.psa_acceptance_required = True
        self.assertEqual(entry.state, "held")

    def test_taken_back_before_and_after_billing(self):
        entry = self.sync()
        self.accept()
        self.milestone.action_psa_take_back_acceptance()
        self.assertEqual((entry.state, entry.reason), ("held", "acceptance_missing"))
        self.accept()
        invoice = self.bill(self.order, date(2026, 1, 1), date(2026, 1, 31))
        self.assertEqual(invoice.amount_untaxed, 2000)
        self.milestone.action_psa_take_back_acceptance()
        self.assertEqual(entry.pending_change, "rejected")
        exception = entry.exception_id
        self.assertEqual(exception.cause_code, "rejected_after_billing")
        self.sync()
        self.assertEqual(entry.pending_change, "rejected", "the source knows nothing of the acceptance")
        self.accept()
        self.assertEqual((entry.pending_change, exception.state), (False, "resolved"))
        self.milestone.action_psa_take_back_acceptance()
        entry.with_user(self.reviewer).action_accept_change()
        self.env["account.move"].search([
            ("move_type", "=", "out_refund"), ("company_id", "=", self.company.id)]).action_post()
        self.assertEqual((entry.state, entry.allocated_amount), ("withdrawn", 0))
        self.accept()
        self.assertEqual((entry.state, entry.billing_state, entry.amount), ("approved", "to_bill", 2000))

    def test_who_may(self):
        with self.assertRaises(AccessError):
            self.milestone.with_user(self.preparer).write({"psa_accepted_on": date(2026, 1, 1)})
