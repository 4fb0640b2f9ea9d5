"""The stand-in of DocuSign, asked over HTTP as its documentation says; it knows nothing of the connector."""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from requests.structures import CaseInsensitiveDict
from rigs.docusign import RIG

from sandbox import studio
from sandbox.server import start

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ALL = "2026-01-01T00:00:00Z"
SIGNED_DEAL = next(deal for deal in studio.DEALS if deal.needs_signature)


class Client:
    """A caller with an access token of the JWT grant."""

    def __init__(self, vendor):
        self.url, self.known = vendor.url, vendor.credentials
        self.login()

    def login(self):
        self.access = self.token(grant_type=JWT_BEARER, assertion=self.assertion()).json()["access_token"]

    def assertion(self, **claims):
        now = int(time.time())
        claims = {"iss": self.known["client_id"], "sub": self.known["user_id"], "aud": urlsplit(self.url).netloc,
                  "iat": now, "exp": now + 600, "scope": "signature impersonation", **claims}
        return jwt.encode(claims, self.known["private_key"], "RS256")

    def token(self, auth=None, **form):
        return requests.post(f"{self.url}/oauth/token", data=form, auth=auth, timeout=10)

    def basic(self, **form):
        return self.token((self.known["client_id"], self.known["client_secret"]), **form)

    def call(self, method, path, account=None, **options):
        return requests.request(
            method, f"{self.url}/restapi/v2.1/accounts/{account or self.known['account_id']}/{path}", timeout=20,
            headers={"Authorization": f"Bearer {self.access}"}, **options)

    def list(self, **params):
        return self.call("GET", "envelopes", params={"from_date": ALL, **params})

    def all(self, **params):
        """Return the envelopes of all pages."""
        rows, position = [], 0
        while True:
            page = self.list(start_position=position, **params).json()
            rows += page.get("envelopes", [])
            position = int(page["endPosition"]) + 1
            if position >= int(page["totalSetSize"]):
                return rows


@pytest.fixture
def vendor():
    running = start(vendor="docusign", connect_retry_seconds=0.01)
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture
def client(vendor):
    return Client(vendor)


def reference(row):
    (field,) = row["customFields"]["textCustomFields"]
    assert field["name"] == "odoo_sow"
    return field["value"]


# === WHAT IS THERE === #


def test_the_studios_envelopes_before_and_after_the_signature(vendor, client):
    before = {reference(row): row["status"] for row in client.all(include="custom_fields")}
    assert before == {str(SIGNED_DEAL.hubspot_id): "sent", "555006": "declined", "SOW-1999-001": "completed"}
    assert len(before) == vendor.manifest["streams"]["Envelope"]
    seen = max(row["lastModifiedDateTime"] for row in client.all())
    vendor.clock.forward(60)
    signed = vendor.advance()["signed"]
    (row,) = client.all(from_date=re.sub(r"\d{7}Z$", "9999999Z", seen), include="custom_fields,recipients")
    assert ([row["envelopeId"]], row["status"], reference(row)) == (signed, "completed", str(SIGNED_DEAL.hubspot_id))
    (signer,) = row["recipients"]["signers"]
    assert (signer["email"], signer["status"]) == (studio.customer(SIGNED_DEAL.customer).contact_email, "completed")
    assert row["completedDateTime"] == row["statusChangedDateTime"] == signer["signedDateTime"]
    assert re.fullmatch(r"2026-07-03T\d\d:\d\d:\d\d\.\d{7}Z", row["completedDateTime"])
    assert vendor.advance()["signed"] == signed
    assert vendor.manifest["advanced"] is True


def test_control_signs_by_reference(client):
    answer = requests.post(f"{client.url}/_sandbox/sign", json={"reference": "555005"}, timeout=5).json()
    assert len(answer["signed"]) == 1
    assert client.call("GET", f"envelopes/{answer['signed'][0]}").json()["status"] == "completed"


def test_one_envelope_and_its_parts(vendor, client):
    (envelope_id,) = vendor.manifest["waiting_for_signature"]
    path = f"envelopes/{envelope_id}"
    whole = client.call("GET", f"{path}?include=recipients,custom_fields,documents").json()
    assert client.call("GET", f"{path}/recipients").json() == whole["recipients"]
    assert client.call("GET", f"{path}/custom_fields").json() == whole["customFields"]
    assert client.call("GET", f"{path}/documents").json()["envelopeDocuments"] == whole["envelopeDocuments"]
    assert "recipients" not in client.call("GET", path).json()
    assert client.call("GET", f"{path}/audit_events").json()["auditEvents"]
    missing = client.call("GET", "envelopes/00000000-0000-4000-8000-000000000000")
    assert (missing.status_code, missing.json()["errorCode"]) == (404, "ENVELOPE_DOES_NOT_EXIST")


