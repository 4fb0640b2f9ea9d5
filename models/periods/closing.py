from datetime import datetime, time, timedelta

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command

STATES = [("open", "Open"), ("closing", "Closing"), ("closed", "Closed")]
AUTOMATIC_CHECKS = ("exceptions", "unapproved", "proposals", "messages")


class PsaClosing(models.Model):
    """One period of a company in the closing calendar: until when each source may still add to it, and what is left.

    While it is *closing*, work that arrives after the cut-off of its source is late; once it is *closed*, so is what
    arrives from a source without a cut-off of its own. Odoo's lock dates stay Odoo's: they are looked at beside this.
    """

    _name = "psa.closing"
    _description = "Closing Period"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "period_start desc, company_id"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char(compute="_compute_name", store=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="cascade")
    currency_id = fields.Many2one(related="company_id.currency_id")
    period_start = fields.Date("From", required=True, default=lambda self: self._next_start())
    period_end = fields.Date(
        "To", required=True, compute="_compute_period_end", store=True, readonly=False, precompute=True)
    state = fields.Selection(STATES, required=True, readonly=True, default="open", tracking=True)
    user_id = fields.Many2one(
        "res.users", "Responsible", default=lambda self: self.env.user, domain="[('share', '=', False)]",
        tracking=True)
    closing_at = fields.Datetime("Closing Began", readonly=True, copy=False)
    closed_at = fields.Datetime(readonly=True, copy=False)
    closed_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    cutoff_ids = fields.One2many("psa.closing.cutoff", "closing_id", "Cut-offs")
    check_ids = fields.One2many("psa.closing.check", "closing_id", "Checklist")
    accrual_ids = fields.One2many("psa.accrual", "closing_id", "Accruals", readonly=True)
    late_entry_ids = fields.One2many("psa.entry", "late_closing_id", "Late Arrivals", readonly=True)

    _no_overlap = models.Constraint(
        """EXCLUDE USING gist (
            int4range(company_id, company_id, '[]') WITH =,
            daterange(period_start, period_end, '[]') WITH &&
        )""",
        "The closing calendar of the company has a period there already.",
    )
    _period_ordered = models.Constraint("CHECK (period_end >= period_start)", "A period cannot end before it starts.")

    # === COMPUTE === #
    @api.model
    def _next_start(self):
        last = self.search([("company_id", "=", self.env.company.id)], order="period_end desc", limit=1)
        return last.period_end + timedelta(days=1) if last else fields.Date.context_today(self) + relativedelta(day=1)

    @api.depends("period_start")
    def _compute_period_end(self):
        for closing in self:
            closing.period_end = closing.period_start and closing.period_start + relativedelta(day=31)

    @api.depends("period_start", "period_end")
    def _compute_name(self):
        for closing in self:
            start, end = closing.period_start, closing.period_end
            whole = start and end and start.day == 1 and end == start + relativedelta(day=31)
            closing.name = f"{start:%Y-%m}" if whole else f"{start} – {end}"

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        closings = super().create(vals_list)
        labels = dict(self.env["psa.closing.check"]._fields["kind"]._description_selection(self.env))
        for closing in closings:
            closing.write({
                "check_ids": [
                    Command.create({"kind": kind, "label": labels[kind], "sequence": index})
                    for index, kind in enumerate(AUTOMATIC_CHECKS)
                    if kind not in closing.check_ids.mapped("kind")
                ],
                "cutoff_ids": [] if closing.cutoff_ids else closing._proposed_cutoffs(),
            })
        return closings

    def _proposed_cutoffs(self):
        """Return the commands that give every source of the company, and what has none, the usual cut-off."""
        day = self.period_end + timedelta(days=self.company_id.psa_cutoff_days)
        moment = datetime.combine(day, time(23, 59, 59))
        sources = self.env["psa.connection"].sudo().search([("company_id", "=", self.company_id.id)])
        return [
            Command.create({"connection_id": connection_id, "cutoff_at": moment})
            for connection_id in [*sources.ids, False]
        ]

    def write(self, vals):
        if not self.env.su and (refused := {"state", "closing_at", "closed_at", "closed_by_id"} & vals.keys()):
            raise AccessError(self.env._(
                "A period is closed with its buttons only; %s cannot be written.", ", ".join(sorted(refused))))
        if {"period_start", "period_end", "company_id"} & vals.keys() and any(
            closing.state != "open" for closing in self
        ):
            raise UserError(self.env._("The dates of a period that is closing or closed stay as they are."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_closed(self):
        late = self.env["psa.entry"].sudo().search_count([("late_closing_id", "in", self.ids)], limit=1)
        if late or any(closing.state != "open" for closing in self):
            raise UserError(self.env._("Only an open period without late work can be deleted."))

    # === ACTIONS === #
    def action_start(self):
        """Begin to close: from now on the cut-offs count."""
        self._require("psa_hub.group_reviewer", ("open",))
        self.sudo().write({"state": "closing", "closing_at": fields.Datetime.now()})
        self._log("closing.start")
        self._look_again()

    def action_close(self):
        """Close these; with a check still open, the reason is asked for first."""
        self._require("psa_hub.group_approver", ("open", "closing"))
        if self._open_checks():
            return self.env["psa.reason"]._ask_for("close", self)
        return self._close()

    def action_reopen(self):
        """Ask for the reason, then open these again."""
        self._require("psa_hub.group_approver", ("closing", "closed"))
        return self.env["psa.reason"]._ask_for("reopen", self)

    def action_late_entries(self):
        """The late arrivals of these periods."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry_late")
        return {**action, "domain": [("late_closing_id", "in", self.ids)], "context": {}}

    # === BUSINESS === #
    def _close(self, reason=None):
        """Close these periods.

        :param reason: why, while checks are open
        :raise UserError: without a reason while checks are open
        """
        self._require("psa_hub.group_approver", ("open", "closing"))
        still_open = self._open_checks()
        if still_open and not (reason or "").strip():
            raise UserError(self.env._("Say why the period is closed while checks are open."))
        now = fields.Datetime.now()
        for closing in self.sudo():
            closing.write({
                "state": "closed", "closing_at": closing.closing_at or now, "closed_at": now,
                "closed_by_id": self.env.uid,
            })
        self._log("closing.close", reason, open_checks=still_open.mapped("label"))
        self._look_again()

    def _reopen(self, reason):
        """Open these again: what was late only because they were closed is in time again."""
        self._require("psa_hub.group_approver", ("closing", "closed"))
        reason = self.env["psa.hold"]._checked_reason(reason)
        before = {closing.id: closing.state for closing in self}
        self.sudo().write({"state": "open", "closing_at": False, "closed_at": False, "closed_by_id": False})
        self._log("closing.reopen", reason, before=before)
        for closing in self.sudo():
            closing._message_log(body=self.env._("Opened again: %s", reason))
        self._undecided_late()._forget_late()

    def _undecided_late(self):
        """Return what is late for these only because of a cut-off, stands on no invoice, and nobody has decided."""
        return self.env["psa.entry"].sudo().search([
            ("late_closing_id", "in", self.ids), ("late_cause", "=", "cutoff"), ("billing_state", "=", "to_bill"),
            ("late_decided_by_id", "=", False),
        ])

    def _look_again(self):
        """Find what arrived after the cut-offs of these periods and is on no invoice: it is late now."""
        for closing in self.sudo():
            arrived = self.env["psa.entry"].sudo().search([
                ("company_id", "=", closing.company_id.id), ("billing_state", "=", "to_bill"),
                ("work_date", ">=", closing.period_start), ("work_date", "<=", closing.period_end),
                ("approved_at", ">", closing._first_cutoff()), ("state", "in", ("approved", "held")),
            ])
            arrived._reprice(arrived)

    def _require(self, group, states):
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not do this with the closing calendar."))
        labels = dict(STATES)
        for closing in self:
            if closing.state not in states:
                raise UserError(self.env._(
                    "%(period)s is %(state)s.", period=closing.name, state=labels[closing.state].lower()))

    def _log(self, event, reason=None, before=None, **after):
        self.env["psa.audit"]._log([
            {
                "event": event, "res_model": self._name, "res_id": closing.id, "company_id": closing.company_id.id,
                "before": {"state": before[closing.id]} if before else None,
                "after": {"state": closing.state, "period": closing.name, **after}, "reason": reason,
            }
            for closing in self
        ])


class PsaClosingCutoff(models.Model):
    """Until when one source may add work to a period."""

    _name = "psa.closing.cutoff"
    _description = "Cut-off of a Source"
    _order = "closing_id, cutoff_at, id"

    closing_id = fields.Many2one("psa.closing", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="closing_id.company_id", store=True, index=True, precompute=True)
    connection_id = fields.Many2one(
        "psa.connection", "Source", ondelete="cascade", help="Empty: everything that has no line of its own.")
    cutoff_at = fields.Datetime("Cut-off", required=True)

    _source_uniq = models.UniqueIndex(
        "(closing_id, COALESCE(connection_id, 0))", "A source has one cut-off in a period.")

    @api.model_create_multi
    def create(self, vals_list):
        cutoffs = super().create(vals_list)
        cutoffs._follow_work()
        return cutoffs

    def write(self, vals):
        self._check_not_closed()
        result = super().write(vals)
        self._follow_work()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_closing(self):
        if any(cutoff.closing_id.state != "open" for cutoff in self):
            raise UserError(self.env._("Open the period again to delete its cut-offs, or change their moments."))

    def _check_not_closed(self):
        if any(cutoff.closing_id.state == "closed" for cutoff in self):
            raise UserError(self.env._("Open the period again to change its cut-offs."))

    def _follow_work(self):
        """While a period is closing, a new moment decides anew what is late for it."""
        self._check_not_closed()
        closings = self.closing_id.filtered(lambda closing: closing.state == "closing")
        closings._undecided_late()._forget_late()
        closings._look_again()
