"""One customer in several systems is one partner: how sure a match is, and what happens with it."""

import threading
from types import SimpleNamespace

from psycopg2.errors import CheckViolation, SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.exceptions import AccessError, UserError
from odoo.sql_db import db_connect
from odoo.tests import BaseCase, Form, TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..connectors import canonical
from ..models.apply.party_match import Party, domain_of, name_key, normalise_vat, score
from ..models.sync.item import Item
from .apply_common import ApplyCase
from .sources_common import SourcesCase

SAME_NAME = [
    ("Birkenfeld Möbel AG", "Birkenfeld Moebel AG"),
    ("Birkenfeld Möbel AG", "BIRKENFELD MOBEL"),
    ("Caldera Foods B.V.", "Caldera Foods BV"),
    ("Delfino Turismo S.r.l.", "Delfino Turismo SRL"),
    ("Novaterra Energie GmbH", "Novaterra Energie"),
    ("Novaterra Energie GmbH & Co. KG", "Novaterra Energie GmbH"),
    ("Eichenhof Kliniken gGmbH", "Eichenhof-Kliniken"),
    ("Müller & Söhne OHG", "Mueller und Soehne"),
    ("Société Générale S.A.", "Societe Generale"),
    ("Dupont S. à r.l.", "SARL Dupont"),
    ("Contoso, Inc.", "Contoso Incorporated"),
    ("Contoso Co., Ltd.", "The Contoso Company"),
    ("Ørsted A/S", "Orsted"),
    ("Weiß UG (haftungsbeschränkt)", "Weiss"),
    ("Kowalski sp. z o.o.", "Kowalski"),
    ("O’Reilly Media Inc", "O'Reilly Media"),
    ("株式会社トヨタ", "株式会社トヨタ"),
]
OTHER_NAME = [
    ("Novaterra Energie GmbH", "Novaterra Wasser GmbH"),
    ("Contoso France SARL", "Contoso SARL"),
    ("Müller Bau GmbH", "Möller Bau GmbH"),
    ("AG", "GmbH"),
]
DE, NL = "DE", "NL"
NOVA = Party("novaterraenergie", "novaterra.example", "DE811907980", DE, "Hamburg")
SCORES = [
    ("the same tax number, whatever else", 100, Party("x", "other.example", "DE811907980", NL)),
    ("name and domain", 95, Party("novaterraenergie", "novaterra.example")),
    ("name and country", 90, Party("novaterraenergie", "", "", DE)),
    ("a similar name on the domain", 80, Party("novaterra", "novaterra.example")),
    ("the name alone", 70, Party("novaterraenergie")),
    ("another firm on the domain", 65, Party("solarwerk", "novaterra.example")),
    ("the branch in another country", 65, Party("novaterraenergie", "novaterra.example", "", NL)),
    ("another tax number", 60, Party("novaterraenergie", "", "DE129273398", DE)),
    ("another domain", 75, Party("novaterraenergie", "novaterra-energie.example", "", DE)),
    ("another city", 80, Party("novaterraenergie", "", "", DE, "Bremen")),
    ("a namesake in another country", 40, Party("novaterraenergie", "", "", NL)),
    ("a namesake in everything else", 15, Party("novaterraenergie", "nova.example", "", NL, "Amsterdam")),
    ("somebody else", 0, Party("caldera", "caldera.example", "", DE)),
    ("nothing known of either", 0, Party("")),
]


