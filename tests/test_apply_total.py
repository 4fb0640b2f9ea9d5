# pylint: disable=invalid-commit  # what is tested is what two transactions see of each other
from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestApplyTotal(TransactionCase):
    """Real transactions: who puts sums off meets nobody, and an old snapshot never has the last word."""

    def setUp(self):
        super().setUp()
        env = self.cursor()
        self.task_id = env["project.task"].create({"name": "Sums", "project_id": env["project.project"].create(
            {"name": "Sums", "allow_timesheets": True}).id}).id
        env.cr.commit()
        self.addCleanup(self.remove)

    def cursor(self):
        cr = db_connect(self.env.cr.dbname).cursor()
        self.addCleanup(cr.close)
        self.addCleanup(cr.rollback)
        return api.Environment(cr, SUPERUSER_ID, {})

    def remove(self):
        env = self.cursor()
        env.cr.execute("DELETE FROM psa_apply_total")
        project = env["project.task"].browse(self.task_id).project_id
        project.timesheet_ids.unlink()
        project.unlink()
        env.cr.commit()

    def book(self, env, hours):
        task = env["project.task"].browse(self.task_id)
        employee = env["hr.employee"].search([("company_id", "=", env.company.id)], limit=1)
        with env["psa.apply.total"]._put_off(task):
            env["account.analytic.line"].create({
                "name": "Work", "project_id": task.project_id.id, "task_id": task.id, "employee_id": employee.id,
                "unit_amount": hours})

    def hours(self):
        return self.cursor()["project.task"].browse(self.task_id).effective_hours

    def test_two_workers_book_on_one_task(self):
        first, second = self.cursor(), self.cursor()
        self.book(first, 3)
        self.book(second, 4)
        first.cr.commit()
        second.cr.commit()
        self.assertEqual(self.hours(), 0)
        self.assertEqual(first["psa.apply.total"]._catch_up(), 1)
        self.assertEqual(self.hours(), 7)
        self.assertEqual(second["psa.apply.total"]._catch_up(), 0)

    def test_note_outlives_a_worker_that_does_not_catch_up(self):
        dead = self.cursor()
        self.book(dead, 3)
        dead.cr.commit()
        dead["psa.apply.total"]._compute_behind()
        dead.cr.rollback()
        self.assertEqual(self.cursor()["psa.apply.total"]._catch_up(), 1)
        self.assertEqual(self.hours(), 3)

    def test_sum_from_an_older_snapshot_is_refused(self):
        """Hours came and went: the sum is right as it stands, and must not be overwritten by one that saw them come."""
        worker, person = self.cursor(), self.cursor()
        self.book(worker, 3)
        worker.cr.commit()
        task = person["project.task"].browse(self.task_id)
        self.assertEqual(len(task.timesheet_ids), 1)
        self.book(worker, -3)
        worker.cr.commit()
        worker["psa.apply.total"]._catch_up()
        self.assertEqual(self.hours(), 0)
        person.add_to_compute(task._fields["effective_hours"], task)
        with mute_logger("odoo.sql_db"), self.assertRaises(SerializationFailure):
            person.flush_all()
