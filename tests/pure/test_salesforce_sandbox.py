"""The connectors against the stand-in, which is written from the vendors' documentation and not from this client."""

import contextlib
import http.server
import queue
import threading
from datetime import datetime, timezone

import pytest
from default_map import to_canonical
from vendor_rig import CERTINIA, OWNERS, SALESFORCE, connect, read_run, rows
from wire_server import request_of

from connectors import jsontext
from connectors.base import DELETE, HINT, MERGE
from connectors.errors import (
    ConnectionRefusedByVendor,
    ConnectorError,
    MissingScopeError,
    PoisonError,
    QuotaError,
    TransientError,
)
from connectors.salesforce import auth, declaration
from connectors.salesforce.client import client_of
from sandbox.server import start


@pytest.fixture
def vendor():
    sandbox = start("tiny")
    yield sandbox
    sandbox.stop()
    assert sandbox.errors == []


# --- login ---


@pytest.mark.parametrize("method", [declaration.JWT, declaration.CLIENT_CREDENTIALS])
def test_logins_without_a_person(vendor, method):
    session = connect(vendor, method)
    client_of(session).call("GET", "/limits")
    assert auth.organization_id(session.tokens.token) == vendor.credentials["organization_id"]
    vendor.app.authority.expire()
    client_of(session).call("GET", "/limits")
    assert session.tokens.refreshes == 2


def test_consent_and_a_refresh_token_that_rotates(vendor):
    import base64
    import hashlib
    from urllib.parse import parse_qs, urlsplit

    session = connect(vendor, declaration.WEB_SERVER)
    session.credentials.pop("private_key")
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = SALESFORCE.authorize_url(session.settings, session.credentials, "https://odoo.example/cb", "s1", challenge)
    answer = session.transport._http.get(url, allow_redirects=False)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["state"] == ["s1"]
    token = SALESFORCE.exchange_code(session, query["code"][0], "https://odoo.example/cb", verifier)
    first = token.rotated["refresh_token"]
    session.tokens.token = token
    session.tokens.credentials["refresh_token"] = first
    vendor.app.authority.expire()
    client_of(session).call("GET", "/limits")
    assert session.tokens.credentials["refresh_token"] != first
    with pytest.raises(ConnectionRefusedByVendor, match="connect again"):
        auth.authenticate(session, {**session.credentials, "refresh_token": first})
    # The reuse ended the whole family, as the vendor does: only a new consent helps.
    vendor.app.authority.expire()
    with pytest.raises(ConnectionRefusedByVendor):
        client_of(session).call("GET", "/limits")


def test_a_revoked_consent_is_final(vendor):
    session = connect(vendor)
    client_of(session).call("GET", "/limits")
    vendor.app.control("POST", "revoke", {})
    with pytest.raises(ConnectionRefusedByVendor):
        client_of(session).call("GET", "/limits")


@pytest.mark.parametrize("change", [{"client_id": "x"}, {"username": "nobody@x.example"}])
def test_wrong_credentials(vendor, change):
    session = connect(vendor)
    session.tokens.credentials.update(change)
    with pytest.raises(ConnectionRefusedByVendor):
        client_of(session).call("GET", "/limits")


# --- reading ---


@pytest.mark.parametrize(("code", "table", "condition"), [
    ("account", "Account", lambda row: True),
    ("contact", "Contact", lambda row: not row.get("pse__Is_Resource__c")),
    ("resource", "Contact", lambda row: row.get("pse__Is_Resource__c")),
    ("user", "User", lambda row: True),
    ("opportunity", "Opportunity", lambda row: True),
    ("project", "pse__Proj__c", lambda row: not row.get("pse__Is_Template__c")),
    ("assignment", "pse__Assignment__c", lambda row: True),
    ("milestone", "pse__Milestone__c", lambda row: True),
    ("timecard", "pse__Timecard__c", lambda row: True),
    ("expense", "pse__Expense__c", lambda row: True),
])
@pytest.mark.parametrize("settings", [{}, {"bulk_threshold": "1"}], ids=["rest", "bulk"])
def test_every_record_once_in_both_ways(vendor, code, table, condition, settings):
    records, cursor = read_run(connect(vendor, **settings), code)
    ids = [record.external_id for record in records]
    assert len(ids) == len(set(ids))
    assert set(ids) == rows(vendor, table, condition)
    assert {record.object_type for record in records} == {OWNERS[code][1].object_type}
    assert cursor["rows"]["until"] == ""
    used_bulk = any("/jobs/query" in entry["target"] for entry in vendor.log())
    assert used_bulk is bool(settings)


