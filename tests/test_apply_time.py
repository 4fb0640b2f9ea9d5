from datetime import date
from decimal import Decimal

from odoo.tests import tagged

from .apply_common import ApplyCase


@tagged("post_install", "-at_install")
class TestApplyTime(ApplyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection.company_id = cls.us

    def setUp(self):
        super().setUp()
        self.jane = self.resource("Jane Doe", role=self.consultant, cost_rate=60)
        self.order = self.contract(
            self.deal_line(role=self.consultant, price=150, name="Consulting"),
            self.deal_line(role=self.architect, price=210, name="Architecture"),
        )
        self.project_ = self.project(self.order)
        self.consulting, self.architecture = self.order.order_line

    # === BOOKING === #
    def test_approved_time_is_booked_and_billable(self):
        item = self.time(self.project_, self.jane, 7.5, description="Workshop", source_amount=1125, currency="USD")
        timesheet = item.record
        self.assertEqual(timesheet.name, "Workshop")
        self.assertEqual(timesheet.project_id, self.project_)
        self.assertEqual(timesheet.task_id.name, "Consulting")
        self.assertEqual(timesheet.so_line, self.consulting)
        self.assertTrue(timesheet.is_so_line_edited)
        self.assertEqual(timesheet.date, date(2026, 2, 2))
        self.assertEqual(timesheet.amount, -450, "7.5 hours at a cost of 60")
        self.assertEqual(timesheet.company_id, self.us)
        self.assertEqual(timesheet.account_id, self.project_.account_id)
        self.assertEqual(self.consulting.qty_delivered, 0, "the sums follow when the batches are done")
        self.assertEqual(self.env["psa.apply.total"]._compute_behind(), 3)
        self.assertEqual((self.consulting.qty_delivered, timesheet.task_id.effective_hours), (7.5, 7.5))
        self.assertEqual(self.env["psa.apply.total"]._compute_behind(), 0)
        entry = self.entry(timesheet)
        self.assertEqual(entry.state, "approved")
        self.assertEqual((entry.quantity, entry.rate, entry.amount), (7.5, 150, 1125))
        self.assertEqual(entry.role_id, self.consultant)

    def test_cost_is_what_odoo_computes(self):
        timesheet = self.time(self.project_, self.jane, "1.333333").record
        booked = timesheet.amount
        timesheet.unit_amount = timesheet.unit_amount  # a write makes Odoo compute it again
        timesheet._timesheet_postprocess({"unit_amount": timesheet.unit_amount})
        self.assertEqual(timesheet.amount, booked)

    def test_role_of_the_record_wins_over_the_persons(self):
        timesheet = self.time(self.project_, self.jane, role=self.architect).record
        self.assertEqual(timesheet.so_line, self.architecture)
        self.assertEqual(timesheet.task_id.name, "Architecture")
        self.assertEqual(self.entry(timesheet).amount, 8 * 210)

    def test_a_person_without_a_role_gets_no_role_s_price(self):
        """The contract sells two roles at two prices, and nobody knows which one this is: it waits, unpriced."""
        john = self.resource("John Roe")
        entry = self.entry(self.time(self.project_, john, 8).record)
        self.assertEqual((entry.state, entry.reason, entry.amount), ("held", "missing_rate", 0))
        self.assertIn("John Roe (no role)", entry.exception_id.name)

    def test_a_role_given_later_sends_the_hours_once_more(self):
        john = self.resource("John Roe")
        stream = self.connection.stream_ids.filtered(lambda item: item.code == "account")
        message = self.env["psa.message"].create({
            "connection_id": self.connection.id, "stream_id": stream.id, "company_id": self.us.id, "direction": "in",
            "lane": "transaction", "origin": "pull", "operation": "upsert", "dedupe_key": "t", "object_type": "Time",
            "external_id": "T", "payload": "{}", "payload_hash": "t", "state": "done"})
        self.entry(self.time(self.project_, john, 8).record).message_id = message
        john.psa_role_id = self.architect
        again = self.env["psa.message"].search([("origin_message_id", "=", message.id)])
        self.assertEqual((again.state, again.origin), ("pending", "replay"))

    def test_one_price_for_all_roles_needs_no_role(self):
        order = self.contract(self.deal_line(role=self.consultant, price=150, name="One"),
                              self.deal_line(role=self.architect, price=150, name="Two"))
        entry = self.entry(self.time(self.project(order), self.resource("John Roe"), 8).record)
        self.assertEqual((entry.state, entry.amount), ("approved", 1200))

    def test_unapproved_time_waits(self):
        timesheet = self.time(self.project_, self.jane, approved=False, status="Submitted").record
        self.assertEqual(timesheet.unit_amount, 8)
        self.assertEqual(self.entry(timesheet).state, "waiting")

    def test_non_billable_time_is_a_timesheet_without_order_line(self):
        timesheet = self.time(self.project_, self.jane, billable=False).record
        self.assertFalse(timesheet.so_line)
        self.assertEqual(timesheet.timesheet_invoice_type, "non_billable")
        self.assertEqual(self.entry(timesheet).state, "excluded")

    def test_internal_time_needs_no_contract(self):
        internal = self.project(name="Training")
        self.assertFalse(internal.allow_billable)
        item = self.time(internal, self.jane, billable=False)
        self.assertEqual(item.record.project_id, internal)
        self.assertFalse(self.entry(item.record))

    def test_time_under_a_fee_is_pinned_but_not_billed(self):
        order = self.contract(self.deal_line("fixed_fee", 1, 9000, name="Setup"))
        timesheet = self.time(self.project(order), self.jane).record
        self.assertEqual(timesheet.so_line, order.order_line)
        entry = self.entry(timesheet)
        self.assertEqual((entry.state, entry.reason), ("excluded", "covered"))
        self.assertEqual(entry.amount, 0)

    def test_one_task_for_all_time_of_a_role(self):
        first, second = self.time(self.project_, self.jane).record, self.time(self.project_, self.jane).record
        self.assertEqual(first.task_id, second.task_id)
        self.assertEqual(len(self.project_.task_ids), 2, "the two that came with the contract")

    def test_hours_of_a_leaver_are_booked(self):
        self.jane.active = False
        item = self.time(self.project_, self.jane)
        self.assert_state(item, "done")
        self.assertEqual(item.record.employee_id, self.jane)
        self.assertEqual(self.entry(item.record).amount, 1200)

    def test_time_in_another_company_lands_there(self):
        anna = self.resource("Anna", company=self.de, role=self.consultant, cost_rate=50)
        order = self.contract(self.deal_line(role=self.consultant, price=100), company=self.de, currency="EUR")
        timesheet = self.time(self.project(order), anna).record
        self.assertEqual(timesheet.company_id, self.de)
        self.assertEqual(timesheet.amount, -400)
        entry = self.entry(timesheet)
        self.assertEqual((entry.company_id, entry.currency_id, entry.amount), (self.de, self.eur, 800))

    def test_batch_over_two_companies(self):
        anna = self.resource("Anna", company=self.de, role=self.consultant)
        order = self.contract(self.deal_line(role=self.consultant, price=100), company=self.de, currency="EUR")
        first, second = self.run_items(
            self.time_item(self.project_, self.jane), self.time_item(self.project(order), anna))
        self.assertEqual((first.record.company_id, second.record.company_id), (self.us, self.de))

    def test_negative_hours_correct(self):
        self.assertEqual(self.entry(self.time(self.project_, self.jane, -2).record).amount, -300)

    # === WHAT IS HELD === #
    def test_wrong_entity(self):
        anna = self.resource("Anna", company=self.de)
        item = self.time(self.project_, anna, source_amount=1200, currency="USD")
        self.assert_held(item, "wrong_entity", "Anna", "Nordwind GmbH", "Northwind Inc.")

    def test_closed_project_takes_no_new_time_but_changes_go_through(self):
        known = self.time_item(self.project_, self.jane, external_id="T-old", approved=False)
        self.run_items(known)
        self.project_.psa_closed_for_time = True
        self.assert_held(self.time(self.project_, self.jane), "closed_project", "Relaunch")
        self.assert_state(self.time(self.project_, self.jane, external_id="T-old"), "done")

    def test_billable_time_without_contract(self):
        internal = self.project(name="Training")
        item = self.time(internal, self.jane)
        self.assert_held(item, "no_contract", "Training")
        self.assertEqual(item.outcome.key, f"contract:{internal.id}", "one exception for the project")

    def test_currency_mismatch(self):
        item = self.time(self.project_, self.jane, currency="EUR", source_amount=1000)
        self.assert_held(item, "currency_mismatch", "EUR", "USD", self.order.name)

    def test_money_at_risk(self):
        item = self.time_item(self.project_, self.jane, source_amount="1125.50", currency="USD")
        self.handler("time")._risk([item])
        self.assertEqual((item.amount, item.currency), (Decimal("1125.50"), "USD"))

    # === CHANGES === #
    def test_same_record_again_changes_nothing(self):
        values = {"description": "Workshop", "source_amount": 1125, "currency": "USD"}
        self.time(self.project_, self.jane, 7.5, external_id="T1", **values)
        with self.assert_no_write("account.analytic.line", "psa.entry", "project.task"):
            self.time(self.project_, self.jane, 7.5, external_id="T1", **values)

    def test_changed_hours_reprice(self):
        first = self.time(self.project_, self.jane, 8, external_id="T1")
        again = self.time(self.project_, self.jane, 6, external_id="T1", role=self.architect)
        self.assertEqual(again.record, first.record)
        self.assertEqual((first.record.unit_amount, first.record.amount), (6, -360))
        self.assertEqual(first.record.so_line, self.architecture)
        self.assertEqual(self.entry(first.record).amount, 6 * 210)

    def test_time_moved_to_a_leaver(self):
        first = self.time(self.project_, self.jane, 8, external_id="T1").record
        entry = self.entry(first)
        leaver = self.resource("Joe", role=self.architect)
        leaver.active = False
        item = self.time(self.project_, leaver, 8, external_id="T1")
        self.assertFalse(first.exists())
        self.assertEqual(entry.state, "withdrawn")
        self.assertEqual(item.record.employee_id, leaver)
        self.assertEqual(self.entry(item.record).amount, 8 * 210)

    def test_approval_taken_back_withdraws_the_entry(self):
        first = self.time(self.project_, self.jane, external_id="T1")
        self.time(self.project_, self.jane, external_id="T1", approved=False, status="Submitted")
        self.assertEqual(self.entry(first.record).state, "withdrawn")

    def test_rejected_time_is_taken_away(self):
        timesheet = self.time(self.project_, self.jane, external_id="T1").record
        entry = self.entry(timesheet)
        item = self.time(self.project_, self.jane, external_id="T1", approved=False, status="Rejected")
        self.assertIsNone(item.record)
        self.assertFalse(timesheet.exists())
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "rejected"))
        back = self.time(self.project_, self.jane, external_id="T1")
        self.assertEqual(self.entry(back.record).amount, 1200)

    def test_time_rejected_from_the_start_is_never_booked(self):
        item = self.time(self.project_, self.jane, approved=False, status="Rejected")
        self.assert_state(item, "done")
        self.assertIsNone(item.record)

    def test_day_set_to_zero_is_taken_away(self):
        timesheet = self.time(self.project_, self.jane, external_id="T1").record
        entry = self.entry(timesheet)
        self.time(self.project_, self.jane, 0, external_id="T1")
        self.assertFalse(timesheet.exists())
        self.assertEqual(entry.state, "withdrawn")

    def test_deleted_at_source(self):
        item = self.time_item(self.project_, self.jane)
        self.run_items(item)
        timesheet, entry = item.record, self.entry(item.record)
        gone = self.run_items(self.gone(item))
        self.assertIsNone(gone.record)
        self.assertFalse(timesheet.exists())
        self.assertEqual((entry.state, entry.reason), ("withdrawn", "deleted"))

    # === AFTER BILLING === #
    def bill(self, timesheet):
        """Put the timesheet's entry on a posted invoice, as billing does."""
        entry = self.entry(timesheet)
        self.env["account.chart.template"].try_loading("generic_coa", company=self.us, install_demo=False)
        move = self.env["account.move"].with_company(self.us).create({
            "move_type": "out_invoice", "partner_id": self.order.partner_id.id,
            "invoice_line_ids": [(0, 0, {
                "name": "Consulting", "quantity": entry.quantity, "price_unit": entry.rate,
                "sale_line_ids": [(4, entry.order_line_id.id)],
            })],
        })
        self.env["psa.allocation"].create({
            "entry_id": entry.id, "move_id": move.id, "move_line_id": move.invoice_line_ids.id, "kind": "invoice",
            "quantity": entry.quantity, "amount": entry.amount, "state": "draft",
        })
        timesheet.timesheet_invoice_id = move
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(entry.billing_state, "billed")
        return entry

    def test_change_after_billing_is_reported_not_written(self):
        timesheet = self.time(self.project_, self.jane, 8, external_id="T1").record
        entry = self.bill(timesheet)
        item = self.time(self.project_, self.jane, 6, external_id="T1", description="Shorter")
        self.assert_state(item, "done")
        self.assertEqual(timesheet.unit_amount, 8)
        self.assertEqual(timesheet.name, "Shorter", "the text may follow")
        self.assertEqual(entry.pending_change, "changed")
        self.assertTrue(self.env["psa.exception"].search([("cause_code", "=", "changed_after_billing")]))

    def test_rejected_after_billing(self):
        timesheet = self.time(self.project_, self.jane, external_id="T1").record
        entry = self.bill(timesheet)
        item = self.time(self.project_, self.jane, external_id="T1", approved=False, status="Rejected")
        self.assertEqual(item.record, timesheet)
        self.assertEqual(entry.pending_change, "rejected")

    def test_deleted_after_billing(self):
        item = self.time_item(self.project_, self.jane)
        self.run_items(item)
        timesheet = item.record
        entry = self.bill(timesheet)
        gone = self.run_items(self.gone(item))
        self.assertEqual(gone.record, timesheet)
        self.assertEqual(entry.pending_change, "deleted")

    # === SETS === #
    def queries(self, size, change=False):
        """Return the number of queries that a batch of ``size`` takes: new, or with changed hours."""
        items = [
            self.time_item(self.project_, self.jane, 1 + number % 8, external_id=f"Q{size}-{number}",
                           work_date=date(2026, 3, 1 + number % 28))
            for number in range(size)
        ]
        if change:
            for item in items:
                item.values["hours"] += 1
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        handler = self.handler("time")
        handler._prepare(items)
        handler._apply(items)
        self.env.flush_all()
        count = self.env.cr.sql_log_count - before
        self.bind(items)
        return count

    def test_queries_do_not_grow_with_the_batch(self):
        self.queries(2)
        small, large = self.queries(10), self.queries(100)
        self.assertLessEqual(large, small + 6)

    def test_queries_of_changes_do_not_grow_with_the_batch(self):
        self.queries(10), self.queries(100)
        small, large = self.queries(10, change=True), self.queries(100, change=True)
        self.assertLessEqual(large, small + 12)
