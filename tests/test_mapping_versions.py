from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from .engine_case import EngineCase


@tagged("post_install", "-at_install")
class TestMappingVersions(EngineCase):
    """Draft, simulated, approved by somebody else, in force from a date; back to a former version."""

    def setUp(self):
        super().setUp()
        self.mapper, self.other, self.approver = (
            new_test_user(self.env, login, f"psa_hub.group_{group}")
            for login, group in (("v_mapper", "mapper"), ("v_admin", "administrator"), ("v_approver", "approver")))

    def draft(self, user=None, code="account", **paths):
        first = self.streams[code].mapping_id.with_user(user or self.mapper)
        draft = first.browse(first.action_new_version()["res_id"])
        for name, path in paths.items():
            line = draft.line_ids.filtered(lambda line, name=name: line.canonical_field == name)
            if line:
                line.path = path
            else:
                draft.line_ids = [Command.create({"canonical_field": name, "path": path})]
        return draft

    def simulate(self, draft):
        run = self.env["psa.mapping.simulation"].with_user(draft.env.user).create({
            "mapping_id": draft.id, "date_to": fields.Datetime.now() + timedelta(hours=1)})
        run.action_run()
        return run

    def test_the_whole_way(self):
        self.receive("account", self.account("A1", Title="Alpha"))
        self.drain()
        draft = self.draft(name="Title")
        with self.assertRaisesRegex(UserError, "Simulate .* first"):
            draft.with_user(self.approver).action_approve()
        run = self.simulate(draft)
        self.assertEqual((draft.state, draft.simulation_id, run.run_by_id), ("simulated", run, self.mapper))
        with self.assertRaises(AccessError):  # a mapper does not approve
            draft.action_approve()
        draft.with_user(self.approver).action_approve()
        self.assertEqual((draft.state, draft.approved_by_id), ("active", self.approver))
        self.assertEqual(self.streams["account"].mapping_ids.mapped("state"), ["active", "retired"])
        audit = self.env["psa.audit"].search([("res_model", "=", "psa.mapping"), ("res_id", "=", draft.id)])
        self.assertEqual(set(audit.mapped("event")), {"setting.create", "mapping.approve", "mapping.activate"})

    def test_nobody_approves_what_they_have_touched(self):
        draft = self.draft(self.other, name="Title")
        self.assertEqual(draft.author_ids, self.other)
        self.simulate(draft)
        self.assertFalse(draft.may_approve)
        with self.assertRaisesRegex(AccessError, "Somebody else has to approve"):
            draft.action_approve()
        draft.with_user(self.mapper).line_ids[0].constant = "x"
        self.assertEqual((draft.author_ids, draft.state), (self.other + self.mapper, "draft"))

    def test_a_change_asks_for_a_new_simulation(self):
        draft = self.draft(name="Title")
        self.simulate(draft)
        draft.line_ids[0].path = "Name"
        self.assertEqual(draft.state, "draft")
        self.simulate(draft)
        draft.line_ids[0].unlink()
        self.assertEqual(draft.state, "draft")

    def test_in_force_from_a_date(self):
        draft = self.draft(name="Title")
        draft.planned_at = fields.Datetime.now() + timedelta(days=1)
        self.simulate(draft)
        draft.with_user(self.approver).action_approve()
        self.assertEqual(draft.state, "approved")
        with self.assertRaisesRegex(UserError, "Make a new version"):
            draft.line_ids[0].path = "Name"
        job = self.env.ref("psa_hub.cron_mapping_activate")
        self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", job.id), (
            "call_at", ">=", draft.planned_at)]))
        self.env["psa.mapping"]._cron_activate()
        self.assertEqual(draft.state, "approved")
        draft.sudo().planned_at = fields.Datetime.now() - timedelta(minutes=1)
        self.env["psa.mapping"]._cron_activate()
        self.assertEqual((draft.state, self.streams["account"].mapping_id), ("active", draft.sudo()))

    def test_back_to_a_former_version(self):
        first = self.streams["account"].mapping_id
        draft = self.draft(name="Title")
        self.simulate(draft)
        draft.with_user(self.approver).action_approve()
        with self.assertRaises(AccessError):
            first.with_user(self.mapper).action_revert()
        first.with_user(self.approver).action_revert()
        self.assertEqual((first.state, draft.state), ("active", "retired"))
        self.assertTrue(self.env["psa.audit"].search([("event", "=", "mapping.revert"), ("res_id", "=", first.id)]))

    def test_states_are_not_written_by_hand(self):
        draft = self.draft(name="Title")
        for values in ({"state": "simulated"}, {"author_ids": [Command.clear()]}, {"approved_by_id": self.mapper.id}):
            with self.assertRaises(UserError):
                draft.write(values)
        with self.assertRaises(UserError):
            draft.create({"stream_id": self.streams["account"].id, "state": "active"})
        with self.assertRaises(AccessError):
            self.env["psa.mapping.simulation"].with_user(self.mapper).create({
                "mapping_id": draft.id, "state": "done"})

    # === THE EDITOR === #
    def test_live_result_in_the_form(self):
        self.receive("account", self.account("A1", Title="Alpha", VatNumber="DE1", Size=5))
        draft = self.draft()
        with Form(draft) as form:
            self.assertIn('"Title": "Alpha"', form.sample_raw)
            with form.line_ids.edit(0) as line:
                line.path = "Title"
                self.assertEqual((line.found, line.result, line.problem), ("Alpha", "Alpha", False))
                line.path = "Nothing"
                self.assertEqual((line.result, line.problem), (False, "is missing at the source"))
                line.path = "Title ||"
                self.assertEqual(line.problem, "is not a path")
                line.path = "Name"
        self.assertFalse(draft.missing)

    def test_fields_of_the_source_and_suggestions(self):
        self.receive("account", self.account("A1", VAT="DE1", Site={"City": "Bonn"}), self.account("A2"))
        draft = self.draft()
        found, total = self.streams["account"]._source_fields()
        self.assertEqual((total, found["Site.City"].samples, found["VAT"].count), (2, ["Bonn"], 1))
        self.assertIn("<code>VAT</code>", draft.source_fields)
        draft.action_suggest()
        paths = {line.canonical_field: line.path for line in draft.line_ids}
        self.assertEqual((paths["vat"], paths["city"]), ("VAT", "Site.City"))
        line = draft.line_ids.filtered(lambda line: line.canonical_field == "vat")
        line.path = False
        self.assertEqual(line.suggestion, "VAT")
        line.action_use_suggestion()
        self.assertEqual(line.path, "VAT")

    def test_who_else_writes_a_field(self):
        twin = self.connection.copy({"name": "Engine US", "user_id": self.connection.user_id.id})
        stream = twin.stream_ids.filtered(lambda stream: stream.code == "account")
        line = self.streams["account"].mapping_id.line_ids.filtered(lambda line: line.canonical_field == "name")
        self.assertIn("Engine US", line.rivals)
        self.assertFalse(line.conflict)
        stream.ownership = "source"
        line.invalidate_recordset()
        self.assertTrue(line.conflict)

    # === VALUES === #
    def test_unknown_value_with_its_money_and_what_it_probably_means(self):
        self.env["psa.role"].create({"name": "Senior Consultant"})
        self.master()
        self.receive("hour", self.hour("H1", role="Senior Consultnt"))
        self.drain("transaction")
        row = self.env["psa.value.map"].search([("source_value", "=", "Senior Consultnt")])
        self.assertEqual((row.suggestion_name, row.risk_amount), ("Senior Consultant", 750.0))
        row.with_user(self.mapper).action_use_suggestion()
        self.assertEqual((row.state, self.messages("hour").state), ("mapped", "done"))
