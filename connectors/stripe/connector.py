"""The Stripe connector: declaration, check, and one line to each of its parts."""

from ..base import Check, Connector
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError
from . import declaration, payment_link, webhook
from .client import Client
from .reader import FEEDS, Reader


class StripeConnector(Connector):
    """Customers, payments and payouts; a payment page for each open invoice."""

    code = "stripe"
    label = "Stripe"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    streams = declaration.STREAMS
    outbound = declaration.OUTBOUND
    has_webhook = True
    webhook_secrets = declaration.WEBHOOK_SECRETS
    webhook_signs_time = True
    rate_budget = (20, 1)
    not_applicable = declaration.NOT_APPLICABLE

    # === CHECK === #

    def check(self, session):
        """Look at each list that is read, and at the payment links.

        :raise TransientError: no answer; that says nothing about rights
        """
        wanted = [(stream.code, stream.label, tuple(source.path for source in FEEDS[stream.code].sources))
                  for stream in self.streams]
        wanted += [("events", "Events", ("/v1/events",)), ("payment_link", "Payment pages", ("/v1/payment_links",))]
        try:
            client = Client(session)
            found = [self._check_lists(client, *item) for item in wanted]
        except ConnectionRefusedByVendor as error:
            return [Check("login", "Key", False, str(error))]
        mode = "live mode" if client.live else "test mode: no real money"
        return [Check("login", "Key", True, f"The key is of {mode}"), *found]

    def _check_lists(self, client, code, label, paths):
        blocks = tuple(stream.code for stream in self.streams) if code == "events" else (code,)
        if code == "payout":
            paths += ("/v1/balance_transactions",)
        missing = []
        for path in paths:
            try:
                client.page(path, {}, limit=1)
            except (MissingScopeError, DataError) as error:
                missing.append(f"{path}: {error}")
        return Check(code, label, not missing, "; ".join(missing) or f"{', '.join(paths)} can be read",
                     blocks if missing else ())

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        return Reader(session, stream).page(cursor, options)

    def fetch_records(self, session, stream, external_ids):
        return Reader(session, stream).by_ids(external_ids)

    # === WEBHOOK === #

    def verify_webhook(self, secrets, settings, request, now):
        return webhook.verify(secrets, request, now, self.streams)

    # === WRITING === #

    def push(self, session, outbound, items):
        return payment_link.push(session, items)
