"""What finance does with exceptions: fix one and see what it frees, correct, waive by two, in bulk, ask, be late."""

from datetime import date, timedelta
from types import SimpleNamespace
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .desk_common import DeskCase

RELEASED = "1 exception closed, $\N{NO-BREAK SPACE}2,400.00 billable"


@tagged("post_install", "-at_install")
class TestDeskRelease(DeskCase):

    def test_linking_a_person_bills_all_that_waited_in_one_transaction(self):
        exception, messages = self.unknown_person()
        self.assertEqual((exception.cause_code, exception.holder_count, exception.amount), ("unknown_person", 3, 2400))
        self.assertEqual((exception.period_from, exception.period_to), (date(2026, 5, 4), date(2026, 5, 4)))
        self.assertEqual(exception.blocked_count, 1)
        self.assertEqual(exception.blocked_order_ids, self.order)
        wizard = self.env["psa.exception.link"].with_user(self.preparer).with_context(
            **exception.with_user(self.preparer).action_fix()["context"]).create({"employee_id": self.ada.id})
        wizard.action_link()
        self.assertEqual(set(messages.mapped("state")), {"done"})
        self.assertEqual((exception.state, exception.freed_count, exception.freed_amount), ("resolved", 3, 2400))
        self.assertEqual(exception._freed_sentence(self.company), RELEASED)
        self.assertEqual(exception.blocked_count, 0)

    def test_the_person_who_fixed_it_is_told_once(self):
        exception, _messages = self.unknown_person()
        sent = []
        request = SimpleNamespace(env=self.env(user=self.preparer))
        with patch("odoo.addons.psa_hub.models.desk.exception_freed.request", new=request), patch.object(
                type(self.env["res.users"]), "_bus_send", lambda user, kind, message, **_: sent.append(
                    (user, kind, message["message"]))):
            exception.with_user(self.preparer)._link_to(self.ada)
            self.env.cr.flush()
        self.assertEqual(sent, [(self.preparer, "simple_notification", RELEASED)])

    def test_a_created_rate_counts_what_it_made_billable(self):
        entries = self.make_time(self.order, [8], employee=self.grace, source_amount=800)
        exception = entries.exception_id
        self.make_rate(150, self.order, employee_id=self.grace.id)
        self.assertEqual((exception.state, exception.freed_count, exception.freed_amount), ("resolved", 1, 1200))

    def test_a_corrected_version_from_the_source_closes_it(self):
        message = self.receive("hour", self.hours("H1", hours="eight"))
        exception = message.exception_id
        self.assertEqual((exception.cause_code, exception.is_open), ("invalid_data", True))
        self.receive("hour", self.hours("H1", version="2"))
        self.assertEqual((message.state, message.skip_reason, exception.state), ("skipped", "superseded", "resolved"))
        self.assertFalse(exception.freed_count, "the new version waits for its person")

    def test_chain_counts_what_waits_behind(self):
        exception, messages = self.hold(range(2), risk=10)
        waiting = messages[0].copy({
            "dedupe_key": "behind", "external_id": "behind", "state": "waiting", "exception_id": False,
            "wait_key": f"record:{self.connection.id}:Contact:{messages[0].external_id}", "risk_amount": 7})
        self.assertEqual((exception.chain_count, exception.chain_amount), (1, 7))
        self.assertEqual(waiting.state, "waiting")


@tagged("post_install", "-at_install")
class TestDeskCorrect(DeskCase):

    def setUp(self):
        super().setUp()
        self.env["psa.binding"].create({
            "connection_id": self.tracker.id, "object_type": "Resource", "external_id": "R9",
            "canonical_type": "resource", "res_model": "hr.employee", "res_id": self.ada.id})
        self.message = self.receive("hour", self.hours("H1", hours="eight"))

    def correct(self, user, **values):
        action = self.message.with_user(user).action_correct()
        wizard = self.env["psa.message.correct"].with_user(user).browse(action["res_id"])
        wizard.reason = "The time sheet on paper says so."
        for line in wizard.line_ids.filtered(lambda line: line.name in values):
            line.value = values[line.name]
        wizard.action_correct()
        return self.message.change_ids.sorted("id")[-1]

    def test_a_second_person_agrees_and_what_came_stays_as_it_is(self):
        payload = self.message.payload
        self.assertEqual(self.message.exception_id.cause_code, "invalid_data")
        change = self.correct(self.reviewer, hours="8")
        self.assertEqual((change.name, change.old_value, change.new_value, change.state),
                         ("hours", '"eight"', '"8"', "asked"), "nobody knows what it is worth: two people")
        for user in (self.preparer, self.reviewer):
            with self.assertRaises(AccessError):
                change.with_user(user).action_agree()
        exception = self.message.exception_id
        change.with_user(self.approver).action_agree()
        self.assertEqual((self.message.state, self.message.payload), ("done", payload))
        entry = self.env["psa.entry"].search([("message_id", "=", self.message.id)])
        self.assertEqual((entry.amount, entry.state, exception.state), (800, "approved", "resolved"))
        self.assertEqual(exception.freed_amount, 800)
        audit = self.env["psa.audit"].search([("event", "=", "message.correct")])
        self.assertEqual((audit.before, audit.after, audit.user_id),
                         ({"hours": '"eight"'}, {"hours": '"8"'}, self.reviewer))
        self.message._replay()
        replay = self.env["psa.message"].search([("origin_message_id", "=", self.message.id)])
        replay._work_now()
        self.assertEqual(replay.state, "done", "a replay reads the correction too")
        self.assertFalse(change.ended)
        self.receive("hour", self.hours("H1", version="2", hours=5))
        change.invalidate_recordset()
        self.assertEqual((entry.quantity, change.ended), (5, True), "a newer version is read as it comes")

    def test_a_small_correction_counts_at_once(self):
        self.message.sudo().risk_amount = 100
        change = self.correct(self.preparer, hours="7.5")
        self.assertEqual((change.state, self.message.state), ("in_force", "done"))

    def test_refused_corrections_change_nothing(self):
        change = self.correct(self.preparer, hours="80")
        change.with_user(self.reviewer).action_refuse()
        self.assertEqual((change.state, self.message.overlay, self.message.state), ("refused", False, "held"))
        with self.assertRaises(UserError):
            change.unlink()

    def test_kind_and_reason_are_checked(self):
        with self.assertRaises(UserError):
            self.correct(self.preparer)
        with self.assertRaises(UserError):
            self.correct(self.preparer, amount="much")


