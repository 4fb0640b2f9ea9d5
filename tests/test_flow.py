# pylint: disable=invalid-commit  # on the test's cursor, which rolls it back
"""From a won deal to an approved invoice and back, over real HTTP, checked to the last record and cent.

The stand-in's manifest is computed by plain arithmetic from its own rows and knows nothing of this add-on.
"""

from collections import Counter
from decimal import Decimal

from odoo.tests import TransactionCase, tagged

from ..demo import acts, firm
from ..devkit import demo_facts, demo_table
from ..sandbox.server import start
from .outbound import OutboundMixin


@tagged("post_install", "-at_install")
class TestFlow(OutboundMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sandbox = start(scale="small")
        cls.addClassCleanup(cls.sandbox.stop)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)

    def test_from_won_deal_to_paid_invoice_and_the_changes_after(self):
        manifest = self.sandbox.manifest
        before = demo_facts.invoiced_at_vendor(self.sandbox.url)
        connection = firm.set_up(self.env, self.sandbox.url, self.sandbox.credentials, manifest)
        connection.action_check()
        self.assertEqual(connection.state, "connected")

        self.read_and_apply(connection)
        acts.propose(self.env, manifest["period"])
        moves = acts.approve_and_post(self.env, manifest["today"])
        self.write_back()
        self.check_the_table(manifest, before)
        self.check_proposals_equal_invoices(moves)

        self.check_that_mapping_the_role_releases_the_chain(connection)
        self.check_that_payment_reaches_the_deal(moves)
        self.check_the_second_act(connection)

    # steps

    def read_and_apply(self, connection):
        """What the scheduled jobs do, until nothing is left to do."""
        for _turn in range(6):
            new = sum(stream._pull() for stream in connection.stream_ids.filtered(
                lambda stream: stream.direction == "in").sorted("sequence"))
            self.env["psa.stream"]._cron_fetch()
            lanes = self.env["psa.lane"]
            done = lanes._drain("master", stand_by=0) + lanes._drain("transaction", stand_by=0)
            if not new and not done:
                return
        self.fail("After six turns there is still something to read or to apply.")

    def write_back(self):
        self.env.cr.commit()  # what is to be told is gathered until the commit
        self.env["psa.stream"]._cron_push()
        left = self.env["psa.message"].search([("direction", "=", "out"), ("state", "not in", ("done", "skipped"))])
        self.assertFalse(len(left), set(left.mapped("error")))

    def exceptions(self, cause):
        return self.env["psa.exception"].search([
            ("cause_code", "=", cause), ("state", "not in", ("resolved", "waived"))])

    # checks

    def check_the_table(self, manifest, before):
        """The same figures that ``./dev demo`` prints, each equal to the manifest's."""
        answers = {}
        for name, query in demo_facts.QUERIES.items():
            self.env.cr.execute(query)
            answers[name] = self.env.cr.fetchall()
        found = demo_facts.gathered(answers, before, demo_facts.invoiced_at_vendor(self.sandbox.url))
        rows = demo_table.compare(found, manifest)
        self.assertGreater(len(rows), 40)
        self.assertEqual([row for row in rows if not row.ok], [])

    def check_proposals_equal_invoices(self, moves):
        """The proposal's total, computed before anybody approved it, is the posted total to the cent."""
        self.assertTrue(moves)
        for move in moves:
            proposal = self.env["psa.proposal"].search([("move_ids", "in", move.ids)])
            self.assertEqual(
                (proposal.amount_untaxed, proposal.amount_tax, proposal.amount_total, proposal.company_id),
                (move.amount_untaxed, move.amount_tax, move.amount_total, move.company_id))
            self.assertEqual(proposal.currency_id, move.currency_id)

    def check_that_mapping_the_role_releases_the_chain(self, connection):
        """Finance says what the unknown role is: the assignment and the timecards behind it go through."""
        waiting = self.env["psa.message"].search([("state", "=", "waiting"), ("object_type", "=", "pse__Timecard__c")])
        before = len(waiting)
        behind = self.sandbox.manifest["waiting"]["behind_unmapped_role"]["timecards"]
        unknown = self.env["psa.value.map"].search([("state", "=", "unknown")])
        self.assertEqual(unknown.mapped("source_value"), ["Prompt Engineer"])
        role = self.env["psa.role"].create({"name": "Prompt Engineer"})
        unknown.target_ref = f"psa.role,{role.id}"
        self.read_and_apply(connection)
        self.assertFalse(self.exceptions("unmapped_value"))
        self.assertEqual(before - len(waiting.filtered(lambda message: message.state == "waiting")), behind)

    def check_that_payment_reaches_the_deal(self, moves):
        move = moves[:1]
        register = self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=move.ids)
        register.create({"payment_date": move.invoice_date})._create_payments()
        self.assertIn(move.payment_state, ("paid", "in_payment"))
        self.write_back()
        deals = self.sandbox.app.control("GET", "written", {})["Opportunity"]["deals"]
        # each company numbers its invoices for itself: the address is what tells them apart
        states = {deal["Odoo_Invoice_Url__c"]: deal["Odoo_Payment_State__c"] for deal in deals.values()}
        [state] = [state for url, state in states.items() if url and url.endswith(f"/{move.id}")]
        self.assertEqual(state, move.payment_state)

    def check_the_second_act(self, connection):
        """Late edits, deletions and rejections of what is billed already: exceptions with the difference, no edits."""
        posted = self.env["account.move"].search([("state", "=", "posted"), ("move_type", "=", "out_invoice")])
        totals = {move.id: move.amount_total for move in posted}
        self.sandbox.advance()
        expected = self.sandbox.manifest["second_act"]
        connection.stream_ids.next_pull_at = False
        self.read_and_apply(connection)

        for act in ("late_edit", "delete_after_billing", "rejected_after_approval_billed"):
            cause = expected[act]["cause"]
            found = self.exceptions(cause)
            self.assertEqual(len(found), expected[act]["exceptions"], (act, found.mapped("name")))
        amounts = Counter()
        for item in expected["late_edit"]["items"]:
            amounts[item["currency"]] += abs(Decimal(item["difference"]))
        found = self.exceptions("changed_after_billing")
        in_own_currency = Counter()
        for item in found:
            in_own_currency[item.order_id.currency_id.name] += Decimal(str(item.amount))
        self.assertEqual(
            sum(amounts.values()).quantize(Decimal("0.01")),
            sum(in_own_currency.values()).quantize(Decimal("0.01")))
        self.assertFalse(self.exceptions("duplicate_party"), "the merge at the source resolves the duplicate")
        self.assertEqual({move.id: move.amount_total for move in posted}, totals, "posted invoices do not change")