@tagged("post_install", "-at_install")
class TestPartyMatchScore(BaseCase):
    """Plain functions: no database."""

    def test_names_that_are_the_same(self):
        for one, other in SAME_NAME:
            with self.subTest(one=one, other=other):
                self.assertEqual(name_key(one), name_key(other))
                self.assertTrue(name_key(one))

    def test_names_that_are_not(self):
        for one, other in OTHER_NAME:
            with self.subTest(one=one, other=other):
                self.assertNotEqual(name_key(one), name_key(other))

    def test_the_score_says_how_sure_it_is(self):
        for what, points, other in SCORES:
            with self.subTest(what):
                self.assertEqual(score(NOVA, other), points)
                self.assertEqual(score(other, NOVA), points, "from either side")

    def test_domains(self):
        for website, email, domain in (
            ("https://www.Novaterra.example/de?x=1", "", "novaterra.example"),
            ("novaterra.example:8080", "", "novaterra.example"),
            ("", "Ada Brandt <ada@Novaterra.example>", "novaterra.example"),
            ("www.möbel.example", "", "xn--mbel-5qa.example"),
            ("https://facebook.com/nova", "ada@novaterra.example", "novaterra.example"),
            ("", "nova@gmail.com", ""),
            ("", "nova@yahoo.co.uk", ""),
            ("https://nova.wixsite.com", "", ""),
            ("no website yet", "no mail", ""),
            ("http://[broken", None, ""),
        ):
            with self.subTest(website=website, email=email):
                self.assertEqual(domain_of(website, email), domain)

    def test_tax_numbers(self):
        self.assertEqual(normalise_vat("de 811.907-980"), "DE811907980")
        self.assertEqual(normalise_vat(None), "")


@tagged("post_install", "-at_install")
class TestPartyMatch(ApplyCase):

    def setUp(self):
        super().setUp()
        self.nova = self.env["res.partner"].create({
            "name": "Novaterra Energie GmbH", "is_company": True, "website": "https://novaterra.example",
            "country_id": self.env.ref("base.de").id, "city": "Hamburg"})

    def test_name_and_domain_adopt(self):
        item = self.apply("party", name="Novaterra Energie", email="ada.brandt@novaterra.example")
        self.assertEqual(item.record, self.nova)

    def test_name_and_country_adopt(self):
        self.assertEqual(self.party("NOVATERRA ENERGIE", country="Germany"), self.nova)

    def test_the_name_alone_is_asked_about(self):
        item = self.apply("party", name="Novaterra Energie")
        self.assert_held(item, "uncertain_party", "“Novaterra Energie”", "“Novaterra Energie GmbH” (score 70)")
        self.assertEqual(list(item.outcome.choices), [self.nova])

    def test_a_free_mail_address_says_nothing(self):
        self.nova.website = "https://gmail.com"
        item = self.apply("party", name="Bakery Brandt", email="brandt@gmail.com")
        self.assert_state(item, "done")
        self.assertNotEqual(item.record, self.nova)

    def test_a_namesake_elsewhere_is_another_customer(self):
        item = self.apply("party", name="Novaterra Energie B.V.", country="NL", city="Amsterdam")
        self.assertNotEqual(item.record, self.nova)

    def test_two_that_are_sure_are_asked_about(self):
        twin = self.nova.copy({"name": "Novaterra Energie AG"})
        item = self.apply("party", name="Novaterra Energie", website="novaterra.example")
        self.assert_held(item, "uncertain_party", "GmbH” (score 95)", "AG” (score 95)")
        self.assertEqual(set(item.outcome.choices), {self.nova, twin})

    def test_archived_ones_and_contacts_are_no_candidates(self):
        self.nova.active = False
        self.env["res.partner"].create({"name": "Novaterra Energie", "parent_id": self.party("Holding").id})
        item = self.apply("party", name="Novaterra Energie", website="novaterra.example")
        self.assert_state(item, "done")
        self.assertTrue(item.record.is_company)
        self.assertNotEqual(item.record, self.nova)

    def test_a_customer_of_another_company_is_no_candidate(self):
        self.nova.company_id = self.de
        self.assertNotEqual(self.party("Novaterra Energie", website="novaterra.example"), self.nova)

    def test_one_source_knows_its_customers_apart(self):
        first = self.party("Novaterra Energie", website="novaterra.example")
        second = self.party("Novaterra Energie", website="novaterra.example")
        self.assertEqual(first, self.nova)
        self.assertNotEqual(second, first)

    def test_two_of_one_batch_never_share_a_partner(self):
        first, second = self.run_items(*(
            self.item("party", f"A{number}", name="Novaterra Energie", website="novaterra.example")
            for number in range(2)))
        self.assertEqual(first.record, self.nova)
        self.assertNotEqual(second.record, first.record)

    def test_the_company_says_from_which_score(self):
        self.us.psa_match_from = 70
        self.assertEqual(self.party("Novaterra Energie"), self.nova)

    def test_below_the_asking_score_it_is_new(self):
        self.us.psa_match_ask_from = 71
        item = self.apply("party", name="Novaterra Energie")
        self.assert_state(item, "done")
        self.assertNotEqual(item.record, self.nova)

    def test_scores_are_in_order(self):
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.us.write({"psa_match_from": 50, "psa_match_ask_from": 60})
            self.env.flush_all()

    def test_the_keys_follow_the_name(self):
        self.nova.write({"name": "Solarwerk AG", "website": False, "email": "info@solarwerk.example"})
        self.assertEqual((self.nova.psa_match_key, self.nova.psa_match_domain), ("solarwerk", "solarwerk.example"))

    def test_customers_are_recognised_by_the_keys_that_people_use(self):
        self.nova.ref = "K-100"
        found = self.handler("party")._recognise(self.connection, {"k-100", "Novaterra Energie", "Nobody"})
        self.assertEqual(found.get("Novaterra Energie"), self.nova)
        self.assertNotIn("Nobody", found)

    def test_queries_do_not_grow_with_the_batch(self):
        def queries(size, start):
            self.env["res.partner"].create([
                {"name": f"Known {number} GmbH", "is_company": True, "website": f"known{number}.example"}
                for number in range(start, start + size)])
            items = [self.item("party", f"Q{number}", name=f"Known {number}", website=f"known{number}.example")
                     for number in range(start, start + size)]
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            handler = self.handler("party")
            handler._prepare(items)
            count = self.env.cr.sql_log_count - before
            self.assertTrue(all(item.record for item in items))
            return count

        queries(2, 0)
        self.assertLessEqual(queries(100, 1000), queries(10, 100) + 1)


