"""The second firm of the demo: every billing method and every hold occurs, and each contract comes to its cents."""

from odoo.tests import TransactionCase, new_test_user, tagged

from ..demo import money
from ..demo.money_expected import EXPECTED
from ..models.billing.entry import KINDS
from ..models.billing.entry_kinds import HELD_CAUSES
from ..models.periods.hold import KINDS as HOLDS


@tagged("post_install", "-at_install")
class TestDemoMoney(TransactionCase):

    def test_every_method_and_every_hold_with_its_cents(self):
        for login, group in (("finance", "reviewer"), ("approver", "approver")):
            new_test_user(self.env, login, f"psa_hub.group_{group},account.group_account_invoice", name=login.title())
        firm = money.build(self.env)
        money.bill(self.env, firm)
        self.env.flush_all()
        self.env.invalidate_all()
        found = money.result(self.env, firm)
        self.maxDiff = None
        self.assertEqual(found, EXPECTED)
        entries = self.env["psa.entry"].search([("company_id", "=", firm.company.id)])
        self.assertEqual(set(entries.mapped("kind")), {kind for kind, _label in KINDS})
        # What only a connected system can cause is in the first firm's data.
        causes = self.env["psa.exception"].search([("company_id", "=", firm.company.id)]).mapped("cause_code")
        self.assertFalse(set(HELD_CAUSES.values()) - {"no_contract"} - set(causes))
        holds = self.env["psa.hold"].search([("company_id", "=", firm.company.id)])
        self.assertEqual(set(holds.mapped("kind")), {kind for kind, _label in HOLDS})
