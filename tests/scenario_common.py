"""Scenarios as tables: events in the order in which they happen, each with what it must come to."""

from calendar import monthrange
from datetime import date

from freezegun import freeze_time

from odoo import Command
from odoo.tools import float_round

from .amendment_common import AmendmentCase
from .charge_common import ChargeCase
from .costs_common import CostsCase
from .test_hold import HoldCase


def day_of(text):
    return date.fromisoformat(text)


def span(month):
    """Return first and last day of a month written as ``2026-05``."""
    first = day_of(f"{month}-01")
    return first, first.replace(day=monthrange(first.year, first.month)[1])


class ScenarioCase(ChargeCase, CostsCase):
    """Plays a table of events on ``self.order`` and looks at everything after each of them.

    An event is ``(name, arguments...)``; a dict at the end holds named arguments. The events are the methods ``on_*``.
    An invoice is called as its month, unless the event names it. A line of an invoice is written
    ``(billing method, quantity, price, before tax, tax, with tax)``.
    """

    maxDiff = None
    make_amendment = AmendmentCase.make_amendment
    put_in_force = AmendmentCase.put_in_force
    rate_change = AmendmentCase.rate_change
    reverse = AmendmentCase.reverse
    register_payment = HoldCase.pay

    def setUp(self):
        super().setUp()
        self.at("2026-06-20")
        self.entries, self.moves = {}, {}

    @classmethod
    def hourly(cls, *lines, price=100.0, **values):
        """Return a contract for consultants at ``price`` an hour, with more ``lines``."""
        order = cls.make_contract(
            ("time_material", 100, price, {"psa_role_id": cls.consultant.id}), *lines, **values)
        cls.make_rate(price, order, role_id=cls.consultant.id)
        return order

    def play(self, order, *events):
        self.order = order
        for number, (name, *arguments) in enumerate(events, 1):
            named = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
            try:
                getattr(self, f"on_{name}")(*arguments, **named)
                self.assertLaws()
            except AssertionError as error:
                raise AssertionError(f"event {number}, {name} {arguments[:1]}: {error}") from error

    def assertLaws(self):
        """What holds at any time: the ledger, the timesheets' invoice, and the lines that add up to their entries."""
        self.env.flush_all()
        self.env.invalidate_all()
        entries = self.order.psa_entry_ids
        self.assertLedger(entries)
        for entry in entries.filtered("analytic_line_id"):
            standing = entry.allocation_ids.filtered(lambda row: row.kind == "invoice" and row.state != "cancel")
            billed = entry.allocated_quantity or entry.allocated_amount
            self.assertEqual(
                entry.analytic_line_id.timesheet_invoice_id,
                standing.sorted("id")[-1:].move_id if billed else self.env["account.move"], entry.display_name)

    # === WHAT HAPPENS === #
    def on_time(self, day, hours, name=None, line=0, who="ada", **values):
        [entry] = self.make_time(
            self.order, [hours], getattr(self, who), self.order.order_line[line], day_of(day), **values)
        self.entries[name or day] = entry

    def on_expense(self, day, amount, name=None, **values):
        self.entries[name or f"expense {day}"] = self.make_expense(self.order, amount, day=day_of(day), **values)

    def on_today(self, day):
        self.at(day)

    def on_now(self, instant):
        """From here on it is this instant, in UTC."""
        self._thaw()
        self._freezer = freeze_time(instant)
        self._freezer.start()

    def on_do(self, call):
        call()

    def on_bill(self, month, *lines, total=None, name=None, post=True):
        """Propose, approve, post; ``total`` is (before tax, tax, with tax)."""
        move = self.bill(self.order, *span(month), post=post)
        self.moves[name or month] = move
        self.on_invoice(name or month, *lines, total=total)

    def on_bill_split(self, month, *customers):
        """``customers``: (customer, lines...); the invoices are called as month and customer."""
        moves = self.bill(self.order, *span(month)).sorted(lambda move: move.partner_id.name)
        self.assertEqual(moves.partner_id.mapped("name"), [customer for customer, *_lines in customers])
        for move, (customer, *lines) in zip(moves, customers, strict=True):
            self.moves[f"{month} {customer}"] = move
            self.assertInvoiceLines(move, lines)

    def on_nothing(self, month):
        proposal = self.propose(self.order, *span(month))
        self.assertFalse(proposal.line_ids.filtered(lambda line: line.decision == "in"), "nothing to bill")
        proposal.action_cancel()

    def on_post(self, name):
        self.moves[name].action_post()

    def on_reset(self, name):
        self.moves[name].button_draft()

    def on_cancel(self, name):
        self.moves[name].button_cancel()

    def on_unlink(self, name):
        self.moves.pop(name).unlink()

    def on_unlink_line(self, name, number):
        self.moves[name].invoice_line_ids.sorted("sequence")[number].unlink()

    def on_pay(self, name):
        self.register_payment(self.moves[name])

    def on_credit(self, name, quantities=None, post=True):
        """Credit an invoice; ``quantities``: of each line in order, 0 leaves it out, None credits all of them."""
        credit = self.reverse(self.moves[name])
        for line, quantity in zip(credit.invoice_line_ids.sorted("sequence"), quantities or (), strict=False):
            if quantity:
                line.quantity = quantity
            else:
                line.unlink()
        self.moves[f"credit {name}"] = credit
        if post:
            credit.action_post()

    def on_amend(self, day, changes, **values):
        self.put_in_force(self.make_amendment(day_of(day), *changes, order=self.order, **values))

    def on_write_down(self, name, amount):
        self.env["psa.write.down"].with_user(self.approver).create({
            "entry_ids": [Command.set(self.entries[name].ids)], "mode": "amount", "amount": amount,
            "reason_id": self.env.ref("psa_hub.write_down_reason_goodwill").id}).action_submit()

    # === WHAT IT COMES TO === #
    def on_invoice(self, name, *lines, total=None):
        move = self.moves[name]
        self.assertInvoiceLines(move, lines)
        if total:
            self.assertEqual((move.amount_untaxed, move.amount_tax, move.amount_total), total)

    def on_state(self, name, state):
        self.assertEqual(self.entries[name].billing_state, state)

    def on_entry(self, name, state, amount):
        entry = self.entries[name]
        self.assertEqual((entry.state, entry.amount), (state, amount))

    def on_held(self, *exceptions):
        """All open exceptions of the contract's work: (cause, amount)."""
        found = self.order.psa_entry_ids.exception_id.filtered("is_open")
        self.assertEqual(sorted((row.cause_code, row.amount) for row in found), sorted(exceptions))

    def on_odoo(self, *lines):
        """Odoo's own figures of the contract lines: (delivered, invoiced)."""
        self.env.invalidate_all()
        self.assertEqual([(line.qty_delivered, line.qty_invoiced) for line in self.order.order_line], list(lines))

    def on_linked(self, name, move):
        self.assertEqual(
            self.entries[name].analytic_line_id.timesheet_invoice_id,
            self.moves[move] if move else self.env["account.move"])

    def on_to_bill(self, amount):
        self.env.invalidate_all()
        self.assertEqual(self.order.psa_to_bill_amount, amount)

    def assertInvoiceLines(self, move, lines):
        move.invoice_line_ids.invalidate_recordset()
        found = [
            (line.sale_line_ids.psa_billing_method, line.quantity, float_round(line.price_unit, 6), line.price_subtotal,
             float_round(line.price_total - line.price_subtotal, 2), line.price_total)
            for line in move.invoice_line_ids.filtered(lambda line: line.display_type == "product").sorted("sequence")
        ]
        self.assertEqual(found, list(lines))
