# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from ..connectors.base import Page
from ..connectors.errors import ConnectionRefusedByVendor, DataError, TransientError
from .link_case import PullCase


@tagged("post_install", "-at_install")
class TestStreamFetch(PullCase):

    def test_hints_are_answered_with_the_record_as_it_stands(self):
        self.fake.add("A1", "2026-01-05T10:00:00", Name="One")
        self.account._request_fetch(["A1", "GONE"])
        self.account._request_fetch(["A1"])
        self.env.cr.commit()
        self.env["psa.stream"]._cron_fetch()
        self.assertEqual(self.fake.calls, [("records", "account", ["A1", "GONE"])], "One read for both hints of A1")
        hints = self.messages(operation="hint")
        self.assertEqual(hints.mapped("state"), ["done"] * 3)
        answers = self.messages(origin="fetch")
        self.assertEqual({(answer.external_id, answer.operation) for answer in answers},
                         {("A1", "upsert"), ("GONE", "delete")})

    def test_absence_is_told_again(self):
        for _round in range(2):
            self.account._request_fetch(["GONE"])
            self.env.cr.commit()
            self.account._fetch_hinted()
        self.assertEqual(len(self.messages(operation="delete")), 2)

    def test_hint_that_comes_while_its_record_is_read_causes_another_read(self):
        self.fake.add("A1", "2026-01-05T10:00:00")
        self.account._request_fetch(["A1"])
        self.env.cr.commit()
        real = self.fake.fetch_records

        def fetch_records(session, stream, external_ids):
            records = real(session, stream, external_ids)
            if len(self.fake.calls) == 1:
                self.fake.records.clear()
                self.fake.add("A1", "2026-01-05T11:00:00")
                self.account._request_fetch(["A1"])
                self.env.cr.commit()
            return records
        with patch.object(self.fake, "fetch_records", fetch_records):
            self.account._fetch_hinted()
        self.assertEqual(self.messages(origin="fetch").mapped("source_version"),
                         ["2026-01-05T10:00:00", "2026-01-05T11:00:00"])

    def test_refused_id_stands_alone(self):
        for number in range(5):
            self.fake.add(f"A{number}", "2026-01-05T10:00:00")
        real = self.fake.fetch_records

        def fetch_records(session, stream, external_ids):
            if "bad id" in external_ids:
                raise DataError("Malformed id.", code="MALFORMED_ID")
            return real(session, stream, external_ids)
        self.account._request_fetch(["A0", "A1", "bad id", "A2", "A3", "A4"])
        self.env.cr.commit()
        with patch.object(self.fake, "fetch_records", fetch_records):
            self.account._fetch_hinted()
        held = self.messages(state="held")
        self.assertEqual((held.external_id, held.error_code, held.operation), ("bad id", "MALFORMED_ID", "hint"))
        self.assertEqual(held.exception_id.cause_code, "invalid_data")
        self.assertEqual(len(self.messages(origin="fetch")), 5)

    def test_hints_survive_a_failure_and_die_after_many(self):
        self.account._request_fetch(["A1"])
        self.env.cr.commit()
        self.fake.faults.append(TransientError("Busy."))
        self.account._fetch_hinted()
        hint = self.messages(operation="hint")
        self.assertEqual((hint.state, hint.attempt_count), ("retry", 1))
        self.fake.faults.append(ConnectionRefusedByVendor("Revoked."))
        hint.next_attempt_at = "2020-01-01 00:00:00"
        self.account._fetch_hinted()
        hint.invalidate_recordset()
        self.assertEqual((hint.state, hint.attempt_count), ("retry", 1), "A refused connection costs no attempt")
        self.connection.gate_ids.write({"breaker_state": "closed"})
        hint.attempt_count = self.connection.attempt_limit - 1
        self.env.cr.commit()
        self.fake.faults.append(TransientError("Busy."))
        self.account._fetch_hinted()
        hint.invalidate_recordset()
        self.assertEqual((hint.state, hint.exception_id.cause_code), ("dead", "dead_letter"))

    def test_reconcile_asks_for_every_bound_record(self):
        self.env["psa.binding"].create([
            {"connection_id": self.connection.id, "object_type": "Account", "external_id": f"A{number}",
             "canonical_type": "party", "deleted_at_source": number == 2} for number in range(3)])
        self.fake.fetch_page = lambda *arguments: Page([], {"modified": "x"}, False, reconcile=True)
        self.pull()
        self.assertEqual(sorted(self.external_ids(operation="hint")), ["A0", "A1"])


@tagged("post_install", "-at_install")
class TestStreamWatch(PullCase):

    def test_silent_source_is_told_once_and_forgotten_when_it_speaks(self):
        self.account.silence_hours = 24
        self.add(1)
        self.pull()
        self.env["psa.stream"]._cron_watch()
        self.account.invalidate_recordset()
        self.assertFalse(self.account.is_silent)
        self.assertTrue(self.account.last_message_at)
        self.account.last_message_at = fields.Datetime.now() - timedelta(hours=25)
        for _round in range(2):
            self.env["psa.stream"]._cron_watch()
        self.assertTrue(self.account.is_silent)
        self.assertEqual(len(self.connection.activity_ids), 1)
        self.env["ir.cron"].search([]).nextcall = fields.Datetime.now()
        self.env.flush_all()
        self.assertEqual(self.env["psa.connection"]._health(), "degraded")
        self.add(1, start=5)
        self.pull()
        self.env["psa.stream"]._cron_watch()
        self.account.invalidate_recordset()
        self.assertFalse(self.account.is_silent)
