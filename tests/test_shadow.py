# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
import psycopg2.errors

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from .link_case import LinkCase
from .test_exception_holders import HolderCase
from .test_push import POSTED


@tagged("post_install", "-at_install")
class TestShadowPush(LinkCase):
    """Write-backs of a connection in shadow mode are stored, shown, and sent when it goes live."""

    def setUp(self):
        super().setUp()
        self.partners = self.env["res.partner"].create([{"name": f"Customer {number}"} for number in range(3)])
        self.bindings = self.env["psa.binding"].create([
            {"connection_id": self.connection.id, "object_type": "Account", "external_id": f"A{number}",
             "canonical_type": "party", "res_model": "res.partner", "res_id": partner.id}
            for number, partner in enumerate(self.partners)])
        self.connection.sudo().is_shadow = True
        self.env.cr.commit()

    def emit(self, key, *partners, **values):
        self.env["psa.message"]._emit(
            "billing_status", [(partner, {**POSTED, **values}) for partner in partners or self.partners], key)
        self.env.cr.commit()
        return self.pushes()

    def pushes(self):
        self.env.invalidate_all()
        return self.messages(self.status)

    def test_nothing_is_sent_and_all_is_shown(self):
        messages = self.emit("move:7:posted:1")
        self.assertEqual(messages.mapped("state"), ["waiting"] * 3)
        self.assertEqual(messages.mapped("is_shadow"), [True] * 3)
        self.assertEqual(self.env["psa.message"].search([("is_shadow", "=", True)]).sorted("id"), messages)
        self.assertEqual(self.connection.shadow_count, 3)
        messages.action_retry()
        self.env["psa.stream"]._cron_push()
        self.status._push()
        self.assertEqual(self.fake.pushed, [])
        self.assertEqual(self.pushes().mapped("state"), ["waiting"] * 3)

    def test_the_database_refuses_to_mark_one_as_sent(self):
        messages = self.emit("move:7:posted:1")
        messages.sudo().write({"state": "pending", "wait_key": False})
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.env.cr.savepoint():
            messages.sudo().sent_at = fields.Datetime.now()
            self.env.flush_all()

    def test_going_live_sends_what_is_still_true(self):
        """Each target is told once, the last thing; one that is gone at the source is told nothing."""
        self.emit("move:7:posted:1")
        self.emit("move:7:paid:1", self.partners[0], event="paid")
        self.bindings[2].deleted_at_source = True
        self.connection.action_go_live()
        self.env.cr.commit()
        self.env["psa.stream"]._cron_push()
        self.assertEqual([(item.external_id, item.values["event"]) for item in self.fake.pushed],
                         [("A1", "posted"), ("A0", "paid")])
        gone = self.pushes().filtered(lambda message: message.external_id == "A2")
        self.assertEqual((gone.state, gone.skip_reason), ("skipped", "out_of_scope"))
        self.assertFalse(self.connection.is_shadow)
        audit = self.env["psa.audit"].search([("event", "=", "connection.live")], limit=1)
        self.assertEqual(audit.after, {"released": 2, "dropped": 1})
        self.emit("move:8:posted:1", self.partners[1])
        self.env["psa.stream"]._cron_push()
        self.assertEqual(len(self.fake.pushed), 3)

    def test_what_was_stored_while_it_went_live_is_not_forgotten(self):
        messages = self.emit("move:7:posted:1")
        self.connection.sudo().write({"is_shadow": False, "went_live_at": fields.Datetime.now()})
        self.env["psa.lane"]._cron_sweep()
        self.env.invalidate_all()
        self.assertEqual(messages.mapped("state"), ["pending"] * 3)

    def test_only_the_buttons_begin_and_end_it(self):
        admin = new_test_user(self.env, "shadow_admin", "psa_hub.group_administrator")
        connection = self.connection.with_user(admin)
        with self.assertRaises(AccessError):
            connection.is_shadow = False
        connection.checked_at = fields.Datetime.now()
        connection.action_go_live()
        self.assertFalse(connection.is_shadow)
        with self.assertRaisesRegex(UserError, "has been live"):
            connection.action_shadow()

    def test_going_live_needs_a_connection_that_works(self):
        self.connection.state = "refused"
        with self.assertRaisesRegex(UserError, "check it first"):
            self.connection.action_go_live()


