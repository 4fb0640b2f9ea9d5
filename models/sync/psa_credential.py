from odoo import fields, models


class PsaCredential(models.Model):
    """One encrypted value of a connection's login."""

    _name = "psa.credential"
    _description = "Credential"
    _order = "connection_id, sequence, id"
    _allow_sudo_commands = False

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", index=True, readonly=True)
    sequence = fields.Integer(default=10)
    code = fields.Char(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)

    _code_uniq = models.Constraint("UNIQUE(connection_id, code)", "Each credential can be given once per connection.")
