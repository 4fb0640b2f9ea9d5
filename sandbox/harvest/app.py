"""The account as an HTTP service: who asks, of which account, which list; and the levers of the control API."""

import re
from collections import deque
from urllib.parse import urlsplit

from .. import studio
from ..messages import Response, json_response
from . import lists, rows
from .desk import Desk, SecondAct
from .errors import ApiError, OAuthError, invalid_token, not_found
from .oauth import ACCOUNT, FORECAST_ACCOUNT, LIFETIME, Authority
from .seed import DUPLICATE, RUNNING, seed
from .store import Store

_CONTACT = re.compile(r"\S.*\(.*(@|https?://).*\)")
_WINDOW_SECONDS = 15
_SECRETS = re.compile(r"((?:access_token|refresh_token|client_secret|code)=)[^&]+")
_OF_PROJECT, _OF_USER = ("task_assignments", "user_assignments"), ("billable_rates", "cost_rates")


def create_app(clock, url, scale="tiny", seed=1, records=0, **settings):
    """Return the :class:`App`; the same scale gives the same rows whatever the seed.

    :param records: plain entries of time to add, for load
    :param settings: ``approval_bumps`` (approving changes ``updated_at``), ``session_seconds`` and ``rotate`` (OAuth),
        ``calls`` (allowed within 15 seconds; 0: no limit)
    """
    return App(clock, url, scale, records, **settings)


