"""Webhooks of both services at one address: each is known by its signature header and checked with its own secret.

Neither body is taken for the record. Tempo's lacks attributes and approval, Jira's tells of issues as they were when
the webhook was sent: what comes out are hints to read the record again. Jira's own worklog events name Jira's ids, from
which Tempo's cannot be told; they say nothing here, Tempo's events do.
"""

import hashlib

from .. import jsontext
from ..base import HINT, RawRecord, WebhookDelivery
from ..errors import PoisonError, SignatureError
from ..signatures import check_signature, secrets_of
from .declaration import ISSUE, PROJECT, USER, WORKLOG

#: ``{beginning of Jira's event: (stream, object type, key in the body, key of the id)}``
_JIRA_EVENTS = {"jira:issue_": ("issue", ISSUE, "issue", "id"), "project_": ("project", PROJECT, "project", "id"),
                "user_": ("user", USER, "user", "accountId")}


def verify(secrets, request):
    """Return the :class:`~connectors.base.WebhookDelivery` of a request of either service."""
    headers = request.headers
    if signature := headers.get("Tempo-Signature", ""):
        message, code = request.body + headers.get("Tempo-Timestamp", "").encode(), "tempo_webhook_secret"
        read = _tempo
    else:
        name, _equals, signature = headers.get("X-Hub-Signature", "").partition("=")
        message, code, read = request.body, "jira_webhook_secret", _jira
        if name.strip().lower() != "sha256":
            raise SignatureError("The request carries no signature of Tempo or Jira", "unsigned")
    check_signature(secrets_of(secrets, code), message, [signature.strip().lower()])
    try:
        body = jsontext.loads(request.body)
        delivery_id, found = read(body, headers)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PoisonError("The webhook is signed but cannot be read", "webhook_body") from error
    delivery_id = str(delivery_id or hashlib.sha256(request.body).hexdigest())
    return WebhookDelivery(delivery_id, [
        (stream, RawRecord(object_type, str(external_id), delivery_id, {"event": delivery_id}, HINT))
        for stream, object_type, external_id in found])


def _tempo(body, headers):
    is_worklog = body["eventType"].startswith("worklog.")
    found = [("worklog", WORKLOG, body["payload"]["tempoWorklogId"])] if is_worklog else []
    return body.get("eventId"), found


def _jira(body, headers):
    found = [(stream, object_type, body[key][id_key]) for event, (stream, object_type, key, id_key)
             in _JIRA_EVENTS.items() if body["webhookEvent"].startswith(event)]
    return headers.get("x-atlassian-webhook-identifier"), found
