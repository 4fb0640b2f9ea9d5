from contextlib import ExitStack
from datetime import date

from odoo.exceptions import AccessError
from odoo.tests import Form, tagged

from .billing_common import BillingCase
from .fake_connector import FakeConnector, registered


class HolderCase(BillingCase):
    """A contract without a rate, and a connection with messages that are held."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(FakeConnector()))
        cls.connection = cls.env["psa.connection"].create({
            "name": "Fake", "connector_code": "fake", "environment": "sandbox", "company_id": cls.company.id,
        })
        cls.stream = cls.connection.stream_ids.filtered(lambda stream: stream.code == "account")
        cls.people = cls.connection.stream_ids.filtered(lambda stream: stream.code == "person")

    def hold(self, numbers, subject="record:{connection}:Account:A1", cause="missing_parent", risk=100.0, **values):
        """Return ``(exception, messages)``: one held message per number, as the drain leaves them."""
        subject = subject.format(connection=self.connection.id)
        exception = self.env["psa.exception"]._raise([{
            "cause": cause, "subject_key": subject, "text": "Account A1 is missing.", "company_id": self.company.id,
            "connection_id": self.connection.id,
        }])[cause, subject]
        messages = self.env["psa.message"].sudo().create([
            {
                "connection_id": self.connection.id, "stream_id": self.people.id, "company_id": self.company.id,
                "lane": "master", "dedupe_key": f"{subject}:{number}", "object_type": "Contact",
                "external_id": str(number), "payload": '{"Name": "Dana", "AccountId": "A1"}',
                "state": "held", "wait_key": subject,
                "exception_id": exception.id, "risk_amount": risk, **values,
            }
            for number in numbers
        ])
        exception._refresh_amounts()
        return exception, messages


@tagged("post_install", "-at_install")
class TestHolders(HolderCase):

    def test_amount_is_the_sum_of_what_waits(self):
        exception, messages = self.hold(range(5), risk=100.1)
        self.assertEqual((exception.holder_count, exception.amount), (5, 500.5))
        messages[:2].sudo().write({"state": "done", "exception_id": False})
        exception._refresh_amounts()
        self.assertEqual((exception.holder_count, exception.amount), (3, 300.3))

    def test_holders_of_another_company_are_converted(self):
        other = self.env["res.company"].create({"name": "Euro", "currency_id": self.env.ref("base.EUR").id})
        self.env.ref("base.EUR").active = True
        self.env["res.currency.rate"].create({
            "name": "2020-01-01", "currency_id": self.env.ref("base.USD").id, "company_id": other.id,
            "inverse_company_rate": 0.5,
        })
        self.env["res.currency.rate"].create({
            "name": "2020-01-01", "currency_id": self.env.ref("base.EUR").id, "company_id": self.company.id,
            "inverse_company_rate": 2.0,
        })
        exception, messages = self.hold(range(2), risk=100)
        messages[0].sudo().company_id = other
        exception._refresh_amounts()
        self.assertEqual(exception.amount, 300.0)

    def test_closes_when_the_last_one_is_gone(self):
        exception, messages = self.hold(range(2))
        messages[0].sudo().write({"state": "done", "exception_id": False})
        self.assertFalse(exception._close_if_released())
        self.assertEqual(exception.state, "new")
        messages[1].sudo().write({"state": "done", "exception_id": False})
        self.assertEqual(exception._close_if_released(), exception)
        self.assertEqual(exception.state, "resolved")
        self.assertTrue(exception.closed_at)

    def test_retry_sends_messages_again(self):
        exception, messages = self.hold(range(3))
        exception.with_user(self.preparer).action_retry()
        self.assertEqual(set(messages.mapped("state")), {"waiting"}, "nobody has asked the source for A1 yet")
        self.assertEqual(exception.state, "resolved")
        audit = self.env["psa.audit"].search([("event", "=", "exception.retry"), ("res_id", "=", exception.id)])
        self.assertEqual(audit.user_id, self.preparer)

    def test_waive_skips_messages(self):
        exception, messages = self.hold(range(2), risk=10)
        exception.with_user(self.reviewer).action_waive("Test data of the source.")
        self.assertEqual(exception.state, "waived")
        self.assertEqual(set(messages.mapped("state")), {"skipped"})
        self.assertEqual(set(messages.mapped("skip_reason")), {"waived"})

    def test_single_messages_have_the_same_limit(self):
        self.company.psa_waive_limit = 50
        _exception, messages = self.hold(range(2), risk=50.01)
        with self.assertRaises(AccessError):
            messages.with_user(self.preparer).action_waive("no right")
        for user in (self.reviewer, self.approver):
            with self.assertRaises(AccessError):
                messages.with_user(user).action_waive("too much for one person")
        self.company.psa_waive_limit = 51
        wizard = self.env["psa.exception.waive"].with_user(self.approver).with_context(
            active_model="psa.message", active_ids=messages.ids).create({"reason": "Agreed."})
        self.assertAlmostEqual(wizard.amount, 100.02)
        wizard.action_waive()
        self.assertEqual(set(messages.mapped("state")), {"skipped"})

    def test_link_to_an_existing_record_releases(self):
        exception, messages = self.hold(range(3))
        action = exception.with_user(self.preparer).action_fix()
        self.assertEqual(action["res_model"], "psa.exception.link")
        wizard = self.env["psa.exception.link"].with_user(self.preparer).with_context(**action["context"]).create({})
        self.assertEqual((wizard.model, wizard.object_type, wizard.external_id), ("res.partner", "Account", "A1"))
        wizard.partner_id = self.customer
        wizard.action_link()
        binding = self.env["psa.binding"].search(
            [("connection_id", "=", self.connection.id), ("object_type", "=", "Account")])
        self.assertEqual((binding.object_type, binding.external_id, binding.res_model, binding.res_id),
                         ("Account", "A1", "res.partner", self.customer.id))
        self.assertEqual(set(messages.mapped("state")), {"done"}, "in the same transaction")
        self.assertEqual(exception.state, "resolved")
        self.assertEqual((exception.freed_count, messages.freed_from_id), (3, exception))

    def test_link_twice_makes_an_alias(self):
        first = self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Account", "external_id": "A0",
            "canonical_type": "party", "res_model": "res.partner", "res_id": self.customer.id,
        })
        exception, _messages = self.hold(range(1), cause="duplicate_party")
        self.assertEqual(exception._link_to(self.customer).alias_of_id, first)

    def test_unknown_value_opens_its_row(self):
        exception, _messages = self.hold(
            range(1), subject="value:{connection}:role:Sr. Architect: EMEA", cause="unmapped_value")
        row = self.env["psa.value.map"].create({
            "connection_id": self.connection.id, "domain": "role", "source_value": "Sr. Architect: EMEA"})
        action = exception.action_fix()
        self.assertEqual((action["res_model"], action["res_id"]), ("psa.value.map", row.id))
        row.target_ref = self.architect
        self.assertEqual(_messages.state, "waiting", "giving the value a meaning releases what waited")


@tagged("post_install", "-at_install")
class TestEntryHolders(HolderCase):

    def test_creating_the_rate_from_the_button_releases_everything(self):
        order = self.make_contract(("time_material", 10, 0))
        entries = self.make_time(order, [(date(2026, 5, 4), 8), (date(2026, 5, 5), 7.5)], source_amount=800)
        exception = entries.exception_id
        self.assertEqual(exception.cause_code, "missing_rate")
        self.assertEqual(set(entries.mapped("state")), {"held"})
        self.assertEqual(exception.holder_count, 2)
        self.assertEqual(exception.amount, 1600)
        self.assertEqual(order.psa_exception_count, 1)
        self.assertEqual(order.psa_exception_amount, 1600)
        self.assertEqual(order.partner_id.psa_exception_count, 1)
        action = exception.with_user(self.approver).action_fix()
        form = Form(self.env["psa.rate"].with_user(self.approver).with_context(**action["context"]))
        self.assertEqual(form.order_id, order)
        self.assertEqual(form.employee_id, self.ada)
        self.assertEqual(form.date_from, date(2026, 5, 4))
        form.amount = 150
        form.save()
        self.assertEqual(set(entries.mapped("state")), {"approved"})
        self.assertEqual(entries.mapped("amount"), [1200, 1125])
        self.assertEqual(exception.state, "resolved")
        order.invalidate_recordset()
        self.assertFalse(order.psa_exception_count)

    def test_retry_without_a_fix_comes_back(self):
        order = self.make_contract(("time_material", 10, 0))
        exception = self.make_time(order, [8]).exception_id
        exception.with_user(self.preparer).action_retry()
        self.assertEqual(exception.state, "new")
        self.assertEqual(exception.recurrence_count, 2)

    def test_waive_excludes_entries(self):
        order = self.make_contract(("time_material", 10, 0))
        entries = self.make_time(order, [8], source_amount=100)
        exception = entries.exception_id
        exception.with_user(self.approver).action_waive("Goodwill.")
        self.assertEqual((entries.state, entries.reason), ("excluded", "waived"))
        self.assertFalse(entries.exception_id)
        self.assertEqual(exception.state, "waived")

    def test_only_operators_touch_entries(self):
        order = self.make_contract(("time_material", 10, 0))
        entries = self.make_time(order, [8])
        auditor = self.preparer.copy({"login": "only_looks", "group_ids": [
            (6, 0, [self.env.ref("psa_hub.group_auditor").id])]})
        with self.assertRaises(AccessError):
            entries.with_user(auditor).action_retry()
        with self.assertRaises(AccessError):
            entries.with_user(self.preparer).action_waive("no right")
