"""The account as an HTTP service: who asks, which version, which object; and the levers of the control API."""

import base64
import binascii
import json
import re
from urllib.parse import urlsplit

from ..messages import Response, html_response, json_response
from . import events, forms, lists, plain
from .errors import ApiError, missing
from .events import Events
from .idempotency import Answers
from .manifest import Manifest
from .money import Money
from .second_act import SecondAct
from .seed import seed_customers, seed_money, seed_plain
from .store import KINDS, Store
from .views import EXPANDABLE, expanded, shown
from .webhooks import Sender
from .writes import Writes

#: versions whose objects look as they do here; an older one would have other fields
VERSIONS = ("2025-03-31.basil", events.API_VERSION)
SECRET_KEY, RESTRICTED_KEY = "sk_test_51DemoHaldenMarshFull", "rk_test_51DemoHaldenMarshHub"
_KINDS_BY_PATH = {path: name for name, (path, _prefix) in KINDS.items()}
_WRITABLE = ("price", "payment_link", "webhook_endpoint")
#: control call and method of :class:`Money` -> the value that names the object it is about
_LEVERS = {"settle": "charge", "refund": "charge", "fail_refund": "refund", "dispute": "charge",
           "close_dispute": "dispute", "fail_payout": "payout"}
_RETRY = {"Stripe-Should-Retry": "true"}


def create_app(clock, url, scale="tiny", seed=1, records=0, **settings):
    """Return the :class:`App`.

    :param records: plain charges to add, for load
    :param settings: ``seeded`` (False: customers, but no payment yet), ``settle_days`` (until money can be paid out),
        ``webhook_retry_seconds``
    """
    return App(clock, url, scale, seed, records, **settings)


