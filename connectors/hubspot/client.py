"""One call to HubSpot: login, token renewal, error classes, and the calls that several parts share."""

import re
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..base import Token
from ..errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    QuotaError,
    TransientError,
)
from ..transport import OUTAGE_STATUSES, redact
from .declaration import ASSOCIATIONS, CRM, OAUTH, OPTIONAL_SCOPES, SCOPES, TOKEN_PATH

#: A batch call takes so many inputs.
BATCH = 100
_EARLY = timedelta(minutes=5)  # of the 30 minutes that a token lives
#: Seconds to wait where HubSpot names none: a record's lock, and the limits by the name of their policy.
_LOCK_SECONDS, _MIGRATION_SECONDS = 3, 3600
_LIMIT_SECONDS = {"SECONDLY": 1, "TEN_SECONDLY_ROLLING": 10}
#: Categories by which a batch says that an input does not exist or has nothing associated.
_ABSENT = re.compile(r"OBJECT_NOT_FOUND|NO_ASSOCIATIONS_FOUND")


# === LOGIN === #

def authorize_url(settings, credentials, redirect_uri, state):
    """Return where the user gives consent; what only write-backs need may be refused there."""
    return settings["consent_url"] + "?" + urlencode({
        "client_id": credentials["client_id"], "redirect_uri": redirect_uri, "state": state,
        "scope": " ".join(SCOPES), "optional_scope": " ".join(OPTIONAL_SCOPES)})


def exchange_code(session, code, redirect_uri):
    """Return the token of a consent; its refresh token comes in ``rotated``."""
    token = _token_call(session, session.credentials, {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri})
    if "refresh_token" not in token.rotated:
        raise PoisonError("The answer to the consent lacks the refresh token", "login_answer")
    return token


def authenticate(session, credentials):
    """Return the :class:`~connectors.base.Token` of these credentials.

    :raise ConnectionRefusedByVendor: refused for good; :raise TransientError: the login is not available
    """
    if session.auth_method != OAUTH:
        if not credentials.get("access_token"):
            raise ConnectionRefusedByVendor("The access token is missing", "no_token")
        return Token({"access_token": credentials["access_token"]})
    if not credentials.get("refresh_token"):
        raise ConnectionRefusedByVendor("Nobody has given consent yet: use “Connect”", "no_consent")
    return _token_call(session, credentials, {
        "grant_type": "refresh_token", "refresh_token": credentials["refresh_token"]})


def _token_call(session, credentials, grant):
    form = {**grant, "client_id": credentials["client_id"], "client_secret": credentials["client_secret"]}
    response = session.transport.request("POST", _root(session) + TOKEN_PATH, data=form,
                                         headers={"Accept": "application/json"})
    if response.status in OUTAGE_STATUSES or response.status >= 500:
        # Nothing is written by a login, but the refresh token may have been replaced.
        raise TransientError(f"HubSpot's login answered {response.status}", f"http_{response.status}",
                             response.retry_after, maybe_done=response.status != 429)
    if not response.ok:
        body = _error_body(response)
        code = body.get("error") or body.get("category") or body.get("status") or f"http_{response.status}"
        text = body.get("error_description") or body.get("message") or code
        raise ConnectionRefusedByVendor(f"HubSpot refused the login ({redact(text)}): check the app's client ID and "
                                        "secret and connect again", str(code))
    body = response.json()
    if not isinstance(body, dict) or not body.get("access_token"):
        raise PoisonError("The login answer lacks the token", "login_answer")
    refresh, seconds = body.get("refresh_token"), body.get("expires_in")
    return Token({"access_token": body["access_token"]},
                 {"refresh_token": refresh} if refresh and refresh != grant.get("refresh_token") else {},
                 datetime.now(timezone.utc) + timedelta(seconds=int(seconds)) if seconds else None)


# === ERRORS === #

def _error_body(response):
    try:
        body = response.json()
    except (PoisonError, TransientError):
        return {}  # a gateway's page: the status alone has to say it
    return body if isinstance(body, dict) else {}


def _scopes(body):
    """Return the names of scopes in the contexts of an error."""
    contexts = [entry.get("context") or {} for entry in (body, *(body.get("errors") or ())) if isinstance(entry, dict)]
    return list(dict.fromkeys(str(name) for context in contexts for names in context.values()
                              for name in (names if isinstance(names, list) else [names])))


def classify(status, body, retry_after=None, maybe_done=False, midnight=_MIGRATION_SECONDS):
    """Return the exception of one error: of a whole answer, or of one input of a batch (then ``status`` is 0).

    :param midnight: seconds until the daily limit starts anew
    """
    category = str(body.get("category") or f"http_{status}")
    text = f"HubSpot: {redact(body.get('message') or f'refused the call ({status})')}"
    if status == 429 or category == "RATE_LIMITS":
        policy = body.get("policyName") or ""
        if policy == "DAILY":
            return QuotaError("The account has used up its calls of the day", policy, retry_after or midnight)
        wait = _LIMIT_SECONDS.get(policy) or (1 if "secondly limit" in text else 10)
        return TransientError(text, policy or category, retry_after or wait)
    if status == 477:
        return QuotaError("HubSpot is moving the account to another data centre", "http_477",
                          retry_after or _MIGRATION_SECONDS)
    if status == 423:
        return TransientError(text, "http_423", max(retry_after or 0, _LOCK_SECONDS))
    if status in OUTAGE_STATUSES or status >= 500 or category == "INTERNAL_ERROR":
        return TransientError(f"HubSpot answered {status or category}", category, retry_after, maybe_done)
    if category == "MISSING_SCOPES":
        missing = _scopes(body)
        return MissingScopeError(f"A right is missing in HubSpot: {', '.join(missing) or text}", category, missing)
    if status in (401, 403):
        return ConnectionRefusedByVendor(text, category)
    if status == 404 or _ABSENT.search(f"{category} {body.get('subCategory')}"):
        return NotFoundError(text, category)
    if status == 409 or category == "CONFLICT":
        return ConflictError(text, category)
    return DataError(text, category)


