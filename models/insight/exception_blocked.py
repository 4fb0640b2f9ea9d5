from odoo import api, fields, models
from odoo.tools import SQL

from ..billing.proposal import OPEN_STATES


class PsaException(models.Model):
    """What stands still behind an exception: records that wait for what it holds, and the invoices without them."""

    _inherit = "psa.exception"

    chain_count = fields.Integer(
        "Records Behind It", compute="_compute_blocked", compute_sudo=True,
        help="They wait for what this holds, or for one of them.")
    chain_amount = fields.Monetary("Money Behind It", compute="_compute_blocked", compute_sudo=True)
    blocked_order_ids = fields.Many2many(
        "sale.order", compute="_compute_blocked", compute_sudo=True, string="Contracts Held Up",
        groups="sales_team.group_sale_salesman")
    blocked_count = fields.Integer(
        "Invoices Waiting", compute="_compute_blocked", compute_sudo=True,
        help="Contracts whose next invoice lacks what waits here.")

    @api.depends("state", "holder_count", "order_id")
    def _compute_blocked(self):
        chain = self._chain()
        entry_orders = dict(self.env["psa.entry"]._read_group(
            [("exception_id", "in", self.ids)], ["exception_id"], ["order_id:recordset"]))
        for exception in self:
            count, amount, order_ids = chain.get(exception.id, (0, 0.0, set()))
            orders = exception.order_id | self.env["sale.order"].browse(sorted(order_ids))
            orders |= entry_orders.get(exception, orders.browse())
            exception.chain_count = count
            exception.chain_amount = amount
            exception.blocked_order_ids = orders if exception.is_open else False
            exception.blocked_count = len(orders) if exception.is_open else 0

    def _chain(self):
        """Follow the messages that wait for each other, in one query.

        :return: ``{exception id: (messages behind those that it holds, their money, ids of all contracts)}``
        """
        self.env["psa.message"].flush_model()
        self.flush_model(["subject_key"])
        today = fields.Date.context_today(self)
        found = {}
        for exception_id, company_id, count, amount, order_ids in self.env.execute_query(SQL(
            """
            WITH RECURSIVE held AS (
                SELECT exception.id AS root, message.id, FALSE AS behind
                  FROM psa_exception exception JOIN psa_message message ON message.exception_id = exception.id
                 WHERE exception.id = ANY(%(ids)s) AND message.state NOT IN ('done', 'skipped')
                 UNION
                SELECT exception.id, message.id, TRUE
                  FROM psa_exception exception JOIN psa_message message ON message.wait_key = exception.subject_key
                 WHERE exception.id = ANY(%(ids)s) AND message.state = 'waiting'
            ), chain AS (
                SELECT root, id, behind FROM held
                 UNION
                SELECT chain.root, waiting.id, TRUE
                  FROM chain JOIN psa_message parent ON parent.id = chain.id
                  JOIN psa_message waiting
                    ON waiting.wait_key = 'record:' || parent.connection_id || ':' || parent.object_type || ':'
                                          || parent.external_id
                   AND waiting.state IN ('waiting', 'held') AND waiting.id <> parent.id
            ), whole AS (SELECT root, id, BOOL_AND(behind) AS behind FROM chain GROUP BY root, id)
            SELECT whole.root, message.company_id, COUNT(*) FILTER (WHERE whole.behind),
                   SUM(message.risk_amount) FILTER (WHERE whole.behind), ARRAY_AGG(DISTINCT message.order_id)
              FROM whole JOIN psa_message message ON message.id = whole.id
          GROUP BY whole.root, message.company_id
            """, ids=self.ids)):
            exception, company = self.browse(exception_id), self.env["res.company"].browse(company_id).sudo()
            money = company.currency_id._convert(
                float(amount or 0), exception.currency_id, exception.company_id.sudo(), today)
            before, sum_before, orders = found.get(exception_id, (0, 0.0, set()))
            found[exception_id] = (before + count, sum_before + money, orders | set(filter(None, order_ids)))
        return found

    def action_open_blocked(self):
        """The proposals that this keeps something from; contracts that have none yet."""
        self.ensure_one()
        orders = self.sudo().blocked_order_ids
        proposals = self.env["psa.proposal"].search([("order_id", "in", orders.ids), ("state", "in", OPEN_STATES)])
        if proposals.sudo().order_id == orders:
            return self._open(proposals, self.env._("Invoices That Wait"))
        return self._open(orders.sudo(False), self.env._("Contracts Held Up"))
