# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""The handlers behind the real drain: raw JSON in, Odoo records, money and exceptions out."""

from contextlib import ExitStack
from unittest.mock import patch

from odoo.tests import TransactionCase, new_test_user, tagged

from ..connectors import base, canonical
from .fake_connector import registered

OBJECTS = {
    "party": "Account", "person": "Contact", "user": "User", "resource": "Resource", "deal": "Deal",
    "project": "Project", "assignment": "Assignment", "milestone": "Milestone", "time": "Time", "expense": "Expense",
    "agreement": "Agreement", "task": "Task", "rate": "Rate", "cost": "Cost", "payment": "Payment", "payout": "Payout",
}


class PlainConnector(base.Connector):
    """A vendor whose raw records are canonical ones; ``external_id`` strings are the links."""

    code = "plain"
    label = "Plain Vendor"
    auth_methods = (base.AuthMethod("none", "None", ()),)
    streams = tuple(
        base.StreamSpec(name, spec.label, OBJECTS[name], name, spec.sequence) for name, spec in canonical.TYPES.items()
    )

    def fetch_records(self, session, stream, external_ids):
        return []

    def default_mappings(self):
        return {name: self._mapping(spec.fields) for name, spec in canonical.TYPES.items()}

    def _mapping(self, fields):
        rules = {}
        for name, spec in fields.items():
            rules[name] = name
            if spec.kind == canonical.REFERENCE:
                rules[name] = {"path": name, "refers_to": OBJECTS[spec.refers]}
            for line_name in spec.lines:
                rules[f"{name}.{line_name}"] = line_name
        return rules

    def default_value_maps(self):
        return {}


class ApplyDrainCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(PlainConnector()))

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)
        usd, eur = self.env.ref("base.USD"), self.env.ref("base.EUR")
        (usd | eur).active = True
        self.us, self.de = self.env["res.company"].create([
            {"name": "Northwind Inc.", "currency_id": usd.id, "country_id": self.env.ref("base.us").id},
            {"name": "Nordwind GmbH", "currency_id": eur.id, "country_id": self.env.ref("base.de").id},
        ])
        user = new_test_user(
            self.env, "integration", "base.group_user", company_id=self.us.id,
            company_ids=[(6, 0, (self.us | self.de).ids)])
        self.connection = self.env["psa.connection"].create({
            "name": "Plain", "connector_code": "plain", "environment": "sandbox", "state": "connected",
            "company_id": self.us.id, "user_id": user.id,
        })
        self.user = user
        self.streams = {stream.code: stream for stream in self.connection.stream_ids}
        self.consultant = self.env["psa.role"].create({"name": "Consultant"})
        for domain, value, target in (
            ("company", "US", self.us), ("company", "DE", self.de), ("role", "CONS", self.consultant),
            ("payment_term", "N30", self.env.ref("account.account_payment_term_30days")),
            ("tax_profile", "STD", "domestic"), ("project_template", "-", "none"),
            ("billing_method", "TM", "time_material"), ("billing_method", "FF", "fixed_fee"),
            ("billing_method", "MS", "milestone"),
        ):
            self.env["psa.value.map"].create({
                "connection_id": self.connection.id, "domain": domain, "source_value": value,
                **({"target_code": target} if isinstance(target, str)
                   else {"target_ref": f"{target._name},{target.id}"}),
            })
        self.env.cr.commit()
        self.version = 0

    # === SENDING === #
    def receive(self, code, external_id, operation=base.UPSERT, **raw):
        self.version += 1
        stream = self.streams[code]
        self.env["psa.message"]._receive(
            stream, [base.RawRecord(stream.object_type, external_id, f"{self.version:04}", raw, operation)], "pull")
        self.env.cr.commit()

    def drain(self):
        for lane in ("master", "transaction", "master", "transaction"):
            self.env.flush_all()
            self.env.cr.commit()
            self.env["psa.lane"]._drain(lane, stand_by=0)

    def message(self, code, external_id):
        return self.env["psa.message"].search(
            [("stream_id", "=", self.streams[code].id), ("external_id", "=", external_id)], order="id desc", limit=1)

    def record(self, code, external_id):
        binding = self.env["psa.binding"].search(
            [("connection_id", "=", self.connection.id), ("object_type", "=", OBJECTS[code]),
             ("external_id", "=", external_id)])
        return self.env[binding.res_model].browse(binding.res_id) if binding.res_id else None

    def entry(self, external_id):
        return self.env["psa.entry"].search([("analytic_line_id", "=", self.record("time", external_id).id)])

    def send_business(self):
        """Send a won deal with all that hangs on it, children before parents."""
        self.receive("time", "T1", project="PR1", resource="R1", assignment="AS1", work_date="2026-02-02", hours="7.5",
                     billable=True, approved=True, currency="USD", source_amount="1350.00")
        self.receive("assignment", "AS1", project="PR1", resource="R1", billable=True, bill_rate="180",
                     currency="USD", starts_on="2026-01-01")
        self.receive("project", "PR1", name="Relaunch", deal="D1", company="US", manager="R1")
        self.receive("milestone", "M1", name="Go-live", project="PR1", amount="5000", currency="USD", approved=True,
                     reached_on="2026-02-10")
        self.receive("resource", "R1", name="Jane Doe", email="jane@northwind.example", company="US", role="CONS",
                     cost_rate="60", cost_currency="USD", active=True)
        self.receive("deal", "D1", name="Website relaunch", won=True, party="A1", closed_on="2026-01-15",
                     currency="USD", amount="20000.00", company="US", billing_method="TM", payment_term="N30",
                     tax_profile="STD", project_template="-", purchase_order="PO-1", lines=[
                         {"external_id": "L1", "name": "Consulting", "role": "CONS", "quantity": "100",
                          "unit_price": "150"},
                         {"external_id": "L2", "name": "Go-live", "billing_method": "MS", "quantity": "1",
                          "unit_price": "5000"}])
        self.receive("person", "P1", name="Ann Lee", party="A1", email="ann@contoso.example")
        self.receive("party", "A1", name="Contoso", vat="US123", country="US")


