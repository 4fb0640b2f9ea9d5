"""What a client may make and change: prices, payment links, webhook endpoints."""

from decimal import Decimal

from .errors import ApiError, missing
from .forms import METADATA, at_most, between, boolean, currency, decimal, integer, one_of, required, text

_CURRENCY_AMOUNT = {"unit_amount": integer, "unit_amount_decimal": decimal}
_TAX = one_of("exclusive", "inclusive", "unspecified")
_PRODUCT = {"name": text, "metadata": METADATA, "tax_code": text, "unit_label": text}
_AFTER = {"type": one_of("hosted_confirmation", "redirect"), "hosted_confirmation": {"custom_message": at_most(500)},
          "redirect": {"url": text}}
_RESTRICTIONS = {"completed_sessions": {"limit": between(1, 1_000_000)}}
_INTENT = {"capture_method": one_of("automatic", "automatic_async", "manual"), "description": text,
           "metadata": METADATA, "setup_future_usage": one_of("off_session", "on_session"),
           "statement_descriptor": at_most(22), "statement_descriptor_suffix": at_most(22), "transfer_group": text}
_EXPAND = {"expand": [text]}
_LINK = {
    "after_completion": _AFTER, "allow_promotion_codes": boolean, "automatic_tax": {"enabled": boolean},
    "billing_address_collection": one_of("auto", "required"), "customer_creation": one_of("always", "if_required"),
    "inactive_message": at_most(500), "invoice_creation": {"enabled": boolean}, "metadata": METADATA,
    "payment_intent_data": _INTENT, "payment_method_types": [text], "phone_number_collection": {"enabled": boolean},
    "restrictions": _RESTRICTIONS, "submit_type": one_of("auto", "book", "donate", "pay"),
    "tax_id_collection": {"enabled": boolean, "required": one_of("if_supported", "never")},
}
_ENDPOINT = {"url": text, "enabled_events": [text], "description": text, "metadata": METADATA}
PRICE = {
    "active": boolean, "currency": currency, "lookup_key": at_most(200), "metadata": METADATA, "nickname": text,
    "product": text, "product_data": {**_PRODUCT, "id": text, "active": boolean, "statement_descriptor": at_most(22)},
    "tax_behavior": _TAX, "transfer_lookup_key": boolean, **_CURRENCY_AMOUNT, **_EXPAND}
LINK = {
    **_LINK, "currency": currency, **_EXPAND, "line_items": [{
        "price": text, "quantity": between(1, 999_999),
        "adjustable_quantity": {"enabled": boolean, "minimum": integer, "maximum": integer},
        "price_data": {"currency": currency, "product": text, "tax_behavior": _TAX, **_CURRENCY_AMOUNT,
                       "product_data": {**_PRODUCT, "description": text, "images": [text]}}}]}
LINK_CHANGE = {**_LINK, "active": boolean, **_EXPAND}
ENDPOINT = {**_ENDPOINT, "api_version": text, "connect": boolean, **_EXPAND}
ENDPOINT_CHANGE = {**_ENDPOINT, "disabled": boolean, **_EXPAND}
_LEAST_AMOUNT = 50


