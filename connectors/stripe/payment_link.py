"""Payment pages: one active payment link for an open invoice, none for a closed one.

A link carries the hub's reference in its metadata and hands it on to the payment. It is looked for before one is made:
Stripe forgets idempotency keys after a day, and a late repetition must not make a second page.
"""

from ..base import PushResult
from ..errors import ConnectionRefusedByVendor, ConnectorError, DataError
from .client import Client
from .money import to_minor

#: Pages of 100 active links that are looked through; more open pages than that are for a person to clear up.
MAX_PAGES = 50


def _active_links(client):
    """Return ``({reference: [link]}, complete)`` of the active links that the hub made."""
    links, after, more = {}, "", True
    for _count in range(MAX_PAGES):
        rows, more, _response = client.page("/v1/payment_links", {"active": True}, after)
        for link in rows:
            reference = (link.get("metadata") or {}).get("odoo_reference")
            if reference:
                links.setdefault(reference, []).append(link)
        if not more:
            break
        after = rows[-1]["id"]
    return links, not more


def _price_tag(values):
    """Return amount and currency as the link's metadata holds them."""
    return f"{values['amount']} {values['currency'].upper()}"


def _create(client, item):
    values = item.values
    metadata = {"odoo_reference": values["reference"], "odoo_invoice": values["number"], "odoo_key": item.key,
                "odoo_amount": _price_tag(values)}
    text = (values.get("description") or values["number"])[:500]
    price = client.post("/v1/prices", {
        "currency": values["currency"].lower(), "unit_amount": to_minor(values["amount"], values["currency"]),
        "product_data": {"name": values["number"][:250]}}, f"{item.key}-price")
    return client.post("/v1/payment_links", {
        "line_items": [{"price": price["id"], "quantity": 1}], "metadata": metadata,
        "payment_intent_data": {"metadata": metadata, "description": text},
        # The price in the key: once Stripe has forgotten the one it made first, this is another request.
        "restrictions": {"completed_sessions": {"limit": 1}}}, f"{item.key}-link-{price['id']}")


def _settle(client, item, links, complete):
    """Bring the links of one reference to what ``item`` wants; ``links`` (the active ones) is kept up to date."""
    wanted = item.values["open"]
    if wanted:
        to_minor(item.values["amount"], item.values["currency"])  # refused before anything is taken down
    right = [link for link in links
             if wanted and link["metadata"].get("odoo_amount") == _price_tag(item.values)]
    if not right and not complete:
        raise DataError(f"There are more than {MAX_PAGES * 100} active payment links at Stripe, so that this one "
                        "cannot be looked up: deactivate those that nobody needs", "too_many_links")
    written = False
    for link in [link for link in links if link not in right[:1]]:
        client.post(f"/v1/payment_links/{link['id']}", {"active": False}, f"{item.key}-off-{link['id']}")
        links.remove(link)
        written = True
    if wanted and not right:
        links.append(_create(client, item))
        written = True
    page = links[0] if links else {"id": "", "url": ""}
    return PushResult(item.key, None, written, data={"id": page["id"], "url": page["url"]})


def push(session, items):
    """Make, replace or take down the pages of ``items``."""
    client, results = Client(session), []
    links, complete = _active_links(client)
    for item in items:
        try:
            own = links.setdefault(item.values["reference"], [])
            results.append(_settle(client, item, own, complete))
        except ConnectionRefusedByVendor:
            raise
        except ConnectorError as error:
            results.append(PushResult(item.key, error, False))
    return results
