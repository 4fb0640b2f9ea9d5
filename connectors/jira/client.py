"""Calls to the two services: Jira (Basic or OAuth) and Tempo (bearer token)."""

from datetime import datetime, timedelta, timezone

from ..errors import UnsafeUrlError
from . import auth, declaration
from .errors import JIRA, TEMPO, failure


def client_of(session):
    """Return the session's client (one a session, so that all streams know the vendors' clocks)."""
    if "jira_client" not in session.memory:
        session.memory["jira_client"] = Client(session)
    return session.memory["jira_client"]


class Client:
    """Calls for one :class:`~connectors.base.Session`."""

    def __init__(self, session):
        self._session = session
        self._offsets = {}
        self._cloud_id = ""

    # === JIRA === #

    def jira(self, method, path, **content):
        """Make one call below ``/rest/api/3`` and return the parsed answer.

        :param content: ``params`` and ``json`` as in :meth:`connectors.transport.Transport.request`
        :raise ConnectorError: see :mod:`connectors.errors`
        """
        session = self._session
        if session.auth_method == declaration.API_TOKEN:
            root, login = self.setting("jira_url"), (session.credentials["email"], session.credentials["api_token"])
            return self._answer(JIRA, self._send(JIRA, method, f"{root}/rest/api/3{path}", auth=login, **content))
        token = session.tokens.get() or self._login(None)
        response = self._send_consented(token, method, path, content)
        if response.status == 401:
            response = self._send_consented(self._login(token), method, path, content)
        return self._answer(JIRA, response)

    def _login(self, used):
        return self._session.tokens.refresh(used, lambda credentials: auth.authenticate(self._session, credentials))

    def _send_consented(self, token, method, path, content):
        bearer, root = token.data["access_token"], auth.api_url(self._session.settings)
        if not self._cloud_id:
            sites = self._send(JIRA, "GET", f"{root}/oauth/token/accessible-resources", bearer=bearer)
            if not sites.ok:
                return sites
            self._cloud_id = auth.site_id(self._session.settings, sites.json())
        return self._send(JIRA, method, f"{root}/ex/jira/{self._cloud_id}/rest/api/3{path}", bearer=bearer, **content)

    # === TEMPO === #

    def tempo(self, method, path, *, write=False, **content):
        """Make one call to Tempo and return the parsed answer.

        :param path: path and, for a later page, query below the address of the setting
        :param write: the call changes a record, so that a refusal concerns that record only
        """
        response = self._send(TEMPO, method, self.setting("tempo_url") + path,
                              bearer=self._session.credentials["tempo_token"], **content)
        return self._answer(TEMPO, response, write)

    def tempo_page(self, path, params=None):
        """Return ``(rows, path of the next page or "")`` of a list with offset and limit."""
        answer = self.tempo("GET", path, params=params)
        return answer["results"], self._below_tempo(answer["metadata"].get("next") or "")

    def _below_tempo(self, url):
        """Return the part of ``url`` behind Tempo's address. :raise UnsafeUrlError: it leads somewhere else"""
        root = self.setting("tempo_url")
        if url and not url.startswith(root + "/"):
            raise UnsafeUrlError("Tempo continues its list at another address than the one in the settings")
        return url[len(root):]

    def tempo_rows(self, path, params=None):
        """Yield all rows of a list, page by page."""
        while path:
            rows, path = self.tempo_page(path, params)
            yield from rows
            params = None

    # === BOTH === #

    def setting(self, code):
        default = next(field.default for field in declaration.SETTINGS if field.code == code)
        return (self._session.settings.get(code) or default).strip().rstrip("/")

    def now(self, service, ask=False):
        """Return the clock of a service (aware UTC datetime, whole seconds), as its latest answer told it.

        :param ask: make a call that does nothing else
        """
        if ask or service not in self._offsets:
            if service == JIRA:
                self.jira("GET", "/project/search", params={"startAt": 0, "maxResults": 1})
            else:
                self.tempo("GET", "/4/work-attributes")
        # A service without a Date header leaves our own clock.
        return (datetime.now(timezone.utc) + self._offsets.get(service, timedelta())).replace(microsecond=0)

    def _send(self, service, method, url, bearer="", **content):
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        response = self._session.transport.request(method, url, headers=headers, **content)
        if response.date:
            self._offsets[service] = response.date - datetime.now(timezone.utc)
        return response

    @staticmethod
    def _answer(service, response, write=False):
        if response.ok:
            return response.json()
        raise failure(service, response, write)
