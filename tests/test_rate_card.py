from datetime import date

from psycopg2.errors import ExclusionViolation

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestRateCard(BillingCase):
    """Prices that hold together, copied from year to year."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0))
        cls.card = cls.make_card("Standard 2026", date(2026, 1, 1), date(2026, 12, 31))
        cls.consultants, cls.architects = cls.env["psa.rate"].create([
            {"card_id": cls.card.id, "role_id": cls.consultant.id, "amount": 150.0},
            {"card_id": cls.card.id, "role_id": cls.architect.id, "amount": 199.99},
        ])

    @classmethod
    def make_card(cls, name, date_from=False, date_to=False, **values):
        return cls.env["psa.rate.card"].create({
            "name": name, "company_id": cls.company.id, "currency_id": cls.company.currency_id.id,
            "date_from": date_from, "date_to": date_to, **values,
        })

    def copy_card(self, card=None, **values):
        wizard = self.env["psa.rate.card.copy"].create({"card_id": (card or self.card).id, **values})
        return self.env["psa.rate.card"].browse(wizard.action_copy()["res_id"])

    def test_lines_have_the_cards_dates_and_customer(self):
        card = self.make_card("Engines", date(2026, 1, 1), partner_id=self.customer.id)
        rate = self.env["psa.rate"].create({"card_id": card.id, "role_id": self.consultant.id, "amount": 140})
        self.assertEqual((rate.scope, rate.date_from, rate.date_to), ("customer_role", date(2026, 1, 1), False))
        [entry] = self.make_time(self.order, [2])
        self.assertEqual((entry.amount, entry.trace["rate_card"]), (280, "Engines"), "the customer's card comes first")
        with self.assertRaises(ValidationError):
            rate.date_from = date(2025, 12, 31)
        card.date_to = date(2026, 5, 3)
        self.assertEqual((rate.date_to, entry.amount), (date(2026, 5, 3), 300), "the day after is the company's price")
        self.assertEqual(entry.trace["rate_card"], "Standard 2026")

    def test_next_years_card_is_this_years_with_an_uplift(self):
        wizard = Form(self.env["psa.rate.card.copy"].with_context(default_card_id=self.card.id))
        self.assertEqual(
            (wizard.name, wizard.date_from, wizard.date_to), ("Standard 2027", date(2027, 1, 1), date(2027, 12, 31)))
        new = self.copy_card(uplift=3.5, round_to=0.5)
        self.assertEqual(
            new.rate_ids.sorted("amount").mapped("amount"), [155.5, 207], "155.25 and 206.98965, rounded to halves")
        self.assertEqual(new.rate_ids.mapped("date_from"), [date(2027, 1, 1)] * 2)
        self.assertEqual(self.card.date_to, date(2026, 12, 31))

    def test_an_open_card_ends_the_day_before_and_work_gets_its_price_at_once(self):
        self.card.date_to = False
        april, may = self.make_time(self.order, [(date(2026, 4, 30), 1), (date(2026, 5, 1), 1)])
        new = self.copy_card(name="From May", date_from=date(2026, 5, 1), date_to=False, uplift=10)
        self.assertEqual((self.card.date_to, self.consultants.date_to), (date(2026, 4, 30), date(2026, 4, 30)))
        self.assertEqual((april.amount, may.amount), (150, 165))
        self.assertEqual(may.rate_id.card_id, new)
        self.assertFalse(self.env["psa.exception"].search([("order_id", "=", self.order.id)]), "never without a rate")

    def test_overlap_of_two_cards_is_refused_by_the_database(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            self.copy_card(name="Twice", date_from=date(2026, 6, 1), end_old=False)
        other = self.make_card("Promises", date(2026, 12, 31))
        with mute_logger("odoo.sql_db"), self.assertRaises(ExclusionViolation), self.env.cr.savepoint():
            self.env["psa.rate"].create({"card_id": other.id, "role_id": self.consultant.id, "amount": 1})
        with self.assertRaises(UserError):
            self.copy_card(name="Before", date_from=date(2025, 6, 1))

    def test_a_gap_between_cards_is_an_exception_with_its_money(self):
        [entry] = self.make_time(self.order, [8], day=date(2027, 1, 15), source_amount=1200)
        self.assertEqual((entry.reason, entry.exception_id.cause_code, entry.exception_id.amount),
                         ("missing_rate", "missing_rate", 1200))
        exception = entry.exception_id
        self.copy_card(uplift=4)
        self.assertEqual((entry.state, entry.amount, exception.state), ("approved", 1248, "resolved"))
