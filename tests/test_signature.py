from datetime import date, datetime, timezone
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tests import tagged

from .apply_common import ApplyCase


class SignatureCase(ApplyCase):
    """Deals whose contract waits for a signed statement of work, and the documents of a signing system."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection.owner_id = cls.env["res.users"].create({"name": "Fiona", "login": "fiona@northwind.example"})
        cls.sam, cls.dora = cls.env["res.users"].create([
            {"name": "Sam", "login": "sam@northwind.example"}, {"name": "Dora", "login": "dora@northwind.example"}])

    def customer(self, **values):
        return self.party(**{"country": "US", "name": "Contoso", **values})

    def unsigned(self, *lines, **values):
        parents = {"owner": self.sam, "delivery_owner": self.dora, **values.pop("parents", {})}
        return self.contract(*lines, **{
            "party": self.customer(), "needs_signature": True, "parents": parents, "external_id": "555005", **values})

    def message(self, *files):
        """Return the message of an agreement that came with PDF files of these names."""
        stream = self.connection.stream_ids.filtered(lambda stream: stream.direction == "in")[:1]
        message = self.env["psa.message"].create({
            "connection_id": self.connection.id, "stream_id": stream.id, "company_id": self.us.id,
            "object_type": "Agreement", "external_id": "E", "lane": "master", "direction": "in", "state": "pending",
            "dedupe_key": f"agreement {self.env['psa.message'].search_count([])}", "operation": "upsert",
        })
        self.env["ir.attachment"].create([
            {"name": name, "mimetype": "application/pdf", "raw": f"%PDF {name}".encode(), "res_model": "psa.message",
             "res_id": message.id} for name in files])
        return message

    def agreement_item(self, reference, *files, external_id="ENV-1", **values):
        item = self.item("agreement", external_id, **{
            "name": "Statement of work", "subject_reference": reference, "status": "completed", "signed": True,
            "signed_at": datetime(2026, 1, 20, 9, 30, tzinfo=timezone.utc), "signer_name": "Grace Hopper",
            "signer_email": "grace@contoso.example", **values})
        item.message = self.message(*files)
        return item

    def sign(self, reference, *files, **values):
        return self.run_items(self.agreement_item(reference, *files, **values))

    def project_of(self, order):
        return self.env["project.project"].search([("psa_contract_id", "=", order.id)])

    def rates_of(self, order):
        return self.env["psa.rate"].search([("order_id", "=", order.id)])


@tagged("post_install", "-at_install")
class TestSignature(SignatureCase):
    """A won deal that needs a signature is a quotation until it is signed, and a contract like any other afterwards."""

    # === BEFORE === #
    def test_quotation_with_all_terms_and_nothing_else(self):
        order = self.unsigned(
            self.deal_line(role=self.consultant, quantity=100, price="150.50"),
            self.deal_line("fixed_fee", quantity=1, price=5000), purchase_order="PO-77")
        self.assertEqual((order.state, order.psa_contract, order.psa_awaits_signature), ("sent", True, True))
        self.assertEqual((order.amount_untaxed, order.amount_tax), (20050.00, 1403.50))
        self.assertEqual((order.payment_term_id, order.client_order_ref), (self.net30, "PO-77"))
        self.assertFalse(self.project_of(order))
        self.assertFalse(self.rates_of(order))
        self.assertFalse(self.env["psa.entry"].search([("order_id", "=", order.id)]))
        self.assertFalse(order.activity_ids)

    def test_deal_without_signature_starts_at_once_with_its_delivery_owner(self):
        order = self.contract(party=self.customer(), parents={"delivery_owner": self.dora})
        self.assertEqual((order.state, order.psa_awaits_signature), ("sale", False))
        project = self.project_of(order)
        self.assertEqual(project.user_id, self.dora)
        self.assertEqual(project.activity_ids.mapped("summary"), ["Plan the delivery of Website relaunch"])
        self.assertEqual(project.activity_ids.user_id, self.dora)
        self.assertFalse(order.activity_ids, "finance is told of signatures only")

    def test_the_quotation_follows_its_deal(self):
        order = self.unsigned()
        self.contract_again(order, name="Relaunch 2026", parents={"delivery_owner": self.sam})
        self.sign("555005")
        self.assertEqual(order.state, "sale")
        self.assertEqual((self.project_of(order).name, self.project_of(order).user_id), ("Relaunch 2026", self.sam))

    def contract_again(self, order, **values):
        item = self.deal_item(party=order.partner_id, external_id="555005", needs_signature=True, **values)
        item.values["lines"] = self.lines
        return self.run_items(item)

    def contract(self, *lines, **values):
        item = self.deal_item(list(lines), **values)
        self.lines = item.values["lines"]
        return self.run_items(item).record

    def test_deal_that_is_lost_before_it_is_signed(self):
        order = self.unsigned()
        item = self.contract_again(order, won=False)
        self.assert_held(item, "contract_changed", "still waits for its signature", order.name)
        order._action_cancel()
        self.assert_state(self.contract_again(order, won=False), "done")

    # === SIGNED === #
    def test_signed_contract_is_what_a_deal_without_signature_makes(self):
        lines = [
            self.deal_line(role=self.consultant, quantity=100, price="150.50", name="Consulting"),
            self.deal_line("fixed_fee", quantity=1, price=5000, name="Setup", service_date=date(2026, 3, 1)),
            self.deal_line("milestone", quantity=1, price=20000, name="Go-live"),
        ]
        signed = self.unsigned(*lines)
        self.sign("555005")
        plain = self.contract(*lines, party=signed.partner_id, parents={"delivery_owner": self.dora})
        for name in ("state", "amount_total", "psa_contract", "date_order", "payment_term_id", "psa_source_terms"):
            self.assertEqual(signed[name], plain[name], name)
        self.assertFalse(signed.psa_start)
        self.assertEqual(self.facts(signed), self.facts(plain))
        self.assertEqual(self.facts(signed)["fees"], [(5000.00, date(2026, 3, 1), "approved")])

    def facts(self, order):
        """Return what works on a contract, comparable."""
        project = self.project_of(order)
        self.assertEqual(len(project), 1)
        return {
            "project": (project.name, project.partner_id, project.user_id, project.allow_milestones),
            "tasks": sorted((task.name, task.allocated_hours) for task in project.task_ids),
            "rates": [(rate.role_id, rate.amount) for rate in self.rates_of(order)],
            "fees": [(entry.amount, entry.work_date, entry.state)
                     for entry in self.env["psa.entry"].search([("order_id", "=", order.id)])],
        }

    def test_who_signed_and_the_signed_paper(self):
        order = self.unsigned()
        self.sign("555005", "contract.pdf", "certificate.pdf")
        self.assertEqual((order.signed_by, order.signed_on), ("Grace Hopper", datetime(2026, 1, 20, 9, 30)))
        [note] = order.message_ids.filtered("attachment_ids")
        self.assertEqual(sorted(note.attachment_ids.mapped("name")), ["certificate.pdf", "contract.pdf"])
        self.assertIn("was signed by Grace Hopper on 01/20/2026", note.body)
        contract = note.attachment_ids.filtered(lambda file: file.name == "contract.pdf")
        self.assertEqual((contract.res_model, contract.res_id), ("sale.order", order.id))
        self.assertEqual(contract.raw, b"%PDF contract.pdf")

    def test_delivery_plans_and_finance_looks_at_the_billing(self):
        order = self.unsigned()
        self.sign("555005")
        self.assertEqual(self.project_of(order).activity_ids.user_id, self.dora)
        [finance] = order.activity_ids
        self.assertEqual(finance.user_id.name, "Fiona")
        self.assertEqual(finance.summary, f"{order.name} is signed: check how it is billed")
        self.assertIn("15,000.00", finance.note)

    def test_project_comes_from_the_template_of_the_deal(self):
        template = self.env["project.project"].create({
            "name": "Template", "is_template": True, "company_id": self.us.id,
            "task_ids": [(0, 0, {"name": "Kick-off"})]})
        order = self.unsigned(
            self.deal_line(role=self.consultant, name="Consulting"), codes={"project_template": template})
        self.sign("555005")
        project = self.project_of(order)
        self.assertEqual(set(project.task_ids.mapped("name")), {"Kick-off", "Consulting"})
        self.assertEqual((project.name, project.user_id), ("Website relaunch", self.dora))

    def test_project_that_the_source_sent_before_the_signature_is_kept(self):
        order = self.unsigned()
        project = self.project(order)
        self.sign("555005")
        self.assertEqual(self.project_of(order), project)
        self.assertEqual((order.state, project.user_id), ("sale", self.dora))

    def test_project_that_another_system_knows_by_its_code(self):
        project = self.project(code="NOVA")
        order = self.unsigned(project_code="NOVA")
        self.assertFalse(project.psa_contract_id)
        self.sign("555005")
        self.assertEqual((self.project_of(order), project.user_id), (project, self.dora))

    def test_code_of_another_contract_is_refused_in_one_sentence(self):
        other = self.contract(party=self.customer(), project_code="NOVA")
        order = self.unsigned(project_code="NOVA")
        with self.assertRaisesRegex(UserError, f"project code NOVA, which is that of “{other.display_name}"):
            order.action_confirm()

    def test_work_before_the_signature_is_billed_after_it(self):
        order = self.unsigned()
        project, jane = self.project(order), self.resource(role=self.consultant)
        item = self.time(project, jane, 8)
        entry = self.entry(item.record)
        self.assertEqual((entry.state, entry.reason), ("held", "missing_rate"))
        self.sign("555005")
        self.assertEqual((entry.state, entry.amount, entry.order_id), ("approved", 1200.00, order))

    def test_the_trail_says_what_was_signed(self):
        order = self.unsigned()
        self.sign("555005")
        audit = self.env["psa.audit"].search([("event", "=", "agreement.signed"), ("res_id", "=", order.id)])
        self.assertEqual((audit.res_model, audit.after["signed_by"]), ("sale.order", "Grace Hopper"))

    def test_a_person_who_confirms_starts_the_contract_too(self):
        order = self.unsigned()
        seller = self.env["res.users"].create({
            "name": "Sally", "login": "sally@northwind.example", "company_id": self.us.id,
            "company_ids": [(6, 0, self.us.ids)],
            "group_ids": [(6, 0, self.env.ref("sales_team.group_sale_salesman_all_leads").ids)]})
        order.with_user(seller).with_context(allowed_company_ids=self.us.ids).action_confirm()
        self.assertEqual((order.state, self.project_of(order).user_id), ("sale", self.dora))
        self.assertEqual(self.rates_of(order).amount, 150)

    # === THE CUSTOMER'S ACCOUNT === #
    def incomplete(self, **values):
        return self.sign("555005", **values)

    def test_customer_without_a_country_keeps_the_contract_waiting(self):
        order = self.unsigned(party=self.party())
        item = self.incomplete()
        self.assert_held(
            item, "account_incomplete", f"The contract {order.name} is signed, but the account of Contoso is "
            "incomplete: it has no country. Complete the customer")
        self.assertEqual((item.amount, item.currency), (15000.00, self.usd))
        self.assertEqual(order.state, "sent")
        order.partner_id.country_id = self.env.ref("base.us")
        self.assert_state(self.incomplete(), "done")
        self.assertEqual(order.state, "sale")

    def test_tax_number_and_address_where_the_tax_profile_needs_them(self):
        position = self.env["account.fiscal.position"].create({
            "name": "EU B2B", "company_id": self.us.id, "vat_required": True})
        order = self.unsigned(codes={"tax_profile": position})
        self.assert_held(
            self.incomplete(), "account_incomplete",
            "it has no complete address (street and city) and it has no tax number")
        order.partner_id.write({"street": "Main 1", "city": "Springfield", "vat": "US-1"})
        self.assert_state(self.incomplete(), "done")

    def test_archived_customer(self):
        order = self.unsigned()
        order.partner_id.active = False
        self.assert_held(self.incomplete(), "account_incomplete", "it is archived")

    def test_completing_the_customer_lets_the_signature_go(self):
        order = self.unsigned(party=self.party())
        item = self.incomplete()
        message = item.message
        message.write({"state": "held", "wait_key": item.outcome.key})
        order.partner_id.phone = "+1 555"
        self.assertEqual(message.state, "held")
        order.partner_id.country_id = self.env.ref("base.us")
        self.assertFalse(message.wait_key, "it goes on at once")

    def test_amounts_in_euro_to_the_cent(self):
        order = self.unsigned(
            self.deal_line(role=self.consultant, quantity="12.5", price="133.33"), company=self.de, currency="EUR",
            party=self.customer(country="DE"))
        self.assertEqual((order.amount_untaxed, order.amount_tax), (1666.63, 316.66))
        self.sign("555005")
        self.assertEqual((order.state, order.amount_total), ("sale", 1983.29))
        self.assertEqual(self.rates_of(order).amount, float(Decimal("133.33")))
