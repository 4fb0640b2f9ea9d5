from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .exception import OPEN_STATES


class PsaExceptionDue(models.Model):
    """From so much money on, exceptions of a company are due sooner than their cause says."""

    _name = "psa.exception.due"
    _description = "Due Sooner"
    _order = "company_id, amount desc, id"

    company_id = fields.Many2one("res.company", required=True, index=True, default=lambda self: self.env.company)
    cause_id = fields.Many2one("psa.exception.cause", ondelete="cascade", help="Empty: exceptions of every cause.")
    currency_id = fields.Many2one(related="company_id.currency_id")
    amount = fields.Monetary("From", required=True, help="Money at risk from which on this counts.")
    days = fields.Integer("Days to Solve", required=True, default=1)

    _amount_positive = models.Constraint("CHECK(amount >= 0 AND days >= 0)", "Amount and days cannot be negative.")

    @api.model
    def _days_sql(self, company_id, cause_id, amount, due_days):
        """Return the SQL of the days that an exception has."""
        return SQL(
            """LEAST(%(due_days)s, COALESCE((
                   SELECT MIN(step.days) FROM psa_exception_due step
                    WHERE step.company_id = %(company)s AND (step.cause_id IS NULL OR step.cause_id = %(cause)s)
                      AND ABS(%(amount)s) >= step.amount), %(due_days)s))""",
            due_days=due_days, company=company_id, cause=cause_id, amount=amount)

    @api.model
    def _days(self, keys):
        """Return ``{(company id, cause id, amount): days}`` in one query."""
        keys = list(set(keys))
        self.flush_model()
        self.env["psa.exception.cause"].flush_model(["due_days"])
        rows = self.env.execute_query(SQL(
            """
            SELECT asked.position, %s
              FROM unnest(%s::int[], %s::int[], %s::numeric[], %s::int[]) AS asked(company, cause, amount, position)
              JOIN psa_exception_cause cause ON cause.id = asked.cause
            """,
            self._days_sql(SQL("asked.company"), SQL("asked.cause"), SQL("asked.amount"), SQL("cause.due_days")),
            *(list(column) for column in zip(*keys, strict=True)), list(range(len(keys)))))
        return {keys[position]: days for position, days in rows}


class PsaException(models.Model):
    """Who works on it, until when, and who is told when it is late."""

    _inherit = "psa.exception"

    escalation = fields.Selection(
        [("owner", "Owner of the Cause"), ("manager", "Manager")], "Escalated to", readonly=True, tracking=True)
    escalated_on = fields.Date(readonly=True)

    # === ASSIGNMENT === #
    def write(self, vals):
        if vals.get("user_id") and "state" not in vals:
            self.filtered(lambda exception: exception.state == "new").sudo().write({"state": "assigned"})
        # The activity tells the person; nobody wants a second mail of each.
        told = self.with_context(mail_auto_subscribe_no_notify=True) if "user_id" in vals else self
        result = super(PsaException, told).write(vals)
        if "user_id" in vals:
            self._follow_assignment()
        return result

    def _follow_assignment(self):
        """The one that works on it has an activity, due when the exception is; nobody else has one any more.

        :raise UserError: a person without a role in the hub
        """
        self.activity_unlink(["psa_hub.activity_exception"])
        for (user, date_due), exceptions in self.filtered("is_open").grouped(
                lambda exception: (exception.user_id, exception.date_due)).items():
            if not user:
                continue
            if not user.sudo().has_group("psa_hub.group_operator"):
                raise UserError(self.env._(
                    "%s has no role in PSA Hub and cannot open exceptions. Use “Ask” instead: the answer comes back "
                    "here.", user.name))
            # One mail for one, none for many: they are in the list of activities, with their days.
            exceptions.with_context(mail_activity_quick_update=len(self) > 1).activity_schedule(
                "psa_hub.activity_exception", date_deadline=date_due, user_id=user.id,
                summary=self.env._("Solve this exception"))

    # === ESCALATION === #
    @api.model
    def _cron_escalate(self):
        """Tell the owner of the cause what is late, and its manager what is late by twice the time."""
        today = fields.Date.context_today(self)
        late = [("state", "in", OPEN_STATES), ("date_due", "<", today)]
        for cause, company in self._read_group(late, ["cause_id", "company_id"]):
            cause = cause.with_company(company)
            owner, manager = cause.user_id or cause.manager_id, cause.manager_id
            domain = [*late, ("cause_id", "=", cause.id), ("company_id", "=", company.id)]
            if owner:
                self.search([*domain, ("escalation", "=", False)])._escalate("owner", owner, today)
            if manager and manager != owner:
                told_by = fields.Date.subtract(today, days=max(cause.due_days, 1))
                self.search([*domain, ("escalation", "=", "owner"), ("escalated_on", "<=", told_by)])._escalate(
                    "manager", manager, today)

    def _escalate(self, level, user, today):
        """One activity for all of these, on the dearest of them: a person reads a sum, not a thousand reminders."""
        if not self:
            return
        dearest = self[:1]  # they come dearest first
        currency = dearest.currency_id
        dearest.activity_schedule(
            "psa_hub.activity_exception_escalation", user_id=user.id, date_deadline=today,
            summary=self.env._(
                "%(count)s late: %(cause)s, %(amount)s at risk", count=len(self), cause=dearest.cause_id.name,
                amount=currency.format(sum(self.mapped("amount")))))
        self.with_context(tracking_disable=True).write({"escalation": level, "escalated_on": today})
