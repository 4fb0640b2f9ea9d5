from odoo import api, models


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
        created = self.with_context(active_test=False, psa_analytic_accounts={}).create(vals_list)
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
        for vals in vals_list:
            employee, project = by_id[vals["employee_id"]], projects[vals["project_id"]]
            vals["currency_id"] = companies[vals["company_id"]].currency_id.id
            currency = project.account_id.currency_id or project.company_id.currency_id
            if project.pricing_type != "employee_rate" and employee.currency_id == currency:
                vals["amount"] = currency.round(-vals["unit_amount"] * employee.hourly_cost)

    def _timesheet_preprocess_get_accounts(self, vals):
        """EXTENDS hr_timesheet: within one bulk create remember the accounts of a project and order line."""
        known = self.env.context.get("psa_analytic_accounts")
        if known is None:
            return super()._timesheet_preprocess_get_accounts(vals)
        key = (vals.get("project_id"), vals.get("so_line"), vals.get("company_id"))
        if key not in known:
            known[key] = super()._timesheet_preprocess_get_accounts(vals)
        return known[key]

    def _timesheet_postprocess_values(self, values):
        """EXTENDS hr_timesheet: leave out what the lines hold already."""
        result = super()._timesheet_postprocess_values(values)
        if self.env.context.get("psa_analytic_accounts") is None:
            return result
        for timesheet in self:
            if result[timesheet.id].get("amount") == timesheet.amount:
                del result[timesheet.id]["amount"]
        return result
