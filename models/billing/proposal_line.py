from odoo import fields, models

from .entry import QUANTITY_DIGITS


class PsaProposalLine(models.Model):
    """One entry in a proposal: billed now, or not and why."""

    _name = "psa.proposal.line"
    _description = "Billing Proposal Line"
    _order = "decision desc, work_date, id"

    proposal_id = fields.Many2one("psa.proposal", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="proposal_id.company_id", store=True, index=True, precompute=True)
    entry_id = fields.Many2one("psa.entry", required=True, index=True, ondelete="cascade", readonly=True)
    decision = fields.Selection(
        [("in", "Bill Now"), ("held", "Held"), ("excluded", "Excluded"), ("carried", "Carried Forward")],
        required=True,
    )
    reason = fields.Char()
    quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one(related="proposal_id.currency_id")
    work_date = fields.Date("Date", related="entry_id.work_date", store=True)
    kind = fields.Selection(related="entry_id.kind")
    employee_id = fields.Many2one(related="entry_id.employee_id")
    role_id = fields.Many2one(related="entry_id.role_id")
    order_line_id = fields.Many2one(related="entry_id.order_line_id")
    description = fields.Char(related="entry_id.description")
    rate = fields.Float(related="entry_id.rate")
    reserved = fields.Boolean(
        readonly=True, help="Decided to be billed by an open proposal: no other proposal may take it."
    )

    _reserved_once = models.UniqueIndex(
        "(entry_id) WHERE reserved", "An entry is already in another open proposal."
    )
    _entry_once = models.Constraint("UNIQUE (proposal_id, entry_id)", "An entry is in a proposal only once.")
