from collections import defaultdict

from odoo import api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL, split_every

from .bulk import insert_rows
from .entry_kinds import HUSH
from .pricing import decimal_of, plain
from .proposal import OPEN_STATES

# So many contracts are built at a time.
BATCH = 100
_ENTRY_FIELDS = [
    "order_id", "company_id", "state", "reason", "work_date", "pending_change", "exception_id", "quantity", "amount",
    "allocated_quantity", "allocated_amount",
]
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
        """Write the lines of these proposals anew, so many contracts at a time that memory does not grow with a run.

        A constant number of queries a batch: one finds the entries, one the reservations of others.
        """
        for ids in split_every(BATCH, self.ids, self.browse):
            ids._build_batch(period_start, period_end)
            if len(self) > BATCH:
                self.env.flush_all()
                self.env["psa.entry"].invalidate_model()

    def _build_batch(self, period_start, period_end):
        Line = self.env["psa.proposal.line"].sudo()
        kept = {
            (line.proposal_id.id, line.entry_id.id): (line.decision, line.reason, line.decided_by.id)
            for line in Line.search([("proposal_id", "in", self.ids), ("decided_by", "!=", False)])
        }
        self._delete_lines()
        domain = self._backlog_domain(self.order_id, period_end) & (
            Domain("state", "in", ("approved", "waiting", "held"))
            | (Domain("state", "=", "excluded") & Domain("work_date", ">=", period_start))
        )
        entries = self.env["psa.entry"].sudo().search_fetch(domain, _ENTRY_FIELDS, order="work_date, id")
        taken = dict(self.env.execute_query(SQL(
            """
            SELECT line.entry_id, proposal.name
              FROM psa_proposal_line line JOIN psa_proposal proposal ON proposal.id = line.proposal_id
             WHERE line.entry_id = ANY(%s) AND line.reserved
            """, entries.ids)))
        shadow = entries._in_shadow()
        labels = dict(entries._fields["reason"]._description_selection(self.env))
        by_order = defaultdict(list)
        for entry in entries:
            values = self._line_values(entry, labels, taken, period_start)
            if values["quantity"] == values["amount"] == "0" and values["decision"] == "in":
                continue
            if values["decision"] == "in" and entry.id in shadow:
                values["decision"] = "held"
                values["reason"] = self.env._("From %s, which is in shadow mode", shadow[entry.id])
            by_order[entry.order_id.id].append({
                "entry_id": entry.id,
                "company_id": entry.company_id.id,
                "work_date": entry.work_date,
                "decided_by": False,
                **values,
            })
        vals_list = []
        for proposal in self:
            lines = by_order[proposal.order_id.id]
            for values in lines:
                values["proposal_id"] = proposal.id
                decided = kept.get((proposal.id, values["entry_id"]))
                if decided and not (decided[0] == "in" and values["decision"] != "in"):
                    values["decision"], values["reason"], values["decided_by"] = decided
            proposal._apply_rules(lines)
            vals_list += lines
        for values in vals_list:
            values["reserved"] = values["decision"] == "in"
        insert_rows(Line, vals_list)
        self.invalidate_recordset()
        self._compute_totals()
        self._carry_below_zero()
        self.write({"needs_refresh": False})

    def _delete_lines(self):
        """Delete all lines of these. One statement: nothing hangs on them."""
        Line = self.env["psa.proposal.line"]
        Line.flush_model()
        self.env.cr.execute(SQL("DELETE FROM psa_proposal_line WHERE proposal_id = ANY(%s)", self.ids))
        Line.invalidate_model()
        self.invalidate_recordset()

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
