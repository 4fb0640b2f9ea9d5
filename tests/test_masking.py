"""Personal values: masked in messages, shown with a reason, erased for good - and proofs that go on holding."""

import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from ..connectors import canonical
from ..models.governance import erasure as erasure_module
from ..models.governance.audit_chain import ERASED
from ..models.sync.mapper import Mapper, Rule
from ..models.sync.personal import MASK, Personal, replaced
from ..models.sync.psa_message_intake import text_hash
from .engine_case import EngineCase

ADA = {"Name": "Ada Lovelace", "First": "Ada", "Entity": "HQ", "Rate": 120.5, "Boss": {"mail": "grace@example.com"}}


class PersonCase(EngineCase):

    def setUp(self):
        super().setUp()
        self.company = self.env.company
        self.users = {
            group: new_test_user(self.env, f"masked_{group}", f"psa_hub.group_{group}") for group in
            ("operator", "administrator", "approver")}
        self.second = new_test_user(self.env, "masked_second", "psa_hub.group_administrator")
        self.map_value("company", "HQ", self.company)
        self.receive("resource", ("R1", "1", ADA), ("R2", "1", {**ADA, "Name": "Grace Hopper", "First": "Grace"}))
        self.receive("account", self.account("A1", Note="Contact: ADA LOVELACE, 12.50 EUR"))
        self.drain()
        self.ada, self.grace, self.note = self.messages()

    def as_user(self, group, record=None):
        return (self.ada if record is None else record).with_user(self.users[group])


@tagged("post_install", "-at_install")
class TestMasking(PersonCase):

    def test_fields_of_people_are_marked_by_the_vocabulary(self):
        lines = self.streams["resource"].mapping_ids.line_ids
        self.assertEqual({line.canonical_field: line.personal for line in lines},
                         {"name": True, "company": False, "user": False})
        for type_name in ("person", "user", "resource"):
            for name in {"name", "email", "phone"} & canonical.TYPES[type_name].fields.keys():
                self.assertTrue(canonical.TYPES[type_name].fields[name].personal, (type_name, name))

    def test_a_user_without_the_right_sees_no_name(self):
        for group in ("operator", "administrator"):
            shown = json.loads(self.as_user(group).payload_text)
            self.assertEqual(shown, {**ADA, "Name": MASK, "First": MASK, "Boss": {"mail": MASK}})
            self.assertTrue(self.as_user(group).is_masked)
            with self.assertRaises(AccessError):
                self.as_user(group).read(["payload"])
            with self.assertRaises(AccessError):
                self.as_user(group).search([("payload", "like", "Ada")])
        self.users["operator"].group_ids += self.env.ref("psa_hub.group_personal")
        self.assertEqual(json.loads(self.as_user("operator").payload_text), ADA)

    def test_a_field_of_a_map_in_force_can_be_marked(self):
        line = self.streams["resource"].mapping_ids.line_ids.filtered(lambda item: item.canonical_field == "company")
        with self.assertRaises(UserError):
            line.write({"path": "Other"})
        line.write({"personal": True})
        self.assertEqual(json.loads(self.as_user("operator").payload_text)["Entity"], MASK)

    def test_what_cannot_be_read_is_not_shown(self):
        self.ada.payload = "<xml>Ada</xml>"
        self.assertEqual(self.as_user("operator").payload_text, MASK)

    def test_a_correction_shows_and_keeps_personal_values_masked(self):
        self.receive("resource", ("R3", "1", {**ADA, "Name": "Grace Hopper", "Entity": "Nowhere"}))
        self.drain()
        message = self.messages()[-1]
        operator = self.users["operator"]
        wizard = self.env["psa.message.correct"].with_user(operator).browse(
            message.with_user(operator).action_correct()["res_id"])
        shown = {line.name: (line.shown, line.old_value) for line in wizard.line_ids}
        self.assertEqual((shown["Name"], shown["Entity"]), ((MASK, f'"{MASK}"'), ("Nowhere", '"Nowhere"')))
        wizard.line_ids.filtered(lambda line: line.name == "Name").value = "Grace B. Hopper"
        wizard.line_ids.filtered(lambda line: line.name == "Entity").value = "HQ"
        wizard.reason = "Her new name"
        wizard.action_correct()
        changes = message.change_ids
        self.assertEqual({(change.old_text, change.new_text) for change in changes.with_user(operator)},
                         {(MASK, MASK), ("Nowhere", "HQ")})
        self.assertEqual({(change.old_value, change.new_value) for change in changes},
                         {('"Grace Hopper"', '"Grace B. Hopper"'), ('"Nowhere"', '"HQ"')}, "the content is what counts")
        with self.assertRaises(AccessError):
            changes.with_user(operator).read(["old_value"])
        for row in self.env["psa.audit"].search([("event", "=", "message.correct")]):
            self.assertNotIn("Hopper", json.dumps([row.before, row.after]))

    def test_an_administrator_unmasks_with_a_reason(self):
        with self.assertRaises(AccessError):
            self.as_user("operator").action_unmask()
        action = self.as_user("administrator").action_unmask()
        wizard = self.env[action["res_model"]].with_user(self.users["administrator"]).with_context(
            **action["context"]).create({"reason": "Ticket 7"})
        self.assertFalse(wizard.content)
        wizard.action_show()
        self.assertIn("Ada Lovelace", wizard.content)
        row = self.env["psa.audit"].search([("event", "=", "message.unmask")], limit=1)
        self.assertEqual((row.user_id, row.res_id, row.reason), (self.users["administrator"], self.ada.id, "Ticket 7"))
        self.assertTrue(self.as_user("administrator").is_masked, "once, not for ever")

    def test_errors_do_not_quote_personal_values(self):
        mapper = Mapper("resource", [Rule("name", "Name", transform="percent_to_ratio", personal=True)])
        with self.assertRaises(canonical.CanonicalError) as caught:
            mapper.map({"Name": "Ada Lovelace"})
        self.assertNotIn("Ada", str(caught.exception))
        with self.assertRaises(canonical.CanonicalError) as caught:
            canonical.coerce("resource", {"name": {"first": "Ada"}})
        self.assertNotIn("Ada", str(caught.exception))

    def test_a_list_of_messages_takes_as_many_queries_as_one(self):
        self.receive("resource", *((f"P{number}", "1", ADA) for number in range(20)))
        messages = self.messages("resource").with_user(self.users["operator"])
        messages[:1].mapped("payload_text")
        self.env.invalidate_all()
        with self.assertQueryCount(12):
            messages.mapped("payload_text")

    def test_texts(self):
        is_personal = Personal({"Ada Lovelace", "ada@x.org"}, parts=True)
        for text, expected in (("ada  lovelace", True), ("Ada", True), ("Adam", False), ("By Ada Lovelace", True),
                               ("A", False), ("", False), ("ADA@X.ORG", True)):
            self.assertEqual(is_personal(text), expected, text)
        self.assertFalse(Personal({"Ada Lovelace"})("Ada"))
        self.assertEqual(replaced({"a": ["Ada", 1, None, True]}, is_personal, "-"), {"a": ["-", 1, None, True]})


