"""The authorisation server: consent, tokens that last half an hour, refresh, revocation, and the private app's token.

Lifetimes are measured with the machine's own clock: the client measures them with its own too.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from .errors import ApiError, OAuthError, missing_scopes

CLIENT_ID = "2f1c6f0e-7d5b-4f5e-9a53-8d2f5f1c3a11"
#: also the key of the webhooks' signatures
CLIENT_SECRET = "8a4be0d6-31c7-4f0a-b1e9-57c2d90e6f42"
APP_ID, USER_ID = 1313, 76_023_669
SCOPES = (
    "oauth", "crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.companies.read",
    "crm.objects.companies.write", "crm.objects.contacts.read", "crm.objects.contacts.write",
    "crm.objects.line_items.read", "crm.objects.line_items.write", "crm.objects.owners.read",
    "crm.schemas.deals.read", "crm.schemas.deals.write", "crm.schemas.companies.read", "crm.schemas.companies.write",
    "crm.schemas.contacts.read", "crm.schemas.contacts.write", "crm.schemas.line_items.read", "e-commerce",
)
_CODE_SECONDS = 600


@dataclass(slots=True)
class Grant:
    """The consent of one account. ``refresh_token`` is the one that works."""

    scopes: tuple
    refresh_token: str
    revoked: bool = False


@dataclass(slots=True)
class Access:
    """One access token. ``grant`` is None for the private app's, which never ends by itself."""

    scopes: tuple
    expires: float = float("inf")
    grant: Grant | None = None


def _unauthorised(category, message):
    return ApiError(401, category, message)


