from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from odoo import api, models
from odoo.tools import SQL

ZERO = Decimal(0)


class FoundPolicy(NamedTuple):
    """An expense policy that decides about an expense; amounts in its own currency."""

    id: int
    scope: str
    method: str
    basis: str
    markup: Decimal
    per_diem: Decimal
    cap: Decimal
    cap_per: str
    over_cap: str
    max_age_days: int
    receipt_from: Decimal | None
    currency_id: int
    date_from: date | None
    date_to: date | None

    def covers(self, day):
        return (not self.date_from or self.date_from <= day) and (not self.date_to or day <= self.date_to)

    @property
    def has_amounts(self):
        """Tell whether applying it needs amounts in its currency."""
        return bool(self.method == "per_diem" or self.cap or self.receipt_from)

    @property
    def is_daily(self):
        """Tell whether the expenses of one person and day share what it allows."""
        return self.method == "per_diem" or bool(self.cap and self.cap_per == "day")


def _scope_keys(row, product_id):
    """Return ``[(scope, key)]`` that may decide about an expense, most specific first."""
    company, order, partner = row["company_id"], row["order_id"], row["partner_id"] or 0
    keys = []
    for scope, owner in (("contract", (order, 0)), ("customer", (0, partner)), ("company", (0, 0))):
        if scope == "customer" and not partner:
            continue
        if product_id:
            keys.append((f"{scope}_category", (company, *owner, product_id)))
        keys.append((scope, (company, *owner, 0)))
    return keys


class PsaExpensePolicy(models.Model):
    """Finding the policy of an expense, and reaching the expenses that a policy decides about."""

    _inherit = "psa.expense.policy"

    # === FINDING === #
    @api.model
    def _find(self, rows):
        """Find the policy in force on each expense's day, in one query.

        :param rows: list of dicts: ``company_id, order_id, partner_id`` (the commercial one), ``work_date`` and
            ``product_id`` (the category)
        :return: list, aligned with ``rows``, of ``(FoundPolicy or None, scopes tried before it)``
        """
        if not rows:
            return []
        policies = self._load({row["company_id"] for row in rows}, {row["order_id"] for row in rows})
        result = []
        for row in rows:
            tried, found = [], None
            for scope, key in _scope_keys(row, row["product_id"]):
                found = next((policy for policy in policies.get(key, ()) if policy.covers(row["work_date"])), None)
                if found:
                    break
                tried.append(scope)
            result.append((found, tried))
        return result

    @api.model
    def _load(self, company_ids, order_ids):
        """Return ``{scope key: [FoundPolicy]}`` of all policies that could matter."""
        self.flush_model()
        policies = defaultdict(list)
        for row in self.env.execute_query(SQL(
            """
            SELECT policy.company_id, COALESCE(policy.order_id, 0), COALESCE(partner.commercial_partner_id, 0),
                   COALESCE(policy.product_id, 0),
                   policy.id, policy.scope, policy.method, policy.basis,
                   COALESCE(policy.markup_percent, 0), COALESCE(policy.per_diem_amount, 0),
                   COALESCE(policy.cap_amount, 0), policy.cap_per, policy.over_cap, COALESCE(policy.max_age_days, 0),
                   CASE WHEN policy.receipt_required THEN COALESCE(policy.receipt_from, 0) END,
                   policy.currency_id, policy.date_from, policy.date_to
              FROM psa_expense_policy policy
         LEFT JOIN res_partner partner ON partner.id = policy.partner_id
             WHERE policy.company_id = ANY(%s) AND (policy.order_id IS NULL OR policy.order_id = ANY(%s))
          ORDER BY policy.date_from DESC NULLS LAST, policy.id
            """,
            list(company_ids), list(order_ids),
        )):
            policies[row[:4]].append(FoundPolicy(*(
                Decimal(str(value)) if isinstance(value, (float, Decimal)) else value for value in row[4:])))
        return policies

    # === A CHANGED POLICY REACHES WHAT IT DECIDES ABOUT === #
    @api.model_create_multi
    def create(self, vals_list):
        policies = super().create(vals_list)
        self.env["psa.entry"].sudo()._reprice(policies._decided_entries())
        return policies

    def write(self, vals):
        before = self._decided_entries()
        result = super().write(vals)
        self.env["psa.entry"].sudo()._reprice(before | self._decided_entries())
        return result

    def unlink(self):
        before = self._decided_entries()
        result = super().unlink()
        self.env["psa.entry"].sudo()._reprice(before)
        return result

    def _decided_entries(self):
        """Return the entries, not billed in any part, that these policies decide about or could. One query."""
        Entry = self.env["psa.entry"].sudo()
        if not self:
            return Entry
        self.flush_recordset()
        Entry.flush_model()
        self.env["hr.expense"].flush_model(["product_id"])
        return Entry.browse(row[0] for row in self.env.execute_query(SQL(
            """
            SELECT DISTINCT entry.id
              FROM psa_expense_policy policy
         LEFT JOIN res_partner partner ON partner.id = policy.partner_id
              JOIN psa_entry entry ON entry.company_id = policy.company_id
               AND (policy.order_id IS NULL OR policy.order_id = entry.order_id)
               AND (policy.partner_id IS NULL OR partner.commercial_partner_id = entry.partner_id)
               AND daterange(policy.date_from, policy.date_to, '[]') @> entry.work_date
              JOIN hr_expense expense ON expense.id = entry.expense_id
               AND (policy.product_id IS NULL OR policy.product_id = expense.product_id)
             WHERE policy.id = ANY(%s) AND entry.billing_state = 'to_bill'
               AND entry.state <> 'withdrawn' AND entry.reason IS DISTINCT FROM 'waived'
            """,
            self.ids,
        )))
