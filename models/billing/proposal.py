from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

STATES = [
    ("draft", "Draft"),
    ("to_approve", "To Approve"),
    ("second_approval", "Second Approval"),
    ("approved", "Approved"),
    ("invoiced", "Invoiced"),
    ("cancelled", "Cancelled"),
]
SUBMITTED_STATES = ("to_approve", "second_approval")
OPEN_STATES = ("draft", *SUBMITTED_STATES)


class PsaProposal(models.Model):
    """What would be invoiced for one contract and period, with the reason of all that would not.

    draft -> to approve -> (second approval, for large amounts) -> approved (its draft invoices exist) -> invoiced (they
    are posted). Who prepared or edited it does not approve it. It never changes once it is approved: an invoice is
    credited, and the next run proposes.
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
    amount_carried = fields.Monetary("Carried Forward", readonly=True, help="Before tax; billed another time.")
    needs_refresh = fields.Boolean(readonly=True, copy=False, help="Its entries changed since it was built.")
    prepared_by = fields.Many2one("res.users", readonly=True, copy=False)
    editor_ids = fields.Many2many(
        "res.users", string="Edited By", readonly=True, copy=False, help="Changed its lines, so may not approve it."
    )
    first_approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True)
    first_approved_at = fields.Datetime(readonly=True, copy=False)
    approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True)
    approved_at = fields.Datetime(readonly=True, copy=False)
    move_ids = fields.Many2many(
        "account.move", "psa_proposal_move_rel", "proposal_id", "move_id", "Invoices", readonly=True, copy=False,
        help="One per customer who pays; a credit note beside it where the layout asks for one.",
    )
    move_id = fields.Many2one(
        "account.move", "Invoice", compute="_compute_move_id", search="_search_move_id",
        help="The invoice, when there is only one.",
    )
    invoice_count = fields.Integer("Number of Invoices", compute="_compute_move_id")

    _one_open = models.UniqueIndex(
        "(order_id, period_start, period_end) WHERE state IN ('draft', 'to_approve', 'second_approval')",
        "There is already an open proposal for this contract and period.",
    )
    _period_ordered = models.Constraint("CHECK (period_end >= period_start)", "A period cannot end before it starts.")

    # === COMPUTE === #
    @api.depends("move_ids")
    def _compute_move_id(self):
        for proposal in self:
            moves = proposal.sudo().move_ids
            proposal.move_id = moves if len(moves) == 1 else False
            proposal.invoice_count = len(moves)

    def _search_move_id(self, operator, value):
        return [("move_ids", operator, value)]

    # === CRUD === #
    def write(self, vals):
        """Users edit lines only (and only while open); everything else changes through the actions."""
        if not self.env.su:
            lines_only = set(vals) <= {
                "line_ids", "in_line_ids", "held_line_ids", "carried_line_ids", "excluded_line_ids",
                "message_follower_ids", "activity_ids", "message_main_attachment_id",
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
        proposals._reopen()
        for (start, end), of_period in proposals.grouped(
            lambda proposal: (proposal.period_start, proposal.period_end)
        ).items():
            of_period._build(start, end)

    def action_submit(self):
        """Hand these over for approval."""
        self._require("psa_hub.group_operator", ("draft",))
        with_lines = {
            proposal.id for proposal, in self.env["psa.proposal.line"].sudo()._read_group(
                [("proposal_id", "in", self.ids), ("decision", "=", "in")], ["proposal_id"])
        }
        for proposal in self:
            if proposal.needs_refresh:
                raise UserError(self.env._("Entries of %s changed: refresh it first.", proposal.name))
            if proposal.id not in with_lines:
                raise UserError(self.env._("%s has nothing to bill.", proposal.name))
            proposal.sudo()._check_sign()
            proposal.sudo()._check_included_taxes()
        self.sudo().write({"state": "to_approve", "prepared_by": self.env.uid})
        self.sudo()._ask_approvers()

    def _check_sign(self):
        """Refuse what no invoice can say, unless corrections stand on a credit note of their own."""
        if self.amount_total < 0 and self.order_id._psa_layout().negative_lines != "credit_note":
            raise UserError(self.env._("%s would be negative: carry its credits forward.", self.name))

    def action_back_to_draft(self):
        """Take these back for changes."""
        self._require("psa_hub.group_operator", SUBMITTED_STATES)
        self.sudo()._reopen()

    def action_cancel(self):
        """Drop these; their entries are free for the next run."""
        self._require("psa_hub.group_operator", OPEN_STATES)
        self.sudo()._drop()

    def _reopen(self):
        """Back to draft: what was approved so far no longer counts."""
        self.filtered(lambda proposal: proposal.state != "draft").write({
            "state": "draft", "first_approved_by": False, "first_approved_at": False})
        self._forget_activities()

    def _drop(self, reason=None):
        if not self:
            return
        self._unreserve()
        self.write({"state": "cancelled"})
        self._forget_activities()
        if reason:
            self._message_log_batch(bodies={proposal.id: reason for proposal in self})

    def action_open_invoice(self):
        """Show the invoice, or the invoices."""
        moves = self.sudo().move_ids
        if len(moves) == 1:
            return moves.with_env(self.env).get_formview_action()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Invoices"),
            "res_model": "account.move",
            "view_mode": "list,kanban,form",
            "domain": [("id", "in", moves.ids)],
        }

    def _follow_moves(self):
        """Take the state of the invoices: posted when all that are left are; without one, the entries are free."""
        for proposal in self:
            states = set(proposal.move_ids.mapped("state")) - {"cancel"}
            state = "cancelled" if not states else "approved" if "draft" in states else "invoiced"
            if proposal.state != state:
                proposal.state = state

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
