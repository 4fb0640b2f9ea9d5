"""How a row looks in an answer, and ``expand[]``."""

import copy

from .errors import ApiError

_DEPTH = 4
#: object name -> {field that can be expanded: kind of what it names; "" when the id's prefix says it}
EXPANDABLE = {
    "charge": {"balance_transaction": "balance_transaction", "customer": "customer",
               "failure_balance_transaction": "balance_transaction", "payment_intent": "payment_intent"},
    "payment_intent": {"customer": "customer", "latest_charge": "charge"},
    "refund": {"balance_transaction": "balance_transaction", "charge": "charge", "payment_intent": "payment_intent",
               "failure_balance_transaction": "balance_transaction"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "balance_transaction": {"source": ""},
    "payout": {"balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction",
               "original_payout": "payout", "reversed_by": "payout"},
    "invoice": {"customer": "customer"},
    "invoice_payment": {"invoice": "invoice", "payment.payment_intent": "payment_intent"},
    "price": {"product": "product"},
    "payment_link": {"line_items": "line_items"},
    "checkout.session": {"customer": "customer", "payment_intent": "payment_intent", "payment_link": "payment_link"},
}
_BY_PREFIX = {"ch": "charge", "re": "refund", "dp": "dispute", "po": "payout"}


def shown(row, now):
    """Return what an answer says of a row at second ``now``."""
    result = {name: value for name, value in row.items() if not name.startswith("_")}
    if row["object"] == "balance_transaction":
        result["status"] = "available" if row["available_on"] <= now else "pending"
    elif row["object"] == "payment_link":
        del result["created"]
    elif row["object"] == "dispute":
        result["balance_transactions"] = [shown(item, now) for item in row["balance_transactions"]]
    return result


def expanded(row, paths, store):
    """Return :func:`shown` with what ``paths`` ask for in place of its id.

    :raise ApiError: a path that cannot be expanded
    """
    result = shown(row, store.second())
    heads = {}
    for path in paths:
        if path.count(".") >= _DEPTH:
            raise ApiError(400, f"You cannot expand more than {_DEPTH} levels of a property: {path}", param="expand")
        field = next((name for name in EXPANDABLE.get(row["object"], {}) if f"{path}.".startswith(f"{name}.")), None)
        if field is None:
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
        rest = path[len(field) + 1:]
        heads.setdefault(field, []).extend([rest] if rest else [])
    for field, rest in heads.items():
        kind = EXPANDABLE[row["object"]][field]
        if kind == "line_items":
            result[field] = {"object": "list", "data": row["_items"], "has_more": False,
                             "url": f"/v1/payment_links/{row['id']}/line_items"}
            continue
        holder, name = result, field
        if "." in field:
            outer, name = field.split(".")
            holder = result[outer] = copy.copy(result[outer])
        if id_ := holder.get(name):
            found = store[kind or _BY_PREFIX[id_.partition("_")[0]]].get(id_)
            holder[name] = expanded(found, rest, store)
    return result


def expanded_list(rows, paths, store):
    """Return rows of a list; each path begins with ``data``."""
    for path in paths:
        if path.partition(".")[0] != "data" or "." not in path:
            raise ApiError(400, f"This property cannot be expanded ({path}). You may want to try expanding "
                                f"'data.{path}' instead.", param="expand")
    return [expanded(row, [path.partition(".")[2] for path in paths], store) for row in rows]
