# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from odoo.modules.neutralize import get_neutralization_queries
from odoo.tests import tagged

from ..models.sync.gate import Gate, NotLiveError
from .link_case import LinkCase


@tagged("post_install", "-at_install")
class TestNeutralize(LinkCase):
    """A copy of the database calls nobody and cannot log in anywhere."""

    def setUp(self):
        super().setUp()
        partner = self.env["res.partner"].create({"name": "Customer"})
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Account", "external_id": "A0",
            "canonical_type": "party", "res_model": "res.partner", "res_id": partner.id})
        self.env["psa.message"]._emit("billing_status", [(partner, {"event": "posted"})], "1")
        self.account._request_fetch(["A0"])
        self.account.action_backfill()
        self.token = self.connection.webhook_token
        self.env.cr.commit()

    def run_all_jobs(self):
        for job in ("pull", "fetch", "push", "backfill", "watch"):
            getattr(self.env["psa.stream"], f"_cron_{job}")()

    def test_neutralized_copy(self):
        for query in get_neutralization_queries(["psa_hub", "base"]):
            self.env.cr.execute(query)
        self.env.invalidate_all()
        self.registry.clear_cache()
        self.run_all_jobs()
        self.assertFalse(self.fake.calls)
        self.assertFalse(self.connection._is_live())
        self.assertEqual((self.connection.state, self.connection.environment), ("paused", "sandbox"))
        self.assertFalse(self.connection._credential_values())
        self.assertNotEqual(self.connection.webhook_token, self.token)
        with self.assertRaises(LookupError):
            self.env["psa.connection"]._webhook_target(self.token)
        self.assertEqual(self.messages(self.status).mapped("skip_reason"), ["out_of_scope"])
        self.connection.action_resume()  # someone sets it going on the copy
        self.env.cr.commit()
        with self.assertRaises(NotLiveError):
            Gate(self.env, self.connection.id, force=True).before_call("GET", "fake.example.com")

    def test_copy_under_another_uuid(self):
        self.env["ir.config_parameter"].set_param("database.uuid", "another")
        self.env.cr.commit()
        self.run_all_jobs()
        self.assertFalse(self.fake.calls)
        self.assertEqual(self.messages(self.status).mapped("state"), ["pending"], "The work waits, it is not lost")

    def test_original_works(self):
        self.run_all_jobs()
        self.assertEqual({call[0] for call in self.fake.calls}, {"page", "records", "push"})
