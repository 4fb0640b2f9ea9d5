import base64
import hashlib
import secrets
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import NO_ACCESS
from odoo.tools import SQL

from .token_store import DatabaseTokenStore

VALID = timedelta(minutes=10)
CALLBACK = "/psa_hub/oauth/callback"


class PsaOauthState(models.Model):
    """A consent that was started and not finished: who started it, and the secret half of its PKCE pair."""

    _name = "psa.oauth.state"
    _description = "Started Consent"
    _log_access = False

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", readonly=True)
    user_id = fields.Many2one("res.users", required=True, ondelete="cascade", readonly=True)
    state_hash = fields.Char(required=True, readonly=True, groups=NO_ACCESS)
    verifier_encrypted = fields.Char(required=True, readonly=True, groups=NO_ACCESS)
    started_at = fields.Datetime(required=True, readonly=True, index=True)

    _state_uniq = models.UniqueIndex("(state_hash)", "Each consent has a state of its own.")

    @api.model
    def _start(self, connection):
        """Remember a consent that the current user starts. Return its state and PKCE challenge (S256)."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        self.sudo().create({
            "connection_id": connection.id, "user_id": self.env.uid, "state_hash": self._hash(state),
            "verifier_encrypted": self.env["psa.credential"]._encrypt(verifier),
            "started_at": fields.Datetime.now()})
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return state, challenge

    @api.model
    def _take(self, state):
        """Use up a state that the current user started a short while ago.

        :return: (``psa.connection``, PKCE verifier), or None
        """
        rows = self.env.execute_query(SQL(
            """
            DELETE FROM psa_oauth_state WHERE state_hash = %s AND user_id = %s AND started_at > %s
            RETURNING connection_id, verifier_encrypted
            """, self._hash(state), self.env.uid, fields.Datetime.now() - VALID))
        if not rows:
            return None
        (connection_id, text), = rows
        return self.env["psa.connection"].browse(connection_id), self.env["psa.credential"]._decrypt(text)

    @staticmethod
    def _hash(state):
        return hashlib.sha256(state.encode()).hexdigest()

    @api.autovacuum
    def _gc_states(self):
        self.env.cr.execute(SQL("DELETE FROM psa_oauth_state WHERE started_at < %s", fields.Datetime.now() - VALID))


class PsaConnection(models.Model):
    _inherit = "psa.connection"

    is_interactive = fields.Boolean(compute="_compute_is_interactive")

    @api.depends("connector_code", "auth_method")
    def _compute_is_interactive(self):
        for connection in self:
            connection.is_interactive = bool(connection.connector_code) and any(
                method.interactive for method in connection._connector().auth_methods
                if method.code == connection.auth_method)

    def action_consent(self):
        """Send the user to the system's own page to allow the hub in."""
        self.ensure_one()
        self.check_access("write")
        return {"type": "ir.actions.act_url", "url": f"/psa_hub/oauth/start/{self.id}", "target": "self"}

    def _redirect_uri(self):
        return self.get_base_url() + CALLBACK

    def _consent_url(self):
        """Start a consent and return the vendor's page for it."""
        self.ensure_one()
        self.check_access("write")
        if not self.is_interactive:
            raise UserError(self.env._("This way to log in needs no consent in the browser."))
        if not self._is_live():
            raise UserError(self.env._("The connection is paused, or this database is a copy: it calls nobody."))
        state, challenge = self.env["psa.oauth.state"]._start(self)
        return self._connector().authorize_url(
            self.settings or {}, self.sudo()._credential_values(), self._redirect_uri(), state, challenge)

    def _finish_consent(self, code, verifier):
        """Exchange the code for a token and store it. Errors are noted on the connection and raised again."""
        self.ensure_one()
        self.check_access("write")
        connection = self.sudo()
        with connection._calling(force=True) as session:
            token = connection._connector().exchange_code(session, code, self._redirect_uri(), verifier)
            DatabaseTokenStore(self.env(su=True), self.id).store(token)
