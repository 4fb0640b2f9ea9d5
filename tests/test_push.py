# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..connectors.base import PushResult
from ..connectors.errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    DataError,
    NotFoundError,
    PoisonError,
    TransientError,
)
from ..models.sync.gate import GateClosed
from .link_case import Killed, LinkCase

POSTED = {"event": "posted", "invoiced": True, "invoice_number": "INV/1", "amount_total": "100.00", "currency": "EUR"}


@tagged("post_install", "-at_install")
class TestPush(LinkCase):

    def setUp(self):
        super().setUp()
        self.partners = self.env["res.partner"].create([{"name": f"Customer {number}"} for number in range(5)])
        self.env["psa.binding"].create([
            {"connection_id": self.connection.id, "object_type": "Account", "external_id": f"A{number}",
             "canonical_type": "party", "res_model": "res.partner", "res_id": partner.id}
            for number, partner in enumerate(self.partners)])
        self.env.cr.commit()

    def emit(self, *numbers, event="1", **values):
        self.env["psa.message"]._emit(
            "billing_status", [(self.partners[number], {**POSTED, **values}) for number in numbers or range(5)],
            f"move:7:posted:{event}")
        self.env.cr.commit()
        return self.pushes()

    def pushes(self):
        self.env.invalidate_all()
        return self.messages(self.status)

    def push(self):
        self.env["psa.stream"]._cron_push()
        return self.pushes()

    def due(self):
        self.pushes().filtered(lambda message: message.state == "retry").next_attempt_at = "2020-01-01 00:00:00"
        self.env.cr.commit()

    # --- written -----------------------------------------------------------------------------------------------------

    def test_written_once_with_the_intent_first(self):
        intents = []
        real = self.fake.push

        def push(session, outbound, items):
            self.env.cr.rollback()  # what is not committed yet does not count
            intents.append(len(self.pushes().filtered("sent_at")))
            return real(session, outbound, items)
        self.emit()
        with patch.object(self.fake, "push", push):
            messages = self.push()
        self.assertEqual(intents, [5])
        self.assertEqual(messages.mapped("state"), ["done"] * 5)
        self.assertEqual(messages[0].source_version, "2026-01-01T00:00:00Z")
        self.assertEqual([item.values["invoice_number"] for item in self.fake.pushed], ["INV/1"] * 5)
        self.assertFalse(any(item.in_doubt for item in self.fake.pushed))
        self.push()
        self.assertEqual(len(self.fake.pushed), 5)

    def test_binding_keeps_its_version(self):
        """A change that somebody made just before our write shares its version: it must still be read."""
        binding = self.env["psa.binding"].search([
            ("external_id", "=", "A0"), ("connection_id", "=", self.connection.id)])
        binding.source_version = "2025-12-31T00:00:00Z"
        self.emit(0)
        self.push()
        self.assertEqual(binding.source_version, "2025-12-31T00:00:00Z")

    def test_batches_of_the_declared_size(self):
        self.status.page_size = 2
        self.emit()
        self.push()
        self.assertEqual([len(call[2]) for call in self.fake.calls], [2, 2, 1])

    def test_parts_of_one_record_travel_together(self):
        """A batch of three, and days that belong together in pairs: no pair is cut."""
        self.status.page_size = 3
        bindings = self.env["psa.binding"].search([("connection_id", "=", self.connection.id)], order="external_id")
        bindings[0].part_of = bindings[3].part_of = "W1"
        bindings[1].part_of = bindings[2].part_of = "W2"
        self.emit()
        self.push()
        self.assertEqual([set(call[2]) for call in self.fake.calls], [{"A0", "A3"}, {"A1", "A2", "A4"}])

    def test_keys_are_the_same_at_each_attempt_and_differ_between_messages(self):
        self.emit(0, 1)
        self.fake.faults.append(TransientError("Busy."))
        seen = []
        real = self.fake.push

        def push(session, outbound, items):
            seen.append([item.key for item in items])
            return real(session, outbound, items)
        with patch.object(self.fake, "push", push):
            self.push()
            self.due()
            self.push()
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(len(set(seen[0])), 2)

    def test_changes_of_one_target_go_in_order(self):
        first = self.emit(0)
        self.env["psa.message"].create({  # an older one that was not superseded because it was being sent
            **first.copy_data()[0], "dedupe_key": "second", "payload": '{"event": "paid"}', "state": "pending",
            "received_at": fields.Datetime.now()})
        self.env.cr.commit()
        self.push()
        self.assertEqual([item.values["event"] for item in self.fake.pushed], ["posted", "paid"])
        self.assertEqual(len(self.fake.calls), 2, "Not in one batch: a connector may write a batch in any order")

    def test_later_one_waits_while_the_older_is_to_be_retried(self):
        first = self.emit(0)
        self.fake.faults.append(TransientError("Busy."))
        self.push()
        self.env["psa.message"].create({
            **first.copy_data()[0], "dedupe_key": "second", "payload": '{"event": "paid"}', "state": "pending",
            "received_at": fields.Datetime.now()})
        self.env.cr.commit()
        self.push()
        self.assertFalse(self.fake.pushed)
        self.due()
        self.push()
        self.assertEqual([item.values["event"] for item in self.fake.pushed], ["posted", "paid"])

    # --- lost answers ------------------------------------------------------------------------------------------------

    def test_lost_answer_goes_again_in_doubt(self):
        self.emit(0)
        self.fake.faults.append(TransientError("The server did not answer in time.", maybe_done=True))
        message = self.push()
        self.assertEqual((message.state, message.attempt_count), ("retry", 1))
        self.assertGreater(message.next_attempt_at, fields.Datetime.now())
        self.due()
        self.push()
        self.assertEqual([item.in_doubt for item in self.fake.pushed], [True])
        self.assertEqual(self.pushes().state, "done")

    def test_failure_before_sending_leaves_no_doubt(self):
        self.emit(0)
        self.fake.faults.append(TransientError("Could not be reached.", maybe_done=False))
        self.push()
        self.due()
        self.push()
        self.assertEqual([item.in_doubt for item in self.fake.pushed], [False])

    def test_killed_after_the_call_goes_again_in_doubt(self):
        self.emit(0)
        try:
            with patch.object(type(self.status), "_settle", side_effect=Killed):
                self.push()
            self.fail("It was not killed")
        except Killed:
            self.env.cr.rollback()
        self.assertEqual(len(self.fake.pushed), 1)
        message = self.pushes()
        self.assertEqual(message.state, "pending", "Nothing is stuck")
        self.assertTrue(message.sent_at)
        self.push()
        self.assertEqual([item.in_doubt for item in self.fake.pushed], [False, True])
        self.assertEqual(self.fake.pushed[0].key, self.fake.pushed[1].key)
        self.assertEqual(self.pushes().state, "done")

    @mute_logger("odoo.addons.psa_hub.models.sync.psa_stream_push")
    def test_unreadable_answer_or_a_bug_is_in_doubt(self):
        for fault in (PoisonError("Not JSON."), KeyError("secret-in-a-bug")):
            self.emit(0, event=str(fault))
            self.fake.faults.append(fault)
            message = self.push()[-1]
            self.assertEqual(message.state, "retry")
            self.assertNotIn("secret-in-a-bug", message.error)
        self.due()
        self.push()
        self.assertTrue(self.fake.pushed[-1].in_doubt)

    def test_record_without_a_result_is_in_doubt(self):
        self.emit(0, 1)
        with patch.object(self.fake, "push", lambda session, outbound, items: [PushResult(items[0].key)]):
            messages = self.push()
        self.assertEqual(messages.mapped("state"), ["done", "retry"])
        self.assertTrue(messages[1].sent_at)

    # --- partial, refused, conflict ----------------------------------------------------------------------------------

    def test_partial(self):
        self.fake.push_errors = {
            "A1": DataError("The record is locked.", code="ENTITY_IS_LOCKED"),
            "A2": ConflictError("Both changed.", ours="INV/1", theirs="INV/9"),
            "A3": TransientError("Row lock.", retry_after=600),
            "A4": NotFoundError("It was deleted."),
        }
        messages = self.emit()
        self.push()
        by_id = {message.external_id: message for message in self.pushes()}
        self.assertEqual({external_id: message.state for external_id, message in by_id.items()},
                         {"A0": "done", "A1": "held", "A2": "held", "A3": "retry", "A4": "held"})
        self.assertEqual(by_id["A1"].exception_id.cause_code, "write_back_refused")
        self.assertEqual(by_id["A1"].error_code, "ENTITY_IS_LOCKED")
        self.assertEqual(by_id["A1"].exception_id.res_id, self.partners[1].id)
        conflict = by_id["A2"].exception_id
        self.assertEqual(conflict.cause_code, "write_back_conflict")
        self.assertIn("INV/1", conflict.name)
        self.assertIn("INV/9", conflict.name)
        self.assertEqual(by_id["A4"].exception_id.cause_code, "write_back_refused")
        wait = (by_id["A3"].next_attempt_at - fields.Datetime.now()).total_seconds()
        self.assertAlmostEqual(wait, 600, delta=5)
        self.assertEqual(len(messages), 5)

    def test_retry_after_fixing_closes_the_exception(self):
        self.fake.push_errors = {"A1": DataError("The record is locked.")}
        self.emit(1)
        message = self.push()
        exception = message.exception_id
        self.assertEqual(exception.holder_count, 1)
        self.fake.push_errors = {}
        exception.action_retry()
        self.env.cr.commit()
        self.push()
        self.assertEqual(self.pushes().state, "done")
        self.assertEqual(exception.state, "resolved")

    def test_batch_that_is_refused_as_a_whole_is_halved(self):
        real = self.fake.push

        def push(session, outbound, items):
            if any(item.external_id == "A3" for item in items) and len(items) > 1:
                raise DataError("A value is not allowed.")
            if items[0].external_id == "A3":
                raise DataError("A value is not allowed.")
            return real(session, outbound, items)
        self.emit()
        with patch.object(self.fake, "push", push):
            self.push()
        self.assertEqual({message.external_id: message.state for message in self.pushes()},
                         {"A0": "done", "A1": "done", "A2": "done", "A3": "held", "A4": "done"})

    # --- waiting -----------------------------------------------------------------------------------------------------

    def test_refused_connection_costs_no_attempt(self):
        self.emit(0)
        self.fake.faults.append(ConnectionRefusedByVendor("The key was revoked."))
        message = self.push()
        self.assertEqual((message.state, message.attempt_count), ("pending", 0))
        self.push()
        self.assertEqual(len(self.fake.calls), 1, "The breaker is open")
        self.connection.action_check()
        self.env.cr.commit()
        self.push()
        self.assertEqual(self.pushes().state, "done")

    def test_gate_that_closes_within_a_batch_costs_no_attempt(self):
        self.emit(0)
        self.fake.push_errors = {"A0": GateClosed("The budget of calls is used up", retry_after=60)}
        message = self.push()
        self.assertEqual((message.state, message.attempt_count), ("retry", 0))

    def test_time_limit_ends_between_batches(self):
        self.status.page_size = 2
        self.emit()
        self.assertEqual(self.status._push(seconds=-1), 2)
        self.assertEqual(self.status._push(), 3)

    def test_paused_connection_keeps_its_outbox(self):
        self.emit(0)
        self.connection.action_pause()
        self.env.cr.commit()
        self.push()
        self.assertFalse(self.fake.calls)
        self.connection.action_resume()
        self.env.cr.commit()
        self.push()
        self.assertEqual(self.pushes().state, "done")

    def test_given_up_after_many_attempts(self):
        message = self.emit(0)
        message.attempt_count = self.connection.attempt_limit - 1
        self.env.cr.commit()
        self.fake.faults.append(TransientError("Busy.", maybe_done=True))
        self.push()
        message = self.pushes()
        self.assertEqual((message.state, message.exception_id.cause_code), ("dead", "dead_letter"))
        self.assertIn("Busy.", message.exception_id.name)

    def test_ended_by_a_person_while_it_was_sent_stays_ended(self):
        self.emit(0, 1)
        real = self.fake.push

        def push(session, outbound, items):
            self.pushes()[0].action_waive("Not needed any more")
            self.env.cr.commit()
            return real(session, outbound, items)
        with patch.object(self.fake, "push", push):
            self.push()
        self.assertEqual(self.pushes().mapped("state"), ["skipped", "done"])
