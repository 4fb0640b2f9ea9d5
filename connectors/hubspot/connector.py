"""The HubSpot connector: ties login, reading, webhooks and writing to the connector contract."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..base import Check, Connector
from ..errors import ConnectorError, DataError, MissingScopeError, TransientError
from . import client, declaration, reader, webhook, writer


class HubSpotConnector(Connector):
    """Customers, contacts, owners and won deals; invoice status back to deals and companies."""

    code = "hubspot"
    label = "HubSpot"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    streams = declaration.STREAMS
    outbound = declaration.OUTBOUND
    has_webhook = True
    webhook_secrets = declaration.WEBHOOK_SECRETS
    webhook_signs_time = True
    # Search takes 5 calls a second for the whole account, whichever app makes them.
    rate_budget = (15, 5)
    not_applicable = {"null_cursor": "HubSpot itself stamps every record when it is made and changed"}

    def default_mappings(self):
        return declaration.read_data("mappings.json")

    def default_value_maps(self):
        return declaration.read_data("value_maps.json")

    # === CHECK === #

    def check(self, session):
        try:
            details = client.client_of(session).call("GET", "/account-info/v3/details")
        except TransientError:
            raise
        except ConnectorError as error:
            return [Check("login", "Login", False, str(error))]
        found = [Check("login", "Login", True, f"Logged in to account {details.get('portalId') or 'unknown'} "
                                               f"({details.get('accountType') or 'kind unknown'})")]
        found += self._check_settings(session.settings, str(details.get("portalId") or ""))
        found += [self._check_right(stream.code, stream.label, lambda stream=stream: self._probe(session, stream))
                  for stream in self.streams]
        return found + [self._check_right(item.code, item.label, lambda item=item: self._lacking(session, item))
                        for item in self.outbound]

    @staticmethod
    def _check_settings(settings, portal):
        configured = (settings.get("portal_id") or "").strip()
        if configured and portal and configured != portal:
            yield Check("portal_id", "Account ID", False,
                        f"The setting says {configured}, the login belongs to {portal}")
        elif not configured:
            yield Check("portal_id", "Account ID", True,
                        f"Webhook events are ignored until the setting holds {portal or 'the account ID'}")
        try:
            ZoneInfo(settings.get("time_zone") or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            yield Check("time_zone", "Time zone", False,
                        f"There is no time zone {settings['time_zone']}; write it like Europe/Berlin", ("deal",))

    @staticmethod
    def _check_right(code, label, look):
        """Return the line of one stream or write-back; a missing right blocks that one only."""
        try:
            return Check(code, label, True, look())
        except (MissingScopeError, DataError) as error:
            return Check(code, label, False, str(error), (code,))

    def _probe(self, session, stream):
        if stream.code == "owner":
            reader.owner_page(session, {}, {"page_size": 1})
        else:
            reader.Reader(session, stream).probe()
        return f"{stream.label} can be read"

    def _lacking(self, session, outbound):
        path = declaration.STATUSES[outbound.code].path
        names = ", ".join(item["name"] for item in writer.absent(client.client_of(session), path))
        return f"Made at the set-up: {names}" if names else "All properties are there"

    def set_up(self, session):
        return writer.set_up(session)

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        if stream.code == "owner":
            return reader.owner_page(session, cursor, options)
        return reader.Reader(session, stream).page(cursor, options)

    def fetch_records(self, session, stream, external_ids):
        if stream.code == "owner":
            return reader.owners_by_ids(session, external_ids)
        return reader.Reader(session, stream).by_ids(external_ids)

    # === WEBHOOK, WRITING, CONSENT === #

    def verify_webhook(self, secrets, settings, request, now):
        return webhook.read(secrets, settings, request, now)

    def push(self, session, outbound, items):
        return writer.push(session, outbound, items)

    def authorize_url(self, settings, credentials, redirect_uri, state, code_challenge):
        # The consent page documents no PKCE parameters; the client secret guards the exchange.
        return client.authorize_url(settings, credentials, redirect_uri, state)

    def exchange_code(self, session, code, redirect_uri, code_verifier):
        return client.exchange_code(session, code, redirect_uri)