@tagged("post_install", "-at_install")
class TestPartyMatchBetweenSystems(SourcesCase):

    def test_one_customer_in_two_systems_is_one_partner(self):
        nova = self.send(self.crm, "party", "A1", name="Novaterra Energie GmbH", website="novaterra.example")
        again = self.send(self.tracker, "party", "31", name="Novaterra Energie", email="ada@novaterra.example")
        self.assertEqual(again, nova)

    def ask(self):
        """A customer of which the tracker knows only the name, and the exception that asks about it."""
        self.nova = self.send(self.crm, "party", "A1", name="Novaterra Energie GmbH", country="DE")
        self.assertIsNone(self.send(self.tracker, "party", "31", name="Novaterra Energie"))
        message = self.message(self.tracker, "party", "31")
        self.assert_held(message, "uncertain_party", "from Tracker", "(score 70)")
        return message, message.exception_id

    def wizard(self, exception, user=None):
        action = exception.with_user(user or self.reviewer).action_fix()
        return Form(self.env[action["res_model"]].with_user(user or self.reviewer).with_context(**action["context"]))

    def test_a_person_says_that_it_is_the_same(self):
        message, exception = self.ask()
        with self.wizard(exception) as form:
            self.assertEqual(form.partner_id, self.nova, "the likeliest one is offered")
            self.assertEqual(form.candidate_ids.ids, self.nova.ids)
        form.record.action_link()
        self.drain()
        self.assertEqual(message.state, "done")
        self.assertEqual(self.record(self.tracker, "party", "31"), self.nova)
        self.assertEqual(exception.state, "resolved")

    def test_a_person_says_that_it_is_a_new_customer(self):
        message, exception = self.ask()
        self.send(self.tracker, "project", "P1", name="Portal", party="31")
        self.assertEqual(self.message(self.tracker, "project", "P1").state, "waiting")
        self.wizard(exception).save().action_create_new()
        self.drain()
        self.assertEqual(message.state, "done")
        partner = self.record(self.tracker, "party", "31")
        self.assertNotEqual(partner, self.nova)
        self.assertEqual(self.record(self.tracker, "project", "P1").partner_id, partner, "what waited goes on")
        self.assertEqual(exception.state, "resolved")
        audit = self.env["psa.audit"].search([("event", "=", "message.decide"), ("res_id", "=", message.id)])
        self.assertEqual((audit.user_id, audit.after), (self.reviewer, {"uncertain_party": "new"}))

    def test_a_later_version_is_not_asked_about_again(self):
        _message, exception = self.ask()
        exception.with_user(self.reviewer)._is_new_customer()
        self.drain()
        partner = self.record(self.tracker, "party", "31")
        self.send(self.tracker, "party", "31", name="Novaterra Energie GmbH", country="DE")
        self.assertEqual(self.message(self.tracker, "party", "31").state, "done")
        self.assertEqual(partner.name, "Novaterra Energie GmbH")

    def test_an_auditor_decides_nothing(self):
        _message, exception = self.ask()
        auditor = new_test_user(self.env, "auditor", "psa_hub.group_auditor", company_id=self.firm.id,
                                company_ids=[(6, 0, self.firm.ids)])
        with self.assertRaises(AccessError):
            exception.with_user(auditor)._is_new_customer()

    def test_only_this_question_makes_new_customers(self):
        self.send(self.crm, "party", "A9", name="Contoso", country="Atlantis")
        exception = self.message(self.crm, "party", "A9").exception_id
        with self.assertRaises(UserError):
            exception.with_user(self.reviewer)._is_new_customer()


