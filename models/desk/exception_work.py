from collections import defaultdict

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

# Models whose records wait for an exception (``exception_id``, ``risk_amount``): which of them still do, their days.
HOLDERS = {
    "psa.message": (SQL("state NOT IN ('done', 'skipped')"), SQL("holder.work_from"), SQL("holder.work_to")),
    "psa.entry": (SQL("TRUE"), SQL("holder.work_date"), SQL("holder.work_date")),
}


class PsaException(models.Model):
    """Work on exceptions: what waits for them, how they end, and what a person can do."""

    _inherit = "psa.exception"

    psa_message_ids = fields.One2many("psa.message", "exception_id", "Records Held", readonly=True)
    entry_ids = fields.One2many("psa.entry", "exception_id", "Entries", readonly=True)

    # === BUSINESS: HOLDERS === #
    def _holder_totals(self):
        """Return ``{exception id: [count, {currency id: risk}, [days]]}`` of what waits; one query a holder model."""
        totals = {exception_id: [0, defaultdict(float), []] for exception_id in self.ids}
        for model_name, (waiting, first_day, last_day) in HOLDERS.items():
            holder = self.env[model_name]
            holder.flush_model()
            for exception_id, currency_id, count, risk, *days in self.env.execute_query(SQL(
                """
                SELECT holder.exception_id, company.currency_id, COUNT(*), SUM(holder.risk_amount),
                       MIN(%(first_day)s), MAX(%(last_day)s)
                  FROM %(table)s holder
             LEFT JOIN res_company company ON company.id = holder.company_id
                 WHERE holder.exception_id = ANY(%(ids)s) AND %(waiting)s
              GROUP BY holder.exception_id, company.currency_id
                """,
                table=SQL.identifier(holder._table), ids=self.ids, waiting=waiting, first_day=first_day,
                last_day=last_day,
            )):
                totals[exception_id][0] += count
                totals[exception_id][1][currency_id] += float(risk or 0.0)
                totals[exception_id][2].extend(filter(None, days))
        return totals

    def _refresh_amounts(self):
        """Set count, money at risk, period and due date from what waits now.

        The row is always written: two lanes that each finish one of the last two holders then collide (serialization
        failure, one is repeated) instead of each leaving the end to the other.
        """
        if not self:
            return
        self = self.sudo()
        self.flush_recordset()
        today = fields.Date.context_today(self)
        values = []
        by_id = {exception.id: exception for exception in self}
        for exception_id, (count, risks, days) in sorted(self._holder_totals().items()):
            exception = by_id[exception_id]
            company = exception.company_id
            risk = sum(
                self.env["res.currency"].browse(currency_id or company.currency_id.id)
                ._convert(amount, company.currency_id, company, today)
                for currency_id, amount in risks.items()
            )
            values.append(SQL(
                "(%s, %s, %s::numeric, %s::date, %s::date)", exception_id, count, company.currency_id.round(risk),
                min(days, default=None), max(days, default=None)))
        self.env.execute_query(SQL(
            """
            UPDATE psa_exception exception
               SET holder_count = total.holders,
                   amount = total.money,
                   period_from = COALESCE(total.period_from, exception.period_from),
                   period_to = COALESCE(total.period_to, exception.period_to),
                   date_due = CASE WHEN exception.due_by_hand THEN exception.date_due
                                   ELSE exception.first_seen::date + %(due_days)s END
              FROM (SELECT held.*, CASE WHEN held.risk = 0 THEN open.stated_amount ELSE held.risk END AS money
                      FROM (VALUES %(values)s) AS held(id, holders, risk, period_from, period_to)
                      JOIN psa_exception open ON open.id = held.id) total,
                   psa_exception_cause cause
             WHERE exception.id = total.id AND cause.id = exception.cause_id
            RETURNING exception.id
            """,
            values=SQL(", ").join(values),
            due_days=self.env["psa.exception.due"]._days_sql(
                SQL("exception.company_id"), SQL("exception.cause_id"), SQL("total.money"), SQL("cause.due_days")),
        ))
        self.invalidate_recordset(["holder_count", "amount", "period_from", "period_to", "date_due"])

    def _close_if_released(self):
        """Resolve the open ones among these that nothing waits for any more.

        :return: the exceptions that were closed
        """
        still_open = self.sudo().filtered("is_open")
        still_open._refresh_amounts()
        released = still_open.filtered(lambda exception: not exception.holder_count)
        released._close("resolved")
        return released

    def _close(self, state, reason=None):
        """Set the end state, drop open activities and write the audit rows. No rights are checked here."""
        self = self.sudo().filtered("is_open")
        if not self:
            return
        before = {exception.id: exception.state for exception in self}
        self.with_context(tracking_disable=True).write({
            "state": state,
            "closed_at": fields.Datetime.now(),
            "closed_by_id": self.env.uid,
            "close_reason": reason,
            "waive_asked_by_id": False,
        })
        self.env["mail.activity"].search([
            "|", "&", ("res_model", "=", self._name), ("res_id", "in", self.ids), ("psa_exception_id", "in", self.ids),
        ]).unlink()
        if state == "resolved":
            self._tell_later()
        self.env["psa.audit"]._log([
            {
                "event": f"exception.{state}",
                "res_model": self._name,
                "res_id": exception.id,
                "company_id": exception.company_id.id,
                "before": {"state": before[exception.id], "amount": exception.amount},
                "after": {"state": state},
                "reason": reason,
            }
            for exception in self
        ])

    # === ACTIONS === #
    def action_help(self):
        """Show the help of the cause."""
        return self.cause_id.action_help()

    def _check_open(self):
        self.check_access("write")
        if closed := self.filtered(lambda exception: not exception.is_open):
            raise UserError(self.env._("“%s” is closed already.", closed[0].name))

    def action_assign(self, user_id=None):
        """Give these to a person (by default: to me), with an activity due when the exception is."""
        self._check_open()
        user = self.env["res.users"].browse(user_id) if user_id else self.env.user
        self.write({"user_id": user.id})  # which makes the activity

    def action_retry(self):
        """Send everything that waits for these on its way again; what still fails comes back to the same exception.

        A connection's exception tries the connection instead: its work waits for the connection, not for a retry, and
        a good answer closes the exception.
        """
        self._check_open()
        refused = self.filtered(lambda exception: exception.category == "connection" and exception.connection_id)
        if refused:
            refused.connection_id.sudo().action_check()  # first: it works in transactions of its own
        count = (self - refused)._retry_held()
        self.env["psa.audit"]._log([
            {
                "event": "exception.retry",
                "res_model": exception._name,
                "res_id": exception.id,
                "company_id": exception.company_id.id,
                "before": {"holders": exception.holder_count, "amount": exception.amount},
            }
            for exception in self
        ])
        return self._tell(self._retry_outcome(refused.connection_id.sudo(), count), {
            "type": "ir.actions.client", "tag": "soft_reload",
        })

    def _retry_held(self):
        """Let go what waits for these and work on it now. Return the number of records."""
        held = self.sudo()
        held.write({"state": "retrying"})  # first: entries are tried at once, and may come back
        return held._release_holders("retry")

    def _retry_outcome(self, connections, count):
        """Return the sentence that tells what a retry did."""
        failing = connections.filtered(lambda connection: connection.state != "connected")
        if failing:
            return self.env._("%s still does not work. The check on its page says why.", failing[0].name)
        if connections and not count:
            return self.env._("The connection works. What waited for it goes on.")
        return self.env._("%s records go again. What still fails comes back here.", count)

    def _tell(self, message, then):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"type": "info", "message": message, "next": then},
        }

    def _release_holders(self, how, reason=None):
        """Retry or waive every record that waits for these.

        :param how: ``retry`` or ``waive``
        :return: number of records
        """
        messages = self.env["psa.message"].search([
            ("exception_id", "in", self.ids), ("state", "not in", ("done", "skipped")),
        ])
        entries = self.env["psa.entry"].search([("exception_id", "in", self.ids)])
        for holders in (messages, entries):
            if holders:
                holders.action_waive(reason) if how == "waive" else holders.action_retry()
        if how == "retry":
            messages._work_now()
        return len(messages) + len(entries)

    def action_wait_for_source(self):
        """Say that the source has been asked; it goes back to work when the source sends it again."""
        self._check_open()
        self.sudo().write({"state": "waiting_source"})
