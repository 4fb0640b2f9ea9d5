"""Stripe's stand-in, asked over HTTP without the add-on's client."""

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from sandbox.server import start
from sandbox.stripe.webhooks import signature

VERSION = "2026-06-24.dahlia"
LINK = {"line_items[0][price_data][currency]": "eur", "line_items[0][price_data][unit_amount]": "119000",
        "line_items[0][price_data][product_data][name]": "INV/2026/00007", "line_items[0][quantity]": "1",
        "metadata[odoo_reference]": "account.move:57", "restrictions[completed_sessions][limit]": "1",
        "payment_intent_data[metadata][odoo_reference]": "account.move:57"}


class Client:
    def __init__(self, sandbox):
        self.sandbox, self.http = sandbox, requests.Session()
        self.http.headers.update({"Authorization": f"Bearer {sandbox.credentials['api_key']}",
                                  "Stripe-Version": VERSION})

    def call(self, method, path, **options):
        return self.http.request(method, f"{self.sandbox.url}/v1/{path}", timeout=10, **options)

    def get(self, path, **params):
        return self.call("GET", path, params=params)

    def post(self, path, data=None, **headers):
        return self.call("POST", path, data=data, headers={name.replace("_", "-"): value
                                                           for name, value in headers.items()})

    def rows(self, path, **params):
        """Return all rows of a list, page by page."""
        found, page = [], self.get(path, **params).json()
        while True:
            found += page["data"]
            if not page["has_more"]:
                return found
            page = self.get(path, **params, starting_after=found[-1]["id"]).json()

    def control(self, name, **values):
        answer = requests.post(f"{self.sandbox.url}/_sandbox/{name}", json=values, timeout=10)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture
def sandbox():
    running = start(vendor="stripe", scale="tiny", webhook_retry_seconds=0.02)
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture
def client(sandbox):
    return Client(sandbox)


def refused(answer, status, **fields):
    error = answer.json()["error"]
    return answer.status_code == status and {**error, **fields} == error


# === WHO MAY ASK === #


def test_key_and_version_are_checked(client, sandbox):
    assert client.get("charges").headers["Request-Id"].startswith("req_")
    for header, status in (("", 401), ("Bearer sk_test_wrong", 401), ("Bearer pk_test_1", 401), ("Basic %%%", 401)):
        assert refused(client.call("GET", "charges", headers={"Authorization": header}), status)
    assert client.call("GET", "charges", auth=(sandbox.credentials["secret_key"], "")).status_code == 200
    for version in ("2024-06-20", None):
        assert refused(client.call("GET", "charges", headers={"Stripe-Version": version}), 400)
    assert refused(client.get("charges/ch_none"), 404, code="resource_missing", param="id")
    assert refused(client.get("nothing"), 404)
    assert refused(client.call("PATCH", "charges"), 404)


def test_restricted_key_lacks_what_was_taken(client, sandbox):
    sandbox.app.hide("payout")
    assert refused(client.get("payouts"), 403)
    assert client.get("charges").status_code == 200
    assert client.call("GET", "payouts", headers={
        "Authorization": f"Bearer {sandbox.credentials['secret_key']}"}).status_code == 200


# === READING === #


def test_lists_page_newest_first(client, sandbox):
    rows = client.rows("charges", limit=5)
    assert [row["id"] for row in rows][::-1] == [row["id"] for row in sandbox.manifest["charges"]]
    assert [row["created"] for row in rows] == sorted((row["created"] for row in rows), reverse=True)
    assert len(client.get("charges").json()["data"]) == 10
    newer = client.get("charges", ending_before=rows[6]["id"], limit=3).json()
    assert [row["id"] for row in newer["data"]] == [row["id"] for row in rows[3:6]]
    assert newer["has_more"] is True
    middle = rows[5]["created"]
    for bound, expected in (("gte", 6), ("gt", 5), ("lte", 7), ("lt", 6)):
        assert len(client.rows("charges", **{f"created[{bound}]": middle})) == expected
    assert client.get("charges", created=middle).json()["data"][0]["id"] == rows[5]["id"]
    assert len(client.rows("charges", customer="cus_Nova01")) == 3


