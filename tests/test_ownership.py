"""Who changes a record that several systems know."""

from odoo.tests import tagged

from .sources_common import SourcesCase

NOVA = {"name": "Novaterra Energie GmbH", "website": "novaterra.example"}


@tagged("post_install", "-at_install")
class TestOwnership(SourcesCase):

    def own(self, connection, ownership, code="party"):
        self.stream(connection, code).ownership = ownership

    def test_the_first_system_writes_and_the_other_fills(self):
        nova = self.send(self.crm, "party", "A1", **NOVA, city="Hamburg")
        self.send(self.tracker, "party", "31", name="Novaterra", website="novaterra.example/shop", city="Bremen",
                  phone="+49 40 1", vat="DE811907980")
        self.assertEqual(self.record(self.tracker, "party", "31"), None, "names differ: a person says who it is")
        self.message(self.tracker, "party", "31").exception_id.with_user(self.reviewer)._link_to(nova)
        self.drain()
        self.assertEqual((nova.name, nova.city, nova.website), (NOVA["name"], "Hamburg", "http://novaterra.example"))
        self.assertEqual((nova.phone, nova.vat), ("+49 40 1", "DE811907980"), "what was empty is filled")
        self.send(self.crm, "party", "A1", **{**NOVA, "name": "Novaterra AG"}, city="Kiel", phone="+49 40 2")
        self.assertEqual((nova.name, nova.city, nova.phone), ("Novaterra AG", "Kiel", "+49 40 2"))
        self.send(self.tracker, "party", "31", name="Novaterra", website="novaterra.example", phone="+49 40 1")
        self.assertEqual((nova.name, nova.city, nova.phone), ("Novaterra AG", "Kiel", "+49 40 2"))

    def test_one_that_only_odoo_had_belongs_to_the_system_that_links_it(self):
        nova = self.env["res.partner"].create({**NOVA, "is_company": True, "city": "Hamburg"})
        self.assertEqual(self.send(self.crm, "party", "A1", **NOVA, city="Kiel"), nova)
        self.assertEqual(nova.city, "Kiel")

    def test_a_stream_may_write_whoever_came_first(self):
        self.own(self.tracker, "source")
        nova = self.send(self.crm, "party", "A1", **NOVA, city="Hamburg")
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel")
        self.assertEqual(nova.city, "Kiel")

    def test_a_stream_that_fills_never_changes_anything(self):
        nova = self.env["res.partner"].create({**NOVA, "is_company": True, "city": "Hamburg"})
        self.own(self.tracker, "fill")
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel", phone="1")
        self.assertEqual((nova.city, nova.phone), ("Hamburg", "1"))
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel", phone="2")
        self.assertEqual(nova.phone, "1")

    def test_a_stream_that_fills_is_no_owner(self):
        self.own(self.tracker, "fill")
        nova = self.send(self.tracker, "party", "31", **NOVA, city="Kiel")
        self.send(self.crm, "party", "A1", **NOVA, city="Hamburg")
        self.assertEqual(nova.city, "Hamburg")

    def test_a_stream_that_links_writes_and_makes_nothing(self):
        self.own(self.tracker, "link")
        self.assertIsNone(self.send(self.tracker, "party", "31", **NOVA, city="Kiel"))
        self.assert_held(self.message(self.tracker, "party", "31"), "unlinked_record", NOVA["name"])
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.message(self.tracker, "party", "31").exception_id.with_user(self.reviewer).action_retry()
        self.drain()
        self.assertEqual(self.record(self.tracker, "party", "31"), nova)
        self.assertFalse(nova.city)

    def test_what_its_owner_deleted_gets_another_owner(self):
        nova = self.send(self.crm, "party", "A1", **NOVA, city="Hamburg")
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel")
        self.send(self.crm, "party", "A1", "delete")
        self.send(self.tracker, "party", "31", **NOVA, city="Rostock")
        self.assertEqual(nova.city, "Rostock")

    def test_a_system_that_is_not_used_any_more_owns_nothing(self):
        nova = self.send(self.crm, "party", "A1", **NOVA, city="Hamburg")
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel")
        self.crm.active = False
        self.send(self.tracker, "party", "31", **NOVA, city="Rostock")
        self.assertEqual(nova.city, "Rostock")

    def test_a_field_that_odoo_owns_stays_whoever_owns_the_record(self):
        self.own(self.tracker, "source")
        nova = self.send(self.crm, "party", "A1", **NOVA, city="Hamburg")
        mapping = self.stream(self.tracker, "party").mapping_ids[:1].copy()
        mapping.line_ids.filtered(lambda line: line.canonical_field == "city").owner = "odoo"
        mapping._put_in_force()
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel", phone="1")
        self.assertEqual((nova.city, nova.phone), ("Hamburg", "1"))

    def test_projects_and_people_have_owners_too(self):
        project = self.send(self.crm, "project", "P1", name="Portal", code="NOVA", starts_on="2026-01-01",
                            ends_on="2026-06-30")
        self.assertEqual(self.send(self.tracker, "project", "10001", name="NOVA board", code="NOVA", active=False),
                         project)
        self.assertEqual(project.name, "Portal")
        self.assertFalse(project.psa_closed_for_time, "a no is not an empty field")

    def test_a_system_that_owns_nothing_deletes_nothing(self):
        project = self.send(self.crm, "project", "P1", name="Portal", code="NOVA")
        self.send(self.tracker, "project", "10001", name="NOVA board", code="NOVA")
        self.send(self.tracker, "project", "10001", "delete")
        self.assertEqual(self.message(self.tracker, "project", "10001").state, "done")
        self.assertFalse(project.psa_closed_for_time)
        self.send(self.crm, "project", "P1", "delete")
        self.assertTrue(project.psa_closed_for_time)

    def test_queries_do_not_grow_with_the_batch(self):
        partners = self.env["res.partner"].create([{"name": f"C{number}", "is_company": True} for number in range(50)])
        self.env["psa.binding"].create([
            {"connection_id": connection.id, "object_type": "Account", "external_id": f"{connection.id}-{partner.id}",
             "canonical_type": "party", "res_model": "res.partner", "res_id": partner.id}
            for connection in (self.crm, self.tracker) for partner in partners])
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        owners = self.env["psa.apply"]._owners(set(partners))
        self.assertEqual(self.env.cr.sql_log_count - before, 1)
        self.assertEqual(set(owners.values()), {self.crm.id})

    def test_what_the_field_map_has_no_rule_for_is_not_cleared(self):
        """A system that knows no tax numbers says nothing of them; with a rule, no value says that it is empty."""
        nova = self.env["res.partner"].create({**NOVA, "is_company": True, "vat": "DE811907980", "city": "Hamburg"})
        stream = self.stream(self.crm, "party")
        old = self.env["psa.mapping"].search([("stream_id", "=", stream.id), ("state", "=", "active")])
        old.action_new_version()
        new = self.env["psa.mapping"].search([("stream_id", "=", stream.id), ("state", "=", "draft")])
        new.line_ids.filtered(lambda line: line.canonical_field == "vat").unlink()
        new._put_in_force()
        self.assertEqual(self.send(self.crm, "party", "A1", **NOVA), nova)
        self.assertEqual((nova.vat, nova.city), ("DE811907980", False))