@tagged("post_install", "-at_install")
class TestDeskWaive(DeskCase):

    def test_refused_waive_leaves_it_open(self):
        exception, messages = self.hold(range(1), risk=900)
        exception.with_user(self.reviewer).action_waive("Not worth it.")
        self.assertEqual(exception.waive_asked_by_id, self.reviewer)
        action = exception.with_user(self.approver).action_refuse_waive()
        self.env["psa.reason"].with_user(self.approver).with_context(**action["context"]).create({
            "reason": "It is worth it."}).action_confirm()
        self.assertEqual((exception.state, exception.waive_asked_by_id.id, messages.state), ("new", False, "held"))

    def test_an_approver_alone_is_one_person_too(self):
        exception, messages = self.hold(range(1), risk=900)
        exception.with_user(self.approver).action_waive("Not worth it.")
        with self.assertRaises(AccessError):
            exception.with_user(self.approver).action_agree_waive()
        self.company.psa_allow_self_approval = True
        exception.with_user(self.approver).action_waive("There is nobody else.")
        self.assertEqual((exception.state, messages.state), ("waived", "skipped"))


@tagged("post_install", "-at_install")
class TestDeskBulk(DeskCase):

    def test_preview_says_what_would_pass_and_keeps_nothing(self):
        exception, messages = self.unknown_person()
        stuck, _held = self.hold(range(2), cause="invalid_data")
        self.env["psa.binding"].create({
            "connection_id": self.tracker.id, "object_type": "Resource", "external_id": "R9",
            "canonical_type": "resource", "res_model": "hr.employee", "res_id": self.ada.id})
        action = (exception + stuck).with_user(self.preparer).action_bulk()
        bulk = self.env["psa.exception.bulk"].browse(action["res_id"])
        self.assertEqual((bulk.exception_count, bulk.tried_count, bulk.passed_amount), (2, 2, 2400))
        self.assertEqual((exception.state, set(messages.mapped("state"))), ("new", {"held"}))
        self.assertFalse(self.env["psa.entry"].search([("message_id", "in", messages.ids)]))
        job = self.env["psa.exception.job"].browse(bulk.with_user(self.preparer).action_start()["res_id"])
        self.assertEqual((job.state, job.done_count, job.freed_amount), ("done", 2, 2400))
        self.assertEqual(exception.state, "resolved")

    def many(self, count):
        raised = self.env["psa.exception"]._raise([
            {"cause": "unknown_person", "subject_key": f"bulk:{number}", "text": f"Nobody knows {number}.",
             "company_id": self.company.id, "amount": 600 if number % 2 else 10} for number in range(count)])
        return self.env["psa.exception"].union(*raised.values())

    def test_a_job_goes_on_where_it_was_cancelled_and_counts_who_must_agree(self):
        exceptions = self.many(120)
        bulk = self.env["psa.exception.bulk"].with_user(self.reviewer).browse(
            exceptions.with_user(self.reviewer).action_bulk_waive()["res_id"])
        self.assertEqual(bulk.second_count, 60)
        with self.assertRaises(UserError):
            bulk.action_start()
        bulk.reason = "Test data."
        job = self.env["psa.exception.job"].with_user(self.reviewer).browse(bulk.action_start()["res_id"])
        self.assertEqual((job.state, job.done_count, job.progress), ("running", 0, 0))
        self.assertFalse(job.sudo()._job_chunk(None))
        self.assertEqual((job.done_count, job.closed_count, job.asked_count), (50, 0, 50), "dearest first")
        job.action_cancel()
        self.assertEqual(job.state, "cancelled")
        job.action_resume()
        with patch.object(type(self.env["ir.cron"]), "_commit_progress", lambda *_args, **_values: 60):
            self.env["psa.exception.job"]._cron_jobs()
        self.assertEqual((job.state, job.closed_count, job.asked_count, job.refused_count), ("done", 60, 60, 0))
        self.assertEqual(set(exceptions.mapped("closed_by_id").ids), {self.reviewer.id})

    def test_assigning_makes_one_activity_each(self):
        exceptions = self.many(3)
        bulk = self.env["psa.exception.bulk"].with_user(self.preparer).browse(
            exceptions.with_user(self.preparer).action_bulk_assign()["res_id"])
        bulk.user_id = self.reviewer
        bulk.action_start()
        self.assertEqual(exceptions.user_id, self.reviewer)
        self.assertEqual(exceptions.activity_ids.mapped("user_id"), self.reviewer)
        self.assertEqual(len(exceptions.activity_ids), 3)
        exceptions[0].user_id = self.preparer
        self.assertEqual(exceptions[0].activity_ids.user_id, self.preparer, "the activity goes along")


