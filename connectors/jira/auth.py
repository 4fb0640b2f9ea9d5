"""Consent at Atlassian (OAuth 2.0, three-legged): where it is asked for, and the site it was given for."""

from ..base import address_of
from ..errors import ConnectionRefusedByVendor
from ..oauth import OAuth
from .declaration import SETTINGS

#: The one thing written at Jira is a property of billed worklogs.
WRITE_SCOPE = "write:jira-work"
SCOPES = f"read:jira-work read:jira-user {WRITE_SCOPE} offline_access"

CONSENT = OAuth(
    "Atlassian", SETTINGS, ("login_url", "/oauth/token"), ("login_url", "/authorize"),
    {"audience": "api.atlassian.com", "scope": SCOPES, "response_type": "code", "prompt": "consent"}, as_json=True,
    advice="Connect again; if that does not help, check client ID and secret",
    no_refresh_token="allow the app the scope offline_access")  # noqa: S106 - a text for people
authenticate = CONSENT.authenticate


def api_url(settings):
    """Return where Jira is called with a consent: ``https://api.atlassian.com`` belongs to ``auth.atlassian.com``."""
    return address_of(SETTINGS, settings, "login_url").replace("//auth.", "//api.", 1)


def site_of(wanted, sites):
    """Return the site whose address is ``wanted``.

    :param sites: what a consent was given for: ``[{"id", "url", "scopes"}]``
    :raise ConnectionRefusedByVendor: another site than the one in the settings
    """
    found = next((site for site in sites if site["url"].rstrip("/") == wanted), None)
    if not found:
        names = ", ".join(site["url"] for site in sites) or "no site"
        raise ConnectionRefusedByVendor(f"The consent was given for {names}, the settings say {wanted}", "site")
    return found
