from odoo import api, models

_QUEUE = "psa_hub.retainers_paid"


class AccountMove(models.Model):
    """Payments fill retainers that wait for them; worked out once, before the transaction commits."""

    _inherit = "account.move"

    def _psa_is_paid(self):
        return self.state == "posted" and self.payment_state in ("paid", self._get_invoice_in_payment_state())

    def _psa_queue_status(self):
        result = super()._psa_queue_status()
        ids = {move.id for move in self if isinstance(move.id, int) and move.move_type in ("out_invoice", "out_refund")}
        precommit = self.env.cr.precommit
        if ids and _QUEUE not in precommit.data:
            precommit.data[_QUEUE] = set()
            precommit.add(self.env["account.move"].browse().sudo()._psa_fill_retainers)
        precommit.data.get(_QUEUE, set()).update(ids)
        return result

    @api.model
    def _psa_fill_retainers(self):
        """Fill the retainers whose fee is on an invoice that was paid, or is no longer."""
        ids = self.env.cr.precommit.data.pop(_QUEUE, set())
        if not ids or not self.env["psa.retainer"].search_count([("adds_when", "=", "paid")], limit=1):
            return
        charges = self.env["psa.allocation"].search([
            ("move_id", "in", list(ids)), ("entry_id.kind", "=", "retainer")]).entry_id.charge_id
        self.env["psa.retainer"].search([
            ("fee_line_id", "in", charges.order_line_id.ids), ("adds_when", "=", "paid")])._fill()
        self.env.flush_all()
