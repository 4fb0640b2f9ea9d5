import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from mini_portal import CONNECTOR
from wire_server import request_of

from connectors.base import HINT, MERGE
from connectors.errors import PoisonError, SignatureError, StaleSignatureError
from connectors.hubspot.webhook import sign

DOCUMENTED = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
SINGLE_QUOTES = b"{'example_field':'example_value'}"
HOOK = "https://www.example.com/webhook_uri"
OWN = "hs-test-secret-001"
OURS = "https://erp.example.test/integration/hubspot/webhook"
TIME = "1790000001000"
CHANGE = {"eventId": 9001, "subscriptionId": 77, "portalId": 424242, "appId": 1313, "occurredAt": 1790000000000,
          "subscriptionType": "object.propertyChange", "attemptNumber": 0, "objectId": 555000111, "objectTypeId": "0-3",
          "propertyName": "dealstage", "propertyValue": "closedwon", "changeSource": "CRM_UI", "sourceId": "userId:1"}
REAL = (b'[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,'
        b'"occurredAt":1752613920733,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED",'
        b'"changeSource":"CRM_UI","sourceId":"userId:76023669"}]')
REAL_SECRET, REAL_TIME = "cfc68c0b-4b4e-4ef8-b764-95350e4ea479", "1752613922216"
REAL_URL, REAL_SIGNATURE = ("https://webhook.site/335453f5-94b3-49d9-b684-a55354d4b8df",
                            "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg=")


def compact(events):
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()


def moment(timestamp):
    return datetime.fromtimestamp(int(timestamp) / 1000, timezone.utc)


