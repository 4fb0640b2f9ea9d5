"""Logging in: JWT bearer, client credentials, and the web server flow with its refresh token."""

import time
from urllib.parse import urlencode, urlsplit

import jwt

from ..base import Token
from ..errors import ConnectionRefusedByVendor, PoisonError, TransientError
from . import declaration
from .errors import OUTAGE_STATUSES, first_error

#: Seconds that an assertion is valid; the vendor wants a short one.
_ASSERTION_SECONDS = 180
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_ADVICE = {
    "invalid_client_id": "The consumer key is unknown there: check the key and the login address.",
    "invalid_client": "The consumer key or secret is wrong.",
    "invalid_client_credentials": "The consumer secret is wrong.",
    "unsupported_grant_type": "This kind of login is not switched on in the app.",
    "inactive_user": "The integration user is inactive.",
    "inactive_org": "The org is locked or closed.",
    "invalid_app_access": "The integration user is not admitted to the app (pre-authorised profile or permission set).",
    "OAUTH_EC_APP_NOT_FOUND": "The app is not installed in this org.",
}
_GRANT_ADVICE = (
    ("hasn't approved",
     "The integration user is not pre-authorised for the app, or the login address is another environment's."),
    ("audience is invalid", "The JWT audience does not fit the environment (production or sandbox)."),
    ("invalid assertion",
     "The certificate in the app does not belong to the private key, or this server's clock is wrong."),
    ("not supported on this domain", "Client credentials work only at the My Domain address."),
    ("expired access/refresh token", "The consent has ended: connect again."),
    ("expired authorization code", "The consent took too long: connect again."),
    ("authentication failure", "The user or the credentials are wrong."),
)


def login_url(settings):
    return (settings.get("login_url") or declaration.DEFAULT_LOGIN_URL).rstrip("/")


def audience(settings):
    """Return the ``aud`` claim: the setting, else the login host of the environment."""
    if settings.get("audience"):
        return settings["audience"]
    host = urlsplit(login_url(settings)).hostname or ""
    is_sandbox = host == "test.salesforce.com" or host.endswith(".sandbox.my.salesforce.com")
    return "https://test.salesforce.com" if is_sandbox else declaration.DEFAULT_LOGIN_URL


def signed_assertion(credentials, settings, now=None):
    """Return the JWT of the bearer flow.

    :raise ConnectionRefusedByVendor: the private key cannot be used
    """
    claims = {"iss": credentials["client_id"], "sub": credentials["username"], "aud": audience(settings),
              "exp": int(now or time.time()) + _ASSERTION_SECONDS}
    try:
        return jwt.encode(claims, credentials["private_key"], algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise ConnectionRefusedByVendor("The private key is not an RSA key in PEM form",
                                        code="private_key") from error


def _form(session, credentials):
    """Return the form fields of the token call for the session's method."""
    if session.auth_method == declaration.JWT:
        return {"grant_type": _JWT_GRANT, "assertion": signed_assertion(credentials, session.settings)}
    if session.auth_method == declaration.CLIENT_CREDENTIALS:
        return {"grant_type": "client_credentials", "client_id": credentials["client_id"],
                "client_secret": credentials["client_secret"]}
    if session.auth_method == declaration.WEB_SERVER:
        if not credentials.get("refresh_token"):
            raise ConnectionRefusedByVendor("Nobody has given consent yet: use “Connect”", code="no_consent")
        form = {"grant_type": "refresh_token", "refresh_token": credentials["refresh_token"],
                "client_id": credentials["client_id"]}
        if credentials.get("client_secret"):
            form["client_secret"] = credentials["client_secret"]
        return form
    raise ConnectionRefusedByVendor(f"Unknown way to log in: {session.auth_method}", code="auth_method")


def _refused(body):
    code, message, _fields = first_error(body) or ("login_failed", "Salesforce refused the login", [])
    advice = _ADVICE.get(code) or next((text for words, text in _GRANT_ADVICE if words in message), "")
    return ConnectionRefusedByVendor(f"Salesforce refused the login: {message or code}. {advice}".strip(), code)


def _token_call(session, form):
    """Return the JSON object of a successful token call."""
    response = session.transport.request("POST", login_url(session.settings) + "/services/oauth2/token", data=form,
                                         headers={"Accept": "application/json"})
    if response.status in OUTAGE_STATUSES:
        # Nothing is written by a login, but a rotated refresh token may have been used up.
        raise TransientError(f"The login server answered {response.status}", f"http_{response.status}",
                             response.retry_after, maybe_done="refresh_token" in form)
    body = response.json()
    if not response.ok:
        raise _refused(body)
    if not isinstance(body, dict) or not body.get("access_token") or not body.get("instance_url"):
        raise PoisonError("The login answer lacks the token or the instance address", code="login_answer")
    return body


def _token(body, form):
    data = {key: body[key] for key in ("access_token", "instance_url", "id", "issued_at", "scope") if body.get(key)}
    rotated = {}
    if body.get("refresh_token") and body["refresh_token"] != form.get("refresh_token"):
        rotated["refresh_token"] = body["refresh_token"]
    # Salesforce names no lifetime: the token is used until it is refused.
    return Token(data, rotated, None)


def authenticate(session, credentials):
    """Log in and return the :class:`~connectors.base.Token`.

    :raise ConnectionRefusedByVendor: refused for good; trying again changes nothing
    :raise TransientError: the login server is not available
    """
    form = _form(session, credentials)
    return _token(_token_call(session, form), form)


def authorize_url(settings, credentials, redirect_uri, state, code_challenge):
    """Return where the user gives consent (PKCE, S256)."""
    query = urlencode({
        "response_type": "code", "client_id": credentials["client_id"], "redirect_uri": redirect_uri,
        "scope": "api refresh_token", "state": state, "code_challenge": code_challenge,
        "code_challenge_method": "S256", "prompt": "login consent",
    })
    return f"{login_url(settings)}/services/oauth2/authorize?{query}"


def exchange_code(session, code, redirect_uri, code_verifier):
    """Return the token of a consent; its refresh token comes in ``rotated``."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
            "client_id": session.credentials["client_id"], "code_verifier": code_verifier}
    if session.credentials.get("client_secret"):
        form["client_secret"] = session.credentials["client_secret"]
    token = _token(_token_call(session, form), form)
    if "refresh_token" not in token.rotated:
        raise ConnectionRefusedByVendor("The app gives no refresh token: add the scope “refresh_token, "
                                        "offline_access” to it", code="no_refresh_token")
    return token


def organization_id(token):
    """Return the org's id out of the identity address (``.../id/<org>/<user>``), or an empty string."""
    parts = urlsplit(token.data.get("id", "")).path.strip("/").split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "id" else ""

