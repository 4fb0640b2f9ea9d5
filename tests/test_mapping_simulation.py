# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from ..models.mapping.rehearsal import undone
from ..models.sync.personal import MASK
from .test_apply_drain import ApplyDrainCase

OWN_TABLES = {"psa_mapping_simulation", "psa_mapping_simulation_line"}


@tagged("post_install", "-at_install")
class TestMappingSimulation(ApplyDrainCase):
    """What a new version would change, by the real handlers, and that nothing does."""

    def setUp(self):
        super().setUp()
        self.mapper = new_test_user(
            self.env, "s_mapper", "psa_hub.group_mapper", company_id=self.us.id,
            company_ids=[(6, 0, (self.us | self.de).ids)])
        group = self.env["account.tax.group"].create({
            "name": "Sales", "company_id": self.us.id, "country_id": self.us.country_id.id})
        self.us.account_sale_tax_id = self.env["account.tax"].create({
            "name": "Sales Tax 10%", "amount": 10, "type_tax_use": "sale", "company_id": self.us.id,
            "country_id": self.us.country_id.id, "tax_group_id": group.id})
        self.send_business()
        self.drain()
        self.env.flush_all()

    def draft(self, code, **rules):
        draft = self.streams[code].mapping_id.copy()
        for name, values in rules.items():
            draft.line_ids.filtered(lambda line, name=name: line.canonical_field == name).write(values)
        return draft

    def simulation(self, draft, **values):
        return self.env["psa.mapping.simulation"].create({
            "mapping_id": draft.id, "date_to": fields.Datetime.now() + timedelta(hours=1), **values})

    def checksums(self):
        """Return ``{table: (rows, checksum)}`` of the whole database."""
        self.env.flush_all()
        tables = [name for (name,) in self.env.execute_query(SQL(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"))]
        return {
            name: self.env.execute_query(SQL(
                "SELECT COUNT(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM %s t",
                SQL.identifier(name)))[0]
            for name in tables if name not in OWN_TABLES}

    # === MONEY === #
    def test_changed_hours_show_money_and_tax_of_the_contract(self):
        draft = self.draft("time", hours={"path": "source_amount"})  # 1,350 hours: a mistake worth finding
        run = self.simulation(draft)
        run.action_run()
        self.assertEqual((run.record_count, run.changed_count, run.broken_count), (1, 1, 0))
        order = self.record("deal", "D1")
        line = run.line_ids
        self.assertEqual((line.order_id, line.partner_id, line.partner_name), (order, order.partner_id, "Contoso"))
        # To bill: 7.5 hours and the milestone of 5,000; 180 an hour.
        self.assertEqual((line.amount_before, line.amount_after, line.amount_change), (6350, 248000, 241650))
        self.assertEqual((line.tax_before, line.tax_after, line.tax_change), (635, 24800, 24165))
        self.assertEqual(run.field_changes["hours"], {"count": 1, "samples": [["T1", "7.5", "1350"]]})
        self.assertIn("+$", run.conclusion)
        self.assertEqual(self.entry("T1").amount, 1350)

    def test_a_change_without_money(self):
        run = self.simulation(self.draft("party", phone={"path": "vat"}))
        run.action_run()
        self.assertEqual((run.changed_count, run.line_ids.ids), (1, []))
        self.assertIn("no amount", run.conclusion)
        [[_record, _before, after]] = run.field_changes["phone"]["samples"]
        self.assertEqual(after, MASK, "personal values are not kept in reports")
        self.assertFalse(self.record("party", "A1").phone)

    def test_no_change(self):
        run = self.simulation(self.draft("time"))
        run.action_run()
        self.assertEqual((run.record_count, run.changed_count, run.problems), (1, 0, False))

    def test_work_that_would_be_held_is_counted(self):
        run = self.simulation(self.draft("time", role={"path": "currency"}))  # nobody knows the role "USD"
        run.action_run()
        self.assertEqual((run.changed_count, run.stopped_count), (1, 1))
        self.assertIn("“USD”", run.problems[0][0])
        self.assertFalse(self.env["psa.value.map"].search([("source_value", "=", "USD")]))

    def test_records_that_could_not_be_read_any_more(self):
        run = self.simulation(self.draft("time", work_date={"path": "hours"}))
        run.action_run()
        self.assertEqual((run.broken_count, run.changed_count), (1, 0))
        self.assertIn("Work date", run.problems[0][0])

    def test_records_that_could_be_read_again(self):
        self.draft("time", work_date={"path": "nothing"})._put_in_force()
        self.receive("time", "T2", project="PR1", resource="R1", assignment="AS1", work_date="2026-02-03", hours="2",
                     billable=True, approved=True, currency="USD")
        self.drain()
        self.assertEqual(self.message("time", "T2").state, "held")
        run = self.simulation(self.draft("time", work_date={"path": "work_date"}))
        run.action_run()
        self.assertEqual((run.mended_count, run.line_ids.amount_change), (2, 360))
        self.assertEqual(self.message("time", "T2").state, "held")

    def test_a_contract_that_exists_in_the_trial_only(self):
        """A deal that the version in force takes for lost would become a contract."""
        self.receive("deal", "D2", name="More", won=False, party="A1", closed_on="2026-01-15", currency="USD",
                     amount="300.00", company="US", billing_method="TM", payment_term="N30", tax_profile="STD",
                     project_template="-", lines=[{
                         "external_id": "L9", "name": "Consulting", "role": "CONS", "quantity": "2",
                         "unit_price": "150"}])
        self.drain()
        run = self.simulation(self.draft("deal", won={"path": "", "constant": "true"}))
        run.action_run()
        line = run.line_ids
        self.assertEqual((line.order_id.id, line.total_before, line.total_after), (False, 0, 300))
        self.assertTrue(line.order_name)

    # === NOTHING CHANGES === #
    def test_the_database_is_unchanged(self):
        draft = self.draft("time", hours={"path": "source_amount"}, role={"path": "currency"})
        run = self.simulation(draft)
        other = self.simulation(self.draft("deal", name={"path": "purchase_order"}))
        before = self.checksums()
        self.assertGreater(len(before), 100)
        run._run()
        other._run()
        self.assertEqual((run.changed_count, other.changed_count), (1, 1))
        after = self.checksums()
        self.assertEqual({name for name in before if before[name] != after.get(name)}, set())
        self.assertEqual(before.keys(), after.keys())

    def test_what_waits_for_the_commit_is_taken_back_too(self):
        done = []
        self.env.cr.postcommit.add(lambda: done.append("before"))
        with undone(self.env):
            self.env.cr.postcommit.add(lambda: done.append("inside"))
            self.us.name = "Changed"
        self.env.cr.postcommit.run()
        self.assertEqual((done, self.us.name), (["before"], "Northwind Inc."))

    def test_only_the_newest_version_of_each_record_counts(self):
        for hours in ("3", "4"):
            self.receive("time", "T1", project="PR1", resource="R1", assignment="AS1", work_date="2026-02-02",
                         hours=hours, billable=True, approved=True, currency="USD", source_amount="10")
        self.drain()
        run = self.simulation(self.draft("time", hours={"path": "source_amount"}))
        run.action_run()
        self.assertEqual((run.record_count, run.line_ids.amount_change), (1, 1080))

    def test_limit_and_period(self):
        run = self.simulation(self.draft("time"), date_to=fields.Datetime.now() - timedelta(days=1))
        run.action_run()
        self.assertEqual(run.record_count, 0)
        self.receive("time", "T2", project="PR1", resource="R1", work_date="2026-02-03", hours="1", billable=True,
                     approved=True)
        run = self.simulation(self.draft("time"), message_limit=1)
        run.action_run()
        self.assertEqual((run.record_count, run.left_out_count), (1, 1))

    # === WHO === #
    def test_a_mapper_simulates_in_all_companies_of_the_connection(self):
        draft = self.draft("time", hours={"path": "source_amount"}).with_user(self.mapper)
        run = self.env["psa.mapping.simulation"].with_user(self.mapper).create({
            "mapping_id": draft.id, "date_to": fields.Datetime.now() + timedelta(hours=1)})
        run.action_run()
        self.assertEqual((run.run_by_id, run.line_ids.amount_change), (self.mapper, 241650))
        with self.assertRaises(UserError):
            run.date_from = fields.Datetime.now()
        with self.assertRaises(AccessError):
            run.line_ids.amount_after = 1
        with self.assertRaises(UserError):
            run.action_run()

    # === REPLAY === #
    def test_a_replay_shows_what_it_would_change_and_changes_nothing(self):
        operator = new_test_user(
            self.env, "s_operator", "psa_hub.group_operator", company_id=self.us.id,
            company_ids=[(6, 0, (self.us | self.de).ids)])
        self.draft("time", hours={"path": "", "constant": "5"})._put_in_force()
        order, jane = self.record("deal", "D1"), self.record("resource", "R1")
        nobody = self.env["hr.employee"].create({"name": "Nobody", "company_id": self.us.id})
        for values, count in (
                ({"order_id": order.id}, 2), ({"order_id": order.id, "employee_id": jane.id}, 1),
                ({"employee_id": nobody.id}, 0), ({"stream_ids": self.streams["time"].ids}, 1)):
            wizard = self.env["psa.replay"].with_user(operator).create({
                "connection_id": self.connection.id, "since": fields.Datetime.now() - timedelta(days=1), **values})
            self.assertEqual(wizard.count, count, values)
        before = self.checksums()
        wizard.action_preview()
        after = self.checksums()
        self.assertEqual({name for name in before if before[name] != after[name]}, {"psa_replay"})
        for text in ("1 messages were tried.", order.name, "6,350.00", "5,900.00", "450.00", "45.00"):
            self.assertIn(text, wizard.preview)
        self.assertEqual(self.entry("T1").amount, 1350)
        run = self.simulation(self.streams["time"].mapping_id)
        run.action_run()
        self.assertEqual((run.changed_count, run.line_ids.amount_change), (0, -450))
        self.assertIn("Applied once more, 1 records would change 1 contracts", run.conclusion)
        wizard.action_replay()
        self.drain()
        self.assertEqual(self.entry("T1").amount, 900)

    # === RE-DERIVE === #
    def test_stored_records_are_derived_again_with_the_new_version(self):
        draft = self.draft("time", hours={"path": "", "constant": "5"})
        self.simulation(draft).action_run()
        draft.action_approve()  # as the superuser of tests
        action = draft.action_rederive()
        wizard = self.env["psa.replay"].with_context(**action["context"]).create({})
        self.assertEqual((wizard.count, wizard.stream_ids), (1, self.streams["time"]))
        wizard.action_replay()
        self.drain()
        self.assertEqual(self.entry("T1").amount, 900)
        self.assertEqual(self.message("time", "T1").mapping_id, draft)
        self.assertEqual(self.env["psa.message"].search_count([("lane", "=", "fetch")]), 0)
        wizard.until = wizard.since
        self.assertEqual(wizard.count, 0)
