import threading

import psycopg2.errors

from odoo import SUPERUSER_ID, api
from odoo.exceptions import AccessError, UserError
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger


class ExceptionCase(TransactionCase):
    """A company in dollars with one customer, and a user of every group."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Desk Inc.", "currency_id": cls.env.ref("base.USD").id})
        cls.env.user.company_ids |= cls.company
        cls.env = cls.env(context={**cls.env.context, "allowed_company_ids": cls.company.ids})
        cls.Exception = cls.env["psa.exception"]
        cls.customer = cls.env["res.partner"].create({"name": "Northwind", "is_company": True})

    @classmethod
    def user(cls, name, group=None):
        """A user of this company with just this group of the hub."""
        return new_test_user(
            cls.env, f"desk_{name}", f"psa_hub.group_{group or name}", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)],
        )

    def spec(self, subject="record:1:Timecard:T1", cause="unknown_person", **values):
        return {"cause": cause, "subject_key": subject, "text": "Nobody knows Dana.", "company_id": self.company.id,
                **values}

    def raise_one(self, *args, **values):
        spec = self.spec(*args, **values)
        return self.Exception._raise([spec])[spec["cause"], spec["subject_key"]]


@tagged("post_install", "-at_install")
class TestExceptionRaise(ExceptionCase):

    def test_one_row_per_cause_and_subject(self):
        specs = [self.spec(f"record:1:Timecard:T{number % 10}", amount=1.5) for number in range(30)]
        specs.append(self.spec("record:1:Timecard:T1", "closed_project"))
        raised = self.Exception._raise(specs)
        self.assertEqual(len(raised), 11)
        first = raised["unknown_person", "record:1:Timecard:T1"]
        self.assertEqual(first.recurrence_count, 3)
        self.assertEqual(first.amount, 4.5)
        self.assertEqual(first.state, "new")
        self.assertEqual(first.currency_id, self.company.currency_id)
        self.assertEqual(first.cause_id, self.env.ref("psa_hub.cause_unknown_person"))

    def test_raised_again_is_counted(self):
        exception = self.raise_one(amount=100.0)
        again = self.raise_one(amount=80.0, text="Still nobody knows Dana.")
        self.assertEqual(again, exception)
        self.assertEqual(exception.recurrence_count, 2)
        self.assertEqual(exception.amount, 80.0, "what is at risk now, not the sum of what was said before")
        self.assertEqual(exception.name, "Still nobody knows Dana.")

    def test_closed_one_stays_closed(self):
        exception = self.raise_one()
        exception._close("resolved")
        later = self.raise_one()
        self.assertNotEqual(later, exception)
        self.assertEqual(exception.state, "resolved")
        self.assertEqual(later.recurrence_count, 1)

    def test_database_refuses_a_second_open_one(self):
        exception = self.raise_one()
        self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.UniqueViolation), self.env.cr.savepoint():
            exception.copy({"subject_key": exception.subject_key})
            self.env.flush_all()

    def test_number_of_queries_does_not_grow(self):
        def queries(count):
            specs = [
                self.spec(f"many:{count}:{number}", res_model="res.partner", res_id=self.customer.id, amount=3)
                for number in range(count)
            ]
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.Exception._raise(specs)
            return self.env.cr.sql_log_count - before

        queries(5)  # warm the caches
        self.assertEqual(queries(5), queries(400))

    def test_amount_is_in_the_companys_currency(self):
        euro = self.env.ref("base.EUR")
        euro.active = True
        self.env["res.currency.rate"].create({
            "name": "2020-01-01", "currency_id": euro.id, "company_id": self.company.id, "inverse_company_rate": 1.25,
        })
        exception = self.raise_one(amount=100, currency_id=euro.id)
        self.assertAlmostEqual(exception.amount, 125.0)
        self.assertEqual(exception.currency_id.name, "USD")

    def test_subject_leads_to_customer_and_contract(self):
        order = self.env["sale.order"].create({"partner_id": self.customer.id, "company_id": self.company.id})
        exception = self.raise_one(res_model="sale.order", res_id=order.id)
        self.assertEqual(exception.order_id, order)
        self.assertEqual(exception.partner_id, self.customer)

    def test_comes_back_from_retrying(self):
        exception = self.raise_one()
        exception.sudo().state = "retrying"
        self.raise_one()
        self.assertEqual(exception.state, "new")
        exception.sudo().write({"state": "retrying", "user_id": self.env.uid})
        self.raise_one()
        self.assertEqual(exception.state, "assigned")

    def test_unknown_cause_is_a_programming_error(self):
        with self.assertRaises(ValueError):
            self.raise_one(cause="bad_luck")

    def test_every_fix_button_exists(self):
        for cause in self.env["psa.exception.cause"].search([]):
            self.assertTrue(cause.fix_label and cause.sentence, cause.code)
            self.assertTrue(callable(getattr(self.Exception, cause.fix_method)), cause.code)
            action = self.raise_one(f"fix:{cause.code}", cause.code, res_model="res.partner",
                                    res_id=self.customer.id).action_fix()
            self.assertTrue(action["res_model"], cause.code)


@tagged("post_install", "-at_install")
class TestExceptionWork(ExceptionCase):

    def test_only_owner_and_due_date_are_written_directly(self):
        exception = self.raise_one(amount=10)
        operator = self.user("operator")
        as_operator = exception.with_user(operator)
        for values in ({"amount": 0}, {"state": "resolved"}, {"name": "fine"}, {"subject_key": "x"}):
            with self.assertRaises(AccessError):
                as_operator.write(values)
        as_operator.write({"user_id": operator.id, "date_due": "2030-01-01"})
        self.assertEqual(exception.state, "assigned")

    def test_auditor_changes_nothing(self):
        as_auditor = self.raise_one().with_user(self.user("auditor"))
        self.assertTrue(as_auditor.name)
        for action in (as_auditor.action_retry, as_auditor.action_assign, as_auditor.action_wait_for_source,
                       lambda: as_auditor.action_waive("no")):
            with self.assertRaises(AccessError):
                action()

    def test_assign_makes_an_activity(self):
        exception = self.raise_one()
        operator = self.user("operator")
        exception.with_user(operator).action_assign()
        self.assertEqual(exception.user_id, operator)
        self.assertEqual(exception.state, "assigned")
        self.assertEqual(exception.activity_ids.user_id, operator)
        self.assertEqual(exception.activity_ids.date_deadline, exception.date_due)
        exception._close("resolved")
        self.assertFalse(exception.activity_ids)

    def test_waive_needs_a_reason_a_group_and_respects_the_limit(self):
        self.company.psa_waive_limit = 100
        small, large = self.raise_one("small", amount=100), self.raise_one("large", amount=-100.01)
        with self.assertRaises(AccessError):
            small.with_user(self.user("operator")).action_waive("because")
        reviewer = self.user("reviewer")
        with self.assertRaises(UserError):
            small.with_user(reviewer).action_waive("  ")
        small.with_user(reviewer).action_waive("Travel time is not billed.")
        large.with_user(reviewer).action_waive("Agreed with the customer.")
        self.assertEqual((large.state, large.waive_asked_by_id), ("new", reviewer))
        for user in (reviewer, self.user("operator2", "operator")):
            with self.assertRaises(AccessError):
                large.with_user(user).action_agree_waive()
        large.with_user(self.user("approver")).action_agree_waive()
        self.assertEqual((small + large).mapped("state"), ["waived", "waived"])
        self.assertEqual(small.closed_by_id, reviewer)
        row = self.env["psa.audit"].search([("res_model", "=", "psa.exception"), ("res_id", "=", small.id)])
        self.assertEqual((row.event, row.user_id, row.reason),
                         ("exception.waived", reviewer, "Travel time is not billed."))
        self.assertEqual(row.before, {"state": "new", "amount": 100.0})
        with self.assertRaises(UserError):
            small.action_waive("again")

    def test_waive_dialog_shows_what_is_given_up(self):
        exceptions = self.raise_one("a", amount=100) + self.raise_one("b", amount=50)
        exceptions[1]._close("resolved")
        wizard = self.env["psa.exception.waive"].with_user(self.user("approver")).with_context(
            active_ids=exceptions.ids).create({"reason": "Written off."})
        self.assertEqual((wizard.exception_count, wizard.amount), (1, 100.0))
        wizard.action_waive()
        self.assertEqual(exceptions.mapped("state"), ["waived", "resolved"])

    def test_detail_is_for_administrators(self):
        exception = self.raise_one(detail="KeyError: 'x'")
        self.assertEqual(exception.with_user(self.user("administrator")).read(["detail"])[0]["detail"], "KeyError: 'x'")
        self.assertNotIn("detail", exception.with_user(self.user("approver")).read()[0])

    def test_cause_cards_add_up(self):
        self.raise_one("a", amount=100)
        self.raise_one("b", amount=20.5).with_user(self.user("operator")).action_assign()
        self.raise_one("c", amount=5)._close("resolved")
        cause = self.env.ref("psa_hub.cause_unknown_person").with_env(self.env)
        self.assertEqual((cause.open_count, cause.open_amount, cause.unassigned_count), (2, 120.5, 1))
        self.assertIn(cause, self.env["psa.exception.cause"].search([("has_open", "=", True)]))
        self.assertNotIn(self.env.ref("psa_hub.cause_poison"),
                         self.env["psa.exception.cause"].search([("has_open", "=", True)]))

    def test_cause_cards_come_dearest_first(self):
        self.raise_one("a", amount=100)
        self.raise_one("b", "closed_project", amount=250)
        causes = self.env["psa.exception.cause"].search([("has_open", "=", True)], order="open_amount desc")
        self.assertEqual(causes.mapped("open_amount"), sorted(causes.mapped("open_amount"), reverse=True))
        self.assertEqual(causes[0].open_amount, 250)


@tagged("post_install", "-at_install")
class TestExceptionRace(TransactionCase):
    """Two real transactions raise the same exception at once."""

    def test_two_at_once_make_one_row(self):
        subject = "race:test_two_at_once"
        database = db_connect(self.env.cr.dbname)

        def raise_in(env):
            spec = {"cause": "unknown_person", "subject_key": subject, "text": "Race", "company_id": 1}
            return env["psa.exception"]._raise([spec])["unknown_person", subject]

        def clean():
            with database.cursor() as cursor:
                cursor.execute("DELETE FROM psa_exception WHERE subject_key = %s", [subject])

        self.addCleanup(clean)
        outcome = []
        with database.cursor() as first, database.cursor() as second:
            # environments are made here: a thread would wait for the registry lock that the test runner holds
            first_env, second_env = (api.Environment(cursor, SUPERUSER_ID, {}) for cursor in (first, second))
            second.execute("SELECT 1")  # its snapshot is older than what the first one commits
            raise_in(first_env)

            def raise_second():
                try:
                    raise_in(second_env)
                except psycopg2.errors.SerializationFailure as error:
                    outcome.append(error)

            with mute_logger("odoo.sql_db"):
                thread = threading.Thread(target=raise_second)
                thread.start()
                thread.join(0.5)
                self.assertTrue(thread.is_alive(), "the second one waits for the first")
                first.commit()
                thread.join(10)
            self.assertEqual(len(outcome), 1, "and is told to repeat")
            second_env.invalidate_all(flush=False)
            second.rollback()
            self.assertEqual(raise_in(second_env).recurrence_count, 2)
            second.commit()
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), sum(recurrence_count) FROM psa_exception WHERE subject_key = %s", [subject])
            self.assertEqual(cursor.fetchone(), (1, 2))
