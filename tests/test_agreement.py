from datetime import date, datetime

from odoo.tests import new_test_user, tagged

from .test_signature import SignatureCase


@tagged("post_install", "-at_install")
class TestAgreement(SignatureCase):
    """What an agreement signs, what is kept of it, and what becomes of one that does not fit."""

    # === WHAT IS SIGNED === #
    def test_by_the_number_of_the_contract(self):
        order = self.unsigned()
        agreement = self.sign(f" {order.name} ").record
        self.assertEqual((agreement.order_id, agreement.state, order.state), (order, "signed", "sale"))

    def test_by_the_id_of_the_deal_at_any_system_of_the_company(self):
        order = self.unsigned()
        crm = self.env["psa.connection"].create({
            "name": "Other CRM", "connector_code": "fake", "company_id": self.us.id, "environment": "sandbox"})
        binding = self.env["psa.binding"].search([("external_id", "=", "555005"), ("object_type", "=", "Deal")])
        binding.connection_id = crm
        self.assertEqual(self.sign("555005").record.order_id, order)
        crm_of_others = self.env["psa.connection"].create({
            "name": "CRM of Nordwind", "connector_code": "fake", "company_id": self.de.id, "environment": "sandbox"})
        binding.write({"connection_id": crm_of_others.id, "external_id": "777"})
        self.assert_held(self.sign("777", external_id="ENV-2"), "unknown_agreement")

    def test_by_the_customers_order_number_or_the_deals_name(self):
        order = self.unsigned(purchase_order="PO-77", name="Relaunch of Contoso")
        self.assertEqual(self.sign("PO-77").record.order_id, order)
        self.assertEqual(self.sign("Relaunch of Contoso", external_id="ENV-2").record.order_id, order)

    def test_a_number_that_two_contracts_have_is_not_guessed(self):
        first = self.unsigned(purchase_order="PO-77")
        second = self.unsigned(purchase_order="PO-77", external_id="555006")
        item = self.sign("PO-77")
        self.assert_held(item, "unknown_agreement", f"can be {second.name} or {first.name}")
        self.assertEqual((first.state, second.state), ("sent", "sent"))

    def test_agreement_of_nothing_that_is_known(self):
        item = self.sign("S99999")
        self.assert_held(
            item, "unknown_agreement",
            "The agreement “Statement of work” is for “S99999”, which is no contract, amendment or deal")
        self.assertIsNone(item.amount)
        self.assertEqual(item.outcome.key, item.key)

    # === WHAT IS KEPT === #
    def test_several_agreements_of_one_contract(self):
        order = self.unsigned()
        self.sign("555005", "contract.pdf")
        self.sign(order.name, "privacy.pdf", external_id="ENV-2", name="Privacy annex", signer_name="Ann Lee")
        self.assertEqual(order.psa_agreement_count, 2)
        self.assertEqual(
            sorted(order.psa_agreement_ids.mapped(lambda agreement: (agreement.name, agreement.signer_name))),
            [("Privacy annex", "Ann Lee"), ("Statement of work", "Grace Hopper")])
        self.assertEqual(order.signed_by, "Grace Hopper", "who signed first started the contract")
        self.assertEqual(len(self.project_of(order)), 1)
        self.assertEqual(sorted(order.message_ids.attachment_ids.mapped("name")), ["contract.pdf", "privacy.pdf"])

    def test_same_agreement_again_changes_nothing(self):
        order = self.unsigned()
        first = self.sign("555005", "contract.pdf")
        notes = len(order.message_ids)
        with self.assert_no_write("sale.order", "psa.agreement", "project.project", "psa.rate", "psa.entry"):
            second = self.sign("555005", "contract.pdf")
        self.assertEqual(first.record, second.record)
        self.assertEqual((len(order.message_ids), len(first.record.attachment_ids)), (notes, 1))

    def test_out_for_signature_and_then_signed(self):
        order = self.unsigned()
        agreement = self.sign("555005", signed=False, status="sent", signed_at=None, signer_name=None).record
        self.assertEqual((agreement.state, agreement.status, order.state), ("sent", "sent", "sent"))
        self.assertFalse(order.signed_by)
        self.sign("555005", "contract.pdf")
        self.assertEqual((agreement.state, agreement.attachment_ids.name, order.state), (
            "signed", "contract.pdf", "sale"))

    def test_signature_under_a_contract_that_is_in_force_is_evidence(self):
        order = self.contract(party=self.customer(), external_id="555005")
        day = order.date_order
        self.sign("555005", "contract.pdf")
        self.assertEqual((order.state, order.date_order, order.signed_by), ("sale", day, "Grace Hopper"))
        self.assertEqual(len(self.project_of(order)), 1)

    def test_two_contracts_signed_in_one_batch(self):
        orders = self.unsigned() | self.unsigned(external_id="555006")
        self.run_items(
            self.agreement_item("555005"), self.agreement_item("555006", external_id="ENV-2"),
            self.agreement_item(orders[0].name, external_id="ENV-3"))
        self.assertEqual(orders.mapped("state"), ["sale", "sale"])
        self.assertEqual([len(self.project_of(order)) for order in orders], [1, 1])

    # === NOT SIGNED === #
    def test_declined_agreement_leaves_a_quotation_and_asks_the_salesperson(self):
        order = self.unsigned()
        self.sign("555005", signed=False, void=True, status="declined", void_reason="Wrong entity")
        self.assertEqual((order.state, order.psa_awaits_signature), ("sent", True))
        self.assertFalse(self.project_of(order))
        [activity] = order.activity_ids
        self.assertEqual((activity.user_id, activity.summary), (self.sam, "Not signed: Statement of work"))
        self.assertIn("Wrong entity", activity.note)
        self.assertIn("will not be signed: Wrong entity", order.message_ids[0].body)
        self.sign("555005", external_id="ENV-2")
        self.assertEqual(order.state, "sale", "the next document is signed")

    def test_signature_under_a_cancelled_contract(self):
        order = self.unsigned()
        order._action_cancel()
        item = self.sign("555005")
        self.assert_held(item, "agreement_without_effect", f"The contract {order.name}", "was cancelled in Odoo")
        self.assertEqual(item.amount, 15000.00)
        order.action_draft()
        self.assert_state(self.sign("555005"), "done")
        self.assertEqual((order.state, len(self.project_of(order))), ("sale", 1))

    # === A PERSON LINKS IT === #
    def test_link_to_a_contract(self):
        order = self.unsigned()
        item = self.sign("nonsense", "contract.pdf")
        exception = self.env["psa.exception"]._raise([{
            "cause": "unknown_agreement", "subject_key": item.outcome.key, "text": item.outcome.text,
            "company_id": self.us.id, "connection_id": self.connection.id,
        }])["unknown_agreement", item.outcome.key]
        item.message.write({"state": "held", "wait_key": item.outcome.key, "exception_id": exception.id})
        operator = new_test_user(
            self.env, "link_operator", "psa_hub.group_operator,sales_team.group_sale_salesman_all_leads",
            company_id=self.us.id, company_ids=[(6, 0, self.us.ids)])
        exception = exception.with_user(operator).with_context(allowed_company_ids=self.us.ids)
        action = exception.action_fix()
        self.assertEqual(action["res_model"], "psa.exception.link")
        wizard = exception.env["psa.exception.link"].with_context(**action["context"]).create({})
        self.assertEqual(wizard.model, "psa.agreement")
        wizard.order_id = order
        wizard.action_link()
        self.assertNotEqual(item.message.state, "held")
        again = self.sign("nonsense", "contract.pdf")
        self.assert_state(again, "done")
        self.assertEqual((again.record.order_id, again.record.name), (order, "Statement of work"))
        self.assertEqual(order.state, "sale")


