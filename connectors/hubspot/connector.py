"""The HubSpot connector: ties login, reading, webhooks and writing to the connector contract."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..base import Check, Connector
from ..checks import check_login, check_right
from . import client, declaration, reader, wanted, webhook, writer


class HubSpotConnector(Connector):
    """Customers, contacts, owners and won deals; invoice status back to deals and companies."""

    code = "hubspot"
    label = "HubSpot"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    # The consent page documents no PKCE parameters; the client secret guards the exchange.
    consent = client.CONSENT
    streams = declaration.STREAMS
    outbound = declaration.OUTBOUND
    has_webhook = True
    webhook_secrets = declaration.WEBHOOK_SECRETS
    webhook_signs_time = True
    # Search takes 5 calls a second for the whole account, whichever app makes them.
    rate_budget = (15, 5)
    not_applicable = {"null_cursor": "HubSpot itself stamps every record when it is made and changed"}

    # === CHECK === #

    def check(self, session):
        account = client.client_of(session)
        login = check_login(lambda: f"Logged in to account {account.portal or 'unknown'} "
                                    f"({account.details.get('accountType') or 'kind unknown'})")
        if not login.ok:
            return [login]
        found = [login, *self._check_settings(session.settings, account.portal)]
        found += [check_right(stream.code, stream.label, lambda stream=stream: self._probe(session, stream))
                  for stream in self.streams]
        return found + [check_right(item.code, item.label, lambda item=item: self._lacking(session, item))
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

    def describe_fields(self, session, stream):
        # Owners come whole: HubSpot has no properties of them to choose from.
        return None if stream.code == "owner" else wanted.described(session, stream)

    # === WEBHOOK, WRITING === #

    def verify_webhook(self, secrets, settings, request, now):
        return webhook.read(secrets, settings, request, now)

    def push(self, session, outbound, items):
        return writer.push(session, outbound, items)