class Authority:
    """Issues and checks tokens.

    :param token_seconds: lifetime of an access token
    :param rotate: a refresh answers another refresh token and ends the one before
    :ivar withdrawn: scopes that no token has any more
    """

    def __init__(self, portal_id, token_seconds=1800, rotate=False):
        self.portal_id, self.token_seconds, self.rotate = portal_id, token_seconds, rotate
        self.refuse_all, self.withdrawn = False, set()
        self._tokens, self._grants, self._codes = {}, {}, {}
        self._lock = threading.RLock()
        self.private_token = f"pat-eu1-{secrets.token_hex(16)}"
        self._tokens[self.private_token] = Access(SCOPES)
        self._first = self.consent()

    @property
    def refresh_token(self):
        """The refresh token of the first consent that works now."""
        return self._first.refresh_token

    def consent(self, scopes=SCOPES):
        """Give a new :class:`Grant`, as if a person had consented."""
        grant = Grant(tuple(scopes), secrets.token_hex(20))
        with self._lock:
            self._grants[grant.refresh_token] = grant
        return grant

    # === CONSENT PAGE === #

    def authorize(self, query):
        """Answer the consent page (the person always agrees) with the address to go on to."""
        if query.get("client_id") != CLIENT_ID:
            raise OAuthError("invalid_client", "unknown client_id")
        if not query.get("redirect_uri"):
            raise OAuthError("invalid_request", "redirect_uri is missing")
        scopes = query.get("scope", "").split()
        unknown = [scope for scope in [*scopes, *query.get("optional_scope", "").split()] if scope not in SCOPES]
        if not scopes or unknown:
            raise OAuthError("invalid_scope", f"scope is missing or unknown: {unknown}")
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = (time.monotonic() + _CODE_SECONDS, query["redirect_uri"],
                                 tuple(dict.fromkeys(["oauth", *scopes, *query.get("optional_scope", "").split()])),
                                 query.get("code_challenge", ""))
        answer = {"code": code, **({"state": query["state"]} if "state" in query else {})}
        return query["redirect_uri"] + ("&" if "?" in query["redirect_uri"] else "?") + urlencode(answer)

    # === TOKEN ENDPOINTS === #

    def token(self, form):
        """Answer the token endpoint.

        :raise OAuthError: the grant is refused
        """
        self._check_client(form)
        if self.refuse_all:
            raise OAuthError("invalid_grant", "missing or invalid refresh token")
        with self._lock:
            match form.get("grant_type"):
                case "authorization_code":
                    return self._exchange(form)
                case "refresh_token":
                    return self._refresh(form)
                case "client_credentials":
                    raise OAuthError("unauthorized_client", "this app may not use client_credentials")
        raise OAuthError("unsupported_grant_type", "grant_type is missing or unknown")

    @staticmethod
    def _check_client(form):
        secret = form.get("client_secret", "")
        if form.get("client_id") != CLIENT_ID or not hmac.compare_digest(secret.encode(), CLIENT_SECRET.encode()):
            raise OAuthError("invalid_client", "client_id and client_secret do not match", 401)

    def _exchange(self, form):
        expires, redirect_uri, scopes, challenge = self._codes.pop(form.get("code", ""), (0, "", (), ""))
        if expires < time.monotonic():
            raise OAuthError("invalid_grant", "missing or unknown auth code")
        if form.get("redirect_uri") != redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri does not match the one of the consent")
        if challenge:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
                raise OAuthError("invalid_grant", "code_verifier does not match")
        return self._issue(self.consent(scopes))

    def _refresh(self, form):
        grant = self._grants.get(form.get("refresh_token", ""))
        if grant is None or grant.revoked:
            raise OAuthError("invalid_grant", "missing or invalid refresh token")
        if self.rotate:
            del self._grants[grant.refresh_token]
            grant.refresh_token = secrets.token_hex(20)
            self._grants[grant.refresh_token] = grant
        return self._issue(grant)

    def _issue(self, grant):
        token = "CN" + secrets.token_urlsafe(200)
        self._tokens[token] = Access(grant.scopes, time.monotonic() + self.token_seconds, grant)
        return {"access_token": token, "refresh_token": grant.refresh_token, "expires_in": int(self.token_seconds),
                "token_type": "bearer", "token_use": "access_token", "hub_id": self.portal_id, "user_id": USER_ID,
                "scopes": list(grant.scopes)}

    def introspect(self, form):
        self._check_client(form)
        with self._lock:
            access, grant = self._tokens.get(form.get("token", "")), self._grants.get(form.get("token", ""))
        if grant is not None and not grant.revoked:
            return self._described(grant.scopes, "refresh_token")
        if access is None or access.expires < time.monotonic():
            return {"active": False}
        left = {} if access.grant is None else {"expires_in": int(access.expires - time.monotonic())}
        return {**self._described(access.scopes, "access_token"), **left}

    def _described(self, scopes, use):
        return {"active": True, "token_use": use, "hub_id": self.portal_id, "user_id": USER_ID, "app_id": APP_ID,
                "hub_domain": "haldenmarsh.example", "scopes": list(scopes), "client_id": CLIENT_ID}

    def revoke(self, form):
        """Answer the revoke endpoint: a refresh token ends, with the access tokens that came from it."""
        self._check_client(form)
        with self._lock:
            grant = self._grants.pop(form.get("token", ""), None)
            if grant is None:
                raise OAuthError("invalid_request", "token is missing or unknown")
            grant.revoked = True
            self._tokens = {key: access for key, access in self._tokens.items() if access.grant is not grant}

    # === CHECKING === #

    def access(self, authorization):
        """Return the :class:`Access` of an Authorization header, or raise the 401."""
        scheme, _space, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or not token:
            raise _unauthorised("INVALID_AUTHENTICATION", "Authentication credentials not found")
        with self._lock:
            access = self._tokens.get(token)
        if access is None or (self.refuse_all and access.grant is None):
            raise _unauthorised("INVALID_AUTHENTICATION", "The OAuth token used to make this call is not valid")
        if access.expires < time.monotonic():
            raise _unauthorised("EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
        return access

    def need(self, access, *scopes):
        """Raise the 403 of a token that has none of these scopes."""
        if not any(scope in access.scopes and scope not in self.withdrawn for scope in scopes):
            raise missing_scopes(scopes)

    def expire(self, authorization=""):
        """End one access token, or all that can end."""
        token = authorization.partition(" ")[2]
        with self._lock:
            for key, access in self._tokens.items():
                if access.grant is not None and token in ("", key):
                    access.expires = 0

    def revoke_all(self, for_good=True):
        """Take back every consent and the private app's token; ``for_good`` False lets new consents work."""
        with self._lock:
            for grant in self._grants.values():
                grant.revoked = True
            self._tokens.clear()
            self.refuse_all = for_good
            if not for_good:
                self.private_token = f"pat-eu1-{secrets.token_hex(16)}"
                self._tokens[self.private_token] = Access(SCOPES)
                self._first = self.consent()
