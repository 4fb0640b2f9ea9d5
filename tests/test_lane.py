# pylint: disable=invalid-commit  # what is tested commits; in tests a commit is a savepoint
import contextlib
from datetime import timedelta
from unittest.mock import patch

from psycopg2 import OperationalError

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.sync import worker
from ..models.sync.attempts import pause
from ..models.sync.drain import finish
from .engine_case import EngineCase

LANE_LOG = "odoo.addons.psa_hub.models.sync.psa_lane"


@tagged("post_install", "-at_install")
class TestLane(EngineCase):
    """The workers as scheduled jobs, and what they do when something goes wrong around the handlers."""

    def job(self, number=1, lane="master"):
        return self.env.ref(f"psa_hub.cron_lane_{lane}_{number}")

    def run_job(self, job):
        """Run ``job`` as the scheduler does; return its last progress."""
        self.env.cr.commit()
        self.env["ir.cron.progress"].search([("cron_id", "=", job.id)]).unlink()
        self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)]).unlink()
        with patch("odoo.addons.psa_hub.models.sync.psa_lane.LINGER_SECONDS", 0):
            self.assertIs(job.method_direct_trigger(), True)
        self.env.invalidate_all()
        return self.env["ir.cron.progress"].search([("cron_id", "=", job.id)], order="id")

    # === THE PROTOCOL OF SCHEDULED JOBS === #
    def test_job_drains_and_says_so(self):
        self.receive("account", *(self.account(f"A{number}") for number in range(30)))
        self.connection.batch_size = 10
        progress = self.run_job(self.job())
        self.assertEqual((progress.done, progress.remaining), (30, 0))
        self.assertEqual(self.states(), {("done", False): 30})

    def test_nothing_due_is_no_spinning(self):
        self.receive("account", self.account("A1"), self.account("A2"))
        first, second = self.messages()
        first.write({"state": "retry", "next_attempt_at": fields.Datetime.now() + timedelta(hours=1)})
        second.write({"state": "held", "wait_key": "x"})
        progress = self.run_job(self.job())
        self.assertEqual(len(progress), 1, "called once")
        self.assertEqual((progress.done, progress.remaining), (0, 0))
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.job().id)])
        self.assertFalse(triggers.filtered(lambda trigger: trigger.call_at <= fields.Datetime.now()))

    def test_time_is_up(self):
        self.connection.batch_size = 1
        self.receive("account", *(self.account(f"A{number}") for number in range(4)))
        Cron = type(self.env["ir.cron"])
        original, calls = Cron._commit_progress, []

        def commit_progress(model, processed=0, **values):
            original(model, processed, **values)
            calls.append((processed, values.get("remaining")))
            return 0 if sum(done for done, _left in calls) == 2 else 5

        with patch.object(Cron, "_commit_progress", commit_progress), patch.object(worker, "REPORT_SECONDS", 0):
            self.assertEqual(self.drain(), 2)
        self.assertEqual(calls, [(0, None), (1, 1), (1, 1)], "what is left is said to be left")
        self.assertEqual(self.states(), {("done", False): 2, ("pending", False): 2})

    def test_progress_is_told_twice_a_second_and_before_an_error(self):
        """A small batch does not pay for a commit more; what was done counts although the run fails."""
        self.connection.batch_size = 1
        self.receive("account", *(self.account(f"A{number}") for number in range(4)))
        Cron, Lane = type(self.env["ir.cron"]), type(self.env["psa.lane"])
        original, calls = Lane._drain_batch, []

        def drain_batch(lane, *args):
            if self.messages(state="done"):
                raise OperationalError("the database goes away")
            return original(lane, *args)

        def commit_progress(model, processed=0, **values):
            calls.append((processed, values.get("remaining")))
            return 5

        with patch.object(Cron, "_commit_progress", commit_progress):
            with patch.object(Lane, "_drain_batch", drain_batch), contextlib.suppress(OperationalError):
                self.drain()
                self.fail("the run goes on without its database")
            self.assertEqual(calls, [(0, None), (1, 1)])
            calls.clear()
            self.drain()
        self.assertEqual((calls[0], calls[-1], sum(done for done, _left in calls)), ((0, None), (3, 0), 3))

    def test_a_full_batch_calls_the_other_worker(self):
        self.connection.batch_size = 5
        self.env["ir.cron.trigger"].search([]).unlink()
        self.receive("account", *(self.account(f"A{number}") for number in range(4)))
        self.drain()
        self.assertFalse(self.env["ir.cron.trigger"].search([("cron_id", "=", self.job(2).id)]))
        self.receive("account", *(self.account(f"B{number}") for number in range(12)))
        self.drain()
        self.assertEqual(len(self.env["ir.cron.trigger"].search([("cron_id", "=", self.job(2).id)])), 1)

    def test_connections_take_turns(self):
        other = self.connection.copy()
        other.state = "connected"
        (self.connection + other).batch_size = 2
        self.receive("account", *(self.account(f"A{number}") for number in range(6)))
        self.streams = {stream.code: stream for stream in other.stream_ids}
        self.receive("account", *(self.account(f"B{number}") for number in range(2)))
        with patch.object(worker, "TURN_SECONDS", 0):
            self.drain()
        self.assertEqual([ids[0][0] for _what, ids in self.log], ["A", "B", "A", "A"])

    # === TROUBLE === #
    def test_a_batch_that_cannot_be_made_goes_one_by_one(self):
        """An error outside of the handlers must not stop the lane for ever."""
        self.receive("account", *(self.account(f"A{number}") for number in range(6)))
        original = finish.finish

        def broken(batch):
            if any(claim.external_id == "A3" for claim in batch.claims):
                raise RuntimeError("a fault of the engine")
            original(batch)

        with patch.object(finish, "finish", broken), mute_logger(LANE_LOG):
            self.drain()
        self.assertEqual(self.states(), {("done", False): 5, ("retry", False): 1})
        bad = self.messages(state="retry")
        self.assertEqual((bad.external_id, bad.attempt_count), ("A3", 1))
        self.assertIn("a fault of the engine", bad.error)
        bad.next_attempt_at -= timedelta(days=1)
        bad.attempt_count = self.connection.attempt_limit - 1
        with patch.object(finish, "finish", broken), mute_logger(LANE_LOG):
            self.drain()
        self.assertEqual((bad.state, bad.exception_id.cause_code), ("dead", "dead_letter"))
        bad.action_retry()
        self.drain()
        self.assertEqual(self.states(), {("done", False): 6})
        self.assertFalse(self.exceptions())

    @mute_logger("odoo.addons.psa_hub.models.sync.drain.finish")
    def test_a_handler_that_names_an_unknown_cause_or_fails_at_risk(self):
        self.receive("account", self.account("A1"), self.account("A2"))
        self.faults["hold", "A1"] = "No."
        handler = self.env["psa.apply"]._handler("party")

        def hold(items):
            for item in items:
                item.hold("no_such_cause", "Something.", key=item.key)

        def risk(items):
            raise KeyError("no amount")

        handler._prepare, handler._risk = hold, risk
        self.patch(type(self.env["psa.apply"]), "_handler", lambda model, _type: handler)
        self.drain()
        self.assertEqual(self.states(), {("held", False): 2})
        self.assertEqual(set(self.exceptions().mapped("cause_code")), {"apply_error"})

    def test_lost_race_is_tried_again_before_anyone_is_blamed(self):
        """A uniqueness error is another worker's record first, and the record's own fault only the second time."""
        partner = self.env["res.partner"].create({"name": "Taken"})
        self.receive("account", *(self.account(f"A{number}") for number in range(3)))
        handler = self.env["psa.apply"]._handler("party")
        handler._apply = lambda items: [item.done(partner) for item in items]
        self.patch(type(self.env["psa.apply"]), "_handler", lambda model, _type: handler)
        with mute_logger("odoo.sql_db"):
            self.drain()
        self.assertEqual(self.states(), {("done", False): 1, ("held", False): 2})
        self.assertEqual(set(self.messages().mapped("attempt_count")), {0})
        self.assertIn("bound to another record", self.exceptions()[0].name)

    # === RETRY === #
    def test_pauses_grow_and_vary(self):
        for attempt, longest in ((1, 30), (2, 60), (3, 120), (20, 3600)):
            pauses = {pause(attempt, 30, 3600) for _time in range(200)}
            self.assertGreater(len(pauses), 100, "jitter")
            self.assertTrue(all(1 <= seconds <= longest for seconds in pauses))
            self.assertGreater(max(pauses), longest * 0.8)
        self.assertGreaterEqual(pause(1, 30, 3600, retry_after=500), 500)

    # === RETENTION === #
    def test_old_payloads_are_emptied(self):
        self.faults["hold", "A3"] = "No."
        self.receive("account", self.account("A1"), self.account("A2"), self.account("A3"))
        self.drain()
        old, new, held = self.messages()
        old.done_at -= timedelta(days=401)
        self.env.flush_all()
        self.assertEqual(self.env["psa.message"]._gc_payloads(), (1, False))
        self.assertEqual((old.payload, bool(new.payload), bool(held.payload)), (False, True, True))
        self.assertEqual(self.receive("account", self.account("A1")), 0, "known for ever")
