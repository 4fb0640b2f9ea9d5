"""A client for a JSON API: base address, login and its renewal, the vendor's clock, errors, links to further pages.

A vendor derives its client from :class:`RestClient` and says how it logs in and what its refusals mean; calls that are
its own (lists, searches, batches) are methods of that class.
"""

from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from .base import address_of, setting_of
from .errors import NotFoundError, PoisonError, UnsafeUrlError


class RestClient:
    """Calls for one :class:`~connectors.base.Session`.

    A vendor implements :meth:`failure`, and either :meth:`authorization` (a key that every call carries) or
    :meth:`login` (tokens that are kept in the store).
    """

    #: the vendor's name for people
    vendor = ""
    #: declared setting fields, and the code of the one that holds the base address
    settings = ()
    url_setting = "base_url"
    #: where the API begins below that address
    prefix = ""
    #: a token is renewed so long before its end, when the vendor named one; None: only once it was refused
    renew_early = timedelta(minutes=5)

    def __init__(self, session):
        self.session = session
        self.root = self.address(self.url_setting) + self.prefix
        self._offset = None

    @classmethod
    def of(cls, session):
        """Return the session's client: one, so that clock and metadata are shared by its streams."""
        name = f"{cls.__module__}.{cls.__name__}"
        if name not in session.memory:
            session.memory[name] = cls(session)
        return session.memory[name]

    # === WHAT A VENDOR SAYS === #

    def authorization(self):
        """Return the Authorization header of a login without tokens; an empty text when there are tokens."""
        return ""

    def login(self, credentials):
        """Return a new :class:`~connectors.base.Token`. :raise ConnectorError: refused, or not available"""
        raise NotImplementedError  # a vendor whose tokens end says how to get one; none other is asked

    def headers(self):
        """Return what every call carries besides the login."""
        return {"Accept": "application/json"}

    def failure(self, response):
        """Return the exception that an unsuccessful :class:`~connectors.transport.Response` stands for."""
        raise NotImplementedError  # what a refusal means is each vendor's own

    # === CALLS === #

    def call(self, method, path, *, kind=dict, **content):
        """Make one call and return the JSON value of its success.

        :param path: below the base address, or a link that an answer named
        :param kind: type of the value that is promised
        :param content: ``params``, ``json``, ``data`` and ``headers`` of
            :meth:`~connectors.transport.Transport.request`
        :raise ConnectorError: see :mod:`connectors.errors`
        """
        return self._value(self.succeed(method, path, **content), kind)

    def read(self, path, **content):  # pylint: disable=method-required-super
        """Return ``(JSON object, Response)`` of a read; the Response tells the vendor's clock at that moment."""
        response = self.succeed("GET", path, **content)
        return self._value(response, dict), response

    def find(self, path, **content):
        """Return what :meth:`read` does, with None for an object that the vendor does not know."""
        response = self.send("GET", path, **content)
        if response.ok:
            return self._value(response, dict), response
        error = self.failure(response)
        if isinstance(error, NotFoundError):
            return None, response
        raise error

    def succeed(self, method, path, **content):
        """Return the Response of a call that succeeded."""
        response = self.send(method, path, **content)
        if not response.ok:
            raise self.failure(response)
        return response

    def _value(self, response, kind):
        value = response.json()
        if not isinstance(value, kind):
            raise PoisonError(f"{self.vendor}'s answer is not a JSON {'object' if kind is dict else 'list'}", "answer")
        return value

    def send(self, method, path, **content):
        """Make one call and return its Response, whatever the status; a token that was refused is renewed once."""
        if fixed := self.authorization():
            return self._exchange(method, path, fixed, **content)
        token = self.session.tokens.get()
        if token is None or self._ends(token):
            token = self._renew(token)
        response = self._exchange(method, path, f"Bearer {token.data['access_token']}", **content)
        if response.status == 401:
            token = self._renew(token)
            response = self._exchange(method, path, f"Bearer {token.data['access_token']}", **content)
        return response

    def _ends(self, token):
        return bool(token.expires_at and self.renew_early is not None
                    and token.expires_at - self.renew_early <= datetime.now(timezone.utc))

    def _renew(self, used):
        return self.session.tokens.refresh(used, self.login)

    def _exchange(self, method, path, authorization, headers=None, **content):
        response = self.session.transport.request(
            method, self.url(path), headers={**self.headers(), "Authorization": authorization, **(headers or {})},
            **content)
        if response.date:
            self._offset = response.date - datetime.now(timezone.utc)
        return response

    def url(self, path):
        """Return the address of a path, or of a link.

        :raise UnsafeUrlError: the link leads somewhere else than the setting, and would be told the token
        """
        if path.startswith("/"):
            return self.root + path
        ours, theirs = urlsplit(self.root), urlsplit(path)
        if (ours.scheme, ours.netloc.lower()) != (theirs.scheme, theirs.netloc.lower()):
            raise UnsafeUrlError(f"{self.vendor} continues its list at another address than the one in the settings")
        return path

    # === CLOCK AND SETTINGS === #

    def now(self, path, **content):
        """Return the vendor's clock (aware UTC datetime) as its latest answer told it.

        :param path: what is read to learn it when nothing was read yet
        """
        if self._offset is None:
            self.call("GET", path, **content)
        # A proxy may take the Date header away: then our own clock is all there is.
        return datetime.now(timezone.utc) + (self._offset or timedelta())

    def setting(self, code):
        return setting_of(self.settings, self.session.settings, code)

    def address(self, code):
        return address_of(self.settings, self.session.settings, code)
