from odoo import fields, models
from odoo.exceptions import AccessError, UserError

from .entry import QUANTITY_DIGITS

DECISIONS = [("in", "Bill Now"), ("held", "Held"), ("excluded", "Excluded"), ("carried", "Carried Forward")]


class PsaProposalLine(models.Model):
    """One entry in a proposal: billed now, or not and why."""

    _name = "psa.proposal.line"
    _description = "Billing Proposal Line"
    _order = "proposal_id, work_date, id"

    # === FIELDS === #
    proposal_id = fields.Many2one("psa.proposal", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="proposal_id.company_id", store=True, index=True, precompute=True)
    entry_id = fields.Many2one("psa.entry", required=True, index=True, ondelete="restrict", readonly=True)
    decision = fields.Selection(DECISIONS, required=True)
    reason = fields.Char(help="Why it is not billed now, or what is unusual about it.")
    quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    amount = fields.Monetary(help="Before tax. A reviewer may bill less, with a reason.")
    currency_id = fields.Many2one(related="proposal_id.currency_id")
    decided_by = fields.Many2one("res.users", readonly=True, help="Empty: decided by the rules.")
    reserved = fields.Boolean(
        readonly=True, help="Decided to be billed by an open proposal: no other proposal may take it."
    )
    work_date = fields.Date("Date", related="entry_id.work_date", store=True, precompute=True)
    kind = fields.Selection(related="entry_id.kind")
    employee_id = fields.Many2one(related="entry_id.employee_id")
    role_id = fields.Many2one(related="entry_id.role_id")
    order_line_id = fields.Many2one(related="entry_id.order_line_id")
    description = fields.Char(related="entry_id.description")
    rate = fields.Float(related="entry_id.rate")
    exception_id = fields.Many2one(related="entry_id.exception_id")
    message_id = fields.Many2one(related="entry_id.message_id")

    _reserved_once = models.UniqueIndex(
        "(entry_id) WHERE reserved", "An entry is already in another open proposal."
    )
    _entry_once = models.Constraint("UNIQUE (proposal_id, entry_id)", "An entry is in a proposal only once.")

    # === CRUD === #
    def write(self, vals):
        """A reviewer decides about lines of a draft proposal, with a reason; totals and reservations follow."""
        if self.env.su:
            return super().write(vals)
        if set(vals) - {"decision", "reason", "amount"}:
            raise AccessError(self.env._("Only the decision, the amount and the reason can be changed on a line."))
        self.check_access("write")
        lines = self.sudo()
        if "amount" in vals:
            self._bill_less(vals["amount"], vals.get("reason") or "")
        decided = {name: value for name, value in vals.items() if name != "amount"}
        for line in self:
            line._check_decision(decided.get("decision", line.decision), decided.get("reason", line.reason))
        result = super(PsaProposalLine, lines).write({**decided, "decided_by": self.env.uid})
        for line in lines:
            line.reserved = line.decision == "in"
        proposals = lines.proposal_id
        proposals.write({"editor_ids": [fields.Command.link(self.env.uid)]})
        proposals._compute_totals()
        return result

    def _check_decision(self, decision, reason):
        self.ensure_one()
        if self.proposal_id.state != "draft":
            raise UserError(self.env._("Take %s back to draft to change its lines.", self.proposal_id.name))
        if decision == "in":
            entry = self.entry_id
            if entry.state != "approved" or entry.pending_change or not (self.quantity or self.amount):
                raise UserError(self.env._("%s cannot be billed: solve what holds it first.", entry.display_name))
        elif not (reason or "").strip():
            raise UserError(self.env._("Say why %s is not billed now.", self.entry_id.display_name))

    # === ACTIONS === #
    def action_open_entry(self):
        """Show the entry, with why its amount is what it is."""
        self.ensure_one()
        return self.entry_id.get_formview_action()

    def action_open_message(self):
        """Show the message that said so."""
        self.ensure_one()
        if not self.message_id:
            raise UserError(self.env._("This entry did not come from a message."))
        return self.message_id.get_formview_action()
