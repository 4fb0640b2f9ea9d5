"""The stand-in of DocuSign: Connect deliveries, their signatures and repetitions."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from docusign_client import SIGNED_DEAL, Client, reference, serving
from requests.structures import CaseInsensitiveDict
from rigs.docusign import RIG


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


class Listener(BaseHTTPRequestHandler):
    """Keeps what it is sent and answers from the server's list of statuses, then 200."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((CaseInsensitiveDict(self.headers.items()), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def listener():
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.got, server.statuses = [], []
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


def signature(key, body):
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def test_connect_tells_of_the_signature_with_every_key_until_it_is_answered(vendor, client, listener):
    requests.post(f"{client.url}/_sandbox/webhooks", json={"url": listener.url}, timeout=5).raise_for_status()
    listener.statuses = [500, 204]
    vendor.advance()
    until(lambda: len(listener.got) == 3)
    keys = (client.known["hmac_key"], client.known["hmac_key_2"])
    for retry, (headers, body) in enumerate(listener.got):
        assert [headers[f"X-DocuSign-Signature-{number}"] for number in (1, 2)] == [
            signature(key, body) for key in keys]
        event = json.loads(body)
        assert (event["event"], event["retryCount"]) == ("envelope-completed", retry)
        assert event["data"]["accountId"] == client.known["account_id"]
        assert reference(event["data"]["envelopeSummary"]) == str(SIGNED_DEAL.hubspot_id)
    status = requests.get(f"{client.url}/_sandbox/webhooks", timeout=5).json()
    assert [row["outcome"] for row in status["deliveries"]] == ["500", "204", "200"]


def test_only_the_chosen_events_are_told(vendor, client, listener):
    answer = requests.post(f"{client.url}/_sandbox/webhooks", timeout=5, json={
        "url": listener.url, "events": ["envelope-voided"], "include_data": [], "hmac_keys": ["k"]})
    assert answer.status_code == 200
    (envelope_id,) = RIG.make(vendor)
    client.call("PUT", f"envelopes/{envelope_id}", json={"status": "voided", "voidedReason": "No"})
    until(lambda: listener.got)
    ((headers, body),) = listener.got
    assert (json.loads(body)["event"], "envelopeSummary" in json.loads(body)["data"]) == ("envelope-voided", False)
    assert (headers["X-DocuSign-Signature-1"], "X-DocuSign-Signature-2" in headers) == (signature("k", body), False)
    wrong = {"url": listener.url, "events": ["envelope-lost"]}
    assert requests.post(f"{client.url}/_sandbox/webhooks", json=wrong, timeout=5).status_code == 400


def test_the_rigs_delivery_and_vectors(vendor):
    (envelope_id,) = RIG.make(vendor)
    request = RIG.delivery(vendor, [envelope_id])
    assert request.headers["x-docusign-signature-2"] == signature("ds-connect-key-2=", request.body)
    for secrets, _settings, sent, _now, accepted in RIG.vectors():
        keys = [key for values in secrets for key in values.values() if key]
        marks = [value for name, value in sent.headers.items() if name.startswith("X-DocuSign-Signature-")]
        assert any(signature(key, sent.body) == mark for key in keys for mark in marks) is accepted
