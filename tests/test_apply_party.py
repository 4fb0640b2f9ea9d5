from types import SimpleNamespace

from odoo.tests import tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyParty(ApplyCase):
    def test_creates_a_customer_with_address(self):
        partner = self.party(
            name="Contoso Ltd", vat="GB 123 4567 82", country="United Kingdom", city="Leeds", state="Nowhere",
            email="office@contoso.example", website="contoso.example",
        )
        self.assertTrue(partner.is_company)
        self.assertEqual(partner.country_id.code, "GB")
        self.assertFalse(partner.state_id)
        self.assertFalse(partner.company_id, "customers are shared by all legal entities")
        self.assertEqual(partner.website, "http://contoso.example")

    def test_state_is_found_in_its_country(self):
        partner = self.party(country="USA", state="California")
        self.assertEqual(partner.state_id, self.env.ref("base.state_us_5"))

    def test_same_record_again_writes_nothing(self):
        values = {"name": "Contoso", "vat": "DE 811.907.980", "country": "DE", "website": "contoso.example"}
        partner = self.apply("party", "A1", **values).record
        with self.assert_no_write("res.partner"):
            again = self.apply("party", "A1", **values)
        self.assertEqual(again.record, partner)

    def test_changed_field_is_written(self):
        self.apply("party", "A1", name="Contoso", city="Leeds")
        item = self.apply("party", "A1", name="Contoso plc", city=None)
        self.assertEqual(item.record.name, "Contoso plc")
        self.assertFalse(item.record.city)

    def test_unknown_country_is_held(self):
        item = self.apply("party", name="Contoso", country="Atlantis")
        self.assert_held(item, "invalid_data")
        self.assertIn("Atlantis", item.outcome.text)

    def test_adopts_the_partner_with_the_tax_number(self):
        existing = self.env["res.partner"].create({"name": "Contoso AG", "is_company": True, "vat": "DE811907980"})
        item = self.apply("party", name="Contoso", vat="de 811-907-980")
        self.assertEqual(item.record, existing)
        self.assertEqual(existing.name, "Contoso")

    def test_second_account_with_the_tax_number_is_a_duplicate(self):
        self.apply("party", "A1", name="Contoso", vat="DE811907980")
        item = self.apply("party", "A2", name="Contoso GmbH", vat="DE 811 907 980")
        self.assert_held(item, "duplicate_party")
        self.assertEqual(item.outcome.key, f"record:{self.connection.id}:Party:A2")
        self.assertIn("Contoso", item.outcome.text)

    def test_duplicates_within_one_batch(self):
        first, second = self.run_items(
            self.item("party", "A1", name="Contoso", vat="DE811907980"),
            self.item("party", "A2", name="Contoso GmbH", vat="DE811907980"),
        )
        self.assert_state(first, "done")
        self.assert_held(second, "duplicate_party")

    def test_branch_may_share_its_parents_tax_number(self):
        parent = self.apply("party", "A1", name="Contoso", vat="DE811907980").record
        item = self.apply("party", "A2", name="Contoso Leeds", vat="DE811907980", parents={"parent": parent})
        self.assert_state(item, "done")
        self.assertEqual(item.record.parent_id, parent)

    def test_two_unlinked_partners_with_the_tax_number_are_not_guessed(self):
        self.env["res.partner"].create([
            {"name": name, "is_company": True, "vat": "DE811907980"} for name in ("One", "Two")
        ])
        item = self.apply("party", name="Contoso", vat="DE811907980")
        self.assert_held(item, "duplicate_party")

    def test_queries_do_not_grow_with_the_batch(self):
        def queries(size, start):
            items = [
                self.item(
                    "party", f"Q{number}", name=f"Customer {number}", vat=f"US{number:09}", country="US", state="CA")
                for number in range(start, start + size)
            ]
            before = self.env.cr.sql_log_count
            handler = self.handler("party")
            handler._prepare(items)
            handler._apply(items)
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        queries(2, 0)
        small, large = queries(10, 100), queries(100, 1000)
        self.assertLessEqual(large, small + 3)


    # === MERGE AND DELETE === #
    def merge(self, loser, winner):
        item = self._item("party", loser.external_id, {"winner": None}, "merge", {"winner": winner.record})
        return self.run_items(item)

    def test_merge_lets_odoo_merge_the_partners(self):
        winner = self.apply("party", "A1", name="Contoso")
        loser = self.apply("party", "A2", name="Contoso Ltd", phone="555")
        contact = self.apply("person", "P1", name="Ann", parents={"party": loser.record}).record
        order = self.contract(party=loser.record)
        self.merge(loser, winner)
        self.assertFalse(loser.record.exists())
        self.assertEqual(contact.parent_id, winner.record)
        self.assertEqual(order.partner_id, winner.record)

    def test_merge_leaves_books_alone(self):
        winner = self.apply("party", "A1", name="Contoso")
        loser = self.apply("party", "A2", name="Contoso Ltd")
        contact = self.apply("person", "P1", name="Ann", parents={"party": loser.record}).record
        self.env["psa.rate"].create({
            "company_id": self.us.id, "partner_id": loser.record.id, "role_id": self.consultant.id, "amount": 1})
        self.merge(loser, winner)
        self.assertTrue(loser.record.exists())
        self.assertFalse(loser.record.active)
        self.assertEqual(contact.parent_id, winner.record)

    def test_merge_keeps_a_partner_that_another_system_means(self):
        winner = self.apply("party", "A1", name="Contoso")
        loser = self.apply("party", "A2", name="Contoso Ltd")
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Customer", "external_id": "9",
            "canonical_type": "party", "res_model": "res.partner", "res_id": loser.record.id,
        })
        self.merge(loser, winner)
        self.assertTrue(loser.record.active)

    def test_deleted_customer_stays(self):
        item = self.apply("party", "A1", name="Contoso")
        self.run_items(self.gone(item))
        self.assertTrue(item.record.active)

    def test_owned_by_odoo_is_not_overwritten(self):
        partner = self.apply("party", "A1", name="Contoso", phone="1", email="a@contoso.example").record
        item = self.item("party", "A1", name="Contoso plc", phone="2", email="b@contoso.example")
        item.owners = {"phone": "odoo", "email": "source_until_edit"}
        item.binding = SimpleNamespace(applied={"email": "a@contoso.example"})
        partner.email = "edited@contoso.example"
        self.handler("party")._apply([item])
        self.assertEqual((partner.name, partner.phone, partner.email), ("Contoso plc", "1", "edited@contoso.example"))


