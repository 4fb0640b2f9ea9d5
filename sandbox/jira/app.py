"""The site as an HTTP service: routes a request to the login, to Jira, to Tempo."""

import re
from datetime import date, timedelta

from .. import studio
from ..messages import Response, json_response
from . import seed
from .asked import Asked
from .errors import JiraError, LoginError, Refusal, TempoError
from .hooks import Hooks
from .jira_rest import JiraRest
from .login import Authority
from .second_act import SecondAct
from .store import Store
from .tempo import Tempo

_SECRETS = re.compile(r"((?:access_token|refresh_token|client_secret|code|randomString)=)[^&]+")
_WRITE_SCOPES = {"GET": "read:jira-work", "POST": "write:jira-work", "PUT": "write:jira-work",
                 "DELETE": "write:jira-work"}
_READS_BY_POST = (["search", "jql"], ["worklog", "list"])


def create_app(clock, url, scale="tiny", seed=1, records=0, **settings):
    """Return the :class:`App`.

    :param seed: without effect; the studio's data follow from the scale alone
    :param records: plain worklogs to add, for load; older than all others, never approved
    :param settings: ``token_seconds`` (life of an OAuth access token), ``hook_retry_seconds``
    """
    return App(clock, url, scale, records, **settings)


class App:
    """One site, one integration user (the studio's director)."""

    VENDOR_KINDS = frozenset(("duplicate_rows", "reordered_page", "endless_paging", "expired_token", "revoked_grant",
                              "quota_exceeded"))

    def __init__(self, clock, url, scale, records, token_seconds=3600, hook_retry_seconds=0.2):
        self.clock, self.url = clock, url
        self.store = Store(clock)
        seed.seed(self.store, scale, records)
        user = studio.person(studio.MARA)
        self.authority = Authority(url, user.email, token_seconds)
        self.jira = JiraRest(self.store, url, user.account_id)
        self.hooks = Hooks(self.store, url, self.authority.cloud_id, self.jira.worklog, hook_retry_seconds)
        self.tempo = Tempo(self.store, url, user.account_id, self.hooks)
        self.second_act = SecondAct(self.store, self.tempo)
        self._manifest = seed.manifest(self.store, scale, records)
        self._created = 0

    # === WHAT THE SERVER ASKS FOR === #

    def manifest(self):
        with self.store.lock:
            return {**self._manifest, "advanced": self.second_act.played, "second_act": self.second_act.expected(),
                    "billable_approved_hours_now": seed.approved_hours(self.store)}

    def credentials(self):
        return self.authority.credentials()

    def advance(self):
        return self.second_act.play()

    def control(self, method, name, values):
        """Answer the control calls that only this vendor has; None for an unknown one."""
        match method, name:
            case "POST", "webhooks":
                return self._register(**values)
            case "GET", "webhooks":
                return self.hooks.status()
            case "DELETE", "webhooks":
                self.hooks.targets.clear()
                return self.hooks.status()
            case "POST", "expire":
                self.authority.expire()
                return {"expired": True}
            case "POST", "revoke":
                self.authority.revoke()
                return {"refuse_all": True}
            case "POST", "hide":
                self.tempo.hidden.add(values["object"])
                return {"hidden": sorted(self.tempo.hidden)}
            case "DELETE", "hide":
                self.tempo.hidden.clear()
                return {"hidden": []}
            case "POST", "period":
                entry = self.period(values["user"], values["day"], values["action"])
                return {"status": entry.status}
            case "GET", "written":
                return self._written()
        return None

    def _register(self, url, tempo_webhook_secret="", jira_webhook_secret=""):
        """Send changes of worklogs to ``url``: as Tempo with one secret for its three events, as Jira, or as both."""
        if tempo_webhook_secret or not jira_webhook_secret:
            for event in ("worklog.created", "worklog.updated", "worklog.deleted"):
                answer = self.hooks.subscribe(url, event, secret=tempo_webhook_secret)
                tempo_webhook_secret = answer["sharedSecret"]
        if jira_webhook_secret:
            self.hooks.add_admin(url, ("worklog_created", "worklog_updated", "worklog_deleted"),
                                 secret=jira_webhook_secret)
        return {"tempo_webhook_secret": tempo_webhook_secret, "jira_webhook_secret": jira_webhook_secret}

    def _written(self):
        """Return what was written back: invoice marks by worklog, and Jira's worklog properties."""
        with self.store.lock:
            return {"invoiced": {row.id: row.attributes[seed.INVOICED] for row in self.store.worklogs.values()
                                 if seed.INVOICED in row.attributes},
                    "properties": {number: dict(values) for number, values in self.store.properties.items() if values},
                    "writes": [[kind, number, count] for (kind, number), count in self.store.writes.items()]}

    def outage(self, status):
        """Return how a 429 or 500 is worded; the body reads right for Jira and for Tempo."""
        text = "Rate limit exceeded." if status == 429 else "Internal server error"
        headers = {"RateLimit-Reason": "jira-burst-based", "X-RateLimit-Limit": "350", "X-RateLimit-Remaining": "0",
                   "X-RateLimit-Reset": (self.clock.now() + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%MZ"),
                   "X-RateLimit-NearLimit": "true"} if status == 429 else {}
        return {"errorMessages": [text], "errors": {"message": text}, "status": status}, headers

    def close(self):
        self.hooks.close()

    def redact(self, request):
        return _SECRETS.sub(r"\1[hidden]", request.target)

    def client_name(self, request):
        return ""

    def log_details(self, request):
        """Return bodies of writes, never of logins."""
        if request.method in ("POST", "PUT", "PATCH") and request.path.startswith(("/4/", "/rest/", "/ex/")):
            return {"body": request.body[:65_536].decode("utf-8", "replace")}
        return {}

    # === WHAT PEOPLE DO AT THE VENDOR === #

    def create_worklogs(self, count=1, moment=None):
        """Add worklogs of the first project, each in an unapproved period of its own, and return their Tempo ids."""
        ids, deal = [], seed.deals()[0]
        with self.store.lock:
            for _number in range(count):
                week, place = divmod(self._created, 6)
                self._created += 1
                day = studio.PERIOD[0] - timedelta(days=14 + 7 * week)
                row = self.store.create(
                    moment, issue_id=seed.issue_id(deal, "Build"), author=studio.PEOPLE[place].account_id, day=day,
                    start="10:00:00", seconds=5400, billable=5400, note=f"Extra {self._created}",
                    attributes={seed.ACCOUNT: seed.account_key(deal.code)})
                ids.append(row.id)
        return ids

    def touch_worklog(self, worklog_id, note, moment=None):
        self.store.change(worklog_id, moment, note=note)

    def delete_worklog(self, worklog_id, moment=None):
        self.store.delete(worklog_id, moment)

    def mark_invoiced(self, worklog_id, number):
        """Let a person write an invoice number into the worklog's attribute."""
        row = self.store.worklogs[worklog_id]
        self.store.change(worklog_id, attributes={**row.attributes, seed.INVOICED: number}, actor=seed.MANAGER)

    def mark_property(self, worklog_id, key, value):
        """Let another app write a property of the worklog in Jira."""
        with self.store.lock:
            self.store.properties.setdefault(worklog_id, {})[key] = value

    def period(self, user, day, action, moment=None):
        """``approve`` or ``reopen`` (or submit, reject, recall) the week of ``day`` (date or ISO text) of a user."""
        day = date.fromisoformat(day) if isinstance(day, str) else day
        return self.tempo.act(user, day, action, seed.MANAGER, "ok", moment)

    # === ROUTES === #

    def handle(self, request):
        try:
            segments = request.raw_segments()
            match segments:
                case ["authorize" | "oauth", *_rest]:
                    return self._login(request, segments)
                case ["ex", "jira", cloud_id, "rest", "api", "3", *rest]:
                    self._check_scope(request, cloud_id, rest)
                    return self._jira(request, rest, f"{self.url}/ex/jira/{cloud_id}/rest/api/3")
                case ["rest", "api", "3", *rest]:
                    self.authority.check_basic(request.headers.get("Authorization"))
                    return self._jira(request, rest, f"{self.url}/rest/api/3")
                case ["rest", "webhooks", "1.0", "webhook"] if request.method == "POST":
                    self.authority.check_basic(request.headers.get("Authorization"))
                    body = Asked(request, segments, JiraError).body(("name", "url", "events"), ("secret",))
                    return json_response(self.hooks.add_admin(body["url"], body["events"], body["name"],
                                                              body.get("secret", "")), 201)
                case ["4", *rest]:
                    self.authority.check_tempo(request.headers.get("Authorization"))
                    return self.tempo.handle(Asked(request, rest, TempoError))
            raise JiraError(404, "Not found")
        except Refusal as refusal:
            return refusal.response()

    def _jira(self, request, rest, base):
        asked = Asked(request, rest, JiraError)
        if asked.fault == "quota_exceeded":
            body, headers = self.outage(429)
            return json_response(body, 429, {**headers, "RateLimit-Reason": "jira-quota-global-based",
                                             "Retry-After": "1200"})
        return self.jira.handle(asked, base)

    def _check_scope(self, request, cloud_id, path):
        """Let in the OAuth token of this site that has the scope for the call. :raise JiraError: 401, 403, 404"""
        if request.fault and request.fault.kind == "expired_token":
            self.authority.expire()
        grant = self.authority.grant_of(request.headers.get("Authorization"))
        if cloud_id != self.authority.cloud_id:
            raise JiraError(404, "No site with this cloud id")
        scope = _WRITE_SCOPES.get(request.method) if path not in _READS_BY_POST else "read:jira-work"
        if path[:1] in (["users"], ["user"], ["myself"]):
            scope = "read:jira-user"
        if scope not in grant.scopes:
            raise JiraError(403, "Unauthorized; scope does not match")

    def _login(self, request, segments):
        if request.fault and request.fault.kind == "revoked_grant":
            raise LoginError(403, "invalid_grant", "Unknown or invalid refresh token.")
        match request.method, *segments:
            case "GET", "authorize":
                return Response(302, b"", {"Location": self.authority.authorize(request.query)})
            case "POST", "oauth", "token":
                body = Asked(request, segments, lambda status, text: LoginError(status, "invalid_request", text)).body()
                return json_response(self.authority.token(body), headers={"Cache-Control": "no-store"})
            case "GET", "oauth", "token", "accessible-resources":
                grant = self.authority.grant_of(request.headers.get("Authorization"))
                return json_response([{"id": self.authority.cloud_id, "url": self.url, "name": "haldenmarsh",
                                       "scopes": sorted(set(grant.scopes) - {"offline_access"}),
                                       "avatarUrl": f"{self.url}/avatar.png"}])
        raise LoginError(404, "not_found", "Not found")