def pages_of(content):
    """Check the PDF's table of objects and return its number of pages."""
    assert content.startswith(b"%PDF-1.4")
    assert content.rstrip().endswith(b"%%EOF")
    table = int(re.search(rb"startxref\n(\d+)", content)[1])
    assert content[table:].startswith(b"xref\n")
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n ", content), 1):
        assert content[int(place):].startswith(b"%d 0 obj" % number)
    for length, stream in re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", content, re.DOTALL):
        assert int(length) == len(stream)
    return int(re.search(rb"/Count (\d+)", content)[1])


def test_the_signed_document_is_a_pdf(vendor, client):
    (envelope_id,) = vendor.manifest["waiting_for_signature"]
    unsigned = client.call("GET", f"envelopes/{envelope_id}/documents/combined")
    assert unsigned.headers["Content-Type"] == "application/pdf"
    assert b"Not signed" in unsigned.content
    vendor.advance()
    signed = client.call("GET", f"envelopes/{envelope_id}/documents/combined?certificate=true").content
    assert (pages_of(unsigned.content), pages_of(signed)) == (1, 2)
    assert b"Signed by Ruth Keller on 2026-07-03" in signed
    assert SIGNED_DEAL.name.encode() in signed


# === LISTS === #


def test_pages_cover_everything_once(vendor, client):
    RIG.create(vendor, 5, vendor.clock.now().replace(microsecond=0))
    whole = client.all(order_by="last_modified", order="asc")
    assert [row["envelopeId"] for row in client.all(order_by="last_modified", order="asc", count=3)] == [
        row["envelopeId"] for row in whole]
    assert {row["envelopeId"] for row in whole} == RIG.ids(vendor)
    stamps = [row["lastModifiedDateTime"] for row in whole]
    assert stamps == sorted(stamps)
    page = client.list(count=3, start_position=3).json()
    assert (page["resultSetSize"], page["startPosition"], page["endPosition"], page["totalSetSize"]) == (
        "3", "3", "5", "8")
    assert "start_position=6" in page["nextUri"]
    assert "start_position=0" in page["previousUri"]


def test_a_window_ends_at_to_date_and_an_empty_one_has_no_envelopes(vendor, client):
    moment = vendor.clock.now()
    vendor.clock.forward(60)
    RIG.create(vendor)
    until = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert len(client.all(to_date=until)) == 3
    (row,) = client.all(from_date=until)
    assert row["status"] == "sent"
    empty = client.list(from_date="2027-01-01").json()
    assert "envelopes" not in empty
    assert empty["totalSetSize"] == "0"


@pytest.mark.parametrize(("params", "found"), [
    ({"status": "completed"}, 1), ({"status": "Completed,DECLINED"}, 2), ({"status": "any"}, 3),
    ({"from_to_status": "declined"}, 1), ({"from_to_status": "completed", "status": "sent"}, 0),
    ({"from_to_status": "sent"}, 3), ({"custom_field": "odoo_sow=555005"}, 1), ({"custom_field": "odoo_sow=5550%"}, 2),
    ({"custom_field": "other=555005"}, 0), ({"transaction_ids": "abc"}, 0),
])
def test_filters(client, params, found):
    assert len(client.all(**params)) == found


@pytest.mark.parametrize("params", [
    {"from_date": ""}, {"from_date": "yesterday"}, {"count": "0"}, {"count": "1001"}, {"start_position": "-1"},
    {"status": "signed_off"}, {"from_to_status": "modified"}, {"order_by": "age"}, {"order": "up"},
    {"include": "everything"}, {"page": "2"}, {"custom_field": "odoo_sow"}, {"to_date": "2026-13-01"},
])
def test_lists_that_are_refused(client, params):
    answer = client.list(**params)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_REQUEST_PARAMETER")


