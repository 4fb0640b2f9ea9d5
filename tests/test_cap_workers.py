# pylint: disable=invalid-commit  # other transactions must see it
import random
import threading
import time
from datetime import date

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import SQL, mute_logger

from .billing_common import BillingCase

APPROVALS = 50


@tagged("post_install", "-at_install")
class TestCapWorkers(BaseCase):
    """Fifty approvals at once, each in a transaction of its own that really commits, on a cap with room for ten."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        self.cr = self.registry.cursor()
        self.addCleanup(self.cr.close)
        self.env = api.Environment(self.cr, SUPERUSER_ID, {"tracking_disable": True, "mail_create_nolog": True})
        self.addCleanup(self.remove_all)
        company = self.env.company
        self.partner = self.env["res.partner"].create({"name": "Cap Workers"})
        self.role = self.env["psa.role"].create({"name": "Cap Worker", "company_id": company.id})
        self.employee = self.env["hr.employee"].create({
            "name": "Cap Worker", "company_id": company.id, "psa_role_id": self.role.id})
        self.order = self.env["sale.order"].create({
            "partner_id": self.partner.id, "psa_contract": True, "company_id": company.id,
            "order_line": [(0, 0, {
                "product_id": self.env.ref("psa_hub.product_time").id, "product_uom_qty": 50, "price_unit": 100.0,
                "technical_price_unit": 0.0, "psa_billing_method": "time_material", "psa_role_id": self.role.id,
            })],
        })
        self.order.with_context(disable_project_task_generation=True).action_confirm()
        self.project = self.env["project.project"].create({
            "name": "Cap Workers", "company_id": company.id, "partner_id": self.partner.id, "allow_billable": True,
            "psa_contract_id": self.order.id,
        })
        self.rate = self.env["psa.rate"].create({
            "company_id": company.id, "order_id": self.order.id, "role_id": self.role.id, "amount": 100.0})
        self.cap = self.env["psa.cap"].create({"order_id": self.order.id, "amount_limit": 1000.0})
        self.timesheets = self.env["account.analytic.line"].create([
            {
                "name": f"Hour {number}", "project_id": self.project.id, "employee_id": self.employee.id,
                "date": date(2026, 5, 4), "unit_amount": 1.0, "so_line": self.order.order_line.id,
                "is_so_line_edited": True,
            }
            for number in range(APPROVALS)
        ])
        self.cr.commit()

    def remove_all(self):
        self.cr.rollback()
        self.env.invalidate_all()
        if not getattr(self, "timesheets", None):
            return
        order_id = self.order.id
        self.cr.execute(SQL("DELETE FROM psa_entry WHERE order_id = %s", order_id))
        self.cr.execute(SQL("DELETE FROM psa_cap WHERE order_id = %s", order_id))
        self.cr.execute(SQL("DELETE FROM psa_exception WHERE order_id = %s", order_id))
        self.env.invalidate_all()
        self.timesheets.unlink()
        self.rate.unlink()
        self.project.unlink()
        self.order._action_cancel()
        self.order.unlink()
        self.employee.unlink()
        self.role.unlink()
        self.partner.unlink()
        self.cr.commit()

    def approve(self, timesheet_id, barrier, failed):
        """Approve one hour as a worker does: again in a new transaction whenever another one was first."""
        dice = random.Random(timesheet_id)
        barrier.wait(60)
        for attempt in range(500):
            with self.registry.cursor() as cr:
                env = api.Environment(cr, SUPERUSER_ID, {})
                try:
                    env["psa.entry"]._sync("time", BillingCase.time_specs(
                        env["sale.order"].browse(self.order.id), env["account.analytic.line"].browse(timesheet_id)))
                    cr.commit()
                    return
                except SerializationFailure:
                    cr.rollback()
            time.sleep(dice.uniform(0, min(0.02 * 2 ** attempt, 1.0)))
        failed.append(timesheet_id)

    def test_fifty_parallel_approvals_commit_exactly_what_the_cap_has_left(self):
        barrier, failed = threading.Barrier(APPROVALS), []
        threads = [
            threading.Thread(target=self.approve, args=[timesheet_id, barrier, failed])
            for timesheet_id in self.timesheets.ids
        ]
        with mute_logger("odoo.sql_db"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(180)
        self.assertFalse(failed)
        self.assertFalse([thread for thread in threads if thread.is_alive()])
        self.cr.rollback()
        self.env.invalidate_all()
        entries = self.env["psa.entry"].search([("order_id", "=", self.order.id)])
        states = entries.grouped("state")
        self.assertEqual({state: len(of_state) for state, of_state in states.items()}, {"approved": 10, "held": 40})
        self.assertEqual(sum(states["approved"].mapped("amount")), 1000)
        self.assertEqual((self.cap.reserved_amount, self.cap.reserved_quantity, len(self.cap.use_ids)), (1000, 10, 10))
        exception = states["held"].exception_id
        self.assertEqual((len(exception), exception.holder_count, exception.amount), (1, 40, 4000))
        self.assertEqual(set(states["held"].mapped("reason")), {"cap_reached"})

    def test_a_raised_cap_and_an_approval_at_once_do_not_pass_it(self):
        """Whoever locks the cap second looks again: the sum never passes the limit, and nothing is forgotten."""
        [first, second] = self.timesheets.ids[:2]
        self.cap.amount_limit = 100.0
        self.cr.commit()
        self.approve(first, threading.Barrier(1), [])
        self.approve(second, threading.Barrier(1), [])
        other = self.registry.cursor()
        self.addCleanup(other.close)
        other_env = api.Environment(other, SUPERUSER_ID, {})
        other_env["psa.entry"].search([("order_id", "=", self.order.id)]).mapped("amount")  # it looked before
        self.cr.rollback()
        self.env.invalidate_all()
        self.cap.amount_limit = 200.0
        self.cr.commit()
        with mute_logger("odoo.sql_db"), self.assertRaises(SerializationFailure):
            other_env["psa.cap"].browse(self.cap.id).amount_limit = 150.0
        other.rollback()
        self.env.invalidate_all()
        entries = self.env["psa.entry"].search([("order_id", "=", self.order.id)])
        self.assertEqual(entries.mapped("state"), ["approved", "approved"])
        self.assertEqual(self.cap.reserved_amount, 200)