@pytest.mark.parametrize(("path", "params", "fields"), [
    ("charges", {"limit": 101}, {"param": "limit"}),
    ("charges", {"limit": "x"}, {"param": "limit", "code": "parameter_invalid_integer"}),
    ("charges", {"updated": 1}, {"param": "updated", "code": "parameter_unknown"}),
    ("charges", {"created[since]": 1}, {"param": "created[since]", "code": "parameter_unknown"}),
    ("charges", {"starting_after": "ch_none"}, {"param": "starting_after", "code": "resource_missing"}),
    ("charges", {"expand[]": "balance_transaction"}, {"param": "expand"}),
    ("charges", {"expand[]": "data.metadata"}, {"param": "expand"}),
    ("payouts", {"status": "gone"}, {"param": "status"}),
    ("events", {"type": "charge.*", "types[]": "refund.created"}, {"param": "types"}),
    ("events", {f"types[{place}]": "charge.failed" for place in range(21)}, {"param": "types"}),
    ("invoice_payments", {"payment[payment_intent]": "pi_1"}, {"param": "payment"}),
])
def test_what_is_not_documented_is_refused(client, path, params, fields):
    assert refused(client.get(path, **params), 400, type="invalid_request_error", **fields)


def test_expanding(client):
    rows = client.rows("charges", **{"expand[]": "data.balance_transaction"})
    booked = [row["balance_transaction"] for row in rows if row["status"] == "succeeded"]
    assert len(booked) == 11
    assert all(row["net"] == row["amount"] - row["fee"] == row["amount"] - row["fee_details"][0]["amount"]
               for row in booked)
    assert [row["status"] for row in booked] == ["pending"] + ["available"] * 10
    assert next(row for row in rows if row["status"] == "failed")["balance_transaction"] is None
    intent = client.get(f"payment_intents/{rows[0]['payment_intent']}",
                        **{"expand[]": "latest_charge.balance_transaction"}).json()
    assert intent["latest_charge"]["balance_transaction"]["source"] == rows[0]["id"]
    sources = client.rows("balance_transactions", **{"expand[]": "data.source"})
    assert {row["source"]["object"] for row in sources} == {"charge", "refund", "dispute", "payout"}


def test_payout_is_the_sum_of_its_movements(client, sandbox):
    (expected,) = sandbox.manifest["payouts"]
    (payout,) = client.rows("payouts")
    assert (payout["id"], payout["status"], payout["reconciliation_status"]) == (expected["id"], "paid", "completed")
    rows = client.rows("balance_transactions", payout=payout["id"], limit=4)
    own = [row for row in rows if row["type"] == "payout"]
    assert [row["net"] for row in own] == [-payout["amount"]]
    assert sum(row["net"] for row in rows) == 0
    assert {row["source"] for row in rows} == {*expected["sources"], payout["id"]}
    assert "_payout" not in rows[0]


def test_invoice_of_a_payment(client, sandbox):
    (invoice,) = sandbox.manifest["invoices"]
    intent = client.get(f"charges/{sandbox.manifest['charges'][2]['id']}").json()["payment_intent"]
    rows = client.rows("invoice_payments", **{"payment[type]": "payment_intent", "payment[payment_intent]": intent})
    assert [row["invoice"] for row in rows] == [invoice["id"]]
    assert client.get(f"invoices/{invoice['id']}").json()["number"] == invoice["number"]


def test_events_reach_back_30_days(client, sandbox):
    rows = client.rows("events", limit=100)
    now = sandbox.clock.now().timestamp()
    assert rows
    assert all(row["created"] > now - 30 * 86_400 for row in rows)
    oldest = rows[-1]["id"]
    assert client.get(f"events/{oldest}").status_code == 200
    assert {row["type"] for row in client.rows("events", type="charge.*")} >= {"charge.succeeded"}
    named = client.rows("events", **{"types[0]": "payout.created", "types[1]": "payout.paid"})
    assert [row["type"] for row in named] == ["payout.paid", "payout.created"]
    sandbox.clock.forward(31 * 86_400)
    assert client.rows("events") == []
    assert refused(client.get(f"events/{oldest}"), 404)


