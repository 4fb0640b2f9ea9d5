from contextlib import contextmanager
from datetime import date

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged

from .scenario_common import ScenarioCase, span


@tagged("post_install", "-at_install")
class TestMoneyScenarios(ScenarioCase):
    """Taxes, currencies, limits, holds, several companies, and invoices that somebody makes by hand."""

    # === BY HAND === #
    def by_hand(self, line, quantity, **values):
        return self.env["account.move"].create({
            "move_type": "out_invoice", "partner_id": line.order_id.partner_id.id, "company_id": self.company.id,
            "invoice_line_ids": [Command.create({
                "name": "By hand", "quantity": quantity, "price_unit": line.price_unit,
                "tax_ids": [Command.set(self.tax.ids)], "sale_line_ids": [Command.link(line.id)]})],
            **values,
        })

    def test_an_invoice_made_by_hand_is_not_posted(self):
        """Odoo counts its draft as invoiced; posted, the customer would pay for the eight hours twice."""
        order = self.hourly()
        accountant = new_test_user(
            self.env, "accountant", "account.group_account_invoice", company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)])
        self.play(order, ("time", "2026-05-04", 8))
        self.moves["hand"] = self.by_hand(order.order_line, 8)

        def refused():
            for move in (self.moves["hand"], self.moves["hand"].with_user(accountant)):
                with self.assertRaisesRegex(UserError, "billing proposal"), self.env.cr.savepoint():
                    move.action_post()

        def line_by_hand():
            self.moves["2026-05"].invoice_line_ids = [Command.create({
                "name": "By hand", "quantity": 8, "price_unit": 100,
                "sale_line_ids": [Command.link(order.order_line.id)]})]
            with self.assertRaisesRegex(UserError, "billing proposal"), self.env.cr.savepoint():
                self.moves["2026-05"].action_post()
            self.moves["2026-05"].invoice_line_ids.filtered(lambda line: not line.psa_allocation_ids).unlink()

        self.play(
            order,
            ("odoo", (8, 8)),
            ("to_bill", 800),
            ("do", refused),
            ("bill", "2026-05", ("time_material", 8, 100, 800, 120, 920), {"post": False}),
            ("odoo", (8, 16)),
            ("unlink", "hand"),
            ("odoo", (8, 8)),
            ("do", line_by_hand),
            ("linked", "2026-05-04", "2026-05"),
            ("do", lambda: self.moves["2026-05"].with_user(accountant).action_post()),
            ("reset", "2026-05"),
            ("do", line_by_hand),
            ("post", "2026-05"),
            ("nothing", "2026-05"),
            ("to_bill", 0),
            ("odoo", (8, 8)),
        )

    def test_an_invoice_from_before_the_hub_stays_as_it_is(self):
        """Posted by Odoo before the contract came to the hub: it may be reset and posted, and bills no entry."""
        order = self.hourly()
        order.psa_contract = False
        self.moves["before"] = self.by_hand(order.order_line, 5)
        self.moves["before"].action_post()
        order.psa_contract = True
        self.play(
            order,
            ("odoo", (0, 5)),
            ("reset", "before"),
            ("post", "before"),
            ("time", "2026-05-04", 8),
            ("bill", "2026-05", ("time_material", 8, 100, 800, 120, 920)),
            ("odoo", (8, 13)),
            ("credit", "before"),
            ("odoo", (8, 8)),
            ("nothing", "2026-05"),
        )

    # === TAXES === #
    def test_taxes_included_and_on_top_rounded_by_line_and_globally(self):
        """
        | on top    | 3 x 10.03: tax of a line 1.5045 | by line 4.50 | globally 4.5135: 4.51 |
        | included  | 3 x 10.05: tax of a line 1.6046 | by line 4.80 | globally 4.8139: 4.81 |
        """
        included = self.tax.copy({"name": "Included", "amount": 19, "price_include_override": "tax_included"})
        for method, tax, amount, line, total in (
            ("round_per_line", self.tax, 10.03, (10.03, 1.50, 11.53), (30.09, 4.50, 34.59)),
            ("round_globally", self.tax, 10.03, (10.03, 1.50, 11.53), (30.09, 4.51, 34.60)),
            ("round_per_line", included, 10.05, (8.45, 1.60, 10.05), (25.35, 4.80, 30.15)),
            ("round_globally", included, 10.05, (8.45, 1.60, 10.05), (25.34, 4.81, 30.15)),
        ):
            self.company.tax_calculation_rounding_method = method
            self.products["expense"].taxes_id = tax
            self.play(
                self.hourly(),
                *[("expense", f"2026-05-0{day}", amount) for day in (4, 5, 6)],
                ("bill", "2026-05", *[("expense", 1, amount, *line)] * 3, {"total": total}),
                ("to_bill", 0),
            )

    def test_hours_at_a_price_with_tax(self):
        """119.00 an hour with 19 %: 8 h are 952.00, of which 152.00 are tax; half is credited and billed again."""
        included = self.tax.copy({"name": "Included", "amount": 19, "price_include_override": "tax_included"})
        order = self.hourly(price=119.0, taxes=included)
        self.play(
            order,
            ("time", "2026-05-04", 8),
            ("expense", "2026-05-05", 20),
            ("bill", "2026-05",
             ("time_material", 8, 119, 800, 152, 952),
             ("expense", 1, 20, 20, 3, 23),
             {"total": (820, 155, 975)}),
            ("credit", "2026-05", [4, 0]),
            ("to_bill", 476),
            ("bill", "2026-05", ("time_material", 4, 119, 400, 76, 476), {"name": "again"}),
            ("odoo", (8, 8), (1, 1)),
        )

    # === CURRENCIES === #
    def test_foreign_expenses_by_each_rule_and_a_missing_rate(self):
        """100.00 EUR of May 6th; 50.00 GBP wait for a rate, and come along once it is there."""
        for day, value in (
            ("2026-05-01", 1.10), ("2026-05-06", 1.1234), ("2026-05-29", 1.15), ("2026-06-01", 1.30),
        ):
            self.make_exchange(self.eur, day, value)
        for rule, euros, pounds, tax in (
            ("work_date", 112.34, 70, (16.85, 10.50)),
            ("month_end", 115.00, 75, (17.25, 11.25)),
            ("fixed", 125.00, 80, (18.75, 12.00)),
        ):
            order = self.hourly(psa_exchange_rule=rule)
            order.psa_exchange_rate_ids = [Command.create({"currency_id": self.eur.id, "rate": 1.25})]

            def rate(rule=rule, order=order):
                if rule == "fixed":
                    order.psa_exchange_rate_ids = [Command.create({"currency_id": self.gbp.id, "rate": 1.60})]
                else:
                    self.make_exchange(self.gbp, "2026-05-01", 1.40)
                    self.make_exchange(self.gbp, "2026-05-20", 1.50)

            self.play(
                order,
                ("expense", "2026-05-06", 100, {"currency": self.eur}),
                ("expense", "2026-05-07", 50, "pounds", {"currency": self.gbp}),
                ("held", ("missing_exchange_rate", 50)),
                ("bill", "2026-05", ("expense", 1, euros, euros, tax[0], euros + tax[0])),
                ("do", rate),
                ("held",),
                ("bill", "2026-06", ("expense", 1, pounds, pounds, tax[1], pounds + tax[1])),
                ("to_bill", 0),
            )
            self.env["res.currency.rate"].search([("currency_id", "=", self.gbp.id)]).unlink()

    # === LIMITS === #
    def test_a_cap_reached_within_a_day_a_write_down_and_an_amendment(self):
        """Limit 1,000.00. Eight hours fit and two of the next day's; a write-down makes room for one more hour."""
        order = self.hourly()
        cap = self.env["psa.cap"].create({"order_id": order.id, "amount_limit": 1000.0})

        def raised(amount):
            return [{"kind": "cap", "cap_ref": f"psa.cap,{cap.id}", "cap_amount_delta": amount}]

        self.play(
            order,
            ("time", "2026-05-04", 8),
            ("time", "2026-05-05", 8),
            ("held", ("cap_reached", 600)),
            ("write_down", "2026-05-04", 100),
            ("held", ("cap_reached", 500)),
            ("bill", "2026-05", ("time_material", 11, 90.909091, 1000, 150, 1150)),
            ("nothing", "2026-05"),
            ("odoo", (16, 11)),
            ("today", "2026-07-20"),
            ("time", "2026-06-02", 1),
            ("held", ("cap_reached", 600)),
            ("amend", "2026-06-01", raised(400)),
            ("held", ("cap_reached", 200)),
            ("bill", "2026-06", ("time_material", 4, 100, 400, 60, 460)),
            ("amend", "2026-06-02", raised(1000)),
            ("held",),
            ("bill", "2026-06", ("time_material", 2, 100, 200, 30, 230), {"name": "rest"}),
            ("odoo", (17, 17)),
            ("to_bill", 0),
        )
        self.assertEqual(cap.reserved_amount, 1600)

    def test_a_hold_is_lifted_by_the_payment(self):
        self.company.write({"psa_hold_overdue": True, "psa_overdue_days": 30, "psa_overdue_amount": 500})
        order = self.hourly()

        def due_in_march():
            self.moves["2026-02"].write({
                "invoice_payment_term_id": False,
                "invoice_date": date(2026, 3, 1), "invoice_date_due": date(2026, 3, 1)})

        def refused():
            with self.assertRaisesRegex(UserError, "is on hold"), self.env.cr.savepoint():
                self.propose(order, *span("2026-05")).action_submit()

        self.play(
            order,
            ("time", "2026-02-02", 10),
            ("bill", "2026-02", ("time_material", 10, 100, 1000, 150, 1150), {"post": False}),
            ("do", due_in_march),
            ("post", "2026-02"),
            ("time", "2026-05-04", 8),
            ("do", refused),
            ("to_bill", 800),
            ("pay", "2026-02"),
            ("bill", "2026-05", ("time_material", 8, 100, 800, 120, 920)),
            ("odoo", (18, 18)),
            ("to_bill", 0),
        )


