# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
import psycopg2.errors

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..connectors.base import Check
from ..connectors.errors import ConnectionRefusedByVendor
from .link_case import LinkCase


@tagged("post_install", "-at_install")
class TestConnection(LinkCase):

    def test_declarations_become_streams_settings_credentials_and_field_maps(self):
        streams = {(stream.direction, stream.code): stream for stream in self.connection.stream_ids}
        self.assertEqual(set(streams), {("in", "account"), ("in", "person"), ("out", "status")})
        account = streams["in", "account"]
        self.assertEqual((account.lane, account.mode, account.object_type), ("master", "both", "Account"))
        self.assertEqual(streams["out", "status"].lane, "outbound")
        self.assertEqual(account.mapping_id.state, "active")
        person_lines = streams["in", "person"].mapping_id.line_ids
        self.assertEqual(
            {line.canonical_field: (line.path, line.refers_to) for line in person_lines},
            {"name": ("Name", False), "party": ("AccountId", "Account")})
        self.assertEqual(self.connection.settings, {"base_url": "https://fake.example.com", "organisation": ""})
        self.assertEqual(
            set(self.connection.credential_ids.mapped("code")), {"client_id", "client_secret", "webhook_secret"})
        self.assertEqual((self.connection.rate_calls, self.connection.rate_seconds), (1000, 1))

    def test_package_streams_come_and_go_with_the_package(self):
        self.connection.package_codes = ["fake_package"]
        project = self.connection.stream_ids.filtered(lambda stream: stream.code == "project")
        self.assertEqual((project.provider_code, project.lane), ("fake_package", "master"))
        self.assertEqual(self.connection.package_ids.mapped("enabled"), [True])
        project.cursor = {"modified": "x"}
        self.connection.package_ids.enabled = False
        self.assertFalse(project.active)
        self.connection.package_codes = ["fake_package"]
        self.assertTrue(project.active, "The stream comes back with its cursor, it is not made twice")
        self.assertEqual(project.cursor, {"modified": "x"})

    def test_unknown_package_or_setting_is_refused(self):
        with self.assertRaises(ValidationError):
            self.connection.package_codes = ["nothing"]
        with self.assertRaises(ValidationError):
            self.connection.settings = {"base_ulr": "typo"}

    def test_settings_are_merged_by_code(self):
        self.connection.settings = {"organisation": "00D1"}
        self.assertEqual(
            self.connection.settings, {"base_url": "https://fake.example.com", "organisation": "00D1"})

    def test_form_makes_a_working_connection(self):
        with Form(self.env["psa.connection"]) as form:
            form.name = "From the form"
            form.connector_code = "fake"
        connection = form.record
        self.assertEqual(connection.auth_method, "client")
        self.assertEqual(len(connection.stream_ids), 3)
        self.assertEqual(connection.user_id, self.env.ref("psa_hub.user_integration"))

    def test_log_in_of_another_system_is_refused(self):
        with self.assertRaises(ValidationError):
            self.connection.auth_method = "carrier_pigeon"

    def test_changing_the_log_in_forgets_the_values_of_the_former_one(self):
        self.connection.auth_method = "web"
        self.assertIn("refresh_token", self.connection.credential_ids.mapped("code"))
        self.connection._set_credentials({"refresh_token": "r"})
        self.connection.auth_method = "client"
        self.assertEqual(
            set(self.connection.credential_ids.mapped("code")), {"client_id", "client_secret", "webhook_secret"})

    def test_system_cannot_change(self):
        with self.assertRaises(UserError):
            self.connection.connector_code = "other"

    def test_tokens_are_unguessable_and_unique(self):
        other = self.make_connection()
        self.assertNotEqual(self.connection.webhook_token, other.webhook_token)
        self.assertGreaterEqual(len(self.connection.webhook_token), 40)
        self.assertIn(self.connection.webhook_token, self.connection.webhook_url)
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.UniqueViolation), self.env.cr.savepoint():
            other.webhook_token = self.connection.webhook_token
            other.flush_recordset()

    def test_copy_is_a_new_connection(self):
        self.account.cursor = {"modified": "x"}
        self.connection.write({"settings": {"organisation": "00D1"}, "package_codes": ["fake_package"]})
        copy = self.connection.copy({"name": "Copy"})
        self.assertEqual(copy.settings["organisation"], "00D1")
        self.assertEqual(copy.package_codes, ["fake_package"])
        self.assertEqual(copy.state, "draft")
        self.assertNotEqual(copy.webhook_token, self.connection.webhook_token)
        self.assertEqual(len(copy.stream_ids), 4)
        self.assertFalse(any(copy.stream_ids.mapped("cursor")))
        self.assertFalse(any(copy.credential_ids.mapped("is_set")))

    def test_integration_user_works_in_every_company(self):
        company = self.env["res.company"].create({"name": "New Entity"})
        self.assertIn(company, self.connection.user_id.company_ids)

    def test_rights(self):
        auditor = new_test_user(self.env, "link_auditor", groups="psa_hub.group_auditor")
        as_auditor = self.connection.with_user(auditor)
        self.assertEqual(as_auditor.name, "Fake EU")
        self.assertEqual(as_auditor.breaker_state, "closed")
        for field_name in ("webhook_token", "webhook_url", "credential_ids"):
            with self.assertRaises(AccessError):
                as_auditor.read([field_name])
        for action in ("action_check", "action_pause", "action_resume", "action_pull_now"):
            with self.assertRaises(AccessError):
                getattr(as_auditor, action)()
        with self.assertRaises(AccessError):
            self.account.with_user(auditor).action_backfill()
        operator = new_test_user(self.env, "link_operator", groups="psa_hub.group_operator")
        self.connection.with_user(operator).action_pull_now()
        with self.assertRaises(AccessError):
            self.connection.with_user(operator).action_check()

    def test_other_companies_see_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "link_stranger", groups="psa_hub.group_administrator", company_id=company.id,
            company_ids=[Command.set(company.ids)])
        for model in ("psa.connection", "psa.stream", "psa.credential", "psa.connection.setting",
                      "psa.connection.gate"):
            records = self.env[model].with_user(stranger).search([])
            self.assertFalse(records, model)

    # --- live, check, refuse -----------------------------------------------------------------------------------------

    def test_live(self):
        self.assertTrue(self.connection._is_live())
        parameters = self.env["ir.config_parameter"]
        self.connection.action_pause()
        self.assertFalse(self.connection._is_live())
        self.connection.action_resume()
        self.assertTrue(self.connection._is_live())
        parameters.set_param("database.is_neutralized", "true")
        self.assertFalse(self.connection._is_live())
        parameters.set_param("database.is_neutralized", False)
        parameters.set_param("database.uuid", "another")
        self.assertFalse(self.connection._is_live())

    def test_check_connects(self):
        connection = self.make_connection(name="Second")
        connection.state = "draft"
        self.env.cr.commit()
        connection.action_check()
        self.assertEqual(connection.state, "connected")
        self.assertEqual(connection.check_text, "✓ Log in: Logged in.")

    def test_check_names_what_is_not_filled_in(self):
        self.connection.credential_ids.filtered(lambda line: line.code == "client_secret").action_clear()
        self.env.cr.commit()
        self.connection.action_check()
        self.assertIn("Client secret", self.connection.check_text)
        self.assertEqual(self.connection.breaker_state, "open")

    def test_refused_tells_the_owner_once_and_recovers(self):
        stand_in = new_test_user(self.env, "link_deputy", groups="psa_hub.group_administrator")
        owner = new_test_user(self.env, "link_owner", groups="psa_hub.group_administrator")
        self.connection.write({"owner_id": owner.id, "deputy_id": stand_in.id})
        owner.active = False
        self.env.cr.commit()
        for _attempt in range(3):
            self.fake.faults.append(ConnectionRefusedByVendor("The key was revoked.", code="invalid_grant"))
            self.connection.action_check()
        self.connection.invalidate_recordset()
        exception = self.open_exceptions()
        self.assertEqual(exception.cause_code, "connection_refused")
        self.assertEqual(exception.recurrence_count, 3)
        self.assertIn("The key was revoked.", exception.name)
        self.assertEqual(self.connection.state, "refused")
        self.assertEqual(self.connection.breaker_state, "open")
        self.assertEqual(self.connection.activity_ids.user_id, stand_in)
        self.assertEqual(len(self.connection.activity_ids), 1)
        self.connection.action_check()
        self.connection.invalidate_recordset()
        self.assertEqual(self.connection.state, "connected")
        self.assertEqual(self.connection.breaker_state, "closed")
        self.assertFalse(self.connection.activity_ids)
        self.assertEqual(exception.state, "resolved")

    def test_missing_right_rests_one_stream_only(self):
        missing = Check("person", "People", False, "Give read access to Contact.", blocks=("person",))
        self.fake.check = lambda session: [Check("login", "Log in", True, "Logged in."), missing]
        self.connection.action_check()
        self.assertEqual(self.connection.state, "connected")
        person = self.connection.stream_ids.filtered(lambda stream: stream.code == "person")
        self.assertEqual(person.blocked_reason, "Give read access to Contact.")
        self.assertFalse(self.account.blocked_reason)
        self.assertNotIn(person, self.env["psa.stream"]._due())
        self.assertEqual(self.open_exceptions().cause_code, "missing_scope")
        self.fake.check = lambda session: [Check("login", "Log in", True, "Logged in.")]
        self.connection.action_check()
        self.assertFalse(person.blocked_reason)
        self.assertFalse(self.open_exceptions())

    def test_check_refuses_in_a_copy(self):
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        with self.assertRaises(UserError):
            self.connection.action_check()
        self.assertFalse(self.fake.calls)
