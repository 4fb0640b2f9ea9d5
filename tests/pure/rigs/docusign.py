"""DocuSign for the conformance suite: envelopes are read, Connect tells of them, nothing is written."""

import base64
import hashlib
import hmac
import itertools
from datetime import datetime, timedelta, timezone

from wire_server import request_of, session_for

from sandbox.docusign import connect

from .base import Rig

_PAGES = 9  # envelopes beyond the studio's own, so that there is more than one page


class DocuSignRig(Rig):
    """Envelopes are stamped with every change and never merged; nothing is written back."""

    code = vendor = "docusign"
    stream = "envelope"
    read_path = "/envelopes"
    webhook_secrets = {"hmac_key": "ds-connect-key-1=", "hmac_key_2": "ds-connect-key-2="}

    def __init__(self):
        self._numbers = itertools.count(1)

    def start(self, **settings):
        vendor = super().start(**settings)
        for number in range(_PAGES):
            vendor.app.create_envelopes(1, vendor.clock.now() - timedelta(days=30, hours=number))
        return vendor

    def session(self, vendor, **transport):
        """Log in by JWT grant; the REST host is found by userinfo."""
        return self._session(vendor, "jwt", ("client_id", "user_id", "private_key"), "", transport)

    def oauth_session(self, vendor, **transport):
        """Use a refresh token of a consent of its own; the REST host is a setting."""
        return self._session(vendor, "oauth", ("client_id", "client_secret", "refresh_token"),
                             f"{vendor.url}/restapi", transport)

    @staticmethod
    def _session(vendor, method, names, base_url, transport):
        known = vendor.credentials
        return session_for(vendor.url, method, {name: known[name] for name in names}, None, {
            "oauth_url": vendor.url, "base_url": base_url, "account_id": known["account_id"],
            "reference_field": "odoo_sow"}, **transport)

    # === WHAT HAPPENS AT THE VENDOR === #

    def ids(self, vendor):
        return {row.id for row in vendor.app.store.rows.values() if row.status != "deleted"}

    def make(self, vendor, count=1, moment=None):
        return vendor.app.create_envelopes(count, moment)

    def touch(self, vendor, external_id, moment=None):
        subject = f"Corrected {next(self._numbers)}"
        vendor.app.store.correct(external_id, subject, moment)
        return subject

    def delete(self, vendor, external_id):
        vendor.app.store.move(external_id, "deleted")

    # === LOGIN === #

    def expire(self, vendor):
        vendor.app.authority.expire()

    def revoke(self, vendor):
        vendor.app.authority.revoke()

    def narrow(self, vendor):
        vendor.app.forbidden = True
        return "envelope"

    # === WEBHOOK === #

    def delivery(self, vendor, external_ids, secrets=None, moment=None):
        """Connect tells of one envelope a request, signed with every key."""
        (external_id,) = external_ids
        row = vendor.app.store.rows[external_id]
        body = connect.message(row, f"envelope-{row.status}", vendor.app.connect.ids, moment=moment)
        return request_of(body, connect.headers(body, list((secrets or self.webhook_secrets).values())))

    def vectors(self):
        """The sheet's own vectors (none is published), and what must not pass."""
        body = (b'{"event":"envelope-completed","apiVersion":"v2.1","retryCount":0,'
                b'"data":{"envelopeId":"3f1c0b9e-0000-4000-8000-000000000001"}}')
        first, second = "zqvb9gJkpJGfRIp0lAlneysTIkRKbiR2G31wpDJ2sPI=", "NLCXRdva0h4ci8no+bQyzGO6WkDdjC1o9jFTysHr4oo="
        one, two = self.webhook_secrets["hmac_key"], self.webhook_secrets["hmac_key_2"]
        now = datetime(2026, 9, 21, 11, 33, 22, tzinfo=timezone.utc)
        settings = {"oauth_url": "https://account-d.docusign.com", "base_url": "", "account_id": "",
                    "reference_field": "odoo_sow"}
        coded = "ZHMtY29ubmVjdC1rZXktMQ=="
        empty = base64.b64encode(hmac.new(b"", body, hashlib.sha256).digest()).decode()
        decoded = base64.b64encode(hmac.new(base64.b64decode(coded), body, hashlib.sha256).digest()).decode()

        def signed(*values, content=body):
            names = {f"X-DocuSign-Signature-{number}": value for number, value in enumerate(values, 1)}
            return request_of(content, {"Content-Type": "application/json", **names})

        return [(secrets, settings, request, now, accepted) for secrets, request, accepted in (
            ([{"hmac_key": one}], signed(first), True),
            ([{"hmac_key": two}], signed(second), True),
            ([{"hmac_key": two}], signed(first, second), True),
            ([{"hmac_key": one}, {"hmac_key": "older"}], signed(second, first), True),
            ([{"hmac_key": "newer", "hmac_key_2": two}], signed(first, second), True),
            ([{"hmac_key": "newer"}, {"hmac_key": one}], signed(first), True),
            ([{"hmac_key": two}], signed(first), False),
            ([{"hmac_key": one}], signed(first, content=body + b"\n"), False),
            ([{"hmac_key": one}], signed(first.lower()), False),
            ([{"hmac_key": one}], signed(first[:-4]), False),
            ([{"hmac_key": one}], signed(""), False),
            ([{"hmac_key": one}], signed(), False),
            ([{"hmac_key": coded}], signed(decoded), False),
            ([{"hmac_key": ""}], signed(empty), False),
            ([], signed(first), False),
        )]


RIG = DocuSignRig()
