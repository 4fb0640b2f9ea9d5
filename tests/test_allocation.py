from psycopg2.errors import CheckViolation, ForeignKeyViolation

from odoo.tests import tagged
from odoo.tools import mute_logger

from .billing_common import BillingCase


@tagged("post_install", "-at_install")
class TestAllocation(BillingCase):
    """The law of the ledger, asked of the database itself."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id}))
        cls.make_rate(100, cls.order, role_id=cls.consultant.id)

    def setUp(self):
        super().setUp()
        self.entry, self.correction = self.make_time(self.order, [8, -2])
        self.move = self.bill(self.order)

    def sql(self, query, *values):
        self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute(query, values)

    def test_sums_follow_whatever_statement_writes(self):
        allocation = self.entry.allocation_ids
        self.sql("UPDATE psa_allocation SET quantity = 5, amount = 500 WHERE id = %s", allocation.id)
        self.env.invalidate_all()
        self.assertEqual((self.entry.allocated_quantity, self.entry.allocated_amount), (5, 500))
        self.sql("DELETE FROM psa_allocation WHERE entry_id = ANY(%s)", [self.entry.id, self.correction.id])
        self.env.invalidate_all()
        self.assertEqual((self.entry + self.correction).mapped("allocated_amount"), [0, 0])

    def test_more_than_approved_is_refused(self):
        for allocation, amount, quantity in [
            (self.entry.allocation_ids, 800.01, 8), (self.entry.allocation_ids, 800, 8.000001),
            (self.entry.allocation_ids, -0.01, 0), (self.correction.allocation_ids, -200.01, -2),
            (self.correction.allocation_ids, 0.01, 0),
        ]:
            with self.assertRaises(CheckViolation):
                self.sql("UPDATE psa_allocation SET amount = %s, quantity = %s WHERE id = %s",
                         amount, quantity, allocation.id)

    def test_approved_cannot_fall_below_what_is_billed(self):
        with self.assertRaises(CheckViolation):
            self.sql("UPDATE psa_entry SET amount = 799.99 WHERE id = %s", self.entry.id)
        with self.assertRaises(CheckViolation):
            self.sql("UPDATE psa_entry SET quantity = 7 WHERE id = %s", self.entry.id)

    def test_what_the_ledger_stands_on_cannot_be_removed(self):
        allocation = self.entry.allocation_ids
        with self.assertRaises(ForeignKeyViolation):
            self.sql("DELETE FROM psa_entry WHERE id = %s", self.entry.id)
        with self.assertRaises(ForeignKeyViolation):
            self.sql("DELETE FROM account_move_line WHERE id = %s", allocation.move_line_id.id)

    def test_a_draft_credit_does_not_count_and_a_cancelled_invoice_neither(self):
        allocation = self.entry.allocation_ids
        self.sql("UPDATE psa_allocation SET state = 'cancel' WHERE id = %s", allocation.id)
        self.env.invalidate_all()
        self.assertEqual(self.entry.allocated_amount, 0)
        self.sql("UPDATE psa_allocation SET state = 'draft' WHERE id = %s", allocation.id)
        self.sql("UPDATE psa_allocation SET kind = 'credit', amount = -800, quantity = -8 WHERE id = %s",
                 allocation.id)
        self.env.invalidate_all()
        self.assertEqual(self.entry.allocated_amount, 0)
