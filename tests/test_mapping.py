from decimal import Decimal

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from ..connectors import jsontext
from ..connectors.canonical import CanonicalError, Reference
from ..models.sync.mapper import Mapper, Rule, fingerprint
from ..models.sync.path import compile_path
from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestMapping(EngineCase):
    """Field maps: versions, their freezing, traces; and the plain mapper below them."""

    def draft(self, code="account", **rules):
        mapping = self.streams[code].mapping_id.copy()
        for name, values in rules.items():
            line = mapping.line_ids.filtered(lambda line, name=name: line.canonical_field == name)
            values = {"path": values} if isinstance(values, str) else values
            if line:
                line.write(values)
            else:
                mapping.line_ids = [Command.create({"canonical_field": name, **values})]
        return mapping

    # === VERSIONS === #
    def test_default_is_in_force(self):
        mapping = self.streams["account"].mapping_id
        self.assertEqual((mapping.version, mapping.state), (1, "active"))
        self.assertEqual(set(mapping.line_ids.mapped("canonical_field")), {"name", "email", "parent"})

    def test_version_in_force_is_frozen(self):
        mapping = self.streams["account"].mapping_id
        with self.assertRaisesRegex(UserError, "Make a new version"):
            mapping.line_ids[0].path = "Other"
        with self.assertRaisesRegex(UserError, "Make a new version"):
            mapping.line_ids = [Command.create({"canonical_field": "phone", "path": "Phone"})]
        with self.assertRaisesRegex(UserError, "Make a new version"):
            mapping.line_ids[0].unlink()
        with self.assertRaisesRegex(UserError, "Make a new version"):
            mapping.unlink()

    def test_new_version_maps_from_the_next_message_on(self):
        self.receive("account", self.account("A1", Title="Alpha"))
        self.drain()
        first = self.streams["account"].mapping_id
        second = self.draft(name="Title")
        self.assertEqual((second.version, second.state), (2, "draft"))
        second._put_in_force()
        self.assertEqual((first.state, second.state), ("retired", "active"))
        self.receive("account", self.account("A2", Title="Beta"))
        self.drain()
        self.assertEqual(self.partner("Account", "A1").name, "Account A1")
        self.assertEqual(self.partner("Account", "A2").name, "Beta")
        self.assertEqual(self.messages("account").mapping_id, first + second)
        self.messages(external_id="A1").action_retry()  # replayed with the version in force
        self.drain()
        self.assertEqual(self.partner("Account", "A1").name, "Alpha")

    def test_incomplete_or_wrong_maps_cannot_be_put_in_force(self):
        mapping = self.draft()
        mapping.line_ids.filtered(lambda line: line.canonical_field == "name").unlink()
        with self.assertRaisesRegex(ValidationError, "required"):
            mapping._put_in_force()
        with self.assertRaisesRegex(ValidationError, "is not a field of Customer"):
            self.draft(colour="Color")._put_in_force()
        with self.assertRaisesRegex(ValidationError, "is not a path"):
            self.draft(name="Name ||")

    def test_state_cannot_be_written_by_hand(self):
        mapper = self.env["res.users"].create({
            "name": "Mapper", "login": "mapper", "group_ids": [Command.link(self.env.ref("psa_hub.group_mapper").id)]})
        mapping = self.draft().with_user(mapper)
        with self.assertRaises(UserError):
            mapping.state = "active"
        mapping._put_in_force()
        self.assertEqual(mapping.state, "active")

    def test_owned_fields(self):
        mapping = self.draft(email={"owner": "odoo"}, name={"owner": "source_until_edit"})
        self.assertEqual(mapping._owned_fields(), {"email": "odoo", "name": "source_until_edit"})

    # === TRACE === #
    def test_trace_shows_every_field(self):
        mapping = self.streams["hour"].mapping_id
        values, trace = mapping._map({"project": "P1", "resource": "R1", "date": "2026-05-04", "hours": "7.50"})
        self.assertEqual(values["hours"], Decimal("7.50"))
        steps = {step["field"]: step for step in trace}
        self.assertEqual(steps["hours"], {
            "field": "hours", "label": "Hours", "path": "hours", "found": "7.50", "value": "7.5", "error": None})
        self.assertEqual(steps["project"]["value"], {"object_type": "Project", "external_id": "P1"})

    def test_trace_names_what_is_wrong(self):
        values, trace = self.streams["hour"].mapping_id._map({"project": "P1", "date": "4 May", "hours": "7"})
        errors = {step["label"]: step["error"] for step in trace if step["error"]}
        self.assertIsNone(values)
        self.assertEqual(errors["Work date"], "“4 May” is not a date like 2026-05-31")
        self.assertEqual(errors["Resource"], "is missing at the source")

    # === THE PLAIN MAPPER === #
    def map_one(self, raw, type_name="party", **rules):
        rules = {"name": {"constant": "x"}, **rules}
        mapper = Mapper(type_name, [Rule(name.replace("__", "."), **values) for name, values in rules.items()])
        return mapper.map(raw)

    def test_transforms(self):
        values = self.map_one(
            {"a": " x ", "b": "lower", "c": ["one", None, "two"]},
            email={"path": "a", "transform": "strip"}, phone={"path": "b", "transform": "upper"},
            street={"path": "c", "transform": "join_lines"})
        self.assertEqual((values["email"], values["phone"], values["street"]), ("x", "LOWER", "one\ntwo"))

    def test_transforms_of_numbers_dates_and_booleans(self):
        mapper = Mapper("resource", [
            Rule("name", constant="x"), Rule("company", constant="c"),
            Rule("active", "off", transform="boolean_not"), Rule("cost_rate", "percent", transform="percent_to_ratio")])
        values = mapper.map({"off": False, "percent": Decimal("12.5")})
        self.assertEqual((values["active"], values["cost_rate"]), (True, Decimal("0.125")))
        deal = Mapper("deal", [
            Rule("name", constant="x"), Rule("won", constant="true"), Rule("party", "p", refers_to="Account"),
            Rule("currency", constant="eur"), Rule("closed_on", "at", transform="date_of_instant"),
            Rule("amount", "n", transform="negate")]).map({"at": "2026-05-31T23:30:00-08:00", "p": "A", "n": "5"})
        self.assertEqual(deal["closed_on"].isoformat(), "2026-05-31")
        self.assertEqual((deal["amount"], deal["party"]), (Decimal(-5), Reference("Account", "A")))

    def test_lines(self):
        rules = [
            Rule("name", constant="x"), Rule("won", constant="true"), Rule("party", "p", refers_to="Account"),
            Rule("currency", constant="EUR"), Rule("closed_on", constant="2026-01-01"), Rule("lines", "items"),
            Rule("lines.external_id", "id"), Rule("lines.name", "n"), Rule("lines.quantity", "q"),
            Rule("lines.unit_price", "u")]
        mapper = Mapper("deal", rules)
        line = {"id": "1", "n": "Work", "q": 2, "u": Decimal("99.90")}
        self.assertEqual(mapper.map({"p": "A", "items": [line]})["lines"][0]["unit_price"], Decimal("99.90"))
        with self.assertRaises(CanonicalError) as caught:
            mapper.map({"p": "A", "items": [{**line, "q": "two"}]})
        self.assertEqual(caught.exception.field_name, "lines.quantity")

    def test_required_by_the_map(self):
        with self.assertRaises(CanonicalError) as caught:
            self.map_one({}, vat={"path": "Vat", "required": True})
        self.assertEqual(caught.exception.field_name, "vat")

    def test_fingerprint_is_of_the_value(self):
        self.assertEqual(fingerprint({"a": Decimal("1.0"), "b": None}), fingerprint({"b": None, "a": Decimal("1.00")}))
        self.assertNotEqual(fingerprint({"a": Decimal("1.0")}), fingerprint({"a": Decimal("1.01")}))

    def test_paths_are_jmespath(self):
        import jmespath
        raws = [{}, {"a": 1}, {"a": True}, {"a": {"b": ""}, "c": {"d": True}}, {"a": 0, "b": 2}, [1], None, "s",
                {"a": []}, {"a": "x"}, {"a": 1.0}, {"a": {"b": [{"c": 1}, {"c": 2}]}},
                {"a": {"b": {"c": {"d": 3}}}}]
        for path in ("a", "a.b", "a || b", "a && b", "!a", "a == `1`", "a != 'x'", "a.b || c.d == `true`", "@.a",
                     "a.b.c", "a.b[1].c", "a.b[?c == `2`] | [0]", "a.b.c.d || c.d", "a == `true`",
                     "length(a.b || `[]`)", "(a || b) && c"):
            for raw in raws:
                with self.subTest(path=path, raw=raw):
                    expected, found = jmespath.search(path, raw), compile_path(path)(raw)
                    self.assertEqual((type(found), found), (type(expected), expected))

    def test_functions_of_paths_are_exact(self):
        raw = jsontext.loads('{"a": 0.1, "b": [0.1, 0.2, 1], "c": "12.30", "rows": [{"n": 2.5}, {"n": 1}]}')
        for path, expected in (
                ("sum(b)", Decimal("1.3")), ("max([a, `1`])", 1), ("max(b)", 1), ("min(b)", Decimal("0.1")),
                ("avg(b[:2])", Decimal("0.15")), ("to_number(c)", Decimal("12.30")), ("to_number(`[]`)", None),
                ("abs(a)", Decimal("0.1")), ("ceil(rows[0].n)", 3), ("to_string(b)", "[0.1,0.2,1]"),
                ("type(a)", "number"), ("sort_by(rows, &n)[0].n", 1),
                ("rows[?n > `2`] | [0].n", Decimal("2.5")), ("to_number('x')", None)):
            found = compile_path(path)(raw)
            self.assertEqual((found, isinstance(found, float)), (expected, False), path)

    def test_a_path_that_does_not_fit_a_record_is_the_record_s_problem(self):
        mapper = Mapper("resource", [Rule("name", "max(Name)", personal=True)])
        with self.assertRaises(CanonicalError) as caught:
            mapper.map({"Name": "Ada"})
        self.assertIn("cannot be computed: “max(Name)”", str(caught.exception))
        self.assertNotIn("Ada", str(caught.exception))
        self.assertEqual(mapper.personal_values({"Name": "Ada", "Nick": "A."}), {"Ada", "A."}, "all of it is masked")
        self.assertIn("cannot be computed", mapper.trace({"Name": "Ada"})[1][0]["error"])
        self.receive("account", self.account("A1", Numbers=[1, "x"]))
        self.draft(name="to_string(max(Numbers))")._put_in_force()
        self.drain()
        self.assertEqual((self.messages().state, self.exceptions().cause_code), ("held", "invalid_data"))
        with self.assertRaisesRegex(ValidationError, "there is no function eval"):
            self.draft(name="eval(Name)")
