from psycopg2.errors import UniqueViolation

from odoo.tests import tagged
from odoo.tools import mute_logger

from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestBinding(EngineCase):
    """External record and Odoo record, one to one."""

    def bind(self, external_id, partner, object_type="Account", **values):
        return self.env["psa.binding"].create({
            "connection_id": self.connection.id, "object_type": object_type, "external_id": external_id,
            "canonical_type": "party", "res_model": "res.partner", "res_id": partner.id, **values})

    def refused(self):
        return self.assertRaises(UniqueViolation)

    @mute_logger("odoo.sql_db")
    def test_unique_both_ways(self):
        first, second = self.env["res.partner"].create([{"name": "a"}, {"name": "b"}])
        binding = self.bind("A1", first)
        with self.refused(), self.env.cr.savepoint():
            self.bind("A1", second)
        with self.refused(), self.env.cr.savepoint():
            self.bind("A2", first)
        self.bind("A3", first, alias_of_id=binding.id)  # merged at the source
        self.bind("A1", first, object_type="Payer")
        self.bind("A1", first, connection_id=self.connection.copy().id)

    def test_resolve_is_one_query(self):
        partners = self.env["res.partner"].create([{"name": str(number)} for number in range(50)])
        for number, partner in enumerate(partners):
            self.bind(f"A{number}", partner)
        self.env.flush_all()
        references = {("Account", f"A{number}") for number in range(100)} | {("Contact", "A1")}
        with self.assertQueryCount(1):
            found = self.env["psa.binding"]._resolve(self.connection, references)
        self.assertEqual(len(found), 50)
        self.assertEqual(found["Account", "A7"], ("res.partner", partners[7].id))
