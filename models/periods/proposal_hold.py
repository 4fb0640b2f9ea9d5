from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..billing.proposal import OPEN_STATES, SUBMITTED_STATES


class PsaProposal(models.Model):
    """A proposal whose contract or customer is on hold is neither submitted nor approved, unless overridden."""

    _inherit = "psa.proposal"

    # === FIELDS === #
    on_hold = fields.Boolean(compute="_compute_holds", search="_search_on_hold", compute_sudo=True)
    hold_text = fields.Text("Why on Hold", compute="_compute_holds", compute_sudo=True)
    hold_kinds = fields.Char("Kinds of Hold", compute="_compute_holds", compute_sudo=True)
    hold_since = fields.Date("On Hold Since", compute="_compute_holds", compute_sudo=True)
    hold_amount = fields.Monetary(
        "Behind the Hold", compute="_compute_holds", compute_sudo=True, currency_field="company_currency_id",
        help="What is overdue, disputed or over the limit, in the company's currency.")
    company_currency_id = fields.Many2one(related="company_id.currency_id", string="Company Currency")
    override_hold_ids = fields.Many2many(
        "psa.hold", "psa_proposal_hold_override_rel", "proposal_id", "hold_id", "Holds Overridden",
        readonly=True, copy=False)
    override_reason = fields.Char(readonly=True, copy=False)
    override_by_id = fields.Many2one("res.users", "Holds Overridden By", readonly=True, copy=False)
    override_at = fields.Datetime("Holds Overridden On", readonly=True, copy=False)

    # === COMPUTE === #
    @api.depends("state", "amount_total", "override_hold_ids")
    def _compute_holds(self):
        """Read live: what is on hold by the invoices as they are now, less what an approver overrode."""
        is_open = self.filtered(lambda proposal: proposal.state in OPEN_STATES)
        found = self.env["psa.hold"]._find(is_open.order_id)
        since = is_open._logged_since() if found else {}
        labels = dict(self.env["psa.hold"]._fields["kind"]._description_selection(self.env))
        for proposal in self:
            holds = proposal._not_overridden(found.get(proposal.order_id.id, [])) if proposal in is_open else []
            dates = [hold.since or since.get(hold.key) for hold in holds]
            proposal.on_hold = bool(holds)
            proposal.hold_amount = sum(hold.amount for hold in holds)
            proposal.hold_kinds = ", ".join(dict.fromkeys(labels[hold.kind] for hold in holds)) or False
            proposal.hold_since = min((day for day in dates if day), default=False)
            proposal.hold_text = "\n".join(
                f"{labels[hold.kind]}: {hold.text}" for hold in holds) or False

    @api.model
    def _search_on_hold(self, operator, value):
        if operator != "in":
            return NotImplemented
        proposals = self.search([("state", "in", OPEN_STATES)])
        held = Domain("id", "in", proposals.filtered("on_hold").ids)
        if set(value) == {True}:
            return held
        return ~held if set(value) == {False} else Domain.TRUE

    def _logged_since(self):
        """Return ``{key of a hold: date on which it was first seen}``; one query."""
        holds = self.env["psa.hold"].sudo().search([
            ("released_at", "=", False), "|", ("order_id", "in", self.order_id.ids),
            ("partner_id", "in", self.order_id.partner_invoice_id.commercial_partner_id.ids),
        ])
        return {hold._key(): fields.Date.context_today(self, hold.opened_at) for hold in holds}

    def _not_overridden(self, found):
        """Return those of ``found`` that no approver has overridden on this proposal."""
        overridden = {hold._key() for hold in self.override_hold_ids if not hold.released_at}
        return [hold for hold in found if hold.key not in overridden]

    # === CHECKS === #
    def _check_not_on_hold(self):
        """Refuse while something is on hold at this moment; what was held before and is not any more is closed."""
        proposals = self.sudo()
        Hold = self.env["psa.hold"].sudo()
        found = Hold._find(proposals.order_id, together=True)
        for proposal in proposals:
            if holds := proposal._not_overridden(found.get(proposal.order_id.id, [])):
                raise UserError(self.env._(
                    "%(proposal)s is on hold. %(why)s.", proposal=proposal.name,
                    why=". ".join(hold.text for hold in holds)))
        if Hold.search_count([("released_at", "=", False), ("order_id", "in", proposals.order_id.ids)], limit=1):
            Hold._follow(proposals.order_id)

    def action_submit(self):
        self._require("psa_hub.group_operator", ("draft",))
        self._check_not_on_hold()
        return super().action_submit()

    def action_approve(self):
        self._require("psa_hub.group_approver", SUBMITTED_STATES)
        self._check_not_on_hold()
        return super().action_approve()

    def _build(self, period_start, period_end):
        """Holds that are seen when a proposal is made are logged, and their salespeople told."""
        result = super()._build(period_start, period_end)
        self.env["psa.hold"]._follow(self.order_id)
        return result

    # === OVERRIDE === #
    def action_override_holds(self):
        """Ask for the reason, then let these go on in spite of what holds them."""
        return self.env["psa.reason"]._ask_for("override", self)

    def _override_holds(self, reason):
        """Let these proposals, and only these, go on in spite of the holds that are open now.

        :raise AccessError: for others than approvers, and for who prepared or edited one of them
        """
        self._require("psa_hub.group_approver", OPEN_STATES)
        self._check_four_eyes()
        reason = self.env["psa.hold"]._checked_reason(reason)
        proposals, Hold = self.sudo(), self.env["psa.hold"].sudo()
        found = Hold._follow(proposals.order_id)
        for proposal in proposals:
            keys = {hold.key for hold in proposal._not_overridden(found.get(proposal.order_id.id, []))}
            holds = Hold.search([
                ("released_at", "=", False), ("company_id", "=", proposal.company_id.id),
                ("partner_id", "=", proposal.order_id.partner_invoice_id.commercial_partner_id.id),
            ]).filtered(lambda hold, keys=keys: hold._key() in keys)
            if not holds:
                raise UserError(self.env._("%s is not on hold.", proposal.name))
            proposal.write({
                "override_hold_ids": [fields.Command.link(hold.id) for hold in holds],
                "override_reason": reason, "override_by_id": self.env.uid, "override_at": fields.Datetime.now(),
            })
            proposal._message_log(body=self.env._(
                "Holds overridden: %(holds)s. Reason: %(reason)s",
                holds="; ".join(holds.mapped("reason")), reason=reason))
            holds._log("hold.override", reason, proposal=proposal.name)
        self.env["psa.hold"]._refresh_pages()


class PsaProposalLine(models.Model):
    """Each line tells that its proposal is on hold."""

    _inherit = "psa.proposal.line"

    hold_kinds = fields.Char(related="proposal_id.hold_kinds")
    hold_text = fields.Text(related="proposal_id.hold_text")
