from datetime import date

from odoo.tests import HttpCase, tagged

from .desk_common import DeskCase


@tagged("post_install", "-at_install")
class TestTours(DeskCase, HttpCase):
    """The desk in a real browser, as the people of finance use it."""

    browser_size = "1400x900"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for user in (cls.preparer, cls.reviewer, cls.approver):
            user.password = user.login  # start_tour logs in with it

    def tour(self, name, user, path):
        self.env.flush_all()
        self.start_tour(path, name, login=user.login)

    def held_work(self):
        """A contract without a rate (1,200 at risk) and three messages without their account (300 at risk)."""
        order = self.make_contract(("time_material", 10, 0))
        entries = self.make_time(order, [(date(2026, 5, 4), 8)], source_amount=1200)
        exception, messages = self.hold(range(3), risk=100)
        return order, entries, exception, messages

    def test_dashboard(self):
        self.held_work()
        self.tour("psa_hub_dashboard", self.preparer, "/odoo/psa-hub")

    def test_exception_is_fixed_with_its_button(self):
        _order, entries, _exception, _messages = self.held_work()
        self.tour("psa_hub_exception_rate", self.approver, "/odoo/psa-exceptions")
        self.assertEqual((entries.state, entries.amount), ("approved", 1200.0))

    def test_exception_is_retried(self):
        _order, _entries, exception, messages = self.held_work()
        self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": "Account", "external_id": "A1",
            "canonical_type": "party", "res_model": "res.partner", "res_id": self.customer.id})
        self.tour("psa_hub_exception_retry", self.preparer, "/odoo/psa-exceptions")
        self.assertEqual(exception.state, "resolved")
        self.assertEqual(set(messages.mapped("state")), {"done"})

    def test_an_unknown_person_is_linked_and_the_chain_released(self):
        exception, messages = self.unknown_person()
        self.tour("psa_hub_unknown_person", self.preparer, "/odoo/psa-exceptions-by-cause")
        exception.invalidate_recordset()
        self.assertEqual((exception.state, exception.freed_amount), ("resolved", 2400))
        self.assertEqual(set(messages.mapped("state")), {"done"})

    def test_a_second_person_agrees_to_waive(self):
        self.company.psa_waive_limit = 100
        _order, _entries, exception, messages = self.held_work()
        self.tour("psa_hub_waive_ask", self.reviewer, "/odoo/psa-exceptions")
        self.assertEqual((exception.state, exception.waive_asked_by_id), ("new", self.reviewer))
        self.tour("psa_hub_waive_agree", self.approver, "/odoo/psa-exceptions")
        self.assertEqual((exception.state, exception.closed_by_id), ("waived", self.approver))
        self.assertEqual(set(messages.mapped("skip_reason")), {"waived"})

    def test_exception_is_waived(self):
        _order, _entries, exception, messages = self.held_work()
        self.tour("psa_hub_exception_waive", self.reviewer, "/odoo/psa-exceptions")
        self.assertEqual(exception.state, "waived")
        self.assertEqual(set(messages.mapped("skip_reason")), {"waived"})

    def ask_who_it_is(self):
        """A customer of the source that may be one of two in Odoo; returns the two, the exception and its message."""
        likely, twin = self.env["res.partner"].create([
            {"name": name, "is_company": True, "city": city}
            for name, city in (("Novaterra", "Bremen"), ("Novaterra Hamburg Twin", "Hamburg"))])
        exception, message = self.hold(range(1), cause="uncertain_party")
        exception.write({
            "name": "The customer “Novaterra” may be “Novaterra” or “Novaterra Hamburg Twin” in Odoo.",
            "choices": [["res.partner", likely.id], ["res.partner", twin.id]]})
        return likely, twin, exception, message

    def test_a_person_says_which_customer_it_is(self):
        _likely, twin, exception, message = self.ask_who_it_is()
        self.tour("psa_hub_uncertain_party", self.preparer, "/odoo/psa-exceptions")
        binding = self.env["psa.binding"].search(
            [("connection_id", "=", self.connection.id), ("object_type", "=", "Account")])
        self.assertEqual((binding.external_id, binding.res_id), ("A1", twin.id))
        self.assertEqual((exception.state, message.state), ("resolved", "done"))

    def test_a_person_says_that_the_customer_is_new(self):
        _likely, _twin, _exception, message = self.ask_who_it_is()
        self.tour("psa_hub_new_party", self.preparer, "/odoo/psa-exceptions")
        self.assertEqual((message.state, message.decided), ("waiting", {"uncertain_party": "new"}))

    def test_a_person_says_that_it_is_other_work(self):
        exception, message = self.hold(range(1), cause="suspected_duplicate")
        exception.name = "Ada's 7.50 hours came from A, and B has brought the same already."
        self.tour("psa_hub_another_one", self.reviewer, "/odoo/psa-exceptions")
        self.assertEqual((message.state, message.decided), ("waiting", {"suspected_duplicate": "other"}))

    def test_connection_is_set_up(self):
        administrator = self.approver.copy({"login": "tour_administrator", "name": "Tour Administrator"})
        administrator.group_ids += self.env.ref("psa_hub.group_administrator")
        administrator.password = "tour_administrator"
        self.tour("psa_hub_connection", administrator, "/odoo/psa-connections")
        connection = self.env["psa.connection"].search([("name", "=", "Fake of the tour")])
        self.assertEqual(connection.state, "connected")
        self.assertEqual(dict(connection._credential_values()), {"client_id": "hub", "client_secret": "top-s3cret"})

    def test_proposal_is_approved(self):
        order = self.make_contract(("time_material", 10, 0))
        self.make_rate(100, order, employee_id=self.ada.id)
        self.make_time(order, [(date(2026, 5, 4), 8)])
        self.make_time(order, [(date(2026, 5, 5), 2)], employee=self.grace, source_amount=250)
        self.propose(order).action_submit()
        self.tour("psa_hub_proposal", self.approver, "/odoo/psa-proposals")
        proposal = order.psa_proposal_ids
        self.assertEqual((proposal.state, proposal.approved_by), ("approved", self.approver))
        self.assertEqual((proposal.move_id.state, proposal.move_id.amount_untaxed), ("draft", 800.0))
