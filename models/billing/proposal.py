from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

STATES = [
    ("draft", "Draft"),
    ("to_approve", "To Approve"),
    ("approved", "Approved"),
    ("invoiced", "Invoiced"),
    ("cancelled", "Cancelled"),
]
OPEN_STATES = ("draft", "to_approve")


class PsaProposal(models.Model):
    """What would be invoiced for one contract and period, with the reason of all that would not.

    draft -> to approve -> approved (a draft invoice exists) -> invoiced (it is posted). Who prepared or edited it
    does not approve it. It never changes once it is approved: the invoice is credited, and the next run proposes.
    """

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
    line_ids = fields.One2many("psa.proposal.line", "proposal_id", "Lines", copy=False)
    amount_untaxed = fields.Monetary(readonly=True)
    amount_tax = fields.Monetary("Taxes", readonly=True)
    amount_total = fields.Monetary("Total", readonly=True)
    amount_held = fields.Monetary("Held", readonly=True, help="Before tax.")
    needs_refresh = fields.Boolean(readonly=True, copy=False, help="Its entries changed since it was built.")
    prepared_by = fields.Many2one("res.users", readonly=True, copy=False)
    editor_ids = fields.Many2many(
        "res.users", string="Edited By", readonly=True, copy=False, help="Changed its lines, so may not approve it."
    )
    approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True)
    approved_at = fields.Datetime(readonly=True, copy=False)
    move_id = fields.Many2one(
        "account.move", "Invoice", readonly=True, copy=False, index="btree_not_null", ondelete="set null"
    )

    _one_open = models.UniqueIndex(
        "(order_id, period_start, period_end) WHERE state IN ('draft', 'to_approve')",
        "There is already an open proposal for this contract and period.",
    )
    _period_ordered = models.Constraint("CHECK (period_end >= period_start)", "A period cannot end before it starts.")

    # === CRUD === #
    def write(self, vals):
        """Users edit lines only (and only while open); everything else changes through the actions."""
        if not self.env.su:
            lines_only = set(vals) <= {
                "line_ids", "in_line_ids", "held_line_ids", "excluded_line_ids", "message_follower_ids",
                "activity_ids", "message_main_attachment_id",
            }
            if not lines_only:
                raise AccessError(self.env._("Billing proposals change through their buttons only."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_approved(self):
        if any(proposal.state in ("approved", "invoiced") for proposal in self):
            raise UserError(self.env._("An approved billing proposal is kept: it explains its invoice."))

    # === ACTIONS === #
    def action_refresh(self):
        """Build the lines again from the entries as they are now; a reviewer's decisions are kept."""
        self._require("psa_hub.group_operator", OPEN_STATES)
        proposals = self.sudo()
        proposals.filtered(lambda proposal: proposal.state == "to_approve").write({"state": "draft"})
        for (start, end), of_period in proposals.grouped(
            lambda proposal: (proposal.period_start, proposal.period_end)
        ).items():
            of_period._build(start, end)

    def action_submit(self):
        """Hand these over for approval."""
        self._require("psa_hub.group_operator", ("draft",))
        for proposal in self:
            if proposal.needs_refresh:
                raise UserError(self.env._("Entries of %s changed: refresh it first.", proposal.name))
            if not any(line.decision == "in" for line in proposal.line_ids):
                raise UserError(self.env._("%s has nothing to bill.", proposal.name))
            if proposal.amount_total < 0:
                raise UserError(self.env._("%s would be negative: carry its credits forward.", proposal.name))
        self.sudo().write({"state": "to_approve", "prepared_by": self.env.uid})

    def action_back_to_draft(self):
        """Take these back for changes."""
        self._require("psa_hub.group_operator", ("to_approve",))
        self.sudo().write({"state": "draft"})

    def action_cancel(self):
        """Drop these; their entries are free for the next run."""
        self._require("psa_hub.group_operator", OPEN_STATES)
        self.sudo()._drop()

    def _drop(self, reason=None):
        self.line_ids.filtered("reserved").write({"reserved": False})
        self.write({"state": "cancelled"})
        if reason:
            self._message_log_batch(bodies={proposal.id: reason for proposal in self})

    def action_open_invoice(self):
        """Show the invoice."""
        self.ensure_one()
        return self.move_id.get_formview_action()

    def _require(self, group, states):
        """Refuse who may not, and proposals that are not in one of ``states``."""
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not do this with billing proposals."))
        labels = dict(self._fields["state"]._description_selection(self.env))
        for proposal in self:
            if proposal.state not in states:
                raise UserError(self.env._(
                    "%(proposal)s is %(state)s.", proposal=proposal.name, state=labels[proposal.state]))
