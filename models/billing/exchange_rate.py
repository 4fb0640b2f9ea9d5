from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from .costs import Conversion, cross_rate

# Which day's exchange rate a contract bills foreign amounts at. Without a rule they are held.
EXCHANGE_RULES = [
    ("work_date", "Rate of the Work Date"),
    ("month_end", "Rate at the End of the Month"),
    ("contract_date", "Rate of the Contract Date"),
    ("fixed", "Fixed Rate"),
]


class Wanted(NamedTuple):
    """An exchange that is asked for: the contract, the foreign currency and the day of the work."""

    order_id: int
    currency_id: int
    work_date: date


class PsaExchangeRate(models.Model):
    """A rate of exchange that a contract agrees on, instead of the market's."""

    _name = "psa.exchange.rate"
    _description = "Agreed Exchange Rate"
    _order = "order_id, currency_id"
    _check_company_auto = True

    # === FIELDS === #
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, check_company=True, ondelete="cascade")
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(
        "res.currency", "Foreign Currency", required=True, ondelete="restrict", domain="[('active', '=', True)]")
    contract_currency_id = fields.Many2one(related="order_id.currency_id", string="Contract Currency")
    rate = fields.Float(
        digits=(16, 10), required=True, aggregator=None,
        help="What one unit of the foreign currency is in the contract's currency.",
    )

    _one_rate = models.Constraint(
        "UNIQUE (order_id, currency_id)", "The contract already has a fixed rate for this currency.")
    _positive = models.Constraint("CHECK (rate > 0)", "An exchange rate is more than zero.")

    # === CONSTRAINTS === #
    @api.constrains("order_id", "currency_id")
    def _check_foreign(self):
        for rate in self:
            if rate.currency_id == rate.order_id.currency_id:
                raise ValidationError(self.env._(
                    "%s is the contract's own currency.", rate.currency_id.name))

    # === COMPUTE === #
    @api.depends("order_id", "currency_id", "rate")
    def _compute_display_name(self):
        for rate in self:
            rate.display_name = f"{rate.order_id.name}: {rate.currency_id.name} {rate.rate:g}"

    # === A CHANGED RATE REACHES WHAT IT PRICES === #
    @api.model_create_multi
    def create(self, vals_list):
        rates = super().create(vals_list)
        rates.order_id._psa_reprice_foreign()
        return rates

    def write(self, vals):
        orders = self.order_id
        result = super().write(vals)
        (orders | self.order_id)._psa_reprice_foreign()
        return result

    def unlink(self):
        orders = self.order_id
        result = super().unlink()
        orders._psa_reprice_foreign()
        return result

    # === FINDING === #
    @api.model
    def _find(self, wanted):
        """Return ``{Wanted: Conversion or None}``: None when there is no rate. Two queries for any number.

        Odoo itself takes 1, or a later rate, when it has none on that day. Money does not: without a rate on or
        before the day, or before that day has come, there is no conversion.

        :param wanted: iterable of :class:`Wanted`; contracts without a rule are not looked up
        """
        wanted = set(wanted)
        orders = {
            order.id: order for order in self.env["sale.order"].sudo().browse({want.order_id for want in wanted})}
        agreed = {
            (rate.order_id.id, rate.currency_id.id): Decimal(repr(rate.rate))
            for rate in self.sudo().search([
                ("order_id", "in", [order.id for order in orders.values() if order.psa_exchange_rule == "fixed"])])
        }
        found, dated = {}, {}
        for want in wanted:
            order = orders[want.order_id]
            if order.psa_exchange_rule == "fixed":
                factor = agreed.get((want.order_id, want.currency_id))
                found[want] = factor and Conversion(factor, "fixed", None, None)
            elif order.psa_exchange_rule:
                dated[want] = order._psa_exchange_date(want.work_date)
        rates = self._rates_on({
            (orders[want.order_id].company_id.root_id.id, currency_id, day)
            for want, day in dated.items()
            for currency_id in (want.currency_id, orders[want.order_id].currency_id.id)
        })
        for want, day in dated.items():
            order = orders[want.order_id]
            root = order.company_id.root_id.id
            foreign, own = rates[root, want.currency_id, day], rates[root, order.currency_id.id, day]
            found[want] = foreign and own and Conversion(
                cross_rate(foreign[0], own[0]), order.psa_exchange_rule, day,
                max(filter(None, (foreign[1], own[1])), default=None),
            )
        return found

    @api.model
    def _rates_on(self, wanted):
        """Return Odoo's rates in force, in one query.

        :param wanted: set of ``(root company id, currency id, day)``
        :return: ``{key: (Decimal, date of the rate) or None}``; the company's own currency is 1 as long as nobody
            entered a rate for it
        """
        today = fields.Date.context_today(self)
        rates = defaultdict(lambda: None)
        keys = sorted(key for key in wanted if key[2] <= today)
        if not keys:
            return rates
        self.env["res.currency.rate"].flush_model()
        companies, currencies, days = zip(*keys, strict=True)
        own = {
            company.id: company.currency_id.id for company in self.env["res.company"].sudo().browse(set(companies))}
        for company_id, currency_id, day, rate, rate_date, known in self.env.execute_query(SQL(
            """
            SELECT wanted.company_id, wanted.currency_id, wanted.day, rate.rate::text, rate.name,
                   EXISTS (
                       SELECT FROM res_currency_rate known
                        WHERE known.currency_id = wanted.currency_id
                          AND (known.company_id IS NULL OR known.company_id = wanted.company_id)
                   )
              FROM unnest(%s::int[], %s::int[], %s::date[]) AS wanted(company_id, currency_id, day)
         LEFT JOIN LATERAL (
                       SELECT known.rate, known.name FROM res_currency_rate known
                        WHERE known.currency_id = wanted.currency_id
                          AND (known.company_id IS NULL OR known.company_id = wanted.company_id)
                          AND known.name <= wanted.day
                     ORDER BY known.company_id, known.name DESC LIMIT 1
                   ) rate ON TRUE
            """,
            list(companies), list(currencies), list(days),
        )):
            if rate:
                rates[company_id, currency_id, day] = Decimal(rate), rate_date
            elif own[company_id] == currency_id and not known:
                rates[company_id, currency_id, day] = Decimal(1), None
        return rates


