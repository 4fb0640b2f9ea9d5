from datetime import datetime, timezone

import pytest
from lxml import etree
from wire_server import request_of

from connectors import get
from connectors.base import HINT
from connectors.errors import PoisonError, SignatureError
from connectors.salesforce.ids import to_18

CONNECTOR = get("salesforce")
ORG = "00D5g00000AbCdEEAV"
DEAL = "0065g00000Lm9QrAAJ"
NOW = datetime(2026, 7, 3, tzinfo=timezone.utc)


def notification(number, record_id=DEAL, kind="Opportunity"):
    return (f"<Notification><Id>{to_18(f'04l5g00000{number:05d}')}</Id><sObject xsi:type=\"sf:{kind}\" "
            'xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
            f"<sf:Id>{record_id}</sf:Id><sf:IsWon>true</sf:IsWon></sObject></Notification>")


def message(*notifications, org=ORG, prolog='<?xml version="1.0" encoding="UTF-8"?>'):
    return (f'{prolog}<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
            '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{org}</OrganizationId><ActionId>04k5g00000Ac1MmAAJ</ActionId>"
            f'<SessionId xsi:nil="true"/>{"".join(notifications)}</notifications></soapenv:Body></soapenv:Envelope>'
            ).encode()


def verify(body, org=ORG):
    return CONNECTOR.verify_webhook([], {"organization_id": org}, request_of(body, {"Content-Type": "text/xml"}), NOW)


def test_a_notification_is_a_hint_to_read_the_record_again():
    delivery = verify(message(notification(1)))
    ((code, record),) = delivery.records
    assert code == "opportunity"
    assert (record.object_type, record.external_id, record.operation) == ("Opportunity", DEAL, HINT)
    assert "IsWon" not in str(record.raw)


def test_up_to_a_hundred_notifications_and_no_more():
    assert len(verify(message(*(notification(number) for number in range(100)))).records) == 100
    with pytest.raises(PoisonError):
        verify(message(*(notification(number) for number in range(101))))
    with pytest.raises(PoisonError):
        verify(message())


def test_the_same_delivery_has_the_same_id_whatever_its_order():
    first = verify(message(notification(1), notification(2)))
    again = verify(message(notification(2), notification(1)))
    assert first.delivery_id == again.delivery_id
    assert first.delivery_id != verify(message(notification(3))).delivery_id
    assert {record.version for _code, record in first.records} == {record.version for _code, record in again.records}


def test_short_and_long_organization_ids_are_the_same_org():
    assert verify(message(notification(1), org=ORG[:15])).records
    assert verify(message(notification(1)), org=ORG[:15]).records
    assert verify(message(notification(1, record_id=DEAL[:15]))).records[0][1].external_id == DEAL


@pytest.mark.parametrize("configured", ["", "00D5g00000AbCdFEAV", "00d5g00000abcdeeav"])
def test_another_org_and_an_unset_org_are_refused(configured):
    with pytest.raises(SignatureError):
        verify(message(notification(1)), org=configured)


def test_package_objects_reach_their_streams():
    delivery = verify(message(notification(1, "0035g00000Rs7TuAAJ", "Contact")))
    assert {(code, record.object_type) for code, record in delivery.records} == {
        ("contact", "Contact"), ("resource", "Contact#resource")}
    delivery = verify(message(notification(1, "a2S5g00000Ts2DdEAJ", "pse__Timecard__c")))
    assert delivery.records[0][0] == "timecard"
    assert verify(message(notification(1, kind="Lead"))).records == []


BOMB = ('<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>')
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>'
REMOTE = '<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd">'


@pytest.mark.parametrize("prolog", [BOMB, OUTSIDE, REMOTE, "<!doctype html>"])
def test_document_types_are_refused(prolog):
    with pytest.raises(SignatureError):
        verify(message(notification(1, record_id="&c;" if "lolz" in prolog else DEAL), prolog=prolog))


def test_a_document_type_in_another_encoding_is_refused_too():
    prolog = OUTSIDE.replace('"1.0"', '"1.0" encoding="UTF-16"')
    body = message(notification(1), prolog=prolog).decode().encode("utf-16")
    with pytest.raises(SignatureError):
        verify(body)


@pytest.mark.parametrize("body", [
    b"", b"{}", b"<a", b"<a/>", b"\x00\x01", b"a=b&c=d",
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"/>',
])
def test_what_is_no_outbound_message_is_refused(body):
    with pytest.raises(SignatureError):
        verify(body)


def test_our_orgs_message_without_ids_is_poison():
    with pytest.raises(PoisonError):
        verify(message("<Notification><Id>x</Id></Notification>"))
    with pytest.raises(PoisonError):
        verify(message(notification(1, record_id="")))


def test_a_very_deep_document_is_refused():
    with pytest.raises(SignatureError):
        verify(b"<a>" * 5000 + b"</a>" * 5000)


def test_the_acknowledgement_is_what_the_vendor_waits_for():
    reply = CONNECTOR.webhook_reply(verify(message(notification(1))))
    assert (reply.status, reply.content_type.partition(";")[0]) == (200, "text/xml")
    root = etree.fromstring(reply.body)
    assert root.findtext(".//{http://soap.sforce.com/2005/09/outbound}Ack") == "true"
