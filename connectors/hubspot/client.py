"""One call to HubSpot: login, error classes, and the calls that several parts share."""

import re
from datetime import datetime, timedelta, timezone
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..base import Token
from ..errors import (
    ConflictError,
    ConnectionRefusedByVendor,
    MissingScopeError,
    NotFoundError,
    PoisonError,
    QuotaError,
    TransientError,
)
from ..oauth import OAuth
from ..refusals import body_of, refusal
from ..rest import RestClient
from ..transport import redact
from .declaration import ASSOCIATIONS, CRM, OAUTH, OPTIONAL_SCOPES, SCOPES, SETTINGS, TOKEN_PATH

#: A batch call takes so many inputs.
BATCH = 100
#: Seconds to wait where HubSpot names none: a record's lock, and the limits by the name of their policy.
_LOCK_SECONDS, _MIGRATION_SECONDS = 3, 3600
_LIMIT_SECONDS = {"SECONDLY": 1, "TEN_SECONDLY_ROLLING": 10}
#: Categories by which a batch says that an input does not exist or has nothing associated.
_ABSENT = re.compile(r"OBJECT_NOT_FOUND|NO_ASSOCIATIONS_FOUND")


#: What only write-backs need may be refused at the consent.
CONSENT = OAuth("HubSpot", SETTINGS, ("api_url", TOKEN_PATH), ("consent_url", ""), {
    "scope": " ".join(SCOPES), "optional_scope": " ".join(OPTIONAL_SCOPES)})


# === ERRORS === #

#: What a category means, or a status where HubSpot differs from others.
_KINDS = {
    "RATE_LIMITS": TransientError, "INTERNAL_ERROR": TransientError, "MISSING_SCOPES": MissingScopeError,
    "CONFLICT": ConflictError, 403: ConnectionRefusedByVendor,
}


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
        retry_after = max(retry_after or 0, _LOCK_SECONDS)
    if _ABSENT.search(f"{category} {body.get('subCategory')}"):
        return NotFoundError(text, category)
    missing = _scopes(body) if category == "MISSING_SCOPES" else ()
    if missing:
        text = f"A right is missing in HubSpot: {', '.join(missing)}"
    return refusal(status, text, category, _KINDS, retry_after=retry_after, maybe_done=maybe_done, missing=missing)


# === CALLS === #

class Client(RestClient):
    """Calls for one :class:`~connectors.base.Session`."""

    vendor = "HubSpot"
    settings = SETTINGS
    url_setting = "api_url"

    def login(self, credentials):
        if self.session.auth_method == OAUTH:
            return CONSENT.authenticate(self.session, credentials)
        if not credentials.get("access_token"):
            raise ConnectionRefusedByVendor("The access token is missing", "no_token")
        return Token({"access_token": credentials["access_token"]})

    def failure(self, response):
        return classify(response.status, body_of(response), response.retry_after, response.maybe_done,
                        self._seconds_to_midnight())

    def now(self, path):
        """Return HubSpot's clock (aware UTC datetime), asking the list of an object if no call was made yet."""
        return super().now(f"{CRM}/objects/{path}", params={"limit": 1})

    @cached_property
    def details(self):
        """What the account says of itself."""
        return self.call("GET", "/account-info/v3/details")

    @property
    def portal(self):
        """The account's ID (text), or an empty text."""
        return str(self.details.get("portalId") or "")

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


client_of = Client.of


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
