"""What is deleted when, and what a legal hold keeps."""

from datetime import timedelta

from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged

from ..models.governance.legal_hold import HOLD_PATHS
from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestRetention(EngineCase):

    def setUp(self):
        super().setUp()
        self.approver = new_test_user(self.env, "keeper", "psa_hub.group_approver")
        self.receive("account", self.account("A1"), self.account("A2"))
        self.drain()
        self.old, self.other = self.messages()

    def age(self, messages, days=500):
        for message in messages:
            message.done_at -= timedelta(days=days)
        self.env.flush_all()

    def purge(self):
        return self.env["psa.message"]._gc_payloads()[0]

    def hold(self, **values):
        return self.env["psa.legal.hold"].with_user(self.approver).create({"reason": "Case 12", **values})

    def test_each_class_has_its_own_days(self):
        company = self.env.company
        company.write({"psa_keep_raw_days": 100, "psa_keep_canonical_days": 0, "psa_keep_log_days": 10})
        out = self.old.copy({"direction": "out", "stream_id": self.streams["status"].id, "dedupe_key": "o",
                             "lane": "outbound", "operation": "push", "state": "done", "payload": "{}",
                             "done_at": self.old.done_at})
        (self.old | self.other | out).write({"error": "Ada failed"})
        self.age(self.old | out, 101)
        self.age(self.other, 50)
        Message = self.env["psa.message"]
        self.assertEqual(self.purge(), 1)
        self.assertEqual(Message._gc_canonical()[0], 0)
        self.assertEqual(Message._gc_errors()[0], 3)
        self.assertEqual((self.old.payload, bool(self.other.payload), out.payload), (False, True, "{}"))
        company.psa_keep_canonical_days = 100
        self.env.flush_all()
        self.assertEqual(Message._gc_canonical()[0], 1)
        self.assertTrue(self.old.payload_hash, "hashes stay")

    def test_the_connection_goes_before_the_company_and_none_is_for_ever(self):
        self.env.company.psa_keep_raw_days = 0
        self.age(self.old)
        self.assertEqual(self.purge(), 0)
        self.connection.payload_days = 30
        self.env.flush_all()
        self.assertEqual(self.purge(), 1)

    def test_files_beside_messages_go_with_them(self):
        file = self.env["ir.attachment"].create({
            "name": "receipt.pdf", "raw": b"x", "res_model": "psa.message", "res_id": self.old.id})
        self.age(self.old)
        self.purge()
        self.assertFalse(file.exists())

    def test_a_hold_on_a_customer_keeps_what_is_his(self):
        self.age(self.old | self.other)
        hold = self.hold(partner_id=self.partner("Account", "A1").id)
        self.assertEqual(self.purge(), 1)
        self.assertTrue(self.old.payload)
        self.assertFalse(self.other.payload)
        with self.assertRaises(UserError):
            hold.action_release(" ")
        hold.action_release("Settled")
        self.assertEqual(self.purge(), 1)
        events = self.env["psa.audit"].search([("res_model", "=", hold._name), ("res_id", "=", hold.id)])
        self.assertEqual(set(events.mapped("event")), {"legal_hold.put", "legal_hold.release"})

    def test_a_hold_on_a_connection_keeps_all_of_it(self):
        self.age(self.old)
        self.hold(connection_id=self.connection.id)
        self.assertEqual(self.purge(), 0)

    def test_a_hold_on_a_contract_keeps_the_time_on_it(self):
        order = self.env["sale.order"].create({"partner_id": self.partner("Account", "A2").id})
        self.env["psa.binding"].search([("external_id", "=", "A1")]).sudo().write(
            {"res_model": "sale.order", "res_id": order.id})
        self.age(self.old | self.other)
        self.hold(order_id=order.id)
        self.assertEqual(self.purge(), 1)
        self.assertTrue(self.old.payload)

    def test_a_hold_is_neither_changed_nor_deleted_and_is_on_one_thing(self):
        hold = self.hold(connection_id=self.connection.id)
        for refused in (lambda: hold.write({"connection_id": False}), hold.sudo().unlink):
            with self.assertRaises(UserError):
                refused()

    def test_details_of_closed_exceptions(self):
        Exception_ = self.env["psa.exception"]
        specs = [{"cause": "incomplete_terms", "subject_key": key, "text": "T", "company_id": self.env.company.id,
                  "connection_id": self.connection.id, "detail": "Traceback"} for key in "ab"]
        closed, opened = Exception_._raise(specs).values()
        closed._close("resolved")
        closed.closed_at -= timedelta(days=500)
        self.env.flush_all()
        hold = self.hold(connection_id=self.connection.id)
        self.assertEqual(Exception_._gc_details()[0], 0)
        hold.action_release("Settled")
        self.assertEqual(Exception_._gc_details()[0], 1)
        self.assertEqual((closed.detail, opened.detail), (False, "Traceback"))

    def test_every_record_that_a_source_brings_has_a_path_to_its_hold(self):
        for model_name, paths in HOLD_PATHS.items():
            for path in filter(None, paths):
                with self.subTest(model=model_name, path=path):
                    self.env[model_name].search([(path, "in", [0])])

    def test_batches_take_few_queries_whatever_the_number(self):
        self.receive("account", *(self.account(f"B{number}") for number in range(50)))
        self.drain()
        self.age(self.messages())
        self.hold(partner_id=self.partner("Account", "A1").id)
        self.purge()  # warm
        with self.assertQueryCount(15):
            self.purge()