def test_bulk_and_rest_become_the_same_canonical_records(vendor):
    for code, (owner, stream) in OWNERS.items():
        both = []
        for settings in ({}, {"bulk_threshold": "1"}):
            records, _cursor = read_run(connect(vendor, **settings), code)
            both.append({
                part.external_id: (record.version, to_canonical(owner, stream, part.raw))
                for record in records
                for part in owner.split(stream, jsontext.loads(jsontext.dumps(record.raw)), record.external_id)})
        assert both[0] == both[1], code
        assert both[0], code


def test_deals_carry_their_lines(vendor):
    records, _cursor = read_run(connect(vendor), "opportunity")
    lines = [line["Id"] for record in records for line in record.raw["OpportunityLineItems"]]
    assert set(lines) == rows(vendor, "OpportunityLineItem")
    assert len(lines) == len(set(lines))


def test_the_second_act_is_read_as_it_happened(vendor):
    session = connect(vendor)
    cursors = {code: read_run(session, code)[1] for code in ("account", "timecard")}
    assert vendor.advance()["played"]
    expected = vendor.manifest["second_act"]
    vendor.clock.forward(120)
    session = connect(vendor)
    records, cursors["timecard"] = read_run(session, "timecard", cursors["timecard"])
    deleted = {record.external_id for record in records if record.operation == DELETE}
    assert deleted == {item["split"] for item in expected["delete_after_billing"]["items"]}
    changed = {record.external_id: record.raw for record in records if record.operation != DELETE}
    for edit in expected["late_edit"]["items"]:
        (part,) = CERTINIA.split(OWNERS["timecard"][1], changed[edit["split"]], edit["split"])
        assert f"{part.raw['day']['hours']:.2f}" == edit["hours_after"]
        assert f"{part.raw['day']['amount']:.2f}" == edit["amount_after"]
    merges = {record.external_id: record.raw["winner"] for record in read_run(session, "account", cursors["account"])[0]
              if record.operation == MERGE}
    assert merges == {item["loser"]: item["winner"] for item in expected["merge"]["items"]}
    vendor.clock.forward(3600)
    again, cursors["timecard"] = read_run(connect(vendor), "timecard", cursors["timecard"])  # the overlap
    keys = [{(record.external_id, record.version, record.operation) for record in found} for found in (records, again)]
    assert keys[1] <= keys[0]
    vendor.clock.forward(3600)
    assert read_run(connect(vendor), "timecard", cursors["timecard"])[0] == []


def test_single_records(vendor):
    session = connect(vendor)
    owner, stream = OWNERS["timecard"]
    known = sorted(rows(vendor, "pse__Timecard__c"))[:3]
    records = owner.fetch_records(session, stream, [known[0], f"{known[1]}:2026-06-29", known[2], "a2S5g00000ZZZZZEAJ"])
    assert [record.operation for record in records].count(DELETE) == 1
    assert {record.external_id for record in records} >= set(known)


# --- faults ---


@pytest.mark.parametrize(("kind", "options", "expected"), [
    ("rate_limited", {"retry_after": 4}, TransientError), ("maintenance", {"retry_after": 4}, TransientError),
    ("server_error", {}, TransientError), ("drop", {}, TransientError), ("empty_406", {}, TransientError),
    ("edge_420", {}, TransientError), ("cut_body", {}, TransientError), ("hang", {"seconds": 3}, TransientError),
    ("concurrency_exceeded", {}, TransientError), ("quota_exceeded", {}, QuotaError),
    ("wrong_encoding", {}, PoisonError),
])
def test_each_fault_is_the_class_that_the_engine_expects(vendor, kind, options, expected):
    session = connect(vendor)
    read_run(session, "account")
    vendor.faults.add(kind, path="/query", **options)
    with pytest.raises(expected) as caught:
        read_run(session, "account")
    if "retry_after" in options:
        assert caught.value.retry_after == options["retry_after"]
    assert len(read_run(session, "account")[0]) == len(rows(vendor, "Account"))


@pytest.mark.parametrize("kind", ["duplicate_rows", "reordered_page"])
def test_pages_with_doubles_or_out_of_order_lose_nothing(vendor, kind):
    vendor.faults.add(kind, times=3, path="/query/")
    records, _cursor = read_run(connect(vendor), "timecard")
    assert {record.external_id for record in records} == rows(vendor, "pse__Timecard__c")


