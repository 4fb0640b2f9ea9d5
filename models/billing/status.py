import hashlib
import json
from collections import defaultdict

from odoo import models
from odoo.tools import SQL


class PsaEntry(models.Model):
    """What is told to the source about an entry's billing: a function of the ledger and its invoices."""

    _inherit = "psa.entry"

    def _billing_status(self):
        """Return ``{psa.entry: billing_status values}`` of those entries whose source is to know something.

        An entry is told about once an invoice of it was posted, and from then on about whatever happens to it.
        Constant number of queries.
        """
        self.env["psa.allocation"].flush_model()
        self.env["account.move"].flush_model(["state", "posted_before"])
        self.flush_model(["status_sequence"])
        known = [row[0] for row in self.env.execute_query(SQL(
            """
            SELECT entry.id
              FROM psa_entry entry
             WHERE entry.id = ANY(%s)
               AND (entry.status_sequence > 0 OR EXISTS (
                    SELECT 1 FROM psa_allocation allocation JOIN account_move move ON move.id = allocation.move_id
                     WHERE allocation.entry_id = entry.id AND move.posted_before))
            """,
            self.ids,
        ))]
        allocations = self.env["psa.allocation"].sudo().search([("entry_id", "in", known)]).grouped("entry_id")
        result = {}
        for entry in self.sudo().browse(known):
            invoice, net, credit = entry._standing_invoice(allocations.get(entry, self.env["psa.allocation"]))
            result[entry] = invoice._psa_billing_status(bool(net), credit)
        return result

    def _standing_invoice(self, allocations):
        """Return ``(invoice, net, credit note)``: where the entry stands now, else where it stood last.

        :return: two account.move records (possibly empty) and the net amount, or quantity when the amount is zero
        """
        self.ensure_one()
        Move = self.env["account.move"]
        net, credits = defaultdict(float), defaultdict(lambda: Move)
        for allocation in allocations:
            size = allocation.amount if self.amount else allocation.quantity
            if allocation.kind == "invoice":
                net[allocation.move_id] += size if allocation.state != "cancel" else 0.0
            elif allocation.state == "posted":
                invoice = allocation.origin_line_id.move_id
                net[invoice] += size
                credits[invoice] |= allocation.move_id
        told = [move for move in net if move.posted_before]
        if not told:
            return Move, 0.0, Move
        standing = [move for move in told if round(net[move], 6)]
        invoice = max(standing or told, key=lambda move: move.id)
        return invoice, round(net[invoice], 6), credits[invoice].sorted("id")[-1:]


def status_hash(values):
    """Return a short fingerprint of billing status values: the same status is told once."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