# === CALLS === #

def _root(session):
    return session.settings["api_url"].rstrip("/")


def client_of(session):
    """Return the session's client: one, so that clock and metadata are shared by its streams."""
    return session.memory.setdefault("hubspot_client", Client(session))


class Client:
    """Calls for one :class:`~connectors.base.Session`."""

    def __init__(self, session):
        self.session = session
        self._offset = None

    def call(self, method, path, *, params=None, json=None):
        """Make one call and return the JSON object of its success.

        :raise ConnectorError: see :mod:`connectors.errors`
        """
        token = self.session.tokens.get()
        if token is None or (token.expires_at and token.expires_at - _EARLY <= datetime.now(timezone.utc)):
            token = self._renew(token)
        response = self._send(token, method, path, params, json)
        if response.status == 401:
            response = self._send(self._renew(token), method, path, params, json)
        if response.date:
            self._offset = response.date.timestamp() - time.time()
        if not response.ok:
            raise classify(response.status, _error_body(response), response.retry_after,
                           method != "GET", self._seconds_to_midnight())
        body = response.json()
        if not isinstance(body, dict):
            raise PoisonError("HubSpot's answer is not a JSON object", "answer")
        return body

    def _renew(self, used):
        return self.session.tokens.refresh(used, lambda credentials: authenticate(self.session, credentials))

    def _send(self, token, method, path, params, json):
        return self.session.transport.request(
            method, _root(self.session) + path, params=params, json=json,
            headers={"Authorization": f"Bearer {token.data['access_token']}", "Accept": "application/json"})

    def now(self, path):
        """Return HubSpot's clock (aware UTC datetime), asking a list if no call was made yet."""
        if self._offset is None:
            self.call("GET", f"{CRM}/objects/{path}", params={"limit": 1})
        offset = self._offset or 0.0  # a proxy took the Date header away: our own clock is all there is
        return datetime.now(timezone.utc) + timedelta(seconds=offset)

    @property
    def zone(self):
        """The account's time zone; UTC when the setting names none that exists (the connection test says so)."""
        try:
            return ZoneInfo(self.session.settings.get("time_zone") or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return timezone.utc

    def _seconds_to_midnight(self):
        now = datetime.now(self.zone)
        return ((now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) - now).total_seconds() + 60

    # === CALLS THAT SEVERAL PARTS SHARE === #

    def batch_read(self, path, properties, ids):
        """Return the objects with these ids that exist."""
        ids, rows = list(ids), []
        for start in range(0, len(ids), BATCH):
            rows += rows_of(self.call("POST", f"{CRM}/objects/{path}/batch/read", json={
                "properties": list(properties), "inputs": [{"id": row_id} for row_id in ids[start:start + BATCH]]}),
                "id", "properties")
        return rows

    def associated(self, source, target, ids):
        """Return ``{id: {id of an associated record: set of association type ids}}`` in few calls."""
        found = {row_id: {} for row_id in ids}
        inputs, asked = [{"id": row_id} for row_id in found], set()
        while inputs:
            chunk, inputs = inputs[:BATCH], inputs[BATCH:]
            answer = self.call("POST", f"{ASSOCIATIONS}/{source}/{target}/batch/read", json={"inputs": chunk})
            for result in rows_of(answer, "from", "to"):
                row_id = str(result["from"].get("id"))
                for entry in rows_of({"results": result["to"]}, "toObjectId"):
                    found.setdefault(row_id, {}).setdefault(str(entry["toObjectId"]), set()).update(
                        kind.get("typeId") for kind in entry.get("associationTypes") or ())
                if after := next_page(result):
                    if (row_id, after) in asked:
                        raise TransientError("HubSpot repeats a page of associations", "repeated_page")
                    asked.add((row_id, after))
                    inputs.append({"id": row_id, "after": after})
        return found

    def property_names(self, path):
        """Return ``{name: definition}`` of an object's properties."""
        known = self.session.memory.setdefault("hubspot_properties", {})
        if path not in known:
            rows = rows_of(self.call("GET", f"{CRM}/properties/{path}"), "name")
            known[path] = {row["name"]: row for row in rows}
        return known[path]


def rows_of(answer, *keys):
    """Return the ``results`` of an answer. Its ``errors`` may say that something does not exist, but nothing else.

    :param keys: what each result must have; ``id`` if nothing else is said
    :raise PoisonError: not what is documented
    """
    for error in answer.get("errors") or ():
        failure = classify(0, error)
        if not isinstance(failure, NotFoundError):
            raise failure
    rows = answer.get("results")
    if not isinstance(rows, list) or not all(
            isinstance(row, dict) and row.get(key) is not None for row in rows for key in keys or ("id",)):
        raise PoisonError("HubSpot's answer lacks the records that it promises", "answer")
    return rows


def next_page(answer):
    """Return the cursor of the next page, or an empty text."""
    return str(((answer.get("paging") or {}).get("next") or {}).get("after") or "")
