"""Every public method against every group, and who may not decide about what they did themselves."""

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .access_matrix import ARGUMENTS, GROUPS, HARMLESS, IMPLIED
from .test_access import MethodCase

# The least group that may call it ("" where none of these people may: it is another person's to do). A new method has
# to be entered here; what only shows something goes to HARMLESS of test_access.
METHODS = {
    "psa.amendment": {
        "action_apply_terms": "approver", "action_put_in_force": "approver", "action_back_to_draft": "operator",
        "action_fill_rates": "operator", "action_send_to_sign": "operator", "action_refuse": "reviewer",
    },
    "psa.binding": {"action_split": "reviewer"},
    "psa.billing.run": {
        "action_cancel": "operator", "action_resume": "operator", "action_preview": "", "action_run": "",
    },
    "psa.closing": {
        "action_accrue": "reviewer", "action_start": "reviewer", "action_close": "approver", "action_reopen":
        "approver",
    },
    "psa.closing.check": {"action_toggle": "operator"},
    "psa.connection": {
        "action_check": "administrator", "action_consent": "administrator", "action_pause": "administrator",
        "action_resume": "administrator", "action_pull_now": "operator", "action_setup": "administrator",
        "action_setup_next": "administrator", "action_setup_back": "administrator", "action_shadow": "administrator",
        "action_go_live": "administrator", "action_export_configuration": "administrator",
        "action_import_configuration": "administrator",
    },
    "psa.credential": {"action_clear": "administrator"},
    "psa.entry": {
        "action_accept_change": "reviewer", "action_write_down": "reviewer", "action_retry": "operator",
        "action_waive": "",  # alone up to the company's limit, which is nothing here
    },
    "psa.erasure": {"action_erase": "administrator"},
    "psa.exception": {
        "action_assign": "operator", "action_fix": "operator", "action_is_another": "operator", "action_is_same":
        "operator", "action_retry": "operator", "action_wait_for_source": "operator", "action_waive": "reviewer",
        "action_agree_waive": "approver", "action_refuse_waive": "approver", "action_ask": "operator", "action_correct":
        "operator", "action_bulk": "operator", "action_bulk_assign": "operator", "action_bulk_waive": "reviewer",
    },
    "psa.exception.cause": {"action_retry_all": "operator"},
    "psa.exception.job": {"action_cancel": "operator", "action_resume": "operator"},
    "psa.file": {"action_cancel": "operator", "action_resume": "operator"},
    "psa.hold": {"action_release": "reviewer"},
    "psa.legal.hold": {"action_release": "approver"},
    "psa.mapping": {
        "action_activate": "approver", "action_approve": "approver", "action_describe": "mapper", "action_new_version":
        "mapper", "action_rederive": "operator", "action_revert": "approver", "action_simulate": "mapper",
        "action_suggest": "mapper", "action_withdraw": "mapper",
    },
    "psa.mapping.line": {"action_use_suggestion": "mapper"},
    "psa.mapping.simulation": {"action_again": "mapper", "action_run": "mapper"},
    "psa.message": {
        "action_correct": "operator", "action_retry": "operator", "action_unmask": "administrator", "action_waive":
        "reviewer",
    },
    "psa.message.change": {"action_agree": "reviewer", "action_refuse": "reviewer"},
    "psa.progress": {
        "action_approve": "", "action_refuse": "", "action_take_back": "", "action_propose": "operator",
        "action_report": "operator",
    },
    "psa.proposal": {
        "action_approve": "approver", "action_back_to_draft": "operator", "action_cancel": "operator",
        "action_refresh": "operator", "action_submit": "operator",
    },
    "psa.proposal.line": {"action_write_down": "reviewer"},
    "psa.rate.card": {"action_copy_card": "approver mapper"},
    "psa.retainer": {"action_redraw": "operator"},
    "psa.retainer.move": {"action_remove": "approver"},
    "psa.stream": {
        "action_accept_fields": "mapper", "action_backfill": "administrator", "action_backfill_stop": "administrator",
        "action_describe": "mapper",
    },
    "psa.support.access": {"action_end": "administrator"},
    "psa.value.map": {"action_use_suggestion": "mapper"},
    "psa.write.down": {
        "action_approve": "approver", "action_refuse": "approver", "action_reverse": "reviewer", "action_submit":
        "reviewer",
    },
}
# Works in transactions of its own: who is refused is tested, who may is not.
OWN_TRANSACTION = {
    ("psa.connection", "action_check"), ("psa.mapping", "action_describe"), ("psa.stream", "action_describe"),
}


