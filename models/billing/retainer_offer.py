from decimal import Decimal

from odoo import models

from .entry_kinds import HUSH, SOURCE_FIELDS
from .pricing import decimal_of


class PsaRetainer(models.Model):
    """A retainer that is attached later would have paid for work that is billed: what it would credit."""

    _inherit = "psa.retainer"

    def _offers(self):
        """Return ``[(psa.entry, amount)]``: what of billed work this retainer would pay for now, oldest first.

        Nothing is written. Work on no invoice has drawn before: what is left is offered to billed work.
        """
        self.ensure_one()
        entries = self._billed_work()
        Entry = self.env["psa.entry"].sudo().with_context(**HUSH, psa_offer_draws=True)
        found = []
        for kind, of_kind in entries.grouped("kind").items():
            rows = Entry._rows(kind, [entry._as_spec() for entry in of_kind])
            for row, entry in zip(rows, of_kind, strict=True):
                row["entry"] = entry
            Entry._decide(rows)
            found += [
                (row["entry"], row["drawn"] - decimal_of(row["entry"].drawn_amount)) for row in rows
                if row["state"] == "approved" or row["reason"] == "drawn"
            ]
        return sorted(
            ((entry, amount) for entry, amount in found if amount > Decimal(0)),
            key=lambda offer: (offer[0].work_date, offer[0].id))

    def _billed_work(self):
        """Return the entries on invoices that could draw on this retainer, without a change that waits already."""
        kinds = ["time", "expense"] if self.covers_expenses else ["time"]
        return self.env["psa.entry"].sudo().search([
            ("order_id", "=", self.order_id.id),
            ("kind", "in", kinds),
            ("billing_state", "in", ("partly", "billed")),
            ("state", "=", "approved"),
            ("work_date", ">=", self.date_start),
            ("pending_change", "=", False),
        ], order="work_date, id").filtered(lambda entry: entry[SOURCE_FIELDS[entry.kind]])


class PsaEntry(models.Model):
    _inherit = "psa.entry"

    def _offer_draws(self):
        """Propose the credit of what a retainer pays for: a pending change of each of these billed entries."""
        entries = self.sudo().with_context(**HUSH)
        entries.draw_offered = True
        for kind, of_kind in entries.grouped("kind").items():
            self.env["psa.entry"]._sync(kind, [entry._as_spec() for entry in of_kind])

    def _clear_pending(self, row=None):
        """What is let stand is not offered any more."""
        result = super()._clear_pending(row)
        self.filtered("draw_offered").draw_offered = False
        return result
