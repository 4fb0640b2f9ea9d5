from odoo import api, fields, models

from ..billing.entry import RATE_DIGITS


class PsaAssignment(models.Model):
    """A person booked on a project, as the source says it; billable ones carry the rate that prices their time.

    ``bill_rate`` is per hour, or per day when ``per_day``; ``rate_id`` is the hourly price made of it.
    """

    _name = "psa.assignment"
    _description = "Project Assignment"
    _order = "date_from desc, id desc"
    _check_company_auto = True

    project_id = fields.Many2one(
        "project.project", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    employee_id = fields.Many2one("hr.employee", required=True, index=True, ondelete="restrict")
    role_id = fields.Many2one("psa.role", check_company=True, index="btree_not_null")
    billable = fields.Boolean()
    bill_rate = fields.Float(digits=RATE_DIGITS)
    per_day = fields.Boolean("Rate per Day")
    currency_id = fields.Many2one("res.currency")
    date_from = fields.Date("From")
    date_to = fields.Date("To")
    rate_id = fields.Many2one(
        "psa.rate", "Rate Row", readonly=True, index="btree_not_null", ondelete="set null",
        help="The hourly price made of this assignment.",
    )
    active = fields.Boolean(default=True)

    _dates_ordered = models.Constraint(
        "CHECK(date_to IS NULL OR date_from IS NULL OR date_to >= date_from)",
        "An assignment cannot end before it starts.",
    )

    @api.depends("project_id", "employee_id")
    def _compute_display_name(self):
        for assignment in self:
            assignment.display_name = (
                f"{assignment.employee_id.name or ''} / {assignment.project_id.name or ''}"
            )
