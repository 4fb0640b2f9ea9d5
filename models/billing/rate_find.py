from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL


class FoundRate(NamedTuple):
    """A rate that prices work: its row, scope, price of an hour and validity (None: open).

    :param card_name: name of the rate card it is a line of, or None
    :param amendment_id, clause: the change order that brought it, or None
    :param card_rate: for a blended rate: the rate that the cards would have given, or None
    """

    id: int
    scope: str
    amount: Decimal
    date_from: date | None
    date_to: date | None
    card_name: str | None = None
    amendment_id: int | None = None
    clause: str | None = None
    card_rate: FoundRate | None = None

    def covers(self, day):
        return (not self.date_from or self.date_from <= day) and (not self.date_to or day <= self.date_to)


def _scope_keys(spec):
    """Return ``[(scope, key)]`` that may price ``spec``, most specific first; a key names one line of rates.

    Within project, contract, customer and company alike: person and role, person, role.
    """
    company, currency = spec["company_id"], spec["currency_id"]
    order, project = spec["order_id"], spec.get("project_id") or 0
    person, role, partner = spec.get("employee_id") or 0, spec.get("role_id") or 0, spec.get("partner_id") or 0
    keys = []
    for level, applies, place in (
        ("project", order and project, (order, project, 0)),
        ("contract", order, (order, 0, 0)),
        ("customer", partner, (0, 0, partner)),
        ("company", True, (0, 0, 0)),
    ):
        if not applies:
            continue
        if person and role:
            keys.append((f"{level}_person_role", (company, currency, *place, person, role)))
        if person:
            keys.append((f"{level}_person", (company, currency, *place, person, 0)))
        if role:
            keys.append((f"{level}_role", (company, currency, *place, 0, role)))
        if level == "contract":
            keys.append(("contract_blended", (company, currency, *place, 0, 0)))
    return keys


class PsaRate(models.Model):
    """Finding the rate of work: one precedence, any number of hours in one query."""

    _inherit = "psa.rate"

    @api.model
    def _find(self, specs):
        """Find the rate in force on each work date.

        :param specs: list of dicts of ids: ``company_id, currency_id, order_id, project_id, partner_id`` (the
            commercial one), ``employee_id, role_id``, and ``work_date``
        :return: list, aligned with ``specs``, of ``(FoundRate or None, scopes tried before it)``
        """
        if not specs:
            return []
        rates = self._load(
            {spec["company_id"] for spec in specs},
            {spec["order_id"] for spec in specs},
            {spec.get("employee_id") for spec in specs} - {None, False},
            {spec.get("role_id") for spec in specs} - {None, False},
        )
        result = []
        for spec in specs:
            keys, tried = iter(_scope_keys(spec)), []
            found = _first(rates, keys, spec["work_date"], tried)
            if found and found.scope == "contract_blended":
                found = found._replace(card_rate=_first(rates, keys, spec["work_date"], []))
            result.append((found, tried))
        return result

    @api.model
    def _load(self, company_ids, order_ids, employee_ids, role_ids):
        """Return ``{scope key: [FoundRate]}`` of all rates that could matter, in one query."""
        self.flush_model()
        rates = defaultdict(list)
        for row in self.env.execute_query(SQL(
            """
            SELECT rate.company_id, rate.currency_id, COALESCE(rate.order_id, 0), COALESCE(rate.project_id, 0),
                   COALESCE(partner.commercial_partner_id, 0), COALESCE(rate.employee_id, 0),
                   COALESCE(rate.role_id, 0),
                   rate.id, rate.scope, rate.amount::text, rate.date_from, rate.date_to, card.name,
                   rate.amendment_id, rate.clause
              FROM psa_rate rate
         LEFT JOIN res_partner partner ON partner.id = rate.partner_id
         LEFT JOIN psa_rate_card card ON card.id = rate.card_id
             WHERE rate.company_id = ANY(%(companies)s)
               AND rate.active
               AND (rate.order_id = ANY(%(orders)s) OR (
                   rate.order_id IS NULL
                   AND (rate.role_id = ANY(%(roles)s) OR rate.employee_id = ANY(%(employees)s))))
          ORDER BY rate.date_from DESC NULLS LAST, rate.id
            """,
            companies=list(company_ids), orders=list(order_ids), roles=list(role_ids), employees=list(employee_ids),
        )):
            rate_id, scope, amount, *rest = row[7:]
            rates[row[:7]].append(FoundRate(rate_id, scope, Decimal(amount), *rest))
        return rates

    # === A CHANGED RATE REACHES WHAT IT PRICES === #
    # Who changes many rates at once does it with the context key ``psa_keep_prices`` and prices again at the end: in
    # between, work would seem to have no rate.
    @api.model_create_multi
    def create(self, vals_list):
        rates = super().create(vals_list)
        if not self._keep_prices():
            self.env["psa.entry"].sudo()._reprice(rates._priced_entries())
        return rates

    def write(self, vals):
        if not set(vals) - {"source"} or self._keep_prices():
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

    def _keep_prices(self):
        return self.env.su and self.env.context.get("psa_keep_prices")

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
               AND (rate.project_id IS NULL OR rate.project_id = entry.project_id)
               AND (rate.partner_id IS NULL OR partner.commercial_partner_id = entry.partner_id)
               AND (rate.employee_id IS NULL OR rate.employee_id = entry.employee_id)
               AND (rate.role_id IS NULL OR rate.role_id = entry.role_id)
               AND daterange(rate.date_from, rate.date_to, '[]') @> entry.work_date
             WHERE rate.id = ANY(%(ids)s)
               AND rate.active
               AND entry.kind = 'time'
               AND entry.billing_state = 'to_bill'
               AND (entry.state IN ('waiting', 'approved', 'held') OR entry.reason IN ('drawn', 'written_off'))
            """,
            ids=self.ids,
        )))


# === PLAIN HELPERS === #
def _first(rates, keys, day, tried):
    """Take scopes from the iterator ``keys`` until one has a rate on ``day``; note in ``tried`` those before it."""
    for scope, key in keys:
        for rate in rates.get(key, ()):
            if rate.covers(day):
                return rate
        tried.append(scope)
    return None
