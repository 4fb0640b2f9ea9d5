from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from .pricing import decimal_of, plain, quantity_of, round_amount

HUNDRED = Decimal(100)
_BUTTONS_ONLY = {
    "state", "reported_by", "approved_by", "approved_at", "previous_percent", "proposed_percent", "proposed_from",
    "charge_id",
}


class PsaProgress(models.Model):
    """How far a line is on a day, in percent of the whole, reported by one person and approved by another.

    An approved report charges what its percentage comes to less what the reports before it have charged, so that the
    line comes to exactly its total at 100 %.
    """

    _name = "psa.progress"
    _description = "Progress Report"
    _inherit = ["mail.thread"]
    _order = "date desc, id desc"
    _check_company_auto = True

    # === FIELDS === #
    order_line_id = fields.Many2one(
        "sale.order.line", "Contract Line", required=True, index=True, check_company=True, ondelete="restrict",
        domain="[('psa_billing_method', '=', 'progress'), ('order_id.psa_contract', '=', True)]")
    order_id = fields.Many2one(
        "sale.order", "Contract", related="order_line_id.order_id", store=True, index=True, precompute=True)
    line_name = fields.Char("What", compute="_compute_line_name")
    company_id = fields.Many2one(related="order_line_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="order_line_id.currency_id")
    date = fields.Date("As Of", required=True, default=fields.Date.context_today, tracking=True)
    percent = fields.Float(
        "Complete (%)", digits=(7, 4), required=True, aggregator=None, tracking=True,
        help="Of the whole line, from its beginning to this day.")
    method = fields.Selection(related="order_line_id.psa_progress_method")
    proposed_percent = fields.Float(
        "Proposed (%)", digits=(7, 4), readonly=True, aggregator=None, copy=False,
        help="What hours or cost come to. More than 100 means that the budget is used up before the end.")
    proposed_from = fields.Char("How Proposed", readonly=True, copy=False)
    previous_percent = fields.Float(
        "Before (%)", digits=(7, 4), readonly=True, aggregator=None, copy=False, help="As approved last.")
    reason = fields.Char(help="Why it is less than reported before.")
    note = fields.Text()
    state = fields.Selection(
        [("draft", "Draft"), ("reported", "Reported"), ("approved", "Approved"), ("refused", "Refused")],
        required=True, readonly=True, default="draft", tracking=True, copy=False)
    reported_by = fields.Many2one("res.users", readonly=True, copy=False)
    approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True)
    approved_at = fields.Datetime(readonly=True, copy=False)
    charge_id = fields.Many2one("psa.charge", readonly=True, copy=False, ondelete="restrict", index="btree_not_null")
    amount = fields.Monetary(compute="_compute_amount", help="What this report charges, before tax.")

    _percent_law = models.Constraint("CHECK (percent BETWEEN 0 AND 100)", "Progress is between 0 and 100 %.")
    _not_decreasing = models.Constraint(
        "CHECK (state <> 'approved' OR percent >= COALESCE(previous_percent, 0) OR COALESCE(reason, '') <> '')",
        "Progress goes down only with a reason.",
    )
    _once_a_day = models.UniqueIndex(
        "(order_line_id, date) WHERE state = 'approved'", "The progress of this line on that day is approved already.")

    # === COMPUTE === #
    @api.depends("order_line_id.name")
    def _compute_line_name(self):
        for report in self:
            report.line_name = (report.order_line_id.name or "").split("\n")[0]

    @api.depends("percent", "charge_id", "order_line_id")
    def _compute_amount(self):
        charged = self.order_line_id._psa_progress_charged()
        for report in self:
            if report.charge_id:
                report.amount = report.charge_id.amount
                continue
            line = report.order_line_id
            before = charged.get(line._origin.id, (Decimal(0), Decimal(0)))[1]
            report.amount = float(report._target()[1] - before) if line and report.state != "refused" else 0.0

    @api.depends("order_line_id", "date", "percent")
    def _compute_display_name(self):
        for report in self:
            name = (report.order_line_id.name or "").split("\n")[0]
            report.display_name = f"{name} {report.date or ''}: {plain(round(report.percent, 4))} %"

    def _target(self):
        """Return ``(quantity, amount)`` Decimals that the line has come to at this percentage."""
        self.ensure_one()
        line = self.order_line_id
        share = decimal_of(self.percent) / HUNDRED
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        return (
            (decimal_of(line.product_uom_qty) * share).quantize(Decimal(1).scaleb(-digits), "ROUND_HALF_UP"),
            round_amount(line._psa_line_total() * share, line.currency_id),
        )

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_own_fields(vals)
        reports = super().create(vals_list)
        for report in reports.filtered(lambda report: report.order_line_id.psa_progress_method in ("hours", "cost")):
            report._propose(keep=bool(report.percent))
        return reports

    def write(self, vals):
        self._check_own_fields(vals)
        if not self.env.su and {"date", "percent", "order_line_id", "reason"} & set(vals):
            if any(report.state in ("approved", "refused") for report in self):
                raise UserError(self.env._("An approved report stays as it is: make a new one."))
            # Whoever changes the figures has reported them.
            super(PsaProgress, self.sudo()).write({"reported_by": self.env.uid})
        return super().write(vals)

    def _check_own_fields(self, vals):
        """Refuse to write what only the buttons change."""
        if not self.env.su and _BUTTONS_ONLY & set(vals):
            raise AccessError(self.env._("Progress reports are approved with their buttons only."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_approved(self):
        if any(report.charge_id for report in self):
            raise UserError(self.env._("A report that was approved is kept: it explains what was charged."))

    # === PROPOSING === #
    @api.onchange("order_line_id", "date")
    def _onchange_line(self):
        if self.order_line_id and self.date and self.state == "draft":
            self._propose(keep=False)

    def action_propose(self):
        """Work the percentage out from hours or cost again."""
        self.check_access("write")
        for report in self.filtered(lambda report: report.state in ("draft", "reported")):
            report._propose(keep=False)

    def _propose(self, keep):
        """Set the proposed percentage; it becomes the reported one unless ``keep``."""
        self.ensure_one()
        found = self.order_line_id._origin._psa_proposed_progress(self.date)
        if not found:
            return
        percent, words = found
        values = {"proposed_percent": float(percent), "proposed_from": words}
        if not keep:
            values["percent"] = float(min(percent, HUNDRED))
        self.sudo().update(values)

    # === ACTIONS === #
    def action_report(self):
        """Hand these over for approval."""
        self._require("psa_hub.group_operator", ("draft", "refused"))
        self.sudo().write({"state": "reported", "reported_by": self.env.uid, "approved_by": False})

    def action_refuse(self):
        """Send these back; they charge nothing."""
        self._require("psa_hub.group_reviewer", ("reported",))
        self.sudo().write({"state": "refused", "approved_by": self.env.uid})

    def action_approve(self):
        """Approve these, which charges the difference to what was charged before, in this transaction.

        :raise AccessError: for who may not approve, or reported one of them (unless the company allows it)
        :raise UserError: when a later report is approved, or progress goes down without a reason
        """
        self._require("psa_hub.group_reviewer", ("reported",))
        for report in self:
            if report.reported_by == self.env.user and not report.company_id.sudo().psa_allow_self_approval:
                raise AccessError(self.env._(
                    "%s needs another person's approval: you reported it.", report.display_name))
        charges = self.env["psa.charge"].sudo()
        for report in self.sudo().sorted(lambda report: (report.date, report.id)):
            charges |= report._approve_one(self.env.uid)
        charges._tell_billing()

    def _approve_one(self, user_id):
        line = self.order_line_id
        # One at a time for a line: the amount is a difference to what the others have charged.
        self.env.flush_all()
        self.env.execute_query(SQL("SELECT id FROM sale_order_line WHERE id = %s FOR UPDATE", line.id))
        before = self.search([("order_line_id", "=", line.id), ("state", "=", "approved")], order="date desc", limit=1)
        if before and before.date >= self.date:
            raise UserError(self.env._(
                "%(other)s is approved already: report a later day.", other=before.display_name))
        if self.percent < before.percent and not (self.reason or "").strip():
            raise UserError(self.env._(
                "%(report)s is less than %(before)s %% before: say why.",
                report=self.display_name, before=plain(before.percent)))
        quantity, amount = self._target()
        charged_quantity, charged = line._psa_progress_charged().get(line.id, (Decimal(0), Decimal(0)))
        self.write({
            "state": "approved", "approved_by": user_id, "approved_at": fields.Datetime.now(),
            "previous_percent": before.percent,
        })
        charge = self.env["psa.charge"]
        if amount != charged:
            step = quantity - charged_quantity
            charge = charge.create({
                "order_line_id": line.id, "kind": "progress",
                "date_from": self.date, "date_to": self.date, "date_due": self.date,
                "quantity": float(step if step and (step < 0) == (amount < charged) else 0),
                "amount": float(amount - charged),
                "percent": self.percent,
                "trace": {
                    "total": plain(line._psa_line_total()), "percent_before": plain(before.percent),
                    "percent": plain(self.percent), "worth_at_this_percent": plain(amount),
                    "charged_before": plain(charged),
                },
            })
            self.charge_id = charge
        line._psa_set_progress(self.percent)
        self.env["psa.audit"]._log([{
            "event": "progress.approve", "res_model": self._name, "res_id": self.id,
            "company_id": self.company_id.id, "user_id": user_id,
            "before": {"percent": before.percent, "charged": plain(charged)},
            "after": {"percent": self.percent, "charged": plain(amount), "reported_by": self.reported_by.login},
            "reason": self.reason,
        }])
        return charge

    def action_take_back(self):
        """Take the latest approved report of a line back: its charge is withdrawn, or a pending change once billed."""
        self._require("psa_hub.group_reviewer", ("approved",))
        for report in self.sudo().sorted("date", reverse=True):
            later = self.search_count([
                ("order_line_id", "=", report.order_line_id.id), ("state", "=", "approved"),
                ("date", ">", report.date)], limit=1)
            if later:
                raise UserError(self.env._("Only the latest report of a line can be taken back."))
            report.write({"state": "refused", "approved_by": self.env.uid})
            report.charge_id.state = "withdrawn"
            report.order_line_id._psa_set_progress(report.previous_percent)
            report.charge_id._tell_billing()
            self.env["psa.audit"]._log([{
                "event": "progress.take_back", "res_model": self._name, "res_id": report.id,
                "company_id": report.company_id.id, "user_id": self.env.uid,
                "before": {"percent": report.percent}, "after": {"percent": report.previous_percent},
            }])

    def _require(self, group, states):
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not do this with progress reports."))
        labels = dict(self._fields["state"]._description_selection(self.env))
        for report in self:
            if report.state not in states:
                raise UserError(self.env._(
                    "%(report)s is %(state)s.", report=report.display_name, state=labels[report.state]))


class SaleOrderLine(models.Model):
    """How the progress of a line is measured, and what hours and cost come to."""

    _inherit = "sale.order.line"

    psa_progress_method = fields.Selection(
        [("manual", "Judged by a Person"), ("hours", "Hours Worked"), ("cost", "Cost to Cost")],
        "Progress From", default="manual", required=True,
        help="Hours worked: hours of the line's timesheets over the budgeted hours. Cost to cost: cost on the "
        "contract's analytic accounts over the budgeted cost. Either way a person reports and another one approves.",
    )
    psa_budget_hours = fields.Float("Budgeted Hours", copy=True)
    psa_budget_cost = fields.Monetary("Budgeted Cost", currency_field="psa_company_currency_id", copy=True)
    psa_company_currency_id = fields.Many2one(related="company_id.currency_id", string="Company Currency")
    psa_progress_percent = fields.Float(
        "Complete (%)", digits=(7, 4), readonly=True, copy=False, aggregator=None, help="As approved last.")
    psa_progress_ids = fields.One2many("psa.progress", "order_line_id", "Progress Reports", readonly=True)

    _psa_progress_law = models.Constraint(
        "CHECK (psa_progress_percent IS NULL OR psa_progress_percent BETWEEN 0 AND 100)",
        "A line is never more than 100 % complete.",
    )

    def _psa_set_progress(self, percent):
        """Keep the percentage approved last. The row is always written: who approves at the same time looks again."""
        self.env.flush_all()
        self.env.execute_query(SQL(
            "UPDATE sale_order_line SET psa_progress_percent = %s WHERE id = ANY(%s) RETURNING id", percent, self.ids))
        self.invalidate_recordset(["psa_progress_percent"])

    def _psa_progress_charged(self):
        """Return ``{line id: (quantity, amount)}`` Decimals charged for progress so far. One query."""
        return {
            line.id: (quantity_of(quantity), decimal_of(round(amount, 6)))
            for line, quantity, amount in self.env["psa.charge"].sudo()._read_group(
                [("order_line_id", "in", self._origin.ids), ("kind", "=", "progress"), ("state", "=", "charged")],
                ["order_line_id"], ["quantity:sum", "amount:sum"],
            )
        }

    def _psa_proposed_progress(self, day):
        """Return ``(percent Decimal, how it comes about)`` up to a day, or None when it is a person's judgement."""
        self.ensure_one()
        line = self.sudo()
        if line.psa_progress_method == "hours" and line.psa_budget_hours > 0:
            [(hours,)] = self.env["account.analytic.line"].sudo()._read_group(
                [("so_line", "=", line.id), ("project_id", "!=", False), ("date", "<=", day)], [], ["unit_amount:sum"])
            return _percent(hours, line.psa_budget_hours), self.env._(
                "%(hours)s of %(budget)s hours", hours=plain(round(hours, 2)), budget=plain(line.psa_budget_hours))
        if line.psa_progress_method == "cost" and line.psa_budget_cost > 0:
            accounts = self.env["project.project"].sudo().search(
                [("psa_contract_id", "=", line.order_id.id)]).account_id
            [(cost,)] = self.env["account.analytic.line"].sudo()._read_group(
                [
                    ("account_id", "in", accounts.ids), ("date", "<=", day), ("amount", "<", 0),
                    ("so_line", "in", (line.id, False)),
                ], [], ["amount:sum"])
            currency = line.psa_company_currency_id
            return _percent(-(cost or 0.0), line.psa_budget_cost), self.env._(
                "%(cost)s of %(budget)s cost", cost=currency.format(-(cost or 0.0)),
                budget=currency.format(line.psa_budget_cost))
        return None

    def action_psa_report_progress(self):
        """Open a new progress report of this line."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Progress Report"),
            "res_model": "psa.progress",
            "views": [(False, "form")],
            "context": {"default_order_line_id": self.id},
        }


# === PLAIN HELPERS === #
def _percent(part, whole):
    """Return ``part`` in percent of ``whole``, a Decimal of four decimals."""
    percent = decimal_of(round(part or 0.0, 6)) * HUNDRED / decimal_of(whole)
    return percent.quantize(Decimal("0.0001"), "ROUND_HALF_UP")