@tagged("post_install", "-at_install")
class TestApplyPeople(ApplyCase):
    def test_contact_below_its_customer(self):
        party = self.party()
        contact = self.apply(
            "person", name="Ann Lee", email="ann@contoso.example", job_title="CFO", parents={"party": party}).record
        self.assertEqual(contact.parent_id, party)
        self.assertFalse(contact.is_company)
        self.assertEqual(contact.function, "CFO")
        self.assertEqual(contact.commercial_partner_id, party)

    def test_contact_is_matched_by_email_once(self):
        party = self.party()
        existing = self.env["res.partner"].create({
            "name": "A. Lee", "email": "Ann@Contoso.example", "parent_id": party.id})
        first, second = self.run_items(
            self.item("person", "P1", name="Ann Lee", email="ann@contoso.example", parents={"party": party}),
            self.item("person", "P2", name="Ann B. Lee", email="ann@contoso.example", parents={"party": party}),
        )
        self.assertEqual(first.record, existing)
        self.assertNotEqual(second.record, existing)

    def test_user_is_matched_by_email_and_never_made(self):
        user = self.env["res.users"].create({"name": "Sam", "login": "sam@northwind.example"})
        known, unknown = self.run_items(
            self.item("user", "U1", name="Sam Sales", email="Sam@Northwind.example"),
            self.item("user", "U2", name="Nobody", email="nobody@northwind.example"),
        )
        self.assertEqual(known.record, user)
        self.assertEqual(user.name, "Sam", "the hub does not change users")
        self.assert_state(unknown, "skipped", "out_of_scope")

    def test_one_user_belongs_to_one_source_user(self):
        self.env["res.users"].create({"name": "Sam", "login": "sam@northwind.example"})
        self.apply("user", "U1", name="Sam", email="sam@northwind.example")
        second = self.apply("user", "U2", name="Sam again", email="sam@northwind.example")
        self.assert_state(second, "skipped", "out_of_scope")

    def test_resource_becomes_an_employee_of_the_legal_entity(self):
        user = self.env["res.users"].create({
            "name": "Jane", "login": "jane@northwind.example", "company_id": self.de.id,
            "company_ids": [(4, self.de.id)],
        })
        employee = self.resource(
            company=self.de, role=self.consultant, email="jane@northwind.example", cost_rate="61.237",
            cost_currency="EUR", external=True, parents={"user": user},
        )
        self.assertEqual(employee.company_id, self.de)
        self.assertEqual(employee.psa_role_id, self.consultant)
        self.assertEqual(employee.user_id, user)
        self.assertEqual(employee.hourly_cost, 61.24)
        self.assertEqual(employee.employee_type, "contractor")

    def test_a_system_without_roles_leaves_the_person_s_role(self):
        employee = self.env["hr.employee"].create({
            "name": "Jane", "work_email": "jane@northwind.example", "company_id": self.us.id,
            "psa_role_id": self.consultant.id})
        self.assertEqual(self.resource(email="jane@northwind.example"), employee)
        self.assertEqual(employee.psa_role_id, self.consultant)

    def test_leaver_is_archived_and_comes_back(self):
        employee = self.apply("resource", "R1", name="Jane", codes={"company": self.us, "role": None}).record
        self.apply("resource", "R1", name="Jane", active=False, codes={"company": self.us, "role": None})
        self.assertFalse(employee.active)
        self.apply("resource", "R1", name="Jane", active=True, codes={"company": self.us, "role": None})
        self.assertTrue(employee.active)

    def test_cost_in_a_currency_without_rate_is_not_guessed(self):
        employee = self.resource(cost_rate=80, cost_currency="CHF")
        self.assertEqual(employee.hourly_cost, 0)

    def test_employee_is_matched_by_work_email_in_the_company(self):
        existing, _other = self.env["hr.employee"].create([
            {"name": "Jane", "work_email": "jane@northwind.example", "company_id": self.us.id},
            {"name": "Jane", "work_email": "jane@northwind.example", "company_id": self.de.id},
        ])
        employee = self.resource(email="jane@northwind.example", company=self.us)
        self.assertEqual(employee, existing)