@tagged("post_install", "-at_install")
class TestShadowBilling(HolderCase):
    """Work of a connection in shadow mode is proposed, and stands on no invoice."""

    def setUp(self):
        super().setUp()
        self.order = self.make_contract(("time_material", 10, 0))
        self.make_rate(100, self.order, employee_id=self.ada.id)
        self.connection.sudo().is_shadow = True

    def bind_contract(self, connection=None):
        self.env["psa.binding"].create({
            "connection_id": (connection or self.connection).id, "object_type": "Deal", "external_id": "D1",
            "canonical_type": "deal", "res_model": "sale.order", "res_id": self.order.id})
        self.env.flush_all()

    def brought_by_shadow(self, entry):
        entry.sudo().message_id = self.env["psa.message"].sudo().create({
            "connection_id": self.connection.id, "stream_id": self.people.id, "company_id": self.company.id,
            "lane": "master", "dedupe_key": "T1", "object_type": "Time", "external_id": "T1", "state": "done"})
        self.env.flush_all()

    def approve(self, proposal):
        proposal.with_user(self.preparer).action_submit()
        return proposal.with_user(self.approver).action_approve()

    def live(self):
        self.connection.sudo().write({"is_shadow": False})
        self.connection._went_live()

    def test_a_contract_is_proposed_and_not_invoiced(self):
        self.bind_contract()
        entry = self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        self.assertEqual((proposal.line_ids.decision, proposal.amount_untaxed), ("in", 800))
        self.assertEqual(proposal.shadow_name, "Fake")
        with self.assertRaisesRegex(UserError, "in shadow mode"):
            self.approve(proposal)
        self.assertEqual((entry.billing_state, proposal.move_ids.ids), ("to_bill", []))
        self.live()
        self.assertFalse(proposal.shadow_name)
        proposal.with_user(self.approver).action_approve()
        self.assertEqual(proposal.move_id.amount_untaxed, 800)

    def test_the_database_refuses_an_invoice_line(self):
        entry = self.make_time(self.order, [8])
        move = self.bill(self.order)
        row = move.psa_allocation_ids
        values = (entry.id, entry.company_id.id, move.id, row.move_line_id.id)
        row.sudo().unlink()
        self.bind_contract()
        self.env.flush_all()
        insert = SQL(
            """
            INSERT INTO psa_allocation (entry_id, company_id, move_id, move_line_id, kind, state, quantity, amount)
            VALUES (%s, %s, %s, %s, 'invoice', 'draft', 1, 1)
            """, *values)
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.env.cr.savepoint():
            self.env.cr.execute(insert)
        self.live()
        self.env.flush_all()
        self.env.cr.execute(insert)

    def test_work_on_a_live_contract_is_held_and_the_rest_is_billed(self):
        ours, theirs = self.make_time(self.order, [8]), self.make_time(self.order, [2])
        self.brought_by_shadow(theirs)
        proposal = self.propose(self.order)
        held = proposal.line_ids.filtered(lambda line: line.decision == "held")
        self.assertEqual((held.entry_id, held.reason), (theirs, "From Fake, which is in shadow mode"))
        self.approve(proposal)
        self.assertEqual((proposal.move_id.amount_untaxed, ours.billing_state), (800, "billed"))
        self.live()
        self.assertEqual(self.bill(self.order).amount_untaxed, 200)

    def test_going_live_makes_open_proposals_out_of_date(self):
        self.brought_by_shadow(self.make_time(self.order, [2]))
        proposal = self.propose(self.order)
        self.assertEqual(proposal.line_ids.decision, "held")
        self.live()
        self.assertTrue(proposal.needs_refresh)
        proposal.action_refresh()
        self.assertEqual(proposal.line_ids.decision, "in")

    def test_a_live_system_that_knows_the_contract_too_makes_it_live(self):
        self.bind_contract()
        other = self.env["psa.connection"].create({
            "name": "Other", "connector_code": "fake", "environment": "sandbox", "company_id": self.company.id})
        self.bind_contract(other)
        self.make_time(self.order, [8])
        self.assertEqual(self.bill(self.order).amount_untaxed, 800)

    def test_asking_costs_nothing_where_there_is_no_shadow(self):
        self.live()
        entries = self.make_time(self.order, [8])
        self.env.cr.flush()
        self.env["psa.connection"]._shadow_ids()
        with self.assertQueryCount(0):
            self.assertEqual((entries._in_shadow(), self.order._psa_in_shadow()), ({}, {}))
