"""The object types of the account and what HubSpot itself defines on them."""

from dataclasses import dataclass

from .errors import invalid


@dataclass(frozen=True, slots=True)
class Kind:
    """:param name: as in paths; :param single: as in event types; :param changed: property of the change stamp
    :param defaults: properties answered when none are asked for; :param scope: middle of its scopes' names
    """

    name: str
    single: str
    type_id: str
    changed: str
    defaults: tuple
    properties: tuple
    scope: str


_TEXT, _AREA, _NUMBER = ("string", "text"), ("string", "textarea"), ("number", "number")
_DATE, _MOMENT, _BOOL = ("date", "date"), ("datetime", "date"), ("bool", "booleancheckbox")
_CHOICE, _PHONE = ("enumeration", "select"), ("string", "phonenumber")
_SYSTEM = (("hs_object_id", _NUMBER), ("createdate", _MOMENT), ("hs_merged_object_ids", ("enumeration", "checkbox")))
_CHANGED = ("hs_lastmodifieddate", _MOMENT)
#: set by HubSpot alone
READ_ONLY = frozenset(("hs_object_id", "createdate", "hs_lastmodifieddate", "lastmodifieddate",
                       "hs_merged_object_ids", "hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability"))

KINDS = {kind.name: kind for kind in (
    Kind("contacts", "contact", "0-1", "lastmodifieddate", ("email", "firstname", "lastname"), (
        *_SYSTEM, ("lastmodifieddate", _MOMENT), ("email", _TEXT), ("firstname", _TEXT), ("lastname", _TEXT),
        ("phone", _PHONE), ("jobtitle", _TEXT), ("hubspot_owner_id", _CHOICE), ("associatedcompanyid", _NUMBER),
    ), "contacts"),
    Kind("companies", "company", "0-2", "hs_lastmodifieddate", ("name", "domain"), (
        *_SYSTEM, _CHANGED, ("name", _TEXT), ("domain", _TEXT), ("address", _TEXT), ("address2", _TEXT),
        ("city", _TEXT), ("state", _TEXT), ("zip", _TEXT), ("country", _TEXT), ("hs_country_code", _TEXT),
        ("phone", _PHONE), ("website", _TEXT), ("description", _AREA), ("hubspot_owner_id", _CHOICE),
    ), "companies"),
    Kind("deals", "deal", "0-3", "hs_lastmodifieddate",
         ("dealname", "amount", "closedate", "dealstage", "pipeline"), (
             *_SYSTEM, _CHANGED, ("dealname", _TEXT), ("amount", _NUMBER), ("deal_currency_code", _CHOICE),
             ("closedate", _MOMENT), ("dealstage", _CHOICE), ("pipeline", _CHOICE), ("hubspot_owner_id", _CHOICE),
             ("description", _AREA), ("hs_is_closed", _BOOL), ("hs_is_closed_won", _BOOL),
             ("hs_deal_stage_probability", _NUMBER),
         ), "deals"),
    Kind("line_items", "line_item", "0-8", "hs_lastmodifieddate", ("name", "quantity", "price", "amount"), (
        *_SYSTEM, _CHANGED, ("name", _TEXT), ("description", _AREA), ("quantity", _NUMBER), ("price", _NUMBER),
        ("amount", _NUMBER), ("discount", _NUMBER), ("hs_sku", _TEXT), ("hs_product_id", _NUMBER),
        ("hs_recurring_billing_period", _TEXT), ("recurringbillingfrequency", _TEXT),
        ("hs_line_item_currency_code", _TEXT), ("hs_position_on_quote", _NUMBER),
    ), "line_items"),
)}
_NAMES = {name: kind for kind in KINDS.values() for name in (kind.name, kind.single, kind.type_id)}


def kind_of(text):
    """Return the :class:`Kind` of a path segment: its name in plural or singular, or its type id."""
    kind = _NAMES.get(text)
    if kind is None:
        raise invalid(f"Unable to infer object type from: {text}")
    return kind


#: what a firm that sells services adds; bool and text alike are read as text
PSA_DEAL = (("psa_legal_entity", _TEXT), ("psa_payment_terms", _TEXT), ("psa_tax_profile", _TEXT),
            ("psa_project_template", _TEXT), ("psa_billing_method", _TEXT), ("psa_project_code", _TEXT),
            ("psa_purchase_order", _TEXT), ("psa_delivery_owner", _TEXT), ("psa_needs_signature", _BOOL))
PSA_LINE = (("psa_billing_method", _TEXT), ("psa_role", _TEXT))


@dataclass(frozen=True, slots=True)
class Stage:
    stage_id: str
    label: str
    probability: str
    closed: bool = False

    @property
    def won(self):
        return self.closed and float(self.probability) == 1.0

    def body(self, order):
        return {"id": self.stage_id, "label": self.label, "displayOrder": order, "archived": False,
                "metadata": {"probability": self.probability, "isClosed": str(self.closed).lower()},
                "createdAt": "2026-01-05T08:00:00.000Z", "updatedAt": "2026-01-05T08:00:00.000Z"}


#: ``{pipeline id: (label, stages)}``: the won stage of the second one has an id of its own
PIPELINES = {
    "default": ("Sales Pipeline", (
        Stage("appointmentscheduled", "Appointment scheduled", "0.2"),
        Stage("qualifiedtobuy", "Qualified to buy", "0.4"),
        Stage("contractsent", "Proposal sent", "0.6"),
        Stage("closedwon", "Closed won", "1.0", True),
        Stage("closedlost", "Closed lost", "0.0", True))),
    "78210034": ("Framework agreements", (
        Stage("151230041", "Negotiation", "0.5"),
        Stage("151230042", "Signed", "1.0", True),
        Stage("151230043", "Called off", "0.0", True))),
}
STAGES = {stage.stage_id: (pipeline, stage) for pipeline, (_label, stages) in PIPELINES.items() for stage in stages}


def pipeline_body(pipeline):
    label, stages = PIPELINES[pipeline]
    return {"id": pipeline, "label": label, "displayOrder": list(PIPELINES).index(pipeline), "archived": False,
            "stages": [stage.body(order) for order, stage in enumerate(stages)],
            "createdAt": "2026-01-05T08:00:00.000Z", "updatedAt": "2026-01-05T08:00:00.000Z"}