class Writes:
    """Makes and changes objects; each method takes checked parameters and returns a row.

    :param url: where the stand-in is served: payment pages have their address there
    """

    def __init__(self, store, versions, url, make_secret):
        self.store, self.versions, self.url, self._make_secret = store, versions, url, make_secret
        #: kind -> (specification, required parameters, method)
        self.creating = {"price": (PRICE, ("currency",), self.price),
                         "payment_link": (LINK, ("line_items",), self.link),
                         "webhook_endpoint": (ENDPOINT, ("url", "enabled_events"), self.endpoint)}
        self.changing = {"payment_link": (LINK_CHANGE, self.change_link),
                         "webhook_endpoint": (ENDPOINT_CHANGE, self.change_endpoint)}

    def price(self, values, prefix="", active=True):
        required(values, "currency", prefix=prefix)
        if ("unit_amount" in values) == ("unit_amount_decimal" in values):
            raise ApiError(400, "Specify exactly one of unit_amount and unit_amount_decimal.", param="unit_amount")
        amount = values.get("unit_amount")
        if amount is None and Decimal(values["unit_amount_decimal"]) % 1 == 0:
            amount = int(Decimal(values["unit_amount_decimal"]))
        if amount is not None and amount < 0:
            raise ApiError(400, "Invalid non-negative integer", code="parameter_invalid_integer", param="unit_amount")
        if ("product" in values) == ("product_data" in values):
            raise ApiError(400, "Specify exactly one of product and product_data.", param="product")
        now = self.store.second()
        if "product_data" in values:
            data = values["product_data"]
            required(data, "name", prefix="product_data")
            if data.get("id", "") in self.store["product"]:
                raise ApiError(400, "Product already exists.", code="resource_already_exists", param="id")
            product = self.store.add("product", now, data.get("id", ""), **{
                "active": active, "description": None, "metadata": {}, **{
                    key: value for key, value in data.items() if key != "id"}})["id"]
        else:
            product = values["product"]
            if product not in self.store["product"]:
                raise missing("product", product, "product", 400)
        return self.store.add(
            "price", now, active=values.get("active", active), billing_scheme="per_unit",
            currency=values["currency"], lookup_key=values.get("lookup_key"), metadata=values.get("metadata", {}),
            nickname=values.get("nickname"), product=product, recurring=None, type="one_time", unit_amount=amount,
            tax_behavior=values.get("tax_behavior", "unspecified"),
            unit_amount_decimal=values.get("unit_amount_decimal", str(amount)))

    def link(self, values):
        items = [self._item(item, place) for place, item in enumerate(values["line_items"])]
        if not items:
            raise ApiError(400, "Missing required param: line_items.", code="parameter_missing", param="line_items")
        if len({item["currency"] for item in items} | {values.get("currency", items[0]["currency"])}) > 1:
            raise ApiError(400, "All line items must have the link's currency.", param="line_items")
        if sum(item["amount_total"] for item in items) < _LEAST_AMOUNT:
            raise ApiError(400, "The total amount due must be larger.", code="amount_too_small", param="line_items")
        row = self.store.add(
            "payment_link", self.store.second(), active=True, currency=items[0]["currency"],
            **{name: values.get(name) for name in _LINK if name != "metadata"},
            metadata=values.get("metadata", {}), _items=items, _completed=0)
        row["url"] = f"{self.url}/pay/{row['id']}"
        return row

    def _item(self, item, place):
        where = f"line_items[{place}]"
        if ("price" in item) == ("price_data" in item):
            raise ApiError(400, "Specify exactly one of price and price_data.", param=f"{where}[price]")
        required(item, "quantity", prefix=where)
        if "price_data" in item:
            price = self.price(item["price_data"], f"{where}[price_data]", active=False)
        else:
            price = self.store["price"].get(item["price"])
            if price is None:
                raise missing("price", item["price"], f"{where}[price]", 400)
            if not price["active"]:
                raise ApiError(400, "The price specified is inactive.", param=f"{where}[price]")
        amount = (price["unit_amount"] or 0) * item["quantity"]
        return {"id": f"li_{price['id']}", "object": "item", "amount_subtotal": amount, "amount_total": amount,
                "amount_tax": 0, "amount_discount": 0, "currency": price["currency"], "quantity": item["quantity"],
                "description": self.store["product"].get(price["product"])["name"], "price": price}

    def change_link(self, row, values):
        return self._change(row, {key: value for key, value in values.items() if key != "expand"})

    def endpoint(self, values):
        version = values.get("api_version")
        if version is not None and version not in self.versions:
            raise ApiError(400, f"Invalid API version: {version}", param="api_version")
        self._check_url(values)
        return self.store.add(
            "webhook_endpoint", self.store.second(), api_version=version, application=None,
            description=values.get("description"), enabled_events=values["enabled_events"],
            metadata=values.get("metadata", {}), status="enabled", url=values["url"],
            _secrets=[self._make_secret(len(self.store["webhook_endpoint"]))])

    def change_endpoint(self, row, values):
        self._check_url(values)
        if "disabled" in values:
            row["status"] = "disabled" if values["disabled"] else "enabled"
        return self._change(row, {key: values[key] for key in _ENDPOINT if key in values})

    @staticmethod
    def _check_url(values):
        if "url" in values and not values["url"].startswith(("http://", "https://")):
            raise ApiError(400, "Invalid URL: an explicit scheme (such as https) must be provided.",
                           code="url_invalid", param="url")

    @staticmethod
    def _change(row, values):
        """Metadata keys are merged, an empty value takes a key away, everything else is replaced."""
        if "metadata" in values:
            given = values.pop("metadata")
            merged = {**row["metadata"], **given} if given else {}
            row["metadata"] = {key: value for key, value in merged.items() if value != ""}
        row.update(values)
        return row
