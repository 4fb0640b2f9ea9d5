"""A contract at 100 an hour, and amendments that change it."""

from datetime import date

from odoo import Command

from .billing_common import BillingCase


class AmendmentCase(BillingCase):
    """One contract: consultants at 100, architects at 200; an author and an approver of amendments."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 100.0, {"psa_role_id": cls.consultant.id}), ("fixed_fee", 1, 10000.0))
        cls.line, cls.fee_line = cls.order.order_line
        cls.rate = cls.make_rate(100, cls.order, role_id=cls.consultant.id)
        cls.make_rate(200, cls.order, role_id=cls.architect.id)

    def make_amendment(self, day=date(2026, 5, 1), *changes, order=None, **values):
        """Return a draft written by the preparer; each of ``changes`` is a dict of a change."""
        return self.env["psa.amendment"].with_user(self.preparer).create({
            "order_id": (order or self.order).id,
            "name": "Rate rise",
            "date_effective": day,
            "clause": "CO-1 §2",
            "change_ids": [Command.create(change) for change in changes],
            **values,
        })

    def rate_change(self, amount, role=None, **values):
        return {"kind": "rate", "role_id": (role or self.consultant).id, "amount": amount, **values}

    def put_in_force(self, amendment):
        amendment.with_user(self.approver).action_put_in_force()
        return amendment.sudo()

    def amend(self, day=date(2026, 5, 1), *changes, **values):
        return self.put_in_force(self.make_amendment(day, *changes, **values))

    def reverse(self, move):
        wizard = self.env["account.move.reversal"].with_context(
            active_model="account.move", active_ids=move.ids,
        ).create({"journal_id": move.journal_id.id, "date": date(2026, 6, 15)})
        wizard.refund_moves()
        return wizard.new_move_ids

    def differences(self, entries):
        return entries.sudo().adjustment_ids.filtered(lambda entry: entry.state != "withdrawn")

    def worth(self, entries):
        """What customers pay for these in the end: own part and differences."""
        entries = entries.sudo() | self.differences(entries)
        return sum(entries.filtered(lambda entry: entry.state == "approved").mapped("amount"))
