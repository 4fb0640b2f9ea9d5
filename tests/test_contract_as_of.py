from datetime import date

from odoo import Command
from odoo.tests import Form, new_test_user, tagged

from .amendment_common import AmendmentCase

MAY = [date(2026, 5, day) for day in range(1, 32)]


@tagged("post_install", "-at_install")
class TestContractAsOf(AmendmentCase):
    """What was in force on a day, with the amendment that each thing comes from; and what work would be worth then."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order.psa_purchase_order = "PO-1"
        cls.auditor = new_test_user(
            cls.env, "auditor", "psa_hub.group_auditor", company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)])

    def setUp(self):
        super().setUp()
        self.first = self.amend(
            MAY[9], self.rate_change(110), {"kind": "line", "order_line_id": self.line.id, "quantity_delta": 40},
            purchase_order="PO-2", name="Rise", terms="The rate is 110.")
        self.second = self.amend(
            MAY[19], self.rate_change(125), {
                "kind": "line", "name": "Migration", "billing_method": "fixed_fee", "quantity_delta": 1,
                "price_delta": 5000},
            purchase_order="PO-3", date_end=date(2027, 1, 31), name="Migration", clause="CO-2")

    def as_of(self, day, user=None):
        wizard = self.env["psa.contract.as.of"].with_user(user or self.auditor).create({
            "order_id": self.order.id, "day": day})
        rows = {}
        for row in wizard.row_ids:
            rows.setdefault(row.section, []).append((row.name, row.value, row.amount, row.amendment_id.number or 0))
        return wizard, rows

    def test_before_the_first_amendment(self):
        wizard, rows = self.as_of(MAY[0])
        self.assertFalse(wizard.amendment_id)
        self.assertEqual([row[2:] for row in rows["rate"]], [(100, 0), (200, 0)])
        self.assertEqual([row[1:] for row in rows["line"]], [
            ("100 x $\xa0100.00", 10000, 0), ("1 x $\xa010,000.00", 10000, 0)])
        self.assertEqual(rows["order"], [("Customer's order number", "PO-1", 0, 0)])

    def test_between_the_two(self):
        wizard, rows = self.as_of(MAY[18])
        self.assertEqual(wizard.amendment_id.id, self.first.id)
        self.assertEqual(sorted(row[2:] for row in rows["rate"]), [(110, 1), (200, 0)])
        self.assertEqual([(row[2], row[3]) for row in rows["line"]], [(14000, 1), (10000, 0)])
        self.assertEqual(rows["order"], [("Customer's order number", "PO-2", 0, 1)])
        self.assertIn(("CO-1 §2", "The rate is 110.", 0, 1), rows["clause"])

    def test_today(self):
        _wizard, rows = self.as_of(date(2026, 6, 30))
        self.assertEqual(sorted(row[2:] for row in rows["rate"]), [(125, 2), (200, 0)])
        self.assertEqual([(row[0], row[2], row[3]) for row in rows["line"]][-1], ("Migration", 5000, 2))
        self.assertEqual([row[1:] for row in rows["order"]], [("PO-3", 0, 2), ("01/31/2027", 0, 2)])
        self.order.psa_purchase_order = "PO-4"
        _wizard, rows = self.as_of(date(2026, 6, 30))
        self.assertEqual(rows["order"][0][1], "PO-4", "what stands on the contract now is what counts now")

    def test_the_dialog_follows_the_day(self):
        wizards = self.env["psa.contract.as.of"].with_user(self.preparer)
        form = Form(wizards.with_context(default_order_id=self.order.id))
        form.day = MAY[0]
        self.assertFalse(form.amendment_id)
        form.day = MAY[12]
        self.assertEqual(form.amendment_id.id, self.first.id)

    # === PRICE UNDER === #
    def price_under(self, day, entries=None, **values):
        return self.env["psa.price.under"].with_user(self.auditor).create({
            "order_id": self.order.id, "day": day, "entry_ids": [Command.set(entries.ids)] if entries else [],
            **values,
        })

    def test_work_is_priced_under_another_version_and_nothing_changes(self):
        entries = self.make_time(self.order, [(MAY[4], 8), (MAY[14], 4), (MAY[24], 2)])
        before = [(entry.amount, entry.trace) for entry in entries]
        wizard = self.price_under(MAY[30])
        self.assertEqual(
            (wizard.amount_now, wizard.amount_under, wizard.amount_difference),
            (800 + 440 + 250 + 5000, 14 * 125 + 5000, 260))
        self.assertEqual(
            {(row.work_date, row.rate_now, row.rate_under, row.amount_difference) for row in wizard.row_ids},
            {(MAY[4], 100, 125, 200), (MAY[14], 110, 125, 60)}, "only what differs")
        self.assertEqual(wizard.amendment_id.id, self.second.id)
        self.assertEqual([(entry.amount, entry.trace) for entry in entries], before)
        wizard = self.price_under(MAY[0], entries[1])
        self.assertEqual((wizard.amount_under, wizard.amount_difference, wizard.entry_count), (400, -40, 1))

    def test_differences_count_in_what_it_is_worth_now(self):
        [entry] = self.make_time(self.order, [(MAY[24], 2)])
        self.bill(self.order)
        self.amend(MAY[21], self.rate_change(150))
        self.assertEqual(self.worth(entry), 300)
        wizard = self.price_under(MAY[24], entry)
        self.assertEqual((wizard.amount_now, wizard.amount_under, len(wizard.row_ids)), (300, 300, 0))

    def test_a_day_without_a_rate_is_said_not_guessed(self):
        self.rate.sudo().date_from = MAY[1]
        entries = self.make_time(self.order, [(MAY[4], 8)])
        wizard = self.price_under(date(2026, 4, 1), entries)
        self.assertEqual((wizard.unknown_count, wizard.entry_count, wizard.amount_under), (1, 0, 0))

    def test_a_fee_under_the_version_before_its_change(self):
        fee = self.env["psa.entry"]._sync("fee", [{
            "source": self.fee_line, "order_id": self.order.id, "work_date": MAY[3], "description": "Fee"}])
        self.amend(MAY[25], {"kind": "line", "order_line_id": self.fee_line.id, "price_delta": 700})
        self.assertEqual(fee.amount, 10700)
        self.assertEqual(self.price_under(MAY[24], fee).amount_difference, -700)
        self.assertEqual(self.price_under(MAY[26], fee).amount_difference, 0)

    def test_pricing_under_costs_as_few_queries_as_one(self):
        entries = self.make_time(self.order, [(MAY[index % 28], 1) for index in range(200)])
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.assertEqual(len(entries._worth_under(MAY[30])), 200)
        self.assertLess(self.env.cr.sql_log_count - before, 25)
