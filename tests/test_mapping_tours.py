from odoo.tests import HttpCase, new_test_user, tagged

from ..connectors.base import RawRecord
from .test_exception_holders import HolderCase


@tagged("post_install", "-at_install")
class TestMappingTours(HolderCase, HttpCase):
    """Values and field maps in a real browser."""

    browser_size = "1400x900"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mapper = new_test_user(
            cls.env, "tour_mapper", "psa_hub.group_mapper", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)])
        for user in (cls.mapper, cls.approver):
            user.password = user.login

    def tour(self, name, user, path):
        self.env.flush_all()
        self.start_tour(path, name, login=user.login)

    def test_unknown_value_is_mapped(self):
        self.env["psa.role"].create({"name": "Senior Consultant"})
        row = self.env["psa.value.map"].create({
            "connection_id": self.connection.id, "domain": "role", "source_value": "Senior Consultnt"})
        exception, messages = self.hold(
            range(3), subject=f"value:{self.connection.id}:role:Senior Consultnt", cause="unmapped_value")
        self.tour("psa_hub_map_unknown_value", self.mapper, "/odoo/psa-unknown-values")
        self.assertEqual((row.state, row.target_ref.name), ("mapped", "Senior Consultant"))
        self.assertEqual(exception.state, "resolved")
        self.assertNotIn("held", messages.mapped("state"), "what it held goes on at once")

    def test_field_map_is_changed_simulated_and_approved(self):
        self.env["psa.message"]._receive(self.stream, [
            RawRecord("Account", "A1", "1", {"Name": "Alpha", "Title": "Alpha Holding"})], "pull")
        first = self.stream.mapping_id
        self.tour("psa_hub_mapping_change", self.mapper, "/odoo/psa-mappings")
        draft = self.stream.mapping_ids - first
        self.assertEqual((draft.state, draft.simulation_id.changed_count), ("simulated", 1))
        self.tour("psa_hub_mapping_approve", self.approver, "/odoo/psa-mappings-to-approve")
        self.assertEqual((draft.state, first.state, draft.approved_by_id), ("active", "retired", self.approver))
