from collections import defaultdict
from datetime import date
from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL


class Version(NamedTuple):
    """A version of a contract: an amendment that is, or was, in force."""

    effective: date
    number: int
    id: int
    name: str
    clause: str | None


class PsaAmendment(models.Model):
    _inherit = "psa.amendment"

    @api.model
    def _versions(self, order_ids):
        """Return ``{contract id: [Version]}``, oldest first, in one query."""
        self.flush_model()
        versions = defaultdict(list)
        for order_id, *values in self.env.execute_query(SQL(
            """
            SELECT order_id, date_effective, number, id, name, clause
              FROM psa_amendment
             WHERE order_id = ANY(%s) AND in_force_at IS NOT NULL
          ORDER BY date_effective, number
            """,
            list(order_ids),
        )):
            versions[order_id].append(Version(*values))
        return versions

    @api.model
    def _line_versions(self, line_ids):
        """Return ``{contract line id: [(effective, amendment id, clause)]}`` of applied changes, in one query."""
        changes = defaultdict(list)
        if not line_ids:
            return changes
        self.env["psa.amendment.change"].flush_model()
        for line_id, *values in self.env.execute_query(SQL(
            """
            SELECT change.applied_line_id, amendment.date_effective, amendment.id,
                   COALESCE(change.clause, amendment.clause)
              FROM psa_amendment_change change
              JOIN psa_amendment amendment ON amendment.id = change.amendment_id
             WHERE change.applied_line_id = ANY(%s)
          ORDER BY amendment.date_effective, amendment.number
            """,
            list(line_ids),
        )):
            changes[line_id].append(values)
        return changes


class PsaEntry(models.Model):
    """The trace names the version of the contract in force on the work date, and the amendment that set the price."""

    _inherit = "psa.entry"

    def _price(self, rows):
        super()._price(rows)
        Amendment = self.env["psa.amendment"]
        versions = Amendment._versions({row["order_id"] for row in rows})
        if not versions:
            return
        by_id = {version.id: version for of_order in versions.values() for version in of_order}
        changes = Amendment._line_versions({
            row["order_line_id"] for row in rows if row["kind"] not in ("time", "adjustment") and row["order_line_id"]})
        for row in rows:
            if not row["trace"] or not versions.get(row["order_id"]):
                continue
            in_force = [version for version in versions[row["order_id"]] if version.effective <= row["work_date"]]
            row["trace"]["contract_version"] = in_force[-1].number if in_force else 0
            for effective, amendment_id, clause in changes.get(row["order_line_id"], ()):
                if row["kind"] == "fee" or effective <= row["work_date"]:
                    row["trace"]["amendment_id"], row["trace"]["clause"] = amendment_id, clause
            if version := by_id.get(row["trace"].get("amendment_id")):
                row["trace"]["amendment"] = f"{version.number} {version.name}"
                row["trace"]["amendment_in_force_from"] = version.effective.isoformat()
                row["trace"]["clause"] = row["trace"].get("clause") or version.clause
