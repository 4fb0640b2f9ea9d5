from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from odoo import models
from odoo.tools import SQL

from .presentation import line_figures
from .pricing import QUANTITY_STEP, decimal_of
from .share import shares_on
from .splitting import Part, divide

ZERO = Decimal(0)


class Row(NamedTuple):
    """One line of a proposal that is billed now, with what invoices are put together by."""

    proposal_id: int
    line_id: int
    entry_id: int
    quantity: Decimal
    amount: Decimal
    kind: str
    rate: Decimal
    order_line_id: int
    uom_id: int
    work_date: date
    person: int
    role: int
    project: int
    task: int
    partly: bool
    narrative: str
    description: str
    difference: int  # amendment of a price difference on hours: such are put together like the hours themselves


class Piece(NamedTuple):
    """What one customer bears of a row; quantity in the entry's unit."""

    row: Row
    quantity: Decimal
    amount: Decimal


@dataclass
class PlannedLine:
    """A line of the invoice to be. Quantity in ``unit``; amount before tax, as the contract line's price is."""

    order_line: models.BaseModel
    unit: models.BaseModel
    pieces: list
    quantity: Decimal
    price: Decimal
    amount: Decimal
    section: str = ""


@dataclass
class PlannedInvoice:
    """An invoice to be, or a credit note: its lines then say positive amounts for negative entries."""

    partner: models.BaseModel
    refund: bool = False
    reference: str = ""
    lines: list = field(default_factory=list)

    @property
    def sign(self):
        return -1 if self.refund else 1


class PsaProposal(models.Model):
    """What the invoices will say: lines put together by the layout, divided between the customers who pay."""

    _inherit = "psa.proposal"

    def _plans(self):
        """Return ``{proposal id: [PlannedInvoice]}``, the same for the total and for the invoices.

        Time is put together by contract line, rate, and what the layout names (role or person without one); a fee, a
        milestone and an expense stand alone. Three queries for any number of proposals.
        """
        rows = self._plan_rows()
        shares = self.env["psa.billing.share"]._by_order(self.order_id)
        standing = self._standing_by_partner(
            row for proposal in self if proposal.order_id.id in shares
            for row in rows.get(proposal.id, ()) if row.partly)
        planner = Planner(self.env, standing)
        order_lines = self.env["sale.order.line"].browse(
            {row.order_line_id for of_proposal in rows.values() for row in of_proposal})
        order_lines.mapped("sequence")
        return {
            proposal.id: planner.plan(proposal, rows.get(proposal.id, []), shares.get(proposal.order_id.id, ()))
            for proposal in self
        }

    def _plan_rows(self):
        """Return ``{proposal id: [Row]}`` of the lines that are billed now, in the contract's order."""
        self.env.flush_all()
        result = defaultdict(list)
        for row in self.env.execute_query(SQL(
            """
            SELECT line.proposal_id, line.id, line.entry_id, COALESCE(line.quantity, 0)::text,
                   COALESCE(line.amount, 0)::text, entry.kind, COALESCE(entry.rate, 0)::text, entry.order_line_id,
                   entry.uom_id, entry.work_date, entry.employee_id, entry.role_id, entry.project_id, timesheet.task_id,
                   COALESCE(entry.allocated_quantity, 0) <> 0 OR COALESCE(entry.allocated_amount, 0) <> 0,
                   COALESCE(entry.narrative, ''), COALESCE(entry.description, ''),
                   CASE WHEN origin.kind = 'time' THEN entry.amendment_id END
              FROM psa_proposal_line line
              JOIN psa_entry entry ON entry.id = line.entry_id
              JOIN sale_order_line order_line ON order_line.id = entry.order_line_id
         LEFT JOIN psa_entry origin ON origin.id = entry.origin_entry_id
         LEFT JOIN account_analytic_line timesheet ON timesheet.id = entry.analytic_line_id
             WHERE line.proposal_id = ANY(%s) AND line.decision = 'in'
          ORDER BY order_line.sequence, order_line.id, entry.work_date, line.id
            """,
            self.ids,
        )):
            result[row[0]].append(Row(
                *row[:3], Decimal(row[3]), Decimal(row[4]), row[5], Decimal(row[6]), *row[7:]))
        return result

    def _standing_by_partner(self, rows):
        """Return ``{entry id: {partner id: (quantity, amount)}}`` of what stands on whose invoices. One query."""
        standing = defaultdict(dict)
        entry_ids = [row.entry_id for row in rows]
        if not entry_ids:
            return standing
        for entry_id, partner_id, quantity, amount in self.env.execute_query(SQL(
            """
            SELECT allocation.entry_id, move.partner_id, SUM(allocation.quantity)::text, SUM(allocation.amount)::text
              FROM psa_allocation allocation JOIN account_move move ON move.id = allocation.move_id
             WHERE allocation.entry_id = ANY(%s)
               AND ((allocation.kind = 'invoice' AND allocation.state <> 'cancel') OR allocation.state = 'posted')
          GROUP BY allocation.entry_id, move.partner_id
            """,
            entry_ids,
        )):
            standing[entry_id][partner_id] = (Decimal(quantity), Decimal(amount))
        return standing

    def _unit_factor(self, from_unit, to_unit):
        """Return how many of ``to_unit`` are one ``from_unit``, as a Decimal."""
        if from_unit == to_unit or not from_unit._has_common_reference(to_unit):
            return Decimal(1)
        return decimal_of(from_unit.factor) / decimal_of(to_unit.factor)