@tagged("post_install", "-at_install")
class TestDeskPeople(DeskCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(
            cls.env, "desk_manager", "project.group_project_user", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])
        cls.project.user_id = cls.manager

    def ask(self):
        exception, _messages = self.unknown_person()
        wizard = self.env["psa.exception.ask"].with_user(self.preparer).with_context(
            **exception.with_user(self.preparer).action_ask()["context"]).create({"question": "Who is R9?"})
        self.assertEqual(wizard.user_id, self.manager)
        wizard.action_ask()
        activity = self.project.activity_ids.filtered(lambda one: one.user_id == self.manager)
        self.assertEqual((len(activity), exception.asked_user_id), (1, self.manager))
        return exception, activity

    def assert_answered(self, exception):
        exception.invalidate_recordset()
        self.assertEqual((exception.user_id, exception.state), (self.preparer, "assigned"))
        self.assertFalse(exception.asked_user_id)
        self.assertEqual(exception.activity_ids.user_id, self.preparer)
        self.assertIn("Ada", exception.activity_ids.note)
        self.assertTrue(exception.message_ids.filtered(
            lambda message: message.author_id == self.manager.partner_id and "Ada" in message.body))

    def test_a_manager_without_a_role_answers_from_the_activity(self):
        exception, activity = self.ask()
        with self.assertRaises(AccessError):
            exception.with_user(self.manager).read(["name"])
        activity.with_user(self.manager).action_feedback(feedback="That is Ada.")
        self.assert_answered(exception)

    def test_a_manager_without_a_role_answers_in_the_chatter(self):
        exception, activity = self.ask()
        self.project.with_user(self.preparer).sudo().message_post(body="Not an answer", message_type="comment")
        self.assertTrue(activity.exists())
        self.project.with_user(self.manager).message_post(body="That is Ada.", message_type="comment")
        self.assert_answered(exception)
        self.assertFalse(activity.exists())

    def test_people_without_a_role_are_asked_not_assigned(self):
        exception, _messages = self.unknown_person()
        with self.assertRaises(UserError):
            exception.with_user(self.preparer).user_id = self.manager

    def test_due_by_cause_and_amount(self):
        self.env["psa.exception.due"].create({"company_id": self.company.id, "amount": 1000, "days": 0})
        today = fields.Date.context_today(self.env["psa.exception"])
        exception, _messages = self.unknown_person(1)
        days = exception.cause_id.due_days
        self.assertEqual(exception.date_due, today + timedelta(days=days), "800 is not enough")
        self.receive("hour", self.hours("H8"))
        exception.invalidate_recordset()
        self.assertEqual((exception.amount, exception.date_due), (1600, today))
        exception.with_user(self.preparer).date_due = "2030-01-01"
        exception._refresh_amounts()
        self.assertEqual(exception.date_due, date(2030, 1, 1), "what a person says stays")

    def test_late_ones_go_to_the_owner_then_to_the_manager(self):
        exception, _messages = self.unknown_person()
        cause = exception.cause_id.with_company(self.company)
        cause.write({"user_id": self.reviewer.id, "manager_id": self.approver.id})
        exception.write({"date_due": fields.Date.subtract(fields.Date.today(), days=1), "due_by_hand": True})
        self.env["psa.exception"]._cron_escalate()
        self.assertEqual((exception.escalation, exception.activity_ids.user_id), ("owner", self.reviewer))
        self.env["psa.exception"]._cron_escalate()
        self.assertEqual(len(exception.activity_ids), 1, "told once")
        exception.escalated_on = fields.Date.subtract(fields.Date.today(), days=cause.due_days)
        self.env["psa.exception"]._cron_escalate()
        self.assertEqual((exception.escalation, len(exception.activity_ids)), ("manager", 2))

    def test_every_cause_has_help_and_a_button(self):
        for cause in self.env["psa.exception.cause"].search([]):
            self.assertIn("<li>", cause.documentation or "", cause.code)
            self.assertTrue(cause.fix_method and cause.fix_label, cause.code)
            self.assertEqual(cause.action_help()["res_id"], cause.id)
