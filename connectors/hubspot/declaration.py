"""What the HubSpot connector offers and which properties it reads and writes: data only."""

from functools import partial
from typing import NamedTuple

from .. import datafile
from ..base import AuthMethod, CredentialField, OutboundSpec, SettingField, StreamSpec
from ..oauth import app_fields

#: Versions in paths. HubSpot supports a dated one for 18 months; the numbered CRM ones are announced to end in 2027.
TOKEN_PATH = "/oauth/2026-03/token"  # noqa: S105 - a path
CRM = "/crm/v3"
ASSOCIATIONS = "/crm/v4/associations"

TOKEN, OAUTH = "private_app", "oauth"

#: Returns a JSON file of this folder by its name.
read_data = partial(datafile.read, __file__)

_CRM = read_data("crm.json")

#: Scopes without which a stream cannot be read, and those that only write-backs and their properties need.
SCOPES, OPTIONAL_SCOPES = _CRM["scopes"], _CRM["optional_scopes"]

AUTH_METHODS = (
    AuthMethod(TOKEN, "Access token (private app, service key or static app)", (
        CredentialField("access_token", "Access token", secret=True,
                        help="It has no end of its own; when it is rotated in HubSpot, enter the new one here"),
    )),
    AuthMethod(OAUTH, "Consent of a user (OAuth app)", app_fields(), interactive=True),
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
    properties: list


#: Property that lists the ids of records that were merged into one; an unknown property is left out of the answer.
MERGED = "hs_merged_object_ids"

KINDS = {code: Kind(**values) for code, values in _CRM["objects"].items()}

#: ``{objectTypeId of generic webhook events: stream code}``
TYPE_IDS = _CRM["type_ids"]


class Status(NamedTuple):
    """A write-back. ``values`` is ``{property: name of the outbound value}``; ``number`` the one that tells a final
    invoice."""

    path: str
    number: str
    values: dict


#: Mark of what the hub wrote last, unique in the account: ``<record id>:<invoice number>``.
MARK = "odoo_external_id"

STATUSES = {code: Status(**values) for code, values in _CRM["statuses"].items()}
