from odoo import fields, models


class PsaRole(models.Model):
    """What a person is sold as: the job that a rate prices and an order line sells."""

    _name = "psa.role"
    _description = "Billing Role"
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", index=True, help="Empty: every company uses this role."
    )

    _name_company_uniq = models.UniqueIndex(
        "(lower(name), COALESCE(company_id, 0))",
        "A role of this name exists already in this company.",
    )
