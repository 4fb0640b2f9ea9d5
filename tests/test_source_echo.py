from datetime import date

from odoo.tests import tagged

from ..models.apply.entry_specs import tell_billing
from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestSourceEcho(BillingCase):
    """The source calls a timecard billed once the hub has told it so; the days still to come must not be lost by it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        cls.line = cls.order.order_line

    def tell(self, timesheets, number):
        specs = self.time_specs(self.order, timesheets, source_blocked="billed", source_billed_number=number)
        tell_billing(self.env, "time", specs)
        return self.env["psa.entry"].search([("analytic_line_id", "in", timesheets.ids)])

    def test_a_day_of_a_timecard_that_the_hub_billed_in_part(self):
        self.make_time(self.order, [(date(2026, 5, 4), 8)])
        move = self.bill(self.order)
        other_day = self.make_timesheets(self.order, [(date(2026, 5, 5), 6)])
        entry = self.tell(other_day, move.name)
        self.assertEqual((entry.state, entry.amount), ("approved", 900))

    def test_a_number_that_is_not_ours_keeps_it_from_being_billed_twice(self):
        self.make_time(self.order, [(date(2026, 5, 4), 8)])
        move = self.bill(self.order)
        other_day = self.make_timesheets(self.order, [(date(2026, 5, 5), 6)])
        entry = self.tell(other_day, f"{move.name}, LEGACY-17")
        self.assertEqual((entry.state, entry.billing_state), ("excluded", "to_bill"))
        self.assertEqual(self.tell(other_day, False).state, "excluded")
