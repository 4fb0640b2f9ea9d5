"""A proposal says what will be posted, to the cent: tried on random contracts.

The normal run takes a sample; ``./dev test --long`` tries 1,000 (or what ``PSA_PROPERTY_RUNS`` says).
"""

import logging
import os
import random
from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.tests import tagged

from .billing_common import BillingCase

_logger = logging.getLogger(__name__)
SAMPLE = 16
HOURS = [0.25, 7.5, 8, 0.1, 1.333333, 0.02, 0.5, -0.25, -8, 3.7]
PERCENTS = [(), (50, 50), (33.333333, 66.666667), (33.333333, 33.333333, 33.333334), (99.5, 0.5), (10, 20, 30, 40)]


class RandomProposals(BillingCase):
    """Contracts with any rates, hours, fees, discounts, taxes, currencies, splits, layouts and roundings."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        position = cls.env["account.fiscal.position"].create({"name": "Abroad", "company_id": cls.company.id})

        def tax(name, amount, **values):
            return cls.tax.copy({"name": name, "amount": amount, **values})

        included = {"price_include_override": "tax_included"}
        cls.tax_sets = [
            cls.env["account.tax"],
            cls.tax,
            tax("Odd", 8.875),
            tax("Included", 7.7, **included),
            tax("City", 2.5) | tax("County", 4.125),
            tax("Compound", 5, include_base_amount=True, sequence=1) | tax("On both", 9.975, sequence=2),
            tax("Fixed", 0.37, amount_type="fixed") | tax("With it", 6.25),
        ]
        cls.env["account.tax"].create({
            "name": "0 % Abroad", "amount": 0, "type_tax_use": "sale", "company_id": cls.company.id,
            "tax_group_id": cls.tax.tax_group_id.id, "country_id": cls.tax.country_id.id,
            "fiscal_position_ids": [Command.link(position.id)], "original_tax_ids": [Command.set(cls.tax.ids)],
        })
        cls.partners = cls.env["res.partner"].create([
            {"name": f"Payer {number}", "is_company": True} for number in range(3)])
        cls.partners[0].with_company(cls.company).property_account_position_id = position
        cls.currencies = cls.company.currency_id
        for name, rate in (("EUR", 1.0843), ("JPY", 0.00673), ("KWD", 3.2511)):
            currency = cls.env.ref(f"base.{name}")
            currency.active = True
            cls.env["res.currency.rate"].create({
                "currency_id": currency.id, "company_id": cls.company.id, "name": "2020-01-01",
                "inverse_company_rate": rate})
            cls.currencies |= currency
        cls.layouts = cls.env["psa.invoice.layout"] | cls.env["psa.invoice.layout"].create([
            {"name": "By day's month and person", "show_sections": True, "part_ids": [
                Command.create({"sequence": 1, "by": "month"}), Command.create({"sequence": 2, "by": "person"})]},
            {"name": "Corrections apart", "negative_lines": "credit_note"},
            {"name": "Without nothing", "zero_lines": "drop", "part_ids": [Command.create({"by": "line"})]},
        ])
        cls.terms = [
            cls.env["account.payment.term"],
            cls.env["account.payment.term"].create({
                "name": "2 % in 10 days", "early_discount": True, "discount_percentage": 2, "discount_days": 10,
                "early_pay_discount_computation": "mixed"}),
        ]

    def try_proposals(self, count):
        posted = 0
        for index in range(count):
            with self.subTest(proposal=index), self.env.cr.savepoint() as savepoint:
                posted += self.assertProposalPosts(random.Random(f"19-{index}"), index)
                savepoint.rollback()
        _logger.info("%d random proposals, %d invoices and credit notes posted, no difference", count, posted)

    def assertProposalPosts(self, chance, index):
        """Make a contract, its work and its invoices; return how many were posted."""
        self.company.tax_calculation_rounding_method = chance.choice(["round_per_line", "round_globally"])
        order, entries = self.random_contract(chance)
        proposal = self.propose(order)
        told = {name: proposal[name] for name in ("amount_untaxed", "amount_tax", "amount_total")}
        if not any(line.decision == "in" for line in proposal.line_ids):
            return 0
        proposal.action_submit()
        proposal.with_user(self.approver).action_approve()
        moves = proposal.sudo().move_ids
        moves.action_post()
        currency = order.currency_id
        for name, amount in told.items():
            invoiced = sum(move[name] * (1 if move.move_type == "out_invoice" else -1) for move in moves)
            self.assertEqual(currency.compare_amounts(invoiced, amount), 0, f"{name} of proposal {index}")
        billed = proposal.line_ids.filtered(lambda line: line.decision == "in")
        for line in moves.invoice_line_ids.filtered(lambda line: line.display_type == "product"):
            sign = 1 if line.move_id.move_type == "out_invoice" else -1
            self.assertEqual(
                currency.compare_amounts(
                    sign * currency.round(line.quantity * line.price_unit),
                    sum(line.psa_allocation_ids.mapped("amount"))), 0, f"proposal {index}")
        if not any(tax.price_include for tax in moves.invoice_line_ids.tax_ids):
            ledger = sum(Decimal(str(amount)) for amount in billed.mapped("amount"))
            self.assertEqual(currency.compare_amounts(told["amount_untaxed"], float(ledger)), 0)
        self.assertEqual(set(billed.entry_id.mapped("billing_state")), {"billed"}, f"proposal {index}")
        self.assertLedger(entries)
        return len(moves)

    def random_contract(self, chance):
        """Return a contract and its entries."""
        currency = chance.choice(self.currencies)
        lines = [("time_material", 100, 1.0, {
            "psa_role_id": role.id, "tax_ids": [Command.set(chance.choice(self.tax_sets).ids)],
        }) for role in (self.consultant, self.architect)]
        fee = chance.random() < 0.4
        if fee:
            lines.append(("fixed_fee", chance.choice([1, 3, 2.5]), round(chance.uniform(10, 9000), 2), {
                "discount": chance.choice([0, 5, 12.5, 33.33]),
                "tax_ids": [Command.set(chance.choice(self.tax_sets).ids)],
            }))
        # In another currency Odoo itself cannot balance an invoice whose discount changes the tax base.
        terms = self.terms if currency == self.company.currency_id else self.terms[:1]
        order = self.make_contract(*lines, currency=currency, payment_term_id=chance.choice(terms).id)
        order.psa_invoice_layout_id = chance.choice([self.env["psa.invoice.layout"], *self.layouts])
        percents = chance.choice(PERCENTS)
        payers = [self.customer, *self.partners]
        order.psa_share_ids = [
            Command.create({"partner_id": payer.id, "percent": percent, "is_rounding": place == 0})
            for place, (payer, percent) in enumerate(zip(payers, percents, strict=False))
        ]
        for role in (self.consultant, self.architect):
            self.make_rate(
                round(chance.uniform(0, 400), chance.choice([0, 2, 4])), order, role_id=role.id)
        entries = self.env["psa.entry"]
        for line in order.order_line[:2]:
            entries |= self.make_time(order, [
                (date(2026, chance.choice([4, 5]), chance.randint(1, 30)),
                 chance.choice([*HOURS, chance.randint(1, 900) / 60]))
                for _entry in range(chance.randint(1, 20))
            ], employee=chance.choice([self.ada, self.grace]), line=line, role_id=line.psa_role_id.id)
        if fee:
            entries |= self.env["psa.entry"]._sync("fee", [{
                "source": order.order_line[2], "order_id": order.id, "work_date": date(2026, 5, 8),
                "currency_id": currency.id}])
        return order, entries


@tagged("post_install", "-at_install")
class TestProposalRandom(RandomProposals):
    def test_a_sample(self):
        self.try_proposals(SAMPLE)


@tagged("post_install", "-at_install", "long")
class TestProposalRandomLong(RandomProposals):
    def test_a_thousand(self):
        self.try_proposals(int(os.environ.get("PSA_PROPERTY_RUNS", "1000")))
