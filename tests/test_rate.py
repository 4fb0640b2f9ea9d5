from datetime import date

from psycopg2.errors import CheckViolation, ExclusionViolation

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.billing.rate import SCOPES
from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestRate(BillingCase):
    """One fixed precedence, no overlap, and a new rate frees what waited for it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0))

    def find(self, employee=None, role=None, day=date(2026, 5, 4), order=None, project=None):
        order = order or self.order
        [(found, tried)] = self.env["psa.rate"]._find([{
            "company_id": self.company.id, "currency_id": order.currency_id.id, "order_id": order.id,
            "project_id": project and project.id,
            "partner_id": order.partner_id.commercial_partner_id.id, "employee_id": employee and employee.id,
            "role_id": role and role.id, "work_date": day,
        }])
        return found, tried

    def test_precedence_goes_from_the_project_and_person_to_the_company(self):
        project = self.project_of(self.order)
        person, role = {"employee_id": self.ada.id}, {"role_id": self.consultant.id}
        of_contract = {"order_id": self.order.id}
        of_project, of_customer = {**of_contract, "project_id": project.id}, {"partner_id": self.customer.id}
        cases = [
            ("company_role", role, 100.0),
            ("company_person", person, 99.0),
            ("company_person_role", {**person, **role}, 98.0),
            ("customer_role", {**of_customer, **role}, 120.0),
            ("customer_person", {**of_customer, **person}, 119.0),
            ("customer_person_role", {**of_customer, **person, **role}, 118.0),
            ("contract_blended", of_contract, 90.0),
            ("contract_role", {**of_contract, **role}, 130.0),
            ("contract_person", {**of_contract, **person}, 80.0),
            ("contract_person_role", {**of_contract, **person, **role}, 70.0),
            ("project_role", {**of_project, **role}, 75.0),
            ("project_person", {**of_project, **person}, 170.0),
            ("project_person_role", {**of_project, **person, **role}, 60.0),
        ]
        self.assertEqual([scope for scope, *_rest in cases], [scope for scope, _label in reversed(SCOPES)])
        for scope, values, amount in cases:
            rate = self.env["psa.rate"].create({"company_id": self.company.id, "amount": amount, **values})
            self.assertEqual(rate.scope, scope)
            found, tried = self.find(self.ada, self.consultant, project=project)
            self.assertEqual(found.scope, scope, "the most specific scope wins, not the highest rate")
            self.assertEqual(float(found.amount), amount)
            order = [name for name, _label in SCOPES]
            self.assertEqual(tried, order[:order.index(scope)], "the trace prints the whole way there")
        self.assertEqual(self.find(self.ada, self.consultant)[0].scope, "contract_person_role", "no project")
        found, tried = self.find(self.grace, self.consultant)
        self.assertEqual(found.scope, "contract_role")
        self.assertEqual(tried, ["contract_person_role", "contract_person"])
        self.assertEqual(self.find(self.grace, self.architect)[0].scope, "contract_blended")

    def test_a_projects_rate_prices_its_waiting_work_only(self):
        project = self.project_of(self.order)
        other = project.copy({"name": "Other", "psa_contract_id": self.order.id})
        [here] = self.make_time(self.order, [1], project_id=project.id)
        [there] = self.make_time(self.order, [1], project_id=other.id)
        self.make_rate(175, self.order, project_id=project.id, role_id=self.consultant.id)
        self.assertEqual((here.state, here.amount), ("approved", 175))
        self.assertEqual((there.state, there.reason), ("held", "missing_rate"))
        self.make_rate(80, employee_id=self.ada.id, partner_id=self.customer.id)
        self.assertEqual((there.state, there.amount), ("approved", 80))

    def test_a_project_of_another_contract_has_no_rate_here(self):
        order = self.make_contract(("time_material", 1, 1.0))
        with self.assertRaises(ValidationError):
            self.make_rate(1, self.order, project_id=self.project_of(order).id, role_id=self.consultant.id)

    def test_a_blended_rate_shows_the_variance_to_the_card(self):
        card = self.env["psa.rate.card"].create({
            "name": "Standard 2026", "company_id": self.company.id, "currency_id": self.company.currency_id.id})
        self.env["psa.rate"].create({"card_id": card.id, "role_id": self.consultant.id, "amount": 160})
        self.make_rate(150, self.order)
        [ada] = self.make_time(self.order, [8])
        [grace] = self.make_time(self.order, [2], employee=self.grace)
        self.assertEqual((ada.amount, grace.amount), (1200, 300))
        self.assertEqual(ada.trace["card"], {
            "scope": "company_role", "rate": "160", "rate_card": "Standard 2026", "amount": "1280", "variance": "-80"})
        self.assertEqual(grace.trace["card"], {"rate": None, "variance": None}, "the cards have no architect")

    def test_rate_in_force_on_the_work_date(self):
        self.make_rate(100, self.order, role_id=self.consultant.id, date_to=date(2026, 4, 30))
        self.make_rate(
            110, self.order, role_id=self.consultant.id, date_from=date(2026, 5, 1), date_to=date(2026, 5, 31))
        self.assertEqual(self.find(role=self.consultant, day=date(2026, 4, 30))[0].amount, 100)
        self.assertEqual(self.find(role=self.consultant, day=date(2026, 5, 1))[0].amount, 110)
        self.assertEqual(self.find(role=self.consultant, day=date(2026, 5, 31))[0].amount, 110)
        found, tried = self.find(role=self.consultant, day=date(2026, 6, 1))
        self.assertFalse(found)
        self.assertEqual(tried, ["contract_role", "contract_blended", "customer_role", "company_role"])

    def test_overlap_is_refused_by_the_database(self):
        self.make_rate(100, self.order, role_id=self.consultant.id, date_to=date(2026, 4, 30))
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            self.make_rate(110, self.order, role_id=self.consultant.id, date_from=date(2026, 4, 30))
        self.make_rate(110, self.order, role_id=self.consultant.id, date_from=date(2026, 5, 1))
        self.make_rate(120, self.order, role_id=self.architect.id)
        self.make_rate(130, role_id=self.consultant.id)
        self.make_rate(130, role_id=self.consultant.id, currency_id=self.env.ref("base.EUR").id)
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            self.make_rate(140, role_id=self.consultant.id, date_from=date(2030, 1, 1))

    def test_a_rate_has_a_scope_and_the_contracts_currency(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            self.make_rate(100)
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            self.make_rate(100, self.order, project_id=self.project_of(self.order).id)
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            self.make_rate(100, partner_id=self.customer.id)
        with self.assertRaises(ValidationError):
            self.make_rate(100, self.order, role_id=self.consultant.id, currency_id=self.env.ref("base.EUR").id)

    def test_a_new_rate_prices_what_waited_and_closes_the_exception(self):
        entries = self.make_time(self.order, [7.5, 2], source_amount=1000)
        self.assertEqual(entries.mapped("state"), ["held", "held"])
        exception = entries.exception_id
        self.assertEqual(len(exception), 1, "what is missing once is one exception")
        self.assertEqual(exception.cause_code, "missing_rate")
        self.assertEqual(exception.amount, 2000)
        self.make_rate(133.33, self.order, role_id=self.architect.id)
        self.assertEqual(entries.mapped("state"), ["held", "held"], "another role's rate frees nothing")
        self.make_rate(133.33, self.order, role_id=self.consultant.id)
        self.assertEqual(entries.mapped("state"), ["approved", "approved"])
        self.assertEqual(entries.mapped("amount"), [999.98, 266.66])
        self.assertFalse(entries.exception_id)
        self.assertEqual(exception.state, "resolved")

    def test_a_changed_or_removed_rate_reaches_unbilled_work_only(self):
        rate = self.make_rate(100, self.order, role_id=self.consultant.id)
        billed = self.make_time(self.order, [1])
        self.bill(self.order)
        entry = self.make_time(self.order, [2])
        rate.amount = 120
        self.assertEqual((billed.amount, entry.amount), (100, 240))
        rate.date_to = date(2026, 5, 1)
        self.assertEqual((entry.state, entry.reason), ("held", "missing_rate"))
        rate.date_to = False
        self.assertEqual((entry.state, entry.amount), ("approved", 240))
        rate.unlink()
        self.assertEqual(entry.state, "held")
        self.assertEqual(billed.state, "approved")

    def test_finding_takes_one_query(self):
        self.make_rate(100, self.order, role_id=self.consultant.id)
        specs = [
            {
                "company_id": self.company.id, "currency_id": self.order.currency_id.id, "order_id": self.order.id,
                "partner_id": self.customer.id, "employee_id": self.ada.id, "role_id": self.consultant.id,
                "project_id": self.project_of(self.order).id, "work_date": date(2026, 5, 1 + day % 28),
            }
            for day in range(500)
        ]
        self.env.flush_all()
        with self.assertQueryCount(1):
            found = self.env["psa.rate"]._find(specs)
        self.assertEqual({rate.amount for rate, _tried in found}, {100})
