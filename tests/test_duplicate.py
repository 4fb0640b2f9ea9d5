# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""The same hour or expense from two systems is billed once, and a person says what is the same."""

from dataclasses import replace

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..connectors import base
from .sources_common import SourcesCase
from .test_apply_drain import PlainConnector


@tagged("post_install", "-at_install")
class TestDuplicate(SourcesCase):

    def setUp(self):
        super().setUp()
        self.order = self.sell(self.crm)
        for connection in (self.crm, self.tracker):
            self.person(connection)
            self.send(connection, "project", "P1", name="Portal", code="NOVA")
        self.project = self.record(self.crm, "project", "P1")
        self.assertEqual(self.record(self.tracker, "project", "P1"), self.project)

    def entries(self):
        return self.env["psa.entry"].search([("order_id", "=", self.order.id), ("kind", "in", ("time", "expense"))])

    def twice(self):
        """7.5 hours that the tracker brings after the CRM has; returns the held message."""
        self.work(self.crm, "T1")
        self.assertIsNone(self.work(self.tracker, "W1"))
        return self.message(self.tracker, "time", "W1")

    # === WHAT IS HELD === #
    def test_the_same_hours_from_two_systems_are_billed_once(self):
        message = self.twice()
        self.assert_held(message, "suspected_duplicate", "Jane Doe", "7.50 hours", "2026-02-02", "Portal",
                         "came from Tracker", "CRM has brought the same")
        self.assertEqual(sum(self.entries().mapped("amount")), 1125.00)
        self.assertEqual(message.risk_amount, 1125.00, "7.5 hours at 150.00")
        exception = message.exception_id
        self.assertEqual((exception.amount, exception.project_id), (1125.00, self.project))
        self.assertEqual(exception.action_fix()["res_id"], self.record(self.crm, "time", "T1").id)

    def test_the_money_is_what_the_source_would_bill(self):
        self.work(self.crm, "T1")
        self.work(self.tracker, "W1", source_amount="1200.50", currency="USD")
        self.assertEqual(self.message(self.tracker, "time", "W1").risk_amount, 1200.50)

    def test_work_that_is_not_billed_risks_nothing(self):
        self.work(self.crm, "T1", billable=False)
        self.work(self.tracker, "W1", billable=False)
        message = self.message(self.tracker, "time", "W1")
        self.assert_held(message, "suspected_duplicate")
        self.assertEqual(message.risk_amount, 0)

    def test_other_hours_days_people_and_projects_are_other_work(self):
        self.work(self.crm, "T1")
        self.send(self.tracker, "resource", "R2", name="Joe", email="joe@northwind.example", company="US", role="CONS")
        self.send(self.tracker, "project", "P2", name="Training", code="TRAIN")
        for number, values in enumerate((
            {"hours": "7.25"}, {"work_date": "2026-02-03"}, {"resource": "R2"},
            {"project": "P2", "billable": False},
        )):
            self.assertTrue(self.work(self.tracker, f"W{number}", **values), values)

    def test_one_system_is_never_its_own_duplicate(self):
        self.work(self.tracker, "W1")
        self.assertTrue(self.work(self.tracker, "W2"))
        self.assertEqual(sum(self.entries().mapped("amount")), 2250.00)

    def test_what_is_booked_already_may_change_into_the_same(self):
        self.work(self.crm, "T1")
        timesheet = self.work(self.tracker, "W1", hours="4")
        self.work(self.tracker, "W1", hours="7.5")
        self.assertEqual(timesheet.unit_amount, 7.5)

    # === WHAT A PERSON SAYS === #
    def test_it_is_the_same(self):
        message = self.twice()
        exception = message.exception_id
        self.reviewer.company_id.psa_waive_limit = 2000
        action = exception.with_user(self.reviewer).action_is_same()
        wizard = self.env[action["res_model"]].with_user(self.reviewer).with_context(**action["context"]).create({})
        self.assertTrue(wizard.reason)
        wizard.action_waive()
        self.drain()
        self.assertEqual((message.state, message.skip_reason), ("skipped", "waived"))
        self.assertEqual((exception.state, exception.close_reason), ("waived", wizard.reason))
        self.assertEqual(sum(self.entries().mapped("amount")), 1125.00)

    def test_it_is_another_one(self):
        message = self.twice()
        exception = message.exception_id
        action = exception.with_user(self.reviewer).action_is_another()
        wizard = self.env[action["res_model"]].with_user(self.reviewer).with_context(**action["context"]).create({
            "reason": "Jane worked two shifts."})
        wizard.action_confirm()
        self.drain()
        self.assertEqual((message.state, exception.state), ("done", "resolved"))
        self.assertEqual(sum(self.entries().mapped("amount")), 2250.00)
        audit = self.env["psa.audit"].search([("event", "=", "message.decide"), ("res_id", "=", message.id)])
        self.assertEqual((audit.user_id, audit.reason, audit.after),
                         (self.reviewer, "Jane worked two shifts.", {"suspected_duplicate": "other"}))
        self.work(self.tracker, "W1", description="Night shift")
        self.assertEqual(self.message(self.tracker, "time", "W1").state, "done", "and is not asked about again")

    def test_a_reason_is_needed(self):
        exception = self.twice().exception_id.with_user(self.reviewer)
        with self.assertRaises(UserError):
            exception._let_through("  ")

    def test_only_this_question_has_these_answers(self):
        self.work(self.crm, "T5", resource="R1", project="P1", role="NOBODY")
        exception = self.message(self.crm, "time", "T5").exception_id.with_user(self.reviewer)
        self.assertEqual(exception.cause_code, "unmapped_value")
        for action in (exception.action_is_same, exception.action_is_another):
            with self.assertRaises(UserError):
                action()

    def test_a_retry_asks_again(self):
        message = self.twice()
        message.exception_id.with_user(self.reviewer).action_retry()
        self.drain()
        self.assert_held(message, "suspected_duplicate")

    # === EXPENSES === #
    def spend(self, connection, external_id, amount="48.40", **values):
        return self.send(connection, "expense", external_id, **{
            "project": "P1", "resource": "R1", "spent_on": "2026-02-02", "category": "MEAL", "amount": amount,
            "currency": "USD", "billing_amount": "40.00", "billing_currency": "USD", "billable": True,
            "approved": True, **values})

    def test_the_same_expense_from_two_systems_is_billed_once(self):
        self.assertTrue(self.spend(self.crm, "E1"))
        self.assertIsNone(self.spend(self.tracker, "X1"))
        message = self.message(self.tracker, "expense", "X1")
        self.assert_held(message, "suspected_duplicate", "48.40", "2026-02-02", "Portal", "CRM has brought")
        self.assertEqual(message.risk_amount, 40.00)
        self.assertEqual(sum(self.entries().mapped("amount")), 40.00)
        message.exception_id.with_user(self.reviewer)._let_through("Two guests, two bills.")
        self.drain()
        self.assertEqual(sum(self.entries().mapped("amount")), 80.00)

    def test_other_amounts_days_and_projects_are_other_expenses(self):
        self.spend(self.crm, "E1")
        self.send(self.tracker, "project", "P2", name="Training", code="TRAIN")
        self.assertTrue(self.spend(self.tracker, "X1", amount="48.41"))
        self.assertTrue(self.spend(self.tracker, "X2", spent_on="2026-02-03"))
        self.assertTrue(self.spend(self.tracker, "X3", project="P2", billable=False))

    # === SETS === #
    def test_one_query_a_batch(self):
        self.work(self.crm, "T1")

        def queries(size, start):
            self.version += 1
            stream = self.stream(self.tracker, "time")
            self.env["psa.message"]._receive(stream, [
                base.RawRecord("Time", f"Q{number}", f"{self.version:04}", {
                    "project": "P1", "resource": "R1", "work_date": "2026-02-02", "hours": "7.5", "billable": True,
                    "approved": True})
                for number in range(start, start + size)], "pull")
            self.env.flush_all()
            self.env.cr.commit()
            before = self.env.cr.sql_log_count
            self.env["psa.lane"]._drain("transaction", stand_by=0)
            count = self.env.cr.sql_log_count - before
            self.env.invalidate_all()
            self.assertEqual(self.message(self.tracker, "time", f"Q{start}").state, "held")
            return count

        queries(2, 0)
        self.assertLessEqual(queries(60, 1000), queries(10, 100) + 5)


