import socket
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo.tests import HttpCase, tagged
from odoo.tests.common import TEST_CURSOR_COOKIE_NAME

from ..models.sync import psa_connection_webhook
from .fake_connector import FakeConnector, registered


@tagged("post_install", "-at_install")
class TestWebhook(HttpCase):

    def setUp(self):
        super().setUp()
        self.fake = FakeConnector()
        stack = ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(registered(self.fake))
        self.connection = self.env["psa.connection"].create({
            "name": "Fake EU", "connector_code": "fake", "environment": "sandbox", "auth_method": "client"})
        self.connection._set_credentials({"webhook_secret": "whsec"})
        self.connection.state = "connected"
        self.account = self.connection.stream_ids.filtered(lambda stream: stream.code == "account")
        self.url = f"/psa_hub/webhook/{self.connection.webhook_token}"
        self.addCleanup(self.registry.clear_cache)
        self.addCleanup(psa_connection_webhook._backlogs.clear)
        psa_connection_webhook._backlogs.clear()

    def deliver(self, body, secret="whsec", moment=None, content_type="application/json", headers=None, **options):
        signed = FakeConnector.sign(secret, moment or datetime.now(timezone.utc), body)
        return self.url_open(
            self.url, data=body, headers={**signed, "Content-Type": content_type, **(headers or {})}, **options)

    def messages(self):
        return self.env["psa.message"].search([("stream_id", "=", self.account.id)], order="id")

    def counted(self):
        self.env.invalidate_all()
        return dict(self.env["psa.webhook.counter"]._read_group(
            [("connection_id", "=", self.connection.id)], ["reason"], ["count:sum"]))

    # --- accepted ----------------------------------------------------------------------------------------------------

    def test_stored_and_answered_as_the_vendor_wants(self):
        answer = self.deliver(b"001A|2026-01-05T10:00:00Z")
        self.assertEqual((answer.status_code, answer.content), (202, b"<ack/>"))
        self.assertEqual(answer.headers["Content-Type"], "text/xml")
        self.assertNotIn("Set-Cookie", answer.headers)
        message = self.messages()
        self.assertEqual(
            (message.external_id, message.source_version, message.operation, message.state, message.origin),
            ("001A", "2026-01-05T10:00:00Z", "upsert", "pending", "webhook"))
        self.assertFalse(self.counted())

    def test_any_content_type(self):
        for number, content_type in enumerate((
                "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml",
                "application/octet-stream", "text/plain; charset=latin-1")):
            answer = self.deliver(f"F{number}|1".encode(), content_type=content_type)
            self.assertEqual(answer.status_code, 202, content_type)
        self.assertEqual(self.messages().mapped("external_id"), ["F0", "F1", "F2", "F3", "F4"])

    def test_form_encoded_body_is_verified_byte_for_byte(self):
        body = b"a%20b=c+d&x|1"
        self.assertEqual(self.deliver(body, content_type="application/x-www-form-urlencoded").status_code, 202)
        self.assertEqual(self.messages().external_id, "a%20b=c+d&x")

    def test_hundred_events_in_one_delivery(self):
        body = "\n".join(f"E{number}|1" for number in range(100)).encode()
        self.assertEqual(self.deliver(body).status_code, 202)
        self.assertEqual(len(self.messages()), 100)

    def test_hint_is_for_the_fetch_lane(self):
        self.deliver(b"001A")
        self.assertEqual((self.messages().operation, self.messages().lane), ("hint", "fetch"))

    def test_delivered_ten_times_has_one_effect(self):
        start = datetime.now(timezone.utc)
        for attempt in range(10):
            # The vendor signs each attempt anew. Counted from one moment: from "now", a delivery that takes a second
            # would make the next one a replay.
            moment = start - timedelta(seconds=attempt)
            self.assertEqual(self.deliver(b"001A|1", moment=moment).status_code, 202)
        self.assertEqual(len(self.messages()), 1)

    def test_burst_makes_a_handful_of_triggers(self):
        jobs = self.env["ir.cron.trigger"].search_count([])
        for number in range(20):
            self.deliver(f"B{number}|1".encode())
        self.assertLess(self.env["ir.cron.trigger"].search_count([]) - jobs, 6)

    def test_former_secret_is_good_while_it_is_being_changed(self):
        self.connection.credential_ids.filtered("is_webhook_secret").value = "whsec-next"
        self.env.flush_all()
        self.assertEqual(self.deliver(b"001A|1", secret="whsec-next").status_code, 202)
        self.assertEqual(self.deliver(b"001B|1", secret="whsec").status_code, 202)
        self.assertEqual(self.deliver(b"001C|1", secret="never").status_code, 401)

    def test_paused_connection_stores(self):
        self.connection.action_pause()
        self.assertEqual(self.deliver(b"001A|1").status_code, 202)
        self.assertEqual(len(self.messages()), 1)

    # --- turned away -------------------------------------------------------------------------------------------------

    def test_wrong_signature(self):
        self.assertEqual(self.deliver(b"001A|1", secret="guess").status_code, 401)
        self.assertEqual(self.url_open(self.url, data=b"001A|1").status_code, 401)
        answer = self.deliver(b"001A|1")
        self.assertEqual(answer.status_code, 202)
        self.assertEqual(self.counted(), {"signature": 2})
        self.assertEqual(self.connection.webhook_refused_count, 2)

    def test_changed_body(self):
        signed = FakeConnector.sign("whsec", datetime.now(timezone.utc), b"001A|1")
        self.assertEqual(self.url_open(self.url, data=b"001A|2", headers=signed).status_code, 401)
        self.assertFalse(self.messages())

    def test_stale(self):
        moment = datetime.now(timezone.utc) - timedelta(minutes=6)
        self.assertEqual(self.deliver(b"001A|1", moment=moment).status_code, 401)
        self.assertEqual(self.counted(), {"stale": 1})

    def test_replayed(self):
        moment = datetime.now(timezone.utc)
        self.assertEqual(self.deliver(b"001A|1", moment=moment).status_code, 202)
        self.assertEqual(self.deliver(b"001A|1", moment=moment).status_code, 401)
        self.assertEqual(self.counted(), {"replayed": 1})
        self.assertEqual(len(self.messages()), 1)

    def test_same_bytes_again_are_fine_where_the_vendor_signs_no_time(self):
        self.fake.webhook_signs_time = False
        moment = datetime.now(timezone.utc)
        for _attempt in range(3):
            self.assertEqual(self.deliver(b"001A|1", moment=moment).status_code, 202)
        self.assertEqual(len(self.messages()), 1)

    def test_no_secret_set_fails_closed(self):
        self.connection.credential_ids.filtered("is_webhook_secret").action_clear()
        self.env.flush_all()
        self.assertEqual(self.deliver(b"001A|1", secret="").status_code, 401)
        self.assertEqual(self.counted(), {"no_secret": 1})

    def test_too_large(self):
        self.connection.webhook_max_bytes = 1000
        self.env.flush_all()
        body = b"x" * 1001 + b"|1"

        def chunks():
            yield b"x" * 600
            yield b"y" * 600

        # The counter's own transaction is part of the refused request's one here, so the calls are looked at.
        with patch.object(self.registry["psa.webhook.counter"], "_count") as count:
            self.assertEqual(self.deliver(body).status_code, 413)
            self.assertEqual(
                self.deliver(body, content_type="application/x-www-form-urlencoded").status_code, 413)
            self.assertEqual(
                self.opener.post(self.base_url() + self.url, data=chunks(), timeout=10).status_code, 413,
                "A body that does not say its length")
        self.assertEqual([call.args for call in count.call_args_list], [(self.connection.id, "too_large")] * 3)
        self.assertEqual(self.deliver(b"x" * 990 + b"|1").status_code, 202)
        self.assertEqual(len(self.messages()), 1)

    def test_unknown_token(self):
        self.assertEqual(self.url_open("/psa_hub/webhook/nobody", data=b"x").status_code, 404)
        self.connection.active = False
        self.env.flush_all()
        self.assertEqual(self.deliver(b"001A|1").status_code, 404)

    def test_other_verbs(self):
        self.assertEqual(self.url_open(self.url).status_code, 405)

    def test_overload(self):
        self.connection.webhook_backlog_limit = 3
        self.env.flush_all()
        self.assertEqual(self.deliver(b"A|1\nB|1\nC|1\nD|1").status_code, 202)
        psa_connection_webhook._backlogs.clear()
        answer = self.deliver(b"E|1")
        self.assertEqual(answer.status_code, 429)
        self.assertEqual(answer.headers["Retry-After"], "30")
        self.assertEqual(len(self.messages()), 4)
        self.assertEqual(self.counted(), {"overload": 1})

    def test_cut_body(self):
        url = self.base_url().removeprefix("http://")
        host, _sep, port = url.partition(":")
        with self.allow_requests(), socket.create_connection((host, int(port)), timeout=20) as client:
            cookie = f"{TEST_CURSOR_COOKIE_NAME}={self.http_request_key}"
            client.sendall((f"POST {self.url} HTTP/1.1\r\nHost: {url}\r\nCookie: {cookie}\r\n"
                            "Content-Length: 100\r\nConnection: close\r\n\r\nshort").encode())
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(4096)
        self.assertTrue(answer.startswith(b"HTTP/1.") and b" 503 " in answer.split(b"\r\n")[0], answer)
        self.assertFalse(self.messages())

    def test_unreadable_is_kept_byte_for_byte(self):
        for _attempt in range(2):
            self.assertEqual(self.deliver(b"!\xff\x00").status_code, 200)
        message = self.messages()
        self.assertEqual((message.state, message.payload), ("dead", "If8A"))
        self.assertEqual(message.exception_id.cause_code, "poison")
        self.assertEqual(message.exception_id.holder_count, 1)

    def test_lost_key_asks_to_send_again(self):
        with patch.dict("os.environ", {"PSA_HUB_SECRET_KEY": "0" * 43 + "="}), \
                self.assertLogs("odoo.addons.psa_hub.models.sync.psa_connection_webhook", "ERROR"):
            answer = self.deliver(b"001A|1")
        self.assertEqual(answer.status_code, 503)
        self.assertIn("Retry-After", answer.headers)
