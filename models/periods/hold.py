from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

KINDS = [
    ("credit_limit", "Credit Limit"),
    ("overdue", "Overdue"),
    ("dispute", "Dispute"),
    ("manual", "By Hand"),
]
RELEASES = [
    ("payment", "Payment"),
    ("credit", "Credit Note"),
    ("person", "Person"),
    ("terms", "Rule or Limit Changed"),
]


class PsaHold(models.Model):
    """The log of what kept a customer or a contract from being billed: why, how much, since when and until when.

    Whether something is on hold is always read from the invoices themselves (:meth:`_find`), never from here; a row
    is written when a hold is first seen and closed in the transaction that lifts it. Only a hold by hand lives here.
    """

    _name = "psa.hold"
    _description = "Billing Hold"
    _order = "released_at DESC NULLS FIRST, opened_at DESC, id DESC"
    _rec_name = "reason"
    _check_company_auto = True

    # === FIELDS === #
    kind = fields.Selection(KINDS, required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="cascade")
    partner_id = fields.Many2one("res.partner", "Customer", required=True, readonly=True, index=True,
                                 ondelete="restrict")
    order_id = fields.Many2one(
        "sale.order", "Contract", readonly=True, index="btree_not_null", ondelete="cascade",
        help="Empty: all contracts of the customer.")
    amount = fields.Monetary(
        readonly=True, help="What is overdue, disputed or over the limit, in the company's currency.")
    currency_id = fields.Many2one(related="company_id.currency_id")
    reason = fields.Char(required=True, readonly=True)
    since = fields.Date(
        readonly=True, help="Of an overdue customer: the oldest due date; else the day on which it was seen.")
    opened_at = fields.Datetime("Seen", required=True, readonly=True, default=fields.Datetime.now)
    opened_by_id = fields.Many2one("res.users", "Put On By", readonly=True, ondelete="restrict")
    released_at = fields.Datetime("Released", readonly=True)
    released_by = fields.Selection(RELEASES, "Released By What", readonly=True)
    released_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    release_move_id = fields.Many2one(
        "account.move", "Released By Entry", readonly=True, ondelete="set null",
        index="btree_not_null", help="The payment or credit note.")
    release_reason = fields.Char(readonly=True)
    proposal_ids = fields.Many2many(
        "psa.proposal", "psa_proposal_hold_override_rel", "hold_id", "proposal_id", "Overridden For", readonly=True)
    notice_ids = fields.Many2many("mail.activity", readonly=True)
    state = fields.Selection(
        [("open", "On Hold"), ("released", "Released")], compute="_compute_state", store=True, precompute=True)

    _one_open = models.UniqueIndex(
        "(company_id, partner_id, kind, COALESCE(order_id, 0)) WHERE released_at IS NULL",
        "This hold is open already.",
    )
    _released_by_something = models.Constraint(
        "CHECK ((released_at IS NULL) = (released_by IS NULL))", "A released hold says by what.")

    # === COMPUTE === #
    @api.depends("released_at")
    def _compute_state(self):
        for hold in self:
            hold.state = "released" if hold.released_at else "open"

    # === BY HAND === #
    @api.model
    def _put(self, record, reason):
        """Keep a contract, or a customer in the current company, from billing until a person lets go.

        :param record: ``sale.order`` or ``res.partner``, one
        :raise AccessError: for others than operators
        """
        if not self.env.su and not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("Only operators of PSA Hub may put a hold on billing."))
        record.check_access("read")
        reason = self._checked_reason(reason)
        record = record.sudo()
        is_order = record._name == "sale.order"
        order = record if is_order else self.env["sale.order"]
        company = order.company_id or self.env.company
        partner = (order.partner_invoice_id if is_order else record).commercial_partner_id
        if self.sudo().search_count([
            ("kind", "=", "manual"), ("released_at", "=", False), ("company_id", "=", company.id),
            ("partner_id", "=", partner.id), ("order_id", "=", order.id),
        ], limit=1):
            raise UserError(self.env._("%s is on hold already.", record.display_name))
        hold = self.sudo().create({
            "kind": "manual", "company_id": company.id, "partner_id": partner.id, "order_id": order.id,
            "reason": reason, "since": fields.Date.context_today(self), "opened_by_id": self.env.uid,
        })
        hold._tell_salespeople()
        hold._log("hold.put", reason)
        self._refresh_pages()
        return hold

    def action_release(self, reason):
        """Let go what a person holds.

        :raise AccessError: for others than reviewers
        """
        if not self.env.su and not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may release a hold."))
        self.check_access("read")
        reason = self._checked_reason(reason)
        if any(hold.kind != "manual" or hold.released_at for hold in self):
            raise UserError(self.env._(
                "Only an open hold by hand is released here: the others go with what causes them, or an approver "
                "overrides them on the billing proposal."))
        self.sudo()._release("person", reason=reason)

    def action_ask_release(self):
        """Ask for the reason, then release."""
        return self.env["psa.reason"]._ask_for("release", self)

    def action_open_subject(self):
        """Show the contract, else the customer."""
        self.ensure_one()
        return (self.order_id or self.partner_id).get_formview_action()

    @api.model
    def _checked_reason(self, reason):
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: the reason stays with the hold for ever."))
        return reason.strip()

    def _log(self, event, reason=None, **after):
        """Write the audit rows of these holds."""
        self.env["psa.audit"]._log([
            {
                "event": event,
                "res_model": self._name,
                "res_id": hold.id,
                "company_id": hold.company_id.id,
                "after": {
                    "kind": hold.kind, "partner_id": hold.partner_id.id, "order_id": hold.order_id.id,
                    "amount": hold.amount, **after,
                },
                "reason": reason or hold.reason,
            }
            for hold in self
        ])
