"""Somebody helps for some hours: the right comes with a reason and goes by itself."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged


@tagged("post_install", "-at_install")
class TestSupportAccess(TransactionCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = new_test_user(cls.env, "support_admin", "psa_hub.group_administrator")
        cls.helper = new_test_user(cls.env, "support_helper", "base.group_user")
        cls.group = cls.env.ref("psa_hub.group_operator")

    def grant(self, **values):
        return self.env["psa.support.access"].with_user(self.admin).create({
            "user_id": self.helper.id, "group_id": self.group.id, "reason": "Case 9", **values})

    def late(self, access):
        access.sudo().write({"until": fields.Datetime.now() - timedelta(minutes=1)})

    def events(self, access):
        return self.env["psa.audit"].search([
            ("res_model", "=", access._name), ("res_id", "=", access.id)], order="id").mapped("event")

    def test_it_comes_and_goes_by_a_job(self):
        access = self.grant()
        self.assertTrue(self.helper.has_group("psa_hub.group_operator"))
        self.assertTrue(self.helper.has_group("psa_hub.group_auditor"))
        self.env["psa.support.access"]._end_due()
        self.assertFalse(access.ended_at, "not yet")
        self.late(access)
        self.env["psa.support.access"]._end_due()
        self.assertTrue(access.ended_at)
        self.assertFalse(self.helper.has_group("psa_hub.group_operator"))
        self.assertFalse(self.helper.has_group("psa_hub.group_auditor"))
        self.assertEqual(self.events(access), ["support.grant", "support.end"])

    def test_a_login_after_its_time_does_not_have_it(self):
        access = self.grant()
        self.helper.with_user(self.helper)._update_last_login()
        self.assertTrue(self.helper.has_group("psa_hub.group_operator"))
        self.late(access)
        self.helper.with_user(self.helper)._update_last_login()
        self.assertFalse(self.helper.has_group("psa_hub.group_operator"))

    def test_an_administrator_ends_it_and_may_prolong_it(self):
        access = self.grant()
        access.until += timedelta(hours=2)
        access.action_end()
        self.assertFalse(self.helper.has_group("psa_hub.group_operator"))
        self.assertEqual(self.events(access), ["support.grant", "support.change", "support.end"])
        with self.assertRaises(UserError):
            access.until += timedelta(hours=2)

    def test_limits(self):
        now = fields.Datetime.now()
        for values in (
            {"until": now + timedelta(days=31)}, {"until": now - timedelta(hours=1)},
            {"group_id": self.env.ref("base.group_system").id}, {"user_id": self.admin.id},
            {"company_id": self.env["res.company"].create({"name": "Elsewhere"}).id},
        ):
            with self.subTest(values=values), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.grant(**values)
        self.assertFalse(self.helper.has_group("psa_hub.group_auditor"))

    def test_who_has_the_right_anyway_keeps_it(self):
        self.helper.group_ids += self.env.ref("psa_hub.group_approver")
        with self.assertRaises(ValidationError):
            self.grant()

    def test_what_it_was_for_is_kept(self):
        access = self.grant()
        for refused in (lambda: access.write({"user_id": self.env.uid}), access.sudo().unlink):
            with self.assertRaises(UserError):
                refused()
