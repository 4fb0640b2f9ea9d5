import json

from odoo import api, fields, models
from odoo.tools import SQL

from ..billing.proposal import OPEN_STATES


class PsaHold(models.Model):
    """The log follows what is so: rows are opened when a hold is seen, and closed in the transaction that lifts it."""

    _inherit = "psa.hold"

    @api.model
    def _follow(self, orders, released_by="terms", moves=None):
        """Look at ``orders`` now, open and close the rows of the log, and tell the salespeople.

        :param released_by: what lifts the holds that are gone: a key of :data:`~.hold.RELEASES`
        :param moves: ``{debtor id: account.move}``: the payment or credit note behind it
        :return: what :meth:`_find` says
        """
        self = self.sudo()
        found = self._find(orders)
        now = {hold.key: hold for holds in found.values() for hold in holds if hold.kind != "manual"}
        looked_at = {
            (order.company_id.id, order.partner_invoice_id.commercial_partner_id.id) for order in orders.sudo()}
        logged = self.search([
            ("released_at", "=", False), ("kind", "!=", "manual"),
            "|", ("order_id", "in", orders.ids),
            "&", ("order_id", "=", False), ("partner_id", "in", [partner_id for _company, partner_id in looked_at]),
        ]).filtered(lambda hold: hold.order_id or (hold.company_id.id, hold.partner_id.id) in looked_at)
        known = {hold._key(): hold for hold in logged}
        for key, hold in known.items():
            if key in now and (hold.amount, hold.reason) != (now[key].amount, now[key].text):
                hold.write({"amount": now[key].amount, "reason": now[key].text})
        gone = self.union(*(hold for key, hold in known.items() if key not in now))
        gone._release(released_by, moves=moves)
        self._open_rows([hold for key, hold in now.items() if key not in known])
        self._refresh_pages()
        return found

    def _key(self):
        return self.company_id.id, self.partner_id.id, self.kind, self.order_id.id or 0

    @api.model
    def _open_rows(self, found):
        """Log holds that were not there before, in one statement; who sees the same at once logs it once."""
        if not found:
            return self
        rows = json.dumps([
            {
                "kind": hold.kind, "company_id": hold.company_id, "partner_id": hold.partner_id,
                "order_id": hold.order_id or None, "amount": hold.amount, "reason": hold.text,
                "since": (hold.since or fields.Date.context_today(self)).isoformat(),
            }
            for hold in found
        ])
        self.flush_model()
        ids = self.env.execute_query(SQL(
            """
            INSERT INTO psa_hold (kind, company_id, partner_id, order_id, amount, reason, since, state, opened_at,
                                  create_uid, write_uid, create_date, write_date)
            SELECT kind, company_id, partner_id, order_id, amount, reason, since, 'open', now() AT TIME ZONE 'UTC',
                   %(uid)s, %(uid)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
              FROM json_populate_recordset(NULL::psa_hold, %(rows)s::json)
            ON CONFLICT DO NOTHING
            RETURNING id
            """,
            uid=self.env.uid, rows=rows,
        ))
        holds = self.browse([row[0] for row in ids])
        holds._tell_salespeople()
        holds._log("hold.open")
        return holds

    def _release(self, released_by, reason=None, moves=None):
        """Close these rows. No rights are checked here.

        :param moves: ``{debtor id: account.move}``
        """
        if not self:
            return
        for hold in self:
            hold.write({
                "released_at": fields.Datetime.now(),
                "released_by": released_by,
                "released_by_id": self.env.uid,
                "release_reason": reason,
                "release_move_id": (moves or {}).get(hold.partner_id.id, self.env["account.move"]).id,
            })
        self.notice_ids.unlink()
        self._log("hold.release", reason, released_by=released_by)
        proposals = self.env["psa.proposal"].sudo().search(
            [("state", "in", OPEN_STATES), ("order_id", "in", self._orders().ids)])
        label = dict(self._fields["released_by"]._description_selection(self.env))[released_by]
        proposals._message_log_batch(bodies={
            proposal.id: self.env._("A hold was released (%s).", label) for proposal in proposals})
        self._refresh_pages()

    # === WHO SHOULD KNOW === #
    def _orders(self):
        """Return the confirmed contracts that these hold."""
        orders = self.order_id
        if of_customer := self.filtered(lambda hold: not hold.order_id):
            orders |= self.env["sale.order"].sudo().search([
                ("psa_contract", "=", True), ("state", "=", "sale"),
                ("company_id", "in", of_customer.company_id.ids),
                ("partner_invoice_id.commercial_partner_id", "in", of_customer.partner_id.ids),
            ])
        return orders

    def _tell_salespeople(self):
        """Give the salesperson of what is held one activity a hold, that says why; it goes when the hold does."""
        if not self:
            return
        Activity = self.env["mail.activity"].sudo().with_context(mail_activity_quick_update=True)
        orders = self._orders().filtered("user_id")
        labels = dict(self._fields["kind"]._description_selection(self.env))
        model_id = self.env["ir.model"]._get_id("sale.order")
        type_id = self.env.ref("mail.mail_activity_data_warning").id
        vals_list, holds = [], []
        for hold in self:
            mine = orders.filtered(lambda order, hold=hold: order == hold.order_id or (
                not hold.order_id and order.company_id == hold.company_id
                and order.partner_invoice_id.commercial_partner_id == hold.partner_id))
            for user, of_user in mine.grouped("user_id").items():
                holds.append(hold)
                vals_list.append({
                    "res_model_id": model_id,
                    "res_id": of_user[0].id,
                    "activity_type_id": type_id,
                    "user_id": user.id,
                    "date_deadline": fields.Date.context_today(self),
                    "summary": self.env._(
                        "Not billed: %(kind)s of %(customer)s", kind=labels[hold.kind].lower(),
                        customer=hold.partner_id.name),
                    "note": f"{hold.reason} ({', '.join(of_user.mapped('name'))})",
                })
        for hold, activity in zip(holds, Activity.create(vals_list), strict=True):
            hold.notice_ids |= activity

    @api.model
    def _refresh_pages(self):
        """Pages that were read before in this transaction read again."""
        self.env["psa.proposal"].invalidate_model(
            ["on_hold", "hold_amount", "hold_since", "hold_text", "hold_kinds"])
        self.env["sale.order"].invalidate_model(["psa_on_hold", "psa_hold_text"])

    # === WATCH === #
    @api.model
    def _cron_watch(self):
        """Once a day: what became overdue by the calendar alone is logged and told, for contracts with open work."""
        orders = self.env["psa.proposal"].search([("state", "in", OPEN_STATES)]).order_id
        orders |= self.search([("released_at", "=", False), ("kind", "!=", "manual")])._orders()
        self._follow(orders)
