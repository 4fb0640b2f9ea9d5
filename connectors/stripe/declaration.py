"""What the Stripe connector offers: login, settings, streams, the write-back, and what cannot happen here."""

from ..base import AuthMethod, CredentialField, OutboundSpec, SettingField, StreamSpec

AUTH_METHODS = (
    AuthMethod("secret_key", "Restricted or secret key", (
        CredentialField("api_key", "API key", secret=True,
                        help="A restricted key (rk_) is best; its prefix says whether it is of live or test mode"),
    )),
)

SETTINGS = (SettingField("base_url", "API address", "https://api.stripe.com", required=True),)

STREAMS = (
    StreamSpec("customer", "Customers", "Customer", "party", 10, webhook=True, page_size=100),
    StreamSpec("payment", "Payments", "Payment", "payment", 100, webhook=True, near_real_time=True,
               interval_minutes=5, page_size=100),
    # A payout is read with all its movements.
    StreamSpec("payout", "Payouts", "Payout", "payout", 110, webhook=True, interval_minutes=60, page_size=10),
)

OUTBOUND = (
    OutboundSpec("payment_link", "Payment pages", "payment_request", ("PaymentLink",), batch_size=20, creates=True),
)

WEBHOOK_SECRETS = (CredentialField("webhook_secret", "Signing secret of the endpoint (whsec_)", secret=True),)

NOT_APPLICABLE = {
    "refresh_contention": "The key is static: there is nothing to refresh.",
    "null_cursor": "Every object has its moment of creation, and events have theirs; there is no other stamp.",
    "back_dated": "An event's moment is Stripe's own; nobody can date it back.",
    "deletion": "Charges, refunds, disputes and payouts cannot be deleted.",
    "shrinking_page": "Nothing that is listed can be deleted, so a page never shrinks.",
    "merge": "Stripe merges no records.",
    "write_conflict": "A payment page has one writer: a link's price cannot be changed and nobody else knows our "
                      "reference.",
    "write_locked": "A payment link is never locked; a page that was paid is left as it is.",
    "write_deleted": "Payment links cannot be deleted, only deactivated: the next open state makes a new one.",
}
