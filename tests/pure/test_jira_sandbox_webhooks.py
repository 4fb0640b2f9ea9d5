"""The stand-in of Jira and Tempo: activation, signatures and repetitions of deliveries."""

import hashlib
import hmac
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from jira_client import Client, serving
from requests.structures import CaseInsensitiveDict
from rigs.jira import RIG


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


class Listener(BaseHTTPRequestHandler):
    """Echoes the activation, keeps what it is sent, and answers from the server's list of statuses, then 200."""

    def do_GET(self):
        self._answer(200, self.server.echo(parse_qs(urlsplit(self.path).query)["randomString"][0]).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((CaseInsensitiveDict(self.headers.items()), body))
        self._answer(self.server.statuses.pop(0) if self.server.statuses else 200, b"")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def listener():
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.got, server.statuses, server.echo = [], [], lambda text: text
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def until(condition):
    for _again in range(400):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


def subscriptions(client):
    return client.all("webhooks/subscriptions")


def test_tempo_subscription(vendor, client, listener):
    given = {"url": listener.url, "event": "worklog.updated", "name": "hub"}
    made = client.tempo("POST", "webhooks/subscriptions", json=given).json()
    assert len(made["sharedSecret"]) == 128
    assert client.tempo("POST", "webhooks/subscriptions", json=given).status_code == 409
    assert client.tempo("POST", "webhooks/subscriptions", json={**given, "event": "x"}).status_code == 400
    until(lambda: subscriptions(client)[0]["active"])
    assert "sharedSecret" not in subscriptions(client)[0]
    listener.statuses = [500, 503]
    (number,) = RIG.make(vendor)
    note = RIG.touch(vendor, number)
    until(lambda: len(listener.got) == 3)
    (headers, body), *repeated = listener.got
    assert {sent for _headers, sent in repeated} == {body}
    assert note.encode() in body
    assert b"attributes" not in body
    expected = hmac.new(made["sharedSecret"].encode(), body + headers["Tempo-Timestamp"].encode(), hashlib.sha256)
    assert headers["Tempo-Signature"] == expected.hexdigest()


def test_a_subscription_that_does_not_echo_or_fails_too_often_is_off(vendor, client, listener):
    listener.echo = lambda text: "no"
    number = client.tempo("POST", "webhooks/subscriptions", json={
        "url": listener.url, "event": "worklog.created"}).json()["id"]
    until(lambda: vendor.app.hooks.deliveries)
    RIG.make(vendor)
    assert (subscriptions(client)[0]["active"], listener.got) == (False, [])
    listener.echo = lambda text: text
    client.tempo("PATCH", f"webhooks/subscriptions/{number}/refresh")
    until(lambda: subscriptions(client)[0]["active"])
    listener.statuses = [500] * 10
    RIG.make(vendor)
    until(lambda: not subscriptions(client)[0]["active"])
    assert len(listener.got) == 10
    assert client.tempo("DELETE", f"webhooks/subscriptions/{number}").status_code == 204
    assert subscriptions(client) == []


def test_jira_admin_webhook(vendor, client, listener):
    answer = requests.post(f"{client.url}/rest/webhooks/1.0/webhook", timeout=5,
                           auth=(client.known["email"], client.known["api_token"]), json={
                               "name": "hub", "url": listener.url, "events": ["worklog_created"], "secret": "s3"})
    assert answer.status_code == 201
    listener.statuses = [500]
    RIG.make(vendor)
    until(lambda: len(listener.got) == 2)
    (first, body), (second, same) = listener.got
    assert (body, first["x-atlassian-webhook-identifier"]) == (same, second["x-atlassian-webhook-identifier"])
    assert second["x-atlassian-webhook-retry"] == "1"
    assert first["X-Hub-Signature"] == "sha256=" + hmac.new(b"s3", body, hashlib.sha256).hexdigest()


def test_control_registers_both_vendors_at_one_address(client, listener):
    made = requests.post(f"{client.url}/_sandbox/webhooks", timeout=5, json={
        "url": listener.url, "jira_webhook_secret": "a", "tempo_webhook_secret": "b"}).json()
    assert made == {"jira_webhook_secret": "a", "tempo_webhook_secret": "b"}
    until(lambda: len(subscriptions(client)) == 3 and all(row["active"] for row in subscriptions(client)))
    requests.post(f"{client.url}/_sandbox/advance", timeout=5)
    until(lambda: len(listener.got) == 6)
    tempo = [body for headers, body in listener.got if "Tempo-Signature" in headers]
    assert len(tempo) == 3
    status = requests.get(f"{client.url}/_sandbox/webhooks", timeout=5).json()
    assert {row["outcome"] for row in status["deliveries"]} == {"200"}


def test_the_rigs_deliveries_are_signed_like_the_senders(vendor):
    (number,) = RIG.make(vendor)
    request = RIG.delivery(vendor, [number])
    key = RIG.webhook_secrets["tempo_webhook_secret"].encode()
    signed = request.body + request.headers["tempo-timestamp"].encode()
    assert request.headers["tempo-signature"] == hmac.new(key, signed, hashlib.sha256).hexdigest()
    request = RIG.jira_delivery(vendor, number)
    key = RIG.webhook_secrets["jira_webhook_secret"].encode()
    assert request.headers["x-hub-signature"] == "sha256=" + hmac.new(key, request.body, hashlib.sha256).hexdigest()
    accepted = [accepted for *_given, accepted in RIG.vectors()]
    assert (accepted.count(True), accepted.count(False)) == (4, 9)