def test_changes_are_told_by_events(client, sandbox):
    charge = sandbox.manifest["charges"][0]["id"]
    sandbox.app.money.change(charge, description="Other words")
    event = client.get("events").json()["data"][0]
    assert (event["type"], event["data"]["object"]["id"]) == ("charge.updated", charge)
    assert event["data"]["previous_attributes"] == {"description": "Payment 1"}
    changed = client.control("advance")
    assert client.get(f"refunds/{changed['refund_failed'][0]}").json()["status"] == "failed"
    assert client.get(f"disputes/{changed['dispute_won'][0]}").json()["status"] == "won"
    payout = client.get(f"payouts/{changed['payout_failed'][0]}", **{"expand[]": "failure_balance_transaction"}).json()
    assert (payout["status"], payout["failure_balance_transaction"]["amount"]) == ("failed", payout["amount"])
    assert client.get(f"charges/{changed['settled'][0]}").json()["status"] == "succeeded"
    assert sandbox.manifest["advanced"] is True


# === WRITING === #


def test_payment_link_lives_and_is_paid(client, sandbox):
    link = client.post("payment_links", LINK).json()
    assert link["active"] is True
    assert requests.get(link["url"], timeout=10).status_code == 200
    assert client.get(f"payment_links/{link['id']}").json() == link
    assert [row["id"] for row in client.rows("payment_links", active="true")] == [link["id"]]
    items = client.get(f"payment_links/{link['id']}/line_items").json()["data"]
    assert [(item["amount_total"], item["price"]["unit_amount"]) for item in items] == [(119_000, 119_000)]
    (charge,) = client.control("pay_all_open_links")["charges"]
    paid = client.get(f"charges/{charge}", **{"expand[]": "balance_transaction"}).json()
    assert (paid["amount"], paid["metadata"]) == (119_000, {"odoo_reference": "account.move:57"})
    assert paid["balance_transaction"]["fee"] == 1810
    assert client.get(f"payment_links/{link['id']}").json()["active"] is False
    (session,) = client.rows("checkout/sessions", payment_link=link["id"])
    assert (session["payment_intent"], session["metadata"]) == (paid["payment_intent"], link["metadata"])
    with pytest.raises(ValueError, match="not active"):
        sandbox.app.money.pay(link["id"])


def test_payment_link_of_a_price_and_its_changes(client):
    price = client.post("prices", {"currency": "eur", "unit_amount": "5000", "product_data[name]": "Work"}).json()
    link = client.post("payment_links", {"line_items[0][price]": price["id"], "line_items[0][quantity]": "2",
                                         "metadata[a]": "1"}).json()
    changed = client.post(f"payment_links/{link['id']}", {"active": "false", "metadata[b]": "2"}).json()
    assert (changed["active"], changed["metadata"]) == (False, {"a": "1", "b": "2"})
    assert client.post(f"payment_links/{link['id']}", {"metadata[a]": ""}).json()["metadata"] == {"b": "2"}


@pytest.mark.parametrize(("change", "fields"), [
    ({"reference": "57"}, {"code": "parameter_unknown", "param": "reference"}),
    ({"line_items[0][amount]": "1"}, {"code": "parameter_unknown", "param": "line_items[0][amount]"}),
    ({"line_items[0][price_data][currency]": "EUR"}, {"param": "line_items[0][price_data][currency]"}),
    ({"line_items[0][price_data][unit_amount]": "1190.00"}, {"code": "parameter_invalid_integer"}),
    ({"line_items[0][price]": "price_none"}, {"param": "line_items[0][price]"}),
    ({"metadata[key]": "x" * 501}, {"param": "metadata[key]"}),
    ({"active": "false"}, {"code": "parameter_unknown"}),
    ({"line_items[0][quantity]": None}, {"code": "parameter_missing"}),
])
def test_wrong_payment_links_are_refused(client, sandbox, change, fields):
    data = {key: value for key, value in {**LINK, **change}.items() if value is not None}
    assert refused(client.post("payment_links", data), 400, **fields)
    assert len(sandbox.app.store["payment_link"]) == 0


def test_bodies_are_forms(client):
    assert refused(client.call("POST", "payment_links", json={"active": True}), 400)
    assert refused(client.call("POST", "payment_links", params=LINK), 400)
    assert refused(client.post("payment_links", {}), 400, code="parameter_missing", param="line_items")
    assert refused(client.post("charges", {"amount": "1"}), 404)