class ResCurrencyRate(models.Model):
    """Rates of exchange that come, change or go reach what waits for them, in the same transaction."""

    _inherit = "res.currency.rate"

    @api.model_create_multi
    def create(self, vals_list):
        rates = super().create(vals_list)
        rates._psa_reprice()
        return rates

    def write(self, vals):
        before = self._psa_reach() if set(vals) & {"name", "currency_id", "company_id"} else []
        result = super().write(vals)
        self._psa_reprice(before)
        return result

    def unlink(self):
        before = self._psa_reach()
        result = super().unlink()
        self.browse()._psa_reprice(before)
        return result

    def _psa_reach(self):
        """Return ``[(currency id, root company id or None, first day)]`` of what these rates can price."""
        return [(rate.currency_id.id, rate.company_id.id or None, rate.name) for rate in self]

    def _psa_reprice(self, before=()):
        """Price again the entries on no invoice that these rates, or where they stood before, could price."""
        reach = [*self._psa_reach(), *before]
        if not reach:
            return
        Entry = self.env["psa.entry"].sudo()
        self.flush_model()
        Entry.flush_model()
        currencies, companies, days = zip(*reach, strict=True)
        Entry._reprice(Entry.browse(row[0] for row in self.env.execute_query(SQL(
            """
            SELECT DISTINCT entry.id
              FROM unnest(%s::int[], %s::int[], %s::date[]) AS rate(currency_id, company_id, day)
              JOIN psa_entry entry
                ON rate.currency_id IN (entry.currency_id, entry.cost_currency_id, entry.policy_currency_id)
              JOIN sale_order contract
                ON contract.id = entry.order_id AND contract.psa_exchange_rule <> 'fixed'
              JOIN res_company company
                ON company.id = entry.company_id
               AND (rate.company_id IS NULL OR rate.company_id = split_part(company.parent_path, '/', 1)::int)
             WHERE entry.billing_state = 'to_bill'
               AND entry.state IN ('waiting', 'approved', 'held')
               AND (entry.cost_currency_id <> entry.currency_id OR entry.policy_currency_id <> entry.currency_id)
               AND (contract.psa_exchange_rule = 'contract_date'
                    OR date_trunc('month', entry.work_date) + interval '1 month' > rate.day)
            """,
            list(currencies), list(companies), list(days),
        ))))


class SaleOrder(models.Model):
    """Which day's exchange rate the contract bills foreign amounts at."""

    _inherit = "sale.order"

    psa_exchange_rule = fields.Selection(
        EXCHANGE_RULES, "Foreign Amounts", copy=False,
        help="Which exchange rate bills what comes in another currency. Empty: such amounts are held.",
    )
    psa_exchange_rate_ids = fields.One2many("psa.exchange.rate", "order_id", "Fixed Exchange Rates", copy=False)

    def write(self, vals):
        result = super().write(vals)
        if "psa_exchange_rule" in vals or "date_order" in vals:
            contracts = self.filtered(
                lambda order: order.psa_contract
                and ("psa_exchange_rule" in vals or order.psa_exchange_rule == "contract_date"))
            contracts._psa_reprice_foreign()
            if vals.get("psa_exchange_rule"):
                contracts._psa_release_foreign()
        return result

    def _psa_exchange_date(self, work_date):
        """Return the day whose rate the contract's rule names."""
        self.ensure_one()
        if self.psa_exchange_rule == "month_end":
            return work_date + relativedelta(day=31)
        if self.psa_exchange_rule == "contract_date":
            zone = self.company_id.partner_id.tz or "UTC"
            return fields.Datetime.context_timestamp(self.with_context(tz=zone), self.date_order).date()
        return work_date

    def _psa_reprice_foreign(self):
        """Price again what is on no invoice and did not come in the contract's currency."""
        Entry = self.env["psa.entry"].sudo()
        Entry._reprice(Entry.search([
            ("order_id", "in", self.ids), ("billing_state", "=", "to_bill"), ("state", "!=", "withdrawn"),
        ]).filtered(lambda entry: (
            {entry.source_currency_id, entry.cost_currency_id, entry.policy_currency_id}
            - {entry.currency_id, self.env["res.currency"]})))

    def _psa_release_foreign(self):
        """Send records again that were held before the contract could convert."""
        self.env["psa.exception"].sudo().search([
            ("cause_code", "=", "currency_mismatch"), ("is_open", "=", True),
            "|", ("order_id", "in", self.ids), ("project_id.psa_contract_id", "in", self.ids),
        ]).psa_message_ids.filtered(lambda message: message.state not in ("done", "skipped")).action_retry()
