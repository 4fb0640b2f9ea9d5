from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from ..billing.entry_kinds import SOURCE_FIELDS, UNPRICED, id_of
from ..billing.pricing import decimal_of, plain

ZERO = Decimal(0)


class PsaEntry(models.Model):
    """Price differences: what an amendment makes of work that stands on an invoice already.

    The posted line is never edited. The difference is an entry of its own (kind ``adjustment``), one for each entry
    and amendment, billed or credited with the next proposal. The law of all that follows:

        worth of an entry by the version in force on its work date = its own part + its differences

    where a withdrawn difference does not count, and one that was waived or written off does: a person let it go.
    """

    _inherit = "psa.entry"

    origin_entry_id = fields.Many2one(
        "psa.entry", "Corrects", readonly=True, index="btree_not_null", ondelete="restrict")
    amendment_id = fields.Many2one(
        "psa.amendment", readonly=True, index="btree_not_null", ondelete="restrict")
    adjustment_ids = fields.One2many("psa.entry", "origin_entry_id", "Price Differences", readonly=True)

    _difference_uniq = models.UniqueIndex(
        "(origin_entry_id, amendment_id) WHERE origin_entry_id IS NOT NULL",
        "An amendment corrects an entry only once.",
    )
    _difference_law = models.Constraint(
        """CHECK (
            (kind = 'adjustment') = (origin_entry_id IS NOT NULL)
            AND (origin_entry_id IS NULL) = (amendment_id IS NULL)
            AND origin_entry_id IS DISTINCT FROM id
        )""",
        "A price difference names the entry that it corrects and the amendment that says so.",
    )

    # === READING AND WRITING: what a difference has besides === #
    def _rows(self, kind, specs):
        rows = super()._rows(kind, specs)
        if kind == "adjustment":
            for row, spec in zip(rows, specs, strict=True):
                row["amendment_id"] = id_of(spec.get("amendment_id"))
                row["difference"] = spec.get("difference")
        return rows

    def _as_spec(self):
        spec = super()._as_spec()
        if self.kind == "adjustment":
            spec["amendment_id"] = self.amendment_id.id
        return spec

    def _values(self, row, exceptions, now):
        values = super()._values(row, exceptions, now)
        values["amendment_id"] = row.get("amendment_id") or (row["entry"] and row["entry"].amendment_id.id) or False
        return values

    def _lines_by_order(self, kind, orders):
        if kind == "adjustment":
            self.env["sale.order"].browse(orders)._psa_ensure_adjustment_lines()
        return super()._lines_by_order(kind, orders)

    def _price_agreed(self, rows):
        """Tell in the trace how a difference came about, so that a clerk can recompute it."""
        result = super()._price_agreed(rows)
        for row in rows:
            if row["kind"] != "adjustment":
                continue
            kept = row["entry"].trace if row["entry"] else None
            row["trace"]["rule"] = "price_difference"
            row["trace"]["difference"] = row["difference"] or (kept or {}).get("difference")
            row["trace"]["amendment_id"] = row["amendment_id"] or (row["entry"] and row["entry"].amendment_id.id)
        return result

    def _follow_delivered(self):
        result = super()._follow_delivered()
        self.order_line_id.filtered(
            lambda line: line.psa_billing_method == "adjustment")._psa_follow_expenses()
        return result

    # === UNDER AN AMENDMENT === #
    @api.model
    def _price_under_amendment(self, amendment, entries, overrides):
        """Bring entries to what a new version of their contract says: the unbilled directly, the rest by differences.

        :param overrides: ``{entry id: changes of its spec}``: agreed amounts that the amendment changed
        :return: the differences made
        """
        differences = self.browse()
        for kind, of_kind in entries.grouped("kind").items():
            rows = self._rows(kind, [
                {**entry._as_spec(), **overrides.get(entry.id, {})} for entry in of_kind
            ])
            for row, entry in zip(rows, of_kind, strict=True):
                row["entry"] = entry
            unbilled = [row for row in rows if not self._is_billed(row)]
            billed = [row for row in rows if self._is_billed(row)]
            if unbilled:
                self._decide(unbilled)
                self._store(unbilled, SOURCE_FIELDS[kind])
            if billed:
                self._appraise(billed)
                differences |= self._propose_differences(amendment, billed)
            for row in billed:
                if row["entry"].id in overrides:
                    # What it is priced with, should it be credited and come back.
                    row["entry"].agreed_amount = float(row["fixed"])
        return differences

    @api.model
    def _propose_differences(self, amendment, rows):
        """Make the differences between what billed rows are worth now and what was billed or proposed for them.

        :param rows: appraised rows of entries on an invoice
        """
        # What lost its approval, or was deleted, after billing waits for a person: there is nothing to correct yet.
        rows = [
            row for row in rows
            if row["state"] == "approved" and row["reason"] not in UNPRICED
            and row["entry"].pending_change not in ("rejected", "deleted")
        ]
        earlier = self._differences_of([row["entry"].id for row in rows])
        specs = []
        for row in rows:
            entry = row["entry"]
            own = decimal_of(entry.gross_amount) - decimal_of(entry.adjusted_amount)
            corrected = sum((part.worth for part in earlier[entry.id]), ZERO)
            difference = row["gross"] - own - corrected
            if difference:
                specs.append(self._difference_spec(amendment, row, own, corrected, difference))
        if not specs:
            return self.browse()
        rows = self._rows("adjustment", specs)
        for row in rows:
            row["entry"] = None
        self._decide(rows)
        differences = self._store(rows, SOURCE_FIELDS["adjustment"])
        self.env["psa.proposal"].sudo().search([
            ("order_id", "in", differences.order_id.ids), ("state", "in", ("draft", "to_approve")),
        ]).write({"needs_refresh": True})
        return differences

    def _difference_spec(self, amendment, row, own, corrected, difference):
        """Return the spec of a difference: of the day, person and project of the work that it corrects."""
        entry = row["entry"]
        return {
            "source": entry,
            "amendment_id": amendment.id,
            "order_id": entry.order_id.id,
            "order_line_id": None,
            "project_id": entry.project_id.id,
            "employee_id": entry.employee_id.id,
            "role_id": entry.role_id.id,
            "work_date": entry.work_date,
            "quantity": abs(row["gross_quantity"]) if entry.kind == "time" else 1,
            "fixed_amount": difference,
            "description": self.env._(
                "%(subject)s: %(work)s", subject=amendment.name, work=entry.description or entry.display_name),
            "difference": {
                "of": entry.display_name,
                "worth_now": plain(row["gross"]),
                "hours": plain(row["gross_quantity"]) if entry.kind == "time" else None,
                "rate_now": plain(row["rate"]) if entry.kind == "time" else None,
                "rate_before": plain(entry.rate) if entry.kind == "time" else None,
                "billed_as": plain(own),
                "earlier_differences": plain(corrected),
                "difference": plain(difference),
            },
        }

    @api.model
    def _bill_pending_as_difference(self, amendment, lines):
        """Turn pending changes that an amendment of these lines has just caused into differences.

        A fee by the period is charged anew when its price changes; where the period is billed already, that is a
        pending change, which nobody has to decide about: the amendment says so.
        """
        pending = self.search([
            ("order_line_id", "in", lines.ids), ("pending_change", "=", "changed"),
            ("kind", "in", ("recurring", "retainer")), ("work_date", ">=", amendment.date_effective),
        ])
        for of_kind in pending.grouped("kind").values():
            specs = {entry.id: entry.pending_spec["fixed_amount"] for entry in of_kind}
            exceptions = of_kind.exception_id
            of_kind._drop_pending()
            self._price_under_amendment(
                amendment, of_kind, {entry_id: {"fixed_amount": amount} for entry_id, amount in specs.items()})
            exceptions._close_if_released()

    # === WHAT IS THERE === #
    @api.model
    def _differences_of(self, entry_ids):
        """Return ``{entry id: [Difference]}`` of the differences that count, in one query."""
        result = defaultdict(list)
        if not entry_ids:
            return result
        self.flush_model()
        for origin_id, *values in self.env.execute_query(SQL(
            """
            SELECT origin_entry_id, id, gross_amount::text, billing_state, reason,
                   COALESCE(written_down_amount, 0) <> 0, pending_change
              FROM psa_entry
             WHERE origin_entry_id = ANY(%s) AND state <> 'withdrawn'
          ORDER BY id
            """,
            list(entry_ids),
        )):
            result[origin_id].append(Difference(*values))
        return result


class Difference:
    """One difference of an entry, as far as its origin must know it."""

    def __init__(self, entry_id, worth, billing_state, reason, written_down, pending_change):
        self.id = entry_id
        self.worth = Decimal(worth or 0)
        self.billed = billing_state != "to_bill"
        self.pending = bool(pending_change)
        # A person let it go: the entry does not get that part back when it is priced anew.
        self.let_go = reason in ("waived", "written_off") or written_down

    @property
    def stays(self):
        """Whether it still counts when its entry comes off all invoices and is priced anew."""
        return self.billed or self.let_go