def request(body, signature=None, timestamp=TIME, url=OURS, secret=OWN, **headers):
    signature = sign(secret, "POST", url, body, timestamp) if signature is None else signature
    return request_of(body, {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": timestamp, **headers},
                      url=url)


def read(asked, *secrets, now=None, portal="424242"):
    return CONNECTOR.verify_webhook([{"webhook_secret": secret} for secret in secrets or (OWN,)],
                                    {"portal_id": portal}, asked, now or moment(TIME))


def events(*entries):
    found = read(request(compact([{**CHANGE, **entry} for entry in entries])))
    return [(code, record.object_type, record.external_id, record.operation, record.raw)
            for code, record in found.records]


# --- signatures ---


@pytest.mark.parametrize(("secret", "url", "body", "timestamp", "signature"), [
    (DOCUMENTED, HOOK, SINGLE_QUOTES, "1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
    (DOCUMENTED, HOOK, SINGLE_QUOTES, "1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    (REAL_SECRET, REAL_URL, REAL, REAL_TIME, REAL_SIGNATURE),
    (OWN, OURS, compact([CHANGE]), TIME, "1onV1qSr0zKecUhA4DaMCzHkXKeCVhHU1duImZl3FWY="),
    (OWN, OURS + "?c=acme%3A1%2Ceu&x=a%20b", b"[]", TIME, "TtU9/buyr+DgeRbIfMepI9YrlRXVhhSsibeIW1Mqb/w="),
    (OWN, OURS, '[{"propertyValue":"Café Zürich"}]'.encode(), TIME, "7qkp/QEwDewQ+tSUFGyGS3EWKlzxxyTfNSyrPBJc33Y="),
])
def test_version_3_is_signed_as_hubspot_does(secret, url, body, timestamp, signature):
    assert sign(secret, "POST", url, body, timestamp) == signature
    asked = request(body, signature, timestamp, url)
    try:
        read(asked, secret, now=moment(timestamp))
    except PoisonError:  # the signature is good, the body of some of these is no list of events
        assert body in (SINGLE_QUOTES, '[{"propertyValue":"Café Zürich"}]'.encode())
    with pytest.raises(SignatureError):
        read(replace(asked, body=body + b" "), secret, now=moment(timestamp))
    with pytest.raises(SignatureError):
        read(replace(asked, url=url + "x"), secret, now=moment(timestamp))
    with pytest.raises(SignatureError):
        read(replace(asked, method="PUT"), secret, now=moment(timestamp))
    with pytest.raises(SignatureError):
        read(asked, "another", now=moment(timestamp))


def test_a_real_delivery():
    found = read(request(REAL, REAL_SIGNATURE, REAL_TIME, REAL_URL), REAL_SECRET, now=moment(REAL_TIME),
                 portal="48807704")
    ((code, record),) = found.records
    assert (code, record.external_id, record.operation) == ("contact", "138017612137", HINT)
    assert record.version == "2025-07-15T21:12:00.733Z"


def test_only_the_codes_that_hubspot_decodes_are_decoded():
    every = "%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B%3a"
    assert sign(OWN, "POST", f"{OURS}?q={every}%20%26", b"", TIME) == sign(OWN, "POST", f"{OURS}?q=:/?@!$'()*,;:%20%26",
                                                                         b"", TIME)
    undecoded = "mwEUoyGYSDrhQju0HgWeb/7VDqOEoh7uDL3FueXdCQQ="
    with pytest.raises(SignatureError):
        read(request(b"[]", undecoded, url=OURS + "?c=acme%3A1%2Ceu&x=a%20b"))


@pytest.mark.parametrize(("version", "signed"), [
    ("v1", DOCUMENTED.encode() + SINGLE_QUOTES), ("v2", DOCUMENTED.encode() + b"POST" + HOOK.encode() + SINGLE_QUOTES),
])
def test_older_signatures_are_not_enough(version, signed):
    digest = hashlib.sha256(signed).hexdigest()
    assert digest[:8] in ("69fc6631", "4fe4e3a7")  # as documented
    with pytest.raises(SignatureError, match="version 3"):
        read(request_of(SINGLE_QUOTES, {"X-HubSpot-Signature": digest, "X-HubSpot-Signature-Version": version},
                        url=HOOK), DOCUMENTED)
    mixed = request(SINGLE_QUOTES, digest, url=HOOK)
    with pytest.raises(SignatureError):
        read(mixed, DOCUMENTED)


@pytest.mark.parametrize(("seconds", "accepted"), [(0, True), (300, True), (300.001, False), (-300, True),
                                                   (-300.001, False), (86400, False)])
def test_five_minutes_either_way(seconds, accepted):
    asked, now = request(compact([CHANGE])), moment(TIME) + timedelta(seconds=seconds)
    if accepted:
        assert read(asked, now=now).records
    else:
        with pytest.raises(StaleSignatureError):
            read(asked, now=now)


@pytest.mark.parametrize("timestamp", ["", "17900000010x0", "-1790000001000", "1790000001000.0", "١٧٩", "9" * 16])
def test_a_time_that_is_none(timestamp):
    with pytest.raises(SignatureError):
        read(request(b"[]", timestamp=timestamp))


@pytest.mark.parametrize("signature", ["", "é" * 44, "=", base64.b64encode(bytes(32)).decode(),
                                       hmac.new(OWN.encode(), b"x", hashlib.sha256).hexdigest()])
def test_a_signature_that_is_none(signature):
    with pytest.raises(SignatureError):
        read(request(b"[]", signature))


def test_a_changed_timestamp_is_noticed():
    asked = request(b"[]")
    with pytest.raises(SignatureError):
        read(request(b"[]", asked.headers["X-HubSpot-Signature-v3"], "1790000001001"))


def test_secrets_current_former_and_none():
    asked = request(compact([CHANGE]))
    assert read(asked, "new", OWN).records
    for secrets in ([], [{}], [{"webhook_secret": ""}]):
        with pytest.raises(SignatureError):
            CONNECTOR.verify_webhook(secrets, {"portal_id": "424242"}, asked, moment(TIME))
    with pytest.raises(SignatureError):
        CONNECTOR.verify_webhook([{"webhook_secret": ""}], {}, request(b"[]", secret=""), moment(TIME))
    assert CONNECTOR.webhook_signs_time is True


# --- events ---


def test_events_of_each_kind_are_hints():
    assert events({}) == [("deal", "Deal", "555000111", HINT, {})]
    assert events({"subscriptionType": "company.creation", "objectId": 7},
                  {"subscriptionType": "contact.deletion", "objectId": 8},
                  {"subscriptionType": "contact.privacyDeletion", "objectId": 9},
                  {"subscriptionType": "deal.restore", "objectId": 10},
                  {"subscriptionType": "object.deletion", "objectTypeId": "0-2", "objectId": 11},
                  {"subscriptionType": "object.creation", "objectTypeId": "0-1", "objectId": "12"}) == [
        ("company", "Company", "7", HINT, {}), ("contact", "Contact", "8", HINT, {}),
        ("contact", "Contact", "9", HINT, {}), ("deal", "Deal", "10", HINT, {}),
        ("company", "Company", "11", HINT, {}), ("contact", "Contact", "12", HINT, {})]


def test_the_type_may_stand_in_another_field():
    event = {key: value for key, value in CHANGE.items() if key != "subscriptionType"}
    assert read(request(compact([{**event, "eventType": "deal.propertyChange"}]))).records


def test_an_association_is_a_hint_of_its_own_side():
    entry = {"subscriptionType": "deal.associationChange", "associationType": "DEAL_TO_COMPANY", "fromObjectId": 5,
             "toObjectId": 6, "objectId": None}
    assert events(entry, {**entry, "isPrimaryAssociation": True}) == [("deal", "Deal", "5", HINT, {})]
    assert events({"subscriptionType": "object.associationChange", "objectTypeId": "0-3", "objectId": None}) == []


def test_a_merge_names_the_winner_and_reads_it():
    entry = {"subscriptionType": "company.merge", "primaryObjectId": 1, "mergedObjectIds": [2, 3]}
    assert events(entry) == [("company", "Company", "2", MERGE, {"winner": "1"}),
                             ("company", "Company", "3", MERGE, {"winner": "1"}), ("company", "Company", "1", HINT, {})]
    assert events({**entry, "newObjectId": 9})[:2] == [("company", "Company", "1", MERGE, {"winner": "9"}),
                                                       ("company", "Company", "2", MERGE, {"winner": "9"})]
    assert events({**entry, "newObjectId": 1}) == events(entry)


def test_what_is_not_read_is_ignored():
    assert events({"subscriptionType": "ticket.creation"}, {"subscriptionType": "line_item.propertyChange"},
                  {"subscriptionType": "conversation.newMessage", "objectId": None}, {"objectTypeId": "0-5"},
                  {"objectTypeId": "0-8"}, {"portalId": 1}) == []
    assert read(request(compact([CHANGE])), portal="").records == []


def test_a_hundred_events_are_one_delivery():
    found = read(request(compact([{**CHANGE, "objectId": number, "eventId": number} for number in range(1, 101)])))
    assert len(found.records) == 100


def test_the_same_event_again_has_the_same_names():
    first, again = (read(request(compact([{**CHANGE, "attemptNumber": number}]))) for number in (0, 1))
    assert first.delivery_id == again.delivery_id
    assert first.records == again.records
    other = read(request(compact([{**CHANGE, "occurredAt": 1790000000001}])))
    assert other.delivery_id != first.delivery_id
    assert other.records[0][1].version == "2026-09-21T14:13:20.001Z"


def test_the_order_of_events_does_not_matter():
    early, late = CHANGE, {**CHANGE, "eventId": 9002, "occurredAt": 1790000000500}
    first, second = (read(request(compact(order))) for order in ([early, late], [late, early]))
    assert first.delivery_id == second.delivery_id
    assert {record.version for _code, record in first.records} == {record.version for _code, record in second.records}


@pytest.mark.parametrize("body", [
    b"", b"{}", b"[1]", b"null", b'[{"portalId":424242}]', b"\xff", b"[{}]", compact([{**CHANGE, "objectId": True}]),
    compact([{**CHANGE, "objectId": "1/2"}]), compact([{**CHANGE, "occurredAt": 10 ** 30}]),
    compact([{**CHANGE, "subscriptionType": "deal.merge"}]), compact([{**CHANGE, "subscriptionType": None}]),
])
def test_what_is_signed_but_cannot_be_read(body):
    with pytest.raises(PoisonError):
        read(request(body))
