from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .entry import QUANTITY_DIGITS, RATE_DIGITS
from .entry_rows import HOURLY_METHODS
from .pricing import decimal_of
from .recurrence import DAY, MONTHS, Terms

# Changing one of these changes what work draws.
_DRAW_FIELDS = {"date_start", "date_end", "overage", "overage_rate", "line_ids", "covers_expenses", "active"}
_LOT_FIELDS = {"period", "rollover", "rollover_periods", "expiry_months", "hours_per_period", "adds_when"}


class PsaRetainer(models.Model):
    """Money or hours that a customer pays for beforehand, and that work draws down.

    What it holds is the sum of its ledger (``psa.retainer.move``): the database keeps it, and each lot of it, at zero
    or more. It may be attached to a contract at any time: work since its first day that is on no invoice draws on it.
    """

    _name = "psa.retainer"
    _description = "Retainer"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "order_id, date_start, id"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char(required=True)
    active = fields.Boolean(default=True, tracking=True)
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, check_company=True, ondelete="restrict",
        domain="[('psa_contract', '=', True)]")
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True, precompute=True)
    partner_id = fields.Many2one("res.partner", "Customer", related="order_id.partner_id", store=True, precompute=True)
    currency_id = fields.Many2one(related="order_id.currency_id", store=True, precompute=True)
    fee_line_id = fields.Many2one(
        "sale.order.line", check_company=True, index="btree_not_null", ondelete="restrict",
        domain="[('order_id', '=', order_id), ('psa_billing_method', 'in', ('retainer', 'prepaid'))]",
        help="The line whose fee fills the retainer. Empty: it is filled by hand only.")
    unit = fields.Selection([("amount", "Money"), ("hours", "Hours")], "Counts", required=True, default="amount")
    hours_per_period = fields.Float(
        "Hours per Period", digits=QUANTITY_DIGITS,
        help="Hours that one whole fee pays for. Prepaid lines: the hours that are ordered.")
    date_start = fields.Date("From", required=True, tracking=True, help="Work from this day on draws on it.")
    date_end = fields.Date("To", tracking=True, help="Work after this day does not draw on it any more.")
    period = fields.Selection(
        [("month", "Month"), ("quarter", "Quarter"), ("year", "Year"), ("none", "None")], required=True,
        default="month", help="What a statement covers, and what roll-over is counted in.")
    anchor_date = fields.Date(
        compute="_compute_anchor_date", store=True, precompute=True, help="A day on which its periods start.")
    rollover = fields.Selection(
        [("none", "None"), ("all", "All"), ("limited", "For Some Periods")], "Roll-over", required=True, default="all",
        tracking=True, help="What becomes of what is left at the end of its period.")
    rollover_periods = fields.Integer("Periods", default=1)
    expiry_months = fields.Integer(
        "Expires After (Months)", help="Zero: it does not expire by age. Counted from the day it was added.")
    overage = fields.Selection(
        [("rate", "Bill at the Contract's Rates"), ("overage_rate", "Bill at an Overage Rate"),
         ("hold", "Ask First")],
        "When Used Up", required=True, default="rate", tracking=True)
    overage_rate = fields.Float("Overage Rate per Hour", digits=RATE_DIGITS, aggregator=None, tracking=True)
    adds_when = fields.Selection(
        [("approved", "The Fee Is Due"), ("billed", "The Fee Is Billed"), ("paid", "The Fee Is Paid")],
        "Filled When", required=True, default="approved", tracking=True)
    line_ids = fields.Many2many(
        "sale.order.line", "psa_retainer_line_rel", "retainer_id", "line_id", "Pays for Work On",
        domain="[('order_id', '=', order_id), ('psa_billing_method', 'in', ('time_material', 'retainer', 'prepaid'))]",
        help="Empty: time on every line of the contract that is billed by the hour.")
    covers_expenses = fields.Boolean("Pays for Expenses", help="Expenses draw on it too. Only if it counts money.")
    balance = fields.Float(
        digits=QUANTITY_DIGITS, readonly=True, default=0.0, aggregator=None, help="In what it counts.", copy=False)
    balance_amount = fields.Monetary("Balance (Money)", compute="_compute_balances")
    balance_hours = fields.Float("Balance (Hours)", compute="_compute_balances")
    used_percent = fields.Float(
        "Used (%)", compute="_compute_used", help="Of what was added and has not expired.")
    move_ids = fields.One2many("psa.retainer.move", "retainer_id", "Ledger", readonly=True)
    statement_ids = fields.One2many("psa.retainer.statement", "retainer_id", "Statements", readonly=True)

    _never_below_zero = models.Constraint(
        "CHECK (COALESCE(balance, 0) >= 0)", "More would be drawn than the retainer holds.")
    _dates_ordered = models.Constraint(
        "CHECK (date_end IS NULL OR date_end >= date_start)", "A retainer cannot end before it starts.")
    _rollover_law = models.Constraint(
        "CHECK (rollover <> 'limited' OR rollover_periods > 0)", "Say for how many periods the rest rolls over.")
    _overage_law = models.Constraint(
        "CHECK (overage <> 'overage_rate' OR overage_rate > 0)", "Enter the overage rate.")
    _expiry_law = models.Constraint("CHECK (COALESCE(expiry_months, 0) >= 0)", "Expiry counts months from now on.")
    _expenses_law = models.Constraint(
        "CHECK (unit = 'amount' OR NOT COALESCE(covers_expenses, false))", "Hours cannot pay for expenses.")
    _fee_once = models.UniqueIndex(
        "(fee_line_id) WHERE fee_line_id IS NOT NULL AND active", "The fee of this line fills another retainer.")

    # === COMPUTE === #
    @api.depends(
        "date_start", "fee_line_id.psa_interval", "fee_line_id.psa_date_start", "fee_line_id.psa_anchor",
        "order_id.psa_anchor_date")
    def _compute_anchor_date(self):
        """Its periods are the fee line's own where it has such, else counted from the first day."""
        for retainer in self:
            line = retainer.fee_line_id
            periodic = line.psa_interval in MONTHS and not line._psa_missing_terms()
            retainer.anchor_date = line._psa_terms()[0].anchor if periodic else retainer.date_start

    @api.depends("balance", "unit")
    def _compute_balances(self):
        for retainer in self:
            retainer.balance_amount = retainer.balance if retainer.unit == "amount" else 0.0
            retainer.balance_hours = retainer.balance if retainer.unit == "hours" else 0.0

    @api.depends("balance", "move_ids")
    def _compute_used(self):
        used = self._used()
        for retainer in self:
            retainer.used_percent = float(used.get(retainer._origin.id, 0))

    @api.constrains("unit", "fee_line_id", "hours_per_period", "order_id", "line_ids")
    def _check_terms(self):
        for retainer in self:
            fee_line = retainer.fee_line_id
            if (fee_line | retainer.line_ids).order_id - retainer.order_id:
                raise ValidationError(self.env._("%s has lines of another contract.", retainer.name))
            if retainer.unit == "hours" and fee_line.psa_billing_method == "retainer" and not retainer.hours_per_period:
                raise ValidationError(self.env._("Say how many hours the fee of %s pays for.", retainer.name))

    @api.onchange("fee_line_id")
    def _onchange_fee_line(self):
        line = self.fee_line_id
        if line.psa_billing_method == "prepaid":
            self.unit, self.period = "hours", "none"
        elif line.psa_interval in MONTHS:
            self.period = line.psa_interval
        if line and not self.name:
            self.name = line.name.split("\n")[0]
        if line.psa_date_start and not self.date_start:
            self.date_start = line.psa_date_start

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        self._check_own_fields(vals_list)
        retainers = super().create(vals_list)
        retainers.sudo()._fill()
        retainers.sudo()._redraw()
        return retainers

    def write(self, vals):
        self._check_own_fields([vals])
        if {"order_id", "unit", "fee_line_id"} & set(vals) and self.sudo().move_ids:
            raise UserError(self.env._("A retainer with a ledger keeps its contract, its fee line and what it counts."))
        before = self._first_day()
        result = super().write(vals)
        if _LOT_FIELDS & set(vals) or {"fee_line_id", "date_start"} & set(vals):
            self.sudo()._fill()
        if before and (_DRAW_FIELDS | _LOT_FIELDS) & set(vals):
            self.sudo()._redraw(min(before, self._first_day()))
        return result

    def _check_own_fields(self, vals_list):
        """Refuse to write what follows the ledger."""
        if not self.env.su and any({"balance", "alerted_percent", "anchor_date"} & set(vals) for vals in vals_list):
            raise AccessError(self.env._("The balance of a retainer follows its ledger."))

    def _first_day(self):
        return min(self.filtered("date_start").mapped("date_start"), default=None)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_moved(self):
        if self.sudo().move_ids:
            raise UserError(self.env._("A retainer with a ledger is kept: archive it instead."))

    # === TERMS === #
    def _grid(self):
        """Return the :class:`~.recurrence.Terms` whose periods statements and roll-over follow, or None."""
        self.ensure_one()
        if self.period == "none":
            return None
        return Terms(MONTHS[self.period], self.anchor_date, self.date_start, None, [], [])

    def _expiry_of(self, day):
        """Return the last day on which work may draw on what is added on ``day``, or None."""
        self.ensure_one()
        ends = []
        grid = self._grid()
        if grid and self.rollover != "all":
            period = grid.period_of(day)
            for _count in range(self.rollover_periods if self.rollover == "limited" else 0):
                period = grid.period_of(period.end + DAY)
            ends.append(period.end)
        if self.expiry_months:
            ends.append(day + relativedelta(months=self.expiry_months) - DAY)
        return min(ends, default=None)

    def _hour_price(self):
        """Return what an hour of this retainer costs the customer, a Decimal, or None when it counts money."""
        self.ensure_one()
        line = self.fee_line_id
        if self.unit != "hours" or not line:
            return None
        price = decimal_of(line.price_unit) * (1 - decimal_of(line.discount) / 100)
        if line.psa_billing_method == "prepaid":
            return price
        quantity = decimal_of(line.product_uom_qty) if line.psa_sold_per == "period" else 1
        return price * quantity / decimal_of(self.hours_per_period)

    def _pays_for(self, row):
        """Tell whether a decided row may draw on this retainer."""
        if row["work_date"] < self.date_start or (self.date_end and row["work_date"] > self.date_end):
            return False
        if row["kind"] == "expense":
            return self.covers_expenses
        if row["kind"] != "time" or row["method"] not in HOURLY_METHODS:
            return False
        return not self.line_ids or row["order_line_id"] in self.line_ids.ids

    # === WHAT FOLLOWS === #
    def _scope(self, since=None):
        """Return the entries on no invoice that may draw on these retainers, work since ``since`` only."""
        return self.env["psa.entry"].sudo().search([
            ("order_id", "in", self.order_id.ids),
            ("kind", "in", ("time", "expense")),
            ("billing_state", "=", "to_bill"),
            ("state", "in", ("approved", "held", "excluded")),
            ("work_date", ">=", since or self._first_day()),
        ], order="work_date, id") if self else self.env["psa.entry"]

    def _redraw(self, since=None):
        """Let work that is on no invoice draw again, in order of work date: the ledger or its rules have changed."""
        entries = self._scope(since).filtered(
            lambda entry: entry.state != "excluded" or entry.reason == "drawn")
        if entries:
            self.env["psa.entry"].with_context(psa_redraw=False)._reprice(entries)

    def action_redraw(self):
        """Draw again for all work that is on no invoice."""
        self._psa_require("psa_hub.group_operator")
        self.sudo()._redraw()

    def _psa_require(self, group):
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not do this with retainers."))

    # === ACTIONS === #
    def action_open_moves(self):
        """Show the ledger."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_retainer_move")
        return {**action, "domain": [("retainer_id", "=", self.id)], "context": {}}

    def action_open_entries(self):
        """Show the entries that drew on it."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry")
        return {**action, "domain": [("id", "in", self.sudo().move_ids.entry_id.ids)], "context": {}}


class SaleOrder(models.Model):
    _inherit = "sale.order"

    psa_retainer_ids = fields.One2many("psa.retainer", "order_id", "Retainers")


class PsaException(models.Model):
    _inherit = "psa.exception"

    def _fix_retainer(self):
        """The retainer that is used up, to top it up or to let what is over it be billed; or a new one of the line."""
        line = self.env["sale.order.line"].browse(self.res_id or 0).exists()
        if self.res_model == "sale.order.line" and line:
            return {
                "type": "ir.actions.act_window",
                "name": self.env._("New Retainer"),
                "res_model": "psa.retainer",
                "views": [(False, "form")],
                "context": {
                    "default_order_id": line.order_id.id,
                    "default_fee_line_id": line.id,
                    "default_name": line.name.split("\n")[0],
                    "default_date_start": line.psa_date_start or min(
                        self.entry_ids.mapped("work_date"), default=line.order_id.date_order.date()),
                    **({"default_unit": "hours", "default_period": "none"}
                       if line.psa_billing_method == "prepaid" else {}),
                },
            }
        retainer = self.env["psa.retainer"].browse(self.res_id or 0).exists()
        if self.res_model == "psa.retainer" and retainer:
            return self._open(retainer)
        return self._fix_contract()