class Planner:
    """Puts the rows of proposals together and divides them; what a run needs is looked up once."""

    def __init__(self, env, standing):
        self.env = env
        self.standing = standing
        self.digits = env["decimal.precision"].precision_get("Product Unit")
        self._factors, self._labels, self._units = {}, {}, {}

    def plan(self, proposal, rows, shares):
        """Return the invoices of one proposal."""
        order, layout = proposal.order_id, proposal.order_id._psa_layout()
        by = layout.part_ids.mapped("by") or [order.psa_invoice_detail]
        apart = layout.negative_lines == "credit_note"
        groups = defaultdict(list)
        for row in rows:
            groups[self._key(row, by, shares, apart)].append(row)
        ordered = list(groups.items())
        if layout.part_ids:
            ordered.sort(key=lambda item: self._sort_key(item[0][0], by))
        invoices = {}
        for (named, in_force, refund, *_rest), of_group in ordered:
            section = self.label(by[0], named[0], proposal) if layout.show_sections else ""
            for lines in self._netted(proposal, of_group):
                self._add_lines(invoices, proposal, lines, in_force, refund, section)
        first = {share.partner_id: index for index, share in enumerate(shares)}
        return sorted(invoices.values(), key=lambda invoice: (first.get(invoice.partner.id, -1), invoice.refund))

    # === PUTTING TOGETHER === #
    def _key(self, row, by, shares, apart):
        """Return what makes rows one line: layout, customers, invoice or credit note, contract line, rate."""
        in_force = shares_on(shares, row.work_date) if shares else ()
        refund = apart and row.amount < 0
        alone = row.entry_id if row.kind != "time" and not row.difference else None
        named = tuple(self._value(row, name) for name in by)
        if alone:
            # Things that stand alone are told apart by what they are; only headings look at the grouping.
            return named, in_force, refund, row.order_line_id, alone
        if row.difference:
            return named, in_force, refund, row.order_line_id, row.difference, row.rate, row.amount < 0
        return named, in_force, refund, row.order_line_id, None, row.rate

    @staticmethod
    def _value(row, name):
        if name == "month":
            return row.work_date.replace(day=1)
        if name == "line":
            return row.order_line_id
        if name == "purchase_order":
            return 0
        return getattr(row, name) or 0

    def _sort_key(self, named, by):
        """Groups stand in the order of what they are called; contract lines as in the contract."""
        return tuple(
            (str(value) if name == "month" else "", self._sequence(value) if name == "line" else (0, 0),
             self._name(name, value))
            for name, value in zip(by, named, strict=True)
        )

    def _sequence(self, order_line_id):
        line = self.env["sale.order.line"].browse(order_line_id)
        return line.sequence, line.id

    def _name(self, name, value):
        model = {"project": "project.project", "person": "hr.employee", "role": "psa.role", "task": "project.task"}
        if name not in model or not value:
            return ""
        if (name, value) not in self._labels:
            self._labels[name, value] = self.env[model[name]].browse(value).sudo().display_name or ""
        return self._labels[name, value]

    def label(self, name, value, proposal):
        """Return what a group is called on the invoice, in the customer's language."""
        proposal = proposal.with_context(lang=proposal.partner_id.lang)
        if name == "month":
            return proposal._month_name(value)
        if name == "line":
            return proposal.env["sale.order.line"].browse(value).name.partition("\n")[0]
        if name == "purchase_order":
            return proposal.order_id.psa_purchase_order or ""
        return self._name(name, value)

    def _netted(self, proposal, rows):
        """Return ``rows`` as one line, or as two when corrections cancel the hours but not the amount."""
        quantity = sum((row.quantity for row in rows), ZERO)
        amount = sum((row.amount for row in rows), ZERO)
        if amount and not round(quantity * self._factor(proposal, rows[0]), self.digits):
            positive = [row for row in rows if row.quantity >= 0]
            if positive and len(positive) < len(rows):
                return [positive, [row for row in rows if row.quantity < 0]]
        return [rows]

    # === DIVIDING === #
    def _add_lines(self, invoices, proposal, rows, in_force, refund, section):
        """Add the line of ``rows`` to the invoice of each customer who bears some of it."""
        order_line = self.env["sale.order.line"].browse(rows[0].order_line_id)
        factor, sign = self._factor(proposal, rows[0]), -1 if refund else 1
        step = Decimal(1).scaleb(-self.digits)
        whole = sum((row.quantity for row in rows), ZERO) * factor
        whole = whole.quantize(step, ROUND_HALF_UP)
        pieces = self._pieces(proposal, rows, in_force)
        left = whole
        for index, (partner_id, of_partner) in enumerate(pieces.items()):
            amount = sum((piece.amount for piece in of_partner), ZERO)
            quantity = sum((piece.quantity for piece in of_partner), ZERO) * factor
            quantity = quantity.quantize(step, ROUND_HALF_UP) if index < len(pieces) - 1 else left
            left -= quantity
            if not any(piece.quantity or piece.amount for piece in of_partner) and len(pieces) > 1:
                continue
            quantity, price = line_figures(
                sign * quantity, rows[0].rate / factor, sign * amount, proposal.currency_id, digits=self.digits,
                globally=proposal.company_id.tax_calculation_rounding_method == "round_globally")
            key = partner_id, refund
            if key not in invoices:
                invoices[key] = PlannedInvoice(
                    self.env["res.partner"].browse(partner_id), refund,
                    next((share.reference for share in in_force if share.partner_id == partner_id), ""))
            invoices[key].lines.append(PlannedLine(
                order_line, self._unit(proposal, rows[0]), of_partner, quantity, price, sign * amount, section))

    def _pieces(self, proposal, rows, in_force):
        """Return ``{partner id: [Piece]}``, the customer who takes the rest last."""
        if not in_force:
            return {proposal.partner_id.id: [Piece(row, row.quantity, row.amount) for row in rows]}
        currency_step = decimal_of(proposal.currency_id.rounding)
        divided = defaultdict(list)
        fresh = [row for row in rows if not row.partly]
        batches = [(fresh, [share.part for share in in_force])] if fresh else []
        batches += [([row], self._missing(row, in_force, currency_step)) for row in rows if row.partly]
        last = next(share.partner_id for share in in_force if share.takes_rest)
        for batch, parts in batches:
            quantities = divide([row.quantity for row in batch], parts, QUANTITY_STEP)
            amounts = divide([row.amount for row in batch], parts, currency_step)
            for key in quantities:
                divided[key] += [
                    Piece(row, quantity, amount)
                    for row, quantity, amount in zip(batch, quantities[key], amounts[key], strict=True)
                    if quantity or amount
                ]
        ordered = sorted((key for key in divided if divided[key]), key=lambda key: key == last)
        return {key: divided[key] for key in ordered}

    def _missing(self, row, in_force, currency_step):
        """Return the parts of an entry that some customers have been billed for: what each of them still owes."""
        there = self.standing.get(row.entry_id, {})
        whole = abs(row.amount + sum((amount for _quantity, amount in there.values()), ZERO))
        missing = {
            share.partner_id: whole * share.percent / 100 - abs(there.get(share.partner_id, (ZERO, ZERO))[1])
            for share in in_force
        }
        if not whole or max(missing.values()) <= 0:
            return [share.part for share in in_force]
        # What the division of a whole line moved between its entries is not owed by anybody.
        noise = min(currency_step * len(in_force), max(missing.values()) / 2)
        owing = [share for share in in_force if missing[share.partner_id] > noise]
        rest = next((share for share in owing if share.takes_rest), owing[-1])
        return [Part(share.partner_id, missing[share.partner_id], share is rest) for share in owing]

    # === UNITS === #
    def _unit(self, proposal, row):
        """Return the unit in which the invoice counts ``row``: the contract line's, or the contract's day."""
        key = proposal.order_id.id, row.order_line_id, row.kind == "time"
        if key not in self._units:
            order_line = self.env["sale.order.line"].browse(row.order_line_id)
            self._units[key] = (
                proposal.order_id._psa_invoice_unit(order_line) if row.kind == "time" else order_line.product_uom_id)
        return self._units[key]

    def _factor(self, proposal, row):
        unit = self._unit(proposal, row)
        key = row.uom_id, unit.id
        if key not in self._factors:
            self._factors[key] = self.env["psa.proposal"]._unit_factor(self.env["uom.uom"].browse(row.uom_id), unit)
        return self._factors[key]
