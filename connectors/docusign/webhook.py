"""Connect messages: who signed them, and which envelope they speak of.

Keys are texts: they look like base64 and must not be decoded. What a message says of the envelope is not used, since
messages come late and out of order: the envelope is listed again.
"""

import base64
import hashlib
import hmac
import re

from .. import jsontext
from ..base import HINT, RawRecord, WebhookDelivery
from ..errors import PoisonError, SignatureError

#: Events after which an agreement may be another one than before.
_EVENTS = frozenset({
    "envelope-sent", "envelope-delivered", "envelope-completed", "envelope-declined", "envelope-voided",
    "envelope-corrected", "envelope-deleted", "envelope-discard",
})
_HEADER = "x-docusign-signature-"
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


def read(secrets, settings, request, stream):
    """Return the :class:`~connectors.base.WebhookDelivery` of a Connect message.

    :param secrets: ``[{credential code: key}]``; any key fits any of the signature headers
    :raise SignatureError: not signed, or with another key
    :raise PoisonError: signed, but not a JSON message of one event
    """
    _check_signature([key for values in secrets for key in values.values() if key], request)
    event, sent_at, data = _parse(request.body)
    told = [str(data.get(name) or "") for name in ("accountId", "envelopeId", "recipientId")]
    account = (settings.get("account_id") or "").strip().lower()
    delivery_id = hashlib.sha256("|".join([event, sent_at, *told]).encode()).hexdigest()
    if event not in _EVENTS or (account and told[0].lower() != account):
        return WebhookDelivery(delivery_id, [])
    if not _ID.fullmatch(told[1]):
        raise PoisonError("The message names no envelope", "envelope_id")
    record = RawRecord(stream.object_type, told[1], f"{sent_at} {event}".strip(), {"event": event}, HINT)
    return WebhookDelivery(delivery_id, [(stream.code, record)])


def _check_signature(keys, request):
    given = [value.strip().encode() for name, value in request.headers.items() if name.lower().startswith(_HEADER)]
    if not given:
        raise SignatureError("The message is not signed: switch on “Include HMAC Signature” in Connect", "unsigned")
    for key in keys:
        expected = base64.b64encode(hmac.digest(key.encode(), request.body, "sha256"))
        if any(hmac.compare_digest(expected, signature) for signature in given):
            return
    raise SignatureError("The message is signed with another key", "signature")


def _parse(body):
    """Return ``(event, when it was generated, data)``."""
    if body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        raise PoisonError("Connect sends XML: set its data format to JSON (REST v2.1) and its delivery mode to Send "
                          "Individual Messages (SIM)", "xml_body")
    try:
        message = jsontext.loads(body)
    except ValueError as error:
        raise PoisonError("The message is not JSON", "not_json") from error
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict) or not message.get("event"):
        raise PoisonError("The message is not one of a single event: set the delivery mode of Connect to Send "
                          "Individual Messages (SIM) with data format JSON", "not_sim")
    return str(message["event"]), str(message.get("generatedDateTime") or ""), message["data"]
