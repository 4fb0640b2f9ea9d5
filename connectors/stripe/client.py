"""One call to Stripe: the pinned version, form bodies, and what an error means."""

import re
import time

from ..cursor import format_instant
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError, NotFoundError, PoisonError, TransientError
from ..refusals import body_of, kind_of, refusal
from ..rest import RestClient
from ..transport import clock_of, redact
from .declaration import SETTINGS

#: Shapes are read in this version whatever the account's or a webhook endpoint's default is.
API_VERSION = "2026-06-24.dahlia"
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


_LIMITS = ("rate_limit", "lock_timeout")
#: What Stripe's codes mean, and statuses where it differs from others: any 404 but ``resource_missing`` is a wrong
#: address, and says nothing of the object.
_KINDS = {"resource_missing": NotFoundError, 404: DataError, 423: DataError,
          **dict.fromkeys((*_LIMITS, 409, 424), TransientError)}
_TEXTS = {
    ConnectionRefusedByVendor: "Stripe does not accept the key: it is wrong, expired or was rolled",
    MissingScopeError: "The key lacks a permission: {}",
    TransientError: "Stripe asks to try again later: {}",
    NotFoundError: "Stripe does not know it: {}",
    DataError: "Stripe refuses: {}",
}


def classify(response):
    """Return the error that an unsuccessful answer means."""
    status, error = response.status, body_of(response).get("error") or {}
    error = error if isinstance(error, dict) else {"message": str(error)}
    code = str(error.get("code") or error.get("type") or f"http_{status}")
    words = _ANY_KEY.sub("***", redact(error.get("message") or f"status {status}"))
    kind, told = kind_of(status, code, _KINDS), response.headers.get("Stripe-Should-Retry", "").lower()
    if status == 400 and "permission" in words.lower():
        kind = MissingScopeError
    elif told == "true" and status not in (401, 403):
        kind = TransientError
    elif told == "false" and kind is TransientError and status != 429 and code not in _LIMITS:
        kind = DataError
    return refusal(status, _TEXTS[kind].format(words), code, {code: kind}, retry_after=response.retry_after,
                   maybe_done=response.maybe_done, missing=_RIGHT.findall(words))


class Client(RestClient):
    """Calls for one :class:`~connectors.base.Session`. ``live``: the key's mode."""

    vendor = "Stripe"
    settings = SETTINGS

    def __init__(self, session):
        super().__init__(session)
        self._key, self.live = key_of(session.credentials)

    def authorization(self):
        return f"Bearer {self._key}"

    def headers(self):
        return {**super().headers(), "Stripe-Version": API_VERSION}

    def failure(self, response):
        return classify(response)

    def post(self, path, values, idempotency_key):
        """Return the object that a write made or changed; with the same key it happens once."""
        return self.call("POST", path, data=flat(values), headers={"Idempotency-Key": idempotency_key})

    def page(self, path, values, after="", limit=MAX_PAGE):
        """Return ``(rows, has_more, Response)`` of a list, newest first.

        :param after: id of the last row of the page before
        :raise PoisonError: not a list, or the page before once more
        """
        body, response = self.read(path, params=flat({
            **values, "limit": max(1, min(limit, MAX_PAGE)), "starting_after": after or None}))
        if not isinstance(body.get("data"), list):
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


def version_at(response):
    """Return the version of what ``response`` shows: the moment at which it was read.

    Stripe's objects carry no change time, and an event's time has whole seconds in which several things happen. But an
    object that is read shows its newest state, so the order of the reads is the order of the states: first by Stripe's
    clock, which all workers share, within one of its seconds by the hub's own in milliseconds. An object that is read
    again unchanged gets a new version too; the engine knows it by its values and does nothing.
    """
    return f"{format_instant(clock_of(response))}/{time.time_ns() // 1_000_000:014d}"
