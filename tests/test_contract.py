# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""What a connector may hand over besides plain records: files, natural keys, what it needs at the vendor."""

from unittest.mock import patch

from odoo.tests import TransactionCase, tagged

from ..connectors import base
from .engine_case import EngineConnector
from .fake_connector import FakeConnector, registered


class KeyConnector(EngineConnector):
    """Hours that name people by e-mail address and projects by their name, like a spreadsheet does."""

    natural_keys = {"Project": "project", "Person": "resource"}
    streams = (base.StreamSpec("hour", "Hours", "Hour", "time", 80),)
    outbound = ()

    def default_mappings(self):
        rules = super().default_mappings()["hour"]
        return {"hour": {**rules, "resource": {"path": "resource", "refers_to": "Person"}}}


@tagged("post_install", "-at_install")
class TestContract(TransactionCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)

    def connect(self, connector):
        offered = registered(connector)
        offered.__enter__()
        self.addCleanup(offered.__exit__, None, None, None)
        connection = self.env["psa.connection"].create({
            "name": "Contract", "connector_code": connector.code, "environment": "sandbox", "state": "connected"})
        connection._set_credentials({
            field.code: "secret" for method in connector.auth_methods[:1] for field in method.fields})
        self.env.cr.commit()
        return connection

    def receive(self, connection, code, *records):
        stream = connection.stream_ids.filtered(lambda item: item.code == code)
        self.env["psa.message"]._receive(stream, list(records), "pull")
        return self.env["psa.message"].search([("stream_id", "=", stream.id)], order="id")

    def test_files_are_kept_beside_the_payload_once(self):
        connection = self.connect(EngineConnector())
        record = base.RawRecord("Account", "A1", "1", {"Name": "A"}, files=(
            base.File("signed.pdf", "application/pdf", b"%PDF-1.4 signed"),))
        message = self.receive(connection, "account", record)
        self.receive(connection, "account", record)
        self.assertEqual(message._files().mapped("name"), ["signed.pdf"])
        self.assertEqual(message._files().raw, b"%PDF-1.4 signed")
        self.assertNotIn("PDF", message.payload)

    def test_a_replayed_message_has_the_files_of_the_first(self):
        connection = self.connect(EngineConnector())
        message = self.receive(connection, "account", base.RawRecord("Account", "A1", "1", {"Name": "A"}, files=(
            base.File("signed.pdf", "application/pdf", b"signed"),)))
        message._replay()
        again = self.env["psa.message"].search([("origin_message_id", "=", message.id)])
        self.assertEqual(again._files().raw, b"signed")

    def test_people_are_recognised_by_the_key_that_the_source_uses(self):
        connection = self.connect(KeyConnector())
        employee = self.env["hr.employee"].create({
            "name": "Ada Byron", "work_email": "ada@firm.example", "company_id": connection.company_id.id})
        found = self.env["psa.apply.resource"]._recognise(
            connection, {"ADA@firm.example", "ada byron", "nobody@firm.example"})
        self.assertEqual(found, {"ADA@firm.example": employee, "ada byron": employee})
        self.env["psa.binding"]._bind_keys(connection, "Person", "resource", found)
        bindings = self.env["psa.binding"].search([("connection_id", "=", connection.id)], order="id")
        self.assertEqual(bindings.mapped("external_id"), ["ADA@firm.example", "ada byron"])
        self.assertEqual(bindings[1].alias_of_id, bindings[0], "a second name of the same person")

    def test_two_people_of_one_name_are_recognised_by_nobody(self):
        connection = self.connect(KeyConnector())
        self.env["hr.employee"].create([
            {"name": "Ada Byron", "company_id": connection.company_id.id} for _number in range(2)])
        self.assertEqual(self.env["psa.apply.resource"]._recognise(connection, {"Ada Byron"}), {})

    def test_an_hour_that_names_an_unknown_person_is_held_and_says_what_to_do(self):
        connection = self.connect(KeyConnector())
        message = self.receive(connection, "hour", base.RawRecord("Hour", "H1", "1", {
            "project": "Nowhere", "resource": "nobody@firm.example", "date": "2026-05-04", "hours": "2",
            "amount": "200.00", "currency": "EUR"}))
        self.env.cr.commit()
        self.env["psa.lane"]._drain("transaction", stand_by=0)
        message.invalidate_recordset()
        self.assertEqual(message.state, "held")
        self.assertIn("does not stand for exactly one record in Odoo", message.error)

    def test_a_check_makes_at_the_vendor_what_write_backs_need(self):
        connector = FakeConnector()
        connection = self.connect(connector)
        line = base.Check("fields", "Fields", True, "Made 3 fields.")
        with patch.object(FakeConnector, "set_up", lambda self, session: [line]):
            connection._check()
            self.assertIn("Made 3 fields.", connection.check_text)
            connection.stream_ids.filtered(lambda stream: stream.direction == "out").active = False
            connection._check()
            self.assertNotIn("Made 3 fields.", connection.check_text, "nothing is written back, nothing is made")

    def test_a_challenge_is_answered_without_a_signature(self):
        connection = self.connect(FakeConnector())

        def echo(_connector, _settings, request):
            return base.WebhookReply(200, request.query["echo"].encode()) if "echo" in request.query else None

        take = self.env["psa.connection"].sudo()._take_delivery
        target = self.env["psa.connection"]._webhook_target(connection.webhook_token)
        with patch.object(FakeConnector, "webhook_challenge", echo):
            self.assertEqual(take(target, {}, b"", "GET", "echo=abc", {"echo": "abc"}).body, b"abc")
            self.assertEqual(take(target, {}, b"", "GET").status, 405)
            self.assertEqual(take(target, {}, b"{}").status, 401)
