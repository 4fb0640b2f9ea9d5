from odoo import models

from ..billing.proposal import OPEN_STATES

_QUEUE = "psa_hub.holds"


class AccountMove(models.Model):
    """A payment, a credit note or a new invoice opens and lifts holds, before its own transaction commits."""

    _inherit = "account.move"

    # === NOTING === #
    def _compute_payment_state(self):
        # The same moment at which the sources' status is noted: what is posted, reconciled, reset.
        result = super()._compute_payment_state()
        self._psa_note_for_holds()
        return result

    def _psa_note_for_holds(self):
        ids = [move.id for move in self if isinstance(move.id, int)]
        if not ids:
            return
        precommit = self.env.cr.precommit
        if _QUEUE not in precommit.data:
            precommit.data[_QUEUE] = set()
            precommit.add(self.env["account.move"].browse().sudo()._psa_lift_holds)
        precommit.data[_QUEUE].update(ids)

    # === LIFTING === #
    def _psa_lift_holds(self):
        """Look at the customers of what changed in this transaction; two queries when nothing of theirs is open."""
        moves = self.sudo().browse(self.env.cr.precommit.data.pop(_QUEUE, ())).exists()
        by_debtor = {}
        for move in moves:
            known = by_debtor.setdefault(move.commercial_partner_id.id, self.browse())
            by_debtor[move.commercial_partner_id.id] = known | move
        by_debtor.pop(False, None)
        released_by, behind = {}, {}
        for debtor_id, changed in by_debtor.items():
            credits = changed.filtered(lambda move: move.move_type == "out_refund")
            payments = changed.filtered(lambda move: move.origin_payment_id or move.statement_line_id)
            released_by[debtor_id] = "credit" if credits and not payments else "payment"
            behind[debtor_id] = (payments or credits)[:1]
        for kind in ("payment", "credit"):
            debtors = [debtor_id for debtor_id, what in released_by.items() if what == kind]
            self._psa_follow_debtors(debtors, moves.company_id, kind, behind)

    def _psa_follow_holds(self, released_by):
        self.sudo()._psa_follow_debtors(self.commercial_partner_id.ids, self.company_id, released_by)

    def _psa_follow_debtors(self, debtor_ids, companies, released_by, moves=None):
        """Bring the log of holds of these customers up to date: contracts with an open proposal or an open hold."""
        if not debtor_ids:
            return
        Hold = self.env["psa.hold"].sudo()
        orders = self.env["psa.proposal"].sudo().search([
            ("state", "in", OPEN_STATES), ("company_id", "child_of", companies.root_id.ids),
            ("order_id.partner_invoice_id.commercial_partner_id", "in", debtor_ids),
        ]).order_id
        orders |= Hold.search([
            ("released_at", "=", False), ("kind", "!=", "manual"), ("partner_id", "in", debtor_ids),
        ])._orders()
        if released_by == "person":
            # A dispute that begins is logged whether or not there is a proposal yet.
            orders |= self.env["sale.order"].sudo().search([
                ("psa_contract", "=", True), ("state", "=", "sale"), ("company_id", "in", companies.ids),
                ("partner_invoice_id.commercial_partner_id", "in", debtor_ids),
            ])
        if orders:
            Hold._follow(orders, released_by, moves)
