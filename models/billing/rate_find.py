from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL


class FoundRate(NamedTuple):
    """A rate that prices work: its row, scope, price of an hour and validity (None: open)."""

    id: int
    scope: str
    amount: Decimal
    date_from: date | None
    date_to: date | None

    def covers(self, day):
        return (not self.date_from or self.date_from <= day) and (not self.date_to or day <= self.date_to)


def _scope_keys(spec):
    """Return ``[(scope, key)]`` that may price ``spec``, most specific first; a key names one line of rates."""
    company, currency = spec["company_id"], spec["currency_id"]
    order, person = spec["order_id"], spec.get("employee_id") or 0
    role, partner = spec.get("role_id") or 0, spec.get("partner_id") or 0
    keys = []
    if order and person and role:
        keys.append(("contract_person_role", (company, currency, order, 0, person, role)))
    if order and person:
        keys.append(("contract_person", (company, currency, order, 0, person, 0)))
    if order and role:
        keys.append(("contract_role", (company, currency, order, 0, 0, role)))
    if partner and role:
        keys.append(("customer_role", (company, currency, 0, partner, 0, role)))
    if role:
        keys.append(("company_role", (company, currency, 0, 0, 0, role)))
    return keys


class PsaRate(models.Model):
    """Finding the rate of work: one precedence, any number of hours in one query."""

    _inherit = "psa.rate"

    @api.model
    def _find(self, specs):
        """Find the rate in force on each work date.

        :param specs: list of dicts of ids: ``company_id, currency_id, order_id, partner_id`` (the commercial one),
            ``employee_id, role_id``, and ``work_date``
        :return: list, aligned with ``specs``, of ``(FoundRate or None, scopes tried before it)``
        """
        if not specs:
            return []
        rates = self._load(
            {spec["company_id"] for spec in specs},
            {spec["order_id"] for spec in specs},
            {spec.get("role_id") for spec in specs} - {None, False},
        )
        result = []
        for spec in specs:
            tried = []
            for scope, key in _scope_keys(spec):
                found = next((rate for rate in rates.get(key, ()) if rate.covers(spec["work_date"])), None)
                if found:
                    break
                tried.append(scope)
            else:
                found = None
            result.append((found, tried))
        return result

    @api.model
    def _load(self, company_ids, order_ids, role_ids):
        """Return ``{scope key: [FoundRate]}`` of all rates that could matter, in one query."""
        self.flush_model()
        rates = defaultdict(list)
        for row in self.env.execute_query(SQL(
            """
            SELECT rate.company_id, rate.currency_id, COALESCE(rate.order_id, 0),
                   COALESCE(partner.commercial_partner_id, 0), COALESCE(rate.employee_id, 0),
                   COALESCE(rate.role_id, 0),
                   rate.id, rate.scope, rate.amount::text, rate.date_from, rate.date_to
              FROM psa_rate rate
         LEFT JOIN res_partner partner ON partner.id = rate.partner_id
             WHERE rate.company_id = ANY(%s)
               AND (rate.order_id = ANY(%s) OR (rate.order_id IS NULL AND rate.role_id = ANY(%s)))
          ORDER BY rate.date_from DESC NULLS LAST, rate.id
            """,
            list(company_ids), list(order_ids), list(role_ids),
        )):
            rate_id, scope, amount, date_from, date_to = row[6:]
            rates[row[:6]].append(FoundRate(rate_id, scope, Decimal(amount), date_from, date_to))
        return rates

    # === A CHANGED RATE REACHES WHAT IT PRICES === #
    @api.model_create_multi
    def create(self, vals_list):
        rates = super().create(vals_list)
        self.env["psa.entry"].sudo()._reprice(rates._priced_entries())
        return rates

    def write(self, vals):
        if not set(vals) - {"source"}:
            return super().write(vals)
        before = self._priced_entries()
        result = super().write(vals)
        self.env["psa.entry"].sudo()._reprice(before | self._priced_entries())
        return result

    def unlink(self):
        before = self._priced_entries()
        result = super().unlink()
        self.env["psa.entry"].sudo()._reprice(before)
        return result

    def _priced_entries(self):
        """Return the entries, not billed in any part, that these rates price or could price. One query."""
        Entry = self.env["psa.entry"].sudo()
        if not self:
            return Entry
        self.flush_recordset()
        Entry.flush_model()
        return Entry.browse(row[0] for row in self.env.execute_query(SQL(
            """
            SELECT DISTINCT entry.id
              FROM psa_rate rate
         LEFT JOIN res_partner partner ON partner.id = rate.partner_id
              JOIN psa_entry entry ON entry.company_id = rate.company_id
               AND entry.currency_id = rate.currency_id
               AND (rate.order_id IS NULL OR rate.order_id = entry.order_id)
               AND (rate.partner_id IS NULL OR partner.commercial_partner_id = entry.partner_id)
               AND (rate.employee_id IS NULL OR rate.employee_id = entry.employee_id)
               AND (rate.role_id IS NULL OR rate.role_id = entry.role_id)
               AND daterange(rate.date_from, rate.date_to, '[]') @> entry.work_date
             WHERE rate.id = ANY(%(ids)s)
               AND entry.kind = 'time'
               AND entry.billing_state = 'to_bill'
               AND (entry.state IN ('waiting', 'approved') OR entry.reason = 'missing_rate')
            """,
            ids=self.ids,
        )))
