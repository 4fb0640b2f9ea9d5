from datetime import date

from lxml import etree
from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.fields import Domain
from odoo.tests import tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval

from .costs_common import CostsCase


@tagged("post_install", "-at_install")
class TestPassThrough(CostsCase):
    """A vendor's cost reaches the customer once, at cost and mark-up, when the bill is in."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 150.0), ("pass_through", 0, 0, {"psa_markup_percent": 8}))
        cls.line = cls.order.order_line[1]
        cls.project = cls.project_of(cls.order)
        cls.project.account_id = cls.env["account.analytic.account"].create({
            "name": "Engines", "plan_id": cls.env.ref("analytic.analytic_plan_projects").id,
            "company_id": cls.company.id,
        })

    @property
    def entries(self):
        return self.env["psa.entry"].search(
            [("order_id", "=", self.order.id), ("kind", "=", "pass_through")], order="id")

    def filter_domain(self, name):
        """Return the domain of a filter of the list of entries, as people use it."""
        [node] = etree.fromstring(self.env["psa.entry"].get_view(view_type="search")["arch"]).xpath(
            f"//filter[@name='{name}']")
        return Domain(safe_eval(node.get("domain")))

    # === WHICH CONTRACT === #
    def test_the_contract_is_found_by_order_project_or_choice(self):
        by_hand = self.make_bill((100, {"psa_contract_id": self.order.id}), post=True)
        by_project = self.make_bill((200, {"analytic_distribution": {self.project.account_id.id: 100}}), post=True)
        by_line = self.make_purchase(False, (1, 300))
        by_line.order_line.sale_line_id = self.line
        by_purchase = self.make_purchase(self.order, (1, 400))
        nobody = self.make_bill((999, {}), post=True)
        self.assertEqual(
            [(entry.vendor_bill_id or entry.purchase_order_id, entry.amount) for entry in self.entries],
            [(by_hand, 108), (by_project, 216), (by_line, 324), (by_purchase, 432)])
        self.assertFalse(nobody.psa_vendor_entry_count)
        self.assertEqual(self.entries.project_id, self.project)

    def test_a_contract_without_a_pass_through_line_bears_its_costs_itself(self):
        order = self.make_contract(("fixed_fee", 1, 5000))
        self.make_purchase(order, (1, 300))
        self.assertFalse(self.env["psa.entry"].search([("order_id", "=", order.id), ("kind", "=", "pass_through")]))
        bill = self.make_bill((100, {"psa_contract_id": order.id}), post=True)
        self.assertHeld(bill.psa_vendor_entry_ids, "no_line", "no_contract", 100)

    def test_a_purchase_for_a_line_that_covers_it_is_not_passed_on(self):
        purchase = self.make_purchase(self.order, (1, 300), confirm=False)
        purchase.order_line.sale_line_id = self.order.order_line[0]
        purchase.button_confirm()
        self.assertFalse(self.entries)

    def test_a_part_of_a_line(self):
        other = self.env["account.analytic.account"].create({
            "name": "Own", "plan_id": self.project.account_id.plan_id.id, "company_id": self.company.id})
        bill = self.make_bill((1000, {"analytic_distribution": {
            self.project.account_id.id: 60, other.id: 40}}), post=True)
        self.assertEqual((bill.psa_vendor_entry_ids.vendor_amount, bill.psa_vendor_entry_ids.amount), (600, 648))

    def test_a_line_divided_between_contracts_is_nobodys_until_one_is_chosen(self):
        second = self.make_contract(("pass_through", 0, 0))
        account = self.project.account_id.copy({"name": "Second"})
        self.project_of(second).account_id = account
        bill = self.make_bill((1000, {"analytic_distribution": {self.project.account_id.id: 60, account.id: 40}}))
        self.assertTrue(bill.psa_divided)
        self.assertFalse(bill.psa_vendor_entry_ids)
        exception = self.env["psa.exception"].search([("subject_key", "=", f"vendor_line:{bill.invoice_line_ids.id}")])
        self.assertEqual((exception.cause_code, exception.amount), ("no_contract", 1000))
        self.assertEqual(exception.action_fix()["res_id"], bill.id)
        bill.invoice_line_ids.psa_contract_id = second
        self.assertEqual(exception.state, "resolved")
        self.assertEqual(bill.psa_vendor_entry_ids.order_id, second)
        self.assertEqual(bill.psa_vendor_entry_ids.vendor_amount, 400)
        self.assertFalse(bill.psa_divided)

    # === ORDER, BILL, CUSTOMER === #
    def test_ordered_billed_posted_and_passed_on(self):
        """The worked example of the documentation.

        | event                       | entry                        |
        |-----------------------------|------------------------------|
        | order confirmed, 5 x 400    | 2,160.00 held                |
        | draft bill                  | held, tied to the bill       |
        | bill corrected to 1,950     | 2,106.00 held                |
        | bill posted                 | 2,106.00 approved            |
        """
        purchase = self.make_purchase(self.order, (5, 400))
        entry = self.entries
        self.assertHeld(entry, "bill_not_in", "vendor_bill_missing", 2160)
        self.assertEqual((entry.purchase_order_id, entry.vendor_bill_state), (purchase, "ordered"))
        self.assertEqual(entry.exception_id.action_fix()["res_id"], purchase.id)
        bill = self.bill_purchase(purchase)
        self.assertEqual(self.entries, entry, "the bill takes the entry over")
        self.assertHeld(entry, "bill_not_in", "vendor_bill_missing", 2160)
        self.assertEqual(entry.exception_id.action_fix()["res_id"], bill.id)
        bill.invoice_line_ids.price_unit = 390
        exception = entry.exception_id
        bill.action_post()
        self.assertEqual((entry.state, entry.amount, exception.state), ("approved", 2106, "resolved"))
        self.assertEqual(
            (entry.ordered_amount, entry.vendor_amount, entry.cost_amount, entry.margin_amount),
            (2000, 1950, 1950, 156))
        self.assertEqual(
            [entry.trace[name] for name in ("purchase_order", "vendor_bill", "cost", "markup_percent", "amount")],
            [purchase.name, bill.name, "1950", "8", "2106"])
        self.assertLines(self.bill(self.order), ("pass_through", 1, 2106))
        self.assertEqual((self.line.qty_delivered, self.line.qty_invoiced), (1, 1))
        self.assertEqual((bill.psa_vendor_entry_count, purchase.psa_entry_count), (1, 1))
        self.assertLedger(entry)

    def test_bill_by_bill(self):
        purchase = self.make_purchase(self.order, (10, 100))
        purchase.order_line.qty_received = 4
        bill = self.make_bill((100, {"purchase_line_id": purchase.order_line.id, "quantity": 4}), post=True)
        self.assertEqual(
            [(entry.vendor_bill_state, entry.state, entry.amount) for entry in self.entries],
            [("posted", "approved", 432), ("ordered", "held", 648)])
        self.make_bill((105, {"purchase_line_id": purchase.order_line.id, "quantity": 6}), post=True)
        self.assertEqual(
            [(entry.state, entry.amount) for entry in self.entries], [("approved", 432), ("approved", 680.4)])
        self.assertEqual(self.entries[0].vendor_bill_id, bill)
        self.assertFalse(self.open_exceptions("vendor_bill_missing"))

    def test_mark_up_of_the_line(self):
        bill = self.make_bill((33.33, {"psa_contract_id": self.order.id}), post=True)
        entry = bill.psa_vendor_entry_ids
        self.assertEqual((entry.trace["exact"], entry.amount), ("35.9964", 36))
        self.line.psa_markup_percent = 0
        self.assertEqual((entry.amount, entry.margin_amount), (33.33, 0))

    def test_tax_of_the_bill_is_not_passed_on(self):
        tax = self.company.account_purchase_tax_id
        tax.price_include_override = "tax_included"
        bill = self.make_bill((115, {"psa_contract_id": self.order.id, "tax_ids": [Command.set(tax.ids)]}), post=True)
        self.assertEqual((bill.psa_vendor_entry_ids.vendor_amount, bill.psa_vendor_entry_ids.amount), (100, 108))

    def test_cancelled_order_and_changed_order(self):
        purchase = self.make_purchase(self.order, (5, 400))
        purchase.order_line.product_qty = 6
        self.assertEqual(self.entries.amount, 2592)
        exception = self.entries.exception_id
        purchase.button_cancel()
        self.assertEqual((self.entries.state, exception.state), ("withdrawn", "resolved"))

    # === REFUND, RESET, CANCEL === #
    def test_a_refund_gives_the_customer_back_what_the_vendor_gives_back(self):
        bill = self.make_bill((1000, {"psa_contract_id": self.order.id}), post=True)
        self.bill(self.order)
        refund = self.make_bill((100, {"psa_contract_id": self.order.id}), move_type="in_refund")
        entry = refund.psa_vendor_entry_ids
        self.assertHeld(entry, "bill_not_in", "vendor_bill_missing", -108)
        refund.action_post()
        self.assertEqual((entry.state, entry.quantity, entry.amount), ("approved", -1, -108))
        self.make_bill((500, {"psa_contract_id": self.order.id}), post=True)
        move = self.bill(self.order)
        self.assertEqual(move.amount_untaxed, 432)
        self.assertEqual(bill.psa_vendor_entry_ids.amount, 1080)
        reversal = bill._reverse_moves([{"invoice_date": date(2026, 5, 20)}])
        self.assertEqual(reversal.psa_vendor_entry_ids.amount, -1080, "Odoo's own reversal keeps the contract")

    def test_reset_and_cancelled_before_the_customer_was_billed(self):
        bill = self.make_bill((1000, {"psa_contract_id": self.order.id}), post=True)
        entry = bill.psa_vendor_entry_ids
        bill.button_draft()
        self.assertHeld(entry, "bill_not_in", "vendor_bill_missing", 1080)
        bill.button_cancel()
        self.assertEqual((entry.state, entry.exception_id.id), ("withdrawn", False))
        bill.button_draft()
        bill.action_post()
        self.assertEqual((bill.psa_vendor_entry_ids, entry.state, entry.amount), (entry, "approved", 1080))

    def test_bill_corrected_after_the_customer_was_billed(self):
        """The three-way tie: the exception names the difference, the credit note brings it back."""
        bill = self.make_bill((1000, {"psa_contract_id": self.order.id}), post=True)
        entry = bill.psa_vendor_entry_ids
        self.bill(self.order)
        bill.button_draft()
        self.assertEqual((entry.pending_change, entry.exception_id.amount), ("rejected", 1080))
        bill.invoice_line_ids.price_unit = 900
        bill.action_post()
        self.assertEqual((entry.pending_change, entry.pending_amount, entry.amount), ("changed", 972, 1080))
        self.assertEqual(
            (entry.exception_id.cause_code, entry.exception_id.amount), ("changed_after_billing", 108))
        action = entry.with_user(self.reviewer).action_accept_change()
        credit = self.env["account.move"].browse(action["res_id"])
        credit.action_post()
        self.assertEqual((credit.amount_untaxed, entry.amount, entry.allocated_amount), (108, 972, 972))
        self.assertFalse(entry.pending_change)
        self.assertLedger(entry)

    def test_bill_cancelled_after_the_customer_was_billed(self):
        bill = self.make_bill((1000, {"psa_contract_id": self.order.id}), post=True)
        entry = bill.psa_vendor_entry_ids
        self.bill(self.order)
        bill.button_draft()
        bill.button_cancel()
        self.assertEqual((entry.pending_change, entry.exception_id.amount), ("deleted", 1080))
        bill.button_draft()
        bill.action_post()
        self.assertFalse(entry.pending_change or entry.exception_id)

    def test_a_deleted_draft_bill_gives_its_order_back(self):
        purchase = self.make_purchase(self.order, (5, 400))
        entry = self.entries
        bill = self.bill_purchase(purchase)
        self.assertEqual(entry.vendor_bill_id, bill)
        bill.unlink()
        self.assertEqual((entry.purchase_order_id, entry.vendor_bill_state), (purchase, "ordered"))
        self.assertHeld(entry, "bill_not_in", "vendor_bill_missing", 2160)
        self.assertEqual(self.entries, entry)

    # === BEFORE THE BILL === #
    def test_billed_before_the_bill_and_flagged(self):
        self.line.psa_before_bill = True
        purchase = self.make_purchase(self.order, (5, 400))
        entry = self.entries
        self.assertEqual(
            (entry.state, entry.amount, entry.trace["vendor_bill_is"]), ("approved", 2160, "not_posted_yet"))
        proposal = self.propose(self.order)
        self.assertEqual(proposal.line_ids.reason, "The vendor's bill is not in yet")
        self.bill(self.order)
        flagged = self.filter_domain("before_bill") & Domain("order_id", "=", self.order.id)
        self.assertEqual(self.env["psa.entry"].search(flagged), entry)
        bill = self.bill_purchase(purchase)
        bill.invoice_line_ids.price_unit = 410
        bill.action_post()
        self.assertEqual(self.entries, entry, "the same cost, once")
        self.assertEqual((entry.pending_change, entry.exception_id.amount), ("changed", 54))
        self.assertFalse(self.env["psa.entry"].search(flagged))
        entry.with_user(self.reviewer).action_accept_change()
        self.assertEqual((entry.amount, entry.billing_state), (2214, "partly"))
        self.assertLines(self.bill(self.order), ("pass_through", 0.01, 54))
        self.assertLedger(entry)

    # === CURRENCY === #
    def test_a_foreign_bill(self):
        bill = self.make_bill((1000, {"psa_contract_id": self.order.id}), currency_id=self.eur.id)
        self.make_exchange(self.eur, date(2026, 5, 1), 1.1)
        bill.action_post()
        entry = bill.psa_vendor_entry_ids
        self.assertHeld(entry, "currency_mismatch", "currency_mismatch", 1100)
        self.order.psa_exchange_rule = "work_date"
        self.assertEqual((entry.state, entry.amount, entry.cost_amount), ("approved", 1188, 1100))

    # === NOT TWICE === #
    def test_odoo_does_not_invoice_it_as_well(self):
        self.products["pass_through"].expense_policy = "cost"
        self.order.project_id = self.project
        before = self.order.order_line
        self.make_bill((1000, {"analytic_distribution": {self.project.account_id.id: 100}}), post=True)
        self.assertEqual(self.order.order_line, before)
        self.assertEqual(self.entries.amount, 1080)

    def test_one_entry_a_bill_line_and_one_source_an_entry(self):
        bill = self.make_bill((1000, {"psa_contract_id": self.order.id}), (10, {"psa_contract_id": self.order.id}))
        purchase = self.make_purchase(self.order, (5, 400))
        first, second, ordered = self.entries
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            first.vendor_line_id = second.vendor_line_id
            self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            ordered.vendor_line_id = self.make_bill((1, {})).invoice_line_ids
            self.env.flush_all()
        self.assertEqual(purchase.order_line, ordered.purchase_line_id)
        self.assertEqual(bill.invoice_line_ids, (first | second).vendor_line_id)
