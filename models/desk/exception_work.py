from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

# Models whose records wait for an exception (``exception_id``, ``risk_amount``), and which of them still do.
HOLDERS = {
    "psa.message": SQL("state NOT IN ('done', 'skipped')"),
    "psa.entry": SQL("TRUE"),
}


class PsaException(models.Model):
    """Work on exceptions: what waits for them, how they end, and what a person can do."""

    _inherit = "psa.exception"

    psa_message_ids = fields.One2many("psa.message", "exception_id", "Records Held", readonly=True)
    entry_ids = fields.One2many("psa.entry", "exception_id", "Entries", readonly=True)

    # === BUSINESS: HOLDERS === #
    def _holder_totals(self):
        """Return ``{exception id: (count, {currency id: risk})}`` of what still waits, in one query a holder model."""
        totals = {exception_id: [0, defaultdict(float)] for exception_id in self.ids}
        for model_name, waiting in HOLDERS.items():
            holder = self.env[model_name]
            holder.flush_model()
            for exception_id, currency_id, count, risk in self.env.execute_query(SQL(
                """
                SELECT holder.exception_id, company.currency_id, COUNT(*), SUM(holder.risk_amount)
                  FROM %(table)s holder
             LEFT JOIN res_company company ON company.id = holder.company_id
                 WHERE holder.exception_id = ANY(%(ids)s) AND %(waiting)s
              GROUP BY holder.exception_id, company.currency_id
                """,
                table=SQL.identifier(holder._table), ids=self.ids, waiting=waiting,
            )):
                totals[exception_id][0] += count
                totals[exception_id][1][currency_id] += float(risk or 0.0)
        return totals

    def _refresh_amounts(self):
        """Set count and money at risk from what waits now.

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
        for exception_id, (count, risks) in sorted(self._holder_totals().items()):
            exception = by_id[exception_id]
            company = exception.company_id
            risk = sum(
                self.env["res.currency"].browse(currency_id or company.currency_id.id)
                ._convert(amount, company.currency_id, company, today)
                for currency_id, amount in risks.items()
            )
            values.append(SQL("(%s, %s, %s::numeric)", exception_id, count, company.currency_id.round(risk)))
        self.env.execute_query(SQL(
            """
            UPDATE psa_exception exception
               SET holder_count = total.holders,
                   amount = CASE WHEN total.risk = 0 THEN exception.stated_amount ELSE total.risk END
              FROM (VALUES %s) AS total(id, holders, risk)
             WHERE exception.id = total.id
            RETURNING exception.id
            """,
            SQL(", ").join(values),
        ))
        self.invalidate_recordset(["holder_count", "amount"])

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
        })
        self.env["mail.activity"].search([("res_model", "=", self._name), ("res_id", "in", self.ids)]).unlink()
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
    def _check_open(self):
        self.check_access("write")
        if closed := self.filtered(lambda exception: not exception.is_open):
            raise UserError(self.env._("“%s” is closed already.", closed[0].name))

    def action_assign(self, user_id=None):
        """Give these to a person (by default: to me), with an activity due when the exception is."""
        self._check_open()
        user = self.env["res.users"].browse(user_id) if user_id else self.env.user
        self.write({"user_id": user.id})
        for date_due, exceptions in self.grouped("date_due").items():
            exceptions.activity_schedule(
                "mail.mail_activity_data_todo",
                date_deadline=date_due,
                summary=self.env._("Solve this exception"),
                user_id=user.id,
            )

    def action_retry(self):
        """Send everything that waits for these on its way again; what still fails comes back to the same exception.

        A connection's exception tries the connection instead: its work waits for the connection, not for a retry, and
        a good answer closes the exception.
        """
        self._check_open()
        refused = self.filtered(lambda exception: exception.category == "connection" and exception.connection_id)
        if refused:
            refused.connection_id.sudo().action_check()  # first: it works in transactions of its own
        held = (self - refused).sudo()
        held.write({"state": "retrying"})  # first: entries are tried at once, and may come back
        count = held._release_holders("retry")
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
        return len(messages) + len(entries)

    def action_wait_for_source(self):
        """Say that the source has been asked; it goes back to work when the source sends it again."""
        self._check_open()
        self.sudo().write({"state": "waiting_source"})

    def action_waive(self, reason):
        """Give up on what these hold, for good: their messages are skipped, their entries excluded from billing.

        :param reason: why, kept with the exception and in the audit trail
        :raise AccessError: a reviewer waives up to the company's limit; above it an approver is needed
        """
        self._check_open()
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: a waived exception keeps its reason for ever."))
        for exception in self:
            self._check_may_waive(exception.name, exception.amount, exception.company_id)
        self._close("waived", reason)
        self.sudo()._release_holders("waive", reason)
        for exception in self.sudo():
            exception._message_log(body=self.env._("Waived: %s", reason))

    @api.model
    def _check_may_waive(self, name, amount, company):
        """Refuse unless the user may give up ``amount`` (in the currency of ``company``).

        :raise AccessError: a reviewer waives up to the company's limit; above it an approver is needed
        """
        if self.env.su or self.env.user.has_group("psa_hub.group_approver"):
            return
        if not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may waive."))
        limit = company.sudo().psa_waive_limit
        if abs(amount) > limit:
            currency = company.sudo().currency_id
            raise AccessError(self.env._(
                "“%(name)s” puts %(amount)s at risk; above %(limit)s an approver must waive it.",
                name=name, amount=currency.format(amount), limit=currency.format(limit),
            ))

    def write(self, vals):
        if vals.get("user_id") and "state" not in vals:
            self.filtered(lambda exception: exception.state == "new").sudo().write({"state": "assigned"})
        return super().write(vals)