class WeekConnector(PlainConnector):
    """Time comes as weeks, each with days."""

    streams = tuple(
        replace(spec, parts=("Time#day",)) if spec.code == "time" else spec for spec in PlainConnector.streams)

    def split(self, stream, raw, external_id):
        if stream.code != "time":
            return super().split(stream, raw, external_id)
        return [base.Part("Time#day", f"{external_id}:{day}", "time", {**raw, "work_date": day, "hours": hours})
                for day, hours in raw["days"].items()]


@tagged("post_install", "-at_install")
class TestDuplicateWeek(SourcesCase):
    """Of a week only the days that came twice are left out."""

    vendor = WeekConnector

    def test_the_other_days_are_billed(self):
        order = self.sell(self.crm)
        for connection in (self.crm, self.tracker):
            self.person(connection)
            self.send(connection, "project", "P1", name="Portal", code="NOVA")
        self.work(self.crm, "W1", days={"2026-02-02": "7.5"})
        self.work(self.tracker, "W9", days={"2026-02-02": "7.5", "2026-02-03": "6", "2026-02-04": "4.25"})
        message = self.message(self.tracker, "time", "W9")
        self.assert_held(message, "suspected_duplicate", "7.50 hours", "2026-02-02")
        exception = message.exception_id
        self.reviewer.company_id.psa_waive_limit = 5000
        exception.with_user(self.reviewer).action_waive("The tracker copies Monday from the CRM.")
        self.drain()
        self.assertEqual((message.state, exception.state), ("done", "waived"))
        entries = self.env["psa.entry"].search([("order_id", "=", order.id), ("kind", "=", "time")], order="work_date")
        self.assertEqual(entries.mapped("amount"), [1125.00, 900.00, 637.50])
        decided = self.env["psa.audit"].search([("event", "=", "message.decide"), ("res_id", "=", message.id)])
        self.assertEqual(decided.after, {"suspected_duplicate": "same"})

    def test_a_week_that_came_twice_as_a_whole_is_left_out(self):
        order = self.sell(self.crm)
        for connection in (self.crm, self.tracker):
            self.person(connection)
            self.send(connection, "project", "P1", name="Portal", code="NOVA")
            self.work(connection, "W1", days={"2026-02-02": "7.5", "2026-02-03": "6"})
        message = self.message(self.tracker, "time", "W1")
        self.reviewer.company_id.psa_waive_limit = 5000
        message.exception_id.with_user(self.reviewer).action_waive("The same week.")
        self.drain()
        self.assertEqual((message.state, message.skip_reason), ("skipped", "duplicate"))
        self.assertEqual(sum(self.env["psa.entry"].search([("order_id", "=", order.id)]).mapped("amount")), 2025.00)
