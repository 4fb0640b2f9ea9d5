from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.desk.binding_split import SPLIT_MODELS

# The model that a record of each canonical type is.
MODELS = {**SPLIT_MODELS, "agreement": "psa.agreement"}
# The field of a dialog that holds the record which a person has chosen.
FIELDS = {
    "hr.employee": "employee_id",
    "res.partner": "partner_id",
    "project.project": "project_id",
    "sale.order": "order_id",
    "project.milestone": "milestone_id",
    "project.task": "task_id",
}


class PsaExceptionLink(models.TransientModel):
    """Says which record of Odoo a record at the source is, for good, and lets go what waited for it."""

    _name = "psa.exception.link"
    _description = "Link to an Existing Record"

    exception_id = fields.Many2one("psa.exception", required=True, readonly=True)
    sentence = fields.Char(related="exception_id.name")
    holder_count = fields.Integer(related="exception_id.holder_count")
    amount = fields.Monetary(related="exception_id.amount")
    currency_id = fields.Many2one(related="exception_id.currency_id")
    object_type = fields.Char("Type at the Source", compute="_compute_external")
    external_id = fields.Char("ID at the Source", compute="_compute_external")
    model = fields.Char(compute="_compute_external")
    employee_id = fields.Many2one("hr.employee")
    partner_id = fields.Many2one("res.partner", "Customer or Contact")
    project_id = fields.Many2one("project.project")
    order_id = fields.Many2one("sale.order", "Contract")
    milestone_id = fields.Many2one("project.milestone")
    amendment_id = fields.Many2one("psa.amendment", help="Empty: the contract itself is signed.")
    task_id = fields.Many2one("project.task")
    candidate_ids = fields.Many2many("res.partner", compute="_compute_candidates")
    may_be_new = fields.Boolean(compute="_compute_candidates")

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        exception = self.env["psa.exception"].browse(values.get("exception_id"))
        if exception and (candidates := exception._choices().get("res.partner")):
            values["partner_id"] = candidates[0].id
        return values

    @api.depends("exception_id")
    def _compute_external(self):
        for wizard in self:
            connection, object_type, external_id = wizard.exception_id._external_record()
            stream = self.env["psa.stream"].sudo().search(
                [("connection_id", "=", connection.id), ("object_type", "=", object_type)], limit=1)
            wizard.object_type, wizard.external_id = object_type, external_id
            by_cause = {
                "unknown_person": "hr.employee", "duplicate_party": "res.partner", "uncertain_party": "res.partner",
                "unknown_agreement": "psa.agreement"}
            wizard.model = MODELS.get(stream.canonical_type) or by_cause.get(wizard.exception_id.cause_code)

    @api.depends("exception_id")
    def _compute_candidates(self):
        for wizard in self:
            wizard.candidate_ids = wizard.exception_id._choices().get("res.partner", self.env["res.partner"])
            wizard.may_be_new = wizard.exception_id.cause_code == "uncertain_party"

    def action_create_new(self):
        """None of the candidates: let it become a new customer, and what waits for it go on."""
        self.ensure_one()
        self.exception_id._is_new_customer()
        return {"type": "ir.actions.act_window_close"}

    def action_link(self):
        """Bind and release.

        :raise UserError: nothing is chosen
        """
        self.ensure_one()
        self.exception_id._check_open()
        if self.model == "psa.agreement":
            record = self.amendment_id or self.order_id  # the agreement itself is made for it
        else:
            record = self[FIELDS[self.model]] if self.model else None
        if not record:
            raise UserError(self.env._("Choose the record that it is."))
        if record._name == "hr.employee":  # who may not see employees' private data sees who they are
            self.env["hr.employee.public"].browse(record.id).check_access("read")
        else:
            record.check_access("read")
        self.exception_id._link_to(record.sudo())  # its company is needed, which is private of an employee
        return {"type": "ir.actions.act_window_close"}
