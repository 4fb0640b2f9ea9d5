from fractions import Fraction

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .entry import RATE_DIGITS
from .pricing import decimal_of
from .recurrence import DAY, MONTHS, Terms

PERIODIC_METHODS = ("recurring", "retainer", "prepaid")
# What decides which periods a line has: fixed once one of them is billed.
_GRID_FIELDS = {"psa_interval", "psa_anchor", "psa_date_start", "psa_sold_per"}
# What its charges depend on besides.
_PRICE_FIELDS = {
    "psa_billing_method", "psa_date_end", "psa_charge_when", "price_unit", "discount", "product_uom_qty",
}


class SaleOrder(models.Model):
    _inherit = "sale.order"

    psa_anchor_date = fields.Date(
        "Billing Anchor", copy=False,
        help="A day on which the periods of this contract start. Lines that follow the contract are billed together "
        "from that day on; their first and last periods are billed by the day.",
    )
    psa_pause_ids = fields.One2many("psa.pause", "order_id", "Pauses", copy=False)
    psa_charge_ids = fields.One2many("psa.charge", "order_id", "Charges", readonly=True)

    def _action_confirm(self):
        """What is due at once is charged at once."""
        result = super()._action_confirm()
        self.order_line._psa_periodic()._psa_charge_again()
        return result

    def write(self, vals):
        if "psa_anchor_date" not in vals:
            result = super().write(vals)
            if vals.get("psa_contract"):
                self.order_line._psa_periodic()._psa_charge_again()
            return result
        lines = self.order_line._psa_periodic().filtered(lambda line: line.psa_anchor == "contract")
        if any(str(order.psa_anchor_date or "") != str(vals["psa_anchor_date"] or "") for order in self):
            lines._psa_check_grid_free()
        result = super().write(vals)
        lines._psa_charge_again()
        return result


