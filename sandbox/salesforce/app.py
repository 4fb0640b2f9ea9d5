"""The organisation as an HTTP service: routes a request to OAuth, to the REST API or to the control API."""

import re

from ..messages import Response, json_response
from . import manifest_parts
from .errors import ApiError, OAuthError
from .oauth import Authority
from .outbound import OutboundMessages
from .query import QueryService
from .rest import Rest
from .second_act import SecondAct
from .seed import seed, seed_plain_accounts

VERSIONS = [f"v{number}.0" for number in range(59, 68)]
_MAX_TARGET = 16_384
_SECRETS = re.compile(r"((?:access_token|refresh_token|client_secret|assertion|code|code_verifier|token)=)[^&]+")


def create_app(clock, url, scale="tiny", seed=1, records=0, **settings):
    """Return the :class:`App`.

    :param url: where it is served; the ``instance_url`` of its tokens
    :param records: plain accounts to add, for load (the manifest leaves them out)
    :param settings: ``minimum_batch``, ``nested_page``, ``open_cursors`` (queries), ``session_seconds``, ``rotate``
        (tokens), ``daily_limit`` (API calls a day), ``bulk_seconds``, ``bulk_header_every_part`` (bulk jobs),
        ``outbound_retry_seconds``
    """
    return App(clock, url, scale, seed, records, **settings)


