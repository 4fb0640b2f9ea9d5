from datetime import date, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo import Command, fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .costs_common import CostsCase
from .test_exception_holders import HolderCase


@tagged("post_install", "-at_install")
class TestExchange(CostsCase):
    """Foreign amounts are billed at the rate of the day that the contract names, or not at all."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0))
        cls.order.date_order = datetime(2026, 3, 10, 12)

    def foreign(self, amount=100, day=date(2026, 5, 6), **values):
        return self.make_expense(self.order, amount, day=day, currency=self.eur, **values)

    # === WITHOUT A RULE === #
    def test_without_a_rule_a_foreign_amount_is_held(self):
        self.make_exchange(self.eur, date(2026, 5, 1), 1.10)
        entry = self.foreign()
        self.assertHeld(entry, "currency_mismatch", "currency_mismatch", 110)
        self.assertEqual(entry.amount, 0)
        exception = entry.exception_id
        self.order.psa_exchange_rule = "work_date"
        self.assertEqual((entry.state, entry.amount, exception.state), ("approved", 110, "resolved"))
        self.order.psa_exchange_rule = False
        self.assertEqual((entry.state, entry.reason, entry.amount), ("held", "currency_mismatch", 0))

    # === WHICH DAY'S RATE === #
    def test_each_rule_names_its_day(self):
        """| rule          | day        | rate of    | rate | 100 EUR |"""
        for day, value in [
            (date(2026, 3, 1), 1.02), (date(2026, 5, 1), 1.10), (date(2026, 5, 6), 1.1234), (date(2026, 5, 7), 1.2),
            (date(2026, 5, 29), 1.15), (date(2026, 6, 1), 1.3),
        ]:
            self.make_exchange(self.eur, day, value)
        entry = self.foreign()
        for rule, day, rate_date, rate, amount in [
            ("work_date", "2026-05-06", "2026-05-06", "1.1234", 112.34),
            ("month_end", "2026-05-31", "2026-05-29", "1.15", 115),
            ("contract_date", "2026-03-10", "2026-03-01", "1.02", 102),
        ]:
            self.order.psa_exchange_rule = rule
            self.assertEqual((entry.state, entry.amount), ("approved", amount), rule)
            self.assertEqual(entry.trace["exchange"], {
                "rule": rule, "from": "EUR", "to": "USD", "date": day, "rate_date": rate_date, "rate": rate})
        self.order.psa_exchange_rate_ids = [Command.create({"currency_id": self.eur.id, "rate": 1.25})]
        self.order.psa_exchange_rule = "fixed"
        self.assertEqual((entry.amount, entry.trace["exchange"]["rate"]), (125, "1.25"))
        self.assertEqual((entry.source_amount, entry.source_currency_id), (100, self.eur))

    def test_the_trace_is_recomputed_by_hand(self):
        self.make_exchange(self.eur, date(2026, 5, 1), 1.0837)
        self.make_policy(method="markup", markup_percent=7.5, order_id=self.order.id)
        self.order.psa_exchange_rule = "work_date"
        entry = self.foreign(33.33)
        trace = entry.trace
        factor = 1 + Decimal(trace["markup_percent"]) / 100
        exact = Decimal(trace["cost"]) * Decimal(trace["exchange"]["rate"]) * factor
        self.assertEqual((str(exact), trace["exact"]), ("38.828700075", "38.828700075"))
        self.assertEqual((entry.amount, entry.cost_amount), (38.83, 36.12))

    def test_half_a_cent_is_not_lost_in_the_inverse_of_a_rate(self):
        self.make_exchange(self.eur, date(2026, 5, 1), 1.10)  # Odoo keeps 0.9090909...
        self.order.psa_exchange_rule = "work_date"
        self.assertEqual(self.foreign(0.05).amount, 0.06)

    def test_two_foreign_currencies_by_way_of_the_company(self):
        order = self.make_contract(("time_material", 1, 1), currency=self.gbp, psa_exchange_rule="work_date")
        self.make_exchange(self.eur, date(2026, 5, 1), 1.2)
        entry = self.make_expense(order, 100, currency=self.eur)
        self.assertHeld(entry, "missing_exchange_rate", "missing_exchange_rate", 120)
        action = entry.exception_id.action_fix()
        self.assertEqual(action["context"]["default_currency_id"], self.gbp.id, "the pound is what lacks a rate")
        self.make_exchange(self.gbp, date(2026, 5, 2), 1.5)
        self.assertEqual((entry.state, entry.amount), ("approved", 80))
        self.assertEqual(entry.trace["exchange"]["rate_date"], "2026-05-02")

    # === NO RATE === #
    def test_no_rate_is_no_amount_and_the_rate_releases_it(self):
        self.order.psa_exchange_rule = "work_date"
        self.make_exchange(self.eur, date(2026, 5, 7), 1.2)  # later: Odoo would take it
        entry = self.foreign()
        self.assertHeld(entry, "missing_exchange_rate", "missing_exchange_rate", 120)
        self.assertEqual(entry.amount, 0)
        exception = entry.exception_id
        action = exception.action_fix()
        self.assertEqual(
            (action["res_model"], action["context"]["default_name"], action["context"]["default_currency_id"]),
            ("res.currency.rate", date(2026, 5, 6), self.eur.id))
        rate = self.env["res.currency.rate"].with_context(**action["context"]).create({"inverse_company_rate": 1.1})
        self.assertEqual((entry.state, entry.amount, exception.state), ("approved", 110, "resolved"))
        rate.inverse_company_rate = 1.11
        self.assertEqual(entry.amount, 111)
        rate.name = date(2026, 5, 8)
        self.assertEqual((entry.state, entry.amount), ("held", 0), "the rate moved away")
        rate.name = date(2026, 5, 5)
        self.assertEqual(entry.amount, 111)
        rate.unlink()
        self.assertEqual(entry.state, "held")

    def test_a_fixed_rate_that_nobody_agreed(self):
        self.order.psa_exchange_rule = "fixed"
        self.make_exchange(self.eur, date(2026, 5, 1), 1.1)
        entry = self.foreign()
        self.assertHeld(entry, "missing_exchange_rate", "missing_exchange_rate", 110)
        action = entry.exception_id.action_fix()
        self.env["psa.exchange.rate"].with_context(**action["context"]).create({"rate": 1.2})
        self.assertEqual((entry.state, entry.amount), ("approved", 120))

    def test_the_end_of_the_month_must_have_come(self):
        self.order.psa_exchange_rule = "month_end"
        today = fields.Date.today()
        with patch.object(fields.Date, "context_today", lambda *args: today.replace(day=15)):
            self.make_exchange(self.eur, today.replace(day=1), 1.1)
            entry = self.foreign(day=today.replace(day=2))
            self.assertEqual((entry.state, entry.reason), ("held", "missing_exchange_rate"))
        with patch.object(fields.Date, "context_today", lambda *args: today + timedelta(days=40)):
            self.env["psa.entry"]._cron_retry_exchange()
            self.assertEqual((entry.state, entry.amount), ("approved", 110))

    # === LAWS === #
    def test_fixed_rates_obey_the_database(self):
        self.order.psa_exchange_rate_ids = [Command.create({"currency_id": self.eur.id, "rate": 1.25})]
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            self.env["psa.exchange.rate"].create({
                "order_id": self.order.id, "currency_id": self.eur.id, "rate": 1.3})
        with self.assertRaises(ValidationError):
            self.env["psa.exchange.rate"].create({
                "order_id": self.order.id, "currency_id": self.usd.id, "rate": 1.3})

    def test_a_rate_reaches_only_what_is_on_no_invoice(self):
        rate = self.make_exchange(self.eur, date(2026, 5, 1), 1.1)
        self.order.psa_exchange_rule = "work_date"
        billed = self.foreign()
        move = self.bill(self.order)
        waiting = self.foreign()
        rate.inverse_company_rate = 1.2
        self.assertEqual((billed.amount, waiting.amount), (110, 120))
        self.sync_expense(self.order, billed.expense_id, 100, currency=self.eur)
        self.assertFalse(billed.pending_change)
        self.assertLines(move, ("expense", 1, 110))
        self.assertLedger(billed)

    def test_hours_are_priced_by_the_contract_whatever_the_source_counts_in(self):
        self.make_rate(150, self.order, role_id=self.consultant.id)
        [held] = self.make_time(self.order, [2], currency_id=self.eur.id)
        self.assertEqual((held.state, held.reason), ("held", "currency_mismatch"))
        self.order.psa_exchange_rule = "work_date"
        self.assertEqual((held.state, held.amount), ("approved", 300))

    def test_amounts_of_a_policy_in_another_currency(self):
        order = self.make_contract(("time_material", 1, 1), currency=self.eur, psa_exchange_rule="work_date")
        self.make_policy(cap_amount=110, over_cap="cut")  # US dollars, the company's
        entry = self.make_expense(order, 120)
        self.assertEqual((entry.state, entry.reason), ("held", "missing_exchange_rate"))
        self.make_exchange(self.eur, date(2026, 5, 1), 1.1)
        self.assertEqual((entry.state, entry.amount), ("approved", 100))
        self.assertEqual(entry.trace["policy"]["exchange"]["rate"], "0.90909090909091")


@tagged("post_install", "-at_install")
class TestForeignMessages(HolderCase):
    """What was held before it became an entry goes on its way again when the contract gets a rule."""

    def test_a_rule_releases_the_messages_of_its_contract(self):
        order, other = (self.make_contract(("time_material", 1, 1)) for _number in range(2))
        exception, messages = self.hold([1, 2], subject="record:{connection}:Expense:E1", cause="currency_mismatch")
        exception.project_id = self.project_of(order)
        other.psa_exchange_rule = "work_date"
        self.assertEqual(set(messages.mapped("state")), {"held"})
        order.psa_exchange_rule = "work_date"
        self.assertEqual(set(messages.mapped("state")), {"pending"})