class App:
    """One account, asked by its administrator."""

    VENDOR_KINDS = frozenset(("duplicate_rows", "reordered_page", "endless_paging", "expired_token"))

    def __init__(self, clock, url, scale, records, approval_bumps=False, session_seconds=LIFETIME, rotate=True,
                 calls=0):
        self.clock, self.url, self.calls = clock, url, calls
        self.store = Store(rows.plain_entry)
        duplicate = seed(self.store, clock, scale)
        self.authority = Authority(clock, session_seconds, rotate)
        self.desk = Desk(self.store, clock, approval_bumps)
        self.second_act = SecondAct(self.desk)
        self._manifest = self._described(scale, records, duplicate)
        self.store["time_entries"].add_plain(range(rows.PLAIN_FROM, rows.PLAIN_FROM + records))
        self._hidden, self._recent = set(), deque()

    def _described(self, scale, records, duplicate):
        def short(row, amount):
            return {"id": row["id"], "code": row["project"]["code"], "day": row["spent_date"], "amount": amount,
                    "billable": row["billable"], "approved": row["approval_status"] == "approved"}

        return {
            "vendor": "harvest", "scale": scale, "account_id": ACCOUNT, "currency": studio.CURRENCY,
            "plain_entries": records, "running": [RUNNING],
            "time_entries": [short(row, row["rounded_hours"]) for row in self.store["time_entries"].all()
                             if not row["is_running"]],
            "expenses": [short(row, row["total_cost"]) for row in self.store["expenses"].all()],
            # the same hour as an entry at Jira
            "duplicate": {"id": DUPLICATE + duplicate.number, "jira_work": duplicate.number, "code": duplicate.code,
                          "email": duplicate.email, "day": duplicate.day.isoformat(), "hours": str(duplicate.hours)},
        }

    # === WHAT THE SERVER ASKS FOR === #

    def manifest(self):
        return {**self._manifest, "today": self.clock.now().date().isoformat(), "advanced": self.second_act.played}

    def credentials(self):
        return {**self.authority.credentials(), "base_url": self.url, "login_url": self.url}

    def advance(self):
        return self.second_act.play()

    def control(self, method, name, values):
        """Answer the control calls that only this vendor has; None for an unknown one."""
        match method, name:
            case "POST", "expire":
                self.authority.expire()
                return {"expired": True}
            case "POST", "revoke":
                self.authority.refuse_all = bool(values.get("for_good", True))
                return {"refuse_all": self.authority.refuse_all}
            case "POST", "hide":
                self.hide(values["list"])
                return {"hidden": sorted(self._hidden)}
            case "POST", "approve":
                self.desk.approve(**values)
                return {"approved": values["ids"]}
            case "POST", "create":
                return self.desk.create(**values)
            case "POST", "delete":
                self.desk.delete(values["id"], values.get("table", "time_entries"))
                return {"deleted": values["id"]}
        return None

    def outage(self, status):
        """Return how the vendor words a 429 or 500: body and further headers."""
        if status == 429:
            return {"message": "You have reached the limit of requests"}, {"Retry-After": str(_WINDOW_SECONDS)}
        return {"message": "We are sorry, something went wrong"}, {}

    def close(self):
        """Nothing runs besides the server."""

    def redact(self, request):
        return _SECRETS.sub(r"\1[hidden]", request.target)

    def client_name(self, request):
        return request.headers.get("User-Agent", "")

    def log_details(self, request):
        if request.path == "/api/v2/oauth2/token":
            return {"grant_type": request.form().get("grant_type", "")}
        return {}

    def hide(self, name):
        """Take the right to read a list away."""
        if name not in self.store.tables:
            raise ValueError(f"no list {name}")
        self._hidden.add(name)

    # === ROUTES === #

    def handle(self, request):
        with self.store.lock:
            try:
                return self._answer(request)
            except ApiError as error:
                return json_response(error.body(), error.status, error.headers)

    def _answer(self, request):
        segments = request.raw_segments()
        match request.method, segments:
            case "GET", ["oauth2", "authorize"]:
                return Response(302, b"", {"Location": self.authority.authorize(request.query)})
            case "POST", ["api", "v2", "oauth2", "token"]:
                content = request.headers.get("Content-Type", "").partition(";")[0].strip()
                if content != "application/x-www-form-urlencoded":
                    raise OAuthError(400, "invalid_request", "The body must be a form.")
                return json_response(self.authority.token(request.form()))
            case "GET", ["api", "v2", "accounts"]:
                self._check(request)
                return json_response(self._accounts())
            case "GET", ["v2", name, *rest]:
                self._check(request)
                if request.headers.get("Harvest-Account-Id") != str(ACCOUNT):
                    raise ApiError(403, "You do not have access to this account")
                return json_response(self._read(request, name, rest))
        raise not_found()

    def _check(self, request):
        """:raise ApiError: 400 without a proper User-Agent, 401, 429"""
        if not _CONTACT.search(request.headers.get("User-Agent", "")):
            raise ApiError(400, "Every request needs a User-Agent with the name of the application and an address "
                                "where its makers can be reached")
        if request.fault and request.fault.kind == "expired_token":
            self.authority.expire()
            raise invalid_token()
        self.authority.check(request.headers.get("Authorization"))
        if self.calls:
            now = self.clock.now().timestamp()
            while self._recent and self._recent[0] <= now - _WINDOW_SECONDS:
                self._recent.popleft()
            if len(self._recent) >= self.calls:
                wait = int(self._recent[0] + _WINDOW_SECONDS - now) + 1
                raise ApiError(429, "You have reached the limit of requests", {"Retry-After": str(wait)})
            self._recent.append(now)

    def _accounts(self):
        owner = self._owner()
        return {"user": {key: owner[key] for key in ("id", "first_name", "last_name", "email")}, "accounts": [
            {"id": FORECAST_ACCOUNT, "name": studio.COMPANY, "product": "forecast"},
            {"id": ACCOUNT, "name": studio.COMPANY, "product": "harvest"}]}

    def _owner(self):
        return self.store["users"].get(studio.person(studio.MARA).harvest_id)

    def _company(self):
        return {
            "base_uri": "https://haldenmarsh.harvestapp.com", "full_domain": "haldenmarsh.harvestapp.com",
            "name": studio.COMPANY, "is_active": True, "week_start_day": "Monday", "wants_timestamp_timers": False,
            "time_format": "decimal", "date_format": "%d.%m.%Y", "plan_type": "pro", "clock": "24h",
            "currency_code_display": "iso_code_after", "decimal_symbol": ",", "thousands_separator": ".",
            "color_scheme": "orange", "weekly_capacity": 144_000, "expense_feature": True, "invoice_feature": True,
            "estimate_feature": False, "approval_feature": True, "team_feature": True}

    def _read(self, request, name, rest):
        fault = request.fault.kind if request.fault else ""
        within = None
        if name == "company" and not rest:
            return self._company()
        if (name, rest) == ("users", ["me"]):
            return self._owner()
        if len(rest) >= 2 and rest[1] in {"projects": _OF_PROJECT, "users": _OF_USER}.get(name, ()):
            within = (("project" if name == "projects" else "user", "id"), self._row(name, rest[0])["id"])
            name, rest = rest[1], rest[2:]
        elif name in _OF_USER:
            raise not_found()
        if name not in self.store.tables or len(rest) > 1:
            raise not_found()
        if name in self._hidden:
            raise ApiError(403, f"You do not have the right to see {name}")
        if rest:
            row = self._row(name, rest[0])
            if within and row[within[0][0]]["id"] != within[1]:
                raise not_found()
            if request.query:
                raise ApiError(422, f"Unknown parameter: {next(iter(request.query))}")
            return row
        address = self.url + urlsplit(request.target).path
        return lists.page(self.store[name], name, address, request.query, fault, within)

    def _row(self, name, text):
        row = self.store[name].get(int(text)) if text.isdecimal() else None
        if row is None:
            raise not_found()
        return row
