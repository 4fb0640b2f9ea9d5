from odoo import api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from .bulk import insert_rows
from .entry_kinds import HUSH
from .pricing import decimal_of, plain
from .proposal import OPEN_STATES

_DECISION_BY_STATE = {"approved": "in", "waiting": "held", "held": "held", "excluded": "excluded"}


class PsaProposal(models.Model):
    """Building proposals: all contracts of a run together, in a constant number of queries."""

    _inherit = "psa.proposal"

    @api.model
    def _create_proposals(self, period_start, period_end, orders):
        """Make or refresh the open proposal of each contract for a period.

        Late work, done before the period and never billed, comes along. A contract with nothing billed, held or
        carried gets none.

        :param period_start, period_end: dates, both included
        :param orders: contracts (orders of other kinds and other companies are left out)
        :return: the proposals, those handed over for approval already left as they are
        """
        if not self.env.su and not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("Only operators may prepare billing proposals."))
        Proposal = self.sudo().with_context(**HUSH)
        contracts = orders.sudo().filtered(lambda order: order.psa_contract and order.state == "sale")
        if not self.env.su:
            contracts = contracts.filtered(lambda order: order.company_id in self.env.companies)
        known = Proposal.search([
            ("order_id", "in", contracts.ids), ("period_start", "=", period_start), ("period_end", "=", period_end),
        ])
        open_proposals = known.filtered(lambda proposal: proposal.state in OPEN_STATES)
        earlier = {order.id: len(proposals) for order, proposals in known.grouped("order_id").items()}
        fresh = contracts - open_proposals.order_id
        worth = self._orders_with_work(fresh, period_end)
        created = Proposal.create([
            {
                "name": self._name_of(order, period_end, earlier.get(order.id, 0)),
                "order_id": order.id,
                "company_id": order.company_id.id,
                "partner_id": order.partner_invoice_id.id,
                "currency_id": order.currency_id.id,
                "period_start": period_start,
                "period_end": period_end,
                "prepared_by": self.env.uid,
            }
            for order in fresh if order.id in worth
        ])
        (created | open_proposals.filtered(lambda proposal: proposal.state == "draft"))._build(
            period_start, period_end)
        return (created | open_proposals).with_env(self.env)

    @api.model
    def _name_of(self, order, period_end, earlier):
        """Return the contract and month; a later proposal for the same period is numbered."""
        return f"{order.name} {period_end:%Y-%m}" + (f" ({earlier + 1})" if earlier else "")

    @api.model
    def _backlog_domain(self, orders, period_end):
        return Domain([
            ("order_id", "in", orders.ids),
            ("work_date", "<=", period_end),
            ("billing_state", "in", ("to_bill", "partly")),
        ])

    @api.model
    def _orders_with_work(self, orders, period_end):
        """Return the ids of ``orders`` with anything to bill or held."""
        domain = self._backlog_domain(orders, period_end) & Domain("state", "in", ("approved", "waiting", "held"))
        return {
            order.id for order, in self.env["psa.entry"].sudo()._read_group(domain, ["order_id"])
        }

    # === LINES === #
    def _build(self, period_start, period_end):
        """Write the lines of these proposals anew. One query finds the entries, one the reservations of others."""
        if not self:
            return
        decided = {
            (line.proposal_id.id, line.entry_id.id): line
            for line in self.line_ids.filtered("decided_by")
        }
        kept = {
            key: (line.decision, line.reason, line.decided_by.id) for key, line in decided.items()
        }
        self.line_ids.unlink()
        orders = self.order_id
        domain = self._backlog_domain(orders, period_end) & (
            Domain("state", "in", ("approved", "waiting", "held"))
            | (Domain("state", "=", "excluded") & Domain("work_date", ">=", period_start))
        )
        entries = self.env["psa.entry"].sudo().search(domain, order="work_date, id")
        taken = {
            line.entry_id.id: line.proposal_id.name
            for line in self.env["psa.proposal.line"].sudo().search(
                [("entry_id", "in", entries.ids), ("reserved", "=", True)])
        }
        proposal_by_order = {proposal.order_id.id: proposal.id for proposal in self}
        labels = dict(entries._fields["reason"]._description_selection(self.env))
        vals_list = []
        for entry in entries:
            values = {"decided_by": False} | self._line_values(entry, labels, taken, period_start)
            if values["quantity"] == values["amount"] == "0" and values["decision"] == "in":
                continue
            proposal_id = proposal_by_order[entry.order_id.id]
            if (proposal_id, entry.id) in kept and not (
                kept[proposal_id, entry.id][0] == "in" and values["decision"] != "in"
            ):
                values["decision"], values["reason"], values["decided_by"] = kept[proposal_id, entry.id]
            values["reserved"] = values["decision"] == "in"
            vals_list.append({
                "proposal_id": proposal_id,
                "entry_id": entry.id,
                "company_id": entry.company_id.id,
                "work_date": entry.work_date,
                **values,
            })
        insert_rows(self.env["psa.proposal.line"].sudo(), vals_list)
        self.invalidate_recordset()
        self._carry_negative()
        self._compute_totals()
        self.write({"needs_refresh": False})

    def _line_values(self, entry, labels, taken, period_start):
        """Return decision, reason and what is left to bill of ``entry``."""
        decision, reason = _DECISION_BY_STATE[entry.state], labels.get(entry.reason)
        if entry.id in taken:
            decision, reason = "excluded", self.env._("In proposal %s", taken[entry.id])
        elif decision == "in" and entry.pending_change:
            decision, reason = "held", entry.exception_id.name
        elif decision == "in" and entry.work_date < period_start:
            reason = self.env._("Late: done before this period")
        elif entry.exception_id:
            reason = entry.exception_id.name
        return {
            "decision": decision,
            "reason": reason,
            "quantity": plain(decimal_of(entry.quantity) - decimal_of(entry.allocated_quantity)),
            "amount": plain(decimal_of(entry.amount) - decimal_of(entry.allocated_amount)),
        }

    def _carry_negative(self):
        """Carry a proposal forward whose lines would add up to less than nothing: no invoice can say that."""
        for proposal in self:
            lines = proposal.line_ids.filtered(lambda line: line.decision == "in")
            if proposal.currency_id.compare_amounts(sum(lines.mapped("amount")), 0.0) < 0:
                lines.write({
                    "decision": "carried",
                    "reserved": False,
                    "reason": self.env._("The total would be negative: carried to the next invoice"),
                })