def test_many_ids_at_once(vendor, client):
    ids = sorted(RIG.ids(vendor))
    body = {"envelopeIds": [ids[0], "00000000-0000-4000-8000-000000000000"]}
    assert client.call("PUT", "envelopes/status", json=body).status_code == 400
    good, bad = client.call("PUT", "envelopes/status?envelope_ids=request_body", json=body).json()["envelopes"]
    assert (good["envelopeId"], bad["errorDetails"]["errorCode"]) == (ids[0], "ENVELOPE_DOES_NOT_EXIST")
    listed = client.call("GET", "envelopes", params={"envelope_ids": ",".join(ids[:2])}).json()["envelopes"]
    assert [row["envelopeId"] for row in listed] == ids[:2]


def test_what_happens_at_the_vendor_shows(vendor, client):
    first, second = sorted(RIG.ids(vendor))[:2]
    mark = RIG.touch(vendor, first)
    assert client.call("GET", f"envelopes/{first}").json()["emailSubject"] == mark
    RIG.delete(vendor, second)
    assert second not in RIG.ids(vendor)
    assert [row["envelopeId"] for row in client.all(status="deleted")] == [second]
    vendor.app.store.remove(first)
    assert client.call("GET", f"envelopes/{first}").status_code == 404


def test_void(vendor, client):
    (envelope_id,) = RIG.create(vendor)
    assert client.call("PUT", f"envelopes/{envelope_id}", json={"status": "voided"}).status_code == 400
    body = {"status": "voided", "voidedReason": "Wrong price"}
    assert client.call("PUT", f"envelopes/{envelope_id}", json=body).status_code == 200
    assert client.call("GET", f"envelopes/{envelope_id}").json()["voidedReason"] == "Wrong price"
    assert client.call("PUT", f"envelopes/{envelope_id}", json=body).status_code == 400


# === LOGIN === #


def error(answer):
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("audience", ["account-d.docusign.com", "127.0.0.1"])
def test_jwt_audiences(client, audience):
    answer = client.token(grant_type=JWT_BEARER, assertion=client.assertion(aud=audience))
    assert (answer.status_code, answer.json()["expires_in"], "refresh_token" in answer.json()) == (200, 3600, False)


@pytest.mark.parametrize("claims", [
    {"aud": "https://account-d.docusign.com"}, {"iss": "x"}, {"sub": "x"}, {"exp": 1}, {"iat": None},
    {"exp": int(time.time()) + 90_000}, {"scope": "signature"},
])
def test_assertions_that_are_refused(client, claims):
    assert error(client.token(grant_type=JWT_BEARER, assertion=client.assertion(**claims)))[0] == 400


def test_a_foreign_signature_is_refused(client):
    head, claims, mark = client.assertion().split(".")
    forged = base64.urlsafe_b64encode(json.dumps({"iss": "x"}).encode()).rstrip(b"=").decode()
    for assertion in (f"{head}.{forged}.{mark}", f"{head}.{claims}.{mark[::-1]}", "nothing", ""):
        assert error(client.token(grant_type=JWT_BEARER, assertion=assertion)) == (400, "invalid_grant")


def test_consent_is_needed_and_can_be_taken_back(vendor, client):
    RIG.revoke(vendor)
    assert client.list().status_code == 401
    assert error(client.token(grant_type=JWT_BEARER, assertion=client.assertion())) == (400, "consent_required")
    assert error(client.basic(grant_type="refresh_token", refresh_token=client.known["refresh_token"])) == (
        400, "invalid_grant")
    consent(client, scope="signature impersonation")
    client.login()
    assert client.list().status_code == 200


def consent(client, **query):
    answer = requests.get(f"{client.url}/oauth/auth", timeout=5, allow_redirects=False, params={
        "response_type": "code", "scope": "signature extended", "client_id": client.known["client_id"],
        "redirect_uri": "https://erp.example.com/callback?db=x", "state": "s", **query})
    return answer if answer.status_code != 302 else parse_qs(urlsplit(answer.headers["Location"]).query)


