from datetime import date, timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .test_exception_holders import HolderCase


@tagged("post_install", "-at_install")
class TestDashboard(HolderCase):

    def figures(self, user=None):
        return self.env["psa.dashboard"].with_user(user or self.preparer).with_context(
            allowed_company_ids=self.company.ids).get_figures()

    def test_money_waiting_adds_up_by_cause(self):
        self.hold(range(3), risk=100)
        order = self.make_contract(("time_material", 10, 0))
        self.make_time(order, [8], source_amount=900)
        waiting = self.figures()["waiting"]
        self.assertEqual([(row["count"], row["amount"]) for row in waiting["causes"]], [(1, 900.0), (1, 300.0)])
        self.assertEqual((waiting["count"], waiting["amount"]), (2, 1200.0))

    def test_to_bill_is_what_is_approved_and_not_allocated(self):
        order = self.make_contract(("time_material", 10, 0))
        self.make_rate(100, order, employee_id=self.ada.id)
        self.make_time(order, [(date(2026, 4, 30), 1), (date(2026, 5, 4), 2), (date(2026, 5, 5), 3)])
        self.make_time(order, [(date(2026, 5, 6), 10)], approved=False)
        to_bill = self.figures()["to_bill"]
        self.assertEqual(to_bill["amount"], 600.0)
        self.assertEqual([(row["key"], row["amount"]) for row in to_bill["months"]],
                         [("2026-04-01", 100.0), ("2026-05-01", 500.0)])
        self.assertEqual({row["code"]: row["amount"] for row in to_bill["kinds"] if row["amount"]}, {"time": 600.0})

    def test_connections_and_freshness(self):
        self.connection.state = "connected"
        streams = self.stream + self.people
        now = fields.Datetime.now()
        self.stream.last_success_at = now
        self.people.last_success_at = now - timedelta(minutes=self.people.freshness_minutes + 1)
        self.hold(range(2))
        figures = self.figures()
        row = next(row for row in figures["connections"] if row["id"] == self.connection.id)
        self.assertEqual((row["state"], row["held"], row["pending"], row["late"]), ("connected", 2, 0, 1))
        shown = {row["id"]: row["freshness"] for row in figures["streams"] if row["id"] in streams.ids}
        self.assertEqual(shown, {self.stream.id: "fresh", self.people.id: "late"})
        self.connection.state = "paused"
        self.assertFalse([row for row in self.figures()["streams"] if row["id"] in streams.ids])

    def test_other_companies_are_left_out(self):
        self.hold(range(2), risk=50)
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(self.env, "stranger", "psa_hub.group_auditor", company_id=other.id,
                                 company_ids=[(6, 0, other.ids)])
        figures = self.env["psa.dashboard"].with_user(stranger).with_context(
            allowed_company_ids=other.ids).get_figures()
        self.assertEqual((figures["waiting"]["count"], figures["waiting"]["amount"]), (0, 0))
        self.assertFalse(figures["connections"])

    def test_outsiders_are_refused(self):
        outsider = new_test_user(self.env, "outsider", "base.group_user")
        with self.assertRaises(AccessError):
            self.figures(outsider)
