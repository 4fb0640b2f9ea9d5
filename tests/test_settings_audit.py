"""Who changed which setting of the hub, from what to what."""

from odoo.tests import TransactionCase, new_test_user, tagged

from .fake_connector import FakeConnector, registered


@tagged("post_install", "-at_install")
class TestSettingsAudit(TransactionCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(registered(FakeConnector()))
        cls.company = cls.env.company
        cls.admin = new_test_user(
            cls.env, "settings_admin", "psa_hub.group_administrator", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])
        cls.role = cls.env["psa.role"].create({"name": "Audited"})
        cls.connection = cls.env["psa.connection"].with_user(cls.admin).create({
            "name": "Fake", "connector_code": "fake", "environment": "sandbox"})

    def rows(self, record, event="setting.change"):
        return self.env["psa.audit"].search([
            ("res_model", "=", record._name), ("res_id", "=", record.id), ("event", "=", event)])

    def test_settings_of_every_kind(self):
        stream = self.connection.stream_ids[:1]
        line = self.env["psa.mapping"].with_user(self.admin).create({
            "stream_id": stream.id, "line_ids": [(0, 0, {"canonical_field": "name", "path": "Name"})]}).line_ids
        rate = self.env["psa.rate"].with_user(self.admin).create({
            "company_id": self.company.id, "role_id": self.role.id, "amount": 100,
            "currency_id": self.company.currency_id.id})
        value_map = self.env["psa.value.map"].with_user(self.admin).create({
            "connection_id": self.connection.id, "domain": "billing_method", "source_value": "T&M"})
        cause = self.env.ref("psa_hub.cause_unmapped_value").with_user(self.admin)
        setting = self.connection.setting_ids[:1]
        for record, field, value, shown in (
            (self.connection, "rate_calls", 7, 7),
            (stream, "interval_minutes", 99, 99),
            (setting, "value", "https://other.example.com", "https://other.example.com"),
            (line, "path", "FullName", "FullName"),
            (rate, "amount", 111.5, 111.5),
            (value_map, "target_code", "time_material", "time_material"),
            (cause, "due_days", 9, 9),
            (self.company, "psa_waive_limit", 123.0, 123.0),
        ):
            with self.subTest(model=record._name):
                before = record[field]
                record.with_user(self.admin).sudo(record == self.company).write({field: value})
                self.env.flush_all()
                row = self.rows(record)
                self.assertEqual(len(row), 1)
                self.assertEqual(row.user_id, self.admin)
                self.assertEqual((row.before[field] or False, row.after[field]), (before or False, shown))
                self.assertEqual(row.company_id, self.company)

    def test_what_did_not_change_and_what_the_hub_notes_is_no_row(self):
        stream = self.connection.stream_ids[:1]
        stream.write({"interval_minutes": stream.interval_minutes})
        stream.sudo().write({"cursor": {"id": 1}, "watermark": "x"})
        self.company.write({"name": "Another name"})
        self.assertFalse(self.rows(stream))
        self.assertFalse(self.rows(self.company))

    def test_links_are_named_and_deletion_is_kept(self):
        deputy = new_test_user(self.env, "deputy", "psa_hub.group_administrator")
        self.connection.deputy_id = deputy
        row = self.rows(self.connection)
        self.assertEqual(row.after["deputy_id"], [deputy.id, deputy.display_name])
        value_map = self.env["psa.value.map"].create({"domain": "billing_method", "source_value": "Fixed"})
        gone = self.env["psa.value.map"].browse(value_map.id)
        value_map.unlink()
        self.assertEqual(self.rows(gone, "setting.delete").before["source_value"], "Fixed")
        self.assertEqual(self.rows(self.connection, "setting.create").after["name"], "Fake")

    def test_no_secret_is_kept(self):
        self.connection.credential_ids[:1].value = "s3cret-value"
        self.env.flush_all()
        self.env.cr.execute("SELECT COUNT(*) FROM psa_audit WHERE before::text LIKE %s OR after::text LIKE %s",
                            ["%s3cret%", "%s3cret%"])
        self.assertEqual(self.env.cr.fetchone()[0], 0)
        self.assertTrue(self.rows(self.connection, "credential.set"))

    def test_one_query_more_for_many(self):
        rates = self.env["psa.rate"].create([
            {"company_id": self.company.id, "role_id": self.role.id, "amount": 100 + number,
             "currency_id": self.company.currency_id.id,
             "date_from": f"20{number:02}-01-01", "date_to": f"20{number:02}-12-31"} for number in range(10, 40)])
        self.env.flush_all()
        counts = []
        for records, amount in ((rates[:2], 1), (rates[2:], 2)):
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            records.write({"amount": amount})
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 2)
