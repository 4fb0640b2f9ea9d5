# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""The cases of the conformance suite that need the engine: deliveries that come twice, out of order, or in a burst.

The deliveries are made and signed by the vendors' stand-ins; what a hint stands for is read from them over HTTP.
"""

import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from odoo.tests import TransactionCase, tagged

PURE = Path(__file__).resolve().parent / "pure"
SAMPLE, WHOLE = 300, 10_000


def rigs():
    """Return the rigs of the vendors that notify; their modules live beside the add-on, not in it."""
    for folder in (str(PURE), str(PURE.parents[1])):
        if folder not in sys.path:
            sys.path.append(folder)
    from rigs import all_rigs

    return {code: rig for code, rig in all_rigs().items() if getattr(rig.connector, "has_webhook", False)}


class WebhookCase(TransactionCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's guard of calls in tests compares the time-out with a number; ours are a pair."""
        return super()._request_handler(session, request, **{**options, "timeout": max(options["timeout"])})

    def for_each(self, name, play):
        """Play a case with each vendor to which it applies; ``play(rig, vendor, connection)``."""
        played = 0
        for code, rig in rigs().items():
            if name in rig.not_applicable:
                continue
            with self.subTest(vendor=code):
                vendor = rig.start()
                try:
                    play(rig, vendor, self.connect(rig, vendor))
                finally:
                    vendor.stop()
                self.assertEqual(vendor.errors, [])
            played += 1
        self.assertTrue(played)

    def connect(self, rig, vendor):
        """Return a connection to the running stand-in."""
        session = rig.session(vendor)
        declared = {field.code for field in rig.connector.settings}
        settings = {code: value for code, value in session.settings.items() if code in declared}
        connection = self.env["psa.connection"].create({
            "name": f"Conformance {rig.code}", "connector_code": rig.code, "environment": "sandbox",
            "state": "connected", "auth_method": session.auth_method, "settings": settings,
            "rate_calls": 100_000, "rate_seconds": 1})
        connection._set_credentials({**session.credentials, **rig.webhook_secrets})
        self.env["psa.credential"].sudo().search([
            ("connection_id", "=", connection.id), ("code", "in", list(rig.webhook_secrets))]).is_webhook_secret = True
        self.env.cr.commit()
        self.registry.clear_cache()
        return connection

    def deliver(self, connection, request):
        """Return the status of the answer to ``request``, which was signed for an address of its own."""
        Connection = self.env["psa.connection"].sudo()
        target = replace(Connection._webhook_target(connection.sudo().webhook_token), url=request.url)
        answer = Connection._take_delivery(target, request.headers, request.body, request.method, "", request.query)
        self.env.cr.commit()
        return answer.status

    def send(self, rig, vendor, connection, external_ids):
        return self.deliver(connection, rig.delivery(vendor, external_ids, moment=datetime.now(timezone.utc)))

    def messages(self, connection, **conditions):
        return self.env["psa.message"].search(
            [("connection_id", "=", connection.id), *((name, "=", value) for name, value in conditions.items())],
            order="id")


@tagged("post_install", "-at_install")
class TestConformanceWebhook(WebhookCase):

    def test_the_same_delivery_twice_has_one_effect(self):
        self.for_each("webhook_duplicate", self.play_webhook_duplicate)

    def play_webhook_duplicate(self, rig, vendor, connection):
        request = rig.delivery(vendor, sorted(rig.ids(vendor))[:1], moment=datetime.now(timezone.utc))
        self.assertEqual(self.deliver(connection, request), 200)
        self.assertIn(self.deliver(connection, request), (200, 401), "answered like the first one, or as a replay")
        self.assertEqual(len(self.messages(connection)), 1)

    def test_deliveries_out_of_order_end_in_the_newest(self):
        self.for_each("webhook_reordered", self.play_webhook_reordered)

    def play_webhook_reordered(self, rig, vendor, connection):
        external_id = sorted(rig.ids(vendor))[0]
        rig.touch(vendor, external_id)
        older = rig.delivery(vendor, [external_id], moment=datetime.now(timezone.utc))
        vendor.clock.forward(60)
        newest = rig.touch(vendor, external_id)
        newer = rig.delivery(vendor, [external_id], moment=datetime.now(timezone.utc))
        for request in (newer, older):
            self.assertEqual(self.deliver(connection, request), 200)
        stream = connection.stream_ids.filtered(lambda item: item.code == rig.stream)
        stream._fetch_hinted()
        stored = self.messages(connection, operation="upsert")
        self.assertEqual(set(stored.mapped("external_id")), {external_id})
        latest = max(stored, key=lambda message: (message.source_version or "", message.id))
        self.assertIn(newest, latest.payload)

    def test_a_burst_of_events_is_stored(self):
        self.for_each("webhook_burst", self.play_webhook_burst)

    def play_webhook_burst(self, rig, vendor, connection, count=SAMPLE):
        ids = rig.make(vendor, count)
        for start in range(0, count, rig.events_per_delivery):
            self.assertEqual(
                self.send(rig, vendor, connection, ids[start:start + rig.events_per_delivery]), 200)
        self.assertEqual(len(set(self.messages(connection).mapped("external_id"))), count)
        triggers = self.env["ir.cron.trigger"].search_count([])
        self.assertLess(triggers, 100, "wake-ups are coalesced")


@tagged("post_install", "-at_install", "long")
class TestConformanceWebhookLong(TestConformanceWebhook):

    def play_webhook_burst(self, rig, vendor, connection, count=WHOLE):  # pylint: disable=missing-return
        super().play_webhook_burst(rig, vendor, connection, count)
