from collections import defaultdict

from odoo import api, models
from odoo.tools import SQL

from ..billing.status import StatusValues, standings, status_hash

_QUEUE = "psa_hub.billing_status"
_SOURCES = ("analytic_line_id", "milestone_id", "expense_id")


class AccountMove(models.Model):
    """Telling the sources: posted, paid, partly paid, credited, cancelled, back to draft.

    What changes during a transaction is only noted; before it commits, the status of every entry and contract
    concerned is worked out once and, where it differs from what was told last, put into the outbox.
    """

    _inherit = "account.move"

    # === NOTING === #
    def _psa_queue_status(self):
        ids = [move.id for move in self if isinstance(move.id, int) and move.move_type in ("out_invoice", "out_refund")]
        if ids:
            self._psa_queue()["moves"].update(ids)

    @api.model
    def _psa_queue_entries(self, entries):
        if entries:
            self._psa_queue()["entries"].update(entries.ids)

    def _psa_queue(self):
        precommit = self.env.cr.precommit
        if _QUEUE not in precommit.data:
            precommit.data[_QUEUE] = {"moves": set(), "entries": set()}
            precommit.add(self.env["account.move"].browse().sudo()._psa_send_status)
        return precommit.data[_QUEUE]

    # === TELLING === #
    @api.model
    def _psa_send_status(self):
        """Put what changed into the outbox, in this transaction."""
        queue = self.env.cr.precommit.data.pop(_QUEUE, None)
        if not queue:
            return
        Allocation, Entry = self.env["psa.allocation"].sudo(), self.env["psa.entry"].sudo()
        moves = self.sudo().browse(queue["moves"])
        touched = Allocation.search_fetch(
            ["|", ("move_id", "in", moves.ids), ("origin_line_id.move_id", "in", moves.ids)], ["entry_id"])
        entries = (Entry.browse(queue["entries"]) | touched.entry_id).exists()
        if not entries:
            return
        statuses = entries._billing_status()
        told = entries.browse(statuses)
        self._psa_tell("status", [
            (entry, entry[source], statuses[entry.id]) for entry in told for source in _SOURCES if entry[source]
        ])
        orders = told.order_id._psa_billing_status()
        self._psa_tell("psa_status", [(order, order, values) for order, values in orders.items()])

    @api.model
    def _psa_tell(self, prefix, changes):
        """Emit the statuses that differ from what was told last.

        :param prefix: of the fields that remember it (``<prefix>_hash``, ``<prefix>_sequence``)
        :param changes: list of ``(record that remembers, source record, values)``
        """
        by_sequence, rows, fingerprints = defaultdict(list), [], {}
        for holder, source, values in changes:
            fingerprint = fingerprints.setdefault(id(values), None) or status_hash(values)
            fingerprints[id(values)] = fingerprint
            if holder[f"{prefix}_hash"] == fingerprint:
                continue
            sequence = holder[f"{prefix}_sequence"] + 1
            rows.append((holder.id, fingerprint, sequence))
            by_sequence[sequence].append((source, values))
        if not rows:
            return
        holders = changes[0][0].browse([row[0] for row in rows])
        hash_field, sequence_field = f"{prefix}_hash", f"{prefix}_sequence"
        holders.flush_model([hash_field, sequence_field])
        ids, hashes, sequences = zip(*rows, strict=True)
        self.env.execute_query(SQL(
            """
            UPDATE %(table)s holder SET %(hash)s = told.hash, %(sequence)s = told.sequence
              FROM unnest(%(ids)s, %(hashes)s, %(sequences)s) AS told(id, hash, sequence)
             WHERE holder.id = told.id
            RETURNING holder.id
            """,
            table=SQL.identifier(holders._table), hash=SQL.identifier(hash_field),
            sequence=SQL.identifier(sequence_field), ids=list(ids), hashes=list(hashes), sequences=list(sequences),
        ))
        holders.invalidate_recordset([hash_field, sequence_field])
        for sequence, values_by_record in by_sequence.items():
            # The number tells a status that comes back (posted, reset, posted again) from a repetition.
            self.env["psa.message"].sudo()._emit("billing_status", values_by_record, f"billing:{sequence}")

    # === THE VALUES === #
    def _psa_billing_status(self, billed, credit):
        """Return the canonical ``billing_status`` of what stands (or stood) on this invoice.

        :param billed: whether anything of it is still on the invoice
        :param credit: the credit note that took some of it back, or an empty record
        """
        if not self:
            return {
                "event": "cancelled", "invoiced": False, "invoice_number": "", "invoice_date": "",
                "payment_state": "", "amount_total": "0", "amount_residual": "0", "currency": "",
                "credit_note": None, "url": "",
            }
        self.ensure_one()
        digits = self.currency_id.decimal_places
        return {
            "event": self._psa_event(billed),
            "invoiced": bool(billed) and self.state == "posted",
            "invoice_number": self.name or "",
            "invoice_date": self.invoice_date.isoformat() if self.invoice_date else "",
            "payment_state": self.payment_state or "",
            "amount_total": f"{self.amount_total:.{digits}f}",
            "amount_residual": f"{self.amount_residual:.{digits}f}",
            "currency": self.currency_id.name,
            "credit_note": credit.name or None,
            "url": f"{self.get_base_url()}/odoo/customer-invoices/{self.id}",
        }

    def _psa_event(self, billed):
        if self.state != "posted":
            return "cancelled" if self.state == "cancel" else "draft"
        if not billed or self.payment_state == "reversed":
            return "credited"
        if self.payment_state == self._get_invoice_in_payment_state() or self.payment_state == "paid":
            return "paid"
        return "partial" if self.payment_state == "partial" else "posted"


class SaleOrder(models.Model):
    _inherit = "sale.order"

    def _psa_billing_status(self):
        """Return ``{sale.order: billing_status values}``: the contract's latest posted invoice, else its latest."""
        found = standings(self.env, "order", self.ids)
        values_of = StatusValues(self.env)
        return {
            order: values_of(max(found[order.id], key=lambda standing: (standing.posted, standing.invoice_id)))
            for order in self if order.id in found
        }
