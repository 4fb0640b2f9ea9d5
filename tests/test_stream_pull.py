# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from datetime import timedelta
from unittest.mock import patch

import psycopg2.errors

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..connectors.base import DELETE, MERGE, Page, RawRecord
from ..connectors.errors import ConnectionRefusedByVendor, DataError, PoisonError, TransientError
from ..models.sync import psa_stream_pull
from .link_case import PullCase


@tagged("post_install", "-at_install")
class TestStreamPull(PullCase):

    # --- incremental -------------------------------------------------------------------------------------------------

    def test_pages_become_messages_and_the_cursor_moves(self):
        self.account.page_size = 4
        self.add(10)
        self.assertEqual(self.pull(), 10)
        self.assertEqual(len(self.messages(state="pending", origin="pull")), 10)
        self.assertEqual(self.account.cursor, {"modified": "2026-01-05T10:00:09", "id": "A0009"})
        self.assertEqual(self.account.watermark, "2026-01-05T10:00:09")
        self.assertTrue(self.account.last_success_at)
        self.assertGreater(self.account.next_pull_at, fields.Datetime.now())
        self.assertFalse(self.account.mid_run)
        self.assertEqual([call[3]["new_run"] for call in self.fake.calls], [True, False, False])

    def test_nothing_new_is_nothing(self):
        self.add(3)
        self.pull()
        self.assertEqual(self.pull(), 0, "The overlap brings them again, and they are known")
        self.assertEqual(len(self.messages()), 3)
        self.assertEqual(self.fake.calls[-1][2]["id"], "A0002")

    def test_ties_on_one_second_across_pages(self):
        self.account.page_size = 3
        for number in range(8):
            self.fake.add(f"T{number}", "2026-01-05T10:00:00")
        self.assertEqual(self.pull(), 8)

    def test_back_dated_within_the_overlap_is_found(self):
        self.fake.add("A1", "2026-01-05T10:00:00")
        self.pull()
        self.fake.add("LATE", "2026-01-05T09:55:00")  # committed late by the vendor: a stamp before our cursor
        self.assertEqual(self.pull(), 1)
        self.assertEqual(self.external_ids(), ["A1", "LATE"])

    def test_record_without_a_stamp_comes_once(self):
        self.fake.add("NULL", None, Name="No stamp")
        self.fake.add("A1", "2026-01-05T10:00:00")
        self.pull()
        self.pull()
        self.assertEqual(sorted(self.external_ids()), ["A1", "NULL"])

    def test_new_version_of_a_record_is_a_new_message(self):
        self.fake.add("A1", "2026-01-05T10:00:00", Name="Old")
        self.pull()
        self.fake.add("A1", "2026-01-05T10:01:00", Name="New")
        self.assertEqual(self.pull(), 1)
        self.assertEqual(self.messages().mapped("source_version"), ["2026-01-05T10:00:00", "2026-01-05T10:01:00"])

    def test_deletions_and_merges_are_messages(self):
        self.fake.add("A1", "2026-01-05T10:00:00")
        self.fake.add("A2", "2026-01-05T10:00:01", operation=DELETE)
        self.fake.add("A3", "2026-01-05T10:00:02", operation=MERGE, winner="A1")
        self.pull()
        self.assertEqual(self.messages().mapped("operation"), ["upsert", "delete", "merge"])
        self.assertIn('"winner"', self.messages(operation="merge").payload)

    def test_first_read_starts_where_the_connection_says(self):
        self.connection.read_since = "2026-01-05 10:00:00"
        self.fake.add("OLD", "2026-01-04T10:00:00")
        self.fake.add("NEW", "2026-01-05T10:00:01")
        self.env.cr.commit()
        self.pull()
        self.assertEqual(self.external_ids(), ["NEW"])

    def test_job_reads_what_is_due_and_nothing_else(self):
        self.add(2)
        person = self.connection.stream_ids.filtered(lambda stream: stream.code == "person")
        person.next_pull_at = fields.Datetime.now() + timedelta(hours=1)
        paused = self.make_connection(name="Paused")
        paused.action_pause()
        self.env.cr.commit()
        self.env["psa.stream"]._cron_pull()
        mine = [call[1] for call in self.fake.calls]
        self.assertEqual(mine, ["account"])
        self.assertEqual(len(self.messages()), 2)

    # --- limits ------------------------------------------------------------------------------------------------------

    def test_page_limit_goes_on_in_the_next_run_without_stepping_back(self):
        self.account.write({"page_size": 2, "page_limit": 3})
        self.add(10)
        self.assertEqual(self.pull(), 6)
        self.assertTrue(self.account.mid_run)
        self.assertLessEqual(self.account.next_pull_at, fields.Datetime.now())
        self.assertEqual(self.pull(), 4)
        self.assertFalse(self.account.mid_run)
        self.assertEqual([call[3]["new_run"] for call in self.fake.calls], [True, False, False, False, False])
        self.assertFalse(self.open_exceptions())

    def test_time_limit_stops_between_pages(self):
        self.account.page_size = 2
        self.add(6)
        self.account._pull(seconds=-1)
        self.assertEqual(len(self.messages()), 2)
        self.assertTrue(self.account.mid_run)
        self.assertEqual(self.pull(), 4)

    def endless(self, moving):
        """A vendor that always says there is more."""
        pages = []

        def fetch_page(session, stream, cursor, options):
            pages.append(cursor)
            following = {"at": len(pages)} if moving else {"at": 1}
            return Page([RawRecord("Account", "A1", "1", {})], following, True)
        self.fake.fetch_page = fetch_page
        return pages

    def test_cursor_that_does_not_move_ends_the_run(self):
        pages = self.endless(moving=False)
        self.pull()
        self.assertEqual(len(pages), 2)
        self.assertIn("same page", self.account.last_error)
        self.assertEqual(self.open_exceptions().subject_key, f"stream:{self.account.id}")
        self.assertGreater(self.account.next_pull_at, fields.Datetime.now())

    def test_endless_pages_without_news_end_the_run(self):
        self.account.page_limit = 5
        pages = self.endless(moving=True)
        self.pull()  # the first run has one new record
        self.assertFalse(self.account.last_error)
        self.pull()
        self.assertEqual(len(pages), 10)
        self.assertIn("5 pages", self.account.last_error)
        self.assertEqual(len(self.open_exceptions()), 1)

    # --- one transaction a page --------------------------------------------------------------------------------------

    def test_killed_between_page_and_commit_loses_and_doubles_nothing(self):
        self.account.page_size = 4
        self.add(10)
        with self.killed("_move"):  # messages are inserted, the cursor is not written
            self.pull()
        self.assertFalse(self.account.cursor)
        self.assertFalse(self.messages())
        with self.killed("_store_page", at_call=2):
            self.pull()
        self.assertEqual(len(self.messages()), 4)
        self.assertEqual(self.pull(), 6)
        self.assertEqual(self.external_ids(), [f"A{number:04}" for number in range(10)])

    def test_moved_cursor_stores_nothing(self):
        """Somebody resets the cursor while a page is on its way."""
        self.add(3)
        real = self.fake.fetch_page

        def fetch_page(session, stream, cursor, options):
            page = real(session, stream, cursor, options)
            self.env.cr.execute("UPDATE psa_stream SET cursor = '{\"at\": 5}' WHERE id = %s", [self.account.id])
            return page
        with patch.object(self.fake, "fetch_page", fetch_page):
            self.assertEqual(self.pull(), 0)
        self.assertFalse(self.messages())
        self.assertEqual(self.connection.gate_ids.failure_count, 0, "It is not the vendor's failure")

    def test_collision_with_another_transaction_is_no_failure(self):
        self.add(3)
        with patch.object(type(self.account), "_move", side_effect=psycopg2.errors.SerializationFailure):
            self.assertEqual(self.pull(), 0)
        self.account.invalidate_recordset()
        self.assertEqual(self.account.failure_count, 0)
        self.assertEqual(self.pull(), 3)

    # --- failures ----------------------------------------------------------------------------------------------------

    def test_transient_failure_waits_longer_each_time_and_raises_nothing(self):
        self.add(1)
        attempts = []
        real = psa_stream_pull.pause

        def pause(attempt, *arguments):
            attempts.append(attempt)
            return real(attempt, *arguments)
        with patch.object(psa_stream_pull, "pause", pause):
            for _attempt in range(3):
                self.fake.faults.append(TransientError("Busy."))
                self.pull()
                self.assertGreater(self.account.next_pull_at, fields.Datetime.now())
        self.assertEqual(attempts, [1, 2, 3])
        self.assertEqual((self.account.failure_count, self.account.last_error), (3, "Busy."))
        self.assertFalse(self.open_exceptions())
        self.assertEqual(self.pull(), 1)
        self.assertEqual((self.account.failure_count, self.account.last_error), (0, False))

    def test_retry_after_is_honoured(self):
        self.fake.faults.append(TransientError("Slow down.", retry_after=3000))
        self.pull()
        wait = (self.account.next_pull_at - fields.Datetime.now()).total_seconds()
        self.assertAlmostEqual(wait, 3000, delta=5)

    def test_failure_in_the_middle_keeps_the_pages_before(self):
        self.account.page_size = 2
        self.add(6)
        self.fake.faults += [None, None, TransientError("Busy.")]
        self.pull()
        self.assertEqual(len(self.messages()), 4)
        self.assertEqual(self.account.cursor["id"], "A0003")
        self.assertEqual(self.pull(), 2)

    def test_refused_connection_rests_with_all_its_streams(self):
        self.fake.faults.append(ConnectionRefusedByVendor("The key was revoked."))
        self.pull()
        self.env.invalidate_all()
        self.assertEqual(self.connection.state, "refused")
        self.assertFalse(self.env["psa.stream"]._due() & self.connection.stream_ids)
        self.connection.gate_ids.breaker_until = "2020-01-01 00:00:00"
        self.account.next_pull_at = False
        self.assertIn(self.account, self.env["psa.stream"]._due())
        self.pull()
        self.env.invalidate_all()
        self.assertEqual(self.connection.state, "connected")
        self.assertFalse(self.open_exceptions())

    @mute_logger("odoo.addons.psa_hub.models.sync.psa_stream_pull")
    def test_what_cannot_be_read_is_one_exception_for_the_stream_and_closes_itself(self):
        for fault in (DataError("No such field."), PoisonError("Not JSON."), KeyError("secret-in-a-bug")):
            self.fake.faults.append(fault)
            self.pull()
        exception = self.open_exceptions()
        self.assertEqual((exception.subject_key, exception.recurrence_count), (f"stream:{self.account.id}", 3))
        self.assertNotIn("secret-in-a-bug", exception.name + self.account.last_error)
        self.add(1)
        self.assertEqual(self.pull(), 1)
        self.env.invalidate_all()
        self.assertEqual(exception.state, "resolved")

    def test_one_failing_stream_does_not_stop_the_others(self):
        self.add(1)
        person = self.connection.stream_ids.filtered(lambda stream: stream.code == "person")
        self.fake.add("P1", "2026-01-05T10:00:00", object_type="Contact")
        person.next_pull_at = "2020-01-01 00:00:00"
        self.account.next_pull_at = False  # goes first
        self.env.cr.commit()
        self.fake.faults.append(DataError("No such field."))
        self.env["psa.stream"]._cron_pull()
        self.assertEqual(len(self.messages(person)), 1)
