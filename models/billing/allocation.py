from odoo import fields, models

from .entry import QUANTITY_DIGITS


class PsaAllocation(models.Model):
    """How much of an entry stands on an invoice line; negative on a credit note.

    It counts while it is on a draft or posted invoice, and on a credit note once that is posted.
    """

    _name = "psa.allocation"
    _description = "Billing Allocation"
    _order = "id"

    entry_id = fields.Many2one("psa.entry", required=True, index=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one(related="entry_id.company_id", store=True, index=True, precompute=True)
    move_line_id = fields.Many2one(
        "account.move.line", "Invoice Line", required=True, index=True, readonly=True, ondelete="restrict"
    )
    move_id = fields.Many2one("account.move", "Invoice", required=True, index=True, readonly=True, ondelete="restrict")
    kind = fields.Selection([("invoice", "Invoice"), ("credit", "Credit Note")], required=True, readonly=True)
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted"), ("cancel", "Cancelled")],
        required=True,
        readonly=True,
        default="draft",
    )
    quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True, help="In the entry's unit; negative: credited.")
    amount = fields.Monetary(readonly=True, help="In the contract's currency; negative: credited.")
    currency_id = fields.Many2one(related="entry_id.currency_id")

    _line_entry_uniq = models.Constraint(
        "UNIQUE (move_line_id, entry_id)", "An entry stands on an invoice line only once."
    )
