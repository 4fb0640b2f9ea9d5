from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from .pricing import plain

MAIL_HUSH = {"mail_activity_quick_update": True, "mail_notrack": True, "mail_auto_subscribe_no_notify": True}


class PsaCap(models.Model):
    """How fast a cap is used, when it will be used up, and who is warned before."""

    _inherit = "psa.cap"

    # === FIELDS === #
    left_amount = fields.Monetary("Left", compute="_compute_burn")
    left_quantity = fields.Float("Hours Left", digits=(16, 2), compute="_compute_burn")
    used_percent = fields.Float(
        "Used %", digits=(16, 1), compute="_compute_burn", help="Of the limit in money or hours that is used more.")
    waiting_amount = fields.Monetary("Waiting", compute="_compute_waiting_amount", help="Approved work over this cap.")
    burn_days = fields.Integer(
        "Days to Look Back", default=28, required=True, help="The recent burn rate is the average of these days.")
    burn_amount = fields.Monetary("Per Week", compute="_compute_burn", help="Recent use of an average week.")
    burn_quantity = fields.Float("Hours per Week", digits=(16, 2), compute="_compute_burn")
    exhausted_on = fields.Date(
        "Used Up On", compute="_compute_burn", help="The day on which the cap is used up if work goes on as recently.")
    warn_percent = fields.Float(
        "First Warning at %", digits=(16, 1), default=80.0, required=True,
        help="The contract's responsible gets an activity once so much is used.")
    alert_percent = fields.Float("Last Warning at %", digits=(16, 1), default=100.0, required=True)
    warned_at = fields.Float("Warned at %", readonly=True, copy=False, default=0.0)

    _burn_days_positive = models.Constraint("CHECK (burn_days > 0)", "Look back at least one day.")
    _percents_ordered = models.Constraint(
        "CHECK (warn_percent > 0 AND alert_percent >= warn_percent)", "The last warning comes after the first one.")

    # === COMPUTE === #
    @api.depends("amount_limit", "quantity_limit", "reserved_amount", "reserved_quantity", "burn_days")
    def _compute_burn(self):
        """Use of the last days up to today, by work date; one query for all caps."""
        today = fields.Date.context_today(self)
        recent = self._recent_use(today)
        for cap in self:
            amount, quantity = recent.get(cap._origin.id, (0.0, 0.0))
            days = max(cap.burn_days, 1)
            left, percents = [], [0.0]
            cap.left_amount = cap.amount_limit - cap.reserved_amount if cap.amount_limit else 0.0
            cap.left_quantity = cap.quantity_limit - cap.reserved_quantity if cap.quantity_limit else 0.0
            cap.burn_amount, cap.burn_quantity = amount * 7 / days, quantity * 7 / days
            for limit, used, recently in (
                (cap.amount_limit, cap.reserved_amount, amount),
                (cap.quantity_limit, cap.reserved_quantity, quantity),
            ):
                if not limit:
                    continue
                percents.append(100.0 * used / limit)
                if used >= limit:
                    left.append(0)
                elif recently > 0:
                    left.append((limit - used) * days / recently)
            cap.used_percent = max(percents)
            cap.exhausted_on = today + timedelta(days=int(min(left))) if left and min(left) < 36500 else False

    def _recent_use(self, today):
        """Return ``{cap id: (amount, hours)}`` of work in each cap's last days."""
        if not self._origin:
            return {}
        self.env["psa.cap.use"].flush_model()
        self.flush_model(["burn_days"])
        return {
            cap_id: (float(amount), float(quantity))
            for cap_id, amount, quantity in self.env.execute_query(SQL(
                """
                SELECT cap.id, SUM(used.amount), SUM(used.quantity)
                  FROM psa_cap cap
                  JOIN psa_cap_use used ON used.cap_id = cap.id
                   AND used.work_date > %(today)s - cap.burn_days AND used.work_date <= %(today)s
                 WHERE cap.id = ANY(%(ids)s)
              GROUP BY cap.id
                """,
                today=today, ids=self._origin.ids,
            ))
        }

    @api.depends("reserved_amount")
    def _compute_waiting_amount(self):
        Entry = self.env["psa.entry"].sudo()
        waiting = {}
        for cap, state, amount, over in Entry._read_group(
            Domain("over_cap_id", "in", self._origin.ids) & Domain("state", "in", ("held", "approved")),
            ["over_cap_id", "state"], ["amount:sum", "over_cap_amount:sum"],
        ):
            waiting[cap.id] = waiting.get(cap.id, 0.0) + (amount if state == "held" else over)
        for cap in self:
            cap.waiting_amount = waiting.get(cap._origin.id, 0.0)

    # === WARNING === #
    def _warn_near_limit(self):
        """Tell the contract's responsible once when a threshold is reached; after a raised limit again."""
        for cap in self:
            percent = cap.used_percent
            reached = max((
                threshold for threshold in (cap.warn_percent, cap.alert_percent) if percent >= threshold), default=0.0)
            if reached == cap.warned_at:
                continue
            if reached > cap.warned_at:
                cap._warn(reached)
            cap.warned_at = reached

    def _warn(self, reached):
        user = self._responsible()
        limits = [self.currency_id.format(self.amount_limit)] if self.amount_limit else []
        if self.quantity_limit:
            limits.append(self.env._("%s hours", plain(self.quantity_limit)))
        self.order_id.with_context(**MAIL_HUSH).activity_schedule(
            "mail.mail_activity_data_todo",
            date_deadline=fields.Date.context_today(self),
            summary=self.env._("%(percent)s %% of %(cap)s is used", percent=plain(reached), cap=self.display_name),
            note=self.env._(
                "%(used)s of %(limit)s is approved or billed.",
                used=self.currency_id.format(self.reserved_amount), limit=", ".join(limits)),
            user_id=user.id,
        )

    def _responsible(self):
        """Return who looks after the contract: its salesperson, else the project's manager, else who made the cap."""
        order = self.order_id
        return order.user_id or order.project_ids.user_id[:1] or self.create_uid

    # === IN PLAIN WORDS === #
    def _held_sentence(self):
        """Return what the exception of this cap says."""
        self.ensure_one()
        limits = [self.currency_id.format(self.amount_limit)] if self.amount_limit else []
        if self.quantity_limit:
            limits.append(self.env._("%s hours", plain(self.quantity_limit)))
        return self.env._(
            "%(cap)s of %(customer)s lets through %(limit)s, and approved work is over it",
            cap=self.display_name, customer=self.order_id.partner_id.name, limit=", ".join(limits),
        )

    def _follow_overdrawn(self, overdrawn):
        """Raise or end the exception of a cap in whose room work was billed before that room was taken back.

        :param overdrawn: ``{cap id: [amount, hours]}``
        """
        self.env["psa.exception"]._raise([
            {
                "cause": "cap_reached",
                "subject_key": f"cap:{cap.id}:overdrawn",
                "text": self.env._(
                    "A correction that had made room under %(cap)s was taken back after %(amount)s was billed in it",
                    cap=cap.display_name, amount=cap.currency_id.format(float(overdrawn[cap.id][0]))),
                "company_id": cap.company_id.id,
                "amount": float(overdrawn[cap.id][0]),
                "currency_id": cap.currency_id.id,
                "res_model": cap._name,
                "res_id": cap.id,
                "order_id": cap.order_id.id,
            }
            for cap in self if cap.id in overdrawn
        ])
        over = [f"cap:{cap.id}:overdrawn" for cap in self if cap.id not in overdrawn]
        self.env["psa.exception"].sudo().search([
            ("cause_code", "=", "cap_reached"), ("subject_key", "in", over), ("is_open", "=", True),
        ])._close_if_released()

    # === ACTIONS === #
    def action_open_waiting(self):
        """Show the entries that wait for this cap."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Over the Cap"),
            "res_model": "psa.entry",
            "view_mode": "list,kanban,form",
            "domain": [("over_cap_id", "=", self.id), ("state", "in", ("held", "approved"))],
        }
