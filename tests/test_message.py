from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..connectors import base
from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestMessage(EngineCase):
    """Intake, release, replay, waiving and the outbox."""

    # === INTAKE === #
    def test_key_is_unique_for_ever(self):
        self.receive("account", self.account("A1"))
        message = self.messages()
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            message.copy({"dedupe_key": message.dedupe_key})
        message.payload = False  # purged
        self.assertEqual(self.receive("account", self.account("A1")), 0)

    def test_key_by_version_else_by_content(self):
        self.assertEqual(self.receive("account", self.account("A1", "1"), self.account("A1", "2"),
                                      self.account("A1", "1", "delete")), 3)
        self.assertEqual(self.receive("account", self.account("A2", "", Name="a"), self.account("A2", "", Name="b"),
                                      self.account("A2", "", Name="a")), 2)

    def test_numbers_keep_their_digits(self):
        from decimal import Decimal
        self.receive("account", ("A1", "1", {"Name": "x", "Total": Decimal("10.10")}))
        self.assertEqual(self.messages().payload, '{"Name":"x","Total":10.10}')

    def test_text_that_the_database_refuses(self):
        self.receive("account", ("A\x001", "1", {"Name": "half \ud83d a pair and a nul \x00"}))
        self.drain()
        message = self.messages()
        self.assertEqual(message.external_id, "A1")
        self.assertIn("\\ud83d", message.payload)
        self.assertEqual(message.exception_id.cause_code, "invalid_data")

    def test_receiving_is_a_fixed_number_of_queries(self):
        stream = self.streams["account"]
        records = [base.RawRecord("Account", f"A{number}", "1", {"Name": "x"}) for number in range(500)]
        self.receive("account", self.account("warm"))
        with self.assertQueryCount(5):
            self.env["psa.message"]._receive(stream, records, "pull")

    def test_arrival_wakes_the_lane_once(self):
        job = self.env.ref("psa_hub.cron_lane_master_1")
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)])
        triggers.unlink()
        for number in range(20):
            self.receive("account", self.account(f"A{number}"))
        self.assertEqual(self.env["ir.cron.trigger"].search_count([("cron_id", "=", job.id)]), 1)

    def test_a_later_retry_is_asked_for(self):
        job = self.env.ref("psa_hub.cron_lane_master_1")
        job.nextcall = fields.Datetime.now() + timedelta(days=1)
        self.receive("account", self.account("A1"))
        self.messages().write({"state": "retry", "next_attempt_at": fields.Datetime.now() + timedelta(hours=2)})
        self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)]).unlink()
        self.drain()
        self.drain()
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)])
        self.assertEqual(trigger.mapped("call_at"), self.messages().mapped("next_attempt_at"))

    # === PEOPLE === #
    def test_only_buttons_change_messages(self):
        self.receive("account", self.account("A1"))
        operator = new_test_user(self.env, "op", groups="psa_hub.group_operator")
        auditor = new_test_user(self.env, "au", groups="psa_hub.group_auditor")
        message = self.messages()
        with self.assertRaises(AccessError):
            message.with_user(operator).write({"state": "done"})
        with self.assertRaises(AccessError):
            message.with_user(auditor).action_retry()
        message.write({"state": "dead"})
        message.with_user(operator).action_retry()
        self.assertEqual(message.state, "pending")

    def test_waive(self):
        self.faults["hold", "A1"] = "No."
        self.receive("account", self.account("A1"))
        self.drain()
        message, exception = self.messages(), self.exceptions()
        with self.assertRaisesRegex(UserError, "Say why"):
            message.action_waive(" ")
        message.action_waive("Customer is gone")
        self.assertEqual((message.state, message.skip_reason), ("skipped", "waived"))
        self.assertEqual(exception.state, "resolved")
        audit = self.env["psa.audit"].search([("event", "=", "message.waive"), ("res_id", "=", message.id)])
        self.assertEqual(audit.reason, "Customer is gone")
        with self.assertRaisesRegex(UserError, "finished already"):
            message.action_waive("Again")

    # === REPLAY === #
    def test_replay_one(self):
        self.receive("account", self.account("A1"))
        self.drain()
        message = self.messages()
        message.action_retry()
        again = self.messages(origin="replay")
        self.assertEqual((again.origin_message_id, again.payload), (message, message.payload))
        self.drain()
        self.assertEqual((message.state, again.state), ("done", "done"))
        self.assertEqual(self.partner("Account", "A1").function, "2")
        message.action_retry()
        self.assertEqual(len(self.messages(origin="replay")), 2)

    def test_replay_many_of_one_record_ends_in_the_newest(self):
        for version in ("1", "2", "3"):
            self.receive("account", self.account("A1", version, Name=f"Name {version}"))
            self.drain()
        self.messages().action_retry()
        self.drain()
        self.assertEqual(self.partner("Account", "A1").name, "Name 3")
        self.assertEqual(self.states(), {("done", False): 4, ("skipped", "superseded"): 2})

    def test_an_old_replay_never_overwrites(self):
        for version in ("1", "2"):
            self.receive("account", self.account("A1", version, Name=f"Name {version}"))
            self.drain()
        self.messages(source_version="1").action_retry()
        self.drain()
        self.assertEqual(self.messages(origin="replay").skip_reason, "stale")
        self.assertEqual(self.partner("Account", "A1").name, "Name 2")

    def test_replay_since(self):
        self.receive("account", *(self.account(f"A{number}") for number in range(10)))
        self.drain()
        moment = fields.Datetime.now() - timedelta(days=1)
        self.messages(external_id="A0").received_at = moment - timedelta(days=1)
        wizard = self.env["psa.replay"].create({"connection_id": self.connection.id, "since": moment})
        self.assertEqual(wizard.count, 9)
        wizard.action_replay()
        self.assertEqual(len(self.messages(origin="replay")), 9)
        self.drain()
        self.assertEqual(self.states(), {("done", False): 19})

    def test_replay_by_stream_and_state(self):
        self.faults["hold", "A1"] = "No."
        self.receive("account", self.account("A1"), self.account("A2"))
        self.receive("contact", ("C1", "1", {"Name": "Ada", "AccountId": "A2"}))
        self.drain()
        self.faults.clear()
        moment = fields.Datetime.now() - timedelta(days=1)
        self.env["psa.replay"].create({
            "connection_id": self.connection.id, "since": moment, "states": "stuck",
            "stream_ids": self.streams["account"].ids}).action_replay()
        self.drain()
        self.assertEqual(self.states(), {("done", False): 3})
        with self.assertRaises(UserError):
            self.env["psa.replay"].create({"connection_id": self.connection.id}).action_replay()

    def test_purged_messages_cannot_be_replayed(self):
        self.receive("account", self.account("A1"))
        self.drain()
        self.messages().payload = False
        with self.assertRaisesRegex(UserError, "purged"):
            self.messages().action_retry()

    # === OUTBOX === #
    def emit(self, number, event="posted:1", external_id="A1"):
        return self.env["psa.message"]._emit(
            "billing_status", [(self.partner("Account", external_id), {"event": "posted", "invoice_number": number})],
            event)

    def test_emit_reaches_the_bound_record(self):
        self.receive("account", self.account("A1"))
        self.drain()
        self.assertEqual(self.emit("INV/1"), 1)
        push = self.messages("status")
        self.assertEqual((push.direction, push.lane, push.operation, push.state, push.origin),
                         ("out", "outbound", "push", "pending", "hub"))
        self.assertEqual((push.object_type, push.external_id), ("Account", "A1"))
        self.assertEqual(push.payload, '{"event":"posted","invoice_number":"INV/1"}')
        self.assertEqual(self.emit("INV/1"), 0, "the same event is told once")
        self.assertEqual(self.env["psa.message"]._emit("billing_status", [(self.env.user.partner_id, {})], "x"), 0)

    def test_emit_replaces_what_was_not_sent(self):
        self.receive("account", self.account("A1"), self.account("A2"))
        self.drain()
        self.emit("INV/1")
        self.emit("INV/1", external_id="A2")
        self.emit("INV/2", "posted:2")
        self.emit("INV/1", "posted:3")
        self.assertEqual([(push.external_id, push.state) for push in self.messages("status")], [
            ("A1", "skipped"), ("A2", "pending"), ("A1", "skipped"), ("A1", "pending")])

    def test_emit_to_streams_that_write_this_type(self):
        self.receive("contact", ("C1", "1", {"Name": "Ada"}))
        self.drain()
        count = self.env["psa.message"]._emit("billing_status", [(self.partner("Contact", "C1"), {})], "x")
        self.assertEqual(count, 0)
        self.receive("account", self.account("A1"))
        self.drain()
        self.streams["status"].active = False
        self.assertEqual(self.emit("INV/1"), 0)
