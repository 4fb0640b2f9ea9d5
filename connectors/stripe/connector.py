"""The Stripe connector: declaration, check, and one line to each of its parts."""

import json
from pathlib import Path

from ..base import AuthMethod, Check, Connector, CredentialField, OutboundSpec, SettingField, StreamSpec
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError
from . import payment_link, webhook
from .client import DEFAULT_URL, Client
from .reader import FEEDS, Reader

_STATIC = "The key is static: there is nothing to refresh."
_ONE_WRITER = "A payment page has one writer: a link's price cannot be changed and nobody else knows our reference."


class StripeConnector(Connector):
    """Customers, payments and payouts; a payment page for each open invoice."""

    code = "stripe"
    label = "Stripe"
    auth_methods = (
        AuthMethod("secret_key", "Restricted or secret key", (
            CredentialField("api_key", "API key", secret=True,
                            help="A restricted key (rk_) is best; its prefix says whether it is of live or test mode"),
        )),
    )
    settings = (SettingField("base_url", "API address", DEFAULT_URL, required=True),)
    streams = (
        StreamSpec("customer", "Customers", "Customer", "party", 10, webhook=True, page_size=100),
        StreamSpec("payment", "Payments", "Payment", "payment", 100, webhook=True, near_real_time=True,
                   interval_minutes=5, page_size=100),
        # A payout is read with all its movements.
        StreamSpec("payout", "Payouts", "Payout", "payout", 110, webhook=True, interval_minutes=60, page_size=10),
    )
    outbound = (OutboundSpec("payment_link", "Payment pages", "payment_request", ("PaymentLink",), batch_size=20,
                             creates=True),)
    has_webhook = True
    webhook_secrets = (CredentialField("webhook_secret", "Signing secret of the endpoint (whsec_)", secret=True),)
    webhook_signs_time = True
    rate_budget = (20, 1)
    not_applicable = {
        "refresh_contention": _STATIC,
        "null_cursor": "Every object has its moment of creation, and events have theirs; there is no other stamp.",
        "back_dated": "An event's moment is Stripe's own; nobody can date it back.",
        "deletion": "Charges, refunds, disputes and payouts cannot be deleted.",
        "shrinking_page": "Nothing that is listed can be deleted, so a page never shrinks.",
        "merge": "Stripe merges no records.",
        "write_conflict": _ONE_WRITER,
        "write_locked": "A payment link is never locked; a page that was paid is left as it is.",
        "write_deleted": "Payment links cannot be deleted, only deactivated: the next open state makes a new one.",
    }

    def default_mappings(self):
        return json.loads(Path(__file__).with_name("mappings.json").read_text(encoding="utf-8"))

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
