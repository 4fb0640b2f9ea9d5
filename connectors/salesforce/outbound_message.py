"""Outbound messages: SOAP notifications that are taken as a hint only.

The body shows the record in the fields that an administrator picked, and it is not signed. So nothing of it is believed
but the ids: the record is read again. The vendor repeats a message until it is acknowledged.
"""

import hashlib
import re

from lxml import etree

from ..base import HINT, RawRecord, WebhookDelivery, WebhookReply
from ..errors import PoisonError, SignatureError
from .ids import is_id, to_18

_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_SOBJECT = "{urn:sobject.enterprise.soap.sforce.com}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_MAX_NOTIFICATIONS = 100
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)

_ACK = (b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
        b"</notificationsResponse></soapenv:Body></soapenv:Envelope>")


def _parse(body):
    """Return the ``notifications`` element; document types, entities and external references are refused.

    :raise SignatureError: not an outbound message
    """
    if _DOCTYPE.search(body.replace(b"\x00", b"")):
        raise SignatureError("An outbound message has no document type", "doctype")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
                             huge_tree=False, recover=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SignatureError("The body is not XML", "not_xml") from error
    if root.getroottree().docinfo.doctype:
        raise SignatureError("An outbound message has no document type", "doctype")
    found = root.find(f"{_ENVELOPE}Body/{_OUTBOUND}notifications") if root.tag == f"{_ENVELOPE}Envelope" else None
    if found is None:
        raise SignatureError("The body is not an outbound message", "not_outbound")
    return found


def read(body, organization_id, streams):
    """Return the :class:`~connectors.base.WebhookDelivery` of an outbound message.

    :param body: raw bytes
    :param organization_id: the org that may send (15 or 18 characters); empty: nobody may
    :param streams: ``{object name: [(stream code, object type)]}``
    :raise SignatureError: another org's, or not an outbound message
    :raise PoisonError: our org's, but without the ids that are promised
    """
    notifications = _parse(body)
    sender = (notifications.findtext(f"{_OUTBOUND}OrganizationId") or "").strip()
    if not organization_id or not is_id(sender) or sender[:15] != organization_id.strip()[:15]:
        raise SignatureError("The message comes from another organization", "organization")
    entries = notifications.findall(f"{_OUTBOUND}Notification")
    if not 1 <= len(entries) <= _MAX_NOTIFICATIONS:
        raise PoisonError("The message has no notification, or too many", "notifications")
    records, ids = [], []
    for entry in entries:
        notification_id = (entry.findtext(f"{_OUTBOUND}Id") or "").strip()
        sobject = entry.find(f"{_OUTBOUND}sObject")
        record_id = (sobject.findtext(f"{_SOBJECT}Id") or "").strip() if sobject is not None else ""
        if not is_id(notification_id) or not is_id(record_id):
            raise PoisonError("A notification names no record", "notification_id")
        name = (sobject.get(_TYPE) or "").rpartition(":")[2]
        ids.append(notification_id)
        records += [(code, RawRecord(object_type, to_18(record_id), to_18(notification_id),
                                     {"notification": notification_id}, HINT))
                    for code, object_type in streams.get(name, ())]
    digest = hashlib.sha256("".join(sorted(ids)).encode()).hexdigest()
    return WebhookDelivery(digest, records)


def acknowledgement():
    return WebhookReply(200, _ACK, "text/xml; charset=utf-8")
