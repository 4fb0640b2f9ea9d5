import re
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from .pricing import decimal_of, plain

_DEFAULT_ALERTS = "50, 75, 90, 100"


class PsaRetainer(models.Model):
    """Telling people before a retainer is used up: the project manager and the contract's salesperson."""

    _inherit = "psa.retainer"

    alert_at = fields.Char(
        "Tell at (% Used)", compute="_compute_alert_at", store=True, readonly=False, precompute=True,
        help="Percentages, separated by commas. Each is told once; what is added makes it start again.")
    alerted_percent = fields.Integer(readonly=True, copy=False, help="The highest percentage that was told.")

    @api.depends("fee_line_id")
    def _compute_alert_at(self):
        for retainer in self:
            prepaid = retainer.fee_line_id.psa_billing_method == "prepaid"
            retainer.alert_at = retainer.alert_at or (_DEFAULT_ALERTS if prepaid else False)

    @api.constrains("alert_at")
    def _check_alert_at(self):
        for retainer in self:
            if any(not 0 < threshold <= 100 for threshold in retainer._thresholds()):
                raise ValidationError(self.env._("Percentages to tell at are between 1 and 100."))

    def _thresholds(self):
        """Return the percentages to tell at, a sorted list of integers."""
        self.ensure_one()
        words = [word for word in re.split(r"[,;\s]+", self.alert_at or "") if word]
        try:
            return sorted({int(word) for word in words})
        except ValueError:
            raise ValidationError(self.env._("Write percentages like this: %s", _DEFAULT_ALERTS))

    def _used(self):
        """Return ``{retainer id: percent used of what serves today, a Decimal}``. One query."""
        Move = self.env["psa.retainer.move"]
        Move.flush_model()
        today = fields.Date.context_today(self)
        return {
            retainer_id: (decimal_of(units) - decimal_of(rest)) * 100 / decimal_of(units)
            for retainer_id, units, rest in self.env.execute_query(SQL(
                """
                SELECT retainer_id, SUM(units)::text, SUM(rest)::text FROM psa_retainer_move
                 WHERE retainer_id = ANY(%s) AND lot_id IS NULL
                   AND (expires_on IS NULL OR expires_on >= %s)
              GROUP BY retainer_id HAVING SUM(units) > 0
                """,
                self._origin.ids, today,
            ))
        }

    def _alert(self):
        """Tell who should know that a percentage was passed, once."""
        watched = self.sudo().filtered("alert_at")
        if not watched:
            return
        used = watched._used()
        for retainer in watched:
            passed = [step for step in retainer._thresholds() if step <= used.get(retainer.id, Decimal(0))]
            if passed and passed[-1] > retainer.alerted_percent:
                retainer.alerted_percent = passed[-1]
                retainer._tell(passed[-1])

    def _reset_alerts(self):
        """Something was added: what was told counts from what is used of it now."""
        watched = self.sudo()
        used = watched._used()
        for retainer in watched.filtered("alert_at"):
            passed = [step for step in retainer._thresholds() if step <= used.get(retainer.id, Decimal(0))]
            retainer.alerted_percent = passed[-1] if passed else 0

    def _tell(self, percent):
        """Make the activities: on the contract for its salesperson, on the project for its manager."""
        self.ensure_one()
        left = (
            self.currency_id.format(self.balance) if self.unit == "amount"
            else self.env._("%s hours", plain(round(self.balance, 2))))
        summary = self.env._("%(retainer)s: %(percent)s %% used, %(left)s left", retainer=self.name, percent=percent,
                             left=left)
        projects = self.env["project.project"].search([("psa_contract_id", "=", self.order_id.id)])
        told = self.env["res.users"]
        for record in (self.order_id, *projects):
            user = record.user_id
            if user and user not in told:
                told |= user
                record.with_context(mail_activity_quick_update=True).activity_schedule(
                    "mail.mail_activity_data_todo", summary=summary, user_id=user.id)
