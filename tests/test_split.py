# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""An external record that was taken for an Odoo record that it is not: a person, or the source, splits it off."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from .sources_common import SourcesCase

NOVA = {"name": "Novaterra Energie GmbH", "website": "novaterra.example", "vat": "DE811907980"}
SOLAR = {"name": "Solarwerk AG", "website": "solarwerk.example"}


class SplitCase(SourcesCase):

    def binding(self, connection, external_id, object_type="Account"):
        return self.env["psa.binding"].search([
            ("connection_id", "=", connection.id), ("object_type", "=", object_type),
            ("external_id", "=", external_id)])

    def merge(self, loser, winner, connection=None, code="party"):
        return self.send(connection or self.crm, code, loser, "merge", winner=winner)

    def split(self, binding, record=None, user=None, **values):
        """Go through the dialog as a reviewer does; return the ``[contacts, contracts, projects, unknown]`` it told."""
        user = user or self.reviewer
        action = binding.with_user(user).action_split()
        with Form(self.env[action["res_model"]].with_user(user).with_context(**action["context"])) as form:
            form.reason = values.pop("reason", "They are two firms.")
            if record is None:
                form.choice = "own"
            else:
                form.partner_id = record
            for alias in values.pop("aliases", ()):
                form.alias_ids.add(alias)
            for name, value in values.items():
                form[name] = value
        told = [form.record[f"{what}_count"] for what in ("contact", "contract", "project", "unknown")]
        form.record.action_split()
        self.drain()
        return told

    def notes(self, record):
        return " ".join(record.message_ids.mapped("body"))


