"""The chain of the audit trail: sealed in order, found out when changed, proved by an export."""

import base64
import csv
import io
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from ..models.governance.audit_chain import ERASED, erase, leaves, row_hash

RECIPE = Path(__file__).resolve().parents[1] / "docs" / "verify_audit.py"


@tagged("post_install", "-at_install")
class TestAuditChain(TransactionCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.env["res.company"].create({"name": "Chained"})
        cls.env.user.company_ids |= cls.company
        cls.admin = new_test_user(
            cls.env, "chain_admin", "psa_hub.group_administrator", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])
        cls.auditor = new_test_user(
            cls.env, "chain_auditor", "psa_hub.group_auditor", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])
        cls.Audit = cls.env["psa.audit"].with_company(cls.company)
        cls.rows = cls.log(6)
        cls.Audit._seal_all()

    @classmethod
    def log(cls, count, **values):
        return cls.Audit._log([
            {"event": "test.changed", "res_model": "res.partner", "res_id": number, "company_id": cls.company.id,
             "before": {"state": "held", "amount": 12.5}, "after": {"lines": [{"name": "Ada", "qty": number}]},
             "reason": "Because of Zoë", **values}
            for number in range(1, count + 1)
        ])

    @contextmanager
    def superuser(self):
        """SQL of somebody who owns the database, past every trigger."""
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE psa_audit DISABLE TRIGGER USER")
        self.env.cr.execute("ALTER TABLE psa_audit_block DISABLE TRIGGER USER")
        yield self.env.cr
        self.env.cr.execute("ALTER TABLE psa_audit ENABLE TRIGGER USER")
        self.env.cr.execute("ALTER TABLE psa_audit_block ENABLE TRIGGER USER")
        self.env.invalidate_all()

    def problems(self):
        return self.Audit._check_chain(self.company.id)[2]

    def exceptions(self):
        return self.env["psa.exception"].search([
            ("cause_code", "=", "audit_broken"), ("company_id", "=", self.company.id)])

    # === SEALING === #
    def test_rows_are_numbered_without_gaps_in_each_company(self):
        self.assertEqual(self.rows.mapped("sequence"), [1, 2, 3, 4, 5, 6])
        self.assertEqual(len(set(self.rows.mapped("seal"))), 6)
        later = self.log(2)
        self.assertFalse(any(later.mapped("sequence")), "not sealed yet")
        self.Audit._seal_all()
        self.assertEqual(later.mapped("sequence"), [7, 8])
        self.assertFalse(self.problems())
        blocks = self.env["psa.audit.block"].search([("company_id", "=", self.company.id)], order="id")
        self.assertEqual(blocks.mapped(lambda block: (block.first_sequence, block.last_sequence)), [(1, 6), (7, 8)])

    def test_a_row_that_was_written_earlier_and_seen_later_is_sealed_too(self):
        """Two transactions at once: the row with the lower id becomes visible after the other one was sealed."""
        later = self.log(2)
        with self.superuser() as cr:
            cr.execute("UPDATE psa_audit SET id = id - 100000 WHERE id = %s", [later[1].id])
        self.Audit._seal_all()
        self.assertFalse(self.problems())
        self.assertEqual(self.Audit._check_chain(self.company.id)[0], 8)

    def test_sealing_takes_a_fixed_number_of_queries(self):
        counts = []
        for number in (1, 3, 60):
            self.log(number)
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            self.Audit._seal()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[1], counts[2], "the first one fills caches")

    def test_a_sealed_row_is_not_sealed_again_nor_changed_with_the_seal(self):
        sealed, fresh = self.rows[0].id, self.log(1).id
        self.env.cr.execute("SET LOCAL psa_hub.erasing = 'on'")  # nor under the cloak of an erasure
        for statement, row_id in (
            ("UPDATE psa_audit SET sequence = 99 WHERE id = %s", sealed),
            ("UPDATE psa_audit SET seal = 'x' WHERE id = %s", sealed),
            ("UPDATE psa_audit SET sequence = 99, reason = 'Other' WHERE id = %s", fresh),
            ("UPDATE psa_audit SET event = 'x', erased = '{}' WHERE id = %s", sealed),
            ("UPDATE psa_audit SET reason = 'x' WHERE id = %s", sealed),
            ("DELETE FROM psa_audit_block WHERE id > %s", 0),
            ("UPDATE psa_audit_block SET seal = 'x' WHERE id > %s", 0),
        ):
            with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.Error) as caught, self.env.cr.savepoint():
                self.env.cr.execute(statement, [row_id])
            self.assertIn("append-only", str(caught.exception))

    # === TAMPERING === #
    def test_a_changed_row_is_found_whatever_was_changed(self):
        for column, value in (
            ("reason", "'Because of nothing'"), ("after", "'{\"lines\": []}'"), ("before", "NULL"), ("user_id", "2"),
            ("moment", "moment - INTERVAL '1 second'"), ("event", "'test.other'"), ("res_id", "77"),
            ("seal", "repeat('0', 64)"), ("salt", "repeat('0', 32)"),
        ):
            with self.subTest(column=column), self.env.cr.savepoint() as savepoint:
                with self.superuser() as cr:
                    cr.execute(SQL("UPDATE psa_audit SET %s = %s WHERE id = %s",  # what a person with psql would type
                                   SQL.identifier(column), SQL(value), self.rows[2].id))
                self.assertIn((3, "changed"), self.problems())
                savepoint.rollback()
        self.assertFalse(self.problems())

    def test_a_missing_row_is_found_at_both_ends_and_in_the_middle(self):
        for number in (1, 3, 6):
            with self.subTest(number=number), self.env.cr.savepoint() as savepoint:
                with self.superuser() as cr:
                    cr.execute("DELETE FROM psa_audit WHERE id = %s", [self.rows[number - 1].id])
                self.assertEqual(self.problems(), [(number, "missing")])
                savepoint.rollback()

    def test_a_forged_chain_does_not_fit_its_blocks(self):
        """Somebody changes a row and computes every hash from it on anew."""
        with self.superuser() as cr:
            cr.execute("UPDATE psa_audit SET reason = 'Forged' WHERE id = %s", [self.rows[3].id])
            former = self.rows[2].seal
            for row in self.Audit._chain(self.company.id, 3):
                former = row.hash(former)
                cr.execute("UPDATE psa_audit SET seal = %s WHERE id = %s", [former, row.id])
        self.assertEqual(self.problems(), [(6, "changed")])

    def test_a_block_that_is_taken_away_too_leaves_rows_in_no_block(self):
        with self.superuser() as cr:
            cr.execute("DELETE FROM psa_audit_block WHERE company_id = %s", [self.company.id])
        self.assertEqual(self.problems(), [(6, "unblocked")])
        self.log(1)
        self.Audit._seal_all()
        self.assertEqual(self.Audit._check_chain(self.company.id)[0], 7, "sealing goes on after the last row")

    def test_values_taken_out_without_an_erasure_are_found(self):
        row = next(self.Audit._chain(self.company.id))
        body, erased = erase(row.body, row.salt, None, lambda text: "Ada" in text)
        with self.superuser() as cr:
            cr.execute("UPDATE psa_audit SET after = %s, erased = %s, salt = NULL WHERE id = %s",
                       [json.dumps(body["after"]), json.dumps(erased), row.id])
        self.assertEqual(self.problems(), [(1, "erased")])

    # === CHECKS === #
    def test_the_nightly_check_raises_once_and_closes_when_mended(self):
        self.Audit._cron_verify()
        self.assertFalse(self.exceptions())
        with self.superuser() as cr:
            cr.execute("UPDATE psa_audit SET reason = 'Other' WHERE id = %s", [self.rows[2].id])
        with mute_logger("odoo.addons.psa_hub.models.governance.audit_verify"):
            self.Audit._cron_verify()
            self.Audit._cron_verify()
        exception = self.exceptions()
        self.assertEqual((len(exception), exception.recurrence_count), (1, 2))
        self.assertIn("no. 3 changed", exception.name)
        self.assertEqual(exception.activity_ids.user_id & self.admin, self.admin)
        self.assertEqual(len(exception.activity_ids.filtered(lambda item: item.user_id == self.admin)), 1)
        found = self.env["psa.audit"].search([
            ("event", "=", "audit.verify"), ("company_id", "=", self.company.id)], limit=1)
        self.assertEqual((found.after["intact"], found.after["problems"]), (False, [[3, "changed"]]))
        with self.superuser() as cr:
            cr.execute("UPDATE psa_audit SET reason = 'Because of Zoë' WHERE id = %s", [self.rows[2].id])
        self.Audit._cron_verify()
        self.assertEqual(exception.state, "resolved")

    def test_an_auditor_verifies_with_a_button(self):
        answer = self.Audit.with_user(self.auditor).with_context(
            allowed_company_ids=self.company.ids).browse().action_verify()
        self.assertEqual(answer["params"]["type"], "success")
        with self.superuser() as cr:
            cr.execute("DELETE FROM psa_audit WHERE id = %s", [self.rows[2].id])
        answer = self.Audit.with_user(self.auditor).with_context(
            allowed_company_ids=self.company.ids).browse().action_verify()
        self.assertEqual(answer["params"]["type"], "danger")
        self.assertIn("no. 3 missing", answer["params"]["message"])

    # === EXPORT === #
    def recipe(self, content, file_format, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"audit.{file_format}"
            file.write_bytes(content)
            done = subprocess.run(
                [sys.executable, RECIPE, file, *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def export(self, file_format, **values):
        wizard = self.env["psa.audit.export"].with_user(self.auditor).create(
            {"company_id": self.company.id, "file_format": file_format, **values})
        wizard.action_export()
        return base64.b64decode(wizard.sudo().download)

    def test_the_export_proves_itself_without_odoo(self):
        for file_format in ("json", "csv"):
            with self.subTest(file_format=file_format):
                content = self.export(file_format)
                code, text = self.recipe(content, file_format, self.rows[-1].seal)
                self.assertEqual(code, 0, text)
                self.assertIn("all intact", text)
                self.assertEqual(self.recipe(content.replace(b"12.5", b"13.5", 1), file_format)[0], 1)
        rows = json.loads(self.export("json"))
        self.assertEqual([row["sequence"] for row in rows[:6]], [1, 2, 3, 4, 5, 6])
        code, text = self.recipe(json.dumps(rows[:2] + rows[3:]).encode(), "json")
        self.assertIn("missing", text)
        code, text = self.recipe(json.dumps(rows[:4]).encode(), "json", self.rows[-1].seal)
        self.assertIn("cut off", text)
        read = list(csv.DictReader(io.StringIO(self.export("csv").decode())))
        self.assertEqual(json.loads(read[0]["reason"]), "Because of Zoë")

    def test_a_part_of_the_trail_can_be_exported(self):
        with self.superuser() as cr:
            cr.execute("UPDATE psa_audit SET moment = moment - INTERVAL '3 days' WHERE id <= %s", [self.rows[1].id])
        rows = json.loads(self.export("json", date_from="2020-01-01", date_to="2020-01-02") or b"[]")
        self.assertFalse(rows)
        today = self.env.cr.now().date()
        self.assertEqual(json.loads(self.export("json", date_from=today))[0]["sequence"], 3)

    # === THE HASH === #
    def test_every_leaf_counts_and_an_erased_one_keeps_the_rest_provable(self):
        body = {"before": None, "after": {"name": "Ada", "amount": 10.1, "tags": [], "lines": [{"q": 1}, "Ada L."]},
                "reason": None}
        head, salt = [1, 2, "2026-05-01 00:00:00", 3, "e", None, None], "ab" * 16
        whole = row_hash("0" * 64, head, body, salt)
        self.assertEqual(len(leaves(body)), 7)
        new, erased = erase(body, salt, None, lambda text: "Ada" in text)
        self.assertEqual(new["after"], {"name": ERASED, "amount": 10.1, "tags": [], "lines": [{"q": 1}, ERASED]})
        self.assertEqual(row_hash("0" * 64, head, new, None, erased), whole)
        new["after"]["amount"] = 10.2
        self.assertNotEqual(row_hash("0" * 64, head, new, None, erased), whole)
        new["after"]["name"] = "Bob"
        with self.assertRaises(ValueError):
            row_hash("0" * 64, head, new, None, erased)
        self.assertIsNone(erase({**body, "after": new["after"]}, salt, None, lambda text: "Grace" in text))
