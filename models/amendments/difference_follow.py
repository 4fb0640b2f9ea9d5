from decimal import Decimal

from odoo import models

from ..billing.entry_kinds import DERIVED, HUSH, SOURCE_FIELDS


class PsaEntry(models.Model):
    """Differences and the entry that they correct stay one sum, whatever happens to either.

    While something of the entry stands on an invoice, all its differences are taken off its worth: its own part stays
    what was billed. Once nothing of it is billed it gets its new price itself; differences on no invoice are
    withdrawn, those on one are taken off.
    """

    _inherit = "psa.entry"

    def _deduct_adjusted(self, rows):
        """Take off what differences bill of the worth already. One query."""
        result = super()._deduct_adjusted(rows)
        known = {row["entry"].id: row for row in rows if row["entry"] and row["kind"] != "adjustment"}
        for entry_id, differences in self._differences_of(list(known)).items():
            row = known[entry_id]
            counted = [part for part in differences if part.stays or self._is_billed(row)]
            total = sum((part.worth for part in counted), Decimal(0))
            if total:
                self._take_off(row, "adjusted", total, differences=len(counted))
        return result

    def _after_store(self, rows):
        """Let the differences follow entries that were just stored."""
        result = super()._after_store(rows)
        origins = {row["entry"].id: row for row in rows if row["kind"] != "adjustment"}
        withdrawn, kept = {}, {}
        for entry_id, differences in self._differences_of(list(origins)).items():
            entry = self.browse(entry_id)
            gone = _gone(entry)
            for part in differences:
                if not part.billed:
                    if not part.let_go and (gone or entry.billing_state == "to_bill"):
                        withdrawn[part.id] = {"standing": ("withdrawn", "origin_repriced")}
                elif gone or part.pending:
                    kept[part.id] = {"standing": None, "approved": not gone}
        if withdrawn:
            self._store(self._decided_differences(withdrawn), SOURCE_FIELDS["adjustment"])
        if kept:
            self._keep_pending(self._decided_differences(kept))._close_if_released()
        return result

    def _decided_differences(self, changes):
        """Return decided rows of differences.

        :param changes: ``{entry id: changes of its spec}``
        """
        entries = self.browse(changes)
        rows = self._rows("adjustment", [{**entry._as_spec(), **changes[entry.id]} for entry in entries])
        for row, entry in zip(rows, entries, strict=True):
            row["entry"] = entry
        self._decide(rows)
        return rows

    def _after_allocation(self):
        """An entry that comes off its last invoice gets the price of the version in force itself."""
        result = super()._after_allocation()
        entries = self.sudo().with_context(**HUSH).filtered(
            lambda entry: entry.billing_state == "to_bill" and entry.kind != "adjustment")
        corrected = self._differences_of(entries.ids)
        self._reprice(entries.filtered(lambda entry: entry.id in corrected))
        return result


# === PLAIN HELPERS === #
def _gone(entry):
    """Tell whether an entry will not be billed any more, so that its differences have nothing to correct."""
    return entry.state == "withdrawn" or (
        entry.state == "excluded" and entry.reason not in DERIVED and entry.reason != "waived")
