from odoo import api, fields, models, tools


class PsaExceptionCause(models.Model):
    """Why work stops, in the few kinds that a finance person deals with.

    The codes are law (other parts of the hub raise them); names and sentences are data that can be translated.
    """

    _name = "psa.exception.cause"
    _description = "Exception Cause"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True, index=True)
    sentence = fields.Text(
        "Explanation", required=True, translate=True,
        help="What happened, why the hub stopped, and how to go on.",
    )
    fix_label = fields.Char("Fix Button", translate=True, help="Text of the button that leads to what fixes it.")
    fix_method = fields.Char(help="Method of the exception that the button calls.")
    category = fields.Selection(
        [("data", "Data"), ("conflict", "Conflict"), ("connection", "Connection"), ("poison", "Unreadable")],
        required=True, default="data",
    )
    due_days = fields.Integer(
        "Days to Solve", default=3, help="A new exception of this cause is due this many days after it was first seen.",
    )
    sequence = fields.Integer(default=10)
    color = fields.Integer()

    _code_unique = models.Constraint("UNIQUE(code)", "There is already a cause with this code.")

    @api.model
    @tools.ormcache()
    def _ids_by_code(self):
        """Return ``{code: id}`` of all causes."""
        return dict(self.env.execute_query(tools.SQL("SELECT code, id FROM psa_exception_cause")))

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        if "code" in vals:
            self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()
