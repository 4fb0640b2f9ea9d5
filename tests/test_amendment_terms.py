import base64
from datetime import date
from unittest.mock import patch

from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from .amendment_common import AmendmentCase


@tagged("post_install", "-at_install")
class TestAmendmentTerms(AmendmentCase):
    """Lines, fees, the customer's order, the end and the wording."""

    def make_fee(self):
        return self.env["psa.entry"]._sync("fee", [{
            "source": self.fee_line, "order_id": self.order.id, "work_date": date(2026, 5, 4), "description": "Fee"}])

    def test_a_fee_on_no_invoice_follows_its_line(self):
        fee = self.make_fee()
        self.amend(date(2026, 5, 20), {"kind": "line", "order_line_id": self.fee_line.id, "price_delta": 2500})
        self.assertEqual((self.fee_line.price_unit, fee.amount, self.order.amount_untaxed), (12500, 12500, 22500))
        self.assertEqual(fee.trace["amendment"], "1 Rate rise")
        self.assertFalse(self.differences(fee))

    def test_a_billed_fee_is_corrected_by_a_difference(self):
        fee = self.make_fee()
        move = self.bill(self.order)
        self.amend(date(2026, 5, 20), {"kind": "line", "order_line_id": self.fee_line.id, "price_delta": 2500})
        self.amend(date(2026, 5, 25), {"kind": "line", "order_line_id": self.fee_line.id, "price_delta": -500})
        self.assertEqual(fee.amount, 10000)
        self.assertEqual(self.differences(fee).sorted("id").mapped("amount"), [2500, -500])
        self.assertEqual(self.fee_line.price_unit, 12000)
        self.make_fee()
        self.assertFalse(fee.pending_change, "the same fee told again is no change")
        june = self.bill(self.order, date(2026, 6, 1), date(2026, 6, 30))
        self.assertEqual(sorted(june.invoice_line_ids.mapped("price_subtotal")), [-500, 2500])
        self.reverse(move).action_post()
        self.assertEqual((fee.gross_amount, fee.adjusted_amount, fee.amount), (12000, 2000, 10000))
        self.assertLedger(fee | self.differences(fee))

    def test_the_quantity_of_a_billed_fee_stays(self):
        self.make_fee()
        self.bill(self.order)
        with self.assertRaises(UserError):
            self.amend(date(2026, 5, 20), {"kind": "line", "order_line_id": self.fee_line.id, "quantity_delta": 1})

    def test_more_hours_on_a_line_keep_its_price(self):
        self.amend(date(2026, 5, 20), {"kind": "line", "order_line_id": self.line.id, "quantity_delta": 40})
        self.assertEqual((self.line.product_uom_qty, self.line.price_unit), (140, 100))

    def test_a_locked_contract_is_amended_and_stays_locked(self):
        self.order.action_lock()
        self.amend(date(2026, 5, 20), {"kind": "line", "order_line_id": self.line.id, "quantity_delta": 40})
        self.assertEqual((self.line.product_uom_qty, self.order.locked), (140, True))

    def test_a_new_fee_is_due_on_the_effective_day(self):
        amendment = self.amend(date(2026, 5, 20), {
            "kind": "line", "name": "Data migration", "billing_method": "fixed_fee", "quantity_delta": 2,
            "price_delta": 3000})
        line = amendment.line_change_ids.applied_line_id
        entry = self.env["psa.entry"].search([("fee_line_id", "=", line.id)])
        self.assertEqual((entry.amount, entry.work_date, entry.state), (6000, date(2026, 5, 20), "approved"))
        self.assertEqual(self.bill(self.order).amount_untaxed, 6000)

    def test_a_line_cannot_become_less_than_nothing(self):
        with self.assertRaises(UserError):
            self.amend(date(2026, 5, 20), {"kind": "line", "order_line_id": self.line.id, "quantity_delta": -101})
        with self.assertRaises(ValidationError):
            order = self.make_contract(("time_material", 1, 1.0))
            self.make_amendment(date(2026, 5, 20), {
                "kind": "line", "order_line_id": order.order_line.id, "quantity_delta": 1})

    def test_a_milestone_counts_by_the_version_of_its_day(self):
        order = self.make_contract(("milestone", 1, 40000.0))
        early, late = self.env["project.milestone"].create([
            {"name": name, "project_id": self.project_of(order).id, "sale_line_id": order.order_line.id,
             "quantity_percentage": 0.25} for name in ("Design", "Build")])
        spec = {"order_id": order.id, "currency_id": order.currency_id.id}
        early, late = self.env["psa.entry"]._sync("milestone", [
            {**spec, "source": early, "work_date": date(2026, 5, 8)},
            {**spec, "source": late, "work_date": date(2026, 5, 28)}])
        self.amend(date(2026, 5, 20), {
            "kind": "line", "order_line_id": order.order_line.id, "price_delta": 4000}, order=order)
        self.assertEqual((early.amount, late.amount), (10000, 11000))

    # === TERMS AND THEIR DAY === #
    @freeze_time("2026-05-20")
    def test_a_coming_version_waits_for_its_day(self):
        self.order.psa_purchase_order = "PO-1"
        amendment = self.amend(
            date(2026, 6, 1), self.rate_change(110),
            {"kind": "line", "order_line_id": self.line.id, "quantity_delta": 40},
            purchase_order="PO-2", date_end=date(2027, 3, 31))
        self.assertEqual((self.line.product_uom_qty, self.order.psa_purchase_order), (100, "PO-1"))
        [june] = self.make_time(self.order, [1], day=date(2026, 6, 2))
        self.assertEqual(june.amount, 110, "rates have their own dates")
        with freeze_time("2026-06-01"), patch.object(self.env.cr, "commit"):
            self.env["psa.amendment"]._cron_apply_due()
        self.assertEqual((self.line.product_uom_qty, self.order.psa_purchase_order), (140, "PO-2"))
        self.assertEqual(self.order.psa_date_end, date(2027, 3, 31))
        self.assertTrue(amendment.applied_at)
        with freeze_time("2026-06-02"), patch.object(self.env.cr, "commit"):
            self.env["psa.amendment"]._cron_apply_due()
        self.assertEqual(self.line.product_uom_qty, 140, "once")

    def test_a_later_versions_word_on_the_order_stays(self):
        self.amend(date(2026, 5, 20), purchase_order="PO-2")
        self.amend(date(2026, 5, 10), purchase_order="PO-3")
        self.assertEqual(self.order.psa_purchase_order, "PO-2")

    def test_the_chatter_tells_what_changed(self):
        self.make_time(self.order, [8])
        self.bill(self.order)
        self.amend(date(2026, 5, 1), self.rate_change(110), purchase_order="PO-9")
        message = self.order.message_ids.sorted("id")[-1]
        for words in ("Rate rise", "approver", "1 difference lines", "PO-9"):
            self.assertIn(words, message.body)
        [row] = self.env["psa.audit"].search([("event", "=", "amendment.in_force")], limit=1)
        self.assertEqual((row.user_id, row.after["number"]), (self.approver, 1))

    # === WHO MAY === #
    def test_the_author_never_puts_it_in_force(self):
        amendment = self.make_amendment(date(2026, 5, 1), self.rate_change(110))
        with self.assertRaises(AccessError):
            amendment.action_put_in_force()
        amendment.rate_change_ids.with_user(self.approver).amount = 120
        with self.assertRaises(AccessError):
            self.put_in_force(amendment)
        other = new_test_user(
            self.env, "second", "psa_hub.group_approver", company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)])
        amendment.with_user(other).action_put_in_force()
        self.assertEqual((amendment.state, amendment.approved_by), ("in_force", other))

    def test_no_sales_rights_are_needed(self):
        company = {"company_id": self.company.id, "company_ids": [Command.set(self.company.ids)]}
        operator = new_test_user(self.env, "plain_operator", "psa_hub.group_operator", **company)
        approver = new_test_user(self.env, "plain_approver", "psa_hub.group_approver", **company)
        amendment = self.env["psa.amendment"].with_user(operator).create({
            "order_id": self.order.id, "name": "By the hub's people", "date_effective": date(2026, 5, 1),
            "change_ids": [
                Command.create(self.rate_change(110, project_id=self.project_of(self.order).id)),
                Command.create({"kind": "line", "order_line_id": self.line.id, "quantity_delta": 5}),
            ],
        })
        self.assertTrue(amendment.read(["display_name", "order_id", "partner_id", "difference_amount"]))
        self.assertEqual(amendment.line_change_ids.line_total, 10500)
        with self.assertRaises(AccessError):
            amendment.action_put_in_force()
        amendment.with_user(approver).action_put_in_force()
        self.assertEqual((amendment.state, self.line.product_uom_qty), ("in_force", 105))

    def test_a_replacement_does_not_begin_before_what_it_replaces(self):
        first = self.amend(date(2026, 5, 10), self.rate_change(110))
        with self.assertRaises(UserError):
            self.amend(date(2026, 5, 9), self.rate_change(120), replaces_id=first.id)
        draft = self.make_amendment(date(2026, 5, 12), self.rate_change(130))
        self.amend(date(2026, 5, 11), self.rate_change(120), replaces_id=draft.id)
        self.assertEqual((draft.state, draft.in_force_at, first.state), ("superseded", False, "in_force"))

    def test_only_a_contract_is_amended(self):
        order = self.make_contract(("time_material", 1, 1.0))
        order.psa_contract = False
        with self.assertRaises(UserError):
            self.amend(date(2026, 5, 1), {"kind": "rate", "amount": 1}, order=order)

    def test_a_company_may_ask_for_signature_and_document(self):
        self.company.psa_amendment_evidence = "document"
        amendment = self.make_amendment(date(2026, 5, 1), self.rate_change(110))
        amendment.action_send_to_sign()
        with self.assertRaisesRegex(UserError, "not signed"):
            self.put_in_force(amendment)
        amendment.write({"signed_on": date(2026, 5, 6), "signed_by": "Annabella"})
        with self.assertRaisesRegex(UserError, "signed document"):
            self.put_in_force(amendment)
        amendment.write({"document": base64.b64encode(b"signed"), "document_name": "co1.pdf"})
        self.put_in_force(amendment)
        self.assertEqual(amendment.state, "in_force")

    def test_what_was_sent_for_signature_is_not_edited(self):
        amendment = self.make_amendment(date(2026, 5, 1), self.rate_change(110))
        amendment.action_send_to_sign()
        for values in ({"date_effective": date(2026, 4, 1)}, {"rate_change_ids": [Command.clear()]}):
            with self.assertRaises(UserError):
                amendment.write(values)
        with self.assertRaises(UserError):
            amendment.rate_change_ids.amount = 1
        with self.assertRaises(UserError):
            amendment.unlink()
        with self.assertRaises(AccessError):
            amendment.write({"state": "in_force"})
        amendment.with_user(self.reviewer).action_refuse("Not agreed")
        self.assertEqual((amendment.state, amendment.refused_reason), ("refused", "Not agreed"))
        with self.assertRaises(UserError):
            self.put_in_force(amendment)
        self.assertEqual(self.rate.date_to, False)

    def test_amended_rates_change_by_amendment_only(self):
        amendment = self.amend(date(2026, 5, 1), self.rate_change(110))
        mapper = new_test_user(
            self.env, "mapper", "psa_hub.group_mapper", company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)])
        for rate in (self.rate, amendment.rate_ids):
            with self.assertRaises(UserError):
                rate.with_user(mapper).amount = 1
            with self.assertRaises(UserError):
                rate.with_user(mapper).unlink()

    def test_other_companies_see_nothing_of_it(self):
        amendment = self.make_amendment(date(2026, 5, 1), self.rate_change(110))
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "stranger", "psa_hub.group_approver", company_id=elsewhere.id,
            company_ids=[Command.set(elsewhere.ids)])
        env = self.env(user=stranger, context={"allowed_company_ids": elsewhere.ids})
        for record in (amendment, amendment.rate_change_ids):
            self.assertFalse(env[record._name].search([("id", "in", record.ids)]))
        with self.assertRaises(AccessError):
            amendment.with_env(env).action_put_in_force()
        with self.assertRaises(AccessError):
            env["psa.contract.as.of"].create({"order_id": self.order.id}).row_ids.mapped("name")

    def test_an_uplift_fills_in_all_rates(self):
        amendment = self.make_amendment(date(2026, 5, 1), self.rate_change(103, self.architect))
        amendment.uplift = 3.5
        amendment.action_fill_rates()
        self.assertEqual(
            {change.role_id: (change.rate_before, change.amount) for change in amendment.rate_change_ids},
            {self.consultant: (100, 103.5), self.architect: (200, 103)}, "what is there already stays")

    def test_the_form_writes_an_amendment(self):
        with Form(self.env["psa.amendment"].with_user(self.preparer)) as form:
            form.order_id = self.order
            form.name = "From June"
            form.date_effective = date(2026, 6, 1)
            with form.rate_change_ids.new() as change:
                change.role_id = self.consultant
                change.amount = 120
            with form.line_change_ids.new() as change:
                change.order_line_id = self.fee_line
                change.price_delta = 500
        amendment = form.record
        self.assertEqual((amendment.number, amendment.rate_change_ids.rate_before), (1, 100))
        self.assertEqual(amendment.line_change_ids.line_total, 10500)
        self.assertEqual(amendment.rate_change_ids.kind, "rate")
