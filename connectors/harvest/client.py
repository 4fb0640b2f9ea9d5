"""One read from Harvest: login, headers, pages, and what a refusal means. Nothing is ever written."""

from .. import transport
from ..base import setting_of
from ..errors import DataError, PoisonError
from ..oauth import OAuth
from ..refusals import body_of, refusal
from ..rest import RestClient
from ..transport import redact
from .declaration import SETTINGS, TOKEN


def _headers(settings):
    """Return what every call carries; those without a contact that Harvest can write to are refused."""
    return {"Accept": "application/json", "User-Agent": f"PSA Hub ({setting_of(SETTINGS, settings, 'contact')})"}


class _Consent(OAuth):
    def headers(self, settings):
        return _headers(settings)

    def clock(self, response):
        return transport.clock_of(response)

    def consent_query(self, settings):
        """The consent is for the one account of the connection."""
        return {"response_type": "code", "scope": f"harvest:{setting_of(SETTINGS, settings, 'account_id') or 'all'}"}


CONSENT = _Consent("Harvest", SETTINGS, ("login_url", "/api/v2/oauth2/token"), ("login_url", "/oauth2/authorize"),
                   sends_redirect=False)


class Client(RestClient):
    """Reads for one :class:`~connectors.base.Session`."""

    vendor = "Harvest"
    settings = SETTINGS
    prefix = "/v2"
    renew_early = None  # a token lives for two weeks, and ends by Harvest's clock

    def authorization(self):
        session = self.session
        token = (session.credentials.get("access_token") or "").strip()
        return f"Bearer {token}" if session.auth_method == TOKEN else ""

    def login(self, credentials):
        return CONSENT.authenticate(self.session, credentials)

    def headers(self):
        return {**_headers(self.session.settings), "Harvest-Account-Id": self.setting("account_id")}

    def failure(self, response):
        status, told, what = response.status, body_of(response), response.url.partition("?")[0].removeprefix(self.root)
        words = redact(told.get("error_description") or told.get("message") or told.get("error") or "no reason given")
        code = str(told.get("error") or told.get("code") or f"http_{status}")
        text = f"Harvest answered {status} for {what}: {words}"
        if status == 401:
            text = "Harvest does not accept the token: it was revoked or is wrong"
        elif status == 403:
            text = f"Harvest does not show {what}: the user lacks the right, or the account ID is wrong"
        # A page of a proxy in place of an answer says nothing of the record.
        table = {404: DataError} if response.body and not told else None
        return refusal(status, text, code, table, retry_after=response.retry_after, missing=(what,))

    def page(self, path, key, params=None, link=""):
        """Return ``(rows, body, Harvest's clock)`` of a list's page.

        :param key: name under which the rows come
        :param link: address that the page before named; used as it is
        :raise PoisonError: not such a page, or one that names itself as the next
        """
        body, response = self.read(link or path, params=None if link else params)
        if not isinstance(body.get(key), list):
            raise PoisonError(f"The answer holds no {key}", "not_a_list")
        if link and next_link(body) == link:
            raise PoisonError("The pages of the list do not come to an end", "paging")
        return body[key], body, clock_of(response)


class AccountClient(Client):
    """Asks the login which accounts it may see; it is asked without naming one."""

    url_setting = "login_url"
    prefix = "/api/v2"

    def headers(self):
        return _headers(self.session.settings)

    def accounts(self):
        """Return ``{id: name}`` of the Harvest accounts that the token may see."""
        return {str(item["id"]): item["name"] for item in self.call("GET", "/accounts")["accounts"]
                if item.get("product") == "harvest"}


def clock_of(response):
    """Return Harvest's clock (aware datetime, whole seconds) at an answer."""
    return transport.clock_of(response).replace(microsecond=0)


def next_link(body):
    return (body.get("links") or {}).get("next") or ""


def previous_link(body):
    return (body.get("links") or {}).get("previous") or ""
