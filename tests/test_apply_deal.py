from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from ..models.sync.psa_apply import PsaApplyError
from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyDeal(ApplyCase):
    # === THE CONTRACT === #
    def test_won_deal_becomes_a_confirmed_contract(self):
        party = self.party()
        seller = self.env["res.users"].create({"name": "Sam", "login": "sam@northwind.example"})
        order = self.contract(
            self.deal_line(role=self.consultant, quantity=100, price="150.50", name="Consulting"),
            self.deal_line("fixed_fee", quantity=1, price=5000, name="Setup"),
            self.deal_line("milestone", quantity=1, price=20000, name="Go-live"),
            party=party, amount=Decimal("40050.00"), purchase_order="PO-77", parents={"owner": seller},
        )
        self.assertEqual(order.state, "sale")
        self.assertTrue(order.psa_contract)
        self.assertEqual(order.company_id, self.us)
        self.assertEqual(order.partner_id, party)
        self.assertEqual(order.user_id, seller)
        self.assertEqual(order.payment_term_id, self.net30)
        self.assertEqual(order.client_order_ref, "PO-77")
        self.assertEqual(order.psa_connection_id, self.connection)
        self.assertEqual(order.date_order.date(), date(2026, 1, 15))
        self.assertEqual(order.amount_untaxed, 40050.00)
        self.assertEqual(order.amount_tax, 2803.50, "7 % of the company's default sale tax")
        self.assertEqual(
            order.order_line.mapped("psa_billing_method"), ["time_material", "fixed_fee", "milestone"])
        self.assertEqual(
            order.order_line.product_id.mapped("service_policy"),
            ["delivered_timesheet", "ordered_prepaid", "delivered_milestones"])

    def test_price_survives_a_change_of_quantity(self):
        order = self.contract(self.deal_line(role=self.consultant, price=150))
        order.order_line.product_uom_qty = 120
        self.assertEqual(order.order_line.price_unit, 150)

    def test_contract_in_the_company_and_currency_of_the_deal(self):
        order = self.contract(company=self.de, currency="EUR")
        self.assertEqual(order.company_id, self.de)
        self.assertEqual(order.currency_id, self.eur)
        self.assertEqual(order.order_line.tax_ids, self.de_tax)
        self.assertEqual(order.psa_contract and self.project_of(order).company_id, self.de)

    def test_foreign_currency_needs_one_pricelist_only(self):
        first, second = (self.contract(company=self.us, currency="EUR") for _number in range(2))
        self.assertEqual(first.currency_id, self.eur)
        self.assertEqual(first.pricelist_id, second.pricelist_id)
        self.assertEqual(first.pricelist_id.company_id, self.us)

    def test_fiscal_position_of_the_tax_profile(self):
        export = self.env["account.tax"].create({
            "name": "Export 0%", "amount": 0, "type_tax_use": "sale", "company_id": self.us.id,
            "country_id": self.env.ref("base.us").id, "tax_group_id": self.us_tax.tax_group_id.id,
        })
        position = self.env["account.fiscal.position"].create({"name": "Export", "company_id": self.us.id})
        export.write({"fiscal_position_ids": [(4, position.id)], "original_tax_ids": [(4, self.us_tax.id)]})
        order = self.contract(codes={"tax_profile": position})
        self.assertEqual(order.fiscal_position_id, position)
        self.assertEqual(order.order_line.tax_ids, export)

    def test_domestic_means_no_fiscal_position_even_if_odoo_would_find_one(self):
        self.env["account.fiscal.position"].create({
            "name": "Everywhere", "company_id": self.us.id, "auto_apply": True})
        order = self.contract()
        self.assertFalse(order.fiscal_position_id)

    def project_of(self, order):
        return self.env["project.project"].search([("psa_contract_id", "=", order.id)])

    def test_project_tasks_and_analytic_account(self):
        order = self.contract(
            self.deal_line(role=self.consultant, name="Consulting"), self.deal_line("fixed_fee", 1, 5000))
        project = self.project_of(order)
        self.assertEqual(project.name, "Website relaunch")
        self.assertEqual(project.partner_id, order.partner_id)
        self.assertTrue(project.account_id.active)
        self.assertEqual(project.account_id.company_id, self.us)
        self.assertEqual(project.sale_line_id, order.order_line[0])
        self.assertEqual(order.project_id, project)
        [task] = project.task_ids
        self.assertEqual(task.name, "Consulting")
        self.assertEqual(task.sale_line_id, order.order_line[0])
        self.assertEqual(order.order_line[1].analytic_distribution, {str(project.account_id.id): 100})

    def test_project_from_a_template(self):
        template = self.env["project.project"].create({
            "name": "Template", "is_template": True, "company_id": self.us.id,
            "task_ids": [(0, 0, {"name": "Kick-off"})],
        })
        order = self.contract(
            self.deal_line(role=self.consultant, name="Consulting"), codes={"project_template": template})
        project = self.project_of(order)
        self.assertFalse(project.is_template)
        self.assertEqual(project.name, "Website relaunch")
        self.assertEqual(project.partner_id, order.partner_id)
        self.assertTrue(project.account_id)
        self.assertEqual(set(project.task_ids.mapped("name")), {"Kick-off", "Consulting"})

    def test_rates_of_the_roles_sold(self):
        order = self.contract(
            self.deal_line(role=self.consultant, price=150), self.deal_line(role=self.architect, price=210),
        )
        rates = self.env["psa.rate"].search([("order_id", "=", order.id)])
        self.assertEqual(
            {(rate.role_id, rate.amount, rate.currency_id) for rate in rates},
            {(self.consultant, 150, self.usd), (self.architect, 210, self.usd)})

    def test_role_sold_at_two_prices_gets_no_rate(self):
        order = self.contract(
            self.deal_line(role=self.consultant, price=150), self.deal_line(role=self.consultant, price=160))
        self.assertFalse(self.env["psa.rate"].search([("order_id", "=", order.id)]))

    def test_mapped_product_is_used_only_when_it_bills_that_way(self):
        product = self.env["product.product"].create({
            "name": "Workshop", "type": "service", "service_policy": "delivered_timesheet",
            "taxes_id": [(6, 0, self.us_tax.ids)],
        })
        lines = [self.deal_line("time_material", 1, 10), self.deal_line("fixed_fee", 1, 10)]
        for _line, codes in lines:
            codes["product"] = product
        order = self.contract(*lines)
        self.assertEqual(order.order_line.product_id[0], product)
        self.assertEqual(order.order_line[1].product_id, self.env.ref("psa_hub.product_fixed_fee"))

    # === WHAT IS MISSING === #
    def test_missing_terms_in_one_sentence(self):
        owner = self.env["res.users"].create({"name": "Jane Doe", "login": "jane@northwind.example"})
        item = self.run_items(self.deal_item(
            codes={"company": None, "payment_term": None}, parents={"owner": owner}, amount=Decimal("15000")))
        self.assert_held(item, "incomplete_terms")
        self.assertEqual(
            item.outcome.text,
            "The deal “Website relaunch” does not name its legal entity and its payment terms. "
            "Ask the owner, Jane Doe, to fill this in.")
        self.assertEqual((item.amount, item.currency), (15000, "USD"))
        self.assertEqual(item.outcome.key, f"record:{self.connection.id}:Deal:{item.external_id}")

    def test_nothing_half_made(self):
        before = [self.env[name].search_count([]) for name in ("sale.order", "project.project", "psa.rate")]
        self.run_items(self.deal_item(codes={"tax_profile": None}))
        after = [self.env[name].search_count([]) for name in ("sale.order", "project.project", "psa.rate")]
        self.assertEqual(before, after)

    def test_deal_without_lines_or_methods(self):
        empty = self.deal_item()
        empty.values["lines"] = []
        no_method = self.deal_item([self.deal_line(None, name="A"), self.deal_line(None, name="B")])
        one_line = self.deal_item([self.deal_line("fixed_fee", 1, 10), self.deal_line(None, name="Travel")])
        self.run_items(empty, no_method, one_line)
        self.assertIn("it has no lines", empty.outcome.text)
        self.assertIn("does not name its billing method.", no_method.outcome.text)
        self.assertIn("the billing method of “Travel”", one_line.outcome.text)

    def test_amount_that_the_lines_do_not_make(self):
        item = self.run_items(self.deal_item(amount=Decimal("15000.01")))
        self.assert_held(item, "incomplete_terms")
        self.assertIn("15,000.01", item.outcome.text)
        self.assertIn("15,000.00", item.outcome.text)

    def test_currency_that_is_switched_off(self):
        item = self.run_items(self.deal_item(currency="CHF"))
        self.assert_held(item, "incomplete_terms")
        self.assertIn("CHF", item.outcome.text)

    def test_tax_profile_of_another_company(self):
        position = self.env["account.fiscal.position"].create({"name": "EU", "company_id": self.de.id})
        item = self.run_items(self.deal_item(codes={"tax_profile": position}))
        self.assert_held(item, "incomplete_terms")
        self.assertIn("Nordwind GmbH", item.outcome.text)

    def test_price_including_tax_is_refused_not_swallowed(self):
        self.us_tax.price_include_override = "tax_included"
        item = self.deal_item()
        with self.assertRaises(PsaApplyError) as raised:
            self.run_items(item)
        self.assertIs(raised.exception.item, item)
        self.assertIn("Website relaunch", str(raised.exception))

    def test_open_deal_is_out_of_scope(self):
        item = self.run_items(self.deal_item(won=False))
        self.assert_state(item, "skipped", "out_of_scope")

    # === AFTERWARDS === #
    def again(self, order_item, lines=None, **values):
        """Run the same deal in a later version."""
        item = self.deal_item(party=order_item.parents["party"], external_id=order_item.external_id, **values)
        item.values["lines"] = lines or order_item.values["lines"]
        return self.run_items(item)

    def test_same_deal_again_changes_nothing(self):
        first = self.run_items(self.deal_item(purchase_order="PO-1"))
        with self.assert_no_write("sale.order", "sale.order.line", "project.project", "project.task", "psa.rate"):
            second = self.again(first, purchase_order="PO-1")
        self.assertEqual(second.record, first.record)

    def test_harmless_changes_follow(self):
        first = self.run_items(self.deal_item())
        self.again(first, name="Website relaunch 2026", purchase_order="PO-9")
        self.assertEqual(first.record.origin, "Website relaunch 2026")
        self.assertEqual(first.record.psa_purchase_order, "PO-9")

    def test_changed_lines_are_held(self):
        first = self.run_items(self.deal_item())
        lines = [dict(first.values["lines"][0], quantity=Decimal(110))]
        second = self.again(first, lines=lines, purchase_order="PO-9")
        self.assert_held(second, "contract_changed")
        self.assertIn("its amount and its lines", second.outcome.text)
        self.assertEqual(second.amount, Decimal(1500), "ten more hours at 150")
        self.assertEqual(first.record.amount_untaxed, 15000)

    def test_deal_that_is_lost_again_is_held(self):
        first = self.run_items(self.deal_item())
        second = self.again(first, won=False)
        self.assert_held(second, "contract_changed")
        self.assertEqual(first.record.state, "sale")

    def test_deleted_deal_is_held_while_its_contract_is_in_force(self):
        first = self.run_items(self.deal_item())
        gone = self.run_items(self.gone(first))
        self.assert_held(gone, "contract_changed")
        self.assertEqual(gone.amount, 15000)
        first.record._action_cancel()
        self.assert_state(self.run_items(self.gone(first)), "done")

    def test_batch_in_two_companies(self):
        items = [
            self.deal_item(company=company, currency=code)
            for company, code in ((self.us, "USD"), (self.de, "EUR"), (self.us, "EUR"))
        ]
        self.run_items(*items)
        self.assertEqual(
            [(item.record.company_id, item.record.currency_id.name) for item in items],
            [(self.us, "USD"), (self.de, "EUR"), (self.us, "EUR")])
