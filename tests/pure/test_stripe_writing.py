import pytest
from wire_server import Answer, serving, session_for

from connectors import get
from connectors.base import PushItem
from connectors.errors import DataError, MissingScopeError, TransientError
from connectors.stripe import payment_link
from connectors.stripe.client import flat
from connectors.stripe.money import to_minor

CONNECTOR = get("stripe")
(LINKS,) = CONNECTOR.outbound


def item(key="k1", **values):
    return PushItem(key, "PaymentLink", "account.move:57", {
        "reference": "account.move:57", "number": "INV/2026/00007", "amount": "1190.00", "currency": "EUR",
        "description": "Design in May", "customer_name": "Nova", "customer_email": "ada@nova.example",
        "due_on": "2026-07-01", "open": True, **values})


class Stripe:
    """Prices and links; answers a repeated key with what it answered first. ``lose``: answers of these are lost."""

    def __init__(self, lose=()):
        self.links, self.prices, self.answers, self.lose = [], [], {}, set(lose)

    def __call__(self, asked):
        if asked.method == "GET":
            active = [link for link in reversed(self.links) if link["active"]]
            ids = [link["id"] for link in active]
            start = ids.index(asked.query["starting_after"]) + 1 if "starting_after" in asked.query else 0
            limit = int(asked.query["limit"])
            return Answer(body={"object": "list", "data": active[start:start + limit],
                                "has_more": len(active) > start + limit})
        key = asked.headers["Idempotency-Key"]
        if key not in self.answers:
            self.answers[key] = self._write(asked.path, asked.form)
        if asked.path in self.lose:
            self.lose.discard(asked.path)
            return Answer(500, {"error": {"type": "api_error", "message": "lost"}})
        return Answer(body=self.answers[key])

    def _write(self, path, form):
        if path == "/v1/prices":
            self.prices.append(form)
            return {"id": f"price_{len(self.prices)}"}
        if path == "/v1/payment_links":
            number = len(self.links) + 1
            metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
            self.links.append({"id": f"plink_{number}", "url": f"https://pay.example/{number}", "active": True,
                               "metadata": metadata, "form": form})
            return self.links[-1]
        link = next(link for link in self.links if link["id"] == path.rpartition("/")[2])
        link["active"] = form["active"] == "true"
        return link

    @property
    def active(self):
        return [link["id"] for link in self.links if link["active"]]


def push(server, *items):
    session = session_for(server.url, "secret_key", {"api_key": "sk_test_1"}, settings={"base_url": server.url})
    return CONNECTOR.push(session, LINKS, list(items))


def test_a_page_is_made_with_the_reference_on_link_and_payment():
    with serving(Stripe()) as server:
        (result,) = push(server, item())
        stripe_asked = {asked.path: asked for asked in server.asked if asked.method == "POST"}
    assert (result.error, result.written) == (None, True)
    assert result.data == {"id": "plink_1", "url": "https://pay.example/1"}
    price, link = stripe_asked["/v1/prices"], stripe_asked["/v1/payment_links"]
    assert price.form == {"currency": "eur", "unit_amount": "119000", "product_data[name]": "INV/2026/00007"}
    assert price.headers["Idempotency-Key"] == "k1-price"
    assert link.headers["Content-Type"] == "application/x-www-form-urlencoded"
    metadata = {"odoo_reference": "account.move:57", "odoo_invoice": "INV/2026/00007", "odoo_key": "k1",
                "odoo_amount": "1190.00 EUR"}
    assert link.form == {
        "line_items[0][price]": "price_1", "line_items[0][quantity]": "1",
        "restrictions[completed_sessions][limit]": "1", "payment_intent_data[description]": "Design in May",
        **{f"metadata[{name}]": value for name, value in metadata.items()},
        **{f"payment_intent_data[metadata][{name}]": value for name, value in metadata.items()}}


