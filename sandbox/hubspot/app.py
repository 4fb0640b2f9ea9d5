"""The account as an HTTP service: what the server asks for, and what people do at HubSpot."""

import re

from ..messages import Response, json_response
from .api import DATES, Api
from .definitions import Definitions, millis
from .errors import ApiError, OAuthError, rate_limit
from .limits import Limits
from .oauth import CLIENT_ID, CLIENT_SECRET, Authority
from .objects import KINDS, PSA_DEAL, PSA_LINE
from .owners import Owners
from .reading import Reading
from .second_act import SecondAct
from .seed import counts, owners, seed, stage_of
from .store import Store
from .webhooks import Webhooks
from .writing import Writing

PORTAL_ID = 424242
_SECRETS = re.compile(r"((?:access_token|refresh_token|client_secret|code|code_verifier|token)=)[^&]+")


def create_app(clock, url, scale="tiny", seed=1, records=0, **settings):
    """Return the :class:`App`; scale and seed do not matter, the studio's deals are the same in all.

    :param records: plain companies to add, for load (``plain_companies`` in the manifest)
    :param settings: ``search_wall`` (rows of one search that can be reached), ``index_delay`` (seconds until a search
        finds a change), ``link_page`` (links of a record in a page of the batch read), ``psa_properties`` (False: the
        firm's own properties are not there yet), ``token_seconds``, ``rotate`` (tokens), ``ten_seconds``,
        ``searches``, ``day`` (limits), ``retry_seconds``, ``generic`` (webhooks)
    """
    return App(clock, url, records, **settings)


