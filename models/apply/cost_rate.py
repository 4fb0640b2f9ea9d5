from collections import defaultdict

from odoo import api, fields, models
from odoo.tools import SQL

from ..billing.entry import RATE_DIGITS
from .tools import changed_values, write_grouped


class PsaCostRate(models.Model):
    """What an hour of a person costs from a day on, until the next row of the person.

    Odoo keeps one hourly cost, today's. Timesheets of people with a history take the cost of their work date instead,
    also when the row comes later than the work; the employee's hourly cost follows what is in force.
    """

    _name = "psa.cost.rate"
    _description = "Hourly Cost from a Day on"
    _order = "employee_id, date_from desc nulls last, id desc"
    _check_company_auto = True

    # === FIELDS === #
    employee_id = fields.Many2one("hr.employee", "Person", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(
        related="employee_id.company_id", store=True, index=True, precompute=True, related_sudo=True)
    date_from = fields.Date("From", help="First work date at this cost. Empty: since ever.")
    amount = fields.Float("Cost per Hour", digits=RATE_DIGITS, required=True, aggregator=None)
    currency_id = fields.Many2one(
        "res.currency", required=True, compute="_compute_currency_id", store=True, readonly=False, precompute=True,
        ondelete="restrict")
    hourly_cost = fields.Float(
        "In the Company's Currency", digits=RATE_DIGITS, compute="_compute_hourly_cost", store=True, aggregator=None,
        help="At the exchange rate of the first day.")
    source = fields.Char(readonly=True)

    _one_a_day = models.UniqueIndex(
        "(employee_id, COALESCE(date_from, '0001-01-01'::date))", "The person has a cost from that day on already.")
    _not_negative = models.Constraint("CHECK (amount >= 0)", "A cost cannot be negative.")

    # === COMPUTE === #
    @api.depends("company_id")
    def _compute_currency_id(self):
        for cost in self:
            cost.currency_id = cost.currency_id or cost.company_id.currency_id

    @api.depends("amount", "currency_id", "date_from", "company_id")
    def _compute_hourly_cost(self):
        for cost in self:
            company, currency = cost.company_id, cost.currency_id
            cost.hourly_cost = cost.amount if not currency or currency == company.currency_id else currency._convert(
                cost.amount, company.currency_id, company, cost.date_from or fields.Date.context_today(self),
                round=False)

    @api.depends("employee_id", "date_from", "amount", "currency_id")
    def _compute_display_name(self):
        for cost in self.sudo():
            cost.display_name = f"{cost.employee_id.name or ''} / {cost.currency_id.format(cost.amount)}"

    # === CRUD: the employee and the timesheets follow === #
    @api.model_create_multi
    def create(self, vals_list):
        """Add rows; the cost that an employee had before the first one is kept as the cost since ever."""
        employees = self.env["hr.employee"].sudo().browse({vals["employee_id"] for vals in vals_list})
        known = self.sudo().search([("employee_id", "in", employees.ids)]).employee_id
        open_start = {vals["employee_id"] for vals in vals_list if not vals.get("date_from")}
        before = [
            {
                "employee_id": employee.id,
                "amount": employee.hourly_cost,
                "currency_id": employee.currency_id.id,
                "source": self.env._("Hourly cost until then"),
            }
            for employee in employees - known if employee.hourly_cost and employee.id not in open_start
        ]
        costs = super().create([*vals_list, *before])
        costs._follow()
        return costs[:len(vals_list)]

    def write(self, vals):
        before = self._starts()
        result = super().write(vals)
        if set(vals) - {"source"}:
            self._follow(before)
        return result

    def unlink(self):
        before = self._starts()
        result = super().unlink()
        self._follow(before)
        return result

    def _starts(self):
        """Return ``{employee: first work date that these rows count for}``; None: since ever."""
        starts = {}
        for cost in self.sudo():
            day = cost.date_from or None
            first = starts.setdefault(cost.employee_id, day)
            starts[cost.employee_id] = min(first, day) if first and day else None
        return starts

    # === FINDING === #
    @api.model
    def _costs_on(self, pairs):
        """Return ``{(employee id, day): cost of one hour in the company's currency}`` of those with a history.

        One query.

        :param pairs: set of ``(employee id, day)``
        """
        if not pairs:
            return {}
        self.flush_model()
        rows = defaultdict(list)
        for employee_id, date_from, cost in self.env.execute_query(SQL(
            """
            SELECT employee_id, date_from, hourly_cost FROM psa_cost_rate
             WHERE employee_id = ANY(%s) ORDER BY date_from DESC NULLS LAST
            """, list({employee_id for employee_id, _day in pairs}),
        )):
            rows[employee_id].append((date_from, float(cost)))
        found = {}
        for employee_id, day in pairs:
            for date_from, cost in rows[employee_id]:
                if not date_from or date_from <= day:
                    found[employee_id, day] = cost
                    break
        return found

    # === FOLLOWING === #
    def _follow(self, before=None):
        """Let the employees have today's cost, and their timesheets that of their work dates.

        :param before: what :meth:`_starts` said before these rows changed
        """
        starts = self.exists()._starts()
        for employee, day in (before or {}).items():
            known = starts.get(employee, day)
            starts[employee] = min(known, day) if known and day else None
        employees = self.env["hr.employee"].union(*starts)
        self._follow_today(employees)
        self._follow_timesheets(starts)

    @api.model
    def _follow_today(self, employees):
        """Write today's cost to those of ``employees`` that have another one."""
        today = fields.Date.context_today(self)
        costs = self._costs_on({(employee.id, today) for employee in employees})
        write_grouped(
            (employee, changed_values(employee, {"hourly_cost": costs[employee.id, today]}))
            for employee in employees.sudo() if (employee.id, today) in costs
        )

    @api.model
    def _follow_timesheets(self, starts):
        """Write the amount of the timesheets whose cost is another one now.

        :param starts: ``{employee: first work date to look at, or None}``
        """
        domain = fields.Domain.OR(
            fields.Domain("employee_id", "=", employee.id)
            & (fields.Domain("date", ">=", day) if day else fields.Domain.TRUE)
            for employee, day in starts.items()
        )
        lines = self.env["account.analytic.line"].sudo().search(
            domain & fields.Domain("project_id", "!=", False)) if starts else ()
        if not lines:
            return
        costs = self._costs_on({(line.employee_id.id, line.date) for line in lines})
        # Odoo counts no cost on an archived analytic account.
        lines = lines.filtered(
            lambda line: (line.employee_id.id, line.date) in costs and line.account_id.active)
        for company, own in lines.grouped("company_id").items():
            own = own.with_company(company)
            amounts = own._timesheet_postprocess_values({"unit_amount": None})
            write_grouped((line, changed_values(line, amounts[line.id])) for line in own)

    @api.model
    def _cron_follow(self):
        """A new day: employees have the cost that is in force from today on."""
        self._follow_today(self.search([("date_from", "!=", False)]).employee_id)


class HrEmployee(models.Model):
    _inherit = "hr.employee"

    psa_cost_rate_ids = fields.One2many(
        "psa.cost.rate", "employee_id", "Cost History", copy=False, groups="hr.group_hr_user")


class AccountAnalyticLine(models.Model):
    """Time costs what an hour of the person cost on the work date."""

    _inherit = "account.analytic.line"

    def _timesheet_postprocess_values(self, values):
        """EXTENDS hr_timesheet: look the costs of all lines up at once.

        In a bulk create (see ``timesheet.py``, which comes before this) only for one line of each case.
        """
        lines = self
        if {"unit_amount", "employee_id", "account_id"} & set(values):
            lines = self.with_context(psa_costs=self.env["psa.cost.rate"].sudo()._costs_on(
                {(line.employee_id.id, line.date) for line in self.sudo()}))
        return super(AccountAnalyticLine, lines)._timesheet_postprocess_values(values)

    def _hourly_cost(self):
        """EXTENDS hr_timesheet: the cost of the work date, where the person has a history of costs.

        The project's own cost of a person still comes first.
        """
        if self.project_id.pricing_type == "employee_rate" and self._get_employee_mapping_entry():
            return super()._hourly_cost()
        key = (self.employee_id.id, self.date)
        costs = self.env.context.get("psa_costs")
        if costs is None:
            costs = self.env["psa.cost.rate"].sudo()._costs_on({key})
        return costs[key] if key in costs else super()._hourly_cost()
