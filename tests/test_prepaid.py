from datetime import date

from odoo.tests import tagged

from .test_retainer import RetainerCase


@tagged("post_install", "-at_install")
class TestPrepaid(RetainerCase):
    """Hours bought beforehand, and who is told before they are used up."""

    def setUp(self):
        super().setUp()
        self.bought = self.retainer(120, rate=None, method="prepaid", quantity=40, unit="hours", period="none")
        self.order = self.bought.order_id
        self.manager = self.reviewer.copy({"login": "manager", "name": "Manager"})
        self.order.user_id = self.approver
        self.project_of(self.order).user_id = self.manager

    def told(self):
        return self.env["mail.activity"].search([
            ("user_id", "in", (self.approver | self.manager).ids),
            ("res_model", "in", ("sale.order", "project.project"))], order="id")

    def test_bought_and_used(self):
        self.assertEqual((self.bought.balance, self.bought.alert_at), (40, "50, 75, 90, 100"))
        self.assertEqual(self.bought.move_ids.amount, 4800)
        [work] = self.work(self.bought, (date(2026, 1, 5), 10))
        self.assertEqual((work.order_line_id, work.rate, work.drawn_amount), (self.order.order_line, 120, 1200))
        self.assertEqual((self.bought.balance, self.bought.used_percent), (30, 25))
        self.assertFalse(self.told())

    def test_told_once_each_and_again_after_a_top_up(self):
        self.work(self.bought, (date(2026, 1, 5), 20))
        self.assertEqual(len(self.told()), 2)
        self.assertIn("50 % used, 20 hours left", self.told()[0].summary)
        self.assertEqual(set(self.told().mapped("res_model")), {"sale.order", "project.project"})
        self.assertEqual(self.told().user_id, self.approver | self.manager)
        self.work(self.bought, (date(2026, 1, 6), 1))
        self.assertEqual(len(self.told()), 2, "once each")
        self.work(self.bought, (date(2026, 1, 7), 16))
        self.assertEqual(len(self.told()), 4, "75 and 90 passed at once are told once")
        self.assertEqual(self.bought.alerted_percent, 90)
        self.bill(self.order, date(2026, 1, 1), date(2026, 1, 31))
        self.order.order_line.product_uom_qty = 80
        self.assertEqual((self.bought.balance, self.bought.alerted_percent), (43, 0))
        self.work(self.bought, (date(2026, 1, 8), 4))
        self.assertEqual(len(self.told()), 6, "51 % of 80 hours: told again")

    def test_hours_bought_later_pay_for_work_that_is_over(self):
        self.bought.overage = "hold"
        [work] = self.work(self.bought, (date(2026, 1, 5), 50))
        self.assertEqual((work.state, work.reason, work.quantity), ("held", "retainer_empty", 10))
        self.order.order_line.product_uom_qty = 60
        self.assertEqual((work.state, work.reason, self.bought.balance), ("excluded", "drawn", 10))
        self.assertRetainer(self.bought)