def test_the_same_request_again_finds_the_page():
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item())
        (result,) = push(server, item(key="another"))
    assert (result.written, result.data["id"]) == (False, "plink_1")
    assert len(stripe.links) == 1


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("path", ["/v1/prices", "/v1/payment_links"])
def test_a_lost_answer_makes_no_second_page(path, forgotten):
    stripe = Stripe(lose=[path])
    with serving(stripe) as server:
        (lost,) = push(server, item())
        assert isinstance(lost.error, TransientError)
        assert lost.error.maybe_done
        if forgotten:  # a day later
            stripe.answers.clear()
        (result,) = push(server, item())
    assert result.error is None
    assert stripe.active == ["plink_1"]
    assert result.data["id"] == "plink_1"


def test_another_amount_replaces_the_page_and_takes_the_old_one_down_first():
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item())
        (result,) = push(server, item("k2", amount="190.00"))
        posts = [asked.path for asked in server.asked if asked.method == "POST"]
    assert result.data["id"] == "plink_2"
    assert stripe.active == ["plink_2"]
    assert posts[2:] == ["/v1/payment_links/plink_1", "/v1/prices", "/v1/payment_links"]


def test_a_closed_invoice_has_no_page():
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item())
        (result,) = push(server, item("k2", open=False, amount="0.00"))
        (again,) = push(server, item("k3", open=False, amount="0.00"))
    assert stripe.active == []
    assert (result.written, result.data) == (True, {"id": "", "url": ""})
    assert (again.written, again.error) == (False, None)


def test_two_pages_of_one_reference_become_one():
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item())
        stripe.links.append({**stripe.links[0], "id": "plink_9"})
        (result,) = push(server, item("k2"))
    assert stripe.active == [result.data["id"]]


def test_one_batch_knows_what_it_has_made():
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item("k1"), item("k2", amount="5.00"), item("k3", open=False))
    assert stripe.active == []
    assert len(stripe.links) == 2


def test_a_refused_item_does_not_keep_the_others_and_leaves_the_old_page():
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item())
        refused, made = push(server, item("k2", amount="10.005"), item("k3", reference="account.move:58"))
    assert isinstance(refused.error, DataError)
    assert made.error is None
    assert stripe.active == ["plink_1", "plink_2"]


def test_the_look_up_is_bounded(monkeypatch):
    monkeypatch.setattr(payment_link, "MAX_PAGES", 1)
    stripe = Stripe()
    with serving(stripe) as server:
        push(server, item())
        stripe.links += [{"id": f"plink_x{number}", "url": "u", "active": True, "metadata": {}}
                         for number in range(150)]
        (result,) = push(server, item("k2"))
    assert "more than 100 active" in str(result.error)
    assert len(stripe.active) == 151


def test_a_missing_right_stops_the_whole_call():
    with serving(lambda asked: Answer(403, {"error": {"message": "permission 'rak_payment_links_write'"}})) as server:
        with pytest.raises(MissingScopeError):
            push(server, item())


@pytest.mark.parametrize(("amount", "currency", "units"), [
    ("1190.00", "EUR", 119000), ("0.5", "usd", 50), ("1000", "JPY", 1000), ("5.120", "KWD", 5120), ("5", "ISK", 500)])
def test_amounts_that_can_be_paid(amount, currency, units):
    assert to_minor(amount, currency) == units


@pytest.mark.parametrize(("amount", "currency"), [
    ("0.00", "EUR"), ("-1.00", "EUR"), ("1.005", "EUR"), ("10.50", "JPY"), ("5.123", "KWD"), ("5.50", "ISK"),
    ("x", "EUR"), ("NaN", "EUR"), ("Infinity", "EUR")])
def test_amounts_that_cannot_be_paid(amount, currency):
    with pytest.raises(DataError):
        to_minor(amount, currency)


def test_nested_values_as_form_fields():
    assert flat({"a": {"b": True, "c": None}, "d": [{"e": 1}], "f": ["x", "y"]}) == {
        "a[b]": "true", "d[0][e]": "1", "f[]": ["x", "y"]}
