"""Envelopes: what is stored, how it changes, and how it looks as JSON. All numbers go out as texts."""

import threading
import uuid
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from . import pdf

SPACE = uuid.UUID("3f1c0b9e-0000-4000-8000-000000000000")
#: statuses that an envelope does not leave any more
FINAL = ("completed", "declined", "voided", "deleted")
STAMPS = ("created", "sent", "delivered", "signed", "completed", "declined", "voided", "deleted", "timedout",
          "processing")


def text_of(moment):
    """Return the moment with seven digits behind the second, as DocuSign writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


@dataclass(slots=True)
class Envelope:
    """:param stamps: ``{status: moment}``; :param fields: ``{custom field name: text}``"""

    id: str
    subject: str
    status: str
    changed: object
    modified: object
    signer: tuple
    sender: object
    stamps: dict
    fields: dict = field(default_factory=dict)
    reason: str = ""


class Store:
    """All envelopes of the account, with an index by status change.

    :ivar listeners: ``f(event name, envelope)`` after each change
    """

    def __init__(self, clock, sender):
        self.clock, self.sender = clock, sender
        self.lock = threading.RLock()
        self.rows, self.by_change, self.listeners = {}, [], []
        self._searched = (None, [])

    # === CHANGES === #

    def load(self, number, subject, fields, signer, created):
        """Add an envelope that was sent at ``created`` without telling anybody, and return it."""
        row = Envelope(str(uuid.uuid5(SPACE, str(number))), subject, "sent", created, created, signer, self.sender,
                       {"created": created, "sent": created}, fields)
        self.rows[row.id] = row
        self.by_change.append((created, row.id))
        return row

    def create(self, number, subject, fields, signer, moment=None):
        """Send an envelope."""
        with self.lock:
            row = self.load(number, subject, fields, signer, moment or self.clock.now())
            self.by_change.pop()
            insort(self.by_change, (row.changed, row.id))
            self._tell("envelope-sent", row)
        return row

    def move(self, envelope_id, status, moment=None, reason=""):
        """Give an envelope another status.

        :raise ValueError: it has a status that it cannot leave
        """
        moment = moment or self.clock.now()
        with self.lock:
            row = self.rows[envelope_id]
            if row.status in FINAL and status != "deleted":
                raise ValueError(f"an envelope that is {row.status} cannot become {status}")
            row.status, row.reason = status, reason
            row.stamps[status] = moment
            if status == "completed":
                row.stamps.setdefault("delivered", moment)
            self._restamp(row, moment)
            self._tell(f"envelope-{status}", row)
        return row

    def correct(self, envelope_id, subject, moment=None):
        """Change the subject and send the envelope again."""
        with self.lock:
            row = self.rows[envelope_id]
            row.subject = subject
            self._restamp(row, moment or self.clock.now())
            self._tell("envelope-corrected", row)
        return row

    def remove(self, envelope_id):
        """Take an envelope away without a trace, as retention rules do."""
        with self.lock:
            row = self.rows.pop(envelope_id)
            del self.by_change[bisect_left(self.by_change, (row.changed, row.id))]
            self._searched = (None, [])

    def _restamp(self, row, moment):
        del self.by_change[bisect_left(self.by_change, (row.changed, row.id))]
        row.changed = row.modified = moment
        insort(self.by_change, (moment, row.id))

    def _tell(self, event, row):
        self._searched = (None, [])
        for listener in self.listeners:
            listener(event, row)

    # === READING === #

    def searched(self, key, search):
        """Return what ``search()`` finds; the last search's result is kept for its next pages."""
        if self._searched[0] != key:
            self._searched = (key, search())
        return self._searched[1]

    def between(self, first, last, status="changed"):
        """Return the envelopes whose status event lies in ``[first, last]``; None is open."""
        if status == "changed":
            low = bisect_left(self.by_change, (first, "")) if first else 0
            high = bisect_right(self.by_change, (last, "~")) if last else len(self.by_change)
            return [self.rows[envelope_id] for _moment, envelope_id in self.by_change[low:high]]
        return [row for row in self.rows.values() if status in row.stamps
                and (not first or row.stamps[status] >= first) and (not last or row.stamps[status] <= last)]


# === JSON === #


def view(row, include=()):
    """Return an envelope as JSON. :param include: set of ``recipients``, ``custom_fields``, ``documents``"""
    path = f"/envelopes/{row.id}"
    answer = {
        "envelopeId": row.id, "status": row.status, "emailSubject": row.subject, "envelopeUri": path,
        "recipientsUri": f"{path}/recipients", "customFieldsUri": f"{path}/custom_fields",
        "documentsUri": f"{path}/documents", "documentsCombinedUri": f"{path}/documents/combined",
        "certificateUri": f"{path}/documents/summary", "statusChangedDateTime": text_of(row.changed),
        "lastModifiedDateTime": text_of(row.modified), "purgeState": "unpurged", "is21CFRPart11": "false",
        "sender": {"userName": row.sender.name, "email": row.sender.email},
        **{f"{status}DateTime": text_of(moment) for status, moment in row.stamps.items()},
    }
    if row.status == "voided":
        answer["voidedReason"] = row.reason
    if "recipients" in include:
        answer["recipients"] = recipients(row)
    if "custom_fields" in include:
        answer["customFields"] = custom_fields(row)
    if "documents" in include:
        answer["envelopeDocuments"] = documents(row)
    return answer


def recipients(row):
    name, email = row.signer
    signer = {"recipientId": "1", "routingOrder": "1", "name": name, "email": email, "recipientType": "signer",
              "status": row.status if row.status in ("completed", "declined", "delivered") else "sent",
              "sentDateTime": text_of(row.stamps["sent"])}
    if row.status == "completed":
        signer["signedDateTime"] = text_of(row.stamps["completed"])
    if row.status == "declined":
        signer.update(declinedDateTime=text_of(row.stamps["declined"]), declinedReason=row.reason)
    return {"signers": [signer], "agents": [], "editors": [], "intermediaries": [], "carbonCopies": [],
            "certifiedDeliveries": [], "inPersonSigners": [], "seals": [], "witnesses": [], "recipientCount": "1",
            "currentRoutingOrder": "1"}


def custom_fields(row):
    return {"textCustomFields": [
        {"fieldId": str(10_233 + place), "name": name, "show": "false", "required": "false", "value": value}
        for place, (name, value) in enumerate(row.fields.items())], "listCustomFields": []}


def documents(row):
    return [{"documentId": "1", "name": f"{row.subject}.pdf", "type": "content", "order": "1",
             "uri": f"/envelopes/{row.id}/documents/1"},
            {"documentId": "certificate", "name": "Summary", "type": "summary", "order": "999",
             "uri": f"/envelopes/{row.id}/documents/certificate"}]


def document(row, certificate):
    """Return the PDF: the document, with a signature once it is completed, and the certificate when asked for."""
    name, email = row.signer
    done = row.stamps.get("completed")
    signed = f"Signed by {name} on {done.date().isoformat()}" if done else "Not signed"
    pages = [["Statement of work", row.subject, signed]]
    if certificate:
        pages.append(["Certificate of completion", f"Envelope {row.id}", f"Status: {row.status}", f"{name}, {email}"])
    return pdf.make(pages)
