from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..billing.proposal import OPEN_STATES as PROPOSAL_STATES
from ..desk.exception import OPEN_STATES
from ..sync.psa_message import OPEN_STATES as OPEN_MESSAGES


class PsaClosingCheck(models.Model):
    """One point of a period's checklist: counted live from the work itself, or ticked off by a person."""

    _name = "psa.closing.check"
    _description = "Closing Check"
    _order = "closing_id, sequence, id"
    _rec_name = "label"

    # === FIELDS === #
    closing_id = fields.Many2one("psa.closing", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="closing_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="closing_id.currency_id")
    sequence = fields.Integer(default=10)
    kind = fields.Selection(
        [
            ("exceptions", "Open exceptions"),
            ("unapproved", "Work not approved yet"),
            ("proposals", "Proposals not posted"),
            ("messages", "Messages not done"),
            ("manual", "To be ticked off"),
        ],
        required=True, default="manual",
    )
    label = fields.Char("Check", required=True)
    user_id = fields.Many2one("res.users", "Responsible", domain="[('share', '=', False)]")
    done = fields.Boolean(readonly=True, copy=False)
    done_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    done_at = fields.Datetime(readonly=True, copy=False)
    count = fields.Integer("Open", compute="_compute_open", compute_sudo=True)
    amount = fields.Monetary(
        "Money", compute="_compute_open", compute_sudo=True, help="What waits, in the company's currency.")
    is_done = fields.Boolean("In Order", compute="_compute_open", compute_sudo=True)

    _kind_once = models.UniqueIndex(
        "(closing_id, kind) WHERE kind <> 'manual'", "This is on the checklist already.")

    # === CRUD === #
    def write(self, vals):
        if not self.env.su and {"done", "done_by_id", "done_at"} & vals.keys():
            raise AccessError(self.env._("A check is ticked off with its button, so that it says who did it."))
        return super().write(vals)

    # === COMPUTE === #
    @api.depends("kind", "done")
    def _compute_open(self):
        for check in self:
            count, amount = getattr(check, f"_count_{check.kind}")() if check.closing_id else (0, 0.0)
            check.count, check.amount, check.is_done = count, amount, not count

    # === ONE METHOD A KIND: (count, money) === #
    def _entry_domain(self):
        closing = self.closing_id
        return [
            ("company_id", "=", closing.company_id.id), ("work_date", ">=", closing.period_start),
            ("work_date", "<=", closing.period_end),
        ]

    def _count_manual(self):
        return int(not self.done), 0.0

    def _count_exceptions(self):
        exceptions = self.env["psa.exception"].search(self._exceptions_domain())
        return len(exceptions), sum(exceptions.mapped("amount"))

    def _exceptions_domain(self):
        """Exceptions that hold work of the period, and those that came up in it and hold nothing yet."""
        closing = self.closing_id
        return [
            ("company_id", "=", closing.company_id.id), ("state", "in", OPEN_STATES),
            "|", ("entry_ids", "any", self._entry_domain()),
            "&", ("entry_ids", "=", False), ("first_seen", "<=", closing._last_moment()),
        ]

    def _count_unapproved(self):
        return self._sum_entries([*self._entry_domain(), ("state", "=", "waiting")])

    def _sum_entries(self, domain):
        company, count, total = self.company_id, 0, 0.0
        for currency, entries, amount in self.env["psa.entry"]._read_group(
            domain, ["currency_id"], ["__count", "amount:sum"]
        ):
            count += entries
            total += currency._convert(amount, company.currency_id, company, self.closing_id.period_end)
        return count, total

    def _proposals_domain(self):
        closing = self.closing_id
        return [
            ("company_id", "=", closing.company_id.id), ("state", "in", (*PROPOSAL_STATES, "approved")),
            ("period_end", ">=", closing.period_start), ("period_end", "<=", closing.period_end),
        ]

    def _count_proposals(self):
        company, count, total = self.company_id, 0, 0.0
        for currency, proposals, amount in self.env["psa.proposal"]._read_group(
            self._proposals_domain(), ["currency_id"], ["__count", "amount_untaxed:sum"]
        ):
            count += proposals
            total += currency._convert(amount, company.currency_id, company, self.closing_id.period_end)
        return count, total

    def _messages_domain(self):
        """Records that came by the end of the period (or its last cut-off) and have not been booked."""
        closing = self.closing_id
        return [
            ("company_id", "=", closing.company_id.id), ("direction", "=", "in"),
            ("state", "in", (*OPEN_MESSAGES, "dead")), ("received_at", "<=", closing._last_moment()),
        ]

    def _count_messages(self):
        [(count, amount)] = self.env["psa.message"]._read_group(
            self._messages_domain(), [], ["__count", "risk_amount:sum"])
        return count, amount or 0.0

    # === ACTIONS === #
    def action_toggle(self):
        """Tick this off, or take that back."""
        if not self.env.su and not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("You may not do this with the closing calendar."))
        self.check_access("read")
        if any(check.kind != "manual" or check.closing_id.state == "closed" for check in self):
            raise UserError(self.env._("This is counted from the work itself, or its period is closed."))
        for check in self.sudo():
            done = not check.done
            check.write({
                "done": done, "done_by_id": done and self.env.uid, "done_at": done and fields.Datetime.now(),
            })

    def action_open(self):
        """Show what is left."""
        self.ensure_one()
        if self.kind == "manual":
            return None
        xmlid, domain = {
            "exceptions": ("psa_hub.action_psa_exception", self._exceptions_domain),
            "unapproved": ("psa_hub.action_psa_entry", lambda: [*self._entry_domain(), ("state", "=", "waiting")]),
            "proposals": ("psa_hub.action_psa_proposal", self._proposals_domain),
            "messages": ("psa_hub.action_psa_message", self._messages_domain),
        }[self.kind]
        action = self.env["ir.actions.actions"]._for_xml_id(xmlid)
        return {**action, "domain": domain(), "context": {}, "display_name": self.label}


class PsaClosing(models.Model):
    _inherit = "psa.closing"

    open_check_count = fields.Integer("Checks Open", compute="_compute_checks")
    check_progress = fields.Integer("Checks in Order (%)", compute="_compute_checks")
    late_count = fields.Integer("Late Work", compute="_compute_late", compute_sudo=True)
    late_amount = fields.Monetary("Late Money", compute="_compute_late", compute_sudo=True)

    @api.depends("check_ids.done", "check_ids.kind")
    def _compute_checks(self):
        for closing in self:
            done = len(closing.check_ids.filtered("is_done"))
            closing.open_check_count = len(closing.check_ids) - done
            closing.check_progress = round(100 * done / len(closing.check_ids)) if closing.check_ids else 100

    @api.depends("late_entry_ids")
    def _compute_late(self):
        totals = {}
        for closing, currency, count, amount in self.env["psa.entry"]._read_group(
            [("late_closing_id", "in", self.ids)], ["late_closing_id", "currency_id"], ["__count", "amount:sum"]
        ):
            known = totals.get(closing.id, (0, 0.0))
            amount = currency._convert(amount, closing.currency_id, closing.company_id, closing.period_end)
            totals[closing.id] = known[0] + count, known[1] + amount
        for closing in self:
            closing.late_count, closing.late_amount = totals.get(closing.id, (0, 0.0))

    def _open_checks(self):
        self.check_ids.invalidate_recordset(["count", "amount", "is_done"])
        return self.check_ids.filtered(lambda check: not check.is_done)