@tagged("post_install", "-at_install")
class TestGroupScenarios(ScenarioCase):
    """A firm in dollars with 15 % tax, one in euros with 20 %, and a third, in pounds, that lends people."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second, cls.lender = cls.env["res.company"].create([
            {"name": name, "country_id": cls.env.ref("base.us").id} for name in ("Ledger Europe", "Ledger Lenders")])
        cls.group = cls.company | cls.second | cls.lender
        cls.env.user.company_ids = [Command.link(company.id) for company in cls.group]
        for company, currency in ((cls.second, cls.eur), (cls.lender, cls.gbp)):
            cls.env["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
            company.currency_id = currency  # the chart of accounts has set that of the country
        cls.second_tax = cls.second.account_sale_tax_id
        cls.second_tax.amount = 20
        cls.lent = cls.env["hr.employee"].create({"name": "Lena", "company_id": cls.lender.id, "hourly_cost": 70.0})
        cls.env["res.currency.rate"].create({
            "currency_id": cls.usd.id, "name": "2026-01-01", "inverse_company_rate": 0.8, "company_id": cls.lender.id})

    @classmethod
    def make_timesheets(cls, order, hours, employee=None, line=None, day=date(2026, 5, 4)):
        """As a lane does it: with all companies."""
        own = cls.env
        cls.env = own(context=dict(own.context, allowed_company_ids=[order.company_id.id, *cls.group.ids]))
        try:
            return super().make_timesheets(order, hours, employee, line, day).with_env(own)
        finally:
            cls.env = own

    @contextmanager
    def working_for(self, company, tax):
        """The helpers make contracts, people and invoices of ``company``."""
        case, names = type(self), ("company", "tax", "env", "consultant", "ada")
        before = {name: getattr(case, name) for name in names}
        own = self.env
        case.company, case.tax = company, tax
        case.env = own(context=dict(own.context, allowed_company_ids=company.ids))
        self.env = case.env
        case.consultant = case.env["psa.role"].create({"name": "Consultant", "company_id": company.id})
        case.ada = case.env["hr.employee"].create({
            "name": "Anna", "company_id": company.id, "psa_role_id": case.consultant.id})
        users = case.preparer | case.reviewer | case.approver
        companies = users.company_id
        users.write({"company_ids": [Command.link(company.id)], "company_id": company.id})
        try:
            yield
        finally:
            users.write({"company_id": companies.id})
            for name, value in before.items():
                setattr(case, name, value)
            self.env = own

    def test_two_companies_with_their_own_tax_and_hours_lent_by_a_third(self):
        """60 % of 133.33 is 79.998: 0.25 h and 2 h of Lena are 20.00 and 160.00 between the companies."""
        self.env["psa.transfer.price"].create({
            "provider_company_id": self.lender.id, "receiver_company_id": self.company.id, "method": "percent",
            "percent": 60.0})
        lent = {"who": "lent", "role_id": self.consultant.id}
        first = self.hourly(price=133.33)
        self.play(
            first,
            ("time", "2026-05-04", 1),
            ("time", "2026-05-05", 0.25, lent),
            ("time", "2026-05-06", 2, lent),
            ("bill", "2026-05", ("time_material", 3.25, 133.329231, 433.32, 65, 498.32)),
            ("odoo", (3.25, 3.25)),
        )
        lendings = self.moves["2026-05"].psa_lending_ids
        self.assertEqual(
            [(row.quantity, row.amount, row.currency_id, row.state) for row in lendings.sorted("work_date")],
            [(0.25, 20, self.usd, "charged"), (2, 160, self.usd, "charged")])
        invoice, bill = lendings.invoice_id, lendings.bill_id
        self.assertEqual(
            [(move.company_id, move.amount_untaxed, move.currency_id, move.amount_untaxed_signed, move.state)
             for move in (invoice, bill)],
            [(self.lender, 180, self.usd, 144, "posted"), (self.company, 180, self.usd, -180, "posted")])

        self.play(
            first,
            ("credit", "2026-05"),
            ("to_bill", 433.32),
            ("bill", "2026-05", ("time_material", 3.25, 133.329231, 433.32, 65, 498.32), {"name": "again"}),
        )
        self.assertFalse(self.moves["again"].psa_lending_ids, "charged between the companies once")
        self.assertEqual((invoice.state, bill.state), ("posted", "posted"))

        with self.working_for(self.second, self.second_tax):
            for product in self.products.values():
                product.taxes_id = [Command.link(self.second_tax.id)]
            self.play(
                self.hourly(price=100.0),
                ("time", "2026-05-04", 8),
                ("bill", "2026-05", ("time_material", 8, 100, 800, 160, 960)),
                ("odoo", (8, 8)),
            )
            move = self.moves["2026-05"]
            self.assertEqual((move.company_id, move.currency_id), (self.second, self.eur))
            self.assertFalse(move.psa_lending_ids)
