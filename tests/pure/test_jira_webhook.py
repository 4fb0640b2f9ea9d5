import hashlib
import hmac
import json
from datetime import datetime, timezone

import pytest
from wire_server import request_of

from connectors import get
from connectors.base import HINT
from connectors.errors import PoisonError, SignatureError

CONNECTOR = get("jira")
NOW = datetime(2026, 7, 3, tzinfo=timezone.utc)
SECRETS = [{"jira_webhook_secret": "jira-key", "tempo_webhook_secret": "tempo-one\ntempo-two"}]
STAMP = "2026-07-03T05:59:00.000Z"


def sign(secret, message):
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def tempo(body, secret="tempo-one", stamp=STAMP, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request_of(raw, {"tempo-timestamp": stamp, "tempo-signature": sign(secret, raw + stamp.encode()), **headers})


def jira(body, secret="jira-key", identifier="delivery-1", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request_of(raw, {"X-Hub-Signature": f"sha256={sign(secret, raw)}",
                            "X-Atlassian-Webhook-Identifier": identifier, **headers})


def verify(request, secrets=SECRETS):
    return CONNECTOR.verify_webhook(secrets, {}, request, NOW)


def event(kind="worklog.updated", **payload):
    payload = {"tempoWorklogId": 551, "billableSeconds": 9000, **payload}
    return {"eventId": "event-1", "eventType": kind, "payload": payload}


@pytest.mark.parametrize("kind", ["worklog.created", "worklog.updated", "worklog.deleted"])
def test_tempos_event_is_a_hint_to_read_the_worklog_again(kind):
    delivery = verify(tempo(event(kind)))
    ((code, record),) = delivery.records
    assert (code, record.object_type, record.external_id, record.operation) == ("worklog", "Worklog", "551", HINT)
    assert delivery.delivery_id == "event-1"
    assert "9000" not in str(record.raw)


def test_the_message_signed_is_the_body_and_then_the_time():
    raw = b'{"eventId":"e","eventType":"plan.created","payload":{}}'
    signature = hmac.new(b"tempo-one", raw + b"2026-07-03T05:59:00.000Z", hashlib.sha256).hexdigest()
    request = request_of(raw, {"Tempo-Timestamp": STAMP, "Tempo-Signature": signature.upper()})
    assert verify(request).records == []
    swapped = hmac.new(b"tempo-one", STAMP.encode() + raw, hashlib.sha256).hexdigest()
    with pytest.raises(SignatureError):
        verify(request_of(raw, {"Tempo-Timestamp": STAMP, "Tempo-Signature": swapped}))


def test_each_subscription_may_have_its_own_secret_and_a_former_one_counts_during_rotation():
    assert verify(tempo(event(), "tempo-two")).records
    former = [{"tempo_webhook_secret": "new"}, {"tempo_webhook_secret": "tempo-one"}]
    assert verify(tempo(event()), former).records


@pytest.mark.parametrize("request_", [
    tempo(event(), "wrong"), tempo(event(), "jira-key"), jira({"webhookEvent": "jira:issue_updated"}, "tempo-one"),
    tempo(event(), "tempo-one", **{"Tempo-Timestamp": "2026-07-03T06:00:00.000Z"}),
    request_of(b"{}", {"X-Hub-Signature": "sha1=00"}), request_of(b"{}", {"X-Hub-Signature": "sha256="}),
    request_of(b"{}"),
    request_of(b"{}", {"Tempo-Signature": "ü"}), tempo(event(), ""),
])
def test_a_request_without_a_matching_signature_is_refused(request_):
    with pytest.raises(SignatureError):
        verify(request_)


@pytest.mark.parametrize("secrets", [[], [{}], [{"jira_webhook_secret": ""}], [{"tempo_webhook_secret": " \n"}]])
def test_without_a_secret_nothing_is_taken(secrets):
    for request in (tempo(event(), ""), jira({"webhookEvent": "jira:issue_updated", "issue": {"id": "1"}}, "")):
        with pytest.raises(SignatureError):
            verify(request, secrets)


def test_a_body_that_was_changed_is_refused():
    request = tempo(event())
    with pytest.raises(SignatureError):
        verify(request_of(request.body.replace(b"551", b"552"), request.headers))


@pytest.mark.parametrize(("body", "expected"), [
    ({"webhookEvent": "jira:issue_updated", "issue": {"id": "10077"}}, ("issue", "Issue", "10077")),
    ({"webhookEvent": "jira:issue_deleted", "issue": {"id": "10077"}}, ("issue", "Issue", "10077")),
    ({"webhookEvent": "project_updated", "project": {"id": 10001}}, ("project", "Project", "10001")),
    ({"webhookEvent": "user_updated", "user": {"accountId": "712020:a"}}, ("user", "User", "712020:a")),
    ({"webhookEvent": "worklog_updated", "worklog": {"id": "9", "issueId": "10077"}}, None),
    ({"webhookEvent": "comment_created", "issue": {"id": "1"}}, None),
])
def test_jiras_events(body, expected):
    delivery = verify(jira(body))
    assert [(code, record.object_type, record.external_id) for code, record in delivery.records] == (
        [expected] if expected else [])
    assert delivery.delivery_id == "delivery-1"
    assert {record.version for _code, record in delivery.records} <= {"delivery-1"}


def test_a_delivery_without_an_id_is_known_by_its_bytes():
    body = {"webhookEvent": "jira:issue_updated", "issue": {"id": "1"}}
    first, again = verify(jira(body, identifier="")), verify(jira(body, identifier=""))
    assert first.delivery_id == again.delivery_id != verify(jira({**body, "timestamp": 2}, identifier="")).delivery_id


@pytest.mark.parametrize("request_", [
    tempo(b"{"), tempo(b"[]"), tempo({"eventType": "worklog.updated", "payload": {}}), tempo({"eventType": 3}),
    jira(b""), jira({"webhookEvent": "jira:issue_updated"}), jira({"webhookEvent": "project_updated", "project": None}),
])
def test_signed_but_unreadable_is_poison(request_):
    with pytest.raises(PoisonError):
        verify(request_)


def test_the_activation_is_answered_with_its_own_text_and_nothing_else_is():
    ask = request_of(b"", method="GET", query={"randomString": "abc123"})
    reply = CONNECTOR.webhook_challenge({}, ask)
    assert (reply.status, reply.body, reply.content_type.partition(";")[0]) == (200, b"abc123", "text/plain")
    assert CONNECTOR.webhook_challenge({}, request_of(b"", method="GET")) is None
    assert CONNECTOR.webhook_challenge({}, request_of(b"", method="POST", query={"randomString": "abc"})) is None
