from odoo.tests import tagged

from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestWaiting(EngineCase):
    """Parents: awaited, asked for once, found, or known not to exist."""

    def fetches(self, code):
        return self.messages(code, operation="hint")

    def test_child_waits_and_wakes_with_its_parent(self):
        self.receive("contact", ("C1", "1", {"Name": "Ada", "AccountId": "A1"}))
        self.drain()
        child = self.messages("contact")
        self.assertEqual((child.state, child.wait_key), ("waiting", f"record:{self.connection.id}:Account:A1"))
        self.assertEqual(self.fetches("account").mapped("external_id"), ["A1"])
        self.receive("account", self.account("A1"), origin="fetch")
        self.assertEqual(self.drain(), 2)
        self.assertEqual((child.state, child.wait_key), ("done", False))

    def test_parent_and_child_in_one_batch_whatever_the_order(self):
        self.receive("contact", ("C1", "1", {"Name": "Ada", "AccountId": "A1"}))
        self.receive("account", self.account("A1"))
        self.assertEqual(self.drain(), 2)
        self.assertEqual(self.states(), {("done", False): 2})
        self.assertFalse(self.fetches("account"))

    def test_parent_of_the_same_type_later_in_the_batch(self):
        self.receive("account", self.account("A1", ParentId="A2"), self.account("A2"))
        self.drain()
        self.assertEqual(self.states(), {("done", False): 2})
        self.assertFalse(self.fetches("account"), "it was in the queue already")

    def test_the_source_is_asked_once(self):
        self.receive("contact", *((f"C{number}", "1", {"Name": "X", "AccountId": "A1"}) for number in range(20)))
        self.drain()
        self.receive("contact", *((f"D{number}", "1", {"Name": "X", "AccountId": "A1"}) for number in range(20)))
        self.drain()
        self.assertEqual(self.states("contact"), {("waiting", False): 40})
        self.assertEqual(len(self.fetches("account")), 1)

    def test_parent_in_the_queue_is_not_asked_for(self):
        self.receive("account", self.account("A1", ""), self.account("A2", ParentId="A9"))
        self.faults["hold", "A1"] = "Something is missing."
        self.drain()
        self.receive("contact", ("C1", "1", {"Name": "X", "AccountId": "A1"}))
        self.drain()
        self.assertEqual(self.messages("contact").state, "waiting")
        self.assertEqual(self.fetches("account").mapped("external_id"), ["A9"])

    def test_two_missing_parents_one_after_the_other(self):
        self.map_value("company", "HQ", self.env.company)
        self.receive("hour", self.hour("H1"))
        self.drain("transaction")
        hour = self.messages("hour")
        self.assertEqual(len(self.fetches("project") + self.fetches("resource")), 1, "the first one only")
        self.receive("project", ("P1", "1", {"Name": "Apollo"}))
        self.drain("master")
        self.drain("transaction")
        self.assertEqual(hour.wait_key, f"record:{self.connection.id}:Resource:R1")
        self.assertEqual(hour.risk_amount, 750.0)
        self.receive("resource", ("R1", "1", {"Name": "Ada", "Entity": "HQ"}))
        self.drain("master")
        self.assertEqual(hour.state, "pending", "woken in the transaction that bound its parent")
        self.drain("transaction")
        self.assertEqual((hour.state, hour.risk_amount), ("done", 0.0))

    def test_parent_that_does_not_exist_is_a_person_to_ask(self):
        self.map_value("company", "HQ", self.env.company)
        self.receive("project", ("P1", "1", {"Name": "Apollo"}))
        self.receive("hour", self.hour("H1"), self.hour("H2"))
        self.drain("master")
        self.drain("transaction")
        self.assertEqual(self.states("hour"), {("waiting", False): 2})
        self.receive("resource", ("R1", "", {"absent_at": "now"}, "delete"), origin="fetch")
        self.drain("master")
        self.drain("transaction")
        self.assertEqual(self.states("hour"), {("held", False): 2})
        exception = self.exceptions()
        self.assertEqual((exception.cause_code, exception.holder_count, exception.amount), ("unknown_person", 2, 1500))
        self.assertIn("Resource R1", exception.name)
        self.receive("resource", ("R1", "1", {"Name": "Ada", "Entity": "HQ"}))
        self.drain("master")
        self.drain("transaction")
        self.assertEqual(self.states("hour"), {("done", False): 2})
        self.assertFalse(self.exceptions())

    def test_missing_project_is_a_missing_parent(self):
        self.receive("project", ("P1", "", {"absent_at": "now"}, "delete"), origin="fetch")
        self.drain("master")
        self.receive("hour", self.hour("H1"))
        self.drain("transaction")
        self.assertEqual(self.exceptions().cause_code, "missing_parent")

    def test_user_is_never_awaited(self):
        self.map_value("company", "HQ", self.env.company)
        self.receive("resource", ("R1", "1", {"Name": "Ada", "Entity": "HQ", "UserId": "U1"}))
        self.drain()
        self.assertEqual(self.messages("resource").state, "done")
        self.assertFalse(self.fetches("user"))

    def test_parent_deleted_in_odoo(self):
        self.receive("account", self.account("A1"))
        self.drain()
        self.partner("Account", "A1").unlink()
        self.receive("contact", ("C1", "1", {"Name": "Ada", "AccountId": "A1"}))
        self.drain()
        self.assertEqual(self.exceptions().cause_code, "missing_parent")
        self.assertIn("deleted in Odoo", self.exceptions().name)
        self.messages("account").action_retry()
        self.drain()
        self.assertEqual(self.states(), {("done", False): 3})
        self.assertFalse(self.exceptions())

    def test_stream_switched_off(self):
        self.streams["account"].active = False
        self.receive("contact", ("C1", "1", {"Name": "Ada", "AccountId": "A1"}))
        self.drain()
        self.assertIn("no active stream", self.exceptions("missing_parent").name)

    def test_sweep_finds_what_a_race_left_behind(self):
        self.receive("account", self.account("A:1"))
        self.receive("contact", ("C1", "1", {"Name": "Ada", "AccountId": "A:1"}), ("C2", "1", {"Name": "B",
                                                                                             "AccountId": "A9"}))
        self.drain()
        left, waiting = self.messages("contact", external_id="C1"), self.messages("contact", external_id="C2")
        left.write({"state": "waiting", "wait_key": f"record:{self.connection.id}:Account:A:1"})
        with self.assertLogs("odoo.addons.psa_hub.models.sync.psa_lane", "WARNING"):
            self.env["psa.lane"]._cron_sweep()
        self.assertEqual((left.state, waiting.state), ("pending", "waiting"))
