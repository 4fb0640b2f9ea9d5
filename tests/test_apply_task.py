"""Tasks of other systems, and time that is booked on them."""

from odoo.tests import tagged

from .apply_common import ApplyCase
from .sources_common import SourcesCase


@tagged("post_install", "-at_install")
class TestApplyTask(ApplyCase):

    def setUp(self):
        super().setUp()
        self.jane = self.resource(role=self.consultant)
        self.order = self.contract(self.deal_line(role=self.consultant, price=150, name="Consulting"))
        self.project_ = self.project(self.order)

    def task(self, external_id, project=None, parent=None, **values):
        parents = {"project": project or self.project_, **({"parent": parent} if parent else {})}
        return self.apply("task", external_id, parents=parents, **values)

    def test_a_task_is_made_in_its_project(self):
        task = self.task("I1", name="Login page", code="NOVA-12", planned_hours="7.5").record
        self.assertEqual((task.project_id, task.name, task.psa_code), (self.project_, "Login page", "NOVA-12"))
        self.assertEqual(task.allocated_hours, 7.5)
        self.assertEqual(task.company_id, self.us)
        self.assertFalse(task.user_ids)

    def test_a_task_below_another(self):
        parent = self.task("I1", name="Portal").record
        self.assertEqual(self.task("I2", name="Login page", parent=parent).record.parent_id, parent)

    def test_the_contracts_task_of_the_name_is_adopted_once(self):
        known = self.project_.task_ids
        first = self.task("I1", name="Consulting", code="NOVA-1").record
        self.assertEqual(first, known)
        self.assertEqual(first.sale_line_id, self.order.order_line, "and keeps the line that pays for it")
        self.assertNotEqual(self.task("I2", name="Consulting").record, first)

    def test_the_same_again_writes_nothing(self):
        values = {"name": "Login page", "code": "NOVA-12", "planned_hours": "7.5", "active": True}
        self.task("I1", **values)
        with self.assert_no_write("project.task"):
            self.task("I1", **values)

    def test_a_finished_task_is_archived_and_comes_back(self):
        task = self.task("I1", name="Login page").record
        self.task("I1", name="Login page", active=False)
        self.assertFalse(task.active)
        self.task("I1", name="Login page", active=True)
        self.assertTrue(task.active)

    def test_a_deleted_task_is_archived_and_its_time_stays(self):
        item = self.task("I1", name="Login page")
        timesheet = self.time(self.project_, self.jane, 7.5, parents={"task": item.record}).record
        self.run_items(self.gone(item))
        self.assertFalse(item.record.active)
        self.assertEqual(self.entry(timesheet).amount, 1125.00)

    def test_time_is_booked_on_its_task_and_paid_by_the_order_line(self):
        task = self.task("I1", name="Login page").record
        timesheet = self.time(self.project_, self.jane, 7.5, parents={"task": task}).record
        self.assertEqual((timesheet.task_id, timesheet.so_line), (task, self.order.order_line))
        self.assertTrue(timesheet.is_so_line_edited)
        self.assertEqual(self.entry(timesheet).amount, 1125.00)

    def test_time_moves_to_another_task(self):
        first, second = self.task("I1", name="One").record, self.task("I2", name="Two").record
        timesheet = self.time(self.project_, self.jane, external_id="T1", parents={"task": first}).record
        self.time(self.project_, self.jane, external_id="T1", parents={"task": second})
        self.assertEqual((timesheet.task_id, self.entry(timesheet).amount), (second, 1200.00))

    def test_a_task_of_another_project_does_not_take_the_time_along(self):
        elsewhere = self.task("I1", project=self.project(name="Training"), name="Course").record
        timesheet = self.time(self.project_, self.jane, parents={"task": elsewhere}).record
        self.assertEqual((timesheet.project_id, timesheet.task_id.name), (self.project_, "Consulting"))

    def test_a_task_that_moves_leaves_its_booked_time_behind(self):
        old = self.task("I1", name="Login page").record
        timesheet = self.time(self.project_, self.jane, 7.5, parents={"task": old}).record
        training = self.project(name="Training")
        new = self.task("I1", project=training, name="Login page").record
        self.assertNotEqual(new, old)
        self.assertEqual((new.project_id, timesheet.project_id), (training, self.project_))
        self.assertEqual(self.entry(timesheet).amount, 1125.00)

    def test_a_task_without_time_moves(self):
        task = self.task("I1", name="Login page").record
        training = self.project(name="Training")
        self.assertEqual(self.task("I1", project=training, name="Login page").record, task)
        self.assertEqual(task.project_id, training)

    def test_queries_do_not_grow_with_the_batch(self):
        def queries(size, start):
            items = [self.item("task", f"Q{number}", name=f"Task {number}", code=f"N-{number}",
                               parents={"project": self.project_}) for number in range(start, start + size)]
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            handler = self.handler("task")
            handler._prepare(items)
            handler._apply(items)
            self.env.flush_all()
            count = self.env.cr.sql_log_count - before
            self.bind(items)
            self.assertFalse(items[0].record.message_partner_ids, "the integration user does not follow them all")
            return count - size  # Odoo looks up the unit of time once for each new task

        queries(2, 0)
        small, large = queries(10, 100), queries(100, 1000)
        self.assertLessEqual(large, small + 12)


@tagged("post_install", "-at_install")
class TestApplyTaskInDrain(SourcesCase):

    def test_children_wait_for_their_parent_and_time_for_its_task(self):
        self.sell(self.tracker)
        self.person(self.tracker)
        self.send(self.tracker, "project", "P1", name="Portal", code="NOVA", deal="D1")
        self.assertIsNone(self.send(self.tracker, "task", "I2", name="Login page", project="P1", parent="I1"))
        self.assertIsNone(self.work(self.tracker, "T1", task="I2"))
        self.assertEqual(self.message(self.tracker, "time", "T1").state, "waiting")
        parent = self.send(self.tracker, "task", "I1", name="Portal", project="P1")
        task = self.record(self.tracker, "task", "I2")
        self.assertEqual(task.parent_id, parent)
        self.drain()
        timesheet = self.record(self.tracker, "time", "T1")
        self.assertEqual(timesheet.task_id, task)
        self.assertEqual(self.env["psa.entry"].search([("analytic_line_id", "=", timesheet.id)]).amount, 1125.00)

    def test_time_of_a_task_that_does_not_exist_is_billed_all_the_same(self):
        self.sell(self.tracker)
        self.person(self.tracker)
        self.send(self.tracker, "project", "P1", name="Portal", code="NOVA", deal="D1")
        self.send(self.tracker, "task", "I9", "delete")
        timesheet = self.work(self.tracker, "T1", task="I9")
        self.assertEqual(timesheet.task_id.name, "Consulting")
