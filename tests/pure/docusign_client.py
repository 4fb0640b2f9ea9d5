"""A caller of the stand-in of DocuSign for its own tests; it knows nothing of the connector."""

import time
from urllib.parse import urlsplit

import jwt
import requests

from sandbox import studio
from sandbox.server import start

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ALL = "2026-01-01T00:00:00Z"
SIGNED_DEAL = next(deal for deal in studio.DEALS if deal.needs_signature)


class Client:
    """A caller with an access token of the JWT grant."""

    def __init__(self, vendor):
        self.url, self.known = vendor.url, vendor.credentials
        self.login()

    def login(self):
        self.access = self.token(grant_type=JWT_BEARER, assertion=self.assertion()).json()["access_token"]

    def assertion(self, **claims):
        now = int(time.time())
        claims = {"iss": self.known["client_id"], "sub": self.known["user_id"], "aud": urlsplit(self.url).netloc,
                  "iat": now, "exp": now + 600, "scope": "signature impersonation", **claims}
        return jwt.encode(claims, self.known["private_key"], "RS256")

    def token(self, auth=None, **form):
        return requests.post(f"{self.url}/oauth/token", data=form, auth=auth, timeout=10)

    def basic(self, **form):
        return self.token((self.known["client_id"], self.known["client_secret"]), **form)

    def call(self, method, path, account=None, **options):
        return requests.request(
            method, f"{self.url}/restapi/v2.1/accounts/{account or self.known['account_id']}/{path}", timeout=20,
            headers={"Authorization": f"Bearer {self.access}"}, **options)

    def list(self, **params):
        return self.call("GET", "envelopes", params={"from_date": ALL, **params})

    def all(self, **params):
        """Return the envelopes of all pages."""
        rows, position = [], 0
        while True:
            page = self.list(start_position=position, **params).json()
            rows += page.get("envelopes", [])
            position = int(page["endPosition"]) + 1
            if position >= int(page["totalSetSize"]):
                return rows


def serving():
    """Yield a running stand-in; afterwards no request may have broken it."""
    running = start(vendor="docusign", connect_retry_seconds=0.01)
    yield running
    running.stop()
    assert running.errors == []


def reference(row):
    """Return what an envelope says is signed."""
    (field,) = row["customFields"]["textCustomFields"]
    assert field["name"] == "odoo_sow"
    return field["value"]
