"""Tokens in the database, renewed by one worker at a time.

The row lock is held while the vendor is asked, in a transaction of its own, so whoever waits for it finds the new token
instead of asking again; the new token (and a rotated refresh token) is committed before anybody uses it.
"""

from datetime import timezone

from odoo.tools import SQL

from ...connectors.base import Token
from ...connectors.errors import ConnectionRefusedByVendor
from .own_cursor import own_env

REFRESH_SECONDS = 150  # longest wait for another worker's log-in


class DatabaseTokenStore:
    """The :class:`connectors.base.TokenStore` of one connection.

    :param env: any environment of the database; its own cursor is not used
    """

    def __init__(self, env, connection_id):
        self._env = env
        self._connection_id = connection_id

    def get(self):
        with own_env(self._env) as env:
            return self._read(env)

    def refresh(self, used, authenticate):
        with own_env(self._env, lock_timeout=REFRESH_SECONDS) as env:
            token = self._read(env, lock=True)
            if token is not None and (used is None or token.data != used.data):
                return token
            connection = env["psa.connection"].browse(self._connection_id)
            renewed = authenticate(connection._credential_values())
            self._write(env, renewed)
            return renewed

    def forget(self):
        """Drop the stored token (a person changed the credentials)."""
        with own_env(self._env) as env:
            env.cr.execute(SQL(
                "UPDATE psa_token SET value_encrypted = NULL, expires_at = NULL WHERE connection_id = %s",
                self._connection_id))

    def store(self, token):
        """Store a token that came from outside (consent in the browser)."""
        with own_env(self._env) as env:
            self._read(env, lock=True)
            self._write(env, token)

    def _read(self, env, lock=False):
        rows = env.execute_query(SQL(
            "SELECT value_encrypted, expires_at FROM psa_token WHERE connection_id = %s %s",
            self._connection_id, SQL("FOR UPDATE") if lock else SQL()))
        if not rows:
            raise ConnectionRefusedByVendor("The connection is not saved yet", code="not_saved")
        (text, expires_at), = rows
        if not text:
            return None
        return Token(
            env["psa.credential"]._decrypt(text), expires_at=expires_at and expires_at.replace(tzinfo=timezone.utc))

    def _write(self, env, token):
        expires_at = token.expires_at and token.expires_at.astimezone(timezone.utc).replace(tzinfo=None)
        env.cr.execute(SQL(
            """
            UPDATE psa_token
               SET value_encrypted = %s, expires_at = %s, refreshed_at = clock_timestamp() AT TIME ZONE 'UTC',
                   refresh_count = COALESCE(refresh_count, 0) + 1
             WHERE connection_id = %s
            """,
            env["psa.credential"]._encrypt(token.data), expires_at, self._connection_id))
        if token.rotated:
            env["psa.connection"].browse(self._connection_id)._set_credentials(token.rotated, keep_token=True)
