from odoo import fields, models


class ProjectTask(models.Model):
    _inherit = "project.task"

    psa_code = fields.Char(
        "Task Code", copy=False, readonly=True,
        help="Number by which people know the task in the system it comes from.")
