"""The account as an HTTP service: routes a request to the OAuth host or to the REST API."""

import re
import uuid
from datetime import timedelta

from .. import studio
from ..messages import Response, json_response
from . import envelopes
from .connect import Connect
from .envelopes import SPACE, Store
from .errors import ApiError, OAuthError, invalid
from .listing import listing, read_includes
from .login import Authority
from .seed import FIELD, UNKNOWN_REFERENCE, seed

HMAC_KEYS = ("c3R1ZGlvLWNvbm5lY3Qta2V5LTE=", "c3R1ZGlvLWNvbm5lY3Qta2V5LTI=")
IDS = {name: str(uuid.uuid5(SPACE, name)) for name in ("client_id", "account_id", "user_id", "other_account")}
_LIMITS = {
    "hourly_limit": ("HOURLY_APIINVOCATION_LIMIT_EXCEEDED",
                     "The maximum number of hourly API invocations has been exceeded. The hourly limit is 3000."),
    "burst_limit": ("BURST_APIINVOCATION_LIMIT_EXCEEDED", "Too many API invocations in 30 seconds."),
    "polling_limit": ("Hourly_Envelope_Polling_Limit_Exceeded", "The envelope has been polled too often."),
}
_SECRETS = re.compile(r"((?:access_token|refresh_token|assertion|code|state)=)[^&]+")
_HOURLY = 3000


def create_app(clock, url, scale="tiny", seed=1, records=0, **settings):
    """Return the :class:`App`.

    :param scale, seed: without effect; the studio's deals are the same at every scale
    :param records: plain envelopes to add, for load; older than all others
    :param settings: ``connect_retry_seconds``, ``hmac_keys``
    """
    return App(clock, url, records, **settings)


