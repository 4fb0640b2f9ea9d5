"""The OAuth host: JWT grant with consent, authorization code with rotating refresh tokens, userinfo.

Lifetimes are measured with the machine's clock; the moved clock of the data has no part in it.
"""

import base64
import json
import secrets
import threading
import time
from urllib.parse import urlencode, urlsplit

from ..salesforce.rsa import process_key_pair
from .errors import ApiError, OAuthError

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("account-d.docusign.com", "account.docusign.com")
_SCOPES = frozenset(("signature", "extended", "impersonation"))
_JWT_SECONDS, _CODE_GRANT_SECONDS, _CODE_SECONDS = 3600, 28_800, 120


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Authority:
    """Tokens of one integration and one user.

    :param url: stands for the OAuth host and for the account's ``base_uri``
    :ivar consented: the user lets the integration act for him (JWT grant)
    :ivar issued: how many access tokens were given out
    """

    def __init__(self, url, ids, user):
        self.url, self.ids, self.user = url, ids, user
        self.client_id, self.client_secret = ids["client_id"], secrets.token_hex(16)
        self.consented, self.issued = True, 0
        self._access, self._refresh, self._codes = {}, {}, {}
        self._lock = threading.Lock()

    def credentials(self):
        """Return all that a client needs to connect; each call makes a new consent by authorization code."""
        return {"oauth_url": self.url, "base_url": f"{self.url}/restapi", "account_id": self.ids["account_id"],
                "client_id": self.client_id, "client_secret": self.client_secret, "user_id": self.ids["user_id"],
                "private_key": process_key_pair().private_pem(), "refresh_token": self.consent()}

    def consent(self, scopes=("signature", "extended")):
        """Let the user consent in the browser and return the refresh token that comes of it."""
        with self._lock:
            return self._new_refresh(scopes)

    def _new_refresh(self, scopes):
        token = secrets.token_urlsafe(64)
        self._refresh[token] = scopes
        return token

    # === TOKEN ENDPOINT === #

    def token(self, form, authorization):
        """Answer ``POST /oauth/token``. :raise OAuthError: refused"""
        with self._lock:
            match form.get("grant_type"):
                case grant if grant == JWT_BEARER:
                    return self._issue(self._assertion(form.get("assertion", "")), _JWT_SECONDS)
                case "authorization_code":
                    self._check_client(authorization)
                    scopes, expires = self._codes.pop(form.get("code"), ((), 0))
                    if expires < time.monotonic():
                        raise OAuthError(400, "invalid_grant", "expired_client_token")
                    return {**self._issue(scopes, _CODE_GRANT_SECONDS), "refresh_token": self._new_refresh(scopes)}
                case "refresh_token":
                    self._check_client(authorization)
                    scopes = self._refresh.pop(form.get("refresh_token"), None)
                    if scopes is None:
                        raise OAuthError(400, "invalid_grant", "expired_client_token")
                    return {**self._issue(scopes, _CODE_GRANT_SECONDS), "refresh_token": self._new_refresh(scopes)}
        raise OAuthError(400, "unsupported_grant_type", "")

    def _check_client(self, authorization):
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        scheme, _space, value = (authorization or "").partition(" ")
        if scheme != "Basic" or not secrets.compare_digest(value, expected):
            raise OAuthError(401, "invalid_client", "")

    def _assertion(self, text):
        """Return the scopes of a signed assertion."""
        try:
            signed, _dot, signature = text.rpartition(".")
            header, claims = (json.loads(_decode(part)) for part in signed.split("."))
            good = header.get("alg") == "RS256" and process_key_pair().verify(signed.encode(), _decode(signature))
        except ValueError as error:
            raise OAuthError(400, "invalid_grant", "no_valid_keys_or_signatures") from error
        if not good:
            raise OAuthError(400, "invalid_grant", "no_valid_keys_or_signatures")
        if claims.get("iss") != self.client_id:
            raise OAuthError(400, "invalid_grant", "issuer_not_found")
        parts, now = urlsplit(self.url), time.time()
        if claims.get("aud") not in (*_AUDIENCES, parts.netloc, parts.hostname):
            raise OAuthError(400, "invalid_grant", "unknown_audience")
        issued, expires = claims.get("iat"), claims.get("exp")
        if (not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)) or issued > now + 60
                or not now < expires <= issued + _JWT_SECONDS):
            raise OAuthError(400, "invalid_grant", "token_expired")
        if claims.get("sub") != self.ids["user_id"]:
            raise OAuthError(400, "invalid_grant", "user_not_found")
        scopes = str(claims.get("scope", "")).split()
        if not {"signature", "impersonation"} <= set(scopes) <= _SCOPES:
            raise OAuthError(400, "invalid_scope", "")
        if not self.consented:
            raise OAuthError(400, "consent_required", "")
        return tuple(scopes)

    def _issue(self, scopes, seconds):
        token = "eyJ0eXAi." + secrets.token_urlsafe(96)
        self._access[token] = time.monotonic() + seconds
        self.issued += 1
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": " ".join(scopes)}

    # === CONSENT, USER, DOOR === #

    def authorize(self, query):
        """Return the address to go on to after ``GET /oauth/auth`` (the user always consents)."""
        scopes = tuple(query.get("scope", "").split())
        if query.get("client_id") != self.client_id or not query.get("redirect_uri"):
            raise OAuthError(400, "invalid_request", "The client id or the redirect URI is not registered")
        if query.get("response_type") != "code" or not scopes or not set(scopes) <= _SCOPES:
            raise OAuthError(400, "invalid_scope", "")
        code = secrets.token_urlsafe(64)
        with self._lock:
            self._codes[code] = (scopes, time.monotonic() + _CODE_SECONDS)
            self.consented = self.consented or "impersonation" in scopes
        state = {"state": query["state"]} if "state" in query else {}
        return query["redirect_uri"] + ("&" if "?" in query["redirect_uri"] else "?") + urlencode(
            {"code": code, **state})

    def userinfo(self):
        """Return the user; the account that is meant is neither the first nor the only one."""
        return {"sub": self.ids["user_id"], "name": self.user.name, "email": self.user.email, "accounts": [
            {"account_id": self.ids["other_account"], "account_name": "Archive", "is_default": False,
             "base_uri": "https://archive.docusign.invalid"},
            {"account_id": self.ids["account_id"], "account_name": "Halden Marsh Digital GmbH", "is_default": True,
             "base_uri": self.url}]}

    def check(self, authorization):
        """:raise ApiError: 401, no access token that works"""
        scheme, _space, token = (authorization or "").partition(" ")
        with self._lock:
            expires = self._access.get(token, 0)
        if scheme != "Bearer" or expires < time.monotonic():
            raise ApiError(401, "AUTHORIZATION_INVALID_TOKEN", "The access token provided is expired, revoked or "
                                                               "malformed.")

    def expire(self):
        """End all access tokens."""
        with self._lock:
            self._access.clear()

    def revoke(self):
        """The user takes his consent back: nothing works until he gives it again."""
        with self._lock:
            self.consented = False
            self._refresh.clear()
            self._access.clear()
