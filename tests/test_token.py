import time
from datetime import datetime, timedelta, timezone
from itertools import count

from odoo import SUPERUSER_ID, api
from odoo.tests import tagged

from ..connectors.base import Token
from ..connectors.errors import ConnectionRefusedByVendor
from ..models.sync.token_store import DatabaseTokenStore
from .link_case import CommittedCase


@tagged("post_install", "-at_install")
class TestToken(CommittedCase):

    def setUp(self):
        super().setUp()
        self.numbers = count(1)
        self.store = DatabaseTokenStore(self.env, self.connection_id)

    def authenticate(self, credentials):
        """A vendor that takes its time and hands out a new access token and refresh token at each log-in."""
        number = next(self.numbers)
        self.seen = dict(credentials)
        time.sleep(0.2)
        return Token({"access_token": f"access-{number}"}, {"refresh_token": f"refresh-{number}"},
                     datetime.now(timezone.utc) + timedelta(hours=1))

    def test_fifty_threads_ask_once(self):
        self.assertIsNone(self.store.get())
        tokens = self.in_threads(50, lambda number: self.store.refresh(None, self.authenticate))
        self.assertEqual({token.data["access_token"] for token in tokens}, {"access-1"})
        self.assertEqual(next(self.numbers), 2, "One log-in for all")

    def test_a_second_wave_renews_once_more(self):
        first = self.store.refresh(None, self.authenticate)
        tokens = self.in_threads(20, lambda number: self.store.refresh(first, self.authenticate))
        self.assertEqual({token.data["access_token"] for token in tokens}, {"access-2"})
        self.assertEqual(next(self.numbers), 3)

    def test_rotated_value_is_stored_with_the_token_before_use(self):
        token = self.store.refresh(None, self.authenticate)
        with self.registry.cursor() as cr:  # what another worker sees at this moment
            connection = api.Environment(cr, SUPERUSER_ID, {})["psa.connection"].browse(self.connection_id)
            self.assertEqual(connection._credential_values()["refresh_token"], "refresh-1")
        stored = DatabaseTokenStore(self.env, self.connection_id).get()
        self.assertEqual(stored.data, token.data)
        self.assertEqual(stored.expires_at.replace(microsecond=0), token.expires_at.replace(microsecond=0))
        self.store.refresh(token, self.authenticate)
        self.assertEqual(self.seen["refresh_token"], "refresh-1", "The next log-in uses the rotated value")

    def test_failed_log_in_leaves_the_token_and_frees_the_lock(self):
        token = self.store.refresh(None, self.authenticate)

        def refuse(credentials):
            raise ConnectionRefusedByVendor("The key was revoked.")
        with self.assertRaises(ConnectionRefusedByVendor):
            self.store.refresh(token, refuse)
        self.assertEqual(self.store.get().data, token.data)
        self.assertEqual(self.store.refresh(token, self.authenticate).data, {"access_token": "access-2"})

    def test_stored_encrypted(self):
        self.store.refresh(None, self.authenticate)
        with self.registry.cursor() as cr:
            cr.execute("SELECT value_encrypted FROM psa_token WHERE connection_id = %s", [self.connection_id])
            self.assertNotIn("access-1", cr.fetchone()[0])