class SaleOrderLine(models.Model):
    """When a line charges its fee, for how long, and at which price."""

    _inherit = "sale.order.line"

    psa_interval = fields.Selection(
        [("once", "Once"), ("month", "Month"), ("quarter", "Quarter"), ("year", "Year")],
        "Charged Every", copy=True, help="How often the fee of this line is charged.")
    psa_sold_per = fields.Selection(
        [("period", "Each Period"), ("term", "The Whole Term")], "Quantity Is For", default="period", required=True,
        help="Each period: quantity x price is the fee of one period. The whole term: the quantity is the number of "
        "periods, and the price is the fee of one.",
    )
    psa_date_start = fields.Date("Service From", copy=False, help="First day that is charged.")
    psa_date_end = fields.Date("Service To", copy=False, help="Last day that is charged. Empty: open end.")
    psa_anchor = fields.Selection(
        [("start", "The Line's Start"), ("calendar", "The Calendar"), ("contract", "The Contract's Anchor")],
        "Periods Follow", default="start", required=True,
        help="The line's start: whole periods from its first day on. The calendar: calendar months, quarters and "
        "years. The contract's anchor: all such lines are billed together (co-term). What is no whole period is "
        "charged by the day.",
    )
    psa_charge_when = fields.Selection(
        [("advance", "In Advance"), ("arrears", "In Arrears")], "Charged", default="advance", required=True)
    psa_price_ids = fields.One2many("psa.line.price", "order_line_id", "Price Changes", copy=False)
    psa_charge_ids = fields.One2many("psa.charge", "order_line_id", "Charges", readonly=True)
    psa_next_charge_date = fields.Date("Next Charge", readonly=True, copy=False)
    psa_terms_missing = fields.Char("Terms Missing", compute="_compute_psa_terms_missing")

    _psa_dates_ordered = models.Constraint(
        "CHECK (psa_date_end IS NULL OR psa_date_start IS NULL OR psa_date_end >= psa_date_start)",
        "A service cannot end before it starts.",
    )

    # === COMPUTE === #
    @api.depends("psa_billing_method", "psa_interval", "psa_date_start", "psa_anchor", "order_id.psa_anchor_date")
    def _compute_psa_terms_missing(self):
        for line in self:
            line.psa_terms_missing = line._psa_missing_terms()

    def _psa_missing_terms(self):
        """Return in plain words what keeps this line from being charged, or False."""
        self.ensure_one()
        if self.psa_billing_method not in PERIODIC_METHODS:
            return False
        if self.psa_billing_method != "prepaid" and not self.psa_interval:
            return self.env._("how often it is charged")
        if self._psa_charged_once():
            return False
        if not self.psa_date_start:
            return self.env._("the first day of the service")
        if self.psa_anchor == "contract" and not self.order_id.psa_anchor_date:
            return self.env._("the billing anchor of the contract")
        return False

    def _psa_charged_once(self):
        return self.psa_interval == "once" or (self.psa_billing_method == "prepaid" and not self.psa_interval)

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines._psa_periodic()._psa_charge_again()
        return lines

    def write(self, vals):
        if not self.env.su and {"psa_next_charge_date", "psa_progress_percent"} & set(vals):
            raise AccessError(self.env._("What is charged and approved cannot be written by hand."))
        grid, price = _GRID_FIELDS & set(vals), _PRICE_FIELDS & set(vals)
        if not grid and not price:
            return super().write(vals)
        if grid:
            self.filtered(lambda line: any(
                line._fields[name].convert_to_cache(vals[name], line)
                != line._fields[name].convert_to_cache(line[name], line) for name in grid
            ))._psa_check_grid_free()
        before = self._psa_periodic()
        result = super().write(vals)
        (before | self._psa_periodic())._psa_charge_again()
        return result

    def _psa_check_grid_free(self):
        """Refuse to move the periods of lines of which one is billed: it would overlap with the new ones."""
        billed = self.env["psa.charge"].sudo().search([
            ("order_line_id", "in", self.ids), ("kind", "!=", "progress"), ("state", "=", "charged"),
            ("entry_ids.billing_state", "!=", "to_bill"),
        ], limit=1)
        if billed:
            raise UserError(self.env._(
                "“%(line)s” is billed for %(period)s already, so its periods stay. End this line and sell a new one.",
                line=billed.order_line_id.name.split("\n")[0], period=billed.display_name,
            ))

    def _psa_charge_again(self):
        """Let the charges of these lines follow their terms, in the same transaction."""
        lines = self.sudo().filtered(lambda line: line.order_id.psa_contract and line.order_id.state == "sale")
        if lines:
            self.env["psa.charge"].sudo()._charge(lines, fields.Date.context_today(self))

    def _psa_periodic(self):
        return self.filtered(lambda line: line.psa_billing_method in PERIODIC_METHODS)

    # === TERMS === #
    def _psa_terms(self):
        """Return the :class:`~.recurrence.Terms` of a line that is charged by the period."""
        self.ensure_one()
        months = MONTHS[self.psa_interval]
        start, end = self.psa_date_start, self.psa_date_end
        quantity = decimal_of(self.product_uom_qty)
        if self.psa_sold_per == "term":
            if not end and quantity > 0 and quantity == int(quantity):
                end = start + relativedelta(months=months * int(quantity)) - DAY
            quantity = decimal_of(1)
        anchor = {
            "start": start,
            "calendar": start.replace(month=1, day=1),
            "contract": self.order_id.psa_anchor_date,
        }[self.psa_anchor]
        factor = quantity * (1 - decimal_of(self.discount) / 100)
        prices = [
            (change.date_from, Fraction(decimal_of(change.price_unit) * factor))
            for change in self.psa_price_ids.sorted("date_from", reverse=True)
        ]
        prices.append((None, Fraction(decimal_of(self.price_unit) * factor)))
        pauses = [
            (pause.date_from, pause.date_to or None)
            for pause in self.order_id.psa_pause_ids
            if not pause.order_line_id or pause.order_line_id == self
        ]
        return Terms(months, anchor, start, end or None, prices, pauses), quantity

    def _psa_line_total(self):
        """Return quantity x price less discount, an exact Decimal."""
        self.ensure_one()
        discount = 1 - decimal_of(self.discount) / 100
        return decimal_of(self.product_uom_qty) * decimal_of(self.price_unit) * discount

    # === ODOO'S DELIVERED QUANTITY === #
    def _psa_follow_charges(self):
        """Set the delivered quantity of charged lines to what is approved of them, in their unit. One query."""
        Proposal = self.env["psa.proposal"]
        totals = dict.fromkeys(self.ids, decimal_of(0))
        for line, unit, quantity in self.env["psa.entry"].sudo()._read_group(
            [("order_line_id", "in", self.ids), ("state", "=", "approved")],
            ["order_line_id", "uom_id"], ["quantity:sum"],
        ):
            totals[line.id] += decimal_of(quantity) * Proposal._unit_factor(unit, line.product_uom_id)
        for line in self.sudo():
            quantity = float(totals[line.id])
            if line.qty_delivered_method == "manual" and line.qty_delivered != quantity:
                line.qty_delivered = quantity


