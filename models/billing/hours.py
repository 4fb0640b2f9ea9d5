from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from odoo import api, fields, models

from .pricing import plain, quantity_of

ROUNDINGS = [("exact", "Exact"), ("6", "6 Minutes"), ("15", "15 Minutes"), ("30", "30 Minutes")]
MODES = [("up", "Up"), ("nearest", "Nearest")]
UNITS = [("hour", "Hours"), ("day", "Days")]


def round_hours(hours, minutes, mode):
    """Return hours as a contract counts them; corrections round to the same figure as what they correct.

    :param hours: Decimal
    :param minutes: step in minutes, or ``exact``
    :param mode: ``up`` or ``nearest`` (half a step counts as a whole one)
    :return: Decimal of six decimals
    """
    if minutes == "exact":
        return hours
    steps = abs(hours) * 60 / Decimal(minutes)
    whole = steps.quantize(Decimal(1), ROUND_CEILING if mode == "up" else ROUND_HALF_UP)
    return quantity_of((whole * Decimal(minutes) / 60).copy_sign(hours)) + 0


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_hours_rounding = fields.Selection(
        ROUNDINGS, "Hours Are Counted In", default="exact", required=True,
        help="Each timesheet is rounded for itself. New contracts start with this.")
    psa_hours_rounding_mode = fields.Selection(MODES, "Rounded", default="up", required=True)
    psa_time_unit = fields.Selection(UNITS, "Invoices Count", default="hour", required=True)
    psa_hours_per_day = fields.Float("Hours per Day", default=8.0, required=True)

    _psa_hours_per_day_positive = models.Constraint(
        "CHECK (psa_hours_per_day > 0 AND psa_hours_per_day <= 24)", "A day has more than 0 and up to 24 hours.")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_hours_rounding = fields.Selection(related="company_id.psa_hours_rounding", readonly=False, required=True)
    psa_hours_rounding_mode = fields.Selection(
        related="company_id.psa_hours_rounding_mode", readonly=False, required=True)
    psa_time_unit = fields.Selection(related="company_id.psa_time_unit", readonly=False, required=True)
    psa_hours_per_day = fields.Float(related="company_id.psa_hours_per_day", readonly=False, required=True)


class SaleOrder(models.Model):
    """How a contract counts hours; new contracts start with what the company says."""

    _inherit = "sale.order"

    psa_hours_rounding = fields.Selection(
        ROUNDINGS, "Hours Are Counted In", compute="_compute_psa_hours", store=True, readonly=False, precompute=True,
        required=True, help="Each timesheet is rounded for itself; corrections round like what they correct.")
    psa_hours_rounding_mode = fields.Selection(
        MODES, "Rounded", compute="_compute_psa_hours", store=True, readonly=False, precompute=True, required=True)
    psa_time_unit = fields.Selection(
        UNITS, "Invoice Counts", compute="_compute_psa_hours", store=True, readonly=False, precompute=True,
        required=True, help="Days: the invoice says days and the price of a day; rates stay prices of an hour.")
    psa_hours_per_day = fields.Float(
        "Hours per Day", compute="_compute_psa_hours", store=True, readonly=False, precompute=True, required=True)

    _psa_hours_per_day_positive = models.Constraint(
        "CHECK (psa_hours_per_day > 0 AND psa_hours_per_day <= 24)", "A day has more than 0 and up to 24 hours.")

    @api.depends("company_id")
    def _compute_psa_hours(self):
        for order in self:
            company = order.company_id or self.env.company
            for name in ("psa_hours_rounding", "psa_hours_rounding_mode", "psa_time_unit", "psa_hours_per_day"):
                order[name] = order[name] or company[name]

    def _psa_invoice_unit(self, order_line):
        """Return the unit in which the invoice counts hours of ``order_line``: a day of the contract, or the line's.

        The day is a unit of its own (*Day of 7.5 h*), so that Odoo's invoiced quantity of the line comes out in the
        line's unit by Odoo's own conversion.
        """
        self.ensure_one()
        if self.psa_time_unit != "day":
            return order_line.product_uom_id
        day, hour = self.env.ref("uom.product_uom_day"), self.env.ref("uom.product_uom_hour")
        if not day._has_common_reference(order_line.product_uom_id):
            return order_line.product_uom_id
        factor = self.psa_hours_per_day * hour.factor
        if abs(day.factor - factor) < 1e-9:
            return day
        Unit = self.env["uom.uom"].sudo()
        found = Unit.search([("relative_uom_id", "=", hour.id)]).filtered(
            lambda unit: abs(unit.factor - factor) < 1e-9)
        return found[:1] or Unit.create({
            "name": self.env._("Days of %s h", plain(self.psa_hours_per_day)),
            "relative_uom_id": hour.id,
            "relative_factor": self.psa_hours_per_day,
        })


class PsaEntry(models.Model):
    """Hours as the contract counts them."""

    _inherit = "psa.entry"

    def _round_quantities(self, rows):
        result = super()._round_quantities(rows)
        for row in rows:
            if row["kind"] != "time":
                continue
            order = self._order_of(row)
            minutes, mode = order.psa_hours_rounding, order.psa_hours_rounding_mode
            raw = row["quantity"]
            counted = round_hours(raw, minutes, mode)
            if minutes != "exact":
                row["gross_quantity"] = counted
                row["steps"].append({
                    "step": "rounding", "raw_hours": plain(raw), "minutes": minutes, "mode": mode,
                    "hours": plain(counted),
                })
            if order.psa_time_unit == "day":
                per_day = Decimal(plain(order.psa_hours_per_day))
                row["steps"].append({
                    "step": "days", "hours": plain(counted), "hours_per_day": plain(per_day),
                    "days": plain(quantity_of(counted / per_day)),
                })
        return result
