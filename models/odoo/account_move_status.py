from collections import defaultdict

from odoo import api, models
from odoo.tools import SQL

from ..billing.status import status_hash

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
        touched = Allocation.search(["|", ("move_id", "in", moves.ids), ("origin_line_id.move_id", "in", moves.ids)])
        entries = (Entry.browse(queue["entries"]) | touched.entry_id).exists()
        if not entries:
            return
        statuses = entries._billing_status()
        self._psa_tell("status", [
            (entry, entry[source], values)
            for entry, values in statuses.items()
            for source in _SOURCES if entry[source]
        ])
        self._psa_tell("psa_status", [
            (order, order, values) for order, values in self.env["psa.entry"].union(*statuses).order_id
            ._psa_billing_status().items()
        ])

    @api.model
    def _psa_tell(self, prefix, changes):
        """Emit the statuses that differ from what was told last.

        :param prefix: of the fields that remember it (``<prefix>_hash``, ``<prefix>_sequence``)
        :param changes: list of ``(record that remembers, source record, values)``
        """
        by_sequence = defaultdict(list)
        for holder, source, values in changes:
            fingerprint = status_hash(values)
            if holder[f"{prefix}_hash"] == fingerprint:
                continue
            sequence = holder[f"{prefix}_sequence"] + 1
            holder.with_context(tracking_disable=True).write(
                {f"{prefix}_hash": fingerprint, f"{prefix}_sequence": sequence})
            by_sequence[sequence].append((source, values))
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
        """Return ``{sale.order: billing_status values}``: the contract's latest invoice that was ever posted."""
        self.env["psa.allocation"].flush_model()
        self.env["account.move"].flush_model(["state", "posted_before"])
        rows = self.env.execute_query(SQL(
            """
            SELECT entry.order_id, invoice.id, invoice.state = 'posted',
                   SUM(allocation.amount) FILTER (
                       WHERE allocation.state = 'posted' OR (allocation.kind = 'invoice' AND allocation.state = 'draft')
                   ),
                   MAX(allocation.move_id) FILTER (WHERE allocation.kind = 'credit' AND allocation.state = 'posted')
              FROM psa_allocation allocation
              JOIN psa_entry entry ON entry.id = allocation.entry_id
         LEFT JOIN account_move_line origin ON origin.id = allocation.origin_line_id
              JOIN account_move invoice ON invoice.id = COALESCE(origin.move_id, allocation.move_id)
             WHERE entry.order_id = ANY(%s) AND invoice.posted_before
          GROUP BY entry.order_id, invoice.id
          ORDER BY entry.order_id, invoice.state = 'posted', invoice.id
            """,
            self.ids,
        ))
        Move = self.env["account.move"].sudo()
        latest = {order_id: (move_id, net, credit_id) for order_id, move_id, _posted, net, credit_id in rows}
        return {
            order: Move.browse(move_id)._psa_billing_status(
                bool(order.currency_id.round(float(net or 0))), Move.browse(credit_id or ()))
            for order in self
            for move_id, net, credit_id in ([latest[order.id]] if order.id in latest else [])
        }
