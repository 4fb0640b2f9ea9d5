from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import format_date

from ..billing.proposal import OPEN_STATES as PROPOSAL_STATES
from ..desk.exception import OPEN_STATES

MONTHS_SHOWN = 6


class PsaDashboard(models.AbstractModel):
    """The figures of the dashboard, in one call: money waiting, to bill, proposals, connections, freshness.

    Everything is what the user may see in the companies that are switched on; money is in the currency of the current
    company, at today's rate.
    """

    _name = "psa.dashboard"
    _description = "Dashboard"

    @api.model
    def get_figures(self):
        if not self.env.user.has_group("psa_hub.group_auditor"):
            raise AccessError(self.env._("The dashboard is for users of PSA Hub."))
        return {
            "currency_id": self.env.company.currency_id.id,
            "waiting": self._waiting(),
            "to_bill": self._to_bill(),
            "proposals": self._proposals(),
            "invoiced": self._invoiced(),
            "connections": self._connections(),
            "streams": self._streams(),
        }

    def _to_company(self, amount, currency, company=None):
        """Return ``amount`` in the current company's currency."""
        target = self.env.company.currency_id
        if not amount or currency == target:
            return amount or 0.0
        return currency._convert(amount, target, company or self.env.company, fields.Date.context_today(self))

    def _company_domain(self):
        return [("company_id", "in", self.env.companies.ids)]

    def _labels(self, model_name, field_name):
        return dict(self.env[model_name]._fields[field_name]._description_selection(self.env))

    # === SECTIONS === #
    def _waiting(self):
        """Open exceptions by cause, dearest first."""
        causes = self.env["psa.exception.cause"].search([("has_open", "=", True)])
        rows = [
            {
                "id": cause.id,
                "name": cause.name,
                "category": cause.category,
                "count": cause.open_count,
                "amount": cause.open_amount,
                "unassigned": cause.unassigned_count,
                "oldest": cause.oldest,
            }
            for cause in causes
        ]
        overdue = self.env["psa.exception"].search_count([
            ("state", "in", OPEN_STATES), ("date_due", "<", fields.Date.context_today(self)), *self._company_domain(),
        ])
        parents, parents_amount = 0, 0.0
        for company, count, risk in self.env["psa.message"]._read_group(
            [("state", "=", "waiting"), *self._company_domain()], ["company_id"], ["__count", "risk_amount:sum"],
        ):
            parents += count
            parents_amount += self._to_company(risk, company.currency_id, company)
        return {
            "parents": parents,
            "parents_amount": parents_amount,
            "amount": sum(row["amount"] for row in rows),
            "count": sum(row["count"] for row in rows),
            "overdue": overdue,
            "causes": sorted(rows, key=lambda row: (-abs(row["amount"]), -row["count"])),
        }

    def _to_bill(self):
        """Approved and not on an invoice yet, by month worked and kind."""
        labels = self._labels("psa.entry", "kind")
        months, kinds, count = {}, dict.fromkeys(labels, 0.0), 0
        for month, kind, currency, company, number, amount, allocated in self.env["psa.entry"]._read_group(
            [("state", "=", "approved"), ("billing_state", "in", ("to_bill", "partly")), *self._company_domain()],
            ["work_date:month", "kind", "currency_id", "company_id"],
            ["__count", "amount:sum", "allocated_amount:sum"],
        ):
            open_amount = self._to_company(amount - allocated, currency, company)
            by_kind = months.setdefault(month, dict.fromkeys(labels, 0.0))
            by_kind[kind] += open_amount
            kinds[kind] += open_amount
            count += number
        shown = sorted(months)[-MONTHS_SHOWN:]
        rows = [
            {
                "key": fields.Date.to_string(month),
                "label": format_date(self.env, month, date_format="MMM yyyy"),
                "until": fields.Date.to_string(month + relativedelta(months=1)),
                "amount": sum(months[month].values()),
                "kinds": months[month],
            }
            for month in shown
        ]
        earlier = sum(sum(by_kind.values()) for month, by_kind in months.items() if month not in shown)
        return {
            "amount": sum(kinds.values()),
            "count": count,
            "earlier": earlier,
            "kinds": [{"code": kind, "label": label, "amount": kinds[kind]} for kind, label in labels.items()],
            "months": rows,
        }

    def _proposals(self):
        """Count and untaxed total of proposals by state; of invoiced ones those of the last month."""
        labels = self._labels("psa.proposal", "state")
        totals = {state: {"state": state, "label": label, "count": 0, "amount": 0.0, "held": 0.0}
                  for state, label in labels.items() if state != "cancelled"}
        since = fields.Datetime.now() - relativedelta(days=30)
        totals["invoiced"]["since"] = fields.Datetime.to_string(since)
        for state, currency, company, count, amount, held in self.env["psa.proposal"]._read_group(
            [
                *self._company_domain(),
                "|", ("state", "in", (*PROPOSAL_STATES, "approved")),
                "&", ("state", "=", "invoiced"), ("approved_at", ">=", since),
            ],
            ["state", "currency_id", "company_id"],
            ["__count", "amount_untaxed:sum", "amount_held:sum"],
        ):
            totals[state]["count"] += count
            totals[state]["amount"] += self._to_company(amount, currency, company)
            totals[state]["held"] += self._to_company(held, currency, company)
        return list(totals.values())

    def _invoiced(self):
        """What posted invoices and credit notes of this month billed, before tax.

        In sudo, because users of the hub need not see invoices; the sum of their companies is theirs to know.
        """
        today = fields.Date.context_today(self)
        amount, moves = 0.0, 0
        for currency, company, total, count in self.env["psa.allocation"].sudo()._read_group(
            [
                ("state", "=", "posted"), ("move_id.invoice_date", ">=", today.replace(day=1)),
                *self._company_domain(),
            ],
            ["entry_id.currency_id", "company_id"],
            ["amount:sum", "move_id:count_distinct"],
        ):
            amount += self._to_company(total, currency, company)
            moves += count
        return {"amount": amount, "count": moves, "since": fields.Date.to_string(today.replace(day=1))}

    def _connections(self):
        connections = self.env["psa.connection"].search(self._company_domain())
        states = self._labels("psa.connection", "state")
        queue = {}
        for connection, state, count in self.env["psa.message"]._read_group(
            [("state", "not in", ("done", "skipped")), ("connection_id", "in", connections.ids)],
            ["connection_id", "state"],
            ["__count"],
        ):
            queue.setdefault(connection.id, {})[state] = count
        return [
            {
                "id": connection.id,
                "name": connection.name,
                "system": dict(connection._fields["connector_code"]._description_selection(self.env)).get(
                    connection.connector_code, connection.connector_code),
                "environment": connection.environment,
                "state": connection.state,
                "state_label": states[connection.state],
                "breaker_state": connection.breaker_state,
                "breaker_reason": connection.breaker_reason,
                "last_success_at": connection.last_success_at,
                "shadow": connection.is_shadow,
                "setup": connection.setup_checklist,
                "setup_left": connection.setup_left,
                "late": len(connection.stream_ids.filtered(lambda stream: stream.freshness == "late")),
                **{state: queue.get(connection.id, {}).get(state, 0)
                   for state in ("pending", "waiting", "retry", "held", "dead")},
            }
            for connection in connections
        ]

    def _streams(self):
        """Inbound streams of live connections, the late ones first."""
        streams = self.env["psa.stream"].search([("direction", "=", "in"), *self._company_domain()])
        rows = [
            {
                "id": stream.id,
                "name": stream.name,
                "connection": stream.connection_id.name,
                "freshness": stream.freshness,
                "target": stream.freshness_minutes,
                "last_success_at": stream.last_success_at,
                "backfill": stream.backfill_state == "running",
            }
            for stream in streams
            if stream.freshness != "none"
        ]
        return sorted(rows, key=lambda row: (row["freshness"] != "late", row["connection"]))
