from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyRate(ApplyCase):
    """Price lists of a source: a new price ends the former one, what people agreed on in Odoo stays."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jane = cls.env["hr.employee"].create({"name": "Jane Doe", "company_id": cls.us.id})

    def rate_item(self, external_id, amount, starts_on=None, ends_on=None, role=None, company=None, currency="USD",
                  **parents):
        return self.item(
            "rate", external_id, parents={name: record for name, record in parents.items() if record},
            codes={"role": role, "company": company}, amount=Decimal(str(amount)), currency=currency,
            starts_on=starts_on, ends_on=ends_on)

    def rate(self, *args, **values):
        return self.run_items(self.rate_item(*args, **values))

    def prices(self, **scope):
        """Return ``[(amount, from, to)]`` of what is in force in a scope."""
        names = {"company_id": self.us.id, "order_id": False, "partner_id": False, "employee_id": False,
                 "role_id": False, **scope}
        rates = self.env["psa.rate"].search([(name, "=", value) for name, value in names.items()])
        return [(rate.amount, rate.date_from, rate.date_to) for rate in rates.sorted(
            lambda rate: rate.date_from or date.min)]

    # === SCOPES === #
    def test_each_scope_has_its_place(self):
        customer = self.party()
        order = self.contract(self.deal_line("fixed_fee", 1, 1000), party=customer)
        work = self.project(order)
        items = self.run_items(
            self.rate_item("R1", "150.25", role=self.consultant),
            self.rate_item("R2", 160, resource=self.jane),
            self.rate_item("R3", 170, resource=self.jane, role=self.architect),
            self.rate_item("R4", 180, party=customer, role=self.consultant),
            self.rate_item("R5", 190, project=work, resource=self.jane),
            self.rate_item("R6", 120, project=work),
            self.rate_item("R7", 95, role=self.consultant, company=self.de, currency="EUR"),
        )
        self.assertEqual(
            [item.record.scope for item in items],
            ["company_role", "company_person", "company_person_role", "customer_role", "contract_person",
             "contract_blended", "company_role"])
        self.assertEqual([item.record.amount for item in items], [150.25, 160, 170, 180, 190, 120, 95])
        self.assertEqual(items[4].record.order_id, order)
        self.assertEqual((items[6].record.company_id, items[6].record.currency_id), (self.de, self.eur))
        self.assertEqual(items[0].record.source, "Fake R1")

    def test_rate_for_nobody(self):
        self.assert_held(self.rate("R1", 150), "invalid_data", "Rate R1 names neither a person nor a role")
        self.assert_held(self.rate("R2", 150, party=self.party()), "invalid_data", "neither a person nor a role")

    def test_rate_of_a_project_without_contract(self):
        work = self.project()
        item = self.rate("R1", 150, project=work)
        self.assert_held(item, "no_contract", work.name)
        work.psa_contract_id = self.contract(self.deal_line("fixed_fee", 1, 1000))
        self.assert_state(self.rate("R1", 150, project=work), "done")

    def test_rate_in_another_currency_than_the_contract(self):
        work = self.project(self.contract(self.deal_line("fixed_fee", 1, 1000)))
        self.assert_held(self.rate("R1", 150, project=work, currency="EUR"), "currency_mismatch", "USD", "EUR")

    def test_rate_for_a_project_of_somebody_else(self):
        work = self.project(self.contract(self.deal_line("fixed_fee", 1, 1000)))
        self.assert_held(
            self.rate("R1", 150, project=work, party=self.party("Fabrikam")), "invalid_data", "Fabrikam", "Contoso")

    def test_values_that_cannot_be(self):
        self.assert_held(self.rate("R1", -1, role=self.consultant), "invalid_data", "less than nothing")
        self.assert_held(self.rate("R2", 1, role=self.consultant, currency="CHF"), "invalid_data", "CHF")
        self.assert_held(
            self.rate("R3", 1, date(2026, 2, 1), date(2026, 1, 1), role=self.consultant), "invalid_data",
            "ends before it starts")

    # === ONE PRICE AFTER THE OTHER === #
    def test_new_rate_ends_the_former_one_the_day_before(self):
        self.rate("R1", 150, role=self.consultant)
        self.rate("R2", "165.50", date(2026, 7, 1), role=self.consultant)
        self.assertEqual(self.prices(role_id=self.consultant.id), [
            (150, False, date(2026, 6, 30)), (165.5, date(2026, 7, 1), False)])

    def test_rates_of_one_batch_in_any_order(self):
        self.run_items(
            self.rate_item("R3", 170, date(2026, 7, 1), date(2026, 9, 30), role=self.consultant),
            self.rate_item("R1", 150, date(2026, 1, 1), role=self.consultant),
            self.rate_item("R2", 160, date(2026, 4, 1), role=self.consultant))
        self.assertEqual(self.prices(role_id=self.consultant.id), [
            (150, date(2026, 1, 1), date(2026, 3, 31)), (160, date(2026, 4, 1), date(2026, 6, 30)),
            (170, date(2026, 7, 1), date(2026, 9, 30))])

    def test_a_later_start_gives_the_days_back_to_the_former_rate(self):
        self.rate("R1", 150, role=self.consultant)
        self.rate("R2", 165, date(2026, 7, 1), role=self.consultant)
        self.rate("R2", 165, date(2026, 8, 1), role=self.consultant)
        self.assertEqual(self.prices(role_id=self.consultant.id), [
            (150, False, date(2026, 7, 31)), (165, date(2026, 8, 1), False)])

    def test_two_rates_change_places(self):
        self.rate("R1", 150, date(2026, 1, 1), role=self.consultant)
        self.rate("R2", 165, date(2026, 7, 1), role=self.consultant)
        self.run_items(
            self.rate_item("R1", 150, date(2026, 7, 1), role=self.consultant),
            self.rate_item("R2", 165, date(2026, 1, 1), role=self.consultant))
        self.assertEqual(self.prices(role_id=self.consultant.id), [
            (165, date(2026, 1, 1), date(2026, 6, 30)), (150, date(2026, 7, 1), False)])

    def test_rate_that_moves_to_another_role(self):
        self.rate("R1", 150, role=self.consultant)
        item = self.rate("R2", 165, date(2026, 7, 1), role=self.consultant)
        self.rate("R2", 165, date(2026, 7, 1), role=self.architect)
        self.assertEqual(self.prices(role_id=self.consultant.id), [(150, False, False)])
        self.assertEqual(item.record.role_id, self.architect)

    def test_same_rate_again_changes_nothing(self):
        self.rate("R1", 150, role=self.consultant)
        self.rate("R2", 165, date(2026, 7, 1), role=self.consultant)
        with self.assert_no_write("psa.rate"):
            self.rate("R1", 150, role=self.consultant)

    def test_two_rates_from_the_same_day(self):
        first, second = self.run_items(
            self.rate_item("R1", 150, role=self.consultant), self.rate_item("R2", 165, role=self.consultant))
        self.assert_state(first, "done")
        self.assert_held(second, "rate_conflict", "same day", "150.00")
        self.assertEqual(self.prices(role_id=self.consultant.id), [(150, False, False)])

    # === WHAT OTHERS MADE === #
    def test_overlap_with_a_rate_that_a_person_made(self):
        own = self.env["psa.rate"].create({
            "company_id": self.us.id, "role_id": self.consultant.id, "amount": 140, "date_from": date(2026, 3, 1)})
        item = self.rate("R1", 150, date(2026, 1, 1), role=self.consultant)
        self.assert_held(
            item, "rate_conflict", "Rate R1 of $", "Consultant / $", "140.00 (03/01/2026 to open end", "made by")
        self.assertEqual(item.outcome.record, own)
        self.assertEqual(self.prices(role_id=self.consultant.id), [(140, date(2026, 3, 1), False)])
        self.assert_state(self.rate("R1", 150, date(2026, 1, 1), date(2026, 2, 28), role=self.consultant), "done")

    def test_deleting_the_other_rate_lets_the_new_one_go(self):
        own = self.env["psa.rate"].create({"company_id": self.us.id, "role_id": self.consultant.id, "amount": 140})
        item = self.rate("R1", 150, role=self.consultant)
        stream = self.connection.stream_ids.filtered(lambda stream: stream.direction == "in")[:1]
        message = self.env["psa.message"].create({
            "connection_id": self.connection.id, "stream_id": stream.id, "company_id": self.us.id,
            "object_type": "Rate", "external_id": "R1", "lane": "master", "dedupe_key": "rate", "state": "held",
            "wait_key": item.outcome.key})
        own.unlink()
        self.assertFalse(message.wait_key, "it goes on at once")
        self.assert_state(self.rate("R1", 150, role=self.consultant), "done")

    def test_price_of_the_deal_outlasts_a_price_list(self):
        work = self.project(self.contract(self.deal_line(role=self.consultant, price=150)))
        self.assert_held(
            self.rate("R1", 99, project=work, role=self.consultant), "rate_conflict", "Deal “Website relaunch”")

    def test_held_rate_keeps_what_it_was(self):
        self.rate("R1", 150, role=self.consultant)
        self.rate("R2", 165, date(2026, 7, 1), role=self.consultant)
        self.env["psa.rate"].create({"company_id": self.us.id, "role_id": self.architect.id, "amount": 140})
        self.assert_held(self.rate("R2", 165, date(2026, 7, 1), role=self.architect), "rate_conflict")
        self.assertEqual(self.prices(role_id=self.consultant.id), [
            (150, False, date(2026, 6, 30)), (165, date(2026, 7, 1), False)])

    # === MONEY === #
    def test_time_is_priced_by_the_rate_of_its_day(self):
        customer = self.party()
        order = self.contract(self.deal_line("time_material", 100, 1), party=customer)
        work, jane = self.project(order), self.resource(role=self.consultant)
        self.rate("R1", "150.25", party=customer, role=self.consultant)
        before = self.entry(self.time(work, jane, "7.5", work_date=date(2026, 6, 30)).record)
        after = self.entry(self.time(work, jane, "7.5", work_date=date(2026, 7, 1)).record)
        self.assertEqual((before.amount, after.amount), (1126.88, 1126.88))
        self.rate("R2", "160.10", date(2026, 7, 1), party=customer, role=self.consultant)
        self.assertEqual((before.amount, after.amount), (1126.88, 1200.75))
