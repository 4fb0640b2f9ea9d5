"""Who may ask: a personal access token that does not expire, and OAuth with refresh tokens that are used once."""

import itertools
from urllib.parse import urlencode

from .errors import OAuthError, invalid_token

ACCOUNT, FORECAST_ACCOUNT = 1540042, 1540043
CLIENT_ID, CLIENT_SECRET, PERSONAL_TOKEN = "hm-hub-client", "hm-hub-secret", "1540042.pt.demo-personal-token"
LIFETIME = 14 * 86_400


class Authority:
    """:param session_seconds: life of an access token; :param rotate: a refresh token ends when it is used"""

    def __init__(self, clock, session_seconds=LIFETIME, rotate=True):
        self.clock, self.session_seconds, self.rotate = clock, session_seconds, rotate
        self.refuse_all = False
        self._access, self._refresh, self._codes = {}, set(), {}
        self._numbers = itertools.count(1)

    def credentials(self):
        """Return what a person enters; the refresh token comes from a consent of its own every time."""
        return {"access_token": PERSONAL_TOKEN, "account_id": str(ACCOUNT), "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET, "refresh_token": self._new_refresh()}

    def check(self, authorization):
        """:raise OAuthError: no token, or one that does not count"""
        scheme, _space, token = (authorization or "").partition(" ")
        alive = token == PERSONAL_TOKEN or self._access.get(token, 0) > self._now()
        if scheme.lower() != "bearer" or not alive or self.refuse_all:
            raise invalid_token()

    def expire(self):
        """End all access tokens that OAuth gave so far."""
        self._access.clear()

    def authorize(self, query):
        """Return where the browser goes after the user has agreed."""
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code" or not query.get(
                "redirect_uri"):
            raise OAuthError(400, "invalid_request", "The request is missing a required parameter.")
        code = f"code-{next(self._numbers)}"
        self._codes[code] = query["redirect_uri"]
        answer = {"code": code, "scope": f"harvest:{ACCOUNT}"}
        if "state" in query:
            answer["state"] = query["state"]
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form):
        """Return new tokens for a code or a refresh token.

        :raise OAuthError: wrong client, or a grant that does not count
        """
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise OAuthError(401, "invalid_client", "Client authentication failed.")
        match form.get("grant_type"):
            case "authorization_code":
                good = self._codes.pop(form.get("code"), None) is not None
            case "refresh_token":
                good = form.get("refresh_token") in self._refresh
            case _:
                raise OAuthError(400, "unsupported_grant_type", "The grant type is not supported.")
        if not good or self.refuse_all:
            raise OAuthError(400, "invalid_grant", "The provided authorization grant is invalid, expired or revoked.")
        refresh = form.get("refresh_token")
        if refresh is None or self.rotate:
            self._refresh.discard(refresh)
            refresh = self._new_refresh()
        access = f"{ACCOUNT}.at.{next(self._numbers)}"
        self._access[access] = self._now() + self.session_seconds
        return {"access_token": access, "refresh_token": refresh, "token_type": "bearer",
                "expires_in": int(self.session_seconds)}

    def _new_refresh(self):
        token = f"{ACCOUNT}.rt.{next(self._numbers)}"
        self._refresh.add(token)
        return token

    def _now(self):
        return self.clock.now().timestamp()
