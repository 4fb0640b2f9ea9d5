from datetime import timedelta

from odoo import fields
from odoo.tests import new_test_user, tagged

from .test_exception_holders import HolderCase


@tagged("post_install", "-at_install")
class TestCatalogue(HolderCase):
    """Every flow with its owner, source of truth, freshness, map and what it holds up."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.status = cls.connection.stream_ids.filtered(lambda stream: stream.direction == "out")
        cls.auditor = new_test_user(
            cls.env, "catalogue_auditor", "psa_hub.group_auditor", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])

    def test_a_flow_says_all_of_it(self):
        self.people.last_success_at = fields.Datetime.now() - timedelta(minutes=12)
        self.hold(range(3), risk=100)
        stream = self.people.with_user(self.auditor)
        self.assertEqual((stream.system, stream.owner_id, stream.mapping_version, stream.age_minutes), (
            "fake", self.connection.owner_id, 1, 12))
        self.assertEqual((stream.exception_count, stream.exception_amount), (1, 300))
        found = self.env["psa.exception"].with_user(self.auditor).search(stream.action_open_exceptions()["domain"])
        self.assertEqual((len(found), found.amount), (1, 300))
        self.assertEqual((self.stream.exception_count, self.stream.exception_amount), (0, 0))

    def test_an_entry_that_is_held_counts_with_the_flow_that_brought_it(self):
        order = self.make_contract(("time_material", 10, 0))
        entry = self.make_time(order, [8], source_amount=1200)
        exception, messages = self.hold(range(1), risk=0)
        messages.sudo().write({"state": "done", "exception_id": False, "wait_key": False})
        exception._close_if_released()
        entry.sudo().message_id = messages
        self.assertEqual(entry.exception_id.cause_code, "missing_rate")
        self.assertEqual((self.people.exception_count, self.people.exception_amount), (1, 1200))

    def test_whose_word_counts(self):
        self.assertEqual(self.status.source_of_truth, "Odoo")
        self.assertEqual(self.stream.source_of_truth, "First system that brought the record")
        for ownership, text in (("source", "Fake Vendor"), ("fill", "Another system; Fake Vendor fills what is empty"),
                                ("link", "Another system; Fake Vendor only links")):
            self.stream.ownership = ownership
            self.assertEqual(self.stream.source_of_truth, text)

    def test_the_document_speaks_the_language_of_its_company(self):
        self.hold(range(3), risk=100)
        action = self.env["psa.stream"].with_user(self.auditor).action_catalogue_document()
        self.assertEqual(action["report_name"], "psa_hub.report_psa_catalogue")
        streams = self.connection.stream_ids.with_user(self.auditor)
        html = str(self.env["ir.actions.report"].with_user(self.auditor)._render_qweb_html(
            "psa_hub.report_psa_catalogue", streams.ids)[0].decode())
        for text in ("Integration Catalogue of", self.company.name, "Accounts", "People", "Billing status",
                     "First system that brought the record", "300.00"):
            self.assertIn(text, html)
        self.env["res.lang"]._activate_lang("de_DE")
        self.company.partner_id.lang = "de_DE"
        view = self.env.ref("psa_hub.report_psa_catalogue_document")
        view.update_field_translations("arch_db", {"de_DE": {"Flow": "Datenfluss"}})
        html = self.env["ir.actions.report"]._render_qweb_html("psa_hub.report_psa_catalogue", streams.ids)[0].decode()
        self.assertIn("Datenfluss", html)

    def test_many_flows_cost_no_more_queries(self):
        self.hold(range(3), risk=100)
        streams = self.connection.stream_ids
        self.env.flush_all()
        self.env.invalidate_all()
        with self.assertQueryCount(13):
            streams.read(["source_of_truth", "mapping_version", "exception_count", "exception_amount", "age_minutes"])
