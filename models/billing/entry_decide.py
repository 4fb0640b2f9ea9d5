from decimal import Decimal

from odoo import models

from .entry_kinds import HELD_CAUSES
from .entry_rows import COVERING_METHODS
from .pricing import decimal_of, plain, price_fixed, price_hours

ZERO = Decimal(0)
# What is taken off an entry's worth, in this order; each is an amount and, where hours go with it, a quantity.
DEDUCTIONS = ("written_down", "drawn", "over_cap", "adjusted")


class PsaEntry(models.Model):
    """What is to be billed of a row, and why: standing, price, then what the contract's terms take off.

    Each step works on all rows at once and writes its figures into them; ``trace["steps"]`` tells what a step did, in
    the order in which a clerk would follow it.
    """

    _inherit = "psa.entry"

    def _decide(self, rows):
        """Set state, reason, worth, deductions, amount and trace of every row.

        In a fixed order, so that the same work comes to the same cents whoever asks: standing, holds by the contract's
        terms, rounding of hours, price, write-downs, retainers, caps. Constant number of queries.
        """
        self._begin(rows)
        self._hold_by_terms([row for row in rows if row["state"] == "approved" and not self._is_billed(row)])
        self._round_quantities(rows)
        self._price(rows)
        self._deduct([row for row in rows if row["state"] == "approved"])
        for row in rows:
            if row["steps"]:
                row["trace"]["steps"] = row["steps"]
            if row["reason"] in HELD_CAUSES:
                row["held_for"] = row["reason"]
            elif row["over_cap"]:
                row["held_for"] = "cap_reached"

    def _appraise(self, rows):
        """Set standing and worth of every row: what the contract says; nothing is held or taken off."""
        self._begin(rows)
        self._round_quantities(rows)
        self._price(rows)

    def _begin(self, rows):
        """Set the standing of every row, and nothing else yet."""
        for row in rows:
            row.update(
                state="approved", reason=None, held_for=None, rate=ZERO, rate_id=None, trace={}, steps=[],
                gross=ZERO, gross_quantity=row["quantity"], amount=ZERO, drawn_quantity=ZERO, over_cap_quantity=ZERO,
                **dict.fromkeys(DEDUCTIONS, ZERO),
            )
            row["state"], row["reason"] = row["standing"] or self._standing(row)

    def _standing(self, row):
        """Return ``(state, reason)`` as far as no rate is needed to tell; the first that applies."""
        entry = row["entry"]
        if row["deleted"]:
            return "withdrawn", "deleted"
        if entry and entry.reason == "waived":
            return "excluded", "waived"
        if not row["billable"]:
            return "excluded", "not_billable"
        if row["blocked"] == "excluded":
            return "excluded", "source_excluded"
        if row["blocked"] == "billed" and not (entry and entry._billed_here()):
            return "excluded", "source_billed"
        if row["project_excluded"]:
            return "excluded", "project_excluded"
        if row["kind"] == "time" and row["method"] in COVERING_METHODS:
            return "excluded", "covered"
        if not row["approved"]:
            if entry and (entry.approved_at or entry.reason == "rejected"):
                return "withdrawn", "rejected"
            return "waiting", "not_approved"
        if row["blocked"] == "held":
            return "held", "source_hold"
        if not row["order_line_id"]:
            return "held", "no_line"
        if row["source_currency_id"] and row["source_currency_id"] != row["currency_id"]:
            return "held", "currency_mismatch"
        return "approved", None

    def _hold_by_terms(self, rows):
        """Hold what the contract's terms keep from billing for now: sets ``state`` and ``reason`` of such rows.

        :param rows: approved rows that stand on no invoice
        """

    # === PRICE === #
    def _round_quantities(self, rows):
        """Set ``gross_quantity`` to what the contract counts: by its rounding rule for hours, else as it came."""
        for row in rows:
            row["gross_quantity"] = row["quantity"]

    def _price(self, rows):
        """Set rate, worth and trace; one query for all rates."""
        hourly, agreed = [], []
        for row in rows:
            if row["reason"] in ("currency_mismatch", "missing_exchange_rate"):
                continue
            if row["kind"] != "time":
                agreed.append(row)
            elif row["state"] != "excluded":
                hourly.append(row)
        self._price_agreed(agreed)
        self._price_hours(hourly)
        for row in rows:
            row["amount"], row["quantity"] = row["gross"], row["gross_quantity"]

    def _price_hours(self, rows):
        """Price hours at the rate in force; without one an approved row is held."""
        for row, (found, tried) in zip(rows, self.env["psa.rate"]._find(rows), strict=True):
            if found:
                row["gross"], row["trace"] = price_hours(row["gross_quantity"], found, tried, self._currency_of(row))
                row["rate"], row["rate_id"] = found.amount, found.id
            else:
                row["trace"] = {
                    "rule": "hours_times_rate", "hours": plain(row["gross_quantity"]), "tried": tried}
                if row["state"] == "approved":
                    row["state"], row["reason"] = "held", "missing_rate"

    def _price_agreed(self, rows):
        """Take the amount that the source or the contract states."""
        for row in rows:
            row["gross"], row["trace"] = price_fixed(row["fixed"], row["kind"], self._currency_of(row))
            row["rate"] = row["gross"] / row["gross_quantity"] if row["gross_quantity"] else ZERO

    def _currency_of(self, row):
        return self.env["res.currency"].browse(row["currency_id"])

    # === WHAT IS TAKEN OFF === #
    def _deduct(self, rows):
        """Take off what is written down, paid by a retainer or over a cap; nothing left is no longer to be billed."""
        self._deduct_adjusted(rows)
        self._deduct_written_down(rows)
        self._deduct_draws(rows)
        self._deduct_caps([row for row in rows if row["state"] == "approved"])
        for row in rows:
            if row["amount"] or not row["gross"] or row["state"] != "approved":
                continue
            if row["over_cap"]:
                # Nothing fits under the cap: the whole of it waits.
                row["amount"], row["quantity"] = row["over_cap"], row["over_cap_quantity"]
                row["over_cap"] = row["over_cap_quantity"] = ZERO
                row["state"], row["reason"] = "held", "cap_reached"
            elif row["drawn"]:
                row["state"], row["reason"] = "excluded", "drawn"
            elif row["written_down"]:
                row["state"], row["reason"] = "excluded", "written_off"

    def _take_off(self, row, what, amount, quantity=ZERO, **step):
        """Move ``amount`` (and hours) of a row from what is to be billed to a deduction, and note the step.

        :param what: one of :data:`DEDUCTIONS`
        :param amount: Decimal of the row's sign, never more than is left
        :param step: what the trace tells of it: plain words and decimal strings
        """
        row[what] += amount
        row["amount"] -= amount
        if quantity:
            row[f"{what}_quantity"] += quantity
            row["quantity"] -= quantity
        row["steps"].append({"step": what, **step, "amount": plain(-amount), "left": plain(row["amount"])})

    def _deduct_adjusted(self, rows):
        """Differences of an amendment that stand on an invoice bill a part of the worth already."""

    def _deduct_written_down(self, rows):
        """Write-downs that people approved stay with their entry, as far as there is worth to write down."""
        for row in rows:
            written_down = decimal_of(row["entry"].written_down_amount) if row["entry"] else ZERO
            if written_down and row["amount"] and (written_down < 0) == (row["amount"] < 0):
                self._take_off(row, "written_down", min(written_down, row["amount"], key=abs))

    def _deduct_draws(self, rows):
        """Retainers pay what their balance allows on the work date."""

    def _deduct_caps(self, rows):
        """Caps let through what their room allows."""
