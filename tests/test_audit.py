import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestAudit(TransactionCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "audit_operator", "psa_hub.group_operator")
        cls.row = cls.env["psa.audit"].with_user(cls.user)._log([{
            "event": "test.changed", "res_model": "res.partner", "res_id": 1,
            "before": {"state": "held"}, "after": {"state": "approved"}, "reason": "Because",
        }])

    def test_row_says_who_and_what(self):
        self.assertEqual(self.row.user_id, self.user)
        self.assertEqual(self.row.before, {"state": "held"})
        self.assertEqual(self.row.after, {"state": "approved"})
        self.assertEqual(self.row.company_id, self.user.company_id)
        self.assertTrue(self.row.moment)

    def test_orm_refuses_change_and_deletion_even_as_superuser(self):
        with self.assertRaises(UserError):
            self.row.sudo().write({"reason": "Another"})
        with self.assertRaises(UserError):
            self.row.sudo().unlink()

    def test_database_refuses_change_deletion_and_truncation(self):
        for statement in (
            "UPDATE psa_audit SET reason = 'Another' WHERE id = %s",
            "DELETE FROM psa_audit WHERE id = %s",
        ):
            with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.Error) as caught, self.env.cr.savepoint():
                self.env.cr.execute(statement, [self.row.id])
            self.assertIn("append-only", str(caught.exception))
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.Error), self.env.cr.savepoint():
            self.env.cr.execute("TRUNCATE psa_audit")

    def test_nobody_adds_rows_by_hand(self):
        administrator = new_test_user(self.env, "audit_administrator", "psa_hub.group_administrator")
        with self.assertRaises(AccessError):
            self.env["psa.audit"].with_user(administrator).create({"event": "forged", "user_id": self.user.id})

    def test_rows_of_other_companies_are_not_shown(self):
        other = self.env["res.company"].create({"name": "Other"})
        foreign = self.env["psa.audit"]._log([{"event": "test.other", "company_id": other.id}])
        seen = self.env["psa.audit"].with_user(self.user).search([("event", "like", "test.")])
        self.assertIn(self.row, seen)
        self.assertNotIn(foreign, seen)