def test_an_expired_token_in_the_middle_is_renewed(vendor):
    session = connect(vendor)
    for skip in (1, 3):
        vendor.faults.add("expired_token", path="/query", skip=skip)
    records, _cursor = read_run(session, "timecard")
    assert {record.external_id for record in records} == rows(vendor, "pse__Timecard__c")
    assert session.tokens.refreshes == 3


def test_hidden_fields_and_objects_are_named(vendor):
    vendor.app.control("POST", "hide", {"object": "Account", "fields": ["VAT_Number__c"]})
    records, _cursor = read_run(connect(vendor), "account")
    assert records
    assert "VAT_Number__c" not in records[0].raw
    vendor.app.control("POST", "hide", {"object": "pse__Expense__c"})
    with pytest.raises(MissingScopeError, match="pse__Expense__c"):
        read_run(connect(vendor), "expense")
    checks = {check.code: check for check in CERTINIA.check(connect(vendor))}
    assert not checks["expense"].ok
    assert checks["expense"].blocks == ("expense",)
    assert checks["timecard"].ok
    assert all(check.blocks for check in checks.values() if not check.ok)
    assert checks["record_billing_status:pse__Expense__c"].ok


def test_the_connection_test_is_green_on_a_complete_org(vendor):
    for owner in (SALESFORCE, CERTINIA):
        assert [check.message for check in owner.check(connect(vendor)) if not check.ok] == []


def test_the_connection_test_says_why_a_login_fails(vendor):
    session = connect(vendor, declaration.CLIENT_CREDENTIALS)
    session.tokens.credentials["client_secret"] = "wrong"
    (check,) = SALESFORCE.check(session)
    assert not check.ok
    assert "secret" in check.message
    other = connect(vendor, organization_id="00D5g00000AbCdEEAV")
    assert [check.code for check in SALESFORCE.check(other) if not check.ok] == ["organization"]


def test_an_outage_during_the_connection_test_says_nothing_about_rights(vendor):
    vendor.faults.add("maintenance", path="/query")
    with pytest.raises(TransientError):
        SALESFORCE.check(connect(vendor))


def test_reading_stops_before_the_quota_is_gone(vendor):
    vendor.app.control("POST", "settings", {"daily_limit": 12})
    session = connect(vendor)
    with pytest.raises(QuotaError):
        for _number in range(20):
            read_run(session, "account")
    assert session.memory["quota"]["used"] < 12


# --- outbound messages ---


@contextlib.contextmanager
def receiver(organization_id):
    """A webhook address that answers as the hub does, and keeps what it got."""
    got = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                delivery = SALESFORCE.verify_webhook(
                    [], {"organization_id": organization_id}, request_of(body, self.headers),
                    datetime.now(timezone.utc))
            except ConnectorError as error:
                got.put(error)
                self.send_error(401)
                return
            reply = SALESFORCE.webhook_reply(delivery)
            got.put(delivery)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        server.server_close()


def test_outbound_messages_are_understood_and_acknowledged(vendor):
    deals = sorted(rows(vendor, "Opportunity"))
    with receiver(vendor.credentials["organization_id"]) as (url, got):
        vendor.app.control("POST", "outbound", {"url": url, "object": "Opportunity", "fields": ["IsWon"]})
        vendor.app.control("POST", "outbound/send", {"object": "Opportunity", "ids": deals, "copies": 2})
        first, second = got.get(timeout=5), got.get(timeout=5)
        assert {record.external_id for _code, record in first.records} == set(deals)
        assert {record.operation for _code, record in first.records} == {HINT}
        assert first.delivery_id == second.delivery_id
        vendor.app.control("POST", "outbound/send", {"object": "Opportunity", "ids": deals[:1],
                                                     "organization_id": "00D5g00000AbCdEEAV"})
        assert isinstance(got.get(timeout=5), ConnectorError)
    session = connect(vendor)
    owner, stream = OWNERS["opportunity"]
    fetched = owner.fetch_records(session, stream, [record.external_id for _code, record in first.records])
    assert {record.external_id for record in fetched} == set(deals)


def test_nothing_secret_is_logged(vendor, caplog):
    with caplog.at_level("DEBUG", logger="connectors"):
        session = connect(vendor)
        read_run(session, "account")
        client_of(session).call("GET", "/limits")
    known = vendor.credentials
    assert session.tokens.token.data["access_token"] not in caplog.text
    assert known["consumer_secret"] not in caplog.text
    assert "assertion" not in caplog.text