class App:
    """One account; the integration acts for the studio's director."""

    VENDOR_KINDS = frozenset(("duplicate_rows", "reordered_page", "endless_paging", "expired_token", "revoked_grant",
                              "consent_required", *_LIMITS))

    def __init__(self, clock, url, records, connect_retry_seconds=0.2, hmac_keys=HMAC_KEYS):
        self.clock, self.url = clock, url
        user = studio.person(studio.MARA)
        self.store = Store(clock, user)
        self.seeded = seed(self.store, records)
        self.authority = Authority(url, IDS, user)
        self.connect = Connect(self.store, IDS, hmac_keys, connect_retry_seconds)
        #: the user may not see envelopes
        self.forbidden = False
        self.advanced = False
        self._plain, self._created = records, 0

    # === WHAT THE SERVER ASKS FOR === #

    def manifest(self):
        return {
            "streams": {"Envelope": 2 + len(self.seeded["waiting"])}, "plain_envelopes": self._plain,
            "today": self.clock.now().date().isoformat(), "advanced": self.advanced, "reference_field": FIELD,
            "waiting_for_signature": {row: self.store.rows[row].fields[FIELD] for row in self.seeded["waiting"]},
            "declined": self.seeded["declined"],
            "unknown_reference": {"envelope": self.seeded["unknown"], "reference": UNKNOWN_REFERENCE},
            "second_act": {"signed": self.seeded["waiting"]},
        }

    def credentials(self):
        return {**self.authority.credentials(), "hmac_key": self.connect.keys[0], "hmac_key_2": self.connect.keys[-1]}

    def advance(self):
        """The customers sign; only now may the contracts of these deals begin."""
        with self.store.lock:
            self.advanced = True
            self.sign()
        return {"signed": self.seeded["waiting"]}

    def control(self, method, name, values):
        """Answer the control calls that only this vendor has; None for an unknown one."""
        match method, name:
            case "POST", "sign":
                return {"signed": self.sign(**values)}
            case "POST", "expire":
                self.authority.expire()
                return {"expired": True}
            case "POST", "revoke":
                self.authority.revoke()
                return {"consented": False}
            case "POST", "hide":
                self.forbidden = True
                return {"forbidden": True}
            case "DELETE", "hide":
                self.forbidden = False
                return {"forbidden": False}
            case "POST", "webhooks":
                return self.connect.register(**values)
            case "GET", "webhooks":
                return self.connect.status()
            case "DELETE", "webhooks":
                self.connect.clear()
                return self.connect.status()
        return None

    def outage(self, status):
        """Return how a 429 or 500 is worded."""
        if status == 429:
            code, text = _LIMITS["hourly_limit"]
            return {"errorCode": code, "message": text}, self._limits(0)
        return {"errorCode": "UNSPECIFIED_ERROR", "message": "An unspecified error has occurred."}, {}

    def _limits(self, remaining=2900):
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return {"X-RateLimit-Limit": str(_HOURLY), "X-RateLimit-Remaining": str(remaining),
                "X-RateLimit-Reset": str(int(hour.timestamp())), "X-BurstLimit-Limit": "500",
                "X-BurstLimit-Remaining": "480", "X-DocuSign-TraceToken": str(uuid.uuid4())}

    def close(self):
        self.connect.close()

    def redact(self, request):
        return _SECRETS.sub(r"\1[hidden]", request.target)

    def client_name(self, request):
        return ""

    def log_details(self, request):
        """Return bodies of writes, never of logins."""
        if request.path.startswith("/restapi/") and request.body:
            return {"body": request.body[:65_536].decode("utf-8", "replace")}
        return {}

    # === WHAT PEOPLE DO AT THE VENDOR === #

    def create_envelopes(self, count=1, moment=None):
        """Send envelopes of no deal and return their ids."""
        ids = []
        for _number in range(count):
            self._created += 1
            row = self.store.create(f"extra {self._created}", f"Extra {self._created}", {FIELD: f"X-{self._created}"},
                                    ("Ada Brandt", "ada.brandt@novaterra.example"), moment)
            ids.append(row.id)
        return ids

    def sign(self, reference="", envelope_id="", moment=None):
        """Let the signers sign what waits: one envelope, those of one reference, or all of the studio's deals."""
        with self.store.lock:
            rows = [row for row in self.store.rows.values() if row.status in ("sent", "delivered") and (
                row.id == envelope_id if envelope_id else row.fields.get(FIELD) == reference if reference
                else row.id in self.seeded["waiting"])]
            return [self.store.move(row.id, "completed", moment).id for row in rows]

    # === ROUTES === #

    def handle(self, request):
        try:
            match request.raw_segments():
                case ["oauth", *rest]:
                    return self._oauth(request, rest)
                case ["restapi", "v2.1", "accounts", account_id, *rest]:
                    response = self._rest(request, account_id, rest)
                    response.headers.update(self._limits())
                    return response
        except OAuthError as error:
            return error.response()
        except ApiError as error:
            response = error.response()
            response.headers.update(self._limits(0 if "LIMIT" in error.code.upper() else 2900))
            return response
        return json_response({"errorCode": "RESOURCE_NOT_FOUND", "message": "The URL is not known."}, 404)

    def _oauth(self, request, path):
        kind = request.fault.kind if request.fault else ""
        if kind == "consent_required":
            raise OAuthError(400, "consent_required", "")
        if kind == "revoked_grant":
            raise OAuthError(400, "invalid_grant", "user_inactive")
        match request.method, *path:
            case "GET", "auth":
                return Response(302, b"", {"Location": self.authority.authorize(request.query)})
            case "POST", "token":
                if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
                    raise OAuthError(400, "invalid_request", "The body must be a form")
                answer = self.authority.token(request.form(), request.headers.get("Authorization"))
                return json_response(answer, headers={"Cache-Control": "no-store"})
            case "GET", "userinfo":
                self.authority.check(request.headers.get("Authorization"))
                return json_response(self.authority.userinfo())
        raise OAuthError(404, "not_found", "")

    def _rest(self, request, account_id, path):
        kind = request.fault.kind if request.fault else ""
        if kind == "expired_token":
            self.authority.expire()
        self.authority.check(request.headers.get("Authorization"))
        if kind in _LIMITS:
            raise ApiError(400, *_LIMITS[kind])
        if account_id != IDS["account_id"]:
            raise ApiError(403, "USER_DOES_NOT_BELONG_TO_SPECIFIED_ACCOUNT",
                           "The specified User is not a member of the specified Account.")
        if self.forbidden:
            raise ApiError(403, "USER_LACKS_PERMISSIONS", "This User lacks sufficient permissions.")
        with self.store.lock:
            match request.method, *path:
                case "GET",:
                    return json_response({"accountId": account_id, "accountName": studio.COMPANY})
                case "GET", "envelopes":
                    return json_response(listing(self.store, request.query, account_id, kind))
                case "PUT", "envelopes", "status":
                    return json_response(self._statuses(request))
                case _, "envelopes", envelope_id, *rest:
                    row = self.store.rows.get(envelope_id)
                    if row is None:
                        raise ApiError(404, "ENVELOPE_DOES_NOT_EXIST",
                                       "The envelope specified either does not exist or you have no rights to it.")
                    return self._envelope(request, row, rest)
        raise ApiError(404, "RESOURCE_NOT_FOUND", "The URL is not known.")

    def _statuses(self, request):
        """Statuses of many envelopes; one that does not exist carries its own error."""
        if request.query.get("envelope_ids") != "request_body":
            raise invalid("Query parameter 'from_date' must be set to a valid DateTime, or 'envelope_ids' must be "
                          "specified.")
        ids = _body(request).get("envelopeIds")
        if not isinstance(ids, list) or not all(isinstance(value, str) for value in ids):
            raise ApiError(400, "INVALID_REQUEST_BODY", "envelopeIds must be a list")
        missing = {"errorCode": "ENVELOPE_DOES_NOT_EXIST", "message": "The envelope specified does not exist."}
        rows = [envelopes.view(self.store.rows[value]) if value in self.store.rows
                else {"envelopeId": value, "errorDetails": missing} for value in ids]
        return {"resultSetSize": str(len(rows)), "totalSetSize": str(len(rows)), "startPosition": "0",
                "endPosition": str(max(len(rows) - 1, 0)), **({"envelopes": rows} if rows else {})}

    def _envelope(self, request, row, path):
        match request.method, *path:
            case "GET",:
                return json_response(envelopes.view(row, read_includes(request.query.get("include", ""))))
            case "PUT",:
                return self._void(row, _body(request))
            case "GET", "recipients":
                return json_response(envelopes.recipients(row))
            case "GET", "custom_fields":
                return json_response(envelopes.custom_fields(row))
            case "GET", "documents":
                return json_response({"envelopeId": row.id, "envelopeDocuments": envelopes.documents(row)})
            case "GET", "documents", ("combined" | "1" | "certificate") as name:
                certificate = request.query.get("certificate") == "true" or name == "certificate"
                return Response(200, envelopes.document(row, certificate), {
                    "Content-Type": "application/pdf", "Content-Disposition": f'file; filename="{name}.pdf"'})
            case "GET", "audit_events":
                return json_response({"auditEvents": [{"eventFields": [
                    {"name": "logTime", "value": envelopes.text_of(moment)}, {"name": "Action", "value": status}]}
                    for status, moment in row.stamps.items()]})
        raise ApiError(404, "RESOURCE_NOT_FOUND", "The URL is not known.")

    def _void(self, row, body):
        if body.get("status") != "voided" or not body.get("voidedReason"):
            raise ApiError(400, "INVALID_REQUEST_BODY", "This stand-in can only void, with a voidedReason.")
        try:
            self.store.move(row.id, "voided", reason=body["voidedReason"])
        except ValueError as error:
            raise ApiError(400, "ENVELOPE_CANNOT_VOID_INVALID_STATE", "Only sent envelopes can be voided.") from error
        return json_response({"envelopeId": row.id})


def _body(request):
    """Return the JSON object sent. :raise ApiError: 400"""
    try:
        body = request.json()
    except ValueError as error:
        raise ApiError(400, "INVALID_REQUEST_BODY", "The request body is not JSON.") from error
    if not isinstance(body, dict) or not request.headers.get("Content-Type", "").startswith("application/json"):
        raise ApiError(400, "INVALID_REQUEST_BODY", "The request body must be a JSON object.")
    return body
