"""One read from Harvest: headers, token, pages, and what an error means. Nothing is ever written."""

from datetime import datetime, timezone
from urllib.parse import urlsplit

from ..errors import (
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    TransientError,
    UnsafeUrlError,
)
from ..transport import redact
from . import auth

DEFAULT_URL = "https://api.harvestapp.com"
#: Harvest's largest page.
MAX_PAGE = 2000


def clock_of(response):
    """Return Harvest's clock (aware datetime, whole seconds) at an answer."""
    return (response.date or datetime.now(timezone.utc)).replace(microsecond=0)


def classify(response, what):
    """Return the error that an unsuccessful answer means; an outage is raised before.

    :param what: what was asked for, in Harvest's words
    """
    try:
        body = response.json()
    except (PoisonError, TransientError):
        body = None  # a proxy's page, or nothing: the status has to do
    told = body if isinstance(body, dict) else {}
    words = redact(told.get("error_description") or told.get("message") or told.get("error") or "no reason given")
    code = str(told.get("error") or told.get("code") or f"http_{response.status}")
    if response.status == 401:
        return ConnectionRefusedByVendor("Harvest does not accept the token: it was revoked or is wrong", code)
    if response.status == 403:
        return MissingScopeError(f"Harvest does not show {what}: the user lacks the right, or the account ID is wrong",
                                 code, (what,))
    if response.status == 404 and (body is not None or not response.body):
        return NotFoundError(f"Harvest does not know {what}", code)
    return DataError(f"Harvest refuses to show {what}: {words}", code)


class Client:
    """Reads for one :class:`~connectors.base.Session`."""

    def __init__(self, session):
        self._session = session
        self._url = (session.settings.get("base_url") or DEFAULT_URL).rstrip("/")

    def get(self, path, params=None):
        """Return the successful Response for a path below the API's address.

        :raise ConnectorError: see :func:`classify`
        """
        return self._get(f"{self._url}/v2{path}", params, path)

    def find(self, path):
        """Return ``(record, Harvest's clock)``; the record is None when Harvest does not know it."""
        response = self._answer(f"{self._url}/v2{path}", None)
        if response.ok:
            return response.json(), clock_of(response)
        error = classify(response, path)
        if isinstance(error, NotFoundError):
            return None, clock_of(response)
        raise error

    def page(self, path, key, params=None, link=""):
        """Return ``(rows, body, Response)`` of a list's page.

        :param key: name under which the rows come
        :param link: address that the page before named; used as it is
        :raise PoisonError: not such a page, or one that names itself as the next
        """
        if link:
            self._check_link(link)
        response = self._get(link or f"{self._url}/v2{path}", None if link else params, path)
        body = response.json()
        if not isinstance(body, dict) or not isinstance(body.get(key), list):
            raise PoisonError(f"The answer holds no {key}", "not_a_list")
        if link and next_link(body) == link:
            raise PoisonError("The pages of the list do not come to an end", "paging")
        return body[key], body, response

    def accounts(self):
        """Return ``{id: name}`` of the Harvest accounts that the token may see."""
        body = self._get(auth.login_url(self._session.settings) + "/api/v2/accounts", None, "the accounts",
                         account=False).json()
        return {str(item["id"]): item["name"] for item in body["accounts"] if item.get("product") == "harvest"}

    def _check_link(self, link):
        ours, theirs = urlsplit(self._url), urlsplit(link)
        if (ours.scheme, ours.hostname, ours.port) != (theirs.scheme, theirs.hostname, theirs.port):
            raise UnsafeUrlError(f"Harvest names {theirs.hostname} for the next page, which is not the address in the "
                                 "settings")

    def _get(self, url, params, what, account=True):
        response = self._answer(url, params, account)
        if not response.ok:
            raise classify(response, what)
        return response

    def _answer(self, url, params, account=True):
        """Return the Response, whatever the status, after one new login if the token has ended."""
        session = self._session
        if session.auth_method == auth.TOKEN:
            response = self._send(url, params, (session.credentials.get("access_token") or "").strip(), account)
        else:
            token = session.tokens.get() or self._login(None)
            response = self._send(url, params, token.data["access_token"], account)
            if response.status == 401:
                response = self._send(url, params, self._login(token).data["access_token"], account)
        response.raise_for_outage()
        return response

    def _login(self, used):
        return self._session.tokens.refresh(used, lambda credentials: auth.authenticate(self._session, credentials))

    def _send(self, url, params, token, account):
        settings = self._session.settings
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json",
                   "User-Agent": auth.user_agent(settings)}
        if account:
            headers["Harvest-Account-Id"] = (settings.get("account_id") or "").strip()
        return self._session.transport.request("GET", url, params=params, headers=headers)


def next_link(body):
    return (body.get("links") or {}).get("next") or ""


def previous_link(body):
    return (body.get("links") or {}).get("previous") or ""