class PsaPause(models.Model):
    """Days on which a contract, or one line of it, is not served and not charged."""

    _name = "psa.pause"
    _description = "Pause"
    _order = "date_from desc, id desc"
    _check_company_auto = True

    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, check_company=True, ondelete="cascade")
    order_line_id = fields.Many2one(
        "sale.order.line", "Line", check_company=True, ondelete="cascade", index="btree_not_null",
        domain="[('order_id', '=', order_id), ('psa_billing_method', 'in', ('recurring', 'retainer'))]",
        help="Empty: every recurring line of the contract.")
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True, precompute=True)
    date_from = fields.Date("First Day", required=True)
    date_to = fields.Date("Last Day", help="Empty: until further notice.")
    reason = fields.Char(required=True)

    _no_overlap = models.Constraint(
        """EXCLUDE USING gist (
            int4range(order_id, order_id, '[]') WITH =,
            int4range(COALESCE(order_line_id, 0), COALESCE(order_line_id, 0), '[]') WITH =,
            daterange(date_from, date_to, '[]') WITH &&
        )""",
        "There is already a pause on one of these days.",
    )
    _dates_ordered = models.Constraint(
        "CHECK (date_to IS NULL OR date_to >= date_from)", "A pause cannot end before it starts.")

    @api.depends("date_from", "date_to", "reason")
    def _compute_display_name(self):
        for pause in self:
            pause.display_name = f"{pause.date_from or ''} – {pause.date_to or ''}: {pause.reason or ''}"

    @api.constrains("order_id", "order_line_id")
    def _check_line(self):
        for pause in self:
            if pause.order_line_id and pause.order_line_id.order_id != pause.order_id:
                raise ValidationError(self.env._("The line belongs to another contract."))

    @api.model_create_multi
    def create(self, vals_list):
        pauses = super().create(vals_list)
        pauses._log("pause.create")
        pauses._lines()._psa_charge_again()
        return pauses

    def write(self, vals):
        lines = self._lines()
        result = super().write(vals)
        self._log("pause.write")
        (lines | self._lines())._psa_charge_again()
        return result

    def unlink(self):
        lines = self._lines()
        self._log("pause.unlink")
        result = super().unlink()
        lines.exists()._psa_charge_again()
        return result

    def _lines(self):
        """Return the lines that these pauses keep from being charged."""
        lines = self.order_line_id | self.filtered(lambda pause: not pause.order_line_id).order_id.order_line
        return lines.filtered(lambda line: line.psa_billing_method in ("recurring", "retainer"))

    def _log(self, event):
        self.env["psa.audit"]._log([
            {
                "event": event,
                "res_model": "sale.order",
                "res_id": pause.order_id.id,
                "company_id": pause.company_id.id,
                "after": {
                    "line": pause.order_line_id.id, "from": str(pause.date_from), "to": str(pause.date_to or ""),
                },
                "reason": pause.reason,
            }
            for pause in self
        ])


class PsaLinePrice(models.Model):
    """The price of a recurring line from a day on. Before the first of them the line's own price holds."""

    _name = "psa.line.price"
    _description = "Price Change of a Line"
    _order = "order_line_id, date_from desc, id"
    _check_company_auto = True
    _rec_name = "date_from"

    order_line_id = fields.Many2one(
        "sale.order.line", "Line", required=True, index=True, check_company=True, ondelete="cascade")
    company_id = fields.Many2one(related="order_line_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="order_line_id.currency_id")
    date_from = fields.Date("From", required=True, help="First day at this price.")
    price_unit = fields.Float(
        "Unit Price", digits=RATE_DIGITS, required=True, aggregator=None, help="Before discount and tax.")
    reason = fields.Char(help="For example the clause or amendment that it follows from.")

    _once_a_day = models.Constraint(
        "UNIQUE (order_line_id, date_from)", "This line has a new price on that day already.")

    @api.model_create_multi
    def create(self, vals_list):
        changes = super().create(vals_list)
        changes.order_line_id._psa_charge_again()
        return changes

    def write(self, vals):
        lines = self.order_line_id
        result = super().write(vals)
        (lines | self.order_line_id)._psa_charge_again()
        return result

    def unlink(self):
        lines = self.order_line_id
        result = super().unlink()
        lines.exists()._psa_charge_again()
        return result
