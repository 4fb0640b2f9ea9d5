"""Reading envelopes: what changed its status, and single ones by id.

Only one list call is used, never a read of a single envelope, which DocuSign allows once in 15 minutes.

The set that is listed moves: an envelope that is signed while pages are read leaves the window, and every offset behind
it is wrong from then on. So a page begins at the time of the last row of the page before, and offsets are only used
among rows of the same time (or when the answer is not in order). The stored cursor is a keyset with ``position``, that
offset, and ``seen``, ``{envelope id: version}`` of what was handed out within the overlap, so that what is read twice
is not handed out, nor its document fetched, again.
"""

import re
from datetime import datetime, timedelta, timezone

from ..base import DELETE, Page, RawRecord
from ..cursor import Keyset, format_instant, parse_instant
from ..errors import DataError, NotFoundError, PoisonError
from .client import client_of
from .declaration import DEFAULT_REFERENCE_FIELD, MAX_PAGE
from .documents import signed_document

#: Where a first run without a lower bound begins: the list wants a date, and there is no envelope before.
EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
#: DocuSign's own rule for looking again: whatever the stream is set to, a run steps back at least so far.
MIN_OVERLAP = timedelta(minutes=15)

_FRACTION = re.compile(r"\.(\d+)")
_TIMES = ("sentDateTime", "completedDateTime", "declinedDateTime", "voidedDateTime")


def stamp(text):
    """Return a time of DocuSign (seven digits of a second) as ISO UTC text with six; texts sort like the moments.

    :raise PoisonError: not a time with zone
    """
    try:
        moment = parse_instant(_FRACTION.sub(lambda found: f".{found[1][:6]:0<6}", text))
    except (TypeError, ValueError) as error:
        raise PoisonError("An envelope has a time that is none", "envelope_time") from error
    return _text(moment)


def _text(moment):
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def version_of(row):
    return stamp(row.get("statusChangedDateTime") or row.get("createdDateTime"))


def _moment(row):
    """Return the time of a row, as exact as the cursor keeps it."""
    return parse_instant(format_instant(parse_instant(version_of(row))))


def _signer(row):
    """Return the signer who signed last, before anybody has signed the one whose turn is last."""
    signers = (row.get("recipients") or {}).get("signers") or [{}]
    return max(signers, key=lambda signer: (
        stamp(signer["signedDateTime"]) if signer.get("signedDateTime") else "",
        int(signer.get("routingOrder") or 0)))


class Reader:
    """Reads envelopes for one session.

    :param object_type: object type of the records handed out
    """

    def __init__(self, session, object_type):
        self.client = client_of(session)
        self.object_type = object_type
        self.reference_field = (session.settings.get("reference_field") or DEFAULT_REFERENCE_FIELD).strip()

    # === PAGES === #

    def page(self, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        overlap = max(timedelta(seconds=int(options.get("overlap_seconds") or 0)), MIN_OVERLAP)
        keyset, position = Keyset.load(cursor), int(cursor.get("position") or 0)
        if not keyset.running:
            since = parse_instant(options["since"]) if options.get("since") else EARLIEST
            keyset, position = keyset.start(self.client.now(), overlap.total_seconds(), since), 0
        rows, total = self.client.envelopes(
            from_date=format_instant(min(keyset.at, keyset.until)), to_date=format_instant(keyset.until),
            order_by="status_changed", order="asc", start_position=position,
            count=min(max(int(options.get("page_size") or MAX_PAGE), 1), MAX_PAGE))
        again = position and rows and rows[-1]["envelopeId"] == keyset.after_id
        if position + len(rows) < total and (again or not rows):
            raise PoisonError("The pages of the list of envelopes lead in a circle", "ENDLESS_PAGING")
        seen, records = dict(cursor.get("seen") or {}), []
        for row in rows:
            if seen.get(row["envelopeId"]) != version_of(row) and (record := self.record(row)):
                records.append(record)
                seen[record.external_id] = record.version
        keyset, position, more = self._advance(keyset, position, rows, total)
        floor = _text(min(keyset.at, (keyset.until or keyset.at) - overlap))
        state = {**keyset.dump(), "position": position,
                 "seen": {id_: version for id_, version in seen.items() if version >= floor}}
        return Page(records, state, more, format_instant(keyset.at))

    @staticmethod
    def _advance(keyset, position, rows, total):
        """Return ``(keyset, position, whether there is more)`` after ``rows``."""
        moments = [_moment(row) for row in rows]
        ordered = moments == sorted(moments)
        # An envelope may be listed for an older change of its status; what is later than the window is the next run's.
        if position + len(rows) >= total or (ordered and moments[-1] > keyset.until):
            return keyset.advance(None, False), 0, False
        last_id = rows[-1]["envelopeId"]
        if ordered and moments[-1] > keyset.at:
            return keyset.advance((moments[-1], last_id), True), 0, True
        return keyset.advance((keyset.at, last_id), True), position + len(rows), True

    def by_ids(self, ids):
        """Return these envelopes as they stand; one that is gone comes back as ``DELETE``."""
        wanted = list(dict.fromkeys(ids))
        rows = []
        for start in range(0, len(wanted), MAX_PAGE):
            rows += self._listed(wanted[start:start + MAX_PAGE])
        found = {row["envelopeId"].lower() for row in rows}
        return [record for row in rows if (record := self.record(row))] + [
            RawRecord(self.object_type, id_, "", {}, DELETE) for id_ in wanted if id_.lower() not in found]

    def _listed(self, ids):
        try:
            rows, total = self.client.envelopes(envelope_ids=",".join(ids), count=len(ids))
        except NotFoundError as error:
            if "ENVELOPE" not in error.code:  # a wrong address knows no envelope either
                raise
            if len(ids) == 1:
                return []
            middle = len(ids) // 2
            return self._listed(ids[:middle]) + self._listed(ids[middle:])
        if len(rows) < total:
            raise PoisonError("The list of envelopes is shorter than it says", "list_answer")
        return rows

    # === RECORDS === #

    def reference(self, row):
        """Return what the envelope is about; empty: it is none of ours."""
        fields = (row.get("customFields") or {}).get("textCustomFields") or ()
        return next((str(entry.get("value") or "").strip() for entry in fields
                     if entry.get("name") == self.reference_field), "")

    def record(self, row):
        """Return the record of a listed envelope, None when it has no reference: the hub must not see it."""
        reference = self.reference(row)
        if not reference:
            return None
        status, version = str(row.get("status") or "").lower(), version_of(row)
        if status == "deleted":
            return RawRecord(self.object_type, row["envelopeId"], version, {}, DELETE)
        signer, signers = _signer(row), (row.get("recipients") or {}).get("signers") or ()
        raw = {
            "envelopeId": row["envelopeId"], "status": status, "emailSubject": row.get("emailSubject") or "",
            "statusChangedDateTime": version, "reference": reference,
            **{name: stamp(row[name]) for name in _TIMES if row.get(name)},
            "voidedReason": row.get("voidedReason") or "",
            "declinedReason": next(filter(None, (entry.get("declinedReason") for entry in signers)), ""),
            "signer": {"name": signer.get("name") or "", "email": signer.get("email") or ""},
        }
        files = ()
        if status == "completed":
            try:
                files = (signed_document(self.client, row["envelopeId"], reference),)
            except DataError as error:  # taken away by retention: the signature stands, people must know the rest
                raw["documentMissing"] = str(error)
        return RawRecord(self.object_type, row["envelopeId"], version, raw, files=files)
