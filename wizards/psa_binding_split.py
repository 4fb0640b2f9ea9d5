from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.desk.binding_split import SPLIT_MODELS
from .psa_exception_link import FIELDS


class PsaBindingSplit(models.TransientModel):
    """Says that an external record is not the Odoo record that it was taken for, and which one it is."""

    _name = "psa.binding.split"
    _description = "Link to Another Record"

    binding_id = fields.Many2one("psa.binding", required=True, readonly=True)
    record_name = fields.Char("Linked To", compute="_compute_old")
    model = fields.Char(compute="_compute_old")
    choice = fields.Selection(
        [("record", "A record that Odoo has"), ("own", "Its own new record")], "It Is", required=True,
        default="record")
    employee_id = fields.Many2one("hr.employee")
    partner_id = fields.Many2one("res.partner", "Customer or Contact")
    project_id = fields.Many2one("project.project")
    order_id = fields.Many2one("sale.order", "Contract")
    milestone_id = fields.Many2one("project.milestone")
    task_id = fields.Many2one("project.task")
    merged_ids = fields.Many2many("psa.binding", string="Merged into It", compute="_compute_old")
    alias_ids = fields.Many2many(
        "psa.binding", "psa_binding_split_alias_rel", string="Goes with It", domain="[('id', 'in', merged_ids)]",
        help="What was merged into it stays with the old record unless you name it here.")
    contact_count = fields.Integer("Contacts", compute="_compute_came_with")
    contract_count = fields.Integer("Contracts", compute="_compute_came_with")
    project_count = fields.Integer("Projects", compute="_compute_came_with")
    unknown_count = fields.Integer(
        "Not Known", compute="_compute_came_with",
        help="Contacts, contracts and projects whose content is no longer stored: where they came from is not known.")
    move_contacts = fields.Boolean("Take These Contacts Along")
    reason = fields.Text(required=True)

    @api.depends("binding_id")
    def _compute_old(self):
        for wizard in self:
            binding = wizard.binding_id
            record = binding.sudo()._record()
            wizard.record_name = record.display_name if record else False
            wizard.model = SPLIT_MODELS.get(binding.canonical_type)
            wizard.merged_ids = self.env["psa.binding"].search([("alias_of_id", "=", binding.id)])

    @api.depends("binding_id", "alias_ids")
    def _compute_came_with(self):
        for wizard in self:
            binding = wizard.binding_id.sudo()
            old = binding._record()
            found, wizard.unknown_count = (
                binding._came_with(old, wizard.alias_ids._origin.sudo()) if old else ({}, 0))
            wizard.contact_count = len(found.get("res.partner", ()))
            wizard.contract_count = len(found.get("sale.order", ()))
            wizard.project_count = len(found.get("project.project", ()))

    def action_split(self):
        """Do it.

        :raise UserError: nothing is chosen
        """
        self.ensure_one()
        record = None
        if self.choice == "record":
            record = self[FIELDS[self.model]] if self.model else None
            if not record:
                raise UserError(self.env._("Choose the record that it is."))
            record.check_access("read")
        self.binding_id._split(record, self.reason, self.alias_ids, self.move_contacts)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
