# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
import json
import logging
import os
import stat
import tempfile
from unittest.mock import patch

from cryptography.fernet import Fernet

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import config

from ..connectors.base import Token
from ..models.sync import secret_key
from .link_case import LinkCase

SECRET = "s3cret-value"


@tagged("post_install", "-at_install")
class TestCredential(LinkCase):

    def setUp(self):
        super().setUp()
        self.secret = self.connection.credential_ids.filtered(lambda line: line.code == "client_secret")
        self.admin = new_test_user(self.env, "credential_admin", groups="psa_hub.group_administrator,base.group_system")

    def everything_readable(self, env):
        """Return as text all that a user can read of the records that have to do with the secret."""
        found = []
        for model in ("psa.credential", "psa.connection", "psa.token", "psa.connection.setting", "psa.audit"):
            records = env[model].sudo(False).search([]) if env[model].has_access("read") else env[model]
            for name, field in records._fields.items():
                if records._has_field_access(field, "read") and name != "webhook_token":
                    found.append(repr(records.read([name])))
        return "\n".join(found)

    def test_use_and_no_way_back(self):
        self.assertEqual(self.connection._credential_values()["client_secret"], SECRET)
        self.assertTrue(self.secret.is_set)
        self.assertFalse(self.secret.value)
        self.assertNotIn(SECRET, self.everything_readable(self.env(user=self.admin)))
        self.env.cr.execute("SELECT value_encrypted FROM psa_credential WHERE id = %s", [self.secret.id])
        self.assertNotIn(SECRET, self.env.cr.fetchone()[0])

    def test_typed_value_is_not_in_any_answer(self):
        as_admin = self.connection.with_user(self.admin)
        specification = {"credential_ids": {"fields": {"code": {}, "value": {}, "is_set": {}}}}
        answer = as_admin.web_save(
            {"credential_ids": [(1, self.secret.id, {"value": "typed-just-now"})]}, specification)
        self.assertNotIn("typed-just-now", json.dumps(answer))
        self.assertNotIn("typed-just-now", repr(as_admin.credential_ids.web_read(
            {name: {} for name in ("code", "value", "is_set")})))
        self.assertEqual(self.connection._credential_values()["client_secret"], "typed-just-now")

    def test_encrypted_text_is_closed_to_rpc_and_export(self):
        line = self.secret.with_user(self.admin)
        for call in (
            lambda: line.read(["value_encrypted"]),
            lambda: line.web_read({"value_encrypted": {}}),
            lambda: line.export_data(["value_encrypted"]),
            lambda: line.search([("value_encrypted", "like", "g")]),
            lambda: line.write({"value_encrypted": "x"}),
            lambda: line._read_group([], ["value_encrypted"]),
        ):
            with self.assertRaises(AccessError):
                call()
        rows = line.export_data(["code", "value", "is_set"])["datas"]
        self.assertEqual(rows, [["client_secret", "", True]])

    def test_token_is_closed(self):
        self.connection._session().tokens.refresh(None, lambda values: Token({"access_token": SECRET}))
        with self.assertRaises(AccessError):
            self.env["psa.token"].with_user(self.admin).search([]).read(["value_encrypted"])

    def test_copy(self):
        with self.assertRaises(UserError):
            self.secret.copy()
        self.assertFalse(any(self.connection.copy().credential_ids.mapped("is_set")))

    def test_logs_and_representations(self):
        with self.assertLogs(level=logging.DEBUG) as logs:
            session = self.connection._session()
            logging.getLogger("probe").info("%s %r %s", session, session.credentials, vars)
            self.connection.with_user(self.admin).web_save(
                {"credential_ids": [(1, self.secret.id, {"value": "typed-just-now"})]}, {})
            self.env.flush_all()
            self.connection.action_check()
        text = "\n".join(logs.output)
        self.assertNotIn(SECRET, text)
        self.assertNotIn("typed-just-now", text)

    def test_audit_tells_who_changed_it_but_not_to_what(self):
        self.secret.with_user(self.admin).value = "other"
        row = self.env["psa.audit"].search([("event", "=", "credential.set")], limit=1)
        self.assertEqual((row.user_id, row.after), (self.admin, {"code": "client_secret"}))

    def test_typing_a_value_forgets_the_token(self):
        store = self.connection._session().tokens
        store.refresh(None, lambda values: Token({"access_token": "old"}))
        self.env.invalidate_all()
        self.secret.value = "other"
        self.env.cr.commit()
        self.assertIsNone(store.get())

    def test_webhook_secret_keeps_the_former_one_for_a_while(self):
        line = self.connection.credential_ids.filtered("is_webhook_secret")
        line.value = "whsec-next"
        self.assertEqual(
            self.connection._webhook_secrets(),
            [{"webhook_secret": "whsec-next"}, {"webhook_secret": "whsec-current"}])
        line.sudo().previous_until = "2020-01-01 00:00:00"
        self.assertEqual(self.connection._webhook_secrets(), [{"webhook_secret": "whsec-next"}])

    # --- the key -----------------------------------------------------------------------------------------------------

    def test_key_from_environment_then_configuration_then_file(self):
        first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
        with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ), \
                patch.dict(config.options, {"data_dir": folder, "psa_hub_secret_key": second}):
            os.environ[secret_key.ENVIRONMENT_VARIABLE] = first
            text = secret_key.encryption().encrypt(b"x")
            self.assertEqual(Fernet(first.encode()).decrypt(text), b"x")
            del os.environ[secret_key.ENVIRONMENT_VARIABLE]
            text = secret_key.encryption().encrypt(b"x")
            self.assertEqual(Fernet(second.encode()).decrypt(text), b"x")
            self.assertFalse(os.listdir(folder))
            config.options["psa_hub_secret_key"] = None
            text = secret_key.encryption().encrypt(b"x")
            path = os.path.join(folder, secret_key.FILE_NAME)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertEqual(os.listdir(folder), [secret_key.FILE_NAME])
            self.assertEqual(secret_key.encryption().decrypt(text), b"x", "The file is made once")
            os.chmod(path, 0o644)
            with self.assertRaises(secret_key.SecretKeyError):
                secret_key.encryption()

    def test_bad_key_is_named_by_its_place_and_not_quoted(self):
        with patch.dict(os.environ, {secret_key.ENVIRONMENT_VARIABLE: "not-a-key"}):
            with self.assertRaises(secret_key.SecretKeyError) as caught:
                secret_key.encryption()
        self.assertIn(secret_key.ENVIRONMENT_VARIABLE, str(caught.exception))
        self.assertNotIn("not-a-key", str(caught.exception))

    def test_rotation(self):
        old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
        with patch.dict(os.environ, {secret_key.ENVIRONMENT_VARIABLE: old}):
            self.connection.credential_ids.action_clear()
            self.secret.value = "rotated"
        with patch.dict(os.environ, {secret_key.ENVIRONMENT_VARIABLE: f"{new},{old}"}):
            self.env["psa.credential"].search([("connection_id", "!=", self.connection.id)]).unlink()
            self.env["psa.credential"]._rotate()
        with patch.dict(os.environ, {secret_key.ENVIRONMENT_VARIABLE: new}):
            self.assertEqual(self.connection._credential_values()["client_secret"], "rotated")

    def test_wrong_key_opens_the_breaker_with_a_sentence(self):
        self.env.cr.commit()
        with patch.dict(os.environ, {secret_key.ENVIRONMENT_VARIABLE: Fernet.generate_key().decode()}):
            self.connection.action_check()
        self.assertIn("type them again", self.open_exceptions("connection_refused").name)
