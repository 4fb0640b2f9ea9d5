# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged

from ..sandbox.server import start
from .link_case import LinkCase
from .outbound import OutboundMixin


class SetupCase(LinkCase):

    def setUp(self):
        super().setUp()
        self.admin = new_test_user(self.env, "setup_admin", "psa_hub.group_administrator")
        self.fresh = self.env["psa.connection"].with_user(self.admin).create({
            "name": "Fresh", "connector_code": "fake", "environment": "sandbox", "auth_method": "client",
            "is_shadow": True, "setup_step": "system"})
        self.env.cr.commit()

    def left(self, connection):
        connection.invalidate_recordset()
        return {item["code"]: item["text"] for item in connection.setup_checklist if not item["done"]}


@tagged("post_install", "-at_install")
class TestSetup(SetupCase):
    """The assistant reads from the connection how far it is, so it can be left and taken up by anyone."""

    def test_what_is_left_shrinks_step_by_step(self):
        connection = self.fresh
        left = self.left(connection)
        self.assertEqual(set(left), {"login", "test", "streams", "shadow", "live"})
        self.assertEqual(left["login"], "Missing: Client ID, Client secret.")
        connection.action_setup_next()
        with self.assertRaisesRegex(UserError, "Client secret"):
            connection.action_setup_next()
        connection._set_credentials({"client_id": "hub", "client_secret": "s3cret"})
        self.env.cr.commit()
        self.assertNotIn("login", self.left(connection))
        connection.action_setup_next()
        with self.assertRaisesRegex(UserError, "Not tested yet"):
            connection.action_setup_next()
        connection.action_check()
        self.assertNotIn("test", self.left(connection))
        connection.action_setup_next()
        self.assertEqual((connection.setup_step, connection.streams_chosen), ("streams", False))
        connection.action_setup_next()
        self.assertEqual(set(self.left(connection)), {"shadow", "live"})
        self.env["psa.binding"].create({
            "connection_id": connection.id, "object_type": "Account", "external_id": "A1", "canonical_type": "party",
            "res_model": "res.partner", "res_id": self.env.user.partner_id.id})
        self.assertEqual(set(self.left(connection)), {"live"})
        connection.action_go_live()
        self.assertEqual((self.left(connection), connection.setup_left, connection.setup_step), ({}, 0, False))

    def test_nothing_is_read_before_the_streams_are_chosen(self):
        self.fresh._set_credentials({"client_id": "hub", "client_secret": "s3cret"})
        self.env.cr.commit()
        self.fresh.action_check()
        self.assertEqual(self.fresh.state, "connected")
        self.assertFalse(self.env["psa.stream"]._due() & self.fresh.stream_ids)
        self.fresh.streams_chosen = True
        self.assertTrue(self.env["psa.stream"]._due() & self.fresh.stream_ids)

    def test_unknown_values_and_missing_rights_are_left(self):
        self.env["psa.value.map"].create({
            "connection_id": self.connection.id, "domain": "role", "source_value": "Guru"})
        self.connection.stream_ids[0].blocked_reason = "The right to read accounts is missing."
        left = self.left(self.connection)
        self.assertEqual(left["map"], "Values that mean nothing in Odoo yet: 1.")
        self.assertIn("Accounts", left["test"])

    def test_a_missing_right_says_what_rests(self):
        self.connection.check_result = [
            {"code": "account", "label": "Accounts", "ok": False, "message": "No right.", "blocks": ["account"]}]
        self.assertEqual(self.connection.check_text, "✗ Accounts: No right.\n   Until then these rest: Accounts.")

    def test_a_consent_leads_back_to_the_assistant(self):
        self.assertEqual(self.fresh._consent_page(), f"/odoo/psa-setup/{self.fresh.id}")
        self.assertEqual(self.connection._consent_page(), f"/odoo/psa.connection/{self.connection.id}")

    def test_it_goes_on_where_something_is_left(self):
        action = self.connection.with_user(self.admin).action_setup()
        self.assertEqual((action["res_id"], self.connection.setup_step), (self.connection.id, "shadow"))

    def test_many_connections_cost_no_more_queries(self):
        for number in range(3):
            self.make_connection(name=f"Fake {number}")
        connections = self.env["psa.connection"].search([])
        connections.invalidate_recordset()
        connections.mapped("setup_checklist")
        connections.invalidate_recordset()
        with self.assertQueryCount(16):
            connections.mapped("setup_checklist")


@tagged("post_install", "-at_install")
class TestSetupTour(OutboundMixin, HttpCase):
    """From nothing to a live connection in a real browser, against the stand-in of a system."""

    browser_size = "1400x900"

    def setUp(self):
        super().setUp()
        self.vendor = start(vendor="harvest")
        self.addCleanup(self.vendor.stop)
        self.addCleanup(self.registry.clear_cache)
        self.vendor.app.hide("expenses")
        admin = new_test_user(self.env, "setup_admin", "psa_hub.group_administrator,account.group_account_manager")
        admin.password = "setup_admin"
        self.env["psa.role"].create({"name": "Tour Role"})
        self.env.flush_all()

    def test_from_nothing_to_live(self):
        self.start_tour(f"/odoo/psa-setup/new?vendor={self.vendor.url}", "psa_hub_setup", login="setup_admin")
        connection = self.env["psa.connection"].search([("name", "=", "Harvest of the tour")])
        self.assertEqual((connection.state, connection.is_shadow, connection.setup_step), ("connected", True, "shadow"))
        self.assertEqual(connection.stream_ids.filtered("blocked_reason").mapped("code"), ["expense"])
        self.assertNotIn("time", connection.stream_ids.mapped("code"), "switched off")
        self.read_and_apply(connection.id)
        self.env.invalidate_all()
        self.assertTrue(self.env["psa.binding"].search_count([("connection_id", "=", connection.id)]))
        self.start_tour(f"/odoo/psa.connection/{connection.id}", "psa_hub_setup_again", login="setup_admin")
        self.env.invalidate_all()
        self.assertEqual((connection.is_shadow, connection.setup_step), (False, False))
        self.assertTrue(connection.went_live_at)

    def read_and_apply(self, connection_id):
        """What the scheduled jobs do."""
        with self.registry.cursor() as cr:
            env = self.env(cr=cr)
            streams = env["psa.stream"]._due().filtered(lambda stream: stream.connection_id.id == connection_id)
            self.assertEqual(sorted(streams.mapped("code")), ["client", "project", "rate", "user"])
            for stream in streams.sorted("sequence"):
                stream._pull()
            env["psa.lane"]._drain("master", stand_by=0)
