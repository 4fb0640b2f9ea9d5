"""A project has one code in all systems: whoever comes second finds the project of who came first."""

import psycopg2

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.sync.psa_apply import PsaApplyError
from .apply_common import ApplyCase
from .sources_common import SourcesCase


@tagged("post_install", "-at_install")
class TestProjectCode(ApplyCase):

    def test_the_contracts_project_has_the_deals_code(self):
        order = self.contract(project_code=" NOVA ")
        project = self.env["project.project"].search([("psa_contract_id", "=", order.id)])
        self.assertEqual(project.psa_code, "NOVA")

    def test_a_tracker_adopts_the_contracts_project(self):
        order = self.contract(project_code="NOVA")
        project = self.project(name="Nova board", code="NOVA")
        self.assertEqual(project.psa_contract_id, order)
        self.assertEqual(project.name, "Nova board")

    def test_a_deal_finds_the_project_that_waits_for_it(self):
        project = self.project(name="Nova board", code="NOVA")
        employee = self.resource(role=self.consultant)
        self.assert_held(self.time(project, employee), "no_contract")
        order = self.contract(project_code="NOVA")
        self.assertEqual((project.psa_contract_id, project.partner_id), (order, order.partner_id))
        self.assertEqual((project.name, project.allow_billable), ("Nova board", True))
        self.assertEqual(self.env["project.project"].search_count([("psa_contract_id", "=", order.id)]), 1)
        entry = self.entry(self.time(project, employee, 7.5).record)
        self.assertEqual((entry.amount, entry.order_id), (1125.00, order))

    def test_a_second_deal_of_the_code_is_not_guessed(self):
        order = self.contract(project_code="NOVA")
        item = self.deal_item(project_code="NOVA", name="Portal, second phase")
        handler = self.handler("deal")
        handler._prepare([item])
        with self.assertRaises(PsaApplyError) as refused:
            handler._apply([item])
        self.assertEqual((refused.exception.cause, refused.exception.item), ("incomplete_terms", item))
        for text in ("Portal, second phase", "NOVA", order.name):
            self.assertIn(text, str(refused.exception))

    def test_one_without_company_is_adopted_and_one_of_another_company_is_not(self):
        shared, german = self.env["project.project"].create([
            {"name": "Shared", "psa_code": "NOVA", "company_id": False},
            {"name": "German", "psa_code": "BIRK", "company_id": self.de.id},
        ])
        self.assertEqual(self.project(code="NOVA"), shared)
        other = self.project(code="BIRK")
        self.assertNotEqual(other, german)
        self.assertEqual(other.psa_code, "BIRK", "each company has its own codes")

    def test_the_companys_own_outranks_the_shared_one(self):
        _shared, own = self.env["project.project"].create([
            {"name": "Shared", "psa_code": "NOVA", "company_id": False},
            {"name": "Own", "psa_code": "NOVA", "company_id": self.us.id},
        ])
        self.assertEqual(self.project(code="NOVA"), own)

    def test_of_two_projects_with_one_code_the_first_has_it(self):
        first, second = self.run_items(
            self.item("project", "P1", name="One", code="INT", codes={"company": None}),
            self.item("project", "P2", name="Two", code="INT", codes={"company": None}))
        self.assertNotEqual(first.record, second.record)
        self.assertEqual((first.record.psa_code, second.record.psa_code), ("INT", False))

    def test_a_changed_code_follows(self):
        project = self.apply("project", "P1", name="One", code="OLD", codes={"company": None}).record
        self.apply("project", "P1", name="One", code="NEW", codes={"company": None})
        self.assertEqual(project.psa_code, "NEW")
        with self.assert_no_write("project.project"):
            self.apply("project", "P1", name="One", code="NEW", codes={"company": None})

    def test_a_code_is_unique_in_its_company(self):
        self.env["project.project"].create({"name": "One", "psa_code": "X", "company_id": self.us.id})
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.UniqueViolation), self.env.cr.savepoint():
            self.env["project.project"].create({"name": "Two", "psa_code": "X", "company_id": self.us.id})
        self.env["project.project"].create([{"name": "Without code", "company_id": self.us.id} for _n in range(2)])

    def test_projects_are_recognised_by_code_or_name(self):
        project = self.project(name="Nova board", code="NOVA")
        found = self.handler("project")._recognise(self.connection, {"nova", "NOVA", "Nova board", "Nobody's"})
        self.assertEqual(found.get("NOVA"), project)
        self.assertEqual(found.get("Nova board"), project)
        self.assertNotIn("Nobody's", found)


@tagged("post_install", "-at_install")
class TestProjectCodeBetweenSystems(SourcesCase):

    def test_time_of_a_tracker_is_billed_by_the_contract_of_the_crm(self):
        order = self.sell(self.crm)
        self.person(self.tracker)
        self.send(self.tracker, "project", "P1", name="NOVA: Customer portal", code="NOVA")
        timesheet = self.work(self.tracker, "T1")
        entry = self.env["psa.entry"].search([("analytic_line_id", "=", timesheet.id)])
        self.assertEqual((entry.order_id, entry.amount, entry.state), (order, 1125.00, "approved"))

    def test_it_does_not_matter_who_comes_first(self):
        self.person(self.tracker)
        project = self.send(self.tracker, "project", "P1", name="NOVA: Customer portal", code="NOVA")
        self.assertIsNone(self.work(self.tracker, "T1"))
        held = self.message(self.tracker, "time", "T1")
        self.assert_held(held, "no_contract")
        order = self.sell(self.crm)
        self.drain()
        self.assertEqual(project.psa_contract_id, order)
        self.assertEqual(held.state, "done", "the contract releases what waited for it")
        entry = self.env["psa.entry"].search([
            ("analytic_line_id", "=", self.record(self.tracker, "time", "T1").id)])
        self.assertEqual(entry.amount, 1125.00)

    def test_a_second_deal_of_the_code_is_held_alone(self):
        self.sell(self.crm)
        self.assertIsNone(self.sell(self.crm, external_id="D2"))
        self.assert_held(self.message(self.crm, "deal", "D2"), "incomplete_terms", "NOVA")
