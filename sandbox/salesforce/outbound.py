"""Outbound Messages: the organisation POSTs SOAP to registered URLs until each batch is acknowledged.

As in Salesforce: a message carries the record's latest state at the time of sending, is repeated until an Ack comes,
may arrive twice, and is not signed. Retry intervals are shortened to fit a test.
"""

import queue
import threading
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from .ids import make

_BATCH = 100
_OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
_ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{organization}</OrganizationId>
   <ActionId>{action}</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>{url}/services/Soap/c/62.0/{organization15}</EnterpriseUrl>
   <PartnerUrl>{url}/services/Soap/u/62.0/{organization15}</PartnerUrl>
{notifications}
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>"""


class Endpoint:
    """A registered action: which fields of which object go where."""

    def __init__(self, id_, url, object_name, fields, on_change):
        self.id, self.url, self.object, self.fields, self.on_change = id_, url, object_name, fields, on_change


class OutboundMessages:
    """Sends notifications from a thread of its own.

    :param store: :class:`Store`; :param url: this organisation's URL
    :param retry_seconds: pause before the first repetition; it doubles up to 40 times that
    :param attempts: how often a batch is sent before it is dropped
    """

    def __init__(self, store, organization_id, url, retry_seconds=0.2, attempts=8):
        self.store, self.organization_id, self.url = store, organization_id, url
        self.retry_seconds, self.attempts = retry_seconds, attempts
        self.endpoints, self.deliveries = [], []
        self._notified = 0
        self._queue = queue.Queue()
        self._stop = threading.Event()
        self._thread = None
        store.listeners.append(self._changed)

    # === REGISTERING AND SENDING === #

    def register(self, url, object, fields=(), on_change=False):
        """Register an endpoint; ``on_change`` sends at every write of such a record.

        :raise ValueError: unknown object or field
        """
        table = self.store.tables.get(object.lower())
        if table is None or not all(table.spec.field(name) for name in fields):
            raise ValueError(f"unknown object or field: {object} {list(fields)}")
        endpoint = Endpoint(make("04k", len(self.endpoints) + 1), url, table.spec.name, tuple(fields), on_change)
        self.endpoints.append(endpoint)
        return {"id": endpoint.id, "object": endpoint.object}

    def send(self, object, ids, copies=1, organization_id=None):
        """Queue notifications of records to all endpoints of their object and return how many batches.

        :param copies: send the same notifications (same ids) this many times
        :param organization_id: pretend to be another organisation
        """
        batches = 0
        for endpoint in self.endpoints:
            if endpoint.object.lower() != object.lower():
                continue
            for start in range(0, len(ids), _BATCH):
                notifications = [(self._next_id(), id_) for id_ in ids[start:start + _BATCH]]
                for _copy in range(copies):
                    self._put(endpoint, notifications, organization_id or self.organization_id)
                    batches += 1
        return {"batches": batches}

    def status(self):
        """Return endpoints and deliveries as JSON."""
        return {"endpoints": [{"id": endpoint.id, "url": endpoint.url, "object": endpoint.object}
                              for endpoint in self.endpoints], "deliveries": list(self.deliveries),
                "waiting": self._queue.unfinished_tasks}

    def clear(self):
        self.endpoints.clear()
        self.deliveries.clear()

    def close(self):
        self._stop.set()
        if self._thread:
            self._queue.put(None)
            self._thread.join(timeout=5)

    def _next_id(self):
        self._notified += 1
        return make("04l", self._notified)

    def _changed(self, name, row):
        for endpoint in self.endpoints:
            if endpoint.on_change and endpoint.object == name and not row.get("IsDeleted"):
                self._put(endpoint, [(self._next_id(), row["Id"])], self.organization_id)

    def _put(self, endpoint, notifications, organization_id):
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="outbound messages", daemon=True)
            self._thread.start()
        self._queue.put((endpoint, notifications, organization_id, 1))

    # === DELIVERY === #

    def _run(self):
        while (job := self._queue.get()) is not None:
            endpoint, notifications, organization_id, attempt = job
            outcome, acknowledged = self._post(endpoint, notifications, organization_id)
            self.deliveries.append({"endpoint": endpoint.id, "attempt": attempt, "outcome": outcome,
                                    "acknowledged": acknowledged, "records": [id_ for _note, id_ in notifications],
                                    "notifications": [note for note, _id in notifications]})
            if not acknowledged and attempt < self.attempts and not self._stop.wait(
                    self.retry_seconds * min(2 ** (attempt - 1), 40)):
                self._queue.put((endpoint, notifications, organization_id, attempt + 1))
            self._queue.task_done()

    def _post(self, endpoint, notifications, organization_id):
        """Return ``(outcome text, acknowledged)`` of one attempt."""
        body = self.envelope(endpoint, notifications, organization_id).encode()
        request = urllib.request.Request(endpoint.url, body, {  # noqa: S310 - the URL is a tester's own
            "Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                answer, status = response.read(65_536), response.status
            ack = ElementTree.fromstring(answer).find(f".//{{{_OUTBOUND}}}Ack")  # noqa: S314
            return str(status), status == 200 and ack is not None and (ack.text or "").strip() == "true"
        except urllib.error.HTTPError as error:
            return str(error.code), False
        except (OSError, ElementTree.ParseError) as error:
            return type(error).__name__, False

    def envelope(self, endpoint, notifications, organization_id):
        """Return the SOAP text of a batch with the records' present state."""
        table = self.store.tables[endpoint.object.lower()]
        parts = []
        with self.store.lock:
            for note, id_ in notifications:
                row = table.rows.get(id_, {"Id": id_})
                parts.append(
                    f'   <Notification>\n    <Id>{note}</Id>\n    <sObject xsi:type="sf:{endpoint.object}" '
                    f'xmlns:sf="urn:sobject.enterprise.soap.sforce.com">\n{_fields(table, row, endpoint.fields)}\n'
                    "    </sObject>\n   </Notification>")
        return _ENVELOPE.format(organization=organization_id, organization15=organization_id[:15],
                                action=endpoint.id, url=self.url, notifications="\n".join(parts))


def _fields(table, row, names):
    lines = []
    for name in ("Id", *[name for name in names if name != "Id"]):
        spec = table.spec.field(name)
        value = row.get(spec.name, spec.default)
        if value is None:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        lines.append(f"     <sf:{spec.name}>{escape(str(value).replace('+0000', 'Z'))}</sf:{spec.name}>")
    return "\n".join(lines)
