"""Each system can be switched off without a trace: nothing of it is read, written, answered, shown or left behind."""

from odoo.tests import TransactionCase, tagged
from odoo.tools import SQL

from .. import connectors


@tagged("post_install", "-at_install")
class TestSwitchOff(TransactionCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connections = {
            code: cls.env["psa.connection"].create({
                "name": f"Off {code}", "connector_code": code, "environment": "sandbox", "state": "connected",
                "package_codes": list(connectors.packages(code))})
            for code in connectors.connectors()}

    def test_a_connection_that_is_off_reads_and_writes_nothing(self):
        Stream = self.env["psa.stream"]
        for code, connection in self.connections.items():
            with self.subTest(system=code):
                token = connection.sudo().webhook_token
                types = set(connection.stream_ids.filtered(lambda stream: stream.direction == "out").mapped(
                    "canonical_type"))
                if connection._connector().has_webhook:
                    self.assertEqual(self.env["psa.connection"]._webhook_target(token).connection_id, connection.id)
                connection.active = False
                self.assertFalse(connection._is_live())
                with self.assertRaises(LookupError):
                    self.env["psa.connection"]._webhook_target(token)
                for canonical_type in types:
                    told = self.env["psa.message"]._outbound_streams(canonical_type)
                    self.assertFalse([key for key in told if key[0] == connection.id])
                self.assertFalse(Stream.search([("connection_id", "=", connection.id), ("next_pull_at", "!=", False),
                                                ("connection_id.active", "=", True)]))

    def test_a_connection_that_is_deleted_leaves_nothing(self):
        for code, connection in self.connections.items():
            with self.subTest(system=code):
                connection_id = connection.id
                connection.unlink()
                self.env.flush_all()
                for model_name, model in self.registry.items():
                    field = model._fields.get("connection_id")
                    if model._auto and field and field.store and field.comodel_name == "psa.connection":
                        [(left,)] = self.env.execute_query(SQL(
                            "SELECT count(*) FROM %s WHERE connection_id = %s", SQL.identifier(model._table),
                            connection_id))
                        self.assertEqual(left, 0, model_name)