class App:
    """One organisation with one connected app and one integration user."""

    VENDOR_KINDS = frozenset(("duplicate_rows", "reordered_page", "endless_paging", "lock_row",
                              "invalid_query_locator", "expired_token", "revoked_grant", "quota_exceeded",
                              "concurrency_exceeded"))

    def __init__(self, clock, url, scale, seed_number, records, daily_limit=1_000_000, session_seconds=7200,
                 rotate=True, bulk_seconds=0.1, bulk_header_every_part=True, outbound_retry_seconds=0.2,
                 **query_settings):
        self.clock, self.url, self.daily_limit = clock, url, daily_limit
        self.calls = 0
        world = seed(scale, seed_number, clock)
        self.store = world.store
        self._manifest = manifest_parts.build(self.store, scale, seed_number)
        self.second_act = SecondAct(world)
        act = self._manifest["second_act"] = self.second_act.expected()
        self._manifest["defects"].update(
            late_edit=act["late_edit"]["records"], delete_after_billing=act["delete_after_billing"]["records"],
            rejected_after_approval=act["rejected_after_approval_billed"]["records"]
            + act["rejected_after_approval_unbilled"]["records"])
        if records:
            seed_plain_accounts(world, records)
            self._manifest["plain_accounts"] = records
        organisation = next(iter(self.store.tables["organization"].rows))
        user = self.store.tables["user"].rows[self.store.integration_user]
        self.authority = Authority(organisation, user["Id"], url, user["Username"], session_seconds, rotate)
        self.queries = QueryService(self.store, **query_settings)
        self.rest = Rest(self.store, self.queries, seconds=bulk_seconds, header_every_part=bulk_header_every_part)
        self.outbound = OutboundMessages(self.store, organisation, url, outbound_retry_seconds)

    # === WHAT THE SERVER ASKS FOR === #

    def manifest(self):
        return {**self._manifest, "organization_id": self.authority.organization_id,
                "today": self.clock.now().date().isoformat(), "advanced": self.second_act.played}

    def credentials(self):
        return self.authority.credentials()

    def advance(self):
        return self.second_act.play()

    def control(self, method, name, values):
        """Answer the control calls that only this vendor has; None for an unknown one."""
        match method, name:
            case "POST", "expire":
                self.authority.expire()
                return {"expired": True}
            case "POST", "revoke":
                self.authority.revoke_all()
                self.authority.refuse_all = bool(values.get("for_good", True))
                return {"refuse_all": self.authority.refuse_all}
            case "POST", "hide":
                hidden = self.store.hidden.setdefault(values["object"].lower(), set())
                hidden.update(values.get("fields", ["*"]))
                return {"hidden": {key: sorted(names) for key, names in self.store.hidden.items()}}
            case "DELETE", "hide":
                self.store.hidden.clear()
                return {"hidden": {}}
            case "GET", "outbound":
                return self.outbound.status()
            case "POST", "outbound":
                return self.outbound.register(**values)
            case "DELETE", "outbound":
                self.outbound.clear()
                return self.outbound.status()
            case "POST", "outbound/send":
                return self.outbound.send(**values)
            case "GET", "written":
                return self._written()
            case "POST", "settings":
                self.daily_limit = int(values.get("daily_limit", self.daily_limit))
                self.authority.session_seconds = float(values.get("session_seconds", self.authority.session_seconds))
                self.authority.rotate = bool(values.get("rotate", self.authority.rotate))
                return {"daily_limit": self.daily_limit, "session_seconds": self.authority.session_seconds,
                        "rotate": self.authority.rotate}
        return None

    def _written(self):
        """Return what the integration user has left on billed records: counts by object, and each deal's invoice."""
        user, written = self.store.integration_user, {}
        with self.store.lock:
            for name in ("pse__Timecard__c", "pse__Expense__c", "pse__Milestone__c", "pse__Billing_Event__c"):
                rows = [row for row in self.store.tables[name.lower()].rows.values()
                        if row.get("LastModifiedById") == user and row.get("pse__Invoiced__c")]
                written[name] = {"invoiced": len(rows),
                                 "numbers": sorted({row.get("pse__Invoice_Number__c", "") for row in rows})}
            deals = {row["Id"]: {key: value for key, value in row.items() if key.startswith("Odoo_")}
                     for row in self.store.tables["opportunity"].rows.values() if row.get("Odoo_Invoice_Number__c")}
        return {**written, "Opportunity": {"invoiced": len(deals), "deals": deals}}

    def outage(self, status):
        """Return how the vendor words a 429 or 500: body and further headers."""
        if status == 429:
            return [{"message": "Too many requests", "errorCode": "REQUEST_LIMIT_EXCEEDED"}], {}
        return [{"message": "An unexpected error occurred. Please include this ErrorId: 1784251120-42",
                 "errorCode": "UNKNOWN_EXCEPTION"}], {}

    def close(self):
        self.outbound.close()

    def redact(self, request):
        return _SECRETS.sub(r"\1[hidden]", request.target)

    def client_name(self, request):
        match = re.search(r"client=([^;,]+)", request.headers.get("Sforce-Call-Options", ""))
        return match.group(1).strip() if match else ""

    def log_details(self, request):
        """Return what the log keeps of the request besides the line itself: bodies of writes, never of logins."""
        if request.path.startswith("/services/oauth2"):
            return {"grant_type": request.form().get("grant_type", "")} if request.method == "POST" else {}
        if request.method in ("POST", "PATCH", "PUT") and request.body:
            return {"body": request.body[:65_536].decode("utf-8", "replace")}
        return {}

    # === ROUTES === #

    def handle(self, request):
        if len(request.target) > _MAX_TARGET:
            return Response(414, b"<h1>URI Too Long</h1>", {"Content-Type": "text/html"})
        try:
            segments = request.raw_segments()
            if segments[:2] == ["services", "oauth2"]:
                return self._oauth(request, "/".join(segments[2:]))
            if segments[:2] == ["services", "data"]:
                return self._data(request, segments[2:])
            if segments[:1] == ["id"]:
                return self._identity(request)
            return json_response([{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], 404)
        except OAuthError as error:
            return json_response(error.body(), error.status)
        except ApiError as error:
            return json_response(error.body(), error.status, self._usage())

    def _usage(self):
        return {"Sforce-Limit-Info": f"api-usage={self.calls}/{self.daily_limit}"}

    def _oauth(self, request, name):
        if request.fault and request.fault.kind == "revoked_grant":
            raise OAuthError("invalid_grant", "expired access/refresh token")
        match request.method, name:
            case "POST", "token":
                answer = self.authority.token(request.form(), request.headers.get("Authorization"))
                return json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
            case ("GET" | "POST"), "authorize":
                return Response(302, b"", {"Location": self.authority.authorize(request.query)})
            case "POST", "revoke":
                self.authority.revoke(request.form().get("token", ""))
                return Response(200)
            case "GET", "userinfo":
                return self._identity(request)
        return Response(404, b"", {"Content-Type": "text/html"})

    def _session(self, request):
        authorization = request.headers.get("Authorization")
        if request.fault and request.fault.kind == "expired_token":
            self.authority.expire(authorization or "")
        if not authorization:
            raise ApiError(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
        session = self.authority.session(authorization)
        if session is None:
            raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return session

    def _identity(self, request):
        self._session(request)
        return json_response({
            "organization_id": self.authority.organization_id, "user_id": self.authority.user_id,
            "username": self.authority.username, "preferred_username": self.authority.username, "active": True,
        })

    def _data(self, request, segments):
        if not segments:
            return json_response([{"label": f"Release {version[1:]}", "url": f"/services/data/{version}",
                                   "version": version[1:]} for version in VERSIONS])
        version, *rest = segments
        if version not in VERSIONS:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        session = self._session(request)
        self._check_quota(request.fault)
        if not rest:
            return json_response({name: f"/services/data/{version}/{name}" for name in (
                "sobjects", "query", "queryAll", "composite", "limits", "jobs")}, headers=self._usage())
        if rest == ["limits"]:
            response = json_response(self._limits())
        else:
            response = self.rest.handle(request, version, rest, session)
        response.headers.update(self._usage())
        return response

    def _check_quota(self, fault):
        self.calls += 1
        kind = fault.kind if fault else ""
        if kind == "quota_exceeded" or self.calls > self.daily_limit:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        if kind == "concurrency_exceeded":
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")

    def _limits(self):
        return {
            "DailyApiRequests": {"Max": self.daily_limit, "Remaining": max(0, self.daily_limit - self.calls)},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000 - len(self.rest.bulk.jobs)},
            "DataStorageMB": {"Max": 10_240, "Remaining": 9_000},
        }
