"""Logging in: JWT bearer, client credentials, and the web server flow with its refresh token."""

import time
from urllib.parse import urlsplit

import jwt

from ..base import address_of
from ..errors import ConnectionRefusedByVendor, PoisonError, TransientError
from ..oauth import OAuth
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


def audience(settings):
    """Return the ``aud`` claim: the setting, else the login host of the environment."""
    if settings.get("audience"):
        return settings["audience"]
    host = urlsplit(address_of(declaration.SETTINGS, settings, "login_url")).hostname or ""
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


class _Login(OAuth):
    def token_data(self, body):
        if not body.get("instance_url"):
            raise PoisonError("The login answer lacks the instance address", "login_answer")
        kept = ("instance_url", "id", "issued_at", "scope")
        return super().token_data(body) | {key: body[key] for key in kept if body.get(key)}

    def refused(self, response):
        if response.status in OUTAGE_STATUSES:
            return TransientError(f"The login server answered {response.status}", f"http_{response.status}",
                                  response.retry_after, maybe_done=True)
        code, message, _fields = first_error(response.json()) or ("login_failed", "Salesforce refused the login", [])
        advice = _ADVICE.get(code) or next((text for words, text in _GRANT_ADVICE if words in message), "")
        return ConnectionRefusedByVendor(f"Salesforce refused the login: {message or code}. {advice}".strip(), code)


# Salesforce names no lifetime: the token is used until it is refused.
LOGIN = _Login("Salesforce", declaration.SETTINGS, ("login_url", "/services/oauth2/token"),
               ("login_url", "/services/oauth2/authorize"),
               {"response_type": "code", "scope": "api refresh_token", "prompt": "login consent"}, pkce=True,
               no_refresh_token="add the scope “refresh_token, offline_access” to the app")  # noqa: S106 - for people


def authenticate(session, credentials):
    """Log in and return the :class:`~connectors.base.Token`.

    :raise ConnectionRefusedByVendor: refused for good; trying again changes nothing
    :raise TransientError: the login server is not available
    """
    if session.auth_method == declaration.WEB_SERVER:
        return LOGIN.authenticate(session, credentials)
    if session.auth_method == declaration.CLIENT_CREDENTIALS:
        return LOGIN.call(session, credentials, grant_type="client_credentials")
    if session.auth_method == declaration.JWT:  # the assertion names the app
        return LOGIN.call(session, {}, grant_type=_JWT_GRANT, assertion=signed_assertion(credentials, session.settings))
    raise ConnectionRefusedByVendor(f"Unknown way to log in: {session.auth_method}", code="auth_method")


exchange_code = LOGIN.exchange_code


def organization_id(token):
    """Return the org's id out of the identity address (``.../id/<org>/<user>``), or an empty string."""
    parts = urlsplit(token.data.get("id", "")).path.strip("/").split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "id" else ""

