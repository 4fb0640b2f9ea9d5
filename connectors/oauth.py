"""OAuth 2 with the consent of a user: the address of the consent, the exchange of its code, and refresh tokens.

A vendor declares one :class:`OAuth`; what differs between vendors is in its fields. The credentials hold ``client_id``,
``client_secret`` and ``refresh_token``.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

from .base import CredentialField, Token, address_of
from .errors import ConnectionRefusedByVendor, PoisonError
from .refusals import body_of
from .transport import redact


def app_fields(help=""):
    """Return the credential fields of an app and its consent. :param help: where a person finds the app"""
    return (CredentialField("client_id", "Client ID", help=help),
            CredentialField("client_secret", "Client secret", secret=True),
            CredentialField("refresh_token", "Refresh token", secret=True, required=False,
                            help="Filled by the consent; replaced whenever the vendor gives another one"))


@dataclass(frozen=True)
class OAuth:
    """How one vendor gives tokens.

    :param vendor: its name for people
    :param settings: the declared :class:`~connectors.base.SettingField` of the connector
    :param token: ``(code of the setting with the address, path)`` of the token call
    :param consent: the same of the page on which a user consents
    :param query: what the consent page is told besides the app, the way back and the state
    :param as_json: the token call takes JSON; else a form
    :param basic: the app's id and secret go into the Authorization header; else into the body
    :param sends_redirect: the exchange of a code repeats the way back
    :param pkce: the consent carries a challenge (S256), and the exchange of its code the verifier
    :param advice: what a person has to do when the login is refused
    :param no_refresh_token: what is wrong when a consent brings no refresh token
    """

    vendor: str
    settings: tuple
    token: tuple
    consent: tuple
    query: dict = field(default_factory=dict)
    as_json: bool = False
    basic: bool = False
    sends_redirect: bool = True
    pkce: bool = False
    advice: str = "Check the app's client ID and secret and connect again"
    no_refresh_token: str = "Connect again"  # noqa: S105 - a text for people

    def authorize_url(self, settings, credentials, redirect_uri, state, code_challenge):
        """Return where the user gives consent."""
        challenge = {"code_challenge": code_challenge, "code_challenge_method": "S256"} if self.pkce else {}
        return self._address(self.consent, settings) + "?" + urlencode({
            "client_id": credentials["client_id"], "redirect_uri": redirect_uri, "state": state,
            **self.consent_query(settings), **challenge})

    def consent_query(self, settings):
        """Return what the consent page is told besides the app, the way back and the state."""
        return self.query

    def exchange_code(self, session, code, redirect_uri, code_verifier):
        """Return the token of a consent; its refresh token comes in ``rotated``."""
        grant = {"redirect_uri": redirect_uri} if self.sends_redirect else {}
        if self.pkce:
            grant["code_verifier"] = code_verifier
        token = self.call(session, session.credentials, grant_type="authorization_code", code=code, **grant)
        if "refresh_token" not in token.rotated:
            raise ConnectionRefusedByVendor(f"{self.vendor} gave no refresh token: {self.no_refresh_token}",
                                            "no_refresh_token")
        return token

    def authenticate(self, session, credentials):
        """Refresh and return the :class:`~connectors.base.Token`; a new refresh token comes in ``rotated``.

        :raise ConnectionRefusedByVendor: there is no consent, or it has ended
        :raise TransientError: the login is not available
        """
        if not credentials.get("refresh_token"):
            raise ConnectionRefusedByVendor("Nobody has given consent yet: use “Connect”", "no_consent")
        return self.call(session, credentials, grant_type="refresh_token", refresh_token=credentials["refresh_token"])

    def headers(self, settings):
        """Return what the token call carries besides the grant."""
        return {"Accept": "application/json"}

    def clock(self, response):
        """Return the moment from which the life of a token counts: ours, by which it is renewed in time."""
        return datetime.now(timezone.utc)

    def call(self, session, credentials, **grant):
        """Return the :class:`~connectors.base.Token` that a grant brings."""
        app = {name: credentials[name] for name in ("client_id", "client_secret")}
        content = {"auth": tuple(app.values())} if self.basic else {}
        content["json" if self.as_json else "data"] = grant if self.basic else {**grant, **app}
        response = session.transport.request("POST", self._address(self.token, session.settings),
                                             headers=self.headers(session.settings), **content)
        # Nothing is written by a login, but an outage may have used up the refresh token: it counts as done, perhaps.
        response.raise_for_outage()
        if not response.ok:
            raise self._refused(response)
        body = response.json()
        if not isinstance(body, dict) or not body.get("access_token"):
            raise PoisonError("The login answer lacks the token", "login_answer")
        rotated, seconds = body.get("refresh_token"), body.get("expires_in")
        return Token({"access_token": body["access_token"]},
                     {"refresh_token": rotated} if rotated and rotated != grant.get("refresh_token") else {},
                     self.clock(response) + timedelta(seconds=int(seconds)) if seconds else None)

    def _refused(self, response):
        body = body_of(response)
        code = str(body.get("error") or body.get("status") or f"http_{response.status}")
        said = redact(body.get("error_description") or body.get("message") or code)
        return ConnectionRefusedByVendor(f"{self.vendor} refused the login ({said}). {self.advice}", code)

    def _address(self, place, settings):
        code, path = place
        return address_of(self.settings, settings, code) + path
