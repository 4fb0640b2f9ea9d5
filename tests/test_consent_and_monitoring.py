import base64
import hashlib
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from odoo import fields
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..connectors.errors import ConnectionRefusedByVendor
from ..models.sync.token_store import DatabaseTokenStore
from .fake_connector import FakeConnector, registered


class LinkHttpCase(HttpCase):

    def setUp(self):
        super().setUp()
        self.fake = FakeConnector()
        stack = ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(registered(self.fake))
        self.connection = self.env["psa.connection"].create({
            "name": "Fake EU", "connector_code": "fake", "environment": "sandbox", "auth_method": "web"})
        self.connection._set_credentials({"client_id": "hub", "client_secret": "s3cret"})
        self.admin = new_test_user(self.env, "link_admin", groups="psa_hub.group_administrator")
        self.auditor = new_test_user(self.env, "link_auditor", groups="psa_hub.group_auditor")
        self.env.flush_all()


@tagged("post_install", "-at_install")
class TestConsent(LinkHttpCase):

    def start(self):
        answer = self.url_open(f"/psa_hub/oauth/start/{self.connection.id}", allow_redirects=False)
        self.assertEqual(answer.status_code, 303)
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}

    def back(self, **parameters):
        return self.url_open("/psa_hub/oauth/callback", params=parameters, allow_redirects=False)

    def token(self):
        return DatabaseTokenStore(self.env, self.connection.id).get()

    def test_consent(self):
        self.authenticate("link_admin", "link_admin")
        asked = self.start()
        self.assertTrue(asked["redirect"].endswith("/psa_hub/oauth/callback"))
        answer = self.back(state=asked["state"], code="xyz")
        self.assertEqual(answer.status_code, 303)
        self.assertIn(f"/odoo/psa.connection/{self.connection.id}", answer.headers["Location"])
        (_kind, code, redirect_uri, verifier), = [call for call in self.fake.calls if call[0] == "exchange"]
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        self.assertEqual((code, redirect_uri, challenge), ("xyz", asked["redirect"], asked["challenge"]))
        self.env.invalidate_all()
        self.assertEqual(self.token().data, {"access_token": "access-xyz"})
        self.assertEqual(self.connection._credential_values()["refresh_token"], "refresh-xyz")
        self.assertEqual(self.connection.state, "connected")

    def test_state_is_good_once_for_one_person_and_ten_minutes(self):
        self.authenticate("link_admin", "link_admin")
        self.assertEqual(self.back(state="made-up", code="xyz").status_code, 400)
        asked = self.start()
        self.assertEqual(self.back(state=asked["state"], code="xyz").status_code, 303)
        self.assertEqual(self.back(state=asked["state"], code="xyz").status_code, 400, "Used up")
        asked = self.start()
        self.env["psa.oauth.state"].search([]).started_at = fields.Datetime.now() - timedelta(minutes=11)
        self.env.flush_all()
        self.assertEqual(self.back(state=asked["state"], code="xyz").status_code, 400, "Too late")
        asked = self.start()
        new_test_user(self.env, "link_other", groups="psa_hub.group_administrator")
        self.authenticate("link_other", "link_other")
        self.assertEqual(self.back(state=asked["state"], code="xyz").status_code, 400, "Somebody else's")
        self.assertEqual(len([call for call in self.fake.calls if call[0] == "exchange"]), 1)

    @mute_logger("odoo.http")
    def test_only_administrators(self):
        self.authenticate("link_auditor", "link_auditor")
        self.assertEqual(
            self.url_open(f"/psa_hub/oauth/start/{self.connection.id}", allow_redirects=False).status_code, 403)

    def test_refused_consent_is_told(self):
        self.authenticate("link_admin", "link_admin")
        asked = self.start()
        self.assertEqual(self.back(
            state=asked["state"], error="access_denied", error_description="The user said no").status_code, 303)
        self.assertIn("The user said no", self.connection.message_ids[0].body)
        asked = self.start()
        self.fake.faults.append(ConnectionRefusedByVendor("The code is not valid."))
        self.assertEqual(self.back(state=asked["state"], code="xyz").status_code, 303)
        self.env.invalidate_all()
        self.assertIn("The code is not valid.", self.connection.message_ids[0].body)
        self.assertIsNone(self.token())


@tagged("post_install", "-at_install")
class TestMonitoring(LinkHttpCase):

    def test_health_says_one_word(self):
        self.env["ir.cron"].search([]).nextcall = fields.Datetime.now()
        self.env["psa.connection"].search([]).state = "connected"
        self.env["psa.stream"].search([]).write({"is_silent": False, "blocked_reason": False})
        self.env.flush_all()
        answer = self.url_open("/psa_hub/health")
        self.assertEqual((answer.status_code, answer.json()), (200, {"status": "ok"}))
        self.connection.state = "refused"
        self.env.flush_all()
        self.assertEqual(self.url_open("/psa_hub/health").json(), {"status": "degraded"})
        self.env.ref("psa_hub.cron_pull_1").nextcall = fields.Datetime.now() - timedelta(hours=1)
        self.env.flush_all()
        answer = self.url_open("/psa_hub/health")
        self.assertEqual((answer.status_code, answer.json()), (503, {"status": "failing"}))

    def key(self, user):
        return self.env(user=user)["res.users.apikeys"]._generate(
            "rpc", "monitoring", fields.Datetime.now() + timedelta(days=1))

    def metrics(self, key=None):
        return self.url_open("/psa_hub/metrics", headers={"Authorization": f"Bearer {key}"} if key else {})

    def test_metrics_need_a_key_of_someone_who_may_read(self):
        self.assertEqual(self.metrics().status_code, 401)
        self.assertEqual(self.metrics("wrong").status_code, 401)
        stranger = new_test_user(self.env, "link_stranger", groups="base.group_user")
        self.assertEqual(self.metrics(self.key(stranger)).status_code, 403)

    def test_metrics(self):
        account = self.connection.stream_ids.filtered(lambda stream: stream.code == "account")
        account.last_success_at = fields.Datetime.now() - timedelta(minutes=10)
        account._request_fetch(["A1", "A2"])
        self.env["psa.webhook.counter"].create({
            "connection_id": self.connection.id, "day": "2026-01-01", "reason": "signature", "count": 7})
        key = self.key(self.auditor)
        self.env.flush_all()
        answer = self.metrics(key)
        self.assertEqual(answer.status_code, 200)
        name = f"Fake EU #{self.connection.id}"
        self.assertIn(f'psa_hub_messages{{connection="{name}",lane="fetch",state="pending"}} 2.0', answer.text)
        self.assertIn(f'psa_hub_webhook_refused_total{{connection="{name}",reason="signature"}} 7.0', answer.text)
        self.assertRegex(answer.text, rf'psa_hub_stream_lag_seconds{{connection="{name}",stream="account"}} 60\d')
        self.assertIn(f'psa_hub_breaker_open{{connection="{name}",kind=""}} 0.0', answer.text)
