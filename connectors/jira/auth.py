"""Consent at Atlassian (OAuth 2.0, three-legged): refresh tokens that rotate, and the id of the site."""

from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

from ..base import Token
from ..errors import ConnectionRefusedByVendor, PoisonError, TransientError
from ..transport import OUTAGE_STATUSES
from .errors import words

_DEFAULT = "https://auth.atlassian.com"
#: Writes go to Tempo alone: nothing at Jira is ever changed.
SCOPES = "read:jira-work read:jira-user offline_access"


def login_url(settings):
    return (settings.get("login_url") or _DEFAULT).strip().rstrip("/")


def api_url(settings):
    """Return where Jira is called with a consent: ``https://api.atlassian.com`` belongs to ``auth.atlassian.com``."""
    return login_url(settings).replace("//auth.", "//api.", 1)


def _token_call(session, credentials, **form):
    form = {"client_id": credentials["client_id"], "client_secret": credentials["client_secret"], **form}
    response = session.transport.request("POST", login_url(session.settings) + "/oauth/token", json=form,
                                         headers={"Accept": "application/json"})
    if response.status in OUTAGE_STATUSES:
        # Nothing is written by a login, but a rotating refresh token may have been used up.
        raise TransientError(f"Atlassian's login answered {response.status}", f"http_{response.status}",
                             response.retry_after, maybe_done=True)
    if not response.ok:
        said = words(response) or f"it answered {response.status}"
        raise ConnectionRefusedByVendor(f"Atlassian refused the login: {said}. Connect again; if that does not help, "
                                        "check client ID and secret", f"http_{response.status}")
    body = response.json()
    if not isinstance(body, dict) or not body.get("access_token"):
        raise PoisonError("The login answer lacks the token", code="login_answer")
    return body


def _token(body, used=""):
    rotated = {"refresh_token": body["refresh_token"]} if body.get("refresh_token") not in (None, used) else {}
    expires_at = datetime.now(timezone.utc) + timedelta(seconds=int(body.get("expires_in") or 3600))
    return Token({"access_token": body["access_token"]}, rotated, expires_at)


def site_id(settings, sites):
    """Return the id of the site that the settings name.

    :param sites: what a consent was given for: ``[{"id", "url"}]``
    :raise ConnectionRefusedByVendor: another site than the one in the settings
    """
    wanted = (settings.get("jira_url") or "").strip().rstrip("/")
    found = next((site["id"] for site in sites if site["url"].rstrip("/") == wanted), "")
    if not found:
        names = ", ".join(site["url"] for site in sites) or "no site"
        raise ConnectionRefusedByVendor(f"The consent was given for {names}, the settings say {wanted}", "site")
    return found


def authenticate(session, credentials):
    """Refresh and return the :class:`~connectors.base.Token`; its new refresh token comes in ``rotated``.

    :raise ConnectionRefusedByVendor: refused for good; :raise TransientError: the login server is not available
    """
    refresh_token = credentials.get("refresh_token")
    if not refresh_token:
        raise ConnectionRefusedByVendor("Nobody has given consent yet: use “Connect”", code="no_consent")
    body = _token_call(session, credentials, grant_type="refresh_token", refresh_token=refresh_token)
    return _token(body, refresh_token)


def authorize_url(settings, credentials, redirect_uri, state):
    """Return where the user gives consent."""
    query = {"audience": "api.atlassian.com", "client_id": credentials["client_id"], "scope": SCOPES,
             "redirect_uri": redirect_uri, "state": state, "response_type": "code", "prompt": "consent"}
    return f"{login_url(settings)}/authorize?{urlencode(query)}"


def exchange_code(session, code, redirect_uri):
    """Return the token of a consent; its refresh token comes in ``rotated``."""
    body = _token_call(session, session.credentials, grant_type="authorization_code", code=code,
                       redirect_uri=redirect_uri)
    token = _token(body)
    if not token.rotated:
        raise ConnectionRefusedByVendor("Atlassian gave no refresh token: allow the app the scope offline_access",
                                        code="no_refresh_token")
    return token
