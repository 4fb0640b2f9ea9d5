from odoo import fields, models


class SaleOrder(models.Model):
    """Which terms the source named when the contract was made: a later difference is a change, not an edit."""

    _inherit = "sale.order"

    psa_source_terms = fields.Json("Terms at the Source", copy=False)
    psa_start = fields.Json(
        "Start of the Contract", copy=False,
        help="What is needed when the contract is confirmed. It is there while the contract waits for its signature.")
