"""Logging in: a JWT that acts as a user, or a user's consent with its refresh token."""

import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, urlencode, urlsplit

import jwt

from ..base import Token
from ..errors import ConnectionRefusedByVendor, PoisonError, TransientError
from .declaration import DEFAULT_OAUTH_URL, JWT, OAUTH
from .errors import error_of

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT_SCOPE = "signature impersonation"
#: Without ``extended`` the refresh token ends after 30 days however often it is used.
_CONSENT_SCOPE = "signature extended"
_ASSERTION_SECONDS = 300

_ADVICE = {
    "invalid_client": "The integration key or its secret is wrong, or belongs to the other environment.",
    "unauthorized_client": "The integration key may not log in in this way.",
}
_GRANT_ADVICE = {
    JWT: "Check the user ID, that the key pair belongs to the integration key, the account server and the clock.",
    OAUTH: "The consent has ended: connect again.",
}


def oauth_url(settings):
    return (settings.get("oauth_url") or DEFAULT_OAUTH_URL).rstrip("/")


def consent_url(settings, client_id, scope, **more):
    """Return the address where a user consents; scopes must be parted by ``%20``."""
    query = {"response_type": "code", "scope": scope, "client_id": client_id, **more}
    return f"{oauth_url(settings)}/oauth/auth?{urlencode(query, quote_via=quote)}"


def signed_assertion(credentials, settings):
    """Return the JWT of the grant. :raise ConnectionRefusedByVendor: the private key cannot be used"""
    now = int(time.time())
    claims = {"iss": credentials["client_id"], "sub": credentials["user_id"],
              "aud": urlsplit(oauth_url(settings)).netloc, "iat": now, "exp": now + _ASSERTION_SECONDS,
              "scope": _JWT_SCOPE}
    try:
        return jwt.encode(claims, credentials["private_key"], algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise ConnectionRefusedByVendor("The private key is not an RSA key in PEM form", "private_key") from error


def _refused(session, response):
    code, message = error_of(response)
    if code == "consent_required":
        address = consent_url(session.settings, session.credentials["client_id"], _JWT_SCOPE)
        return ConnectionRefusedByVendor(
            f"The user has not consented yet: open {address}&redirect_uri=... once as this user, with a redirect "
            "address that the integration key lists, then test again", code)
    advice = _GRANT_ADVICE[session.auth_method] if code == "invalid_grant" else _ADVICE.get(code, "")
    return ConnectionRefusedByVendor(
        f"DocuSign refused the login: {message or code or response.status}. {advice}".strip(), code or "login_failed")


def _token(session, form, client=None):
    """Make the token call and return its :class:`~connectors.base.Token`.

    :param client: ``(integration key, secret)`` for HTTP Basic
    """
    response = session.transport.request("POST", oauth_url(session.settings) + "/oauth/token", data=form, auth=client,
                                         headers={"Accept": "application/json"})
    if response.status >= 500 or response.status in (408, 425, 429):
        # Nothing is written by a login, but a refresh token may have been used up.
        raise TransientError(f"The account server answered {response.status}", f"http_{response.status}",
                             response.retry_after, maybe_done="refresh_token" in form)
    if not response.ok:
        raise _refused(session, response)
    body = response.json()
    if not isinstance(body, dict) or not body.get("access_token"):
        raise PoisonError("The login answer lacks the token", code="login_answer")
    rotated = {"refresh_token": body["refresh_token"]} if client and body.get("refresh_token") else {}
    expires_in = str(body.get("expires_in") or "")
    expires_at = datetime.now(timezone.utc) + timedelta(seconds=int(expires_in)) if expires_in.isdigit() else None
    return Token({"access_token": body["access_token"]}, rotated, expires_at)


def authenticate(session, credentials):
    """Log in and return the :class:`~connectors.base.Token`; only this one call, so that no new refresh token is lost.

    :raise ConnectionRefusedByVendor: refused for good; trying again changes nothing
    :raise TransientError: the account server is not available
    """
    if session.auth_method == JWT:
        return _token(session, {"grant_type": _JWT_GRANT,
                                "assertion": signed_assertion(credentials, session.settings)})
    if not credentials.get("refresh_token"):
        raise ConnectionRefusedByVendor("Nobody has given consent yet: use “Connect”", "no_consent")
    return _token(session, {"grant_type": "refresh_token", "refresh_token": credentials["refresh_token"]},
                  (credentials["client_id"], credentials["client_secret"]))


def authorize_url(settings, credentials, redirect_uri, state):
    return consent_url(settings, credentials["client_id"], _CONSENT_SCOPE, redirect_uri=redirect_uri, state=state)


def exchange_code(session, code):
    """Return the token of a consent; its refresh token comes in ``rotated``."""
    token = _token(session, {"grant_type": "authorization_code", "code": code},
                   (session.credentials["client_id"], session.credentials["client_secret"]))
    if not token.rotated:
        raise ConnectionRefusedByVendor("DocuSign gave no refresh token: check that the integration key uses the "
                                        "authorization code grant", "no_refresh_token")
    return token
