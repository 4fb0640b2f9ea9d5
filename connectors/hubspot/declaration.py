"""What the HubSpot connector offers and which properties it reads and writes: data only."""

from functools import partial
from typing import NamedTuple

from .. import datafile
from ..base import AuthMethod, CredentialField, OutboundSpec, SettingField, StreamSpec

#: Versions in paths. HubSpot supports a dated one for 18 months; the numbered CRM ones are announced to end in 2027.
TOKEN_PATH = "/oauth/2026-03/token"  # noqa: S105 - a path
CRM = "/crm/v3"
ASSOCIATIONS = "/crm/v4/associations"

TOKEN, OAUTH = "private_app", "oauth"

#: Scopes without which a stream cannot be read, and those that only write-backs and their properties need.
SCOPES = ("oauth", "crm.objects.companies.read", "crm.objects.contacts.read", "crm.objects.deals.read",
          "crm.objects.line_items.read", "crm.objects.owners.read")
OPTIONAL_SCOPES = ("crm.objects.companies.write", "crm.objects.deals.write", "crm.schemas.companies.read",
                   "crm.schemas.companies.write", "crm.schemas.deals.read", "crm.schemas.deals.write")

AUTH_METHODS = (
    AuthMethod(TOKEN, "Access token (private app, service key or static app)", (
        CredentialField("access_token", "Access token", secret=True,
                        help="It has no end of its own; when it is rotated in HubSpot, enter the new one here"),
    )),
    AuthMethod(OAUTH, "Consent of a user (OAuth app)", (
        CredentialField("client_id", "Client ID"),
        CredentialField("client_secret", "Client secret", secret=True),
        CredentialField("refresh_token", "Refresh token", secret=True, required=False,
                        help="Filled by the consent; replaced whenever HubSpot gives another one"),
    ), interactive=True),
)

WEBHOOK_SECRETS = (
    CredentialField("webhook_secret", "Client secret of the app that sends webhooks", secret=True,
                    help="HubSpot signs each delivery with it; a service key has none and works by polling alone"),
)

SETTINGS = (
    SettingField("api_url", "API address", "https://api.hubapi.com", required=True),
    SettingField("consent_url", "Consent page", "https://app.hubspot.com/oauth/authorize", required=True),
    SettingField("portal_id", "Account ID (Hub ID)",
                 help="The connection test shows it. Webhook events of any other account are ignored"),
    SettingField("default_currency", "Currency of the account",
                 help="For deals that name none, as in an account with one currency"),
    SettingField("time_zone", "Time zone of the account", "UTC",
                 help="Like Europe/Berlin: decides the day of a close date, and when the daily limit starts anew"),
)

STREAMS = (
    StreamSpec("company", "Companies", "Company", "party", 10, webhook=True, page_size=200),
    StreamSpec("contact", "Contacts", "Contact", "person", 20, webhook=True, page_size=100),
    StreamSpec("owner", "Owners", "Owner", "user", 25, interval_minutes=60, page_size=100),
    StreamSpec("deal", "Deals", "Deal", "deal", 40, webhook=True, near_real_time=True, interval_minutes=5,
               page_size=100),
)

OUTBOUND = (
    OutboundSpec("deal_status", "Invoice status on deals", "billing_status", ("Deal",), batch_size=100),
    OutboundSpec("company_status", "Account status on companies", "account_status", ("Company",), batch_size=100),
)


class Kind(NamedTuple):
    """A CRM object. ``path`` is its name in paths, ``stamp`` the property that holds its change time."""

    path: str
    stamp: str
    properties: tuple


#: Property that lists the ids of records that were merged into one; an unknown property is left out of the answer.
MERGED = "hs_merged_object_ids"
_MODIFIED = "hs_lastmodifieddate"

KINDS = {
    "company": Kind("companies", _MODIFIED, (
        "name", "domain", "website", "phone", "address", "address2", "city", "state", "zip", "country", "vat_number",
        "hs_parent_company_id", MERGED)),
    "contact": Kind("contacts", "lastmodifieddate", ("email", "firstname", "lastname", "phone", "jobtitle", MERGED)),
    "deal": Kind("deals", _MODIFIED, (
        "dealname", "amount", "deal_currency_code", "closedate", "dealstage", "pipeline", "hubspot_owner_id",
        "hs_is_closed_won", "psa_legal_entity", "psa_payment_terms", "psa_tax_profile", "psa_project_template",
        "psa_billing_method", "psa_project_code", "psa_purchase_order", "psa_delivery_owner", "psa_needs_signature",
        MERGED)),
    "line_item": Kind("line_items", _MODIFIED, (
        "name", "quantity", "price", "amount", "discount", "hs_sku", "description", "psa_billing_method", "psa_role")),
}

#: ``objectTypeId`` of generic webhook events
TYPE_IDS = {"0-1": "contact", "0-2": "company", "0-3": "deal"}


class Status(NamedTuple):
    """A write-back. ``values`` is ``{property: name of the outbound value}``; ``number`` the one that tells a final
    invoice."""

    path: str
    number: str
    values: dict


#: Mark of what the hub wrote last, unique in the account: ``<record id>:<invoice number>``.
MARK = "odoo_external_id"

STATUSES = {
    "deal_status": Status("deals", "odoo_invoice_number", {
        "odoo_invoice_number": "invoice_number", "odoo_invoice_status": "event",
        "odoo_payment_status": "payment_state", "odoo_invoice_date": "invoice_date",
        "odoo_amount_invoiced": "amount_total", "odoo_amount_due": "amount_residual"}),
    "company_status": Status("companies", "odoo_last_invoice", {
        "odoo_last_invoice": "last_invoice", "odoo_amount_invoiced": "invoiced", "odoo_amount_paid": "paid",
        "odoo_amount_due": "due", "odoo_amount_overdue": "overdue"}),
}


#: Returns a JSON file of this folder by its name.
read_data = partial(datafile.read, __file__)
