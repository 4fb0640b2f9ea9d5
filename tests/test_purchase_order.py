from datetime import date

from odoo.tests import tagged

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestPurchaseOrder(BillingCase):
    """The customer's order: its number, until when, and for how much."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(100, cls.order, role_id=cls.consultant.id)

    def test_a_missing_number_holds_and_entering_it_releases(self):
        self.customer.psa_purchase_order_required = True
        [entry] = self.make_time(self.order, [8])
        self.assertEqual((entry.state, entry.reason, entry.amount), ("held", "po_missing", 800))
        exception = entry.exception_id
        self.assertEqual((exception.cause_code, exception.amount), ("purchase_order_missing", 800))
        action = exception.with_user(self.preparer).action_fix()
        view = self.env.ref("psa_hub.sale_order_view_form_psa_in_front")
        self.assertEqual((action["res_model"], action["res_id"], action["views"]), (
            "sale.order", self.order.id, [(view.id, "form")]))
        self.order.psa_purchase_order = "4711"
        self.assertEqual((entry.state, exception.state), ("approved", "resolved"))
        self.assertEqual(self.bill(self.order).ref, "4711")

    def test_requiring_it_later_reaches_what_is_not_billed(self):
        [billed] = self.make_time(self.order, [8])
        self.bill(self.order)
        [entry] = self.make_time(self.order, [8])
        contact = self.env["res.partner"].create({"name": "Buyer", "parent_id": self.customer.id})
        self.customer.psa_purchase_order_required = True
        self.assertTrue(contact.psa_purchase_order_required, "it is the company's")
        self.assertEqual((billed.state, entry.state), ("approved", "held"))
        self.customer.psa_purchase_order_required = False
        self.assertEqual(entry.state, "approved")

    def test_work_after_the_order_ended_waits_for_a_longer_one(self):
        self.order.write({"psa_purchase_order": "4711", "psa_purchase_order_expiry": date(2026, 5, 10)})
        [inside, after] = self.make_time(self.order, [(date(2026, 5, 10), 1), (date(2026, 5, 11), 2)])
        self.assertEqual((inside.state, after.state, after.reason), ("approved", "held", "po_expired"))
        self.assertEqual((after.exception_id.cause_code, after.exception_id.amount), ("purchase_order_expired", 200))
        self.order.psa_purchase_order_expiry = date(2026, 5, 31)
        self.assertEqual((after.state, after.exception_id.id), ("approved", False))

    def test_its_amount_is_a_hard_cap_of_its_own(self):
        self.order.write({"psa_purchase_order": "4711", "psa_purchase_order_amount": 1000.0})
        [_first, second] = self.make_time(self.order, [8, (date(2026, 5, 5), 8)])
        self.assertEqual((second.amount, second.over_cap_amount), (200, 600))
        self.assertEqual(second.exception_id.cause_code, "purchase_order_expired")
        self.assertEqual(self.order.psa_purchase_order_left, 0)
        [third] = self.make_time(self.order, [1], day=date(2026, 5, 6))
        self.assertEqual((third.state, third.reason), ("held", "po_used_up"))
        cap = self.order.psa_cap_ids
        self.assertEqual((cap.kind, cap.reference, cap.amount_limit), ("purchase_order", "4711", 1000))
        self.order.psa_purchase_order_amount = 1650.0
        self.assertEqual((second.amount, third.amount, third.over_cap_amount), (800, 50, 50))
        self.order.psa_purchase_order_amount = 0.0
        self.assertEqual((third.state, third.amount, third.exception_id.id), ("approved", 100, False))
        self.assertFalse(self.order.psa_cap_ids)

    def test_a_new_order_starts_afresh_and_the_old_one_keeps_what_was_billed(self):
        self.order.write({"psa_purchase_order": "4711", "psa_purchase_order_amount": 800.0})
        [billed] = self.make_time(self.order, [8])
        self.bill(self.order)
        [waiting] = self.make_time(self.order, [8], day=date(2026, 5, 5))
        self.assertEqual((waiting.state, waiting.reason), ("held", "po_used_up"))
        self.order.psa_purchase_order = "4711-A"
        self.assertEqual(self.order.psa_cap_ids.reference, "4711-A", "a corrected number is the same order")
        self.order.write({"psa_purchase_order": "4712", "psa_purchase_order_amount": 500.0})
        old, new = self.order.psa_cap_ids.sorted("id")
        self.assertEqual((old.closed, old.reference, old.reserved_amount), (True, "4711-A", 800))
        self.assertEqual((new.closed, new.reference, new.reserved_amount), (False, "4712", 500))
        self.assertEqual((waiting.amount, waiting.over_cap_amount), (500, 300))
        self.assertEqual(self.order.psa_purchase_order_left, 0)
        self.assertEqual(billed.cap_use_ids.cap_id, old)
        self.assertEqual(self.bill(self.order).ref, "4712")