@tagged("post_install", "-at_install")
class TestPartyMatchWorkers(TransactionCase):
    """Two workers with two systems' customers at once, in two real transactions."""

    NAME = "Zweimeister Werkzeugbau"

    def worker(self):
        cr = db_connect(self.env.cr.dbname).cursor()
        self.addCleanup(cr.close)
        self.addCleanup(cr.rollback)
        return api.Environment(cr, SUPERUSER_ID, {})

    def clean(self):
        env = self.worker()
        env["res.partner"].search([("name", "=", self.NAME)]).unlink()
        env.cr.execute("DELETE FROM psa_apply_turn WHERE name LIKE %s", ("%zweimeister%",))
        env.cr.commit()

    def apply(self, env):
        """Do with a customer of some connection what a batch does; return its item."""
        claim = SimpleNamespace(message=env["psa.message"], connection=env["psa.connection"], company=env.company,
                                source_version="", decided={})
        item = Item(claim, "Account", "A1", "party", canonical.coerce("party", {
            "name": self.NAME, "website": "zweimeister.example"}))
        handler = env["psa.apply.party"]
        handler._prepare([item])
        handler._apply([item])
        return item

    def test_one_customer_of_two_systems_at_once_is_one_partner(self):
        self.addCleanup(self.clean)
        first, second = self.worker(), self.worker()
        second.cr.execute("SELECT 1")  # its snapshot is older than what the first one does
        made = self.apply(first).record
        errors = []

        def try_it():
            try:
                self.apply(second)
            except SerializationFailure as error:
                errors.append(error)

        with mute_logger("odoo.sql_db"):
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join(0.5)
            self.assertTrue(thread.is_alive(), "it waits for the first one")
            first.cr.commit()
            thread.join(20)
        self.assertEqual(len(errors), 1, "then it starts again, as the lane does")
        second.cr.rollback()
        second.invalidate_all()
        self.assertEqual(self.apply(second).record.id, made.id)
