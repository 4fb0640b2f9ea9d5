from odoo import api, fields, models
from odoo.fields import Command, Domain

from ..models.billing.pricing import decimal_of

# So many rows are shown, the largest differences first; the totals are of all.
SHOWN = 200


class PsaPriceUnder(models.TransientModel):
    """What past work would be worth under the version of another day. It only shows; nothing is changed."""

    _name = "psa.price.under"
    _description = "Price under Another Version"

    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, domain="[('psa_contract', '=', True)]", ondelete="cascade")
    entry_ids = fields.Many2many("psa.entry", string="Entries", domain="[('order_id', '=', order_id)]")
    date_from = fields.Date("Work From")
    date_to = fields.Date("Work To")
    day = fields.Date("Priced as Of", required=True, default=fields.Date.context_today)
    currency_id = fields.Many2one(related="order_id.currency_id")
    amendment_id = fields.Many2one("psa.amendment", "Version of That Day", compute="_compute_rows", store=True)
    amount_now = fields.Monetary("Worth Now", compute="_compute_rows", store=True, help="Differences included.")
    amount_under = fields.Monetary("Worth under That Version", compute="_compute_rows", store=True)
    amount_difference = fields.Monetary("Difference", compute="_compute_rows", store=True)
    entry_count = fields.Integer("Entries Priced", compute="_compute_rows", store=True)
    unknown_count = fields.Integer("Without a Rate That Day", compute="_compute_rows", store=True)
    row_ids = fields.One2many("psa.price.under.row", "wizard_id", "What Differs", compute="_compute_rows", store=True)

    @api.model
    def default_get(self, fields):
        """Take over the entries that were chosen in a list, of the first one's contract."""
        values = super().default_get(fields)
        if self.env.context.get("active_model") == "psa.entry" and not values.get("entry_ids"):
            entries = self.env["psa.entry"].browse(self.env.context.get("active_ids", ())).exists()
            entries = entries.filtered(lambda entry: entry.order_id == entries[:1].order_id)
            values.update(order_id=entries[:1].order_id.id, entry_ids=[Command.set(entries.ids)])
        return values

    @api.depends("order_id", "entry_ids", "date_from", "date_to", "day")
    def _compute_rows(self):
        for wizard in self:
            order = wizard.order_id._origin
            if not order or not wizard.day:
                wizard.update(dict.fromkeys(
                    ("amendment_id", "amount_now", "amount_under", "amount_difference", "entry_count", "unknown_count",
                     "row_ids"), False))
                continue
            order._psa_check_readable()
            wizard.amendment_id = order.sudo().psa_amendment_ids._version_on(wizard.day)
            wizard._price()

    def _price(self):
        entries = self._entries()
        worth = entries._worth_under(self.day)
        differences = entries._differences_of(entries.ids)
        rows, now_total, under_total, unknown = [], decimal_of(0), decimal_of(0), 0
        for entry in entries:
            row = worth[entry.id]
            now = (
                decimal_of(entry.gross_amount) - decimal_of(entry.adjusted_amount)
                + sum((part.worth for part in differences.get(entry.id, ())), decimal_of(0)))
            if row["reason"] == "missing_rate" or (entry.kind == "time" and not row["rate_id"]):
                unknown += 1
                continue
            now_total, under_total = now_total + now, under_total + row["gross"]
            if row["gross"] != now:
                rows.append({
                    "entry_id": entry.id,
                    "rate_now": entry.rate,
                    "rate_under": float(row["rate"]),
                    "amount_now": float(now),
                    "amount_under": float(row["gross"]),
                    "amount_difference": float(row["gross"] - now),
                })
        rows.sort(key=lambda row: -abs(row["amount_difference"]))
        self.update({
            "amount_now": float(now_total),
            "amount_under": float(under_total),
            "amount_difference": float(under_total - now_total),
            "entry_count": len(entries) - unknown,
            "unknown_count": unknown,
            "row_ids": [Command.clear(), *(Command.create(row) for row in rows[:SHOWN])],
        })

    def _entries(self):
        """Return the entries to price: those chosen, else the contract's in the period; nothing that is withdrawn."""
        chosen = self.entry_ids._origin
        domain = Domain("id", "in", chosen.ids) if chosen else Domain("order_id", "=", self.order_id._origin.id)
        if self.date_from and not chosen:
            domain &= Domain("work_date", ">=", self.date_from)
        if self.date_to and not chosen:
            domain &= Domain("work_date", "<=", self.date_to)
        domain &= Domain("state", "in", ("approved", "held", "waiting")) & Domain("kind", "!=", "adjustment")
        return self.env["psa.entry"].search(domain, order="work_date, id").sudo()


class PsaPriceUnderRow(models.TransientModel):
    _name = "psa.price.under.row"
    _description = "Price under Another Version: Row"

    wizard_id = fields.Many2one("psa.price.under", required=True, ondelete="cascade")
    entry_id = fields.Many2one("psa.entry", required=True, ondelete="cascade")
    work_date = fields.Date(related="entry_id.work_date")
    employee_id = fields.Many2one(related="entry_id.employee_id")
    role_id = fields.Many2one(related="entry_id.role_id")
    quantity = fields.Float(related="entry_id.gross_quantity", string="Quantity")
    currency_id = fields.Many2one(related="entry_id.currency_id")
    rate_now = fields.Float(aggregator=None)
    rate_under = fields.Float("Rate under It", aggregator=None)
    amount_now = fields.Monetary("Worth Now")
    amount_under = fields.Monetary("Worth under It")
    amount_difference = fields.Monetary("Difference")