def test_idempotency_key_gives_the_first_answer_again(client, sandbox):
    first = client.post("payment_links", LINK, Idempotency_Key="one")
    again = client.post("payment_links", LINK, Idempotency_Key="one")
    assert first.json() == again.json()
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    other = client.post("payment_links", {**LINK, "metadata[x]": "1"}, Idempotency_Key="one")
    assert refused(other, 400, type="idempotency_error")
    assert refused(client.post("payment_links", {**LINK, "wrong": "1"}, Idempotency_Key="two"), 400)
    assert client.post("payment_links", LINK, Idempotency_Key="two").status_code == 200
    assert refused(client.post("payment_links", LINK, Idempotency_Key="k" * 256), 400)
    sandbox.clock.forward(86_401)
    assert client.post("payment_links", LINK, Idempotency_Key="one").json()["id"] != first.json()["id"]


def test_failures_of_writes(client, sandbox):
    def links():
        return len(sandbox.app.store["payment_link"])

    sandbox.faults.add("stored_error")
    assert [client.post("payment_links", LINK, Idempotency_Key="a").status_code for _turn in range(2)] == [500, 500]
    assert links() == 0
    sandbox.faults.add("error_after_write")
    assert [client.post("payment_links", LINK, Idempotency_Key="b").status_code for _turn in range(2)] == [500, 500]
    assert links() == 1
    sandbox.faults.add("key_in_use")
    busy = client.post("payment_links", LINK, Idempotency_Key="c")
    assert (busy.status_code, busy.headers["Stripe-Should-Retry"]) == (409, "true")
    sandbox.faults.add("lock_timeout")
    assert refused(client.post("payment_links", LINK, Idempotency_Key="c"), 429, code="lock_timeout")
    assert client.post("payment_links", LINK, Idempotency_Key="c").status_code == 200
    sandbox.faults.add("lost_answer")
    with pytest.raises(requests.ConnectionError):
        client.post("payment_links", LINK, Idempotency_Key="d")
    assert client.post("payment_links", LINK, Idempotency_Key="d").headers["Idempotent-Replayed"] == "true"
    assert links() == 3


def test_failures_of_reads(client, sandbox):
    sandbox.faults.add("rate_limited", retry_after=3)
    limited = client.get("charges")
    assert refused(limited, 429, code="rate_limit")
    assert limited.headers["Retry-After"] == "3"
    sandbox.faults.add("server_error")
    assert refused(client.get("charges"), 500, type="api_error")
    sandbox.faults.add("rolled_key")
    assert refused(client.get("charges"), 401)
    rows = [row["id"] for row in client.get("charges", limit=4).json()["data"]]
    for kind, expected in (("duplicate_rows", [rows[0], *rows]),
                           ("reordered_page", [rows[2], rows[1], rows[0], rows[3]])):
        sandbox.faults.add(kind)
        assert [row["id"] for row in client.get("charges", limit=4).json()["data"]] == expected
    sandbox.faults.add("endless_paging")
    page = client.get("charges", limit=4, starting_after=rows[3]).json()
    assert ([row["id"] for row in page["data"]], page["has_more"]) == (rows, True)


# === MONEY === #


def test_what_can_be_done_with_money(client, sandbox):
    charge = client.control("pay", amount=10_010, currency="eur", metadata={"odoo_reference": "account.move:1"})
    booked = client.get(f"balance_transactions/{charge['balance_transaction']}").json()
    assert (booked["fee"], booked["net"]) == (175, 9835)
    refund = client.control("refund", charge=charge["id"], amount=4_000)
    assert client.get(f"charges/{charge['id']}").json()["amount_refunded"] == 4_000
    assert client.rows("refunds", charge=charge["id"])[0]["id"] == refund["id"]
    dispute = client.control("dispute", charge=charge["id"])
    assert client.get(f"disputes/{dispute['id']}").json()["balance_transactions"][0]["net"] == -10_010 - 1_500
    assert client.control("close_dispute", dispute=dispute["id"], outcome="lost")["status"] == "lost"
    with pytest.raises(requests.HTTPError):
        client.control("refund", charge=charge["id"], amount=7_000)
    payout = client.control("payout", settle=True)
    rows = client.rows("balance_transactions", payout=payout["id"])
    assert sum(row["net"] for row in rows) == 0
    assert {charge["id"], refund["id"], dispute["id"]} <= {row["source"] for row in rows}
    assert client.control("payout", settle=True) == {"payout": None}
    assert client.control("fail_payout", payout=payout["id"])["status"] == "failed"
    assert client.control("payout")["amount"] == payout["amount"]