def test_authorization_code_and_rotating_refresh_tokens(vendor, client):
    back = consent(client)
    assert (back["state"], back["db"]) == (["s"], ["x"])
    code = {"grant_type": "authorization_code", "code": back["code"][0]}
    assert error(client.token(**code)) == (401, "invalid_client")
    first = client.basic(**code).json()
    assert first["expires_in"] == 28_800
    assert error(client.basic(**code)) == (400, "invalid_grant")
    second = client.basic(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert error(client.basic(grant_type="refresh_token", refresh_token=first["refresh_token"])) == (
        400, "invalid_grant")
    client.access = second["access_token"]
    assert client.list().status_code == 200
    RIG.expire(vendor)
    assert client.list().status_code == 401
    assert consent(client, client_id="x").status_code == 400
    assert consent(client, scope="all").status_code == 400
    assert error(client.basic(grant_type="password")) == (400, "unsupported_grant_type")


def test_userinfo_names_the_default_account(client):
    answer = requests.get(f"{client.url}/oauth/userinfo", timeout=5,
                          headers={"Authorization": f"Bearer {client.access}"}).json()
    (account,) = [row for row in answer["accounts"] if row["is_default"]]
    assert (account["account_id"], account["base_uri"]) == (client.known["account_id"], client.url)
    assert len(answer["accounts"]) == 2
    assert requests.get(f"{client.url}/oauth/userinfo", timeout=5).status_code == 401
    wrong = client.call("GET", f"envelopes?from_date={ALL}", account=answer["accounts"][0]["account_id"])
    assert wrong.status_code == 403


def test_a_missing_right(vendor, client):
    assert RIG.narrow(vendor) == "envelope"
    assert client.list().status_code == 403


def test_the_log_holds_no_secret(vendor, client):
    client.basic(grant_type="refresh_token", refresh_token=client.known["refresh_token"])
    consent(client)
    text = str(vendor.log())
    assert "/oauth/token" in text
    for secret in (client.access, client.known["client_secret"], client.known["refresh_token"], "BEGIN PRIVATE KEY"):
        assert secret not in text


# === FAULTS, LOAD === #


@pytest.mark.parametrize(("kind", "code"), [
    ("hourly_limit", "HOURLY_APIINVOCATION_LIMIT_EXCEEDED"), ("burst_limit", "BURST_APIINVOCATION_LIMIT_EXCEEDED"),
    ("polling_limit", "Hourly_Envelope_Polling_Limit_Exceeded"),
])
def test_limits_come_as_400_too(vendor, client, kind, code):
    vendor.faults.add(kind, path="/envelopes")
    answer = client.list()
    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) % 3600 == 0
    assert client.list().headers["X-RateLimit-Remaining"] != "0"
    vendor.faults.add("rate_limited")
    assert client.list().status_code == 429


def test_faults_of_pages(vendor, client):
    vendor.faults.add("duplicate_rows")
    assert len(client.list().json()["envelopes"]) == 4
    straight = client.list().json()["envelopes"]
    vendor.faults.add("reordered_page")
    assert client.list().json()["envelopes"] == straight[::-1]
    vendor.faults.add("endless_paging", times=2)
    first, again = (client.list(start_position=position).json() for position in (0, 3))
    assert first["envelopes"] == again["envelopes"]
    assert int(again["endPosition"]) + 1 < int(again["totalSetSize"])
    vendor.faults.add("expired_token")
    assert client.list().status_code == 401


def test_a_hundred_thousand_envelopes_page_fast():
    vendor = start(vendor="docusign", records=100_000)
    try:
        client, began = Client(vendor), time.monotonic()
        rows = client.all(order_by="last_modified", order="asc", count=1000, to_date="2026-07-03T05:00:00Z")
        assert len({row["envelopeId"] for row in rows}) == 100_003
        assert time.monotonic() - began < 30
    finally:
        vendor.stop()


# === CONNECT === #


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
    (envelope_id,) = RIG.create(vendor)
    client.call("PUT", f"envelopes/{envelope_id}", json={"status": "voided", "voidedReason": "No"})
    until(lambda: listener.got)
    ((headers, body),) = listener.got
    assert (json.loads(body)["event"], "envelopeSummary" in json.loads(body)["data"]) == ("envelope-voided", False)
    assert (headers["X-DocuSign-Signature-1"], "X-DocuSign-Signature-2" in headers) == (signature("k", body), False)
    wrong = {"url": listener.url, "events": ["envelope-lost"]}
    assert requests.post(f"{client.url}/_sandbox/webhooks", json=wrong, timeout=5).status_code == 400


def test_the_rigs_delivery_and_vectors(vendor):
    (envelope_id,) = RIG.create(vendor)
    request = RIG.delivery(vendor, [envelope_id])
    assert request.headers["x-docusign-signature-2"] == signature("ds-connect-key-2=", request.body)
    for secrets, _settings, sent, _now, accepted in RIG.vectors():
        keys = [key for values in secrets for key in values.values() if key]
        marks = [value for name, value in sent.headers.items() if name.startswith("X-DocuSign-Signature-")]
        assert any(signature(key, sent.body) == mark for key in keys for mark in marks) is accepted
