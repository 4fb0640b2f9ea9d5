import time
from itertools import pairwise

from odoo.tests import tagged

from ..connectors.errors import ConnectionRefusedByVendor, DataError, QuotaError, TransientError, UnsafeUrlError
from ..models.sync.gate import OUTAGE_FAILURES, Gate, GateClosed, NotLiveError
from .link_case import CommittedCase


@tagged("post_install", "-at_install")
class TestRateAndBreaker(CommittedCase):

    def gate(self, **options):
        return Gate(self.env, self.connection_id, **options)

    def set_gate(self, **values):
        with self.committed() as connection:
            connection.gate_ids.write(values)

    def read_gate(self):
        with self.committed() as connection:
            return connection.gate_ids.read()[0]

    def pass_wait(self):
        """Let the breaker's wait be over."""
        self.set_gate(breaker_until="2020-01-01 00:00:00")

    def call(self, error=None, **options):
        with self.committed() as connection, connection._calling(**options) as session:
            session.memory["gate"].before_call("GET", "fake.example.com")
            if error:
                raise error

    # --- budget ------------------------------------------------------------------------------------------------------

    def test_no_window_sees_more_than_the_budget_over_all_workers(self):
        with self.committed() as connection:
            connection.write({"rate_calls": 20, "rate_seconds": 1})
        moments = []

        def work(number):
            gate = self.gate(patience=30)
            for _call in range(6):
                gate.before_call("GET", "fake.example.com")
                moments.append(time.monotonic())

        started = time.monotonic()
        self.in_threads(8, work)
        self.assertEqual(len(moments), 48)
        moments.sort()
        for index, moment in enumerate(moments):
            inside = [other for other in moments[index:] if other - moment < 0.95]
            self.assertLessEqual(len(inside), 20)
        self.assertGreater(time.monotonic() - started, 2, "48 calls at 20 a second")

    def test_impatient_work_is_told_when_to_come_back(self):
        with self.committed() as connection:
            connection.write({"rate_calls": 1, "rate_seconds": 60})
        self.gate().before_call("GET", "fake.example.com")
        with self.assertRaises(GateClosed) as caught:
            self.gate(patience=1).before_call("GET", "fake.example.com")
        self.assertAlmostEqual(caught.exception.retry_after, 60, delta=2)
        self.assertLess(self.read_gate()["bucket"], 0.1, "The call that was not made is not charged")
        self.assertGreaterEqual(self.read_gate()["bucket"], 0)

    def test_backfill_leaves_half_of_the_burst(self):
        with self.committed() as connection:
            connection.write({"rate_calls": 100, "rate_seconds": 1000})
        calls = 0
        with self.assertRaises(GateClosed):
            for calls in range(30):  # noqa: B007
                self.gate(reserve=0.5, patience=0).before_call("GET", "fake.example.com")
        self.assertEqual(calls, 10)
        self.gate(patience=0).before_call("GET", "fake.example.com")

    # --- breaker -----------------------------------------------------------------------------------------------------

    def test_refusal_opens_for_all_and_one_worker_tries(self):
        with self.assertRaises(ConnectionRefusedByVendor):
            self.call(ConnectionRefusedByVendor("The key was revoked."))
        self.assertEqual(self.read_gate()["breaker_state"], "open")
        with self.assertRaises(GateClosed) as caught:
            self.gate().before_call("GET", "fake.example.com")
        self.assertIn("revoked", str(caught.exception))
        self.pass_wait()

        def attempt(number):
            try:
                self.gate(patience=5).before_call("GET", "fake.example.com")
            except GateClosed:
                return 0
            return 1
        self.assertEqual(sum(self.in_threads(12, attempt)), 1, "One probe, the others keep waiting")
        self.assertEqual(self.read_gate()["breaker_state"], "half_open")

    def test_probe_that_works_closes(self):
        with self.assertRaises(ConnectionRefusedByVendor):
            self.call(ConnectionRefusedByVendor("The key was revoked."))
        with self.committed() as connection:
            self.assertEqual(connection.state, "refused")
            self.assertEqual(len(connection.activity_ids), 1)
        self.pass_wait()
        self.call()
        with self.committed() as connection:
            self.assertEqual((connection.state, connection.breaker_state), ("connected", "closed"))
            self.assertFalse(connection.activity_ids)
            exceptions = connection.env["psa.exception"].search([("connection_id", "=", connection.id)])
            self.assertEqual(exceptions.mapped("state"), ["resolved"])

    def test_probe_that_fails_waits_twice_as_long(self):
        waits = []
        for _attempt in range(4):
            with self.assertRaises(ConnectionRefusedByVendor):
                self.call(ConnectionRefusedByVendor("The key was revoked."))
            row = self.read_gate()
            with self.committed() as connection:
                connection.env.cr.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
                waits.append((row["breaker_until"] - connection.env.cr.fetchone()[0]).total_seconds())
            self.pass_wait()
        for shorter, longer in pairwise(waits):
            self.assertGreater(longer, shorter * 1.2)
        with self.committed() as connection:
            exceptions = connection.env["psa.exception"].search([("connection_id", "=", connection.id)])
            self.assertEqual((len(exceptions), exceptions.recurrence_count), (1, 4))
            self.assertEqual(len(connection.activity_ids), 1)

    def test_many_workers_refused_at_once_count_as_one(self):
        def attempt(number):
            try:
                self.call(ConnectionRefusedByVendor("The key was revoked."))
            except (ConnectionRefusedByVendor, GateClosed):
                return
        self.in_threads(6, attempt)
        with self.committed() as connection:
            exceptions = connection.env["psa.exception"].search([("connection_id", "=", connection.id)])
            self.assertEqual(len(exceptions), 1)
            self.assertEqual(len(connection.activity_ids), 1)
        self.assertLessEqual(self.read_gate()["open_count"], 2)

    def test_dead_probe_is_replaced(self):
        self.set_gate(breaker_state="half_open", breaker_until="2020-01-01 00:00:00")
        self.gate().before_call("GET", "fake.example.com")
        self.assertEqual(self.read_gate()["breaker_state"], "half_open")

    def test_outage_opens_after_several_failures_without_an_exception(self):
        for attempt in range(OUTAGE_FAILURES):
            self.assertEqual(self.read_gate()["breaker_state"], "closed", attempt)
            with self.assertRaises(TransientError):
                self.call(TransientError("The server did not answer in time."))
        gate = self.read_gate()
        self.assertEqual((gate["breaker_state"], gate["breaker_kind"]), ("open", "outage"))
        with self.committed() as connection:
            self.assertEqual(connection.state, "connected")
            self.assertFalse(connection.env["psa.exception"].search([("connection_id", "=", connection.id)]))

    def test_long_outage_is_a_persons_business(self):
        self.set_gate(failing_since="2020-01-01 00:00:00", failure_count=3)
        with self.assertRaises(TransientError):
            self.call(TransientError("The server did not answer in time."))
        with self.committed() as connection:
            self.assertEqual(
                connection.env["psa.exception"].search([("connection_id", "=", connection.id)]).cause_code,
                "connection_refused")

    def test_single_failures_between_successes_change_nothing(self):
        for _round in range(OUTAGE_FAILURES):
            with self.assertRaises(TransientError):
                self.call(TransientError("Busy."))
            self.call()
        self.assertEqual(self.read_gate()["breaker_state"], "closed")

    def test_refused_record_is_an_answer(self):
        with self.assertRaises(TransientError):
            self.call(TransientError("Busy."))
        with self.assertRaises(DataError):
            self.call(DataError("This record is locked."))
        gate = self.read_gate()
        self.assertEqual((gate["failure_count"], gate["breaker_state"]), (0, "closed"))
        self.assertTrue(gate["last_success_at"])

    def test_quota_of_reads_leaves_write_backs_alone(self):
        with self.assertRaises(QuotaError):
            self.call(QuotaError("Nine tenths of the day's quota are used up.", retry_after=7200))
        with self.assertRaises(GateClosed) as caught:
            self.call()
        self.assertAlmostEqual(caught.exception.retry_after, 7200, delta=30)
        self.call(writing=True)
        with self.committed() as connection:
            streams = connection.env["psa.stream"]
            self.assertFalse(streams._due() & connection.stream_ids)
            self.assertEqual(connection.state, "connected")
            self.assertFalse(connection.env["psa.exception"].search([("connection_id", "=", connection.id)]))

    def test_quota_waits_as_long_as_the_vendor_says(self):
        with self.assertRaises(QuotaError):
            self.call(QuotaError("The day's quota is used up.", retry_after=7200), writing=True)
        with self.assertRaises(GateClosed) as caught:
            self.gate().before_call("GET", "fake.example.com")
        self.assertAlmostEqual(caught.exception.retry_after, 7200, delta=30)

    def test_forced_call_ignores_the_breaker(self):
        with self.assertRaises(ConnectionRefusedByVendor):
            self.call(ConnectionRefusedByVendor("The key was revoked."))
        self.call(force=True)
        self.assertEqual(self.read_gate()["breaker_state"], "closed")

    def test_check_in_a_request(self):
        """What the call notes is written beside the request's own transaction, which must not collide with it."""
        for fault in (ConnectionRefusedByVendor("The key was revoked."), None):
            self.fake.faults.append(fault)
            with self.committed() as connection:
                self.assertTrue(connection.name)  # the snapshot is taken before the call
                connection.action_check()
                self.assertEqual(connection.state, "refused" if fault else "connected")
                self.assertEqual(connection.check_result[0]["ok"], not fault)

    # --- where it may go ---------------------------------------------------------------------------------------------

    def test_paused_archived_neutralized_or_copied_calls_nobody(self):
        def refused(code):
            with self.assertRaises(NotLiveError) as caught:
                self.gate(force=True).before_call("GET", "fake.example.com")
            self.assertEqual(caught.exception.code, code)

        for values, code in (({"state": "paused"}, "paused"), ({"active": False}, "paused"),
                             ({"database_uuid": "another"}, "copy")):
            with self.committed() as connection:
                before = connection.read(list(values))[0]
                connection.write(values)
            refused(code)
            with self.committed() as connection:
                connection.write({name: before[name] for name in values})
        self.addCleanup(self.set_neutralized, False)
        self.set_neutralized("true")
        refused("neutralized")
        self.set_neutralized(False)
        self.gate().before_call("GET", "fake.example.com")

    def set_neutralized(self, value):
        with self.committed() as connection:
            connection.env["ir.config_parameter"].set_param("database.is_neutralized", value)

    def test_production_goes_to_public_addresses_with_https_only(self):
        for url in ("http://example.com/x", "https://127.0.0.1/x", "ftp://example.com/x"):
            with self.committed() as connection:
                connection.environment = "production"
            with self.assertRaises(UnsafeUrlError), self.committed() as connection, \
                    connection._calling(force=True) as session:
                session.transport.request("GET", url)
        self.assertEqual(self.read_gate()["breaker_state"], "open", "A wrong address is for a person to mend")
