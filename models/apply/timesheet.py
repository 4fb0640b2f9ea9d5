from odoo import api, fields, models

#: What the checks and the cost of an hour of a timesheet depend on.
_CASE = ("project_id", "task_id", "employee_id", "company_id", "so_line")


class _Bulk:
    """What one bulk create has looked up already."""

    def __init__(self):
        self.accounts = {}
        self.checked = set()


class AccountAnalyticLine(models.Model):
    """Bulk creation of timesheets: what Odoo would look up for each line is looked up once for each distinct case."""

    _inherit = "account.analytic.line"

    @api.model
    def _psa_create(self, vals_list):
        """Create the timesheets of one company; archived employees are allowed, for a leaver's old time counts.

        Odoo looks the employees up with a search, which finds archived ones when ``active_test`` is off.
        Each dict names its ``company_id``, ``employee_id``, ``unit_amount`` and ``project_id``.
        """
        if not vals_list:
            return self.browse()
        self._psa_fill_costs(vals_list)
        created = self.with_context(active_test=False, psa_bulk=_Bulk()).create(vals_list)
        return created.with_env(self.env)

    @api.model
    def _psa_fill_costs(self, vals_list):
        """Set currency and cost as Odoo will compute them, so that its second write of each line changes nothing."""
        employees = self.env["hr.employee"].browse({vals["employee_id"] for vals in vals_list})
        by_id = {employee.id: employee for employee in employees.sudo()}
        projects = {project.id: project for project in self.env["project.project"].browse(
            {vals["project_id"] for vals in vals_list})}
        companies = {company.id: company for company in self.env["res.company"].browse(
            {vals["company_id"] for vals in vals_list})}
        costs = self.env["psa.cost.rate"].sudo()._costs_on(
            {(vals["employee_id"], fields.Date.to_date(vals["date"])) for vals in vals_list})
        for vals in vals_list:
            employee, project = by_id[vals["employee_id"]], projects[vals["project_id"]]
            vals["currency_id"] = companies[vals["company_id"]].currency_id.id
            currency = project.account_id.currency_id or project.company_id.currency_id
            if project.pricing_type != "employee_rate" and employee.currency_id == currency:
                cost = costs.get((employee.id, fields.Date.to_date(vals["date"])), employee.hourly_cost)
                vals["amount"] = currency.round(-vals["unit_amount"] * cost)

    def _timesheet_preprocess_get_accounts(self, vals):
        """EXTENDS hr_timesheet: within one bulk create remember the accounts of a project and order line."""
        bulk = self.env.context.get("psa_bulk")
        if bulk is None:
            return super()._timesheet_preprocess_get_accounts(vals)
        key = (vals.get("project_id"), vals.get("so_line"), vals.get("company_id"))
        if key not in bulk.accounts:
            bulk.accounts[key] = super()._timesheet_preprocess_get_accounts(vals)
        return bulk.accounts[key]

    def _timesheet_postprocess_values(self, values):
        """EXTENDS hr_timesheet: leave out what the lines hold already.

        Within one bulk create Odoo checks one line of each distinct case; when it comes to the cost that is filled in
        already, it would for the others.
        """
        bulk = self.env.context.get("psa_bulk")
        if bulk is None:
            return super()._timesheet_postprocess_values(values)
        case = tuple(values.get(name) for name in _CASE)
        if case in bulk.checked:
            return {timesheet.id: {} for timesheet in self}
        result = super()._timesheet_postprocess_values(values)
        for timesheet in self:
            if result[timesheet.id].get("amount") == timesheet.amount:
                del result[timesheet.id]["amount"]
                bulk.checked.add(case)
        return result

    def _check_company(self, fnames=None):
        """EXTENDS base: within one bulk create check each related record once for each company."""
        lines = self
        if self.env.context.get("psa_bulk") is not None:
            names = [name for name, field in self._fields.items() if field.relational and field.check_company]
            distinct = {}
            for line in self:
                for name in names:
                    distinct.setdefault((name, line.company_id, line[name]), line.id)
            lines = self.browse(set(distinct.values()))
        return super(AccountAnalyticLine, lines)._check_company(fnames)
