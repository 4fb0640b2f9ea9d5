from datetime import date

from odoo.tests import tagged

from .amendment_common import AmendmentCase


@tagged("post_install", "-at_install")
class TestAmendmentCaps(AmendmentCase):
    """Caps that an amendment raises, and what waited for the room."""

    def test_caps_are_raised_by_the_difference(self):
        cap = self.env["psa.cap"].create({"order_id": self.order.id, "kind": "contract", "amount_limit": 1000.0})
        self.amend(date(2026, 5, 20), {"kind": "cap", "cap_ref": f"psa.cap,{cap.id}", "cap_amount_delta": 500})
        self.assertEqual(cap.amount_limit, 1500)

    def test_what_waited_for_room_goes_on_at_once(self):
        cap = self.env["psa.cap"].create({"order_id": self.order.id, "kind": "contract", "amount_limit": 1000.0})
        entries = self.make_time(self.order, [8, 4])
        self.assertEqual((sum(entries.mapped("amount")), sum(entries.mapped("over_cap_amount"))), (1000, 200))
        exception = entries.exception_id
        amendment = self.amend(date(2026, 5, 20), {
            "kind": "cap", "cap_ref": f"psa.cap,{cap.id}", "cap_amount_delta": 200})
        self.assertEqual(sum(entries.mapped("amount")), 1200)
        self.assertEqual((exception.state, amendment.state), ("resolved", "in_force"))
        rows = [row for row in self.order._psa_as_of(date(2026, 5, 19)) if row["section"] == "cap"]
        self.assertEqual([row["amount"] for row in rows], [1000])
