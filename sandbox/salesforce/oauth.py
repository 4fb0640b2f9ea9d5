"""The authorisation server: JWT bearer, client credentials, authorization code with PKCE, rotating refresh tokens.

Lifetimes are measured with the machine's own clock, because the client's assertion carries the client's time; the
moved clock of the data has no part in it.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from .errors import OAuthError
from .rsa import process_key_pair

LOGIN_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
_MAX_ASSERTION_SECONDS = 300
_CODE_SECONDS = 600


@dataclass(slots=True)
class Grant:
    """A consent, and all refresh tokens that came from it. ``refresh_token`` is the one that still works."""

    scopes: tuple
    refresh_token: str = ""
    revoked: bool = False


@dataclass(slots=True)
class SessionToken:
    """One access token. ``key`` never shows outside; query locators are bound to it."""

    key: str
    last_used: float
    scopes: tuple
    grant: Grant | None = None


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Authority:
    """Issues and checks tokens for one connected app and one integration user.

    :param organization_id: 18-character id; :param user_id: likewise
    :param instance_url: where data calls go
    :param session_seconds: idle lifetime of an access token
    :param rotate: each refresh returns a new refresh token and ends the old one and its session
    """

    def __init__(self, organization_id, user_id, instance_url, username, session_seconds=7200, rotate=True):
        self.organization_id, self.user_id, self.instance_url = organization_id, user_id, instance_url
        self.username, self.session_seconds, self.rotate = username, session_seconds, rotate
        self.consumer_key = "3MVG9sandbox." + hashlib.sha256(organization_id.encode()).hexdigest()[:40]
        self.consumer_secret = secrets.token_hex(32).upper()
        self.redirect_uris = None
        self.refuse_all = False
        self._sessions = {}
        self._codes = {}
        #: {refresh token: Grant}; spent ones stay, so that their reuse is noticed
        self._refresh_tokens = {}
        self._lock = threading.Lock()

    def credentials(self):
        """Return all that a client needs to connect; this is the registration page of the connected app."""
        return {
            "login_url": self.instance_url, "token_url": f"{self.instance_url}/services/oauth2/token",
            "authorize_url": f"{self.instance_url}/services/oauth2/authorize", "instance_url": self.instance_url,
            "audience": LOGIN_AUDIENCES[0], "consumer_key": self.consumer_key,
            "consumer_secret": self.consumer_secret, "username": self.username,
            "private_key": process_key_pair().private_pem(), "organization_id": self.organization_id,
        }

    # === TOKEN ENDPOINT === #

    def token(self, form, authorization):
        """Answer ``POST /services/oauth2/token``.

        :param form: form fields; :param authorization: Authorization header or None
        :raise OAuthError: the grant is refused
        """
        if self.refuse_all:
            raise OAuthError("invalid_grant", "expired access/refresh token")
        flows = {
            "urn:ietf:params:oauth:grant-type:jwt-bearer": self._jwt_bearer,
            "client_credentials": self._client_credentials,
            "authorization_code": self._authorization_code,
            "refresh_token": self._refresh,
        }
        flow = flows.get(form.get("grant_type"))
        if flow is None:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        if authorization and authorization.startswith("Basic "):
            client_id, _colon, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            form = {"client_id": client_id, "client_secret": secret, **form}
        with self._lock:
            return flow(form)

    def _check_client(self, form, secret_needed=True):
        if form.get("client_id") != self.consumer_key:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        secret = form.get("client_secret", "")
        if (secret_needed or secret) and not hmac.compare_digest(secret, self.consumer_secret):
            raise OAuthError("invalid_client", "invalid client credentials")

    def _jwt_bearer(self, form):
        try:
            signed, _dot, signature = form["assertion"].rpartition(".")
            header, claims = (json.loads(_decode(part)) for part in signed.split("."))
            signature = _decode(signature)
        except (KeyError, ValueError) as error:
            raise OAuthError("invalid_grant", "invalid assertion") from error
        if header.get("alg") != "RS256" or not process_key_pair().verify(signed.encode(), signature):
            raise OAuthError("invalid_grant", "invalid assertion")
        if claims.get("iss") != self.consumer_key:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if claims.get("aud") not in LOGIN_AUDIENCES:
            raise OAuthError("invalid_grant", "audience is invalid")
        expires, now = claims.get("exp"), time.time()
        if not isinstance(expires, (int, float)) or not now < expires <= now + _MAX_ASSERTION_SECONDS:
            raise OAuthError("invalid_grant", "invalid assertion")
        if claims.get("sub") != self.username:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        return self._issue(("api", "id"))

    def _client_credentials(self, form):
        self._check_client(form)
        return self._issue(("api", "id"))

    def _authorization_code(self, form):
        self._check_client(form, secret_needed=False)
        code = self._codes.pop(form.get("code"), None)
        if code is None or code["expires"] < time.monotonic():
            raise OAuthError("invalid_grant", "expired authorization code")
        if form.get("redirect_uri") != code["redirect_uri"]:
            raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
        if code["challenge"]:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code["challenge"]:
                raise OAuthError("invalid_grant", "invalid code verifier")
        else:
            self._check_client(form)
        grant = Grant(code["scopes"])
        refreshable = {"refresh_token", "offline_access"} & set(code["scopes"])
        return self._issue(code["scopes"], grant, new_refresh_token=bool(refreshable))

    def _refresh(self, form):
        self._check_client(form, secret_needed=False)
        presented = form.get("refresh_token", "")
        grant = self._refresh_tokens.get(presented)
        if grant is None or grant.revoked:
            raise OAuthError("invalid_grant", "expired access/refresh token")
        if grant.refresh_token != presented:
            self._revoke(grant)
            raise OAuthError("invalid_grant", "expired access/refresh token")
        if self.rotate:
            self._end_sessions(grant)
        return self._issue(grant.scopes, grant, new_refresh_token=self.rotate)

    def _issue(self, scopes, grant=None, new_refresh_token=False):
        access_token = f"{self.organization_id[:15]}!AQ{secrets.token_urlsafe(48)}"
        self._sessions[access_token] = SessionToken(secrets.token_hex(8), time.monotonic(), scopes, grant)
        identity = f"https://login.salesforce.com/id/{self.organization_id}/{self.user_id}"
        issued_at = str(int(time.time() * 1000))
        signature = hmac.new(self.consumer_secret.encode(), (identity + issued_at).encode(), hashlib.sha256).digest()
        answer = {
            "access_token": access_token, "instance_url": self.instance_url, "id": identity, "token_type": "Bearer",
            "scope": " ".join(scopes), "issued_at": issued_at, "signature": base64.b64encode(signature).decode(),
        }
        if new_refresh_token:
            grant.refresh_token = "5Aep861" + secrets.token_urlsafe(48)
            self._refresh_tokens[grant.refresh_token] = grant
            answer["refresh_token"] = grant.refresh_token
        return answer

    # === CONSENT === #

    def authorize(self, query):
        """Answer ``GET /services/oauth2/authorize`` (the user always consents) with the URL to go on to.

        :raise OAuthError: the request cannot be sent back to its redirect URI
        """
        if query.get("client_id") != self.consumer_key:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        redirect_uri = query.get("redirect_uri", "")
        if not redirect_uri or (self.redirect_uris is not None and redirect_uri not in self.redirect_uris):
            raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
        separator = "&" if "?" in redirect_uri else "?"
        if query.get("response_type") != "code":
            answer = {"error": "unsupported_response_type", "error_description": "response type not supported"}
        elif query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            answer = {"error": "invalid_request", "error_description": "code challenge method must be S256"}
        else:
            code = "aPrx" + secrets.token_urlsafe(40)
            scopes = tuple(query.get("scope", "api id refresh_token").split())
            with self._lock:
                self._codes[code] = {"redirect_uri": redirect_uri, "challenge": query.get("code_challenge", ""),
                                     "scopes": scopes, "expires": time.monotonic() + _CODE_SECONDS}
            answer = {"code": code}
        if "state" in query:
            answer["state"] = query["state"]
        return redirect_uri + separator + urlencode(answer)

    # === SESSIONS === #

    def session(self, authorization):
        """Return the :class:`SessionToken` of an Authorization header, or None; its idle time starts again."""
        scheme, _space, token = (authorization or "").partition(" ")
        with self._lock:
            session = self._sessions.get(token) if scheme in ("Bearer", "OAuth") else None
            if session is None:
                return None
            now = time.monotonic()
            if now - session.last_used > self.session_seconds:
                del self._sessions[token]
                return None
            session.last_used = now
            return session

    def expire(self, authorization=None):
        """End the session of one Authorization header, or all sessions."""
        with self._lock:
            if authorization is None:
                self._sessions.clear()
            else:
                self._sessions.pop(authorization.partition(" ")[2], None)

    def revoke(self, token):
        """Answer ``POST /services/oauth2/revoke``: a refresh token takes its whole family along."""
        with self._lock:
            if token in self._refresh_tokens:
                self._revoke(self._refresh_tokens[token])
            elif self._sessions.pop(token, None) is None:
                raise OAuthError("unsupported_token_type", "this token type is not supported")

    def revoke_all(self):
        """Take back every consent, as an administrator does."""
        with self._lock:
            for grant in self._refresh_tokens.values():
                grant.revoked = True
            self._sessions.clear()

    def _revoke(self, grant):
        grant.revoked = True
        self._end_sessions(grant)

    def _end_sessions(self, grant):
        for token in [token for token, session in self._sessions.items() if session.grant is grant]:
            del self._sessions[token]
