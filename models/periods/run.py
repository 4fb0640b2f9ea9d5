from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain

from ..sync.wake import wake

STATES = [
    ("draft", "New"),
    ("running", "Running"),
    ("done", "Done"),
    ("cancelled", "Cancelled"),
]
# With more contracts a run works in a scheduled job, piece by piece.
AT_ONCE = 100
_OPTIONS = {
    "name", "period_start", "period_end", "company_ids", "order_ids", "partner_ids", "auto_submit",
    "auto_submit_limit",
}


class PsaBillingRun(models.Model):
    """One billing run: a period, its contracts, and what came out for each of them.

    The list of contracts is written down when the run starts; each piece of work commits its proposals together with
    the lines that say so. So a run that is killed goes on where it was, and bills nothing twice.
    """

    _name = "psa.billing.run"
    _description = "Billing Run"
    _order = "id desc"

    # === FIELDS === #
    name = fields.Char(compute="_compute_name", store=True, readonly=False, precompute=True)
    period_start = fields.Date(
        "From", required=True, default=lambda self: fields.Date.context_today(self) + relativedelta(months=-1, day=1))
    period_end = fields.Date(
        "To", required=True, default=lambda self: fields.Date.context_today(self) + relativedelta(day=1, days=-1))
    company_ids = fields.Many2many(
        "res.company", string="Companies", required=True, default=lambda self: self.env.companies)
    order_ids = fields.Many2many(
        "sale.order", string="Contracts",
        domain="[('psa_contract', '=', True), ('company_id', 'in', company_ids)]",
        help="Empty: every contract of the companies and customers.")
    partner_ids = fields.Many2many(
        "res.partner", string="Customers", help="Empty: all. With their subsidiaries and contacts.")
    auto_submit = fields.Boolean(
        "Submit What Is Clear",
        help="Hands proposals over for approval that are not on hold, hold nothing back and are within the limit.")
    auto_submit_limit = fields.Monetary(
        "Up To", help="Before tax, in the currency of this run. Zero: no limit.")
    currency_id = fields.Many2one(
        "res.currency", required=True, readonly=True, default=lambda self: self.env.company.currency_id)
    state = fields.Selection(STATES, required=True, readonly=True, default="draft", copy=False)
    mode = fields.Selection(
        [("preview", "Preview"), ("bill", "Billing")], readonly=True, copy=False,
        help="What it does, or did last.")
    user_id = fields.Many2one("res.users", "Started By", readonly=True, copy=False)
    started_at = fields.Datetime(readonly=True, copy=False)
    ended_at = fields.Datetime(readonly=True, copy=False)
    line_ids = fields.One2many("psa.billing.run.line", "run_id", "Contracts Billed", readonly=True, copy=False)

    _period_ordered = models.Constraint("CHECK (period_end >= period_start)", "A period cannot end before it starts.")
    _limit_not_negative = models.Constraint(
        "CHECK (COALESCE(auto_submit_limit, 0) >= 0)", "A limit is not negative.")

    # === COMPUTE === #
    @api.depends("period_start", "period_end")
    def _compute_name(self):
        for run in self:
            start, end = run.period_start, run.period_end
            whole = start and end and start.day == 1 and end == start + relativedelta(day=31)
            run.name = self.env._("Billing %s", f"{start:%Y-%m}" if whole else f"{start} – {end}")

    # === CRUD === #
    def write(self, vals):
        """What a run was asked to do stays as it was once it has begun."""
        if not self.env.su:
            if refused := vals.keys() - _OPTIONS:
                raise AccessError(self.env._(
                    "A billing run works by its buttons only; %s cannot be written.", ", ".join(sorted(refused))))
            if any(run.mode == "bill" for run in self):
                raise UserError(self.env._("This run has begun: make a new one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_billed(self):
        if any(run.mode == "bill" for run in self):
            raise UserError(self.env._("A run that made proposals is kept: it says who made them."))

    # === ACTIONS === #
    def action_preview(self):
        """Work out what each contract would come to, and leave nothing behind."""
        self._begin("preview")
        return self._work_or_wait()

    def action_run(self):
        """Make or refresh the proposals: at once for a few contracts, else in the background; then show them."""
        self._begin("bill")
        return self._work_or_wait()

    def action_cancel(self):
        """Stop after the piece that is being worked on."""
        self._require()
        if any(run.state != "running" for run in self):
            raise UserError(self.env._("Only a running billing run can be stopped."))
        for run in self.sudo():
            # A preview has made nothing: what was stopped can be asked for again.
            run.write({
                "state": "draft" if run.mode == "preview" else "cancelled", "ended_at": fields.Datetime.now()})

    def action_resume(self):
        """Go on with what a stopped run has left."""
        self._require()
        for run in self:
            if run.state != "cancelled" or not run.line_ids.filtered(lambda line: line.state == "pending"):
                raise UserError(self.env._("There is nothing left to do in this run."))
        self.sudo().write({"state": "running", "ended_at": False})
        wake(self.env, "psa_hub.cron_billing_run")

    def action_proposals(self):
        """The proposals that this run made or refreshed."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Billing Proposals"),
            "res_model": "psa.proposal",
            "view_mode": "list,form",
            "domain": [("id", "in", self.sudo().line_ids.proposal_id.ids)],
        }

    # === BEGINNING === #
    def _require(self):
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("Only operators may prepare billing proposals."))

    def _begin(self, mode):
        """Write down the contracts of this run."""
        self.ensure_one()
        self._require()
        if self.state == "running" or self.mode == "bill":
            raise UserError(self.env._("This run has begun: make a new one."))
        run = self.sudo()
        run.line_ids.unlink()
        run.write({
            "mode": mode, "state": "running", "user_id": self.env.uid, "started_at": fields.Datetime.now(),
            "ended_at": False,
        })
        self.env["psa.billing.run.line"].sudo()._insert(run, self._orders())

    def _orders(self):
        """Return the contracts that this run is for."""
        companies = self.company_ids & self.env.companies
        domain = Domain("psa_contract", "=", True) & Domain("state", "=", "sale")
        domain &= Domain("company_id", "in", companies.ids)
        if self.order_ids:
            domain &= Domain("id", "in", self.order_ids.ids)
        if self.partner_ids:
            domain &= Domain("partner_id", "child_of", self.partner_ids.ids)
        return self.env["sale.order"].sudo().search(domain, order="id")

    def _work_or_wait(self):
        """Do a small run now; let the scheduled job do a large one, and show its page."""
        if len(self.sudo().line_ids) > AT_ONCE:
            wake(self.env, "psa_hub.cron_billing_run")
            return self.get_formview_action()
        pending = self.sudo().line_ids
        if pending:
            pending._work_on()
        self._end_if_done()
        return self.action_proposals() if self.mode == "bill" else self.get_formview_action()
