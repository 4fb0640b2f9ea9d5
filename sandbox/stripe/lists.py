"""``GET /v1/<plural>``: which filters each list takes, and the page that an answer holds."""

from . import events
from .errors import ApiError, missing
from .forms import RANGE, between, boolean, checked, currency, one_of, text
from .views import expanded_list

_PAGING = {"limit": between(1, 100), "starting_after": text, "ending_before": text, "expand": [text]}
_TYPES_AT_MOST = 20
#: object name -> {parameter: kind} besides paging
FILTERS = {
    "event": {"created": RANGE, "type": text, "types": [text], "delivery_success": boolean},
    "payment_intent": {"created": RANGE, "customer": text},
    "charge": {"created": RANGE, "customer": text, "payment_intent": text, "transfer_group": text},
    "refund": {"created": RANGE, "charge": text, "payment_intent": text},
    "dispute": {"created": RANGE, "charge": text, "payment_intent": text},
    "balance_transaction": {"created": RANGE, "payout": text, "source": text, "type": text, "currency": currency},
    "payout": {"created": RANGE, "arrival_date": RANGE, "destination": text,
               "status": one_of("pending", "in_transit", "paid", "failed", "canceled")},
    "invoice": {"created": RANGE, "due_date": RANGE, "customer": text, "subscription": text,
                "collection_method": one_of("charge_automatically", "send_invoice"),
                "status": one_of("draft", "open", "paid", "uncollectible", "void")},
    "invoice_payment": {"created": RANGE, "invoice": text, "status": one_of("open", "paid", "canceled"),
                        "payment": {"type": one_of("payment_intent", "payment_record"), "payment_intent": text,
                                    "payment_record": text}},
    "checkout.session": {"created": RANGE, "payment_intent": text, "payment_link": text, "customer": text,
                         "customer_details": {"email": text}, "subscription": text,
                         "status": one_of("open", "complete", "expired")},
    "customer": {"created": RANGE, "email": text},
    "product": {"created": RANGE, "active": boolean},
    "price": {"created": RANGE, "active": boolean, "currency": currency, "product": text,
              "type": one_of("one_time", "recurring")},
    "payment_link": {"active": boolean},
    "webhook_endpoint": {},
}
#: parameter of a list -> the row's field, where the names differ
_FIELDS = {("balance_transaction", "payout"): "_payout"}


def page(store, name, url, values, oldest_event, fault):
    """Return the body of a list.

    :param values: parsed query; :param fault: kind of the vendor's own fault, or ""
    :raise ApiError: a parameter that this list does not take
    """
    asked = checked(values, {**_PAGING, **FILTERS[name]})
    table, limit = store[name], asked.pop("limit", 10)
    after, before, paths = (asked.pop(key, None) for key in ("starting_after", "ending_before", "expand"))
    if after and before:
        raise ApiError(400, "You can only supply one of starting_after and ending_before.", param="starting_after")
    for key, id_ in (("starting_after", after), ("ending_before", before)):
        if id_ and id_ not in table:
            raise missing(name, id_, key, 400)
    oldest, newest = asked.pop("created", (None, None))
    if name == "event":
        oldest = max(oldest or 0, oldest_event)
    if fault == "endless_paging":
        after = before = None
    rows, more = table.page(limit, _accepting(name, asked), after, before, newest, oldest)
    if fault == "duplicate_rows" and rows:
        rows = [rows[0], *rows]
    elif fault == "reordered_page":
        rows = [*rows[-2::-1], *rows[-1:]]
    return {"object": "list", "url": url, "has_more": more or fault == "endless_paging",
            "data": expanded_list(rows, paths or [], store)}


def _accepting(name, asked):
    """Return the condition on a row that the filters make."""
    if name == "event":
        types = asked.get("types", [])
        if "type" in asked:
            if types:
                raise ApiError(400, "You may only specify one of these parameters: type, types.", param="types")
            types = [asked["type"]]
        if len(types) > _TYPES_AT_MOST:
            raise ApiError(400, f"Array types exceeded maximum {_TYPES_AT_MOST} allowed elements.", param="types")
        return lambda row: events.accepts(row, types, asked.get("delivery_success"))
    payment = asked.get("payment")
    if payment is not None and payment.get(payment.get("type", "")) is None:
        raise ApiError(400, "Missing required param: payment[type] and the id of that type.",
                       code="parameter_missing", param="payment")
    return lambda row: all(_matches(row, _FIELDS.get((name, key), key), value) for key, value in asked.items())


def _matches(row, field, wanted):
    value = row.get(field)
    if isinstance(wanted, tuple):
        oldest, newest = wanted
        return value is not None and (oldest is None or value >= oldest) and (newest is None or value <= newest)
    if isinstance(wanted, dict):
        return all((value or {}).get(key) == part for key, part in wanted.items())
    return value == wanted
