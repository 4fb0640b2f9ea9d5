"""Reading: the lists once, then what the events name, each object as it stands.

The stored cursor is ``{"at": seconds, "seen": [event ids]}`` between runs. A first load adds ``scan``
(``{"list", "after", "since", "again"}``): one list after the other, newest first; what changes meanwhile is told by the
events since it began (``at``). A run over events adds ``run`` (``{"after", "until", "fresh"}``). Events are kept for 30
days: a cursor that is older begins with the lists again, all of them, because old objects change too.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import quote

from ..base import Page, RawRecord
from ..cursor import format_instant, parse_instant
from ..errors import NotFoundError
from ..transport import clock_of
from . import objects
from .client import Client, flat, version_at

_logger = logging.getLogger(__name__)

#: A day less than Stripe keeps events.
HORIZON_SECONDS = 29 * 86400
#: Restarts of a list whose last row was deleted between two pages.
_RESTARTS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """One list of Stripe. ``shape`` makes the stored record of an object."""

    path: str
    shape: object
    expand: tuple = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a stream's records come from, and the event types that tell of their changes (at most 20)."""

    sources: tuple
    event_types: tuple
    prefixes: dict = field(default_factory=dict)


_CHARGES = Source("/v1/charges", objects.charge, ("balance_transaction", "payment_intent"))
_REFUNDS = Source("/v1/refunds", objects.refund, ("balance_transaction",))
_DISPUTES = Source("/v1/disputes", objects.dispute)
_PAYOUTS = Source("/v1/payouts", objects.payout)
_CUSTOMERS = Source("/v1/customers", objects.customer)


def _types(family, names):
    return tuple(f"{family}.{name}" for name in names.split())


FEEDS = {
    "customer": Feed((_CUSTOMERS,), _types("customer", "created updated deleted")),
    "payment": Feed(
        (_CHARGES, _REFUNDS, _DISPUTES),
        (*_types("charge", "succeeded captured failed pending refunded updated expired refund.updated"),
         *_types("charge.dispute", "created updated closed funds_withdrawn funds_reinstated"),
         *_types("refund", "created updated failed"),
         *_types("payment_intent", "succeeded processing payment_failed canceled")),
        {"ch": _CHARGES, "py": _CHARGES, "re": _REFUNDS, "pyr": _REFUNDS, "dp": _DISPUTES, "du": _DISPUTES}),
    "payout": Feed((_PAYOUTS,), _types("payout", "created updated paid failed canceled reconciliation_completed")),
}
_STREAM_OF = {"customer": "customer", "payout": "payout", "charge": "payment", "refund": "payment",
              "dispute": "payment"}


def named_by(event):
    """Return ``(stream code, id)`` of what an event tells of, or None.

    A payment intent leads to its latest charge; when the snapshot has no such field the intent's own id is
    returned, which :meth:`Reader.by_ids` follows.
    """
    shown = objects.expanded(objects.expanded(event.get("data")).get("object"))
    if shown.get("object") == "payment_intent":
        charge = objects.id_of(shown.get("latest_charge", shown.get("id")))
        return ("payment", charge) if charge else None
    code = _STREAM_OF.get(shown.get("object"))
    return (code, shown["id"]) if code and shown.get("id") else None


