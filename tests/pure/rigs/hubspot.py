"""HubSpot for the conformance suite: companies are read, the status of deals is written back."""

import itertools
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

from wire_server import request_of, session_for

from connectors.base import PushItem
from sandbox.hubspot.app import PORTAL_ID
from sandbox.hubspot.definitions import millis
from sandbox.hubspot.oauth import CLIENT_ID, CLIENT_SECRET
from sandbox.hubspot.webhooks import signatures

from .base import Rig

SECRET = "webhook_secret"
HOOK = "https://erp.example.com/psa_hub/webhook/token"
_STATUS = {
    "event": "posted", "invoiced": True, "invoice_number": "INV/2026/00012", "invoice_date": "2026-07-01",
    "payment_state": "not_paid", "amount_total": "1190.00", "amount_residual": "1190.00", "currency": "EUR",
    "credit_note": None, "url": "https://erp.example.com/odoo/customer-invoices/12",
}


class HubSpotRig(Rig):
    """HubSpot stamps every record with its change, so there is no :meth:`unstamp`."""

    code = vendor = "hubspot"
    stream = "company"
    page_size = 2
    events_per_delivery = 100
    webhook_secrets = {SECRET: CLIENT_SECRET}

    def __init__(self):
        self._numbers = itertools.count(1)

    def session(self, vendor, method="oauth", token=None, settings=None, **transport):
        """Return a session with a consent of its own (``oauth``) or with the private app's token (``private_app``)."""
        known = vendor.credentials
        credentials = {"access_token": known["access_token"]} if method == "private_app" else {
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "refresh_token": vendor.app.authority.consent().refresh_token if hasattr(vendor, "app")
            else known["refresh_token"]}
        return session_for(vendor.url, method, credentials, token, {
            "api_url": vendor.url, "consent_url": known["authorize_url"], "portal_id": known["portal_id"],
            **(settings or {})}, **{"read_timeout": 2, **transport})

    # === WHAT HAPPENS AT THE VENDOR === #

    def ids(self, vendor):
        return {str(number) for number in vendor.app.store.tables["companies"].by_id}

    def make(self, vendor, count=1, moment=None):
        return [vendor.app.create("companies", {"name": f"New company {number}", "city": "Bremen"}, moment)
                for number in itertools.islice(self._numbers, count)]

    def touch(self, vendor, external_id, moment=None):
        name = f"Renamed company {next(self._numbers)}"
        vendor.app.change("companies", external_id, {"name": name}, moment)
        return name

    def delete(self, vendor, external_id):
        vendor.app.delete("companies", external_id)

    def merge(self, vendor, loser, winner):
        vendor.app.merge("companies", loser, winner)

    # === LOGIN === #

    def expire(self, vendor):
        vendor.app.authority.expire()

    def revoke(self, vendor):
        vendor.app.authority.revoke_all()

    def narrow(self, vendor):
        vendor.app.authority.withdrawn.add("crm.objects.contacts.read")
        return "contact"

    # === WEBHOOK === #

    def delivery(self, vendor, external_ids, secrets=None, moment=None):
        """Half of the events name their object type in the event's type, the others are of the general kind."""
        moment = moment or vendor.clock.now()
        hooks = vendor.app.webhooks
        body = hooks.body([hooks.event({
            "what": "propertyChange", "kind": "companies", "objectId": int(number), "occurredAt": millis(moment),
            "propertyName": "name", "propertyValue": "Müller & Söhne", "changeSource": "CRM_UI",
            "sourceId": "userId:1"}, generic=place % 2 == 1) for place, number in enumerate(external_ids)])
        return _request((secrets or self.webhook_secrets)[SECRET], body, moment)

    def vectors(self):
        """Return the published vectors of version 3, own ones, and what must not pass.

        The bodies of the first two are no JSON: right signature, unreadable delivery (``PoisonError``).
        """
        settings, own = {"portal_id": str(PORTAL_ID)}, "hs-test-secret-001"
        quoted, stamp = b"{'example_field':'example_value'}", _moment(1_790_000_001_000)
        published = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
        real = (
            '[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,'
            '"occurredAt":1752613920733,"subscriptionType":"contact.creation","attemptNumber":0,'
            '"objectId":138017612137,"changeFlag":"CREATED","changeSource":"CRM_UI","sourceId":"userId:76023669"}]')
        real_secret, real_settings = "cfc68c0b-4b4e-4ef8-b764-95350e4ea479", {"portal_id": "48807704"}
        real_url = "https://webhook.site/335453f5-94b3-49d9-b684-a55354d4b8df"
        event = (
            '[{"eventId":9001,"subscriptionId":77,"portalId":424242,"appId":1313,"occurredAt":1790000000000,'
            '"subscriptionType":"object.propertyChange","attemptNumber":0,"objectId":555000111,"objectTypeId":"0-3",'
            '"propertyName":"dealstage","propertyValue":"closedwon","changeSource":"CRM_UI","sourceId":"userId:1"}]')
        url = "https://erp.example.test/integration/hubspot/webhook"
        site = "https://www.example.com/webhook_uri"

        def fixed(secret, settings, body, url, milliseconds, signature, accepted=True, late=1):
            headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": str(milliseconds)}
            now = _moment(milliseconds) + timedelta(seconds=late)
            body = body if isinstance(body, bytes) else body.encode()
            return [{SECRET: secret}], settings, _wire(body, headers, url), now, accepted

        def signed(body=event, late=timedelta(), accepted=True, secrets=(own,), **headers):
            request = _request(own, body.encode(), stamp, url)
            request.headers.update(headers)
            return [{SECRET: secret} for secret in secrets], settings, request, stamp + late, accepted

        right, real_stamp = "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg=", 1_752_613_922_216
        first = "1onV1qSr0zKecUhA4DaMCzHkXKeCVhHU1duImZl3FWY="
        return [
            fixed(published, settings, quoted, site, 1_693_657_560_000, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
            fixed(published, settings, quoted, site, 1_700_000_300_000, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
            fixed(real_secret, real_settings, real, real_url, real_stamp, right),
            fixed(own, settings, event, url, 1_790_000_001_000, first),
            fixed(own, settings, b"[]", url + "?c=acme%3A1%2Ceu&x=a%20b", 1_790_000_001_000,
                  "TtU9/buyr+DgeRbIfMepI9YrlRXVhhSsibeIW1Mqb/w="),
            signed(event.replace("closedwon", "Café Zürich")),
            signed(late=timedelta(milliseconds=300_000)),
            signed(secrets=("the-new-one", own)),
            # what must not pass
            fixed(own, settings, b"[]", url + "?c=acme%3A1%2Ceu&x=a%20b", 1_790_000_001_000,
                  "mwEUoyGYSDrhQju0HgWeb/7VDqOEoh7uDL3FueXdCQQ=", False),
            fixed(real_secret, real_settings, real.replace("137,", "138,"), real_url, real_stamp, right, False),
            fixed(real_secret, real_settings, real, real_url + "0", real_stamp, right, False),
            fixed(real_secret, real_settings, real, real_url, real_stamp + 1, right, False),
            fixed(own, real_settings, real, real_url, real_stamp, right, False),
            fixed(real_secret, real_settings, real, real_url, real_stamp, right.replace("Y", "y", 1), False),
            fixed(real_secret, real_settings, real, real_url, real_stamp, right[:-4], False),
            fixed(real_secret, real_settings, real, real_url, real_stamp, right, False, late=301),
            signed(late=timedelta(milliseconds=300_001), accepted=False),
            signed(late=-timedelta(hours=1), accepted=False),
            signed(secrets=("another",), accepted=False),
            signed(secrets=("",), accepted=False),
            signed(secrets=(), accepted=False),
            signed(**{"X-HubSpot-Signature-v3": ""}, accepted=False),
            signed(**{"X-HubSpot-Signature-v3": "é"}, accepted=False),
            signed(**{"X-HubSpot-Request-Timestamp": ""}, accepted=False),
            signed(**{"X-HubSpot-Request-Timestamp": "1790000001000.0"}, accepted=False),
            signed(**{"X-HubSpot-Request-Timestamp": "-1790000001000"}, accepted=False),
        ]

    # === WRITING === #

    def push_items(self, vendor, count=1):
        """Return items for new deals; the properties they are written to are made first, by the connector."""
        self.connector.set_up(self.session(vendor))
        spec = next(spec for spec in self.connector.outbound if spec.code == "deal_status")
        items = []
        for number in itertools.islice(self._numbers, count):
            deal = vendor.app.create("deals", {
                "dealname": f"Deal {number}", "pipeline": "default", "dealstage": "closedwon", "amount": "1000"})
            items.append(PushItem(f"billing:1:{deal}", "Deal", deal, dict(_STATUS)))
        return spec, items

    def written(self, vendor, item):
        return vendor.app.store.writes["deals", int(item.external_id)]

    def other_hand(self, vendor, item):
        vendor.app.change("deals", item.external_id, {"odoo_invoice_number": "INV/2026/99999"})

    def lock(self, vendor, item):
        vendor.app.lock_record("deals", item.external_id)

    def remove(self, vendor, item):
        vendor.app.delete("deals", item.external_id)


def _moment(milliseconds):
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _wire(body, headers, url):
    query = dict(parse_qsl(urlsplit(url).query))
    return request_of(body, {"Content-Type": "application/json", **headers}, "POST", url, query)


def _request(secret, body, moment, url=HOOK):
    return _wire(body, signatures(secret, "POST", url, body, millis(moment)), url)


RIG = HubSpotRig()
