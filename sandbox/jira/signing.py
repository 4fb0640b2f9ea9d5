"""One webhook request of each vendor: body, headers, signature. The sender and the tests make it here alike.

The moment of a signature is the machine's time, not that of the moved clock: receivers compare it with their own.
"""

import hashlib
import hmac
import json
import uuid
from datetime import datetime, timezone

from .stamps import milliseconds, tempo_text

TEMPO_EVENTS = {"Created": "worklog.created", "Updated": "worklog.updated", "Deleted": "worklog.deleted"}
JIRA_EVENTS = {"Created": "worklog_created", "Updated": "worklog_updated", "Deleted": "worklog_deleted"}


def _bytes(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def tempo_signature(secret, body, stamp):
    """Return the hex signature of a body (bytes) with its timestamp (text) behind it."""
    return hmac.new(secret.encode(), body + stamp.encode(), hashlib.sha256).hexdigest()


def jira_signature(secret, body):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def tempo_request(row, action, secret, cloud_id, moment=None):
    """Return ``(body, headers)`` by which Tempo tells of one worklog; the work attributes are not in it."""
    moment = moment or datetime.now(timezone.utc)
    stamp = moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    body = _bytes({"eventId": str(uuid.uuid4()), "eventType": TEMPO_EVENTS[action], "payload": {
        "tempoWorklogId": row.id, "issue": {"id": row.issue_id}, "author": {"accountId": row.author},
        "updater": {"accountId": row.updater}, "timeSpentSeconds": row.seconds, "billableSeconds": row.billable,
        "startDate": row.day.isoformat(), "startTime": row.start, "description": row.note,
        "createdAt": tempo_text(row.created).replace("Z", ".000Z"),
        "updatedAt": tempo_text(row.updated).replace("Z", ".000Z")}})
    return body, {"Content-Type": "application/json; charset=utf-8", "Tempo-Timestamp": stamp,
                  "Tempo-Signature": tempo_signature(secret, body, stamp), "Tempo-Jira-Client-Key": cloud_id,
                  "Tempo-Tenant-ID": cloud_id}


def jira_request(event, content, secret, moment=None):
    """Return ``(body, headers)`` of an admin webhook. :param content: ``{"worklog": {...}}`` in Jira's form"""
    moment = moment or datetime.now(timezone.utc)
    body = _bytes({"timestamp": milliseconds(moment), "webhookEvent": event, **content})
    return body, {"Content-Type": "application/json; charset=utf-8", "X-Hub-Signature": jira_signature(secret, body),
                  "x-atlassian-webhook-identifier": str(uuid.uuid4()), "x-atlassian-webhook-flow": "Primary"}
