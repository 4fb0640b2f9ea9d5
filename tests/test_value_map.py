from psycopg2.errors import UniqueViolation

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestValueMap(EngineCase):
    """Words of the source: looked up in one query, unknown ones held together, released together."""

    def setUp(self):
        super().setUp()
        self.role = self.env["psa.role"].create({"name": "Consultant"})

    def send_hours(self, count=5, **raw):
        self.master()
        self.receive("hour", *(self.hour(f"H{number}", **raw) for number in range(count)))
        self.drain("transaction")

    def test_unknown_value_is_one_exception_for_many_messages(self):
        self.send_hours(role="Guru")
        self.receive("hour", self.hour("H9", role="Wizard"))
        self.drain("transaction")
        self.assertEqual(self.states("hour"), {("held", False): 6})
        guru, wizard = self.exceptions("unmapped_value").sorted("holder_count", reverse=True)
        self.assertEqual((guru.holder_count, guru.amount), (5, 5 * 750.0))
        self.assertEqual(guru.subject_key, f"value:{self.connection.id}:role:Guru")
        unknown = self.env["psa.value.map"].browse(guru.res_id)
        self.assertEqual((unknown.source_value, unknown.state, unknown.use_count), ("Guru", "unknown", 5))
        unknown.target_ref = self.role
        unknown.invalidate_recordset(["use_count"])
        self.assertEqual((unknown.state, unknown.use_count), ("mapped", 0))
        self.assertEqual(self.states("hour"), {("done", False): 5, ("held", False): 1})
        self.drain("transaction")
        self.assertEqual(self.states("hour"), {("done", False): 5, ("held", False): 1})
        self.assertEqual(self.exceptions("unmapped_value"), wizard)
        self.assertEqual(guru.state, "resolved")

    def test_row_for_every_connection_releases_too(self):
        self.send_hours(role="Guru")
        self.env["psa.value.map"].create({
            "domain": "role", "source_value": "Guru", "target_ref": f"psa.role,{self.role.id}"})
        self.drain("transaction")
        self.assertEqual(self.states("hour"), {("done", False): 5})
        self.assertFalse(self.env["psa.value.map"].search([("state", "=", "unknown")]))

    def test_most_specific_row_wins(self):
        other = self.env["res.company"].create({"name": "Other"})
        roles = {name: self.env["psa.role"].create({"name": name}) for name in ("a", "b", "c", "d")}
        for name, connection, company in (
            ("a", False, False), ("b", False, self.env.company.id), ("c", self.connection.id, False),
            ("d", self.connection.id, other.id),
        ):
            self.env["psa.value.map"].create({
                "connection_id": connection, "company_id": company, "domain": "role", "source_value": "Guru",
                "target_ref": f"psa.role,{roles[name].id}"})
        lookup = self.env["psa.value.map"]._lookup
        mine, theirs = ("role", "Guru", self.env.company.id), ("role", "Guru", other.id)
        self.assertEqual(lookup(self.connection, {mine, theirs}), {mine: roles["c"], theirs: roles["d"]})
        elsewhere = self.connection.copy()
        self.assertEqual(lookup(elsewhere, {mine, theirs}), {mine: roles["b"], theirs: roles["a"]})

    def test_deleted_target_is_unknown_again(self):
        self.map_value("role", "Guru", self.role)
        self.role.unlink()
        self.send_hours(1, role="Guru")
        self.assertEqual(self.exceptions().cause_code, "unmapped_value")

    def test_targets_are_checked(self):
        with self.assertRaisesRegex(ValidationError, "cannot mean"):
            self.map_value("role", "Guru", self.env.company)
        with self.assertRaisesRegex(ValidationError, "is not a code"):
            self.map_value("billing_method", "Hourly", "hourly")
        self.map_value("billing_method", "T&M", "time_material")
        self.map_value("tax_profile", "Home", "domestic")

    def test_one_row_a_value(self):
        self.map_value("role", "Guru", self.role)
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            self.map_value("role", "Guru", self.role)

    def test_lookup_is_one_query(self):
        self.map_value("role", "Guru", self.role)
        wanted = {("role", f"Word {number}", self.env.company.id) for number in range(100)}
        wanted.add(("role", "Guru", self.env.company.id))
        self.env.flush_all()
        with self.assertQueryCount(2):  # the rows, and which of their targets exist
            found = self.env["psa.value.map"]._lookup(self.connection, wanted)
        self.assertEqual(list(found.values()), [self.role])
