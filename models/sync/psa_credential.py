import json
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import NO_ACCESS

from .secret_key import InvalidToken, SecretKeyError, encryption


class Secrets(dict):
    """Decrypted values by code. Printing it shows the codes only, so that no log or traceback can hold a value."""

    def __repr__(self):
        return f"<secrets {', '.join(sorted(self))}>"

    __str__ = __repr__


class PsaCredential(models.Model):
    """One encrypted value of a connection's login. It can be typed and used, and never read back.

    ``value`` never reaches the ORM's cache: it is taken out of the values on the way in, and reads as empty.
    """

    _name = "psa.credential"
    _description = "Credential"
    _order = "connection_id, sequence, id"
    _allow_sudo_commands = False

    # === FIELDS === #

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", index=True, readonly=True)
    sequence = fields.Integer(default=10)
    code = fields.Char(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    help = fields.Char(readonly=True)
    required = fields.Boolean(readonly=True)
    secret = fields.Boolean(readonly=True, default=True)
    multiline = fields.Boolean(readonly=True)
    is_webhook_secret = fields.Boolean(readonly=True)
    value = fields.Text(
        string="New Value", compute="_compute_value", inverse="_inverse_value", copy=False, exportable=False,
        help="Type a value to set or replace it. It is encrypted and never shown again.")
    is_set = fields.Boolean(compute="_compute_is_set", compute_sudo=True)
    changed_at = fields.Datetime(readonly=True, copy=False)
    value_encrypted = fields.Text(groups=NO_ACCESS, copy=False, exportable=False)
    previous_encrypted = fields.Text(groups=NO_ACCESS, copy=False, exportable=False)
    previous_until = fields.Datetime(
        readonly=True, copy=False,
        help="Until then deliveries signed with the former secret are accepted too, so that a secret can be changed "
             "at both ends without a loss.")

    # === CONSTRAINTS === #

    _code_uniq = models.Constraint("UNIQUE(connection_id, code)", "Each credential can be given once per connection.")

    # === COMPUTE === #

    def _compute_value(self):
        self.value = False

    def _inverse_value(self):
        raise AssertionError("create() and write() take the value out before it is cached")

    @api.depends("value_encrypted")
    def _compute_is_set(self):
        for credential in self:
            credential.is_set = bool(credential.value_encrypted)

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        typed = [vals.get("value") for vals in vals_list]
        credentials = super().create([self._without_value(vals) for vals in vals_list])
        for credential, value in zip(credentials, typed, strict=True):
            if value:
                credential._set(value)
        self.env.registry.clear_cache()
        return credentials

    def write(self, vals):
        result = super().write(self._without_value(vals))
        if vals.get("value"):
            self.check_access("write")
            for credential in self:
                credential._set(vals["value"])
            self.connection_id._forget_token()  # it may be another account's
        if any(self.mapped("is_webhook_secret")):
            self.env.registry.clear_cache()  # deliveries find their secrets in a cache
        return result

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    def _without_value(self, vals):
        if not self.env.su and vals.keys() & {"value_encrypted", "previous_encrypted"}:
            raise AccessError(self.env._("Stored credentials cannot be read or set directly; type the new value."))
        return {name: value for name, value in vals.items() if name != "value"}

    def copy_data(self, default=None):
        raise UserError(self.env._("Credentials cannot be copied. Type them again."))

    # === BUSINESS === #

    def _set(self, value, by_vendor=False):
        """Encrypt and store ``value``; a webhook secret keeps its former value for a week.

        :param by_vendor: the vendor rotated it along with a token: nobody's act, so nothing for the audit trail
        """
        self.ensure_one()
        credential = self.sudo()
        values = {"value_encrypted": self._encrypt(value), "changed_at": fields.Datetime.now()}
        if credential.is_webhook_secret and credential.value_encrypted:
            values |= {"previous_encrypted": credential.value_encrypted,
                       "previous_until": fields.Datetime.now() + timedelta(days=7)}
        credential.write(values)
        if not by_vendor:
            self.env["psa.audit"]._log([{
                "event": "credential.set", "res_model": "psa.connection", "res_id": self.connection_id.id,
                "company_id": self.connection_id.company_id.id, "after": {"code": self.code}}])

    def action_clear(self):
        """Forget the stored values."""
        self.check_access("write")
        self.sudo().write(
            {"value_encrypted": False, "previous_encrypted": False, "previous_until": False, "changed_at": False})

    @api.model
    def _encrypt(self, value):
        """Return the encrypted text of ``value`` (text, or anything JSON-ready)."""
        try:
            return encryption().encrypt(json.dumps(value).encode()).decode()
        except SecretKeyError as error:
            raise UserError(str(error)) from error

    @api.model
    def _decrypt(self, text):
        """Return the value of ``text``. :raise UserError: this server does not have the key it was encrypted with"""
        try:
            return json.loads(encryption().decrypt(text.encode()))
        except SecretKeyError as error:
            raise UserError(str(error)) from error
        except InvalidToken:
            raise UserError(self.env._(
                "The stored credentials cannot be read with the key of this server. Restore the key file or setting "
                "that they were encrypted with, or type them again.")) from None

    @api.model
    def _rotate(self):
        """Encrypt all stored values with the first of the configured keys, after which the others can be removed."""
        keys = encryption()
        for credential in self.sudo().search([("value_encrypted", "!=", False)]):
            values = {name: keys.rotate(credential[name].encode()).decode()
                      for name in ("value_encrypted", "previous_encrypted") if credential[name]}
            credential.write(values)
        for token in self.env["psa.token"].sudo().search([("value_encrypted", "!=", False)]):
            token.value_encrypted = keys.rotate(token.value_encrypted.encode()).decode()