@tagged("post_install", "-at_install")
class TestApplyDrain(ApplyDrainCase):

    def test_won_deal_to_priced_time(self):
        self.send_business()
        self.drain()
        states = self.env["psa.message"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual(set(states.mapped("state")), {"done"}, states.mapped(lambda m: (m.display_name, m.error)))
        order = self.record("deal", "D1")
        self.assertEqual((order.state, order.company_id, order.amount_untaxed), ("sale", self.us, 20000))
        self.assertEqual(order.create_uid, self.user, "who did it: the connection's own user")
        project = self.record("project", "PR1")
        self.assertEqual(project.psa_contract_id, order)
        entry = self.entry("T1")
        self.assertEqual((entry.state, entry.rate, entry.amount), ("approved", 180, 1350))
        self.assertEqual(entry.message_id, self.message("time", "T1"))
        milestone = self.record("milestone", "M1")
        self.assertEqual(self.env["psa.entry"].search([("milestone_id", "=", milestone.id)]).amount, 5000)
        self.assertEqual(self.record("person", "P1").parent_id, self.record("party", "A1"))

    def test_replay_changes_nothing(self):
        self.send_business()
        self.drain()
        changed = []

        def note(method):
            def noting(records, values, *args):
                # An entry names the message that spoke of it last.
                if values and (records or method.__name__ == "create") and set(values) != {"message_id"}:
                    changed.append((records._name, method.__name__, values))
                return method(records, values, *args)
            return noting

        with ExitStack() as stack:
            for name in ("res.partner", "hr.employee", "sale.order", "sale.order.line", "project.project",
                         "project.task", "psa.assignment", "project.milestone", "account.analytic.line", "psa.rate",
                         "psa.entry"):
                model = self.registry[name]
                for method in (model.create, model.write):
                    stack.enter_context(patch.object(model, method.__name__, note(method)))
            self.env["psa.message"].search([("connection_id", "=", self.connection.id)])._replay()
            self.drain()
        self.assertFalse(self.env["psa.message"].search(
            [("connection_id", "=", self.connection.id), ("state", "not in", ("done", "skipped"))]))
        self.assertEqual(changed, [])

    def test_signature_that_comes_before_its_deal(self):
        """The agreement is held until its contract is made, and for the customer's account; then it starts it."""
        self.receive("agreement", "ENV-1", name="Statement of work", subject_reference="D1", status="completed",
                     signed=True, signed_at="2026-01-20T09:30:00Z", signer_name="Grace Hopper")
        self.drain()
        message = self.message("agreement", "ENV-1")
        exception = message.exception_id
        self.assertEqual((message.state, exception.cause_code, exception.amount), ("held", "unknown_agreement", 0))
        self.receive("deal", "D1", name="Website relaunch", won=True, party="A1", closed_on="2026-01-15",
                     currency="USD", company="US", billing_method="TM", payment_term="N30", tax_profile="STD",
                     project_template="-", needs_signature=True, lines=[
                         {"external_id": "L1", "name": "Consulting", "role": "CONS", "quantity": "100",
                          "unit_price": "150.01"}])
        self.receive("party", "A1", name="Contoso")
        self.drain()
        order = self.record("deal", "D1")
        self.assertEqual((order.state, order.create_uid, exception.state), ("sent", self.user, "resolved"))
        exception = message.exception_id
        self.assertEqual(
            (message.state, exception.cause_code, exception.amount), ("held", "account_incomplete", 15001.00))
        self.assertEqual((exception.order_id, exception.partner_id), (order, order.partner_id))
        order.partner_id.country_id = self.env.ref("base.us")
        self.drain()
        self.assertEqual((message.state, exception.state), ("done", "resolved"))
        self.assertEqual((order.state, order.signed_by), ("sale", "Grace Hopper"))
        self.assertEqual(self.env["psa.rate"].search([("order_id", "=", order.id)]).amount, 150.01)

    def test_deal_and_signature_in_one_batch(self):
        self.receive("agreement", "ENV-1", name="Statement of work", subject_reference="D1", status="completed",
                     signed=True)
        self.receive("deal", "D1", name="Website relaunch", won=True, party="A1", closed_on="2026-01-15",
                     currency="USD", company="US", billing_method="FF", payment_term="N30", tax_profile="STD",
                     project_template="-", needs_signature=True, lines=[
                         {"external_id": "L1", "name": "Setup", "quantity": "1", "unit_price": "5000"}])
        self.receive("party", "A1", name="Contoso", country="US")
        self.drain()
        order = self.record("deal", "D1")
        self.assertEqual((self.message("agreement", "ENV-1").state, order.state), ("done", "sale"))
        self.assertEqual(self.env["psa.entry"].search([("order_id", "=", order.id)]).amount, 5000)

    def test_incomplete_deal_shows_all_the_money_that_waits(self):
        self.send_business()
        self.receive("deal", "D1", name="Website relaunch", won=True, party="A1", closed_on="2026-01-15",
                     currency="USD", amount="15000.00", lines=[
                         {"external_id": "L1", "name": "Consulting", "role": "CONS", "quantity": "100",
                          "unit_price": "150"}])
        self.drain()
        message = self.message("deal", "D1")
        self.assertEqual((message.state, message.exception_id.cause_code), ("held", "incomplete_terms"))
        self.assertEqual(message.risk_amount, 15000)
        self.assertIn("does not name", message.exception_id.name)
        time = self.message("time", "T1")
        self.assertEqual((time.state, time.risk_amount), ("waiting", 1350))
        self.assertFalse(self.env["sale.order"].search([("psa_connection_id", "=", self.connection.id)]))

    def test_reopened_project_releases_its_time(self):
        self.send_business()
        self.drain()
        project = self.record("project", "PR1")
        project.psa_closed_for_time = True
        self.receive("time", "T2", project="PR1", resource="R1", work_date="2026-02-03", hours="2", billable=True,
                     approved=True, currency="USD", source_amount="360.00")
        self.receive("time", "T3", project="PR1", resource="R1", work_date="2026-02-04", hours="3", billable=True,
                     approved=True, currency="USD", source_amount="540.00")
        self.drain()
        exception = self.message("time", "T2").exception_id
        self.assertEqual((exception.cause_code, exception.amount, exception.holder_count), ("closed_project", 900, 2))
        self.assertEqual(exception.project_id, project)
        project.psa_closed_for_time = False
        self.drain()
        self.assertEqual((self.entry("T2").amount, self.entry("T3").amount), (360, 540))
        self.assertEqual(exception.state, "resolved")

    def test_contract_chosen_by_hand_releases_billable_time(self):
        self.send_business()
        self.receive("project", "PR2", name="Side job", party="A1", company="US")
        self.receive("time", "T2", project="PR2", resource="R1", work_date="2026-02-03", hours="2", billable=True,
                     approved=True, currency="USD", source_amount="360.00")
        self.drain()
        message = self.message("time", "T2")
        self.assertEqual((message.state, message.exception_id.cause_code), ("held", "no_contract"))
        self.record("project", "PR2").psa_contract_id = self.record("deal", "D1")
        self.drain()
        self.assertEqual(message.state, "done")
        self.assertEqual(self.entry("T2").amount, 360)

    def test_one_bad_record_among_good_ones(self):
        self.send_business()
        self.receive("party", "A2", name="Bad", country="Atlantis")
        self.receive("party", "A3", name="Twin", vat="US 123")
        self.receive("party", "A4", name="Good")
        self.drain()
        self.assertEqual(self.message("party", "A2").exception_id.cause_code, "invalid_data")
        self.assertEqual(self.message("party", "A3").exception_id.cause_code, "duplicate_party")
        self.assertEqual(self.message("party", "A4").state, "done")

    def test_merged_customer(self):
        self.send_business()
        self.receive("party", "A2", name="Contoso Ltd")
        self.receive("person", "P2", name="Bob", party="A2")
        self.drain()
        loser, winner = self.record("party", "A2"), self.record("party", "A1")
        self.receive("party", "A2", operation=base.MERGE, winner="A1")
        self.drain()
        self.assertEqual(self.message("party", "A2").state, "done", self.message("party", "A2").error)
        self.assertFalse(loser.exists())
        self.assertEqual(self.record("person", "P2").parent_id, winner)
        self.receive("person", "P3", name="Cy", party="A2")
        self.drain()
        self.assertEqual(self.record("person", "P3").parent_id, winner, "who refers to the loser means the winner")

    def test_deleted_time(self):
        self.send_business()
        self.drain()
        entry = self.entry("T1")
        self.receive("time", "T1", operation=base.DELETE)
        self.drain()
        self.assertIsNone(self.record("time", "T1"))
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "deleted"))
        self.assertFalse(entry.analytic_line_id)

    def test_unmatched_user_never_blocks(self):
        self.receive("user", "U1", name="Sam", email="sam@nowhere.example")
        self.receive("party", "A1", name="Contoso")
        self.receive("deal", "D1", name="Open deal", won=False, party="A1", owner="U1", closed_on="2026-01-15",
                     currency="USD")
        self.drain()
        self.assertEqual(self.message("user", "U1").skip_reason, "out_of_scope")
        self.assertEqual(self.message("deal", "D1").skip_reason, "out_of_scope")
