from odoo import api, fields, models

STATES = [
    ("draft", "Draft"),
    ("to_approve", "To Approve"),
    ("approved", "Approved"),
    ("invoiced", "Invoiced"),
    ("cancelled", "Cancelled"),
]


class PsaProposal(models.Model):
    """What would be invoiced for one contract and period, with the reason of all that would not."""

    _name = "psa.proposal"
    _description = "Billing Proposal"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "period_end desc, id desc"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char(required=True, readonly=True, copy=False)
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, readonly=True, ondelete="restrict", check_company=True
    )
    company_id = fields.Many2one("res.company", required=True, index=True, readonly=True, ondelete="restrict")
    partner_id = fields.Many2one("res.partner", "Customer", required=True, readonly=True, ondelete="restrict")
    currency_id = fields.Many2one("res.currency", required=True, readonly=True, ondelete="restrict")
    period_start = fields.Date("From", required=True, readonly=True)
    period_end = fields.Date("To", required=True, readonly=True)
    state = fields.Selection(STATES, required=True, readonly=True, default="draft", tracking=True, index=True)
    line_ids = fields.One2many("psa.proposal.line", "proposal_id", "Lines")
    amount_untaxed = fields.Monetary(readonly=True)
    amount_tax = fields.Monetary("Taxes", readonly=True)
    amount_total = fields.Monetary("Total", readonly=True)
    amount_held = fields.Monetary("Held", readonly=True, help="Before tax.")
    needs_refresh = fields.Boolean(readonly=True, copy=False, help="Its entries changed since it was built.")
    prepared_by = fields.Many2one("res.users", readonly=True, copy=False)
    approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True)
    approved_at = fields.Datetime(readonly=True, copy=False)
    move_id = fields.Many2one("account.move", "Invoice", readonly=True, copy=False, index="btree_not_null")

    _one_open = models.UniqueIndex(
        "(order_id, period_start, period_end) WHERE state IN ('draft', 'to_approve')",
        "There is already an open proposal for this contract and period.",
    )
    _period_ordered = models.Constraint("CHECK (period_end >= period_start)", "A period cannot end before it starts.")

    # === ACTIONS === #
    @api.model
    def _create_proposals(self, period_start, period_end, orders):
        """Make or refresh one proposal per contract for the period."""
        return self.browse()

    def action_refresh(self):
        """Build the lines again from the entries as they are now."""

    def action_submit(self):
        """Hand these over for approval."""

    def action_approve(self):
        """Approve these and make their draft invoices."""

    def action_back_to_draft(self):
        """Take these back for changes."""

    def action_cancel(self):
        """Drop these; their entries are free for the next run."""
