"""The stand-in of DocuSign: envelopes, lists, documents, faults."""

import re
import time

import pytest
import requests
from docusign_client import SIGNED_DEAL, Client, reference, serving
from rigs.docusign import RIG

from sandbox import studio
from sandbox.server import start


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


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


def test_pages_cover_everything_once(vendor, client):
    RIG.make(vendor, 5, vendor.clock.now().replace(microsecond=0))
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
    RIG.make(vendor)
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
    (envelope_id,) = RIG.make(vendor)
    assert client.call("PUT", f"envelopes/{envelope_id}", json={"status": "voided"}).status_code == 400
    body = {"status": "voided", "voidedReason": "Wrong price"}
    assert client.call("PUT", f"envelopes/{envelope_id}", json=body).status_code == 200
    assert client.call("GET", f"envelopes/{envelope_id}").json()["voidedReason"] == "Wrong price"
    assert client.call("PUT", f"envelopes/{envelope_id}", json=body).status_code == 400


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
