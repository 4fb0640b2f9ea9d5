"""Outbound Messages: what is sent, when it is repeated, and what an acknowledgement is."""
# ruff: noqa: S314 - the XML is what the stand-in itself sent

import threading
import time
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sandbox_helpers import Client

from sandbox.server import start

SOAP = "http://soap.sforce.com/2005/09/outbound"
OBJECT = "urn:sobject.enterprise.soap.sforce.com"
ACK = ('<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
       f'<notificationsResponse xmlns="{SOAP}"><Ack>%s</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>')


class Listener(BaseHTTPRequestHandler):
    """Keeps what it is sent and answers from the server's list of answers, then with an Ack."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.server.answers.pop(0) if self.server.answers else (200, ACK % "true")
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format, *args):
        pass


@pytest.fixture
def listener():
    server = HTTPServer(("127.0.0.1", 0), Listener)
    server.bodies, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def sandbox():
    running = start(scale="tiny", outbound_retry_seconds=0.01)
    yield running
    running.stop()
    assert running.errors == []


def settle(client):
    """Wait until nothing is left to deliver and return the deliveries."""
    deadline = time.monotonic() + 10
    while client.control("GET", "outbound")["waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return client.control("GET", "outbound")["deliveries"]


def won_deals(client):
    return [record["Id"] for record in client.records("SELECT Id FROM Opportunity WHERE IsWon = true ORDER BY Id")]


def test_one_batch_with_the_fields_asked_for(sandbox, listener):
    client = Client(sandbox)
    client.control("POST", "outbound", url=listener.url, object="Opportunity",
                   fields=["IsWon", "Name", "SystemModstamp"])
    ids = won_deals(client)
    client.control("POST", "outbound/send", object="Opportunity", ids=ids)
    assert [entry["acknowledged"] for entry in settle(client)] == [True]
    root = ElementTree.fromstring(listener.bodies[0])
    assert root.find(f".//{{{SOAP}}}OrganizationId").text == client.credentials["organization_id"]
    notes = root.findall(f".//{{{SOAP}}}Notification")
    assert [note.find(f".//{{{OBJECT}}}Id").text for note in notes] == ids
    assert all(note.find(f"{{{SOAP}}}Id").text.startswith("04l") for note in notes)
    first = notes[0].find(f"{{{SOAP}}}sObject")
    assert [child.tag.rpartition("}")[2] for child in first] == ["Id", "IsWon", "Name", "SystemModstamp"]
    assert first.find(f"{{{OBJECT}}}IsWon").text == "true"


def test_repeated_until_acknowledged_with_the_same_notification_ids(sandbox, listener):
    client = Client(sandbox)
    listener.answers += [(500, ""), (200, ACK % "false"), (200, "no xml"), (202, ACK % "true")]
    client.control("POST", "outbound", url=listener.url, object="Opportunity")
    client.control("POST", "outbound/send", object="Opportunity", ids=won_deals(client)[:1])
    deliveries = settle(client)
    assert [entry["attempt"] for entry in deliveries] == [1, 2, 3, 4, 5]
    assert [entry["acknowledged"] for entry in deliveries] == [False] * 4 + [True]
    assert len({tuple(entry["notifications"]) for entry in deliveries}) == 1


def test_large_sends_are_cut_into_hundreds_and_copies_are_the_same(sandbox, listener):
    client = Client(sandbox)
    client.control("POST", "outbound", url=listener.url, object="pse__Timecard__c")
    ids = [record["Id"] for record in client.records("SELECT Id FROM pse__Timecard__c")] * 2
    assert client.control("POST", "outbound/send", object="pse__Timecard__c", ids=ids) == {"batches": 2}
    assert client.control("POST", "outbound/send", object="pse__Timecard__c", ids=ids[:1], copies=2) == {"batches": 2}
    deliveries = settle(client)
    assert [len(entry["records"]) for entry in deliveries] == [100, 60, 1, 1]
    assert deliveries[2]["notifications"] == deliveries[3]["notifications"]


def test_a_write_can_send_and_another_organisation_can_be_played(sandbox, listener):
    client = Client(sandbox)
    client.control("POST", "outbound", url=listener.url, object="Account", fields=["Name"], on_change=True)
    client.call("POST", "sobjects/Account", json={"Name": "Tom & Jerry <Ltd>"})
    client.call("POST", "composite/sobjects", json={"allOrNone": True, "records": [
        {"attributes": {"type": "Account"}, "Name": "rolled back"}, {"attributes": {"type": "Account"}}]})
    settle(client)
    assert len(listener.bodies) == 1
    assert ElementTree.fromstring(listener.bodies[0]).find(f".//{{{OBJECT}}}Name").text == "Tom & Jerry <Ltd>"
    account = client.records("SELECT Id FROM Account LIMIT 1")[0]["Id"]
    client.control("POST", "outbound/send", object="Account", ids=[account], organization_id="00D5g00000AbCdEEAV")
    settle(client)
    assert b"<OrganizationId>00D5g00000AbCdEEAV<" in listener.bodies[1]


def test_given_up_after_the_last_attempt(sandbox, listener):
    client = Client(sandbox)
    sandbox.app.outbound.attempts = 3
    listener.answers += [(503, "")] * 5
    client.control("POST", "outbound", url=listener.url, object="Opportunity")
    client.control("POST", "outbound/send", object="Opportunity", ids=won_deals(client)[:1])
    assert [entry["outcome"] for entry in settle(client)] == ["503", "503", "503"]
