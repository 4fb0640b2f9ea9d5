"""Logging in: a personal access token, or the consent of a user with a refresh token that rotates."""

from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

from ..base import Token
from ..errors import ConnectionRefusedByVendor, PoisonError
from ..transport import redact

DEFAULT_LOGIN_URL = "https://id.getharvest.com"
DEFAULT_CONTACT = "https://github.com/psa-hub/psa_hub"
TOKEN, OAUTH = "token", "oauth"


def login_url(settings):
    return (settings.get("login_url") or DEFAULT_LOGIN_URL).rstrip("/")


def user_agent(settings):
    """Return the header by which Harvest knows whom to write to; calls without it are refused."""
    return f"PSA Hub ({settings.get('contact') or DEFAULT_CONTACT})"


def _token_call(session, form):
    response = session.transport.request(
        "POST", login_url(session.settings) + "/api/v2/oauth2/token", data=form,
        headers={"Accept": "application/json", "User-Agent": user_agent(session.settings)})
    response.raise_for_outage()
    body = response.json()
    if not isinstance(body, dict):
        raise PoisonError("The login answer is not an object", "login_answer")
    if not response.ok:
        code = str(body.get("error") or f"http_{response.status}")
        words = redact(body.get("error_description") or body.get("message") or code)
        raise ConnectionRefusedByVendor(f"Harvest refused the login: {words}. Connect again.", code)
    if not body.get("access_token"):
        raise PoisonError("The login answer lacks the token", "login_answer")
    rotated = {}
    if body.get("refresh_token") and body["refresh_token"] != form.get("refresh_token"):
        rotated["refresh_token"] = body["refresh_token"]
    expires = None
    if body.get("expires_in"):
        expires = (response.date or datetime.now(timezone.utc)) + timedelta(seconds=int(body["expires_in"]))
    return Token({"access_token": body["access_token"]}, rotated, expires)


def authenticate(session, credentials):
    """Return a new :class:`~connectors.base.Token` for the stored consent.

    :raise ConnectionRefusedByVendor: there is none, or it has ended
    """
    if not credentials.get("refresh_token"):
        raise ConnectionRefusedByVendor("Nobody has given consent yet: use “Connect”", "no_consent")
    return _token_call(session, {
        "grant_type": "refresh_token", "refresh_token": credentials["refresh_token"],
        "client_id": credentials["client_id"], "client_secret": credentials["client_secret"]})


def authorize_url(settings, credentials, redirect_uri, state):
    """Return where the user gives consent, for the one account of the connection."""
    return f"{login_url(settings)}/oauth2/authorize?" + urlencode({
        "client_id": credentials["client_id"], "response_type": "code", "redirect_uri": redirect_uri, "state": state,
        "scope": f"harvest:{(settings.get('account_id') or 'all').strip()}"})


def exchange_code(session, code):
    """Return the token of a consent; its refresh token comes in ``rotated``."""
    token = _token_call(session, {
        "grant_type": "authorization_code", "code": code, "client_id": session.credentials["client_id"],
        "client_secret": session.credentials["client_secret"]})
    if "refresh_token" not in token.rotated:
        raise ConnectionRefusedByVendor("Harvest gave no refresh token: connect again", "no_refresh_token")
    return token