@tagged("post_install", "-at_install")
class TestAgreementOfAmendment(SignatureCase):
    """A signed change order: the signature is written, and its own rules say who puts it in force."""

    def setUp(self):
        super().setUp()
        self.order = self.contract(self.deal_line(role=self.consultant, price=150), party=self.customer())
        self.author = new_test_user(
            self.env, "change_author", "psa_hub.group_operator,sales_team.group_sale_manager", company_id=self.us.id,
            company_ids=[(6, 0, self.us.ids)])
        self.amendment = self.env["psa.amendment"].with_user(self.author).with_context(
            allowed_company_ids=self.us.ids).create({
                "order_id": self.order.id, "name": "Rate rise", "date_effective": date(2026, 1, 20),
                "change_ids": [(0, 0, {"kind": "rate", "role_id": self.consultant.id, "amount": 165.5})],
            }).sudo()

    def as_connection(self, groups):
        """Work as the connection's own user with these groups."""
        user = new_test_user(
            self.env, "sign_integration", groups, company_id=self.us.id, company_ids=[(6, 0, self.us.ids)])
        self.env = self.env(user=user.id, su=True, context={**self.env.context, "allowed_company_ids": self.us.ids})

    def rate(self):
        return self.env["psa.rate"].search(
            [("order_id", "=", self.order.id)], order="date_from desc nulls last", limit=1).amount

    def test_signed_amendment_waits_for_an_approver(self):
        self.as_connection("psa_hub.group_operator")
        self.order.user_id = self.sam
        self.amendment.action_send_to_sign()
        agreement = self.sign(f"{self.order.name}/1", "change.pdf").record
        self.assertEqual((agreement.amendment_id, agreement.order_id), (self.amendment, self.order))
        self.assertEqual((self.amendment.state, self.amendment.signed_by, self.amendment.signed_on), (
            "to_sign", "Grace Hopper", date(2026, 1, 20)))
        self.assertEqual(self.amendment.document_name, "change.pdf")
        self.assertEqual(self.amendment.activity_ids.user_id, self.sam)
        self.assertEqual(self.rate(), 150)

    def test_signed_amendment_comes_into_force_where_the_connections_user_may_approve(self):
        self.as_connection("psa_hub.group_approver")
        self.us.psa_amendment_evidence = "document"
        self.amendment.action_send_to_sign()
        self.sign("Rate rise", "change.pdf")
        self.assertEqual((self.amendment.state, self.amendment.approved_by), ("in_force", self.env.user))
        self.assertEqual(self.rate(), 165.5)

    def test_whoever_wrote_it_does_not_approve_it_by_a_signature(self):
        self.as_connection("psa_hub.group_approver")
        self.amendment.write({"editor_ids": [(4, self.env.uid)]})
        self.amendment.action_send_to_sign()
        self.sign("Rate rise", "change.pdf")
        self.assertEqual((self.amendment.state, self.amendment.signed_by), ("to_sign", "Grace Hopper"))

    def test_document_that_the_company_asks_for_is_missing(self):
        self.as_connection("psa_hub.group_approver")
        self.us.psa_amendment_evidence = "document"
        self.amendment.action_send_to_sign()
        self.sign("Rate rise")
        self.assertEqual(self.amendment.state, "to_sign")

    def test_draft_and_refused_amendments_are_held(self):
        item = self.sign(f"{self.order.name} / 1 Rate rise", "change.pdf")
        self.assert_held(item, "agreement_without_effect", "it is a draft in Odoo")
        item.message.write({"state": "held", "wait_key": item.outcome.key})
        self.amendment.action_send_to_sign()
        self.assertNotEqual(item.message.state, "held", "sent to sign: the signature goes on")
        self.amendment.action_refuse("Too expensive")
        self.assert_held(self.sign("Rate rise"), "agreement_without_effect", "it was refused in Odoo")

    def test_evidence_of_an_amendment_in_force(self):
        self.amendment._put_in_force(self.env.user)
        self.sign("Rate rise", "change.pdf", signed_at=datetime.fromisoformat("2026-01-19T23:30:00+00:00"))
        self.assertEqual((self.amendment.signed_by, self.amendment.signed_on), ("Grace Hopper", date(2026, 1, 19)))
        self.assertEqual(self.amendment.document_name, "change.pdf")

    def test_declined_amendment_is_noted(self):
        self.order.user_id = self.sam
        self.amendment.action_send_to_sign()
        self.sign("Rate rise", signed=False, void=True, status="declined", void_reason="Too expensive")
        self.assertEqual((self.amendment.state, self.amendment.activity_ids.user_id), ("to_sign", self.sam))