@tagged("post_install", "-at_install")
class TestSplitByAPerson(SplitCase):

    def test_a_wrong_match_becomes_its_own_record(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.assertEqual(self.send(self.tracker, "party", "31", **NOVA), nova, "the same tax number")
        self.split(self.binding(self.tracker, "31"))
        own = self.record(self.tracker, "party", "31")
        self.assertTrue(own)
        self.assertNotEqual(own, nova)
        self.assertEqual((own.name, own.vat), (NOVA["name"], NOVA["vat"]))
        self.assertEqual(self.record(self.crm, "party", "A1"), nova)
        self.assertIn("They are two firms.", self.notes(nova))
        self.send(self.tracker, "party", "31", **{**NOVA, "city": "Kiel"})
        self.assertEqual((own.city, nova.city), ("Kiel", False))

    def test_the_audit_says_who_split_what_and_why(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.tracker, "party", "31", **NOVA)
        binding = self.binding(self.tracker, "31")
        self.split(binding)
        audit = self.env["psa.audit"].search([("event", "=", "binding.split")])
        self.assertEqual((audit.user_id, audit.res_id, audit.reason),
                         (self.reviewer, binding.id, "They are two firms."))
        self.assertEqual((audit.before["res_id"], audit.after["own_record"]), (nova.id, True))

    def test_it_stays_its_own_when_the_record_is_deleted_in_odoo(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.tracker, "party", "31", **NOVA)
        self.split(self.binding(self.tracker, "31"))
        self.record(self.tracker, "party", "31").unlink()
        self.send(self.tracker, "party", "31", **NOVA, city="Kiel")
        self.assertNotIn(self.record(self.tracker, "party", "31"), (None, nova))

    def test_a_wrong_match_is_linked_to_the_right_record(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.tracker, "party", "31", **NOVA, phone="+49 40 1")
        right = self.env["res.partner"].create({"name": "Novaterra Netz GmbH", "is_company": True})
        self.split(self.binding(self.tracker, "31"), right)
        self.assertEqual(self.record(self.tracker, "party", "31"), right)
        self.assertEqual(right.phone, "+49 40 1", "what the source says of it is told to the right one")
        self.assertEqual(self.record(self.crm, "party", "A1"), nova)
        self.assertIn("Account 31 of Tracker is this record from now on", self.notes(right))

    def test_one_that_is_there_twice_is_an_alias(self):
        self.send(self.crm, "party", "A1", **NOVA)
        solar = self.send(self.crm, "party", "A2", **SOLAR)
        first, second = self.binding(self.crm, "A1"), self.binding(self.crm, "A2")
        self.split(first, solar)
        self.assertEqual((first.alias_of_id, first.res_id), (second, solar.id))
        self.send(self.crm, "party", "A1", **NOVA, city="Kiel")
        self.assertEqual(first.alias_of_id, second, "a person said so: a newer version does not split it off")

    def test_a_merge_is_undone_and_the_source_cannot_repeat_it(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "party", "A2", **SOLAR)
        self.merge("A2", "A1")
        binding = self.binding(self.crm, "A2")
        self.assertEqual((binding.res_id, binding.merged_at_source), (nova.id, True))
        self.split(binding)
        solar = self.record(self.crm, "party", "A2")
        self.assertEqual((solar.name, binding.alias_of_id.id), (SOLAR["name"], False))
        self.merge("A2", "A1")
        self.assertEqual(self.message(self.crm, "party", "A2").skip_reason, "out_of_scope")
        self.assertEqual(self.record(self.crm, "party", "A2"), solar)
        third = self.send(self.crm, "party", "A3", name="Caldera Foods B.V.")
        self.merge("A2", "A3")
        self.assertEqual(self.record(self.crm, "party", "A2"), third, "a merge with another one is followed")

    def test_what_was_merged_into_it_stays_behind_with_a_new_head(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        for number, name in enumerate(("Solarwerk AG", "Caldera Foods B.V."), 2):
            self.send(self.crm, "party", f"A{number}", name=name)
            self.merge(f"A{number}", "A1")
        first, second, third = (self.binding(self.crm, f"A{number}") for number in (1, 2, 3))
        self.split(first)
        own = self.record(self.crm, "party", "A1")
        self.assertNotEqual(own, nova)
        self.assertEqual((second.alias_of_id.id, third.alias_of_id), (False, second))
        self.assertEqual({second.res_id, third.res_id}, {nova.id})
        self.merge("A2", "A1")
        self.assertEqual(self.record(self.crm, "party", "A2"), nova, "the same merge is not followed again")

    def test_what_was_merged_into_it_goes_with_it_when_asked(self):
        self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "party", "A2", **SOLAR)
        self.merge("A2", "A1")
        first, second = self.binding(self.crm, "A1"), self.binding(self.crm, "A2")
        self.split(first, aliases=[second])
        own = self.record(self.crm, "party", "A1")
        self.assertTrue(own)
        self.assertEqual((second.alias_of_id, second.res_id), (first, own.id), "it follows to the new record")

    def test_linking_back_lets_the_source_merge_again(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "party", "A2", **SOLAR)
        self.merge("A2", "A1")
        first, second = self.binding(self.crm, "A1"), self.binding(self.crm, "A2")
        self.split(second)
        self.assertEqual((first.split_from, second.split_from), (["A2"], ["A1"]))
        self.split(second, nova)
        self.assertEqual((second.alias_of_id, second.own_record), (first, False))
        self.assertFalse(first.split_from or second.split_from)

    def test_contacts_are_counted_and_follow_on_request(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "person", "C1", name="Ada Brandt", party="A1", email="ada@novaterra.example")
        self.send(self.crm, "party", "A2", **SOLAR)
        sol = self.send(self.crm, "person", "C2", name="Sol Reyes", party="A2", email="sol@solarwerk.example")
        self.send(self.crm, "project", "P2", name="Roof", party="A2")
        self.merge("A2", "A1")
        self.assertEqual(sol.parent_id, nova, "the merge brought it there")
        self.assertEqual(self.split(self.binding(self.crm, "A2"), move_contacts=True), [1, 0, 1, 0])
        solar = self.record(self.crm, "party", "A2")
        self.assertEqual(sol.parent_id, solar)
        self.assertEqual(self.record(self.crm, "person", "C1").parent_id, nova)
        self.assertEqual(self.record(self.crm, "person", "C2"), sol)

    def test_contracts_projects_and_contacts_stay_unless_asked(self):
        order = self.sell(self.crm)
        nova = order.partner_id
        project = self.send(self.crm, "project", "P1", name="Portal", deal="D1", company="US")
        ada = self.send(self.crm, "person", "C1", name="Ada Brandt", party="A1")
        self.assertEqual(self.split(self.binding(self.crm, "A1")), [1, 1, 1, 0])
        self.assertNotEqual(self.record(self.crm, "party", "A1"), nova)
        self.assertEqual((order.partner_id, project.partner_id, ada.parent_id), (nova, nova, nova))

    def test_purged_content_is_said_to_be_unknown(self):
        self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "person", "C1", name="Ada Brandt", party="A1")
        (self.message(self.crm, "person", "C1") | self.message(self.crm, "party", "A1")).payload = False
        binding = self.binding(self.crm, "A1")
        nova = self.record(self.crm, "party", "A1")
        wizard = self.env["psa.binding.split"].with_user(self.reviewer).create({
            "binding_id": binding.id, "reason": "Wrong", "choice": "own"})
        self.assertEqual((wizard.contact_count, wizard.unknown_count), (0, 1))
        with self.assertRaises(UserError):
            wizard.action_split()
        self.env["psa.binding"].invalidate_model()
        self.split(binding, self.env["res.partner"].create({"name": "Another", "is_company": True}))
        self.assertNotEqual(self.record(self.crm, "party", "A1"), nova, "linking needs no content")

    def test_what_waits_meanwhile_goes_on_with_the_new_record(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.binding(self.crm, "A1").with_user(self.reviewer)._split(None, "Wrong")
        self.send(self.crm, "project", "P1", name="Portal", party="A1")
        own = self.record(self.crm, "party", "A1")
        self.assertNotIn(own, (None, nova))
        self.assertEqual(self.record(self.crm, "project", "P1").partner_id, own)

    def test_a_person_is_split_from_an_employee(self):
        jane = self.person(self.crm)
        self.assertEqual(self.person(self.tracker, "R9"), jane)
        self.split(self.binding(self.tracker, "R9", "Resource"))
        self.assertNotEqual(self.record(self.tracker, "resource", "R9"), jane)
        self.assertEqual(self.record(self.crm, "resource", "R1"), jane)

    def test_what_cannot_be_split(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        binding = self.binding(self.crm, "A1").with_user(self.reviewer)
        jane = self.person(self.crm)
        for record, reason in ((nova, "Wrong"), (jane, "Wrong"), (None, " ")):
            with self.assertRaises(UserError):
                binding._split(record, reason)
        self.send(self.crm, "party", "A1", "delete")
        with self.assertRaisesRegex(UserError, "deleted at the source"):
            binding._split(None, "Wrong")
        self.stream(self.tracker, "party").ownership = "link"
        self.send(self.tracker, "party", "31", **NOVA)
        with self.assertRaisesRegex(UserError, "makes no records"):
            self.binding(self.tracker, "31").with_user(self.reviewer)._split(None, "Wrong")
        money = self.env["psa.binding"].create({
            "connection_id": self.crm.id, "object_type": "Time", "external_id": "T1", "canonical_type": "time"})
        with self.assertRaisesRegex(UserError, "work or money"):
            money.with_user(self.reviewer).action_split()

    def test_only_reviewers_and_administrators_split(self):
        self.send(self.crm, "party", "A1", **NOVA)
        binding = self.binding(self.crm, "A1")
        for group in ("auditor", "operator", "mapper"):
            user = new_test_user(self.env, f"split_{group}", f"psa_hub.group_{group}", company_id=self.firm.id,
                                 company_ids=[(6, 0, self.firm.ids)])
            with self.assertRaises(AccessError):
                binding.with_user(user).action_split()
            with self.assertRaises(AccessError):
                binding.with_user(user)._split(None, "Wrong")
        administrator = new_test_user(
            self.env, "split_administrator", "psa_hub.group_administrator", company_id=self.firm.id,
            company_ids=[(6, 0, self.firm.ids)])
        self.assertEqual(binding.with_user(administrator).action_split()["res_model"], "psa.binding.split")

    def test_a_partner_shows_what_it_is_elsewhere(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.tracker, "party", "31", **NOVA)
        partner = nova.with_user(self.reviewer)
        self.assertEqual(partner.psa_binding_count, 2)
        found = self.env["psa.binding"].search(partner.action_psa_bindings()["domain"])
        self.assertEqual(found, self.binding(self.crm, "A1") | self.binding(self.tracker, "31"))


@tagged("post_install", "-at_install")
class TestSplitAtTheSource(SplitCase):

    def merged(self):
        """A1 with A2 merged into it."""
        nova = self.send(self.crm, "party", "A1", **NOVA)
        solar = self.send(self.crm, "party", "A2", **SOLAR)
        self.merge("A2", "A1")
        self.assertEqual(self.record(self.crm, "party", "A2"), nova)
        return nova, solar

    def test_a_merge_that_is_undone_at_the_source_is_undone_here(self):
        nova, solar = self.merged()
        self.assertFalse(solar.exists(), "Odoo merged the two")
        again = self.send(self.crm, "party", "A2", **SOLAR)
        self.assertNotIn(again, (None, nova))
        self.assertEqual(again.name, SOLAR["name"])
        binding = self.binding(self.crm, "A2")
        self.assertEqual((binding.alias_of_id.id, binding.merged_at_source), (False, False))
        self.assertIn("record of its own again", self.notes(nova))
        self.assertIn("record of its own again", self.notes(again))
        project = self.send(self.crm, "project", "P2", name="Roof", party="A2")
        self.assertEqual(project.partner_id, again)

    def test_the_record_that_was_archived_for_the_merge_is_in_use_again(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        solar = self.send(self.crm, "party", "A2", **SOLAR)
        self.env["psa.rate"].create({
            "partner_id": solar.id, "amount": 100, "currency_id": self.usd.id, "company_id": self.firm.id,
            "role_id": self.consultant.id})
        self.env.cr.commit()
        self.merge("A2", "A1")
        self.assertFalse(solar.active, "it has a price, so that Odoo cannot merge it")
        self.assertEqual(self.binding(self.crm, "A2").former_id, solar.id)
        self.assertEqual(self.send(self.crm, "party", "A2", **SOLAR, city="Kiel"), solar)
        self.assertEqual((solar.active, solar.city), (True, "Kiel"))
        self.assertNotEqual(solar, nova)

    def test_it_can_be_merged_and_split_again(self):
        nova, _solar = self.merged()
        self.send(self.crm, "party", "A2", **SOLAR)
        self.merge("A2", "A1")
        self.assertEqual(self.record(self.crm, "party", "A2"), nova, "the source's own word is no split of a person")
        self.assertNotIn(self.send(self.crm, "party", "A2", **SOLAR), (None, nova))

    def test_a_split_off_customer_is_not_matched_to_the_one_it_left(self):
        self.send(self.crm, "party", "A2", name="Novaterra", website="novaterra.example")
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.merge("A2", "A1")
        again = self.send(self.crm, "party", "A2", **NOVA)
        self.assertNotIn(again, (None, nova), "the same tax number all the same")

    def test_a_late_version_from_before_the_merge_splits_nothing(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "party", "A2", **SOLAR)
        self.version = 9
        self.merge("A2", "A1")
        self.version = 5
        self.send(self.crm, "party", "A2", **SOLAR, city="Kiel")
        self.assertEqual(self.record(self.crm, "party", "A2"), nova)
        self.assertEqual(self.message(self.crm, "party", "A2").skip_reason, "stale")

    def test_a_merge_or_deletion_told_again_splits_nothing(self):
        nova, _solar = self.merged()
        self.merge("A2", "A1")
        self.send(self.crm, "party", "A2", "delete")
        self.assertEqual(self.record(self.crm, "party", "A2"), nova)

    def test_one_that_cannot_be_applied_stays_merged_until_it_can(self):
        nova, _solar = self.merged()
        self.send(self.crm, "party", "A2", **SOLAR, country="Atlantis")
        self.assert_held(self.message(self.crm, "party", "A2"), "invalid_data")
        self.assertEqual(self.record(self.crm, "party", "A2"), nova)
        self.assertNotEqual(self.send(self.crm, "party", "A2", **SOLAR, country="DE"), nova)

    def test_contacts_are_unmerged_too(self):
        self.send(self.crm, "party", "A1", **NOVA)
        ada = self.send(self.crm, "person", "C1", name="Ada Brandt", party="A1", email="ada@novaterra.example")
        self.send(self.crm, "person", "C2", name="Ada B.", party="A1", email="a.brandt@novaterra.example")
        self.merge("C2", "C1", code="person")
        again = self.send(self.crm, "person", "C2", name="Ada B.", party="A1", email="ada@novaterra.example")
        self.assertNotIn(again, (None, ada))

    def test_a_deleted_record_that_comes_back_lives_again(self):
        nova = self.send(self.crm, "party", "A1", **NOVA)
        self.send(self.crm, "party", "A1", "delete")
        self.assertTrue(self.binding(self.crm, "A1").deleted_at_source)
        self.assertEqual(self.send(self.crm, "party", "A1", **NOVA), nova)
        self.assertFalse(self.binding(self.crm, "A1").deleted_at_source)
        self.assertEqual(self.message(self.crm, "party", "A1").state, "done")
