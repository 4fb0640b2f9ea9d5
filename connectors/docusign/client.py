"""The REST client: reads of one account, with the token renewed once and errors classified."""

import time
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from ..errors import ConnectionRefusedByVendor, PoisonError
from . import auth
from .errors import from_response


class Account(NamedTuple):
    """:param root: address below which the account's calls lie"""

    id: str
    name: str
    root: str


def client_of(session):
    """Return the session's client (one a session, so that the account is asked for once)."""
    client = session.memory.get("docusign_client")
    if client is None:
        client = session.memory["docusign_client"] = Client(session)
    return client


class Client:
    """Calls for one :class:`~connectors.base.Session`; all of them are reads."""

    def __init__(self, session):
        self._session = session
        self._account = None
        self._clock_offset = timedelta()

    @property
    def settings(self):
        return self._session.settings

    def get(self, path, params=None, accept="application/json"):
        """Read ``path`` below the account. Return the successful Response.

        :raise ConnectorError: see :mod:`connectors.errors`
        """
        return self._get(self.account().root + path, params, accept)

    def envelopes(self, **params):
        """Return ``(rows, size of the whole set)`` of a list of status changes.

        :raise PoisonError: not such a list
        """
        body = self.get("/envelopes", {"include": "custom_fields,recipients", **params}).json()
        try:
            # An empty set has no "envelopes"; all numbers are texts.
            rows = body.get("envelopes") or []
            return rows, int(body["totalSetSize"]) if rows else int(body.get("totalSetSize") or 0)
        except (AttributeError, KeyError, ValueError) as error:
            raise PoisonError("The list of envelopes does not say how many there are", "list_answer") from error

    def now(self):
        """Return DocuSign's clock (aware UTC datetime)."""
        self.account()  # the first answer of a session tells it
        return datetime.now(timezone.utc) + self._clock_offset

    def account(self):
        """Return the :class:`Account` that the settings name, else the user's default one; asked once a session.

        :raise ConnectionRefusedByVendor: the user has no such account
        """
        if self._account is None:
            body = self._get(auth.oauth_url(self.settings) + "/oauth/userinfo").json()
            self._account = self._chosen(body.get("accounts") or [] if isinstance(body, dict) else [])
        return self._account

    def _chosen(self, accounts):
        wanted = (self.settings.get("account_id") or "").strip().lower()
        key, value = ("account_id", wanted) if wanted else ("is_default", "true")
        chosen = [entry for entry in accounts if str(entry.get(key)).lower() == value]
        if not chosen:
            names = ", ".join(f"{entry.get('account_name')} ({entry.get('account_id')})" for entry in accounts)
            raise ConnectionRefusedByVendor(
                f"The user has no {f'account {wanted}' if wanted else 'default account'}; put one of these into the "
                f"settings: {names or 'none'}", "account")
        entry = chosen[0]
        base = (self.settings.get("base_url") or "").strip() or f"{entry['base_uri'].rstrip('/')}/restapi"
        return Account(entry["account_id"], entry.get("account_name") or "",
                       f"{base.rstrip('/')}/v2.1/accounts/{entry['account_id']}")

    # === CALLS === #

    def _get(self, url, params=None, accept="application/json"):
        tokens = self._session.tokens
        token = tokens.get() or self._login(None)
        response = self._send(token, url, params, accept)
        if response.status == 401:
            response = self._send(self._login(token), url, params, accept)
        if not response.ok:
            raise from_response(response)
        return response

    def _login(self, used):
        return self._session.tokens.refresh(used, lambda credentials: auth.authenticate(self._session, credentials))

    def _send(self, token, url, params, accept):
        response = self._session.transport.request(
            "GET", url, params=params,
            headers={"Authorization": f"Bearer {token.data['access_token']}", "Accept": accept})
        if response.date:
            self._clock_offset = timedelta(seconds=response.date.timestamp() - time.time())
        return response
