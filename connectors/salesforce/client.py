"""The REST client: one call, with the session renewed once, errors classified and the quota watched."""

import re
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError, PoisonError, QuotaError
from . import auth, soql
from .errors import from_response, is_expired_session

_USAGE = re.compile(r"(?<!per-app-)api-usage=(\d+)/(\d+)")
_CLIENT_NAME = "psa-hub"
_QUOTA_PAUSE_SECONDS = 1800
_PAGE_SLACK = 2000  # rows that a vendor may repeat at the borders of pages


def client_of(session):
    """Return the session's client (one a session, so that describes and quota are shared by its streams)."""
    client = session.memory.get("salesforce_client")
    if client is None:
        client = session.memory["salesforce_client"] = Client(session)
    return client


def strip_attributes(value):
    """Return ``value`` without the ``attributes`` entry that Salesforce adds to every record; nested too."""
    if isinstance(value, dict):
        return {key: strip_attributes(item) for key, item in value.items() if key != "attributes"}
    if isinstance(value, list):
        return [strip_attributes(item) for item in value]
    return value


class Client:
    """Calls for one :class:`~connectors.base.Session`.

    After each call ``session.memory["quota"]`` holds ``{"used": n, "limit": n}`` of the org's API calls of 24 hours.
    """

    def __init__(self, session):
        self._session = session
        self._clock_offset = None
        self._describes = {}

    @property
    def version(self):
        return self._session.settings.get("api_version") or "62.0"

    # === CALLS === #

    def call(self, method, path, *, params=None, json=None, headers=None, write=False, expect=None):
        """Make one call below the instance address and return its successful Response.

        :param path: path below ``/services/data/vXX.X``, or a path from the root of the instance (``/services/...``)
        :param write: the call changes a record (errors then concern that record, and the quota stop does not apply)
        :param expect: statuses that are returned although they are no success
        :raise ConnectorError: see :mod:`connectors.errors`
        """
        if not write:
            self._check_quota()
        token = self._session.tokens.get() or self._login(None)
        response = self._send(token, method, path, params, json, headers)
        if response.status == 401:
            body = self._error_body(response)
            if not is_expired_session(401, body):
                raise from_response(response)
            response = self._send(self._login(token), method, path, params, json, headers)
            if response.status == 401:
                raise ConnectionRefusedByVendor("Salesforce refuses the session that it has just given: check the "
                                                "app's policies and the user's API permission", "INVALID_SESSION_ID")
        self._note(response)
        if response.ok or response.status in (expect or ()):
            return response
        raise from_response(response, write=write)

    def _login(self, used):
        return self._session.tokens.refresh(used, lambda credentials: auth.authenticate(self._session, credentials))

    def _send(self, token, method, path, params, json, headers):
        root = token.data["instance_url"].rstrip("/")
        if not path.startswith("/services/"):
            path = f"/services/data/v{self.version}{path}"
        return self._session.transport.request(
            method, root + path, params=params, json=json,
            headers={"Authorization": f"Bearer {token.data['access_token']}", "Accept": "application/json",
                     "Sforce-Call-Options": f"client={_CLIENT_NAME}", **(headers or {})})

    @staticmethod
    def _error_body(response):
        try:
            return response.json()
        except PoisonError:
            return None

    def _note(self, response):
        """Keep the quota and the vendor's clock that every answer carries."""
        usage = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        if usage:
            self._session.memory["quota"] = {"used": int(usage[1]), "limit": int(usage[2])}
        if response.date:
            self._clock_offset = response.date.timestamp() - time.time()

    def _check_quota(self):
        quota = self._session.memory.get("quota")
        percent = float(self._session.settings.get("quota_stop_percent") or 90)
        if quota and quota["limit"] and quota["used"] * 100 >= percent * quota["limit"]:
            raise QuotaError(f"The org has used {quota['used']} of its {quota['limit']} API calls of 24 hours; reading "
                             f"stops at {percent:g} %", "QUOTA_STOP", _QUOTA_PAUSE_SECONDS)

    def now(self):
        """Return Salesforce's clock (aware UTC datetime); asking for it costs no API call of the quota."""
        if self._clock_offset is None:
            self.call("GET", "/services/data/")
        offset = self._clock_offset or 0.0  # a server without a Date header: our own clock is all there is
        return datetime.now(timezone.utc) + timedelta(seconds=offset)

    # === OBJECTS === #

    def describe(self, name):
        """Return ``{field name: describe entry}`` of an object.

        :raise MissingScopeError: the object does not exist in this org or the user may not see it
        """
        if name not in self._describes:
            response = self.call("GET", f"/sobjects/{quote(name)}/describe", expect=(404,))
            if response.status == 404:
                raise MissingScopeError(f"The object {name} does not exist in this org or the integration user may "
                                        "not see it", "INVALID_TYPE", (name,))
            self._describes[name] = {entry["name"]: entry for entry in response.json()["fields"]}
        return self._describes[name]

    def object_names(self):
        """Return the names of all objects that the user sees."""
        return {entry["name"] for entry in self.call("GET", "/sobjects").json()["sobjects"]}

    # === QUERIES === #

    def query(self, statement, *, batch_size=2000, everything=False):
        """Return all records of a SELECT (``attributes`` removed), following its pages.

        :param everything: also deleted records (queryAll)
        :raise PoisonError: the pages hold more than the answer promised: they lead in a circle
        """
        options = {"Sforce-Query-Options": f"batchSize={min(max(batch_size, 200), 2000)}"}
        path = "/queryAll/" if everything else "/query/"
        page = self.call("GET", path, params={"q": statement}, headers=options).json()
        records = strip_attributes(page["records"])
        while not page["done"]:
            page = self.call("GET", page["nextRecordsUrl"], headers=options).json()
            records += strip_attributes(page["records"])
            if len(records) > page["totalSize"] + _PAGE_SLACK:
                raise PoisonError("The pages of an answer lead in a circle", "ENDLESS_PAGING")
        return records

    def count(self, source, where):
        """Return the number of records of ``source`` that match ``where``."""
        return int(self.call("GET", "/query/", params={"q": soql.select(["COUNT()"], source, where)})
                   .json()["totalSize"])

    def by_ids(self, source, fields, ids, *, key="Id", everything=False):
        """Return the records whose ``key`` is one of ``ids``, in as few queries as the URL length allows."""
        ids, records = list(ids), []
        for start in range(0, len(ids), soql.IDS_PER_QUERY):
            chunk = ids[start:start + soql.IDS_PER_QUERY]
            records += self.query(soql.select(fields, source, soql.one_of(key, chunk)), everything=everything)
        return records

    def deleted(self, source, start, end):
        """Return the delete log of an object: ``{"deletedRecords", "earliestDateAvailable", "latestDateCovered"}``."""
        return self.call("GET", f"/sobjects/{quote(source)}/deleted/",
                         params={"start": soql.literal(start.replace(microsecond=0)),
                                 "end": soql.literal(end.replace(microsecond=0))}).json()

    def default_currency(self):
        """Return the one currency of an org without multiple currencies.

        :raise ConnectionRefusedByVendor: neither the setting nor the org tells it
        """
        configured = self._session.settings.get("default_currency")
        if configured:
            return configured.strip().upper()
        if "default_currency" not in self._session.memory:
            try:
                rows = self.query(soql.select(["DefaultCurrencyIsoCode"], "Organization", limit=1))
            except (MissingScopeError, DataError) as error:
                raise self._no_currency() from error
            code = rows[0].get("DefaultCurrencyIsoCode") if rows else None
            if not code:
                raise self._no_currency()
            self._session.memory["default_currency"] = code
        return self._session.memory["default_currency"]

    @staticmethod
    def _no_currency():
        return MissingScopeError("The org has one currency and does not tell which: enter it as “Currency of the org” "
                                 "in the connection's settings", "default_currency", ("Organization",))
