"""The Salesforce connector: ties login, client, reading and writing to the connector contract."""

from ..base import Connector, Part
from . import auth, checks, declaration, opportunity_status, outbound_message
from .reader import Reader
from .streams import OBJECTS, with_net_prices
from .wanted import described, with_wanted


class SalesforceConnector(Connector):
    """Customers, contacts, users and won deals; invoice status back to the deal."""

    code = "salesforce"
    label = "Salesforce"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    consent = auth.LOGIN
    streams = declaration.STREAMS
    outbound = declaration.OUTBOUND
    has_webhook = True
    rate_budget = (25, 1)
    not_applicable = declaration.NOT_APPLICABLE

    def check(self, session):
        return checks.check(session, self.streams, OBJECTS, self.outbound)

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        return self._reader(session, stream).page(cursor, options)

    def fetch_records(self, session, stream, external_ids):
        return self._reader(session, stream).by_ids(external_ids)

    @staticmethod
    def _reader(session, stream):
        return Reader(session, with_wanted(session, stream, OBJECTS[stream.code]), stream.object_type)

    def describe_fields(self, session, stream):
        return described(session, OBJECTS[stream.code])

    def split(self, stream, raw, external_id):
        if stream.code == "opportunity":
            raw = with_net_prices(raw)
        return [Part(stream.object_type, external_id, stream.canonical_type, raw)]

    # === WEBHOOK === #

    def verify_webhook(self, secrets, settings, request, now):
        return outbound_message.read(request.body, settings.get("organization_id") or "", self._notified_streams())

    def webhook_reply(self, delivery):
        return outbound_message.acknowledgement()

    def _notified_streams(self):
        """Return ``{object name: [(stream code, object type)]}`` of this connector and the packages on it."""
        from .. import packages  # the registry imports this module

        found = {}
        for owner in (self, *packages(self.code).values()):
            for stream in owner.streams:
                if stream.webhook:
                    found.setdefault(stream.object_type.partition("#")[0], []).append(
                        (stream.code, stream.object_type))
        return found

    # === WRITING === #

    def push(self, session, outbound, items):
        return opportunity_status.push(session, items)