class App:
    """One HubSpot account with one app (OAuth) and one private app."""

    VENDOR_KINDS = frozenset(("duplicate_rows", "reordered_page", "endless_paging", "expired_token", "revoked_grant",
                              "missing_scopes", "search_limit", "daily_limit", "locked", "migration"))

    def __init__(self, clock, url, records, search_wall=10_000, index_delay=0, link_page=500, psa_properties=True,
                 token_seconds=1800, rotate=False, ten_seconds=0, searches=0, day=0, retry_seconds=0.2,
                 generic=False):
        self.clock, self.url, self.plain = clock, url, records
        owner_rows = owners()
        definitions = Definitions({str(number) for number in owner_rows})
        if psa_properties:
            definitions.define_all("deals", "psa_hub", PSA_DEAL)
            definitions.define_all("line_items", "psa_hub", PSA_LINE)
        self.store = Store(clock, definitions)
        seed(self.store, psa_properties, records)
        self.store.index_delay = index_delay
        self.authority = Authority(PORTAL_ID, token_seconds, rotate)
        self.limits = Limits(ten_seconds, searches, day)
        self.owners = Owners(owner_rows)
        self.reading = Reading(self.store, search_wall, link_page)
        self.writing = Writing(self.store, self.reading)
        self.webhooks = Webhooks(PORTAL_ID, retry_seconds, generic)
        self.store.listeners.append(self.webhooks.heard)
        self.second_act = SecondAct(self)
        self.api = Api(self)

    # === WHAT THE SERVER ASKS FOR === #

    def handle(self, request):
        try:
            if request.path.startswith("/oauth/"):
                return self._oauth(request)
            return self.api.handle(request)
        except OAuthError as error:
            return json_response(error.body(), error.status)
        except ApiError as error:
            return json_response(error.body(), error.status, error.headers)

    def outage(self, status):
        """Return how HubSpot words a 429 or 500: body and further headers."""
        if status == 429:
            return rate_limit("TEN_SECONDLY_ROLLING").body(), {
                **self.limits.headers(False), "X-HubSpot-RateLimit-Remaining": "0"}
        return ApiError(500, "INTERNAL_ERROR", "internal error").body(), {}

    def credentials(self):
        """Return all that a client needs to connect; the webhooks' secret is the app's client secret."""
        return {
            "base_url": self.url, "authorize_url": f"{self.url}/oauth/authorize", "portal_id": str(PORTAL_ID),
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": self.authority.refresh_token,
            "access_token": self.authority.private_token, "webhook_secret": CLIENT_SECRET,
        }

    def manifest(self):
        """Return counts by object, the deals by outcome, and what was written."""
        with self.store.lock:
            deals = [(row, stage_of(row)) for row in self.store.tables["deals"].rows.values()
                     if row.archived_at is None]
            return {
                "company": "Halden Marsh Digital GmbH", "portal_id": PORTAL_ID, "plain_companies": self.plain,
                "counts": {"owners": sum(not row["archived"] for row in self.owners.rows.values()),
                           **counts(self.store)},
                "won_deals": [self._deal(row) for row, stage in deals if stage.won],
                "open_deals": [str(row.id) for row, stage in deals if not stage.closed],
                "lost_deals": [str(row.id) for row, stage in deals if stage.closed and not stage.won],
                "written": self.written(), "today": self.clock.now().date().isoformat(),
                "advanced": self.second_act.played,
            }

    def _deal(self, row):
        companies = self.store.links.of("deals", row.id, "companies")
        return {"id": str(row.id), "company_id": str(companies[0]) if companies else "",
                "lines": [str(number) for number in self.store.links.of("deals", row.id, "line_items")],
                **{name: row.properties.get(name) for name in (
                    "dealname", "amount", "deal_currency_code", "pipeline", "dealstage", "psa_project_code")}}

    def written(self):
        """Return by object, for each record written over the API: how often, and its ``odoo_`` properties."""
        with self.store.lock:
            result = {kind: {} for kind in KINDS}
            for (kind, record_id), times in self.store.writes.items():
                row = self.store.tables[kind].find(record_id)
                values = row.properties if row is not None else {}
                result[kind][str(record_id)] = {
                    "writes": times, "values": {key: values[key] for key in values if key.startswith("odoo_")}}
            return result

    def advance(self):
        return self.second_act.play()

    def close(self):
        self.webhooks.close()

    def redact(self, request):
        return _SECRETS.sub(r"\1[hidden]", request.target)

    def client_name(self, request):
        return request.headers.get("User-Agent", "")

    def log_details(self, request):
        """Return what the log keeps besides the line: bodies of data calls, never of logins."""
        if request.path.startswith("/oauth/"):
            return {"grant_type": request.form().get("grant_type", "")} if request.method == "POST" else {}
        return {"body": request.body[:65_536].decode("utf-8", "replace")} if request.body else {}

    def control(self, method, name, values):
        """Answer the control calls that only this vendor has; None for an unknown one."""
        match method, name:
            case "POST", "expire":
                self.authority.expire()
                return {"expired": True}
            case "POST", "revoke":
                self.authority.revoke_all(bool(values.get("for_good", True)))
                return {"refuse_all": self.authority.refuse_all}
            case "POST", "scopes":
                self.authority.withdrawn = set(values["withdrawn"])
                return {"withdrawn": sorted(self.authority.withdrawn)}
            case "GET", "webhooks":
                return self.webhooks.status()
            case "POST", "webhooks":
                return self.webhooks.register(**values)
            case "DELETE", "webhooks":
                self.webhooks.clear()
                return self.webhooks.status()
            case "GET", "written":
                return self.written()
            case "POST", "create":
                return {"id": self.create(**values)}
            case "POST", "change":
                return {"id": self.change(**values)}
            case "POST", "delete":
                return {"id": self.delete(**values)}
            case "POST", "merge":
                return {"id": self.merge(**values)}
        return None

    # === OAUTH AND THE ACCOUNT === #

    def account(self):
        return {"portalId": PORTAL_ID, "accountType": "DEVELOPER_TEST", "timeZone": "Europe/Berlin",
                "companyCurrency": "EUR", "additionalCurrencies": [], "utcOffset": "+02:00",
                "utcOffsetMilliseconds": 7_200_000, "uiDomain": "app.hubspot.com", "dataHostingLocation": "eu1"}

    def _oauth(self, request):
        if request.fault and request.fault.kind == "revoked_grant":
            raise OAuthError("invalid_grant", "missing or invalid refresh token")
        match request.method, request.raw_segments():
            case "GET", ["oauth", "authorize"]:
                return Response(302, b"", {"Location": self.authority.authorize(request.query)})
            case "POST", ["oauth", version, "token", *rest] if version in ("v3", *DATES):
                if request.query:
                    raise OAuthError("invalid_request", "parameters belong into the body")
                if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
                    raise OAuthError("invalid_request", "the body must be form-urlencoded", 415)
                if not rest:
                    return json_response(self.authority.token(request.form()), headers={"Cache-Control": "no-store"})
                if rest == ["introspect"]:
                    return json_response(self.authority.introspect(request.form()))
                if rest == ["revoke"]:
                    self.authority.revoke(request.form())
                    return Response(204)
        raise ApiError(404, "NOT_FOUND", "No such endpoint")

    # === WHAT PEOPLE DO AT HUBSPOT === #

    def create(self, kind, properties, moment=None, links=()):
        """Create a record and return its id.

        :param moment: aware datetime of its stamp, by default now
        :param links: ``(kind, id)`` of the records to link it with
        """
        with self.store.lock:
            values = self.store.definitions.read_values(kind, properties)
            row = self.store.add(kind, values, moment=moment and millis(moment))
            for other, other_id in links:
                self.store.link(kind, row.id, other, int(other_id))
            return str(row.id)

    def change(self, kind, record_id, properties, moment=None):
        """Change a record and return its id; ``moment`` as in :meth:`create`."""
        with self.store.lock:
            row = self.store.live(kind, record_id)
            values = self.store.definitions.read_values(kind, properties, row.properties)
            return str(self.store.change(kind, row, values, moment and millis(moment)).id)

    def delete(self, kind, record_id):
        """Archive a record and return its id."""
        with self.store.lock:
            row = self.store.live(kind, record_id)
            self.store.archive(kind, row)
            return str(row.id)

    def merge(self, kind, loser, winner, new_record=False):
        """Merge two records and return the id of the one that is left."""
        with self.store.lock:
            rows = [self.store.live(kind, number) for number in (winner, loser)]
            return str(self.store.merge(kind, *rows, new_record=new_record).id)

    def lock_record(self, kind, record_id):
        """Let a rule of the account refuse every change of a record over the API."""
        self.store.locked.add((kind, self.store.live(kind, record_id).id))
