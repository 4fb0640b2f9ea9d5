from odoo import models


class PsaEntry(models.Model):
    """Milestones wait for the customer's acceptance where their line asks for it."""

    _inherit = "psa.entry"

    def _decide(self, rows):
        """An acceptance that was taken back takes the approval of a billed milestone with it."""
        for row in rows:
            if row["kind"] == "milestone" and self._is_billed(row) and row["source"].psa_acceptance_withdrawn:
                row["approved"] = False
        return super()._decide(rows)

    def _hold_by_terms(self, rows):
        result = super()._hold_by_terms(rows)
        for row in rows:
            if row["kind"] != "milestone" or row["state"] != "approved":
                continue
            milestone = row["source"]
            line = self.env["sale.order.line"].browse(row["order_line_id"])
            if line.psa_acceptance_required and not milestone.psa_accepted_on:
                row["state"], row["reason"] = "held", "acceptance_missing"
            elif line.psa_evidence_required and not milestone.psa_evidence_ids:
                row["state"], row["reason"] = "held", "evidence_missing"
        return result

    def _held_acceptance_missing(self, row):
        order = self._order_of(row)
        return f"acceptance:{row['source_id']}", self.env._(
            "“%(milestone)s” of %(contract)s waits until %(customer)s has accepted it",
            milestone=row["source"].name, contract=order.name, customer=order.partner_id.name,
        ), row["source"]

    def _held_evidence_missing(self, row):
        order = self._order_of(row)
        return f"evidence:{row['source_id']}", self.env._(
            "“%(milestone)s” of %(contract)s waits for the signed acceptance of %(customer)s",
            milestone=row["source"].name, contract=order.name, customer=order.partner_id.name,
        ), row["source"]