class App:
    """One account in test mode with a secret key and a restricted key."""

    VENDOR_KINDS = frozenset(("duplicate_rows", "reordered_page", "endless_paging", "rolled_key", "key_in_use",
                              "lock_timeout", "stored_error", "error_after_write"))

    def __init__(self, clock, url, scale, seed_number, records, seeded=True, settle_days=7, webhook_retry_seconds=0.2):
        self.clock, self.url = clock, url
        self.store = Store(clock, {"charge": plain.charge, "balance_transaction": plain.balance_transaction})
        self.events = Events(self.store)
        self.money = Money(self.store, self.events, settle_days)
        self.writes = Writes(self.store, VERSIONS, url, lambda number: f"whsec_DemoEndpoint{number + 1:04d}")
        self.answers = Answers(clock)
        seed_customers(self.store)
        seeds = seed_money(self.money, scale, seed_number) if seeded else {}
        self.second_act = SecondAct(self.money, seeds)
        self._manifest = Manifest(self.store, seeds, records)
        seed_plain(self.store, records)
        self.sender = self.events.sender = Sender(self.store, webhook_retry_seconds)
        #: key -> {kind: "write", "read" or ""}; what is not named is "read" for the restricted key
        self.rights = {SECRET_KEY: dict.fromkeys(KINDS, "write"), RESTRICTED_KEY: dict.fromkeys(_WRITABLE, "write")}
        self._asked = 0

    # === WHAT THE SERVER ASKS FOR === #

    def manifest(self):
        return {**self._manifest.value, "today": self.clock.now().date().isoformat(),
                "advanced": self.second_act.played}

    def credentials(self):
        """Return what a person copies from the dashboard."""
        return {"api_key": RESTRICTED_KEY, "secret_key": SECRET_KEY, "base_url": self.url}

    def advance(self):
        return self.second_act.play()

    def control(self, method, name, values):
        """Answer the control calls that only this vendor has; None for an unknown one."""
        match method, name:
            case "POST", "pay":
                return self._shown(self.money.pay(values.pop("link", None) or values.pop("payment", None) or values,
                                                  outcome=values.pop("outcome", "succeeded")))
            case "POST", "pay_all_open_links":
                return {"charges": [self.money.pay(id_)["id"] for id_ in self.money.open_links()]}
            case "POST", _ if name in _LEVERS:
                return self._shown(getattr(self.money, name)(values.pop(_LEVERS[name]), **values))
            case "POST", "payout":
                payout = self.money.payout(**values)
                return self._shown(payout) if payout else {"payout": None}
            case "GET", "payment_links":
                return {"payment_links": [self._shown(row) for row in self.store["payment_link"].all()]}
            case "POST", "webhooks":
                return self.register(**values)
            case "POST", "webhooks/roll":
                return self.roll(**values)
            case "GET", "webhooks":
                return self.sender.status()
            case "POST", "hide":
                self.hide(values["object"])
                return {"hidden": values["object"]}
            case "POST", "revoke":
                self.rights.clear()
                return {"keys": []}
        return None

    def outage(self, status):
        """Return how the vendor words a 429 or 500: body and further headers."""
        if status == 429:
            return ApiError(429, "Request rate limit exceeded.", code="rate_limit").body(), {
                "Stripe-Rate-Limited-Reason": "endpoint-rate"}
        return ApiError(500, "An unknown error occurred", type="api_error").body(), {}

    def close(self):
        self.sender.close()

    def redact(self, request):
        return request.target

    def client_name(self, request):
        return request.headers.get("User-Agent", "")

    def log_details(self, request):
        """Return what the log keeps of the request besides the line itself."""
        if request.method != "POST":
            return {}
        return {"idempotency_key": request.headers.get("Idempotency-Key", ""),
                "body": request.body[:65_536].decode("utf-8", "replace")}

    # === LEVERS === #

    def register(self, url, secret="", secrets=(), enabled_events=("*",)):
        """Register a webhook endpoint; ``secrets``: the current one and an older one while it is rolled."""
        with self.store.lock:
            row = self.writes.endpoint({"url": url, "enabled_events": list(enabled_events)})
            row["_secrets"] = list(secrets) or [secret or row["_secrets"][0]]
            return {"id": row["id"], "secret": row["_secrets"][0]}

    def roll(self, id, secret):
        """Give an endpoint a new secret; the one before signs too from now on."""
        with self.store.lock:
            row = self.store["webhook_endpoint"].get(id)
            if row is None:
                raise ValueError(f"no webhook endpoint {id}")
            row["_secrets"] = [secret, row["_secrets"][0]]
            return {"id": id, "secrets": len(row["_secrets"])}

    def hide(self, kind):
        """Take the restricted key's right to read a kind of object away."""
        if kind not in KINDS:
            raise ValueError(f"no kind of object {kind}")
        self.rights[RESTRICTED_KEY][kind] = ""

    def _shown(self, row):
        return shown(row, self.store.second())

    # === ROUTES === #

    def handle(self, request):
        with self.store.lock:
            self._asked += 1
            asked = f"req_Demo{self._asked:08d}"
            try:
                response = self._answer(request)
            except ApiError as error:
                response = json_response(error.body(), error.status, error.headers)
            response.headers.update({"Request-Id": asked, "Stripe-Version": events.API_VERSION})
            return response

    def _answer(self, request):
        segments = request.raw_segments()
        if segments[:1] == ["pay"] and request.method == "GET":
            return self._payment_page(segments[1:])
        key = self._key(request)
        if request.headers.get("Stripe-Version") not in VERSIONS:
            raise ApiError(400, f"Invalid Stripe API version: {request.headers.get('Stripe-Version')}")
        kind, id_, rest = _route(segments)
        if not self._knows(request.method, kind, id_, rest):
            raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.path}). Please see "
                                "https://stripe.com/docs or we can help at https://support.stripe.com/.")
        self._check_right(key, kind, "read" if request.method == "GET" else "write")
        if request.method == "GET":
            return json_response(self._read(request, kind, id_, rest))
        if request.method == "POST":
            return self._post(request, key, kind, id_)
        self._found(kind, id_)
        self.store[kind].remove(id_)
        return json_response({"id": id_, "object": kind, "deleted": True})

    def _knows(self, method, kind, id_, rest):
        """Say whether there is such an address."""
        if kind is None or rest:
            return (kind, method, rest) == ("payment_link", "GET", ["line_items"])
        match method:
            case "GET":
                return True
            case "POST":
                return kind in (self.writes.changing if id_ else self.writes.creating)
        return method == "DELETE" and kind == "webhook_endpoint" and bool(id_)

    def _key(self, request):
        """Return the API key of a request that may ask.

        :raise ApiError: 401
        """
        scheme, _space, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                value = ""
        if scheme.lower() not in ("bearer", "basic") or not value:
            raise ApiError(401, "You did not provide an API key. You need to provide your API key in the "
                                "Authorization header, using Bearer auth.")
        if value.startswith("pk_"):
            raise ApiError(401, "This API call cannot be made with a publishable API key.")
        if value not in self.rights or _kind(request) == "rolled_key":
            raise ApiError(401, f"Invalid API Key provided: {value[:8]}{'*' * 8}{value[-4:]}",
                           {"WWW-Authenticate": 'Bearer realm="Stripe"'})
        return value

    def _check_right(self, key, kind, wanted):
        right = self.rights[key].get(kind, "read")
        if right != "write" and right != wanted:
            raise ApiError(403, f"The provided key '{key[:8]}{'*' * 8}{key[-4:]}' does not have the required "
                                f"permissions for this endpoint. Having the '{kind}_{wanted}' permission would allow "
                                "this request to continue.")

    def _found(self, kind, id_):
        row = self.store[kind].get(id_)
        if row is None or (kind == "event" and row["created"] < self.events.oldest()):
            raise missing(kind, id_)
        return row

    def _read(self, request, kind, id_, rest):
        values = forms.parse(urlsplit(request.target).query)
        if rest:
            row = self._found(kind, id_)
            return {"object": "list", "url": request.path, "has_more": False, "data": row["_items"]}
        if id_:
            asked = forms.checked(values, {"expand": [forms.text]})
            return expanded(self._found(kind, id_), asked.get("expand", []), self.store)
        return lists.page(self.store, kind, request.path, values, self.events.oldest(), _kind(request))

    def _post(self, request, key, kind, id_):
        """Make or change an object, once for each idempotency key."""
        content = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if request.body and content != "application/x-www-form-urlencoded":
            raise ApiError(400, "Invalid request: the body must be application/x-www-form-urlencoded.")
        if urlsplit(request.target).query:
            raise ApiError(400, "Invalid request: parameters of a POST belong into its body.")
        values = forms.parse(request.body.decode("utf-8"))
        token, text = request.headers.get("Idempotency-Key"), json.dumps([request.path, values], sort_keys=True)
        if token is not None and (given := self.answers.given(key, token, text)):
            status, body = given
            return json_response(body, status, {"Idempotent-Replayed": "true", "Idempotency-Key": token})
        fault = _kind(request)
        if fault == "key_in_use":
            raise ApiError(409, "There is currently another in-progress request using this Idempotent Key.", _RETRY,
                           code="idempotency_key_in_use")
        if fault == "lock_timeout":
            raise ApiError(429, "This object cannot be accessed right now because another API request is currently "
                                "accessing it.", code="lock_timeout")
        status, body = self._execute(kind, id_, values, fault)
        if token is not None:
            self.answers.keep(key, token, text, status, body)
        return json_response(body, status, {"Idempotency-Key": token} if token else None)

    def _execute(self, kind, id_, values, fault):
        """Return ``(status, body)`` of a write; parameters that are refused are raised, so that no key keeps them."""
        if id_:
            row = self._found(kind, id_)
            specification, change = self.writes.changing[kind]
            checked = forms.checked(values, specification)
        else:
            specification, needed, make = self.writes.creating[kind]
            checked = forms.checked(values, specification)
            forms.required(checked, *needed)
        _check_paths(kind, checked.get("expand", []))
        failure = ApiError(500, "An unknown error occurred", type="api_error").body()
        if fault == "stored_error":
            return 500, failure
        try:
            row = change(row, checked) if id_ else make(checked)
        except ApiError as error:
            return error.status, error.body()
        if kind == "payment_link":
            self.events.emit(f"payment_link.{'updated' if id_ else 'created'}", row)
        if fault == "error_after_write":
            return 500, failure
        body = expanded(row, checked.get("expand", []), self.store)
        if kind == "webhook_endpoint" and not id_:
            body["secret"] = row["_secrets"][0]
        return 200, body

    def _payment_page(self, segments):
        row = self.store["payment_link"].get(segments[0]) if len(segments) == 1 else None
        if row is None:
            return Response(404)
        if not row["active"]:
            return html_response(200, "Payment link", row["inactive_message"] or "This link is no longer active.")
        total = sum(item["amount_total"] for item in row["_items"])
        return html_response(200, "Payment link", f"To pay: {total / 100:.2f} {row['currency'].upper()}")


def _kind(request):
    return request.fault.kind if request.fault else ""


def _route(segments):
    """Return ``(kind or None, id or "", further segments)`` of a path below ``/v1``."""
    if segments[:1] != ["v1"]:
        return None, "", []
    width = 2 if segments[1:2] == ["checkout"] else 1
    kind = _KINDS_BY_PATH.get("/".join(segments[1:1 + width]))
    rest = segments[1 + width:]
    return kind, rest[0] if rest else "", rest[1:]


def _check_paths(kind, paths):
    for path in paths:
        if not any(re.match(rf"{re.escape(name)}(\.|$)", path) for name in EXPANDABLE.get(kind, {})):
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
