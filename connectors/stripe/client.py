"""One call to Stripe: the pinned version, form bodies, and what an error means."""

import re
import time
from datetime import datetime, timezone

from ..cursor import format_instant
from ..errors import (
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    TransientError,
)
from ..transport import OUTAGE_STATUSES, redact

#: Shapes are read in this version whatever the account's or a webhook endpoint's default is.
API_VERSION = "2026-06-24.dahlia"
DEFAULT_URL = "https://api.stripe.com"
#: Stripe's largest page.
MAX_PAGE = 100

_KEY = re.compile(r"[sr]k_(live|test)_\S+")
_ANY_KEY = re.compile(r"\b(?:[srp]k|whsec)_\S+")
_RIGHT = re.compile(r"rak_\w+")


def key_of(credentials):
    """Return ``(key, live)`` of the credentials.

    :raise ConnectionRefusedByVendor: not a key that may be used by a server
    """
    key = (credentials.get("api_key") or "").strip()
    if key.startswith("pk_"):
        raise ConnectionRefusedByVendor("This is the publishable key: enter a restricted or secret key (rk_ or sk_)",
                                        "publishable_key")
    match = _KEY.fullmatch(key)
    if not match:
        raise ConnectionRefusedByVendor("The key does not begin with rk_live_, rk_test_, sk_live_ or sk_test_",
                                        "key_format")
    return key, match[1] == "live"


def flat(values, prefix=""):
    """Return nested values as form fields: ``{"a": {"b": 1}, "c": [{"d": "x"}]}`` -> ``{"a[b]": "1", "c[0][d]": "x"}``.

    A list of plain values stays one, under ``name[]``; None is left out.
    """
    fields = {}
    for name, value in values.items() if isinstance(values, dict) else enumerate(values):
        name = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            fields |= flat(value, name)
        elif isinstance(value, (list, tuple)):
            fields[f"{name}[]"] = list(value)
        elif value is not None:
            fields[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return fields


def _error_of(response):
    try:
        body = response.json()
    except (PoisonError, TransientError):
        return {}  # a proxy's page: the status has to do
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else {}


def classify(response):
    """Return the error that an unsuccessful answer means."""
    error, status, method = _error_of(response), response.status, response.method
    code = str(error.get("code") or error.get("type") or f"http_{status}")
    words = _ANY_KEY.sub("***", redact(error.get("message") or f"status {status}"))
    told = {"true": True, "false": False}.get(response.headers.get("Stripe-Should-Retry", "").lower())
    later = TransientError(f"Stripe asks to try again later: {words}", code, response.retry_after,
                           maybe_done=method != "GET" and status >= 500)
    if status == 401:
        return ConnectionRefusedByVendor("Stripe does not accept the key: it is wrong, expired or was rolled", code)
    if status == 403 or (status == 400 and "permission" in words.lower()):
        return MissingScopeError(f"The key lacks a permission: {words}", code, _RIGHT.findall(words))
    if status == 429 or code in ("rate_limit", "lock_timeout"):
        return later
    if told is not False and (told or status in (409, 424) or status in OUTAGE_STATUSES):
        return later
    if code == "resource_missing":  # any other 404 is a wrong address, and says nothing of the object
        return NotFoundError(f"Stripe does not know it: {words}", code)
    return DataError(f"Stripe refuses: {words}", code)


class Client:
    """Calls for one :class:`~connectors.base.Session`. ``live``: the key's mode."""

    def __init__(self, session):
        self._session = session
        self._key, self.live = key_of(session.credentials)
        self._url = (session.settings.get("base_url") or DEFAULT_URL).rstrip("/")

    def _send(self, method, path, values, idempotency_key=""):
        fields = flat(values or {})
        headers = {"Authorization": f"Bearer {self._key}", "Stripe-Version": API_VERSION}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return self._session.transport.request(
            method, self._url + path, headers=headers, params=fields if method == "GET" else None,
            data=fields if method == "POST" else None)

    def get(self, path, values=None):
        """Return the successful Response of a read; ``values`` are nested parameters.

        :raise ConnectorError: see :func:`classify`
        """
        response = self._send("GET", path, values)
        if not response.ok:
            raise classify(response)
        return response

    def find(self, path, values=None):
        """Return ``(object, version)``; the object is None when Stripe does not know it."""
        response = self._send("GET", path, values)
        if response.ok:
            return response.json(), version_at(response)
        error = classify(response)
        if isinstance(error, NotFoundError):
            return None, version_at(response)
        raise error

    def post(self, path, values, idempotency_key):
        """Return the object that a write made or changed; with the same key it happens once."""
        response = self._send("POST", path, values, idempotency_key)
        if not response.ok:
            raise classify(response)
        return response.json()

    def page(self, path, values, after="", limit=MAX_PAGE):
        """Return ``(rows, has_more, Response)`` of a list, newest first.

        :param after: id of the last row of the page before
        :raise PoisonError: not a list, or the page before once more
        """
        response = self.get(path, {**values, "limit": max(1, min(limit, MAX_PAGE)), "starting_after": after or None})
        body = response.json()
        if not isinstance(body, dict) or not isinstance(body.get("data"), list):
            raise PoisonError("The answer is not a list", "not_a_list")
        rows, more = body["data"], bool(body.get("has_more"))
        if more and (not rows or rows[-1]["id"] == after):
            raise PoisonError("The pages of the list do not come to an end", "paging")
        return rows, more, response

    def all(self, path, values):
        """Yield every row of a list, page by page."""
        after, more = "", True
        while more:
            rows, more, _response = self.page(path, values, after)
            yield from rows
            after = rows[-1]["id"] if rows else ""


def clock_of(response):
    """Return Stripe's clock (aware datetime) at an answer."""
    return response.date or datetime.now(timezone.utc)


def version_at(response):
    """Return the version of what ``response`` shows: the moment at which it was read.

    Stripe's objects carry no change time, and an event's time has whole seconds in which several things happen. But an
    object that is read shows its newest state, so the order of the reads is the order of the states: first by Stripe's
    clock, which all workers share, within one of its seconds by the hub's own in milliseconds. An object that is read
    again unchanged gets a new version too; the engine knows it by its values and does nothing.
    """
    return f"{format_instant(clock_of(response))}/{time.time_ns() // 1_000_000:014d}"
