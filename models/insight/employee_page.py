from odoo import api, fields, models
from odoo.fields import Domain

from ..desk.exception import OPEN_STATES

READERS = "hr.group_hr_user,psa_hub.group_auditor"

class HrEmployee(models.Model):
    """What of a person's work is held up, on the person's own page."""

    _name = "hr.employee"
    _inherit = ["hr.employee", "psa.exception.banner"]

    # With groups: of an employee, colleagues read the public profile only.
    psa_entry_count = fields.Integer(
        "Entries", compute="_compute_psa_entry_count", compute_sudo=True, groups=READERS)
    psa_exception_count = fields.Integer(groups=READERS)
    psa_exception_amount = fields.Monetary(groups=READERS)
    psa_exception_currency_id = fields.Many2one(groups=READERS)

    @api.depends_context("allowed_company_ids")
    def _compute_psa_entry_count(self):
        counts = dict(self.env["psa.entry"]._read_group(
            [("employee_id", "in", self.ids), ("company_id", "in", self.env.companies.ids)],
            ["employee_id"], ["__count"]))
        for employee in self:
            employee.psa_entry_count = counts.get(employee._origin, 0)

    @api.depends_context("allowed_company_ids")
    def _compute_psa_exceptions(self):
        """Exceptions of the person's entries, and those about the person."""
        currency, today = self.env.company.currency_id, fields.Date.context_today(self)
        companies = ("company_id", "in", self.env.companies.ids)
        found, amounts = {}, {}
        for employee, company, exceptions, risk in self.env["psa.entry"]._read_group(
            [("employee_id", "in", self.ids), ("exception_id.state", "in", OPEN_STATES), companies],
            ["employee_id", "company_id"], ["exception_id:recordset", "risk_amount:sum"],
        ):
            found[employee.id] = found.get(employee.id, exceptions.browse()) | exceptions
            amounts[employee.id] = amounts.get(employee.id, 0.0) + company.currency_id._convert(
                risk, currency, company, today)
        about = self.env["psa.exception"].search([
            ("res_model", "=", "hr.employee"), ("res_id", "in", self.ids), ("state", "in", OPEN_STATES), companies])
        for exception in about:
            seen = found.get(exception.res_id, exception.browse())
            if exception not in seen:
                amounts[exception.res_id] = amounts.get(exception.res_id, 0.0) + exception.currency_id._convert(
                    exception.amount, currency, exception.company_id, today)
            found[exception.res_id] = seen | exception
        for employee in self:
            employee.psa_exception_currency_id = currency
            employee.psa_exception_count = len(found.get(employee._origin.id, ()))
            employee.psa_exception_amount = amounts.get(employee._origin.id, 0.0)

    def action_psa_exceptions(self):
        """The open exceptions of this person's work."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception")
        about = Domain("res_model", "=", "hr.employee") & Domain("res_id", "in", self.ids)
        work = Domain("entry_ids.employee_id", "in", self.ids)
        return {**action, "domain": list((about | work) & Domain("is_open", "=", True))}

    def action_psa_entries(self):
        """The billable entries of this person."""
        return self._psa_entries_action([("employee_id", "in", self.ids)])