@tagged("post_install", "-at_install")
class TestMethodMatrix(MethodCase):

    def methods(self):
        return {
            (model_name, name) for model_name, name in self.public_methods() - HARMLESS
            if not self.env[model_name].is_transient()
        }

    def test_every_method_is_in_the_matrix(self):
        known = {(model_name, name) for model_name, methods in METHODS.items() for name in methods}
        self.assertEqual(self.methods(), known)

    def refused(self, records, model_name, name, group):
        """Tell whether ``group`` may not call the method; what else it says (nothing to do, not now) is no refusal."""
        with self.env.cr.savepoint() as savepoint:
            try:
                getattr(records[model_name][:1].with_user(self.users[group]), name)(*ARGUMENTS.get(name, ()))
            except AccessError:
                return True
            except (UserError, ValidationError):
                return False
            finally:
                savepoint.rollback()
                self.env.invalidate_all()
        return False

    def test_every_method_against_every_group(self):
        records, wrong = self.records(), []
        for model_name, methods in METHODS.items():
            for name, least in methods.items():
                for group in GROUPS:
                    may = any(item in IMPLIED[group] for item in least.split())
                    if may and (model_name, name) in OWN_TRANSACTION:
                        continue
                    if self.refused(records, model_name, name, group) == may:
                        wrong.append(f"{group} {'may not' if may else 'may'} call {model_name}.{name}")
        self.assertFalse(wrong)


@tagged("post_install", "-at_install")
class TestSeparationOfDuties(MethodCase):
    """One person alone neither gives money away nor bills it, unless the company says that one is all it has."""

    def test_who_prepared_a_proposal_does_not_approve_it(self):
        order = self.make_contract(("time_material", 10, 0))
        self.make_rate(100, order, employee_id=self.ada.id)
        self.make_time(order, [8])
        proposal = self.propose(order)
        proposal.sudo().prepared_by = self.users["approver"]
        proposal.sudo().state = "to_approve"
        with self.assertRaisesRegex(AccessError, "another person"):
            proposal.with_user(self.users["approver"]).action_approve()
        proposal.sudo().prepared_by = self.users["operator"]
        proposal.sudo().editor_ids = self.users["approver"]
        with self.assertRaisesRegex(AccessError, "another person"):
            proposal.with_user(self.users["approver"]).action_approve()
        proposal.sudo().editor_ids = False
        proposal.with_user(self.users["approver"]).action_approve()
        self.assertIn(proposal.state, ("approved", "invoiced"))

    def test_who_asked_for_a_write_down_does_not_approve_it(self):
        order = self.make_contract(("time_material", 10, 0))
        self.make_rate(100, order, employee_id=self.ada.id)
        write_down = self.env["psa.write.down"].with_user(self.users["approver"]).create({
            "entry_ids": [(6, 0, self.make_time(order, [8]).ids)],
            "reason_id": self.env.ref("psa_hub.write_down_reason_goodwill").id})
        write_down.action_submit()
        write_down.sudo().state = "to_approve"  # whether or not it is above the limit
        with self.assertRaisesRegex(AccessError, "Another person"):
            write_down.action_approve()

    def test_who_wrote_an_amendment_does_not_put_it_in_force(self):
        order = self.make_contract(("time_material", 10, 0))
        amendment = self.env["psa.amendment"].with_user(self.users["approver"]).create({
            "order_id": order.id, "name": "A", "change_ids": [(0, 0, {"kind": "rate", "amount": 1})]})
        with self.assertRaises(AccessError):
            amendment.action_put_in_force()

    def test_who_asked_to_erase_a_person_does_not_do_it(self):
        erasure = self.env["psa.erasure"].with_user(self.users["administrator"]).create({
            "employee_id": self.ada.id, "company_id": self.company.id, "reason": "A test"})
        with self.assertRaises(AccessError):
            erasure.action_erase()

    def test_nobody_grants_support_access_to_themselves(self):
        with self.assertRaises(ValidationError):
            self.env["psa.support.access"].with_user(self.users["administrator"]).create({
                "user_id": self.users["administrator"].id, "group_id": self.env.ref("psa_hub.group_personal").id,
                "company_id": self.company.id, "reason": "A test"})

    def test_a_reviewer_waives_up_to_the_limit(self):
        self.company.psa_waive_limit = 100
        exception, _messages = self.hold(range(2), risk=100)
        exception.with_user(self.users["reviewer"]).action_waive("Too small")
        self.assertNotEqual(exception.state, "waived", "200.00 is above the limit")
        with self.assertRaises(AccessError):
            exception.with_user(self.users["reviewer"]).action_agree_waive()
        exception.with_user(self.users["approver"]).action_agree_waive()
        self.assertEqual(exception.state, "waived")

    def test_nobody_agrees_to_their_own_waive(self):
        self.company.psa_waive_limit = 100
        exception, _messages = self.hold(range(2), risk=100)
        exception.with_user(self.users["approver"]).action_waive("Too small")
        with self.assertRaisesRegex(AccessError, "somebody else"):
            exception.with_user(self.users["approver"]).action_agree_waive()

    def test_who_changed_a_rate_is_in_the_trail(self):
        """A firm's approvers keep its rates as well: they are not kept from approving, but it cannot be hidden."""
        order = self.make_contract(("time_material", 10, 0))
        rate = self.make_rate(100, order, employee_id=self.ada.id)
        rate.with_user(self.users["approver"]).amount = 120
        row = self.env["psa.audit"].search([
            ("res_model", "=", "psa.rate"), ("res_id", "=", rate.id), ("event", "=", "setting.change")])
        self.assertEqual((row.user_id, row.before, row.after), (
            self.users["approver"], {"amount": 100.0}, {"amount": 120.0}))
