"""Webhook: the signature over time and body, then a hint to read again; the snapshot in an event is not believed.

Endpoints have a version of their own and order is not kept, so that only the id of what an event tells of is used.
"""

from .. import jsontext
from ..base import HINT, RawRecord, WebhookDelivery
from ..errors import PoisonError, SignatureError
from ..signatures import check_age, check_signature, secrets_of
from .reader import named_by


def _check_signature(secrets, header, body, now):
    pairs = [part.partition("=") for part in header.split(",")]
    times = [value.strip() for name, _equals, value in pairs if name.strip() == "t"]
    signatures = [value.strip() for name, _equals, value in pairs if name.strip() == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 12 or not signatures:
        raise SignatureError("The delivery carries no Stripe signature", "signature_header")
    check_signature(secrets, times[0].encode() + b"." + body, signatures)
    check_age(int(times[0]), now)


def verify(secrets, request, now, streams):
    """Return the :class:`~connectors.base.WebhookDelivery` of an event.

    :param secrets: list of ``{"webhook_secret": text}``
    :param streams: the connector's streams
    :raise SignatureError: not signed by one of the secrets; :raise PoisonError: signed, but not an event
    """
    _check_signature(secrets_of(secrets, "webhook_secret"), request.headers.get("Stripe-Signature") or "",
                     request.body, now)
    try:
        event = jsontext.loads(request.body)
    except ValueError as error:
        raise PoisonError("The delivery is not JSON", "not_json") from error
    if not isinstance(event, dict) or event.get("object") != "event" or not isinstance(event.get("id"), str):
        kind = event.get("object") if isinstance(event, dict) else None
        raise PoisonError("The delivery is a thin event: let the endpoint send snapshot events"
                          if kind == "v2.core.event" else "The delivery is not an event", "not_an_event")
    # An event with an account is a connected account's: its objects are not ours to read.
    found = None if event.get("account") else named_by(event)
    records = [(stream.code, RawRecord(stream.object_type, found[1], event["id"], {"event": event["id"]}, HINT))
               for stream in streams if found and stream.code == found[0]]
    return WebhookDelivery(event["id"], records)
