"""Webhooks: signature version 3, and events that only say which record to read again."""

import hashlib
import json
import re
from datetime import datetime, timezone
from urllib.parse import unquote

from .. import jsontext
from ..base import HINT, MERGE, RawRecord, WebhookDelivery
from ..cursor import format_instant
from ..errors import PoisonError, SignatureError
from ..signatures import base64_digest, check_age, check_signature, secrets_of
from .declaration import STREAMS, TYPE_IDS

#: The codes that HubSpot decodes in the address before it signs; all others stay as they were called.
_DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_OBJECT_TYPES = {stream.code: stream.object_type for stream in STREAMS if stream.webhook}


def _message(method, url, body, timestamp):
    address = _DECODED.sub(lambda match: unquote(match[0]), url)
    return method.upper().encode() + address.encode() + body + timestamp.encode()


def sign(secret, method, url, body, timestamp):
    """Return the signature (base64) of a request. :param body: bytes; :param timestamp: milliseconds, as text"""
    return base64_digest(secret, _message(method, url, body, timestamp))


def _verify(secrets, request, now):
    given = request.headers.get("X-HubSpot-Signature-v3") or ""
    timestamp = request.headers.get("X-HubSpot-Request-Timestamp") or ""
    if not given or not re.fullmatch(r"[0-9]{1,15}", timestamp):
        raise SignatureError("The delivery carries no signature of version 3", "signature")
    check_signature(secrets_of(secrets, "webhook_secret"),
                    _message(request.method, request.url, request.body, timestamp), [given], base64_digest)
    check_age(int(timestamp) / 1000, now)


def read(secrets, settings, request, now):
    """Return the :class:`~connectors.base.WebhookDelivery` of a request.

    :raise SignatureError: not signed by the app, or too long ago; :raise PoisonError: not a list of events
    """
    _verify(secrets, request, now)
    try:
        events = jsontext.loads(request.body.decode())
        if not isinstance(events, list):
            raise TypeError("not a list")
        ours = [event for event in events if str(event["portalId"]) == (settings.get("portal_id") or "").strip()]
        records = dict.fromkeys((code, *entry) for event in ours for code, *entry in _entries(event))
        ids = sorted(json.dumps(_key(event)) for event in events)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError) as error:
        raise PoisonError("The delivery is not a list of HubSpot's events", "events") from error
    return WebhookDelivery(hashlib.sha256("\n".join(ids).encode()).hexdigest(), [
        (code, RawRecord(_OBJECT_TYPES[code], record_id, version, {"winner": winner} if winner else {},
                         MERGE if winner else HINT)) for code, record_id, version, winner in records])


def _key(event):
    """What makes an event the same at each attempt."""
    return [str(event.get(name)) for name in (
        "portalId", "eventId", "subscriptionType", "eventType", "objectId", "fromObjectId", "toObjectId",
        "propertyName", "occurredAt")]


def _entries(event):
    """Yield ``(stream code, record id, version, winner or "")`` for an event; nothing for objects that are not read."""
    name, _dot, happening = (event.get("subscriptionType") or event["eventType"]).partition(".")
    code = TYPE_IDS.get(str(event.get("objectTypeId"))) if name == "object" else name
    if code not in _OBJECT_TYPES:
        return
    version = format_instant(datetime.fromtimestamp(int(event["occurredAt"]) / 1000, timezone.utc))
    if happening == "merge":
        winner = _id(event.get("newObjectId") or event["primaryObjectId"])
        losers = {_id(loser) for loser in (*event["mergedObjectIds"], event["primaryObjectId"])} - {winner}
        yield from ((code, loser, version, winner) for loser in sorted(losers))
        yield code, winner, version, ""
    elif happening != "associationChange" or event.get("fromObjectId"):
        yield code, _id(event["fromObjectId"] if happening == "associationChange" else event["objectId"]), version, ""


def _id(value):
    """Return an id as text. :raise ValueError: it is none"""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]+", str(value)):
        raise ValueError("not an id")
    return str(value)
