from datetime import date

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestBillingAccess(BillingCase):
    """Who may see and do what, with the least of rights."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(150, cls.order, role_id=cls.consultant.id)
        company = {"company_id": cls.company.id, "company_ids": [Command.set(cls.company.ids)],
                   "context": {"no_reset_password": True}}
        cls.auditor = new_test_user(cls.env, "auditor", "psa_hub.group_auditor", **company)
        cls.operator = new_test_user(cls.env, "operator", "psa_hub.group_operator", **company)
        cls.accountant = new_test_user(cls.env, "accountant", "account.group_account_invoice", **company)
        cls.other_company = cls.env["res.company"].create({"name": "Elsewhere"})
        cls.stranger = new_test_user(
            cls.env, "stranger", "psa_hub.group_approver", company_id=cls.other_company.id,
            company_ids=[Command.set(cls.other_company.ids)])

    def test_a_contract_opens_without_sales_rights(self):
        self.operator.group_ids |= self.env.ref("project.group_project_user")
        self.assertFalse(self.operator.has_group("sales_team.group_sale_salesman"))
        project = self.project_of(self.order)
        project.reinvoiced_sale_order_id = self.order
        self.env.invalidate_all()
        found = self.order.with_user(self.operator).read(["project_ids", "project_count"])[0]
        self.assertEqual((found["project_ids"], found["project_count"]), (project.ids, 1))

    def test_an_auditor_reads_and_changes_nothing(self):
        entries = self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        for record in (entries, proposal, proposal.line_ids, self.env["psa.rate"].search([], limit=1)):
            record = record.with_user(self.auditor)
            self.assertTrue(record.read(["display_name"]))
            with self.assertRaises(AccessError):
                record.write({"create_date": False})
            with self.assertRaises(AccessError):
                record.unlink()
        for method in ("action_submit", "action_approve", "action_refresh", "action_cancel"):
            with self.assertRaises(AccessError):
                getattr(proposal.with_user(self.auditor), method)()
        with self.assertRaises(AccessError):
            self.env["psa.proposal"].with_user(self.auditor)._create_proposals(
                date(2026, 5, 1), date(2026, 5, 31), self.order)

    def test_nobody_writes_the_ledger_by_hand(self):
        entries = self.make_time(self.order, [8])
        self.bill(self.order)
        for user in (self.operator, self.approver):
            for record in (entries, entries.allocation_ids):
                with self.assertRaises(AccessError):
                    record.with_user(user).write({"amount": 1})
                with self.assertRaises(AccessError):
                    record.with_user(user).unlink()
            with self.assertRaises(AccessError):
                self.env["psa.allocation"].with_user(user).create({"entry_id": entries.id})

    def test_an_operator_runs_without_sales_rights(self):
        self.make_time(self.order, [8])
        run = self.env["psa.billing.run"].with_user(self.operator).create({
            "period_start": date(2026, 5, 1), "period_end": date(2026, 5, 31)})
        action = run.action_run()
        proposal = self.env["psa.proposal"].search(action["domain"])
        self.assertEqual((proposal.order_id, proposal.prepared_by), (self.order, self.operator))
        proposal.with_user(self.operator).action_submit()
        with self.assertRaises(AccessError):
            proposal.with_user(self.operator).action_approve()

    def test_other_companies_are_out_of_sight(self):
        entries = self.make_time(self.order, [8])
        proposal = self.propose(self.order)
        env = self.env(user=self.stranger, context={"allowed_company_ids": self.other_company.ids})
        for record in (entries, proposal, proposal.line_ids):
            self.assertFalse(env[record._name].search([("id", "in", record.ids)]))
            with self.assertRaises(AccessError):
                record.with_env(env).read(["amount_total" if record == proposal else "amount"])
        with self.assertRaises(AccessError):
            proposal.with_env(env).action_approve()
        self.assertFalse(env["psa.proposal"]._create_proposals(date(2026, 5, 1), date(2026, 5, 31), self.order))

    def test_an_accountant_without_hub_rights_posts_and_credits(self):
        entries = self.make_time(self.order, [8])
        move = self.bill(self.order, post=False).with_user(self.accountant)
        move.action_post()
        self.assertEqual(move.sudo().psa_proposal_id.state, "invoiced")
        wizard = self.env["account.move.reversal"].with_user(self.accountant).with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({"journal_id": move.journal_id.id, "date": date(2026, 6, 15)})
        wizard.refund_moves()
        credit = wizard.new_move_ids
        credit.action_post()
        self.assertEqual(entries.billing_state, "to_bill")
        credit.button_draft()
        credit.unlink()
        self.assertEqual(entries.billing_state, "billed")
        self.env.cr.flush()
        self.assertLedger(entries)
