from odoo import fields, models


class ProjectTask(models.Model):
    _inherit = "project.task"

    psa_code = fields.Char(
        "Task Code", copy=False, readonly=True,
        help="Number by which people know the task in the system it comes from.")

    def message_subscribe(self, partner_ids=None, subtype_ids=None):
        """EXTENDS mail: the integration user does not follow every task that another system brings."""
        if self.env.context.get("psa_no_followers") and list(partner_ids or ()) == self.env.user.partner_id.ids:
            return True
        return super().message_subscribe(partner_ids, subtype_ids)
