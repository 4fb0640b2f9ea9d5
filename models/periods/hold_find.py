from collections import defaultdict
from typing import NamedTuple

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, format_date

from ..billing.proposal import SUBMITTED_STATES


class Found(NamedTuple):
    """One thing that keeps a contract from being billed now."""

    kind: str
    company_id: int
    partner_id: int  # the debtor: commercial partner of the invoice address
    order_id: int  # 0: every contract of the customer
    amount: float  # in the company's currency
    since: object  # date or None
    text: str

    @property
    def key(self):
        return self.company_id, self.partner_id, self.kind, self.order_id


class PsaHold(models.Model):
    """Reading holds live: one query a kind for any number of contracts."""

    _inherit = "psa.hold"

    @api.model
    def _find(self, orders, together=False):
        """Return what keeps each of ``orders`` from being billed at this moment.

        :param together: the open proposals of one customer share its credit limit, in the order of the contracts; else
            each is looked at for itself
        :return: ``{sale.order id: [Found]}``, contracts without a hold left out
        """
        orders = orders.sudo()
        subjects = {}
        for order in orders:
            debtor = (order.partner_invoice_id or order.partner_id).commercial_partner_id
            subjects[order.id] = order.company_id, debtor
        if not subjects:
            return {}
        companies = orders.company_id
        partners = self.env["res.partner"].union(*(debtor for _company, debtor in subjects.values())).sudo()
        of_customer = defaultdict(list)
        for found in (*self._find_overdue(companies, partners), *self._find_disputes(companies, partners)):
            of_customer[found.company_id, found.partner_id].append(found)
        of_order = defaultdict(list)
        for found in self._find_manual(companies, partners):
            if found.order_id:
                of_order[found.order_id].append(found)
            else:
                of_customer[found.company_id, found.partner_id].append(found)
        for found in self._find_over_limit(subjects, companies, partners, together):
            of_order[found.order_id].append(found)
        result = {}
        for order_id, (company, debtor) in subjects.items():
            if holds := of_customer[company.id, debtor.id] + of_order[order_id]:
                result[order_id] = holds
        return result

    # === ONE METHOD A KIND === #
    def _find_overdue(self, companies, partners):
        """Customers with more than the company's amount unpaid for more than its days."""
        if not (ruled := companies.filtered("psa_hold_overdue")):
            return []
        self._flush_receivables()
        rows = self.env.execute_query(SQL(
            """
            SELECT line.company_id, partner.commercial_partner_id, SUM(line.amount_residual), MIN(line.date_maturity)
              FROM account_move_line line
              JOIN account_account account ON account.id = line.account_id
              JOIN res_partner partner ON partner.id = line.partner_id
              JOIN res_company company ON company.id = line.company_id
             WHERE account.account_type = 'asset_receivable' AND line.parent_state = 'posted'
               AND line.reconciled IS NOT TRUE AND line.amount_residual <> 0
               AND line.company_id = ANY(%(companies)s) AND partner.commercial_partner_id = ANY(%(partners)s)
               AND line.date_maturity < %(today)s::date - COALESCE(company.psa_overdue_days, 0)
          GROUP BY line.company_id, partner.commercial_partner_id, company.psa_overdue_amount
            HAVING SUM(line.amount_residual) > COALESCE(company.psa_overdue_amount, 0)
            """,
            companies=ruled.ids, partners=partners.ids, today=fields.Date.context_today(self),
        ))
        return [
            Found("overdue", company_id, partner_id, 0, float(amount), since, self.env._(
                "%(customer)s owes %(amount)s for more than %(days)s days, the oldest since %(since)s",
                customer=self._partner(partner_id).name, amount=self._money(company_id, amount),
                days=self.env["res.company"].browse(company_id).sudo().psa_overdue_days,
                since=format_date(self.env, since),
            ))
            for company_id, partner_id, amount, since in rows
        ]

    def _find_disputes(self, companies, partners):
        """Customers with an unpaid invoice that is disputed, or blocked in Odoo."""
        self.env["account.move"].flush_model([
            "psa_disputed", "psa_disputed_at", "payment_state", "state", "move_type", "amount_residual_signed",
            "company_id", "commercial_partner_id", "name",
        ])
        rows = self.env.execute_query(SQL(
            """
            SELECT company_id, commercial_partner_id, SUM(amount_residual_signed),
                   MIN(COALESCE(psa_disputed_at::date, invoice_date)), STRING_AGG(name, ', ' ORDER BY id),
                   STRING_AGG(psa_dispute_reason, '; ' ORDER BY id) FILTER (WHERE psa_disputed)
              FROM account_move
             WHERE (psa_disputed OR payment_state = 'blocked') AND state = 'posted'
               AND move_type IN ('out_invoice', 'out_receipt') AND amount_residual_signed <> 0
               AND company_id = ANY(%s) AND commercial_partner_id = ANY(%s)
          GROUP BY company_id, commercial_partner_id
            """,
            companies.ids, partners.ids,
        ))
        return [
            Found("dispute", company_id, partner_id, 0, float(amount), since, self.env._(
                "%(customer)s disputes %(invoices)s: %(reason)s", customer=self._partner(partner_id).name,
                invoices=names, reason=reason or self.env._("blocked for payment"),
            ))
            for company_id, partner_id, amount, since, names, reason in rows
        ]

    def _find_manual(self, companies, partners):
        """What people hold: the open rows themselves."""
        holds = self.sudo().search([
            ("kind", "=", "manual"), ("released_at", "=", False), ("company_id", "in", companies.ids),
            ("partner_id", "in", partners.ids),
        ])
        return [
            Found("manual", hold.company_id.id, hold.partner_id.id, hold.order_id.id or 0, hold.amount, hold.since,
                  hold.reason)
            for hold in holds
        ]

    def _find_over_limit(self, subjects, companies, partners, together):
        """Contracts whose open proposals would take their customer over the credit limit in Odoo.

        Counted are what the customer owes, invoices of the hub that are drafts still, proposals that wait for approval
        and the open ones of the contract: what is billed or about to be, not (as Odoo's own warning does) all that was
        ever sold.
        """
        limited = companies.filtered("account_use_credit_limit")
        limits = {
            (company.id, partner.id): limit
            for company in limited for partner in partners.with_company(company)
            if (limit := partner.credit_limit) > 0
        }
        candidates = {
            order_id: subject for order_id, subject in subjects.items()
            if (subject[0].id, subject[1].id) in limits
        }
        if not candidates:
            return []
        exposure = self._exposure(limited, partners)
        proposed, submitted, on_the_way = self._proposed(candidates)
        result, running = [], defaultdict(float)
        for order_id in sorted(candidates):
            company, debtor = candidates[order_id]
            root = company.root_id.id, debtor.id
            total = proposed[order_id]
            open_amount = exposure.get(root, 0.0) + on_the_way[root] - submitted[order_id]
            limit = limits[company.id, debtor.id]
            over = open_amount + running[root] + total - limit
            if company.currency_id.compare_amounts(over, 0.0) > 0:
                result.append(Found(
                    "credit_limit", company.id, debtor.id, order_id, company.currency_id.round(over), None,
                    self.env._(
                        "%(open)s of %(customer)s are open or on the way; with %(total)s more that is %(over)s over "
                        "the credit limit of %(limit)s",
                        customer=debtor.name, open=self._money(company.id, open_amount + running[root]),
                        total=self._money(company.id, total), over=self._money(company.id, over),
                        limit=self._money(company.id, limit),
                    )))
            elif together:
                running[root] += total - submitted[order_id]
        return result

    # === SUMS === #
    def _exposure(self, companies, partners):
        """Return ``{(root company id, debtor id): owed and about to be owed}`` in the companies' currency."""
        self._flush_receivables()
        self.env["account.move"].flush_model([
            "state", "move_type", "psa_proposal_ids", "commercial_partner_id", "company_id", "amount_total_signed"])
        rows = self.env.execute_query(SQL(
            """
            SELECT SPLIT_PART(company.parent_path, '/', 1)::int, owed.partner_id, SUM(owed.amount)
              FROM (
                  SELECT line.company_id, partner.commercial_partner_id AS partner_id, line.amount_residual AS amount
                    FROM account_move_line line
                    JOIN account_account account ON account.id = line.account_id
                    JOIN res_partner partner ON partner.id = line.partner_id
                   WHERE account.account_type = 'asset_receivable' AND line.parent_state = 'posted'
                     AND line.reconciled IS NOT TRUE AND partner.commercial_partner_id = ANY(%(partners)s)
               UNION ALL
                  SELECT company_id, commercial_partner_id, amount_total_signed
                    FROM account_move move
                   WHERE state = 'draft' AND move_type = 'out_invoice'
                     AND EXISTS (SELECT 1 FROM psa_proposal_move_rel made WHERE made.move_id = move.id)
                     AND commercial_partner_id = ANY(%(partners)s)
              ) AS owed
              JOIN res_company company ON company.id = owed.company_id
             WHERE SPLIT_PART(company.parent_path, '/', 1)::int = ANY(%(roots)s)
          GROUP BY 1, 2
            """,
            partners=partners.ids, roots=companies.root_id.ids,
        ))
        return {(root, partner_id): float(amount) for root, partner_id, amount in rows}

    def _proposed(self, candidates):
        """Add up open proposals, taxes included, in the currencies of their companies.

        :return: ``{order id: open ones}``, ``{order id: those that wait for approval}`` and
            ``{(root company id, debtor id): those that wait for approval}``, each zero where there is nothing
        """
        opened, submitted, on_the_way = defaultdict(float), defaultdict(float), defaultdict(float)
        today = fields.Date.context_today(self)
        debtors = {debtor.id for _company, debtor in candidates.values()}
        for order, state, currency, amount in self.env["psa.proposal"].sudo()._read_group(
            Domain("state", "in", SUBMITTED_STATES)
            & Domain("order_id.partner_invoice_id.commercial_partner_id", "in", list(debtors))
            | Domain("state", "=", "draft") & Domain("order_id", "in", list(candidates)),
            ["order_id", "state", "currency_id"], ["amount_total:sum"],
        ):
            company = order.company_id
            amount = currency._convert(amount, company.currency_id, company, today)
            opened[order.id] += amount
            if state in SUBMITTED_STATES:
                submitted[order.id] += amount
                on_the_way[company.root_id.id, order.partner_invoice_id.commercial_partner_id.id] += amount
        return opened, submitted, on_the_way

    def _flush_receivables(self):
        self.env["account.move.line"].flush_model([
            "account_id", "amount_residual", "company_id", "parent_state", "partner_id", "reconciled",
            "date_maturity"])
        self.env["res.company"].flush_model(["psa_overdue_days", "psa_overdue_amount", "parent_path"])
        self.env["res.partner"].flush_model(["commercial_partner_id"])

    def _partner(self, partner_id):
        return self.env["res.partner"].sudo().browse(partner_id)

    def _money(self, company_id, amount):
        return self.env["res.company"].sudo().browse(company_id).currency_id.format(float(amount))
