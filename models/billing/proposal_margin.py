from odoo import fields, models
from odoo.tools import SQL

COST_GROUP = "psa_hub.group_costs"


class PsaProposal(models.Model):
    """What stands beside the amount: margin, what was billed so far, what the contract and its cap leave, rates.

    Nothing is stored: it is read when it is looked at, a few queries for any number of proposals.
    """

    _inherit = "psa.proposal"

    # === FIELDS === #
    cost_amount = fields.Monetary(
        "Cost", compute="_compute_margin", compute_sudo=True, groups=COST_GROUP,
        help="What the people, expenses and vendors of what is billed now cost, in the contract's currency.",
    )
    margin_amount = fields.Monetary("Margin", compute="_compute_margin", compute_sudo=True, groups=COST_GROUP)
    margin_percent = fields.Float(
        "Margin (%)", compute="_compute_margin", compute_sudo=True, groups=COST_GROUP, digits=(16, 1), aggregator=None)
    hours = fields.Float("Hours Billed", compute="_compute_rates", compute_sudo=True, digits=(16, 2))
    average_rate = fields.Monetary(
        compute="_compute_rates", compute_sudo=True, aggregator=None,
        help="What an hour is billed at, write-downs deducted.")
    card_rate = fields.Monetary(
        compute="_compute_rates", compute_sudo=True, aggregator=None,
        help="What these hours are worth by the rates in force.")
    realisation = fields.Float(
        compute="_compute_rates", compute_sudo=True, digits=(16, 4), aggregator=None,
        help="Average rate against card rate.")
    billed_to_date = fields.Monetary(
        compute="_compute_contract", compute_sudo=True, help="On invoices of the contract, less credits, before tax.")
    contract_total = fields.Monetary(related="order_id.amount_untaxed", string="Contract Total")
    cap_left = fields.Monetary(
        compute="_compute_contract", compute_sudo=True, help="What the contract's cap still lets through.")
    has_cap = fields.Boolean(compute="_compute_contract", compute_sudo=True)
    last_invoice_id = fields.Many2one("account.move", compute="_compute_contract", compute_sudo=True)
    last_invoice_date = fields.Date(compute="_compute_contract", compute_sudo=True)
    last_invoice_amount = fields.Monetary(
        compute="_compute_contract", compute_sudo=True, help="Before tax.")

    # === COMPUTE === #
    def _compute_margin(self):
        costs = self._costs()
        for proposal in self:
            company = proposal.company_id
            cost = company.currency_id._convert(
                costs.get(proposal.id, 0.0), proposal.currency_id, company, proposal.period_end)
            revenue = proposal.amount_untaxed
            proposal.cost_amount = cost
            proposal.margin_amount = revenue - cost
            proposal.margin_percent = 100 * (revenue - cost) / revenue if revenue else 0.0

    def _costs(self):
        """Return ``{proposal id: cost}`` in the companies' currencies, of what is billed now. One query.

        An entry of which a part is billed costs that part.
        """
        self.env.flush_all()
        cost, joins = [SQL("-timesheet.amount"), SQL("expense.untaxed_amount_currency * expense.total_amount"
                                                      " / NULLIF(expense.total_amount_currency, 0)")], []
        if "vendor_line_id" in self.env["psa.entry"]._fields:
            cost.append(SQL("bill_line.balance"))
            joins.append(SQL("LEFT JOIN account_move_line bill_line ON bill_line.id = entry.vendor_line_id"))
        return {
            proposal_id: float(amount or 0)
            for proposal_id, amount in self.env.execute_query(SQL(
                """
                SELECT line.proposal_id,
                       SUM(COALESCE(%(cost)s, 0) * COALESCE(line.quantity / NULLIF(entry.quantity, 0), 1))
                  FROM psa_proposal_line line
                  JOIN psa_entry entry ON entry.id = line.entry_id
             LEFT JOIN account_analytic_line timesheet ON timesheet.id = entry.analytic_line_id
             LEFT JOIN hr_expense expense ON expense.id = entry.expense_id
                  %(joins)s
                 WHERE line.proposal_id = ANY(%(ids)s) AND line.decision = 'in'
              GROUP BY line.proposal_id
                """,
                cost=SQL(", ").join(cost), joins=SQL(" ").join(joins), ids=self.ids,
            ))
        }

    def _compute_rates(self):
        self.env.flush_all()
        found = {row[0]: row[1:] for row in self.env.execute_query(SQL(
            """
            SELECT line.proposal_id, SUM(line.quantity), SUM(line.amount), SUM(line.quantity * entry.rate)
              FROM psa_proposal_line line
              JOIN psa_entry entry ON entry.id = line.entry_id
             WHERE line.proposal_id = ANY(%s) AND line.decision = 'in' AND entry.kind = 'time'
          GROUP BY line.proposal_id
            """, self.ids))}
        for proposal in self:
            hours, amount, worth = (float(value or 0) for value in found.get(proposal.id, (0, 0, 0)))
            proposal.hours = hours
            proposal.average_rate = amount / hours if hours else 0.0
            proposal.card_rate = worth / hours if hours else 0.0
            proposal.realisation = amount / worth if worth else 0.0

    def _compute_contract(self):
        orders = self.order_id
        billed = dict(self.env["psa.entry"]._read_group(
            [("order_id", "in", orders.ids)], ["order_id"], ["allocated_amount:sum"]))
        room = self._room_of_caps(orders)
        last = self._last_invoices(orders)
        for proposal in self:
            order, move = proposal.order_id, last.get(proposal.order_id.id, self.env["account.move"])
            proposal.billed_to_date = billed.get(order, 0.0)
            proposal.has_cap = order.id in room
            proposal.cap_left = room.get(order.id, 0.0)
            proposal.last_invoice_id = move
            proposal.last_invoice_date = move.invoice_date
            proposal.last_invoice_amount = move.amount_untaxed

    def _room_of_caps(self, orders):
        """Return ``{order id: what its caps still let through}``, the tightest; contracts without a cap left out."""
        if "psa.cap" not in self.env:
            return {}
        room = {}
        for cap in self.env["psa.cap"].search([
            ("order_id", "in", orders.ids), ("kind", "=", "contract"), ("amount_limit", ">", 0)
        ]):
            left = cap.amount_limit - cap.reserved_amount
            room[cap.order_id.id] = min(left, room.get(cap.order_id.id, left))
        return room

    def _last_invoices(self, orders):
        """Return ``{order id: account.move}``, the latest posted invoice of each contract. One query."""
        self.env["psa.allocation"].flush_model()
        self.env["account.move"].flush_model(["state", "invoice_date"])
        found = dict(self.env.execute_query(SQL(
            """
            SELECT DISTINCT ON (entry.order_id) entry.order_id, move.id
              FROM psa_allocation allocation
              JOIN psa_entry entry ON entry.id = allocation.entry_id
              JOIN account_move move ON move.id = allocation.move_id
             WHERE entry.order_id = ANY(%s) AND allocation.kind = 'invoice' AND allocation.state = 'posted'
          ORDER BY entry.order_id, move.invoice_date DESC, move.id DESC
            """, orders.ids)))
        moves = self.env["account.move"].browse(found.values())
        return dict(zip(found, moves, strict=True))
