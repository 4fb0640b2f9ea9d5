"""Who may call: Jira's API token (Basic), Atlassian's OAuth 2.0 with rotating refresh tokens, Tempo's own token.

Lifetimes are measured with the machine's clock; the moved clock of the data has no part in it.
"""

import base64
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import urlencode

from .errors import JiraError, LoginError, TempoError

SCOPES = frozenset(("read:jira-work", "read:jira-user", "write:jira-work", "manage:jira-webhook", "offline_access"))
_ALL_SCOPES = tuple(sorted(SCOPES))
_AUDIENCE = "api.atlassian.com"
_CODE_SECONDS = 300


@dataclass(slots=True)
class Grant:
    """One consent. ``refresh_token`` is the one that works; ``spent`` are those it replaced."""

    scopes: tuple
    refresh_token: str = ""
    spent: set = field(default_factory=set)
    revoked: bool = False


class Authority:
    """Issues and checks everything that opens a door.

    :param url: where the site is served
    :param seconds: life of an OAuth access token
    :ivar refuse_all: nothing works until a person acts
    """

    def __init__(self, url, email, seconds=3600):
        self.url, self.email, self.seconds = url, email, seconds
        self.api_token = "ATATT3x" + secrets.token_urlsafe(60)
        self.tempo_token = secrets.token_urlsafe(32)
        self.client_id, self.client_secret = secrets.token_hex(16), "ATOA" + secrets.token_urlsafe(48)
        self.cloud_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "haldenmarsh.atlassian.example"))
        self.refuse_all = False
        #: how often an access token was issued
        self.issued = 0
        self._grants, self._codes, self._access = [], {}, {}
        self._lock = threading.Lock()

    def credentials(self):
        """Return all that a client needs to connect; each call makes a new consent."""
        return {"jira_url": self.url, "tempo_url": self.url, "login_url": self.url, "email": self.email,
                "api_token": self.api_token, "tempo_token": self.tempo_token, "client_id": self.client_id,
                "client_secret": self.client_secret, "refresh_token": self.consent(), "cloud_id": self.cloud_id}

    def consent(self, scopes=_ALL_SCOPES):
        """Let the site's administrator consent and return the refresh token that comes of it."""
        grant = Grant(scopes, secrets.token_urlsafe(48))
        with self._lock:
            self._grants.append(grant)
        return grant.refresh_token

    # === OAUTH === #

    def authorize(self, query):
        """Return the address to go on to after ``GET /authorize`` (the user always consents).

        :raise LoginError: the request is not one that Atlassian's page accepts
        """
        scopes = tuple(query.get("scope", "").split())
        if query.get("client_id") != self.client_id:
            raise LoginError(401, "unauthorized_client", "unknown client")
        if (query.get("audience") != _AUDIENCE or query.get("response_type") != "code"
                or query.get("prompt") != "consent" or not query.get("redirect_uri") or not query.get("state")):
            raise LoginError(400, "invalid_request", "a parameter is missing or wrong")
        if not scopes or not set(scopes) <= SCOPES:
            raise LoginError(400, "invalid_scope", "unknown scope")
        code = secrets.token_urlsafe(40)
        with self._lock:
            self._codes[code] = (Grant(scopes), query["redirect_uri"], time.monotonic() + _CODE_SECONDS)
        separator = "&" if "?" in query["redirect_uri"] else "?"
        return query["redirect_uri"] + separator + urlencode({"code": code, "state": query["state"]})

    def token(self, body):
        """Answer ``POST /oauth/token``. :raise LoginError: refused"""
        if body.get("client_id") != self.client_id or body.get("client_secret") != self.client_secret:
            raise LoginError(401, "access_denied", "Unauthorized")
        with self._lock:
            match body.get("grant_type"):
                case "authorization_code":
                    grant = self._redeem(body)
                case "refresh_token":
                    grant = self._refresh(body.get("refresh_token", ""))
                case _:
                    raise LoginError(400, "unsupported_grant_type", "grant type not supported")
            access_token = secrets.token_urlsafe(64)
            self._access[access_token] = (grant, time.monotonic() + self.seconds)
            self.issued += 1
            answer = {"access_token": access_token, "expires_in": self.seconds, "token_type": "Bearer",
                      "scope": " ".join(grant.scopes)}
            if "offline_access" in grant.scopes:
                if grant.refresh_token:
                    grant.spent.add(grant.refresh_token)
                grant.refresh_token = answer["refresh_token"] = secrets.token_urlsafe(48)
            return answer

    def _redeem(self, body):
        grant, redirect_uri, expires = self._codes.pop(body.get("code"), (None, "", 0))
        if grant is None or expires < time.monotonic() or body.get("redirect_uri") != redirect_uri:
            raise LoginError(403, "invalid_grant", "Invalid authorization code")
        self._grants.append(grant)
        return grant

    def _refresh(self, token):
        for grant in self._grants:
            if token in grant.spent:
                grant.revoked = True
            if token and token == grant.refresh_token and not grant.revoked and not self.refuse_all:
                return grant
        raise LoginError(403, "invalid_grant", "Unknown or invalid refresh token.")

    def expire(self):
        """End all OAuth access tokens; tokens that people made by hand stay."""
        with self._lock:
            self._access.clear()

    def revoke(self):
        """Take back every consent and every token, as a person does who leaves."""
        self.refuse_all = True
        with self._lock:
            for grant in self._grants:
                grant.revoked = True
            self._access.clear()

    # === DOORS === #

    def check_basic(self, authorization):
        """Let in who has the site's API token. :raise JiraError: 401"""
        scheme, _space, value = (authorization or "").partition(" ")
        expected = base64.b64encode(f"{self.email}:{self.api_token}".encode()).decode()
        if self.refuse_all or scheme != "Basic" or not secrets.compare_digest(value, expected):
            raise JiraError(401, "Client must be authenticated to access this resource.")

    def grant_of(self, authorization):
        """Return the :class:`Grant` of an OAuth access token. :raise JiraError: 401"""
        scheme, _space, value = (authorization or "").partition(" ")
        with self._lock:
            grant, expires = self._access.get(value, (None, 0))
        if scheme != "Bearer" or grant is None or grant.revoked or expires < time.monotonic():
            raise JiraError(401, "Unauthorized")
        return grant

    def check_tempo(self, authorization):
        """Let in who has the Tempo token. :raise TempoError: 401, as a web page"""
        scheme, _space, value = (authorization or "").partition(" ")
        if self.refuse_all or scheme != "Bearer" or not secrets.compare_digest(value, self.tempo_token):
            raise TempoError(401, "The access token is not valid.")
