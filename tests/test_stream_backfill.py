# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from ..models.sync import psa_stream_pull
from .link_case import PullCase


@tagged("post_install", "-at_install")
class TestStreamBackfill(PullCase):

    def start_backfill(self, since=False, **values):
        self.account.write({"backfill_page_size": 5, **values})
        self.account.action_backfill(since)
        self.env.cr.commit()

    def test_backfill_reads_history_beside_live_traffic(self):
        self.add(12)
        self.account.cursor = {"modified": "2026-02-01T00:00:00", "id": "Z"}
        self.start_backfill()
        self.env["psa.stream"]._cron_backfill()
        self.account.invalidate_recordset()
        self.assertEqual(self.account.backfill_state, "done")
        self.assertEqual(len(self.messages(origin="backfill")), 12)
        self.assertEqual(self.account.cursor, {"modified": "2026-02-01T00:00:00", "id": "Z"})
        options = [call[3] for call in self.fake.calls]
        self.assertEqual([item["page_size"] for item in options], [5, 5, 5])
        self.assertTrue(all(item["backfill"] for item in options))

    def test_backfill_since(self):
        self.fake.add("OLD", "2026-01-04T10:00:00")
        self.fake.add("NEW", "2026-01-05T10:00:00")
        self.start_backfill(since="2026-01-05 00:00:00")
        self.account._backfill()
        self.assertEqual(self.external_ids(), ["NEW"])

    def test_backfill_goes_on_after_a_kill(self):
        self.add(12)
        self.start_backfill()
        with self.killed("_store_backfill_page", at_call=2):
            self.account._backfill()
        self.assertEqual(len(self.messages()), 5)
        self.assertEqual(self.account.backfill_cursor["id"], "A0004")
        self.assertEqual(self.account._backfill(), 7)
        self.assertEqual(self.external_ids(), [f"A{number:04}" for number in range(12)])

    def test_backfill_waits_for_the_lane(self):
        self.connection.backfill_backlog_limit = 5
        self.add(20)
        self.start_backfill()
        with patch.object(psa_stream_pull.time, "sleep"):
            self.account._backfill()
        self.assertEqual(len(self.messages()), 5)
        self.assertEqual(self.account.backfill_state, "running")
        self.messages().write({"state": "done"})
        self.env.cr.commit()
        self.account._backfill()
        self.assertEqual(len(self.messages()), 10)

    def test_backfill_without_budget_does_not_delay_live_traffic(self):
        self.connection.write({"rate_calls": 10, "rate_seconds": 3600})
        self.add(4)
        self.start_backfill(backfill_page_size=1)
        self.fake.fetch_page = self.calling(self.fake.fetch_page)
        self.account._backfill()
        self.account.invalidate_recordset()
        self.assertEqual(self.account.backfill_state, "running")
        self.assertGreater(self.account.next_backfill_at, fields.Datetime.now())
        self.assertFalse(self.account.next_pull_at)
        self.assertEqual(self.pull(), 3, "One is left in the bucket for live traffic")

    def calling(self, fetch_page):
        """Make the fake pass the gate for each page, as a real one does for each call."""
        def fetch(session, *arguments):
            session.memory["gate"].before_call("GET", "fake.example.com")
            return fetch_page(session, *arguments)
        return fetch

    def test_backfill_can_be_stopped(self):
        self.add(3)
        self.start_backfill()
        self.account.action_backfill_stop()
        self.env.cr.commit()
        self.assertEqual(self.account._backfill(), 0)
        self.assertFalse(self.fake.calls)