@tagged("post_install", "-at_install")
class TestErasure(PersonCase):

    def setUp(self):
        super().setUp()
        self.partner_ada = self.partner("Resource", "R1")
        self.partner_ada.write({"email": "ada@example.com", "phone": "+44 20 7946 0018", "street": False})
        self.env["psa.audit"]._log([
            {"event": "test.a", "company_id": self.company.id, "before": {"who": "Ada Lovelace", "amount": 99.5},
             "reason": "Asked by ada@example.com"},
            {"event": "test.b", "company_id": self.company.id, "before": {"who": "Grace Hopper"}},
        ])
        self.exception = self.env["psa.exception"]._raise([{
            "cause": "incomplete_terms", "subject_key": "k", "text": "Ada Lovelace has no rate", "amount": 75,
            "company_id": self.company.id}])["incomplete_terms", "k"]
        self.env["psa.audit"]._seal_all()

    def request(self, **values):
        return self.env["psa.erasure"].with_user(self.users["administrator"]).create({
            "partner_id": self.partner_ada.id, "reason": "Request 5", **values})

    def erase(self):
        erasure = self.request()
        erasure.with_user(self.second).action_erase()
        self.env["psa.erasure"]._cron_erase()
        self.env.invalidate_all()
        return erasure

    def leftovers(self, *values):
        """Names of the hub's tables in which one of ``values`` still stands."""
        self.env.flush_all()
        found = set()
        for table, in self.env.execute_query(SQL(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'psa\\_%%'")):
            for value in values:
                if self.env.execute_query(SQL(
                        "SELECT 1 FROM %s item WHERE item::text ILIKE %s LIMIT 1",
                        SQL.identifier(table), f"%{value}%")):
                    found.add((table, value))
        return found

    def test_nothing_names_the_person_and_everything_adds_up(self):
        erasure = self.erase()
        self.assertEqual(erasure.state, "done")
        self.assertFalse(self.leftovers("Lovelace", "ada@example.com", "7946"))
        self.assertEqual(json.loads(self.ada.payload), {**ADA, "Name": ERASED, "First": ERASED})
        self.assertEqual(json.loads(self.grace.payload)["Name"], "Grace Hopper", "others stay")
        self.assertEqual(json.loads(self.note.payload)["Note"], ERASED)
        self.assertEqual((self.exception.amount, self.exception.name), (75, f"{ERASED} has no rate"))
        self.assertEqual((self.partner_ada.name, self.partner_ada.email), (f"Erased person {erasure.id}", False))
        self.assertFalse(erasure.sudo().values)

    def test_corrections_do_not_keep_the_person(self):
        self.receive("resource", ("R3", "1", {**ADA, "Entity": "Nowhere"}))
        self.drain()
        message = self.messages()[-1]
        change = self.env["psa.message.change"]._correct(
            message, [(["Name"], '"Ada Lovelace"', '"Née Ada Lovelace"')], "Ada Lovelace said so")
        self.erase()
        self.assertFalse(self.leftovers("Lovelace"))
        self.assertEqual((change.old_value, change.new_value, change.reason, message.overlay), (
            f'"{ERASED}"', f'"Née {ERASED}"', f"{ERASED} said so", [[["Name"], f'"Née {ERASED}"']]))

    def test_the_audit_trail_still_proves_itself(self):
        before = self.env["psa.audit"].search([("event", "=", "test.a")]).seal
        erasure = self.erase()
        row = self.env["psa.audit"].search([("event", "=", "test.a")])
        self.assertEqual((row.before, row.reason), ({"who": ERASED, "amount": 99.5}, ERASED))
        self.assertEqual(row.seal, before, "the same hash")
        self.assertFalse(row.sudo().salt, "its salt is destroyed")
        self.assertTrue(row.is_erased)
        self.env["psa.audit"]._seal_all()
        self.assertFalse(self.env["psa.audit"]._check_chain(self.company.id)[2])
        noted = self.env["psa.audit"].search([("event", "=", "person.erase")])
        self.assertEqual((noted.user_id, noted.reason), (self.second, "Request 5"))
        self.assertIn(row.id, noted.after["audit_rows"])
        self.assertEqual(erasure.audit_count, len(noted.after["audit_rows"]))

    def test_what_is_left_of_an_erased_row_cannot_be_changed_unseen(self):
        self.erase()
        row = self.env["psa.audit"].search([("event", "=", "test.a")])
        self.env.cr.execute("ALTER TABLE psa_audit DISABLE TRIGGER USER")
        self.env.cr.execute(
            "UPDATE psa_audit SET before = jsonb_set(before, '{amount}', '98') WHERE id = %s", [row.id])
        self.env.cr.execute("ALTER TABLE psa_audit ENABLE TRIGGER USER")
        self.assertEqual(self.env["psa.audit"]._check_chain(self.company.id)[2], [(row.sequence, "changed")])

    def test_hashes_of_contents_are_those_of_what_is_left(self):
        old = self.ada.payload_hash
        self.erase()
        self.assertEqual(self.ada.payload_hash, text_hash(self.ada.payload))
        self.assertNotEqual(self.ada.payload_hash, old, "the old one would tell whoever guesses the name")

    def test_two_people_are_needed_unless_the_company_has_one(self):
        erasure = self.request()
        with self.assertRaises(AccessError):
            erasure.action_erase()
        self.company.psa_allow_self_approval = True
        erasure.action_erase()
        self.assertEqual(erasure.state, "running")
        with self.assertRaises(UserError):
            erasure.action_erase()
        with self.assertRaises(AccessError):
            erasure.reason = "Other"

    def test_a_legal_hold_and_a_company_go_first(self):
        erasure = self.request()
        hold = self.env["psa.legal.hold"].create({"partner_id": self.partner_ada.id, "reason": "Case"})
        with self.assertRaisesRegex(UserError, "legal hold"):
            erasure.with_user(self.second).action_erase()
        hold.action_release("Done")
        self.partner_ada.is_company = True
        with self.assertRaisesRegex(UserError, "company"):
            erasure.with_user(self.second).action_erase()

    def test_many_messages_take_several_steps(self):
        self.patch(erasure_module, "IDS_AT_ONCE",
                   max(self.messages().ids) // 3)
        erasure = self.request()
        erasure.with_user(self.second).action_erase()
        steps = 1
        while not erasure.sudo()._step():
            steps += 1
        self.assertGreater(steps, 3)
        self.assertFalse(self.leftovers("Lovelace"))

    def test_an_employee_with_a_user(self):
        user = new_test_user(self.env, "marie.curie", "base.group_user", name="Marie Curie")
        employee = self.env["hr.employee"].create({
            "name": "Marie Curie", "user_id": user.id, "company_id": self.company.id, "work_phone": "0123 456789"})
        erasure = self.request(partner_id=False, employee_id=employee.id)
        erasure.with_user(self.second).action_erase()
        self.env["psa.erasure"]._cron_erase()
        self.assertEqual(employee.name, f"Erased person {erasure.id}")
        self.assertFalse(employee.work_phone)
        self.assertEqual((user.active, user.login), (False, f"erased-{user.id}"))