def test_pending_charge_has_no_movement_yet(client):
    charge = client.control("pay", amount=900, outcome="pending")
    assert (charge["status"], charge["balance_transaction"]) == ("pending", None)
    assert client.control("settle", charge=charge["id"])["balance_transaction"].startswith("txn_")


def test_account_without_payments(client):
    running = start(vendor="stripe", seeded=False)
    try:
        own = Client(running)
        assert (own.rows("charges"), len(own.rows("customers"))) == ([], 5)
        assert running.manifest["matches_nothing"] == []
    finally:
        running.stop()


def test_many_charges_page_quickly():
    running = start(vendor="stripe", records=20_000)
    try:
        own = Client(running)
        started = time.perf_counter()
        ids = {row["id"] for row in own.rows("charges", limit=100, **{"expand[]": "data.balance_transaction"})}
        assert len(ids) == 20_012
        assert time.perf_counter() - started < 20
        assert running.manifest["plain_charges"] == 20_000
    finally:
        running.stop()


# === WEBHOOKS === #


class Receiver:
    """Takes what is posted; answers ``statuses`` in turn, then 200."""

    def __init__(self, *statuses):
        self.requests, outer = [], self
        answers = list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.headers["Stripe-Signature"], body))
                self.send_response(answers.pop(0) if answers else 200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def settled(sandbox):
    deadline = time.monotonic() + 10
    while sandbox.app.sender.status()["waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return sandbox.app.sender.status()["deliveries"]


def test_signature_against_known_values():
    body = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'
    assert signature(["whsec_test_secret", "whsec_old_secret"], body, 1_790_000_000) == (
        "t=1790000000,v1=7b8113cd94f67490d14bb1393d2cd3ce02f73dcd8718d3c17e15ad4856bb0476"
        ",v1=2df90c4f5a0dd5cc2319979f594623274091fc9d958089ed88d0bd23a4ab6afa")


def test_webhooks_are_signed_and_repeated(client, sandbox):
    receiver = Receiver(500, 302)
    try:
        made = client.post("webhook_endpoints", {"url": receiver.url, "enabled_events[]": "charge.succeeded",
                                                 "api_version": VERSION}).json()
        assert "secret" not in client.get(f"webhook_endpoints/{made['id']}").json()
        charge = client.control("pay", amount=700)
        assert [row["outcome"] for row in settled(sandbox)] == ["500", "302", "200"]
        assert len(receiver.requests) == 3
        for header, body in receiver.requests:
            parts = dict(part.split("=") for part in header.split(","))
            signed = hmac.new(made["secret"].encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
            assert parts["v1"] == signed
            assert abs(int(parts["t"]) - time.time()) < 30
        event = json.loads(body)
        assert (event["type"], event["data"]["object"]["id"]) == ("charge.succeeded", charge["id"])
        client.control("webhooks/roll", id=made["id"], secret="whsec_New")
        client.control("pay", amount=800)
        settled(sandbox)
        assert receiver.requests[-1][0].count("v1=") == 2
        assert client.call("DELETE", f"webhook_endpoints/{made['id']}").json()["deleted"] is True
        client.control("pay", amount=900)
        settled(sandbox)
        assert len(receiver.requests) == 4
    finally:
        receiver.close()


def test_events_that_nobody_took_are_listed(client, sandbox):
    receiver = Receiver(*[500] * 4)
    try:
        client.control("webhooks", url=receiver.url, secret="whsec_Known", enabled_events=["charge.succeeded"])
        client.control("pay", amount=700)
        assert len(settled(sandbox)) == 4
        (lost,) = client.rows("events", delivery_success="false")
        assert (lost["type"], lost["pending_webhooks"]) == ("charge.succeeded", 1)
        assert lost["id"] not in {row["id"] for row in client.rows("events", delivery_success="true")}
    finally:
        receiver.close()
