from odoo import fields, models
from odoo.fields import NO_ACCESS


class PsaToken(models.Model):
    """The access token of a connection, shared by all workers; see ``token_store``."""

    _name = "psa.token"
    _description = "Access Token"
    _log_access = False

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", readonly=True)
    value_encrypted = fields.Text(groups=NO_ACCESS, copy=False, exportable=False)
    expires_at = fields.Datetime(readonly=True)
    refreshed_at = fields.Datetime(readonly=True)
    refresh_count = fields.Integer(readonly=True)

    _connection_uniq = models.UniqueIndex("(connection_id)", "A connection has one token.")