class Reader:
    """Reads one stream for one session."""

    def __init__(self, session, stream):
        self.client = Client(session)
        self.stream = stream
        self.feed = FEEDS[stream.code]

    # === PAGES === #

    def page(self, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        if "scan" in cursor or not cursor.get("at"):
            return self._scan_page(dict(cursor), options)
        return self._events_page(dict(cursor), options)

    def _scan_page(self, state, options):
        since = options.get("since")
        scan = dict(state.get("scan") or {
            "list": 0, "after": "", "again": 0, "since": int(parse_instant(since).timestamp()) if since else 0})
        source = self.feed.sources[scan["list"]]
        values = {"expand": [f"data.{name}" for name in source.expand], "created": {"gte": scan["since"] or None}}
        try:
            rows, more, response = self.client.page(source.path, values, scan["after"], options["page_size"])
        except NotFoundError:
            if not scan["after"] or scan["again"] >= _RESTARTS:
                raise
            scan |= {"after": "", "again": scan["again"] + 1}  # the row that marked the place was deleted
            return Page([], {**state, "scan": scan}, True)
        state.setdefault("at", int(clock_of(response).timestamp()))
        version = version_at(response)
        records = [record for row in rows for record in self._record(source, row, version)]
        scan |= {"after": rows[-1]["id"]} if more else {"after": "", "list": scan["list"] + 1}
        if scan["list"] < len(self.feed.sources):
            return Page(records, {**state, "scan": scan}, True)
        return Page(records, {"at": state["at"], "seen": []}, False, _watermark(state["at"]))

    def _events_page(self, state, options):
        overlap = int(options.get("overlap_seconds", 600))
        run = dict(state.get("run") or {"after": "", "until": 0, "fresh": []})
        values = {"types": list(self.feed.event_types), "created": {"gte": max(0, state["at"] - overlap)}}
        rows, more, response = self.client.page("/v1/events", values, run["after"], options["page_size"])
        run["until"] = run["until"] or int(clock_of(response).timestamp())
        if run["until"] - state["at"] > HORIZON_SECONDS:
            return self._scan_page({}, options)
        seen = set(state.get("seen") or ())
        named = [named_by(event) for event in reversed(rows) if event["id"] not in seen and self._is_ours(event)]
        records = self.by_ids([found[1] for found in named if found and found[0] == self.stream.code])
        # Only what the next run will meet again has to be remembered; a set, so that a repeated page changes nothing.
        run["fresh"] = sorted({*run["fresh"], *(
            event["id"] for event in rows if event["created"] >= run["until"] - overlap)})
        if more:
            return Page(records, {**state, "run": {**run, "after": rows[-1]["id"]}}, True, _watermark(state["at"]))
        return Page(records, {"at": run["until"], "seen": run["fresh"]}, False, _watermark(run["until"]))

    # === RECORDS === #

    def by_ids(self, external_ids):
        """Return these records as they stand now; one that Stripe does not know comes back as ``DELETE``."""
        records = {}
        for external_id in dict.fromkeys(external_ids):
            for record in self._read(external_id):
                records[record.external_id] = record
        return list(records.values())

    def _read(self, external_id):
        prefix, name = external_id.partition("_")[0], quote(external_id, safe="")
        if prefix == "pi" and self.feed.prefixes:
            intent, response = self.client.find(f"/v1/payment_intents/{name}")
            if intent is None:
                return [self._gone(external_id, version_at(response))]
            charge = objects.id_of(intent.get("latest_charge"))
            return self._read(charge) if charge else []
        source = self.feed.prefixes.get(prefix) if self.feed.prefixes else self.feed.sources[0]
        if source is None:
            return [self._gone(external_id, "")]  # no id of Stripe's: no need to ask
        row, response = self.client.find(f"{source.path}/{name}", params=flat({"expand": source.expand}))
        version = version_at(response)
        return [self._gone(external_id, version)] if row is None else self._record(source, row, version)

    def _record(self, source, row, version):
        """Return the record of an object in a list of one; none when it is of the key's other mode."""
        if row.get("deleted"):
            return [self._gone(row["id"], version)]
        if not self._is_ours(row):
            return []
        shaped = source.shape(row, self._payout_rows(row)) if source is _PAYOUTS else source.shape(row)
        return [RawRecord(self.stream.object_type, row["id"], version, shaped)]

    def _payout_rows(self, payout):
        if payout.get("reconciliation_status") != "completed":
            return None
        return list(self.client.all("/v1/balance_transactions", {"payout": payout["id"]}))

    def _gone(self, external_id, version):
        return RawRecord.gone(self.stream.object_type, external_id, version)

    def _is_ours(self, row):
        if row.get("livemode", self.client.live) == self.client.live:
            return True
        _logger.warning("Stripe %s is of the other mode than the key (live: %s) and is left out", row["id"],
                        self.client.live)
        return False


def _watermark(seconds):
    return format_instant(datetime.fromtimestamp(seconds, timezone.utc))
