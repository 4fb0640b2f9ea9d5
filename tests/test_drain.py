# pylint: disable=invalid-commit  # what is tested commits; in tests a commit is a savepoint
from datetime import timedelta

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.sync.worker import Turn
from .engine_case import BulkHandler, EngineCase, PsaApplyError


@tagged("post_install", "-at_install")
class TestDrain(EngineCase):
    """One message, from its arrival to its end."""

    def test_apply_and_bind(self):
        self.receive("account", self.account("A1"))
        self.assertEqual(self.drain(), 1)
        message = self.messages()
        self.assertEqual((message.state, message.skip_reason, message.error), ("done", False, False))
        self.assertEqual(message.mapping_id, self.streams["account"].mapping_id)
        self.assertTrue(message.done_at)
        binding = self.env["psa.binding"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual((binding.object_type, binding.external_id, binding.source_version), ("Account", "A1", "1"))
        self.assertEqual(binding.res_id, self.partner("Account", "A1").id)
        self.assertEqual(binding.message_id, message)
        self.assertEqual(self.partner("Account", "A1").create_uid, self.connection.user_id)

    def test_same_message_ten_times_is_one_effect(self):
        received = [self.receive("account", self.account("A1")) for _time in range(5)]
        self.drain()
        received += [self.receive("account", self.account("A1"), origin="webhook") for _time in range(5)]
        self.drain()
        self.assertEqual(received, [1] + [0] * 9)
        self.assertEqual(len(self.messages()), 1)
        self.assertEqual(len(self.partner("Account", "A1")), 1)
        self.assertEqual(self.log, [("apply", ["A1"])])

    def test_out_of_order_ends_in_the_newest(self):
        self.receive("account", self.account("A1", "3", Name="Third"))
        self.drain()
        self.receive("account", self.account("A1", "1", Name="First"), self.account("A1", "2", Name="Second"))
        self.drain()
        self.receive("account", self.account("A1", "5", Name="Fifth"), self.account("A1", "4", Name="Fourth"))
        self.drain()
        self.assertEqual(self.partner("Account", "A1").name, "Fifth")
        self.assertEqual(
            self.states(), {("done", False): 2, ("skipped", "superseded"): 2, ("skipped", "stale"): 1})

    def test_without_versions_the_last_arrival_counts(self):
        self.receive("account", self.account("A1", "", Name="First"))
        self.drain()
        self.receive("account", self.account("A1", "", Name="Second"))
        first = self.messages()[0]
        self.drain()
        self.assertEqual(self.partner("Account", "A1").name, "Second")
        first.write({"state": "pending"})
        self.drain()
        self.assertEqual(first.skip_reason, "stale")
        self.assertEqual(self.partner("Account", "A1").name, "Second")

    def test_unchanged_record_is_not_written_again(self):
        self.receive("account", self.account("A1", "1", Phone="1"))
        self.drain()
        self.receive("account", self.account("A1", "2", Phone="2"))  # no mapped field changed
        self.drain()
        self.assertEqual(self.states(), {("done", False): 1, ("skipped", "unchanged"): 1})
        self.assertEqual(len(self.log), 1)
        binding = self.env["psa.binding"].search([("external_id", "=", "A1")])
        self.assertEqual(binding.source_version, "2")

    def test_deleted_and_back(self):
        self.receive("account", self.account("A1", "1"))
        self.receive("account", self.account("NEVER", "1", "delete"))
        self.drain()
        self.receive("account", self.account("A1", "2", "delete"))
        self.drain()
        self.assertFalse(self.partner("Account", "A1").active)
        binding = self.env["psa.binding"].search([("external_id", "=", "A1")])
        self.assertTrue(binding.deleted_at_source)
        self.receive("account", self.account("A1", "3"))
        self.drain()
        self.assertFalse(binding.deleted_at_source)
        self.assertEqual(self.states(), {("done", False): 3, ("skipped", "out_of_scope"): 1})

    def test_merge_moves_references(self):
        self.receive("account", self.account("A1"), self.account("A2"), self.account("A3"))
        self.drain()
        self.receive("account", ("A1", "2", {"winner": "A2"}, "merge"))
        self.drain()
        self.receive("account", ("A2", "2", {"winner": "A3"}, "merge"))
        self.receive("account", self.account("A1", "1a", Name="Late change of the loser"))
        self.receive("account", self.account("A1", "3", "delete"))
        self.drain()
        resolved = self.env["psa.binding"]._resolve(self.connection, {("Account", "A1"), ("Account", "A2")})
        third = self.partner("Account", "A3")
        self.assertEqual(set(resolved.values()), {("res.partner", third.id)})
        self.assertEqual(third.name, "Account A3")
        late = self.messages(source_version="3") | self.messages(source_version="1a")
        self.assertEqual({(message.state, message.skip_reason) for message in late}, {
            ("skipped", "out_of_scope"), ("skipped", "superseded")})

    def test_merge_into_a_record_that_is_not_there_yet(self):
        self.receive("account", self.account("A1"))
        self.receive("account", ("A1", "2", {"winner": "A9"}, "merge"))
        self.drain()
        self.assertEqual(self.messages(operation="merge").state, "waiting")
        self.receive("account", self.account("A9"))
        self.drain()
        self.assertEqual(self.messages(operation="merge").state, "done")

    def test_record_deleted_in_odoo_comes_back(self):
        self.receive("account", self.account("A1"))
        self.drain()
        self.partner("Account", "A1").unlink()
        self.receive("account", self.account("A1", "2"))
        self.drain()
        self.assertEqual(len(self.partner("Account", "A1")), 1)
        self.assertEqual(self.states(), {("done", False): 2})

    # === WHAT CANNOT BE APPLIED === #
    def test_poison_is_dead_with_its_bytes(self):
        stream = self.streams["account"]
        self.receive("account", ("A1", "1", "<not json>"))
        self.receive("account", self.account("A2"))
        self.drain()
        poison = self.messages(external_id="A1")
        self.assertEqual((poison.state, poison.payload), ("dead", "<not json>"))
        self.assertEqual(poison.exception_id.cause_code, "poison")
        self.assertEqual(self.messages(external_id="A2").state, "done")
        self.receive("account", self.account("A1", "2"))
        self.drain()
        self.assertEqual((poison.state, poison.skip_reason), ("skipped", "superseded"))
        self.assertFalse(self.exceptions())
        self.assertEqual(stream.connection_id, self.connection)

    def test_invalid_data_names_the_field(self):
        self.master()
        self.receive("hour", self.hour("H1", hours="many"))
        self.drain("transaction")
        message = self.messages("hour")
        self.assertEqual((message.state, message.wait_key), ("held", f"record:{self.connection.id}:Hour:H1"))
        self.assertEqual(message.exception_id.cause_code, "invalid_data")
        self.assertIn("“Hours” “many” is not a number", message.error)
        self.receive("hour", self.hour("H1", "2"))
        self.drain("transaction")
        self.assertEqual((message.state, message.skip_reason), ("skipped", "superseded"))
        self.assertEqual(message.exception_id, self.env["psa.exception"])
        self.assertFalse(self.exceptions())

    def test_one_bad_in_500_costs_one_exception(self):
        self.receive("account", *(self.account(f"A{number}") for number in range(500)))
        self.faults["A321"] = UserError("This customer is not wanted.")
        self.assertEqual(self.drain(), 500)
        self.assertEqual(self.states(), {("done", False): 499, ("held", False): 1})
        self.assertEqual(self.exceptions().cause_code, "apply_error")
        self.assertIn("This customer is not wanted.", self.exceptions().name)
        self.assertEqual(
            self.env["res.partner"].search_count([("ref", "=like", "Account/A%"), ("function", "=", "1")]), 499)
        self.assertLessEqual(len(self.log), 2 * 9 + 2)

    def test_named_culprit_needs_no_bisection(self):
        self.receive("account", *(self.account(f"A{number}") for number in range(100)))
        original = self.env["psa.apply"]._handler

        def handler(model, _type):
            result = original(_type)
            apply = result._apply

            def _apply(items):
                for item in items:
                    if item.external_id == "A50":
                        raise PsaApplyError("No.", cause="incomplete_terms", item=item)
                apply(items)
            result._apply = _apply
            return result

        self.patch(type(self.env["psa.apply"]), "_handler", handler)
        self.drain()
        self.assertEqual(self.states(), {("done", False): 99, ("held", False): 1})
        self.assertEqual(self.exceptions().cause_code, "incomplete_terms")
        self.assertEqual([len(ids) for _what, ids in self.log], [99])

    def test_a_message_is_atomic(self):
        self.master()
        days = [{"date": f"2026-05-0{day}", "hours": 8} for day in range(4, 9)]
        week = {"project": "P1", "resource": "R1", "days": days, "amount": "100",
                "currency": self.env.company.currency_id.name}
        self.receive("week", ("W1", "1", week))
        self.faults["hold", "W1:2026-05-06"] = "Wednesday is missing something."
        self.drain("transaction")
        message = self.messages("week")
        self.assertEqual(message.state, "held")
        self.assertEqual(message.risk_amount, 500.0)
        self.assertEqual(message.exception_id.amount, 500.0)
        self.assertFalse(self.env["psa.binding"].search([("object_type", "=", "Week#day")]))
        self.faults.clear()
        message.exception_id.action_retry()
        self.drain("transaction")
        self.assertEqual((message.state, message.risk_amount), ("done", 0.0))
        self.assertFalse(self.exceptions())
        self.assertEqual(self.env["psa.binding"].search_count([("part_of", "=", "W1")]), 5)

    def test_a_part_that_is_gone_is_deleted(self):
        self.master()
        days = [{"date": f"2026-05-0{day}", "hours": 8} for day in range(4, 9)]
        week = {"project": "P1", "resource": "R1"}
        self.receive("week", ("W1", "1", {**week, "days": days}))
        self.drain("transaction")
        self.receive("week", ("W1", "2", {**week, "days": days[:3]}))
        self.drain("transaction")
        self.assertIn(("delete", ["W1:2026-05-07", "W1:2026-05-08"]), self.log)
        self.receive("week", ("W1", "3", {}, "delete"))
        self.drain("transaction")
        self.assertEqual(self.log[-1], ("delete", ["W1:2026-05-04", "W1:2026-05-05", "W1:2026-05-06"]))
        self.assertFalse(self.env["psa.binding"].search([
            ("part_of", "=", "W1"), ("deleted_at_source", "=", False)]))

    @mute_logger("odoo.addons.psa_hub.models.sync.drain.applying")
    def test_unexpected_error_retries_then_dies(self):
        self.connection.attempt_limit = 3
        self.receive("account", self.account("A1"), self.account("A2"))
        self.faults["A1"] = KeyError("boom")
        self.drain()
        bad, good = self.messages()
        self.assertEqual((bad.state, bad.attempt_count, good.state), ("retry", 1, "done"))
        self.assertGreater(bad.next_attempt_at, bad.received_at)
        self.assertFalse(self.exceptions(), "no exception until the budget is spent")
        for _attempt in range(2):
            self.drain()
            self.assertEqual(bad.state, "retry", "not before its time")
            bad.next_attempt_at -= timedelta(hours=1)
            self.drain()
        self.assertEqual((bad.state, bad.attempt_count), ("dead", 3))
        self.assertEqual(self.exceptions().cause_code, "dead_letter")
        self.assertIn("KeyError", self.exceptions().detail)
        self.faults.clear()
        bad.action_retry()
        self.drain()
        self.assertEqual(bad.state, "done")
        self.assertFalse(self.exceptions())

    def test_paused_connection_keeps_its_messages(self):
        self.receive("account", self.account("A1"))
        self.connection.state = "paused"
        self.assertEqual(self.drain(), 0)
        self.assertEqual(self.messages().state, "pending")
        self.connection.state = "connected"
        self.assertEqual(self.drain(), 1)

    def test_neutralized_database_runs_nothing(self):
        self.receive("account", self.account("A1"))
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.assertEqual(self.drain(), 0)
        self.assertEqual(self.messages().state, "pending")

    def test_conservation(self):
        """Each input ends in exactly one state, and the counts tie."""
        self.master()
        self.faults["H7"] = UserError("Refused.")
        self.faults["hold", "H8"] = "Held."
        sent = [self.hour(f"H{number}") for number in range(40)]
        sent += [self.hour("H1", "2", hours=1), self.hour("H2", "0"), self.hour("H3", "2", note=None)]
        sent += [self.hour("H50", project="NONE"), self.hour("H51", hours="x"), ("H52", "1", "garbage")]
        sent += [self.hour("H4"), self.hour("H5")]  # delivered twice
        self.assertEqual(self.receive("hour", *sent), 46)
        self.drain("transaction")
        states = self.states("hour")
        self.assertEqual(sum(states.values()), 46)
        self.assertEqual(states, {
            ("done", False): 38, ("skipped", "superseded"): 3, ("held", False): 3, ("waiting", False): 1,
            ("dead", False): 1})
        self.assertEqual(self.env["psa.binding"].search_count([("object_type", "=", "Hour")]), 38)
        self.assertEqual(sum(self.exceptions().mapped("holder_count")), 4)

    def test_a_batch_is_a_fixed_number_of_queries(self):
        """Ten times the messages, the same number of queries."""
        counts = []
        turn = Turn(self.connection)
        for size in (30, 300):
            self.master()
            self.receive("hour", *(self.hour(f"H{size}-{number}") for number in range(size)))
            self.env["psa.lane"]._run_batch("transaction", turn, 1)  # warm caches
            self.env.cr.commit()
            self.patch(type(self.env["psa.apply"]), "_handler", lambda model, _type: BulkHandler(model.env, [], {}))
            before = self.env.cr.sql_log_count
            self.env["psa.lane"]._run_batch("transaction", turn, 300)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(self.states("hour"), {("done", False): 330})
        self.assertLessEqual(counts[1], counts[0] + 2, "one more INSERT for each 100 partners is the handler's")
        self.assertTrue(10 < counts[1] < 40, counts)
