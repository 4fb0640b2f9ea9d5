"""Calls to the two services: Jira (Basic or OAuth) and Tempo (bearer token)."""

import base64

from ..rest import RestClient
from . import auth
from .declaration import API_TOKEN, SETTINGS
from .errors import JIRA, TEMPO, failure


class _Service(RestClient):
    """What both have in common. ``clock``: path and parameters of a cheap read that tells the service's clock."""

    settings = SETTINGS
    clock = ("", None)

    def failure(self, response):
        return failure(self.vendor, response)

    def now(self, ask=False):
        """Return the service's clock (aware UTC datetime, whole seconds). :param ask: make a call for it alone"""
        if ask:
            self._offset = None
        path, params = self.clock
        return super().now(path, params=params).replace(microsecond=0)


class _Jira(_Service):
    """Jira of a site with an API token; with a consent the same at Atlassian's own address, below the site's id."""

    vendor = JIRA
    url_setting = "jira_url"
    prefix = "/rest/api/3"
    clock = ("/project/search", {"startAt": 0, "maxResults": 1})

    def __init__(self, session):
        super().__init__(session)
        self._consented = session.auth_method != API_TOKEN
        self.site = {}
        if self._consented:
            self.root = auth.api_url(session.settings)

    def authorization(self):
        if self._consented:
            return ""
        login = f"{self.session.credentials['email']}:{self.session.credentials['api_token']}"
        return "Basic " + base64.b64encode(login.encode()).decode()

    def login(self, credentials):
        return auth.authenticate(self.session, credentials)

    def _exchange(self, method, path, authorization, **content):
        if self._consented and not self.site:
            sites = super()._exchange("GET", "/oauth/token/accessible-resources", authorization)
            if not sites.ok:
                return sites
            self.site = auth.site_of(self.address(self.url_setting), sites.json())
            self.root += f"/ex/jira/{self.site['id']}{self.prefix}"
        return super()._exchange(method, path, authorization, **content)


class _Tempo(_Service):
    vendor = TEMPO
    url_setting = "tempo_url"
    clock = ("/4/work-attributes", None)

    def authorization(self):
        return f"Bearer {self.session.credentials['tempo_token']}"

    def page(self, path, params=None):
        """Return ``(rows, link to the next page or "")`` of a list with offset and limit."""
        answer = self.call("GET", path, params=params)
        return answer["results"], answer["metadata"].get("next") or ""

    def rows(self, path, params=None):
        """Yield all rows of a list, page by page."""
        while path:
            rows, path = self.page(path, params)
            yield from rows
            params = None


class Client:
    """Both services for one :class:`~connectors.base.Session`; ``jira`` and ``tempo`` are their ``call``.

    ``jira_write`` is for calls whose answer holds nothing.
    """

    def __init__(self, session):
        self._services = {JIRA: _Jira(session), TEMPO: _Tempo(session)}
        jira, tempo = self._services.values()
        self.jira, self.jira_write, self.tempo = jira.call, jira.succeed, tempo.call
        self.tempo_page, self.tempo_rows, self.setting = tempo.page, tempo.rows, tempo.setting

    def scopes(self):
        """Return the scopes of Jira's consent as the latest calls told them; None when there is no such list."""
        return self._services[JIRA].site.get("scopes")

    def now(self, service, ask=False):
        return self._services[service].now(ask)


def client_of(session):
    """Return the session's client (one a session, so that all streams know the vendors' clocks)."""
    if "jira_client" not in session.memory:
        session.memory["jira_client"] = Client(session)
    return session.memory["jira_client"]
