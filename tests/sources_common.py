# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""Two systems that know the same customers, projects and hours, behind the real drain."""

from contextlib import ExitStack

from odoo.tests import TransactionCase, new_test_user

from ..connectors import base
from .fake_connector import registered
from .test_apply_drain import OBJECTS, PlainConnector


class SourcesCase(TransactionCase):
    """``self.crm`` and ``self.tracker`` are connections of one company; raw records are canonical ones."""

    vendor = PlainConnector

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(cls.vendor()))

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)
        self.usd = self.env.ref("base.USD")
        self.usd.active = True
        self.firm = self.env["res.company"].create({
            "name": "Northwind Inc.", "currency_id": self.usd.id, "country_id": self.env.ref("base.us").id})
        self.user = new_test_user(
            self.env, "integration", "base.group_user", company_id=self.firm.id, company_ids=[(6, 0, self.firm.ids)])
        self.reviewer = new_test_user(
            self.env, "reviewer", "psa_hub.group_reviewer", company_id=self.firm.id,
            company_ids=[(6, 0, self.firm.ids)])
        self.consultant = self.env["psa.role"].create({"name": "Consultant"})
        self.crm, self.tracker = self.connect("CRM"), self.connect("Tracker")
        self.version = 0
        self.env.cr.commit()

    def connect(self, name):
        connection = self.env["psa.connection"].create({
            "name": name, "connector_code": "plain", "environment": "sandbox", "state": "connected",
            "company_id": self.firm.id, "user_id": self.user.id})
        meal = self.env["product.product"].search([("can_be_expensed", "=", True)], limit=1)
        for domain, value, target in (
            ("company", "US", self.firm), ("role", "CONS", self.consultant),
            ("payment_term", "N30", self.env.ref("account.account_payment_term_30days")),
            ("expense_category", "MEAL", meal),
            ("tax_profile", "STD", "domestic"), ("project_template", "-", "none"),
            ("billing_method", "TM", "time_material"),
        ):
            self.env["psa.value.map"].create({
                "connection_id": connection.id, "domain": domain, "source_value": value,
                **({"target_code": target} if isinstance(target, str)
                   else {"target_ref": f"{target._name},{target.id}"})})
        return connection

    def stream(self, connection, code):
        return connection.stream_ids.filtered(lambda item: item.code == code and item.direction == "in")

    def send(self, connection, code, external_id, operation=base.UPSERT, /, **raw):
        """Receive one record, apply it, and return what it is in Odoo (None: nothing yet)."""
        self.version += 1
        stream = self.stream(connection, code)
        self.env["psa.message"]._receive(
            stream, [base.RawRecord(stream.object_type, external_id, f"{self.version:04}", raw, operation)], "pull")
        self.env.cr.commit()
        self.drain()
        return self.record(connection, code, external_id)

    def drain(self):
        for lane in ("master", "transaction", "master", "transaction"):
            self.env.flush_all()
            self.env.cr.commit()
            self.env["psa.lane"]._drain(lane, stand_by=0)
        self.env.invalidate_all()

    def message(self, connection, code, external_id):
        return self.env["psa.message"].search(
            [("stream_id", "=", self.stream(connection, code).id), ("external_id", "=", external_id)],
            order="id desc", limit=1)

    def record(self, connection, code, external_id):
        binding = self.env["psa.binding"].search([
            ("connection_id", "=", connection.id), ("object_type", "=", OBJECTS[code]),
            ("external_id", "=", external_id)])
        return self.env[binding.res_model].browse(binding.res_id) if binding.res_id else None

    def assert_held(self, message, cause, *texts):
        self.assertEqual((message.state, message.exception_id.cause_code), ("held", cause), message.error)
        for text in texts:
            self.assertIn(text, message.error)

    # === A BUSINESS === #
    def person(self, connection, external_id="R1"):
        return self.send(connection, "resource", external_id, name="Jane Doe", email="jane@northwind.example",
                         company="US", role="CONS")

    def sell(self, connection, code="NOVA", external_id="D1"):
        """A deal over 100 hours at 150.00 of a customer A1; returns its contract."""
        self.send(connection, "party", "A1", name="Novaterra Energie GmbH", website="novaterra.example")
        return self.send(
            connection, "deal", external_id, name="Customer portal", won=True, party="A1", closed_on="2026-01-15",
            currency="USD", company="US", billing_method="TM", payment_term="N30", tax_profile="STD",
            project_template="-", project_code=code,
            lines=[{"external_id": f"{external_id}-L1", "name": "Consulting", "quantity": "100", "unit_price": "150.00",
                    "role": "CONS"}])

    def work(self, connection, external_id, hours="7.5", **values):
        """Seven and a half hours of Jane on 2 February, unless said otherwise."""
        return self.send(connection, "time", external_id, **{
            "project": "P1", "resource": "R1", "work_date": "2026-02-02", "hours": hours, "billable": True,
            "approved": True, **values})
