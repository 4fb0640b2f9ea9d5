from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged

from ..models.insight.timeline import ENTRY_DOMAINS
from .test_exception_holders import HolderCase


class TimelineCase(HolderCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 10, 0))
        cls.make_rate(100, cls.order, employee_id=cls.ada.id)
        cls.auditor = new_test_user(
            cls.env, "timeline_auditor", "psa_hub.group_auditor,hr.group_hr_user,account.group_account_readonly,"
            "project.group_project_manager,sales_team.group_sale_salesman_all_leads", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])

    def whole_way(self):
        """Eight hours of Ada from their message to the payment and what the source was told; returns the entry."""
        entry = self.make_time(self.order, [8])
        Message = self.env["psa.message"].sudo()
        status = self.connection.stream_ids.filtered(lambda stream: stream.direction == "out")
        common = {"connection_id": self.connection.id, "company_id": self.company.id, "object_type": "Contact",
                  "external_id": "T1"}
        incoming = Message.create({
            **common, "stream_id": self.people.id, "lane": "master", "dedupe_key": "T1|1", "state": "done",
            "mapping_id": self.people.mapping_id.id, "done_at": fields.Datetime.now()})
        entry.sudo().message_id = incoming
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Contact", "external_id": "T1",
            "canonical_type": "time", "res_model": "account.analytic.line", "res_id": entry.analytic_line_id.id,
            "message_id": incoming.id})
        move = self.bill(self.order)
        self.env["account.payment.register"].with_context(active_model="account.move", active_ids=move.ids).create(
            {})._create_payments()
        Message.create({
            **common, "stream_id": status.id, "lane": "outbound", "direction": "out", "operation": "push",
            "dedupe_key": "push", "state": "done", "done_at": fields.Datetime.now()})
        self.env.flush_all()
        return entry, move

    def events(self, record, user=None):
        user = user or self.auditor
        timeline = self.env["psa.timeline"].with_user(user).with_context(allowed_company_ids=user.company_ids.ids)
        found = timeline.get_events(record._name, record.id)
        return found["events"]


@tagged("post_install", "-at_install")
class TestTimeline(TimelineCase):
    """From the source to the payment and back, from whichever record one looks."""

    WAY = ["source", "mapping", "rules", "proposal", "invoice", "payment", "write_back"]

    def test_the_whole_way_from_every_page(self):
        entry, move = self.whole_way()
        for record in (entry, self.order, entry.project_id, self.order.partner_id, self.ada, move, entry.message_id):
            kinds = [event["kind"] for event in self.events(record)]
            for kind in self.WAY:
                self.assertIn(kind, kinds, record)
        events = self.events(entry)
        self.assertEqual([event["at"] for event in events], sorted(event["at"] for event in events))
        first = {kind: next(event for event in events if event["kind"] == kind) for kind in self.WAY}
        self.assertEqual(first["source"]["title"], "Fake: Contact T1")
        self.assertEqual((first["rules"]["amount"], first["proposal"]["amount"], first["invoice"]["amount"]),
                         (800, 800, 800))
        self.assertEqual((first["invoice"]["res_model"], first["invoice"]["res_id"]), ("account.move", move.id))
        self.assertEqual(first["payment"]["amount"], move.amount_total)
        self.assertIn("to Fake: Contact T1", first["write_back"]["title"])

    def test_what_was_held_and_how_it_ended(self):
        exception, messages = self.hold(range(2))
        kinds = [event["kind"] for event in self.events(exception)]
        self.assertEqual(kinds.count("exception"), 1)
        self.assertEqual(kinds.count("source"), 2)
        messages.sudo().write({"state": "done", "exception_id": False, "wait_key": False})
        exception._close_if_released()
        titles = [event["title"] for event in self.events(exception) if event["kind"] == "exception"]
        self.assertEqual(titles[0], "Account A1 is missing.")
        self.assertTrue(titles[1].startswith("Resolved: "), titles)

    def test_every_page_opens_it(self):
        exception, messages = self.hold(range(1))
        entry, move = self.whole_way()
        pages = (self.order.partner_id, self.order, entry.project_id, self.ada, move, entry, messages, exception)
        self.assertEqual({record._name for record in pages}, set(ENTRY_DOMAINS))
        for record in pages:
            action = record.with_user(self.auditor).sudo().action_psa_timeline()
            self.assertEqual(action["params"], {"res_model": record._name, "res_id": record.id})

    def test_only_users_of_the_hub_and_of_the_company(self):
        entry, _move = self.whole_way()
        outsider = new_test_user(self.env, "timeline_outsider", "base.group_user")
        with self.assertRaises(AccessError):
            self.events(entry.partner_id, outsider)
        other = self.env["res.company"].create({"name": "The other one"})
        stranger = new_test_user(self.env, "timeline_stranger", "psa_hub.group_administrator",
                                 company_id=other.id, company_ids=[(6, 0, other.ids)])
        with self.assertRaises(AccessError):
            self.events(entry, stranger)
        with self.assertRaises(AccessError):
            self.events(self.env.user, self.auditor)
        self.assertEqual([event["kind"] for event in self.events(entry.partner_id, stranger)
                          if event["kind"] in self.WAY], [])

    def test_more_records_cost_no_more_queries(self):
        self.whole_way()
        self.events(self.order)
        self.make_time(self.order, [1] * 10)
        self.env.flush_all()
        self.env.invalidate_all()
        with self.assertQueryCount(45):
            self.events(self.order)

    def test_the_newest_are_shown_and_that_there_are_more(self):
        self.make_time(self.order, [0.01] * 105)
        found = self.env["psa.timeline"].get_events("sale.order", self.order.id)
        self.assertEqual(found["more"], ["rules"])
        self.assertEqual(len(found["events"]), 100)


@tagged("post_install", "-at_install")
class TestEmployeePage(TimelineCase):

    def test_what_of_a_persons_work_is_held(self):
        self.make_time(self.order, [8], employee=self.grace, source_amount=1200)
        grace = self.grace.with_user(self.auditor)
        self.assertEqual((grace.psa_exception_count, grace.psa_exception_amount, grace.psa_entry_count), (1, 1200, 1))
        self.assertEqual(self.ada.psa_exception_count, 0)
        found = self.env["psa.exception"].search(grace.action_psa_exceptions()["domain"])
        self.assertEqual(found.mapped("cause_code"), ["missing_rate"])
        self.env["psa.exception"]._raise([{
            "cause": "unknown_person", "subject_key": "person:grace", "text": "Who is Grace?", "amount": 50,
            "company_id": self.company.id, "res_model": "hr.employee", "res_id": grace.id}])
        grace.invalidate_recordset()
        self.assertEqual((grace.psa_exception_count, grace.psa_exception_amount), (2, 1250))


@tagged("post_install", "-at_install")
class TestTimelineTour(TimelineCase, HttpCase):
    browser_size = "1400x900"

    def test_from_a_contract_to_its_payment(self):
        self.whole_way()
        self.approver.password = self.approver.login
        self.env.flush_all()
        self.start_tour(f"/odoo/sale.order/{self.order.id}", "psa_hub_timeline", login=self.approver.login)
