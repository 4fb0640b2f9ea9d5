from odoo import models


class AccountMoveReversal(models.TransientModel):
    _inherit = "account.move.reversal"

    def reverse_moves(self, is_modify=False):
        """Let the invoice that replaces a credited one bill the same entries."""
        action = super().reverse_moves(is_modify)
        if is_modify:
            moves = self.new_move_ids.filtered(lambda move: move.move_type == "out_invoice")
            self.env["psa.allocation"].sudo()._replace_invoices(moves)
        return action
