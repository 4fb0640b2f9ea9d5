"""Reading: what changed since the last run, once a day the open window again, and what is gone.

The stored cursor is ``{"at": instant, "swept": instant}`` between runs, and has ``run`` during one
(``{"phase", "until", "link", "total", "again"}``). Phase ``changed`` lists by ``updated_since``; ``sweep`` lists the
days on which time and expenses may still be approved.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from ..base import Page, RawRecord
from ..cursor import format_instant, page_size, parse_instant
from ..errors import DataError, PoisonError
from .client import Client, clock_of, next_link, previous_link
from .declaration import MAX_PAGE

#: A little less than a day, so that a daily pass stays at its hour.
_DAILY = timedelta(hours=23)
#: After so long no other change can have the same change time; the overlap of runs is never shorter than twice that.
_SETTLED = timedelta(seconds=2)
#: Restarts of a run whose place in the list Harvest does not know any more.
_RESTARTS = 5
#: Up to so many records are asked for one by one; for more their list is read.
FEW = 20


@dataclass(frozen=True, slots=True)
class Source:
    """One list of Harvest.

    :param dated: its rows are of a day and are approved; they come by page number
    :param single: a record can be asked for by its id alone
    """

    name: str
    dated: bool = False
    single: bool = True

    @property
    def path(self):
        return f"/{self.name}"


SOURCES = {
    "client": Source("clients"),
    "user": Source("users"),
    "project": Source("projects"),
    "rate": Source("user_assignments", single=False),
    "time": Source("time_entries", dated=True),
    "expense": Source("expenses", dated=True),
}


def approval_required(client):
    """Say whether the account has approval, as the setting tells."""
    return client.setting("approval_required").lower() != "no"


def is_approved(row, required):
    """Say whether a row may be billed as far as approval goes; old answers have only ``is_closed``."""
    if not required:
        return True
    if row.get("approval_status"):
        return row["approval_status"] == "approved"
    return row.get("is_closed") is True


def source_amount(row):
    """Return what Harvest would bill for a time entry (Decimal), or None when it names no rate."""
    hours = row.get("rounded_hours", row.get("hours"))
    if hours is None or row.get("billable_rate") is None or not row.get("billable"):
        return None
    return Decimal(str(hours)) * Decimal(str(row["billable_rate"]))


def version_of(row, clock, swept=""):
    """Return the version of a row that was read at ``clock``, by the daily pass of the moment ``swept`` if any.

    The change time has whole seconds, and approving, or taking an approval back, may leave it as it is. So it has
    three parts that sort like the states they stand for: ``<change time>`` for a row that was read so soon after its
    change that the same second may bring another one; ``<change time>|`` once that is over (the overlap of the next
    run reads it again); ``<change time>|<moment>`` for what a daily pass found. A rank of the approval in place of the
    moment could not go back. Any change with a time of its own sorts after all of them.
    """
    if not row.get("updated_at"):
        return ""
    changed = parse_instant(row["updated_at"])
    stamp = format_instant(changed)
    return stamp if changed > clock - _SETTLED else f"{stamp}|{swept}"


class Reader:
    """Reads one stream for one session."""

    def __init__(self, session, stream):
        self.client = Client(session)
        self.stream = stream
        self.source = SOURCES[stream.code]

    # === PAGES === #

    def page(self, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        state = dict(cursor)
        run = dict(state.get("run") or {"phase": "changed", "until": "", "link": "", "total": 0, "again": 0})
        try:
            rows, body, clock = self.client.page(
                self.source.path, self.source.name, self._params(state, run, options), run["link"])
        except DataError:
            if not run["link"] or run["again"] >= _RESTARTS:
                raise
            run |= {"link": "", "total": 0, "again": run["again"] + 1}  # an old link: the list once more from its top
            return Page([], {**state, "run": run}, True, state.get("at", ""))
        run["until"] = run["until"] or format_instant(clock)
        records = self._records(rows, clock, run["until"] if run["phase"] == "sweep" else "")
        run["link"], run["total"] = self._next(run, body)
        if run["link"]:
            return Page(records, {**state, "run": run}, True, state.get("at", ""))
        due = self._is_due(state, run, options)
        if due and run["phase"] == "changed" and self.source.dated and self._sweep_days():
            return Page(records, {**state, "run": {**run, "phase": "sweep", "total": 0}}, True, state.get("at", ""))
        swept = run["until"] if due or not state.get("at") else state["swept"]
        return Page(records, {"at": run["until"], "swept": swept}, False, run["until"], reconcile=due)

    def _params(self, state, run, options):
        params = {"per_page": page_size(options, MAX_PAGE)}
        if run["phase"] == "sweep":
            first_day = parse_instant(run["until"]).date() - timedelta(days=self._sweep_days())
            return {**params, "from": first_day.isoformat()}
        since = options.get("since")
        if state.get("at"):
            overlap = max(timedelta(seconds=options.get("overlap_seconds", 600)), 2 * _SETTLED)
            since = format_instant(parse_instant(state["at"]) - overlap)
        return {**params, "updated_since": since.replace(".000Z", "Z")} if since else params

    @staticmethod
    def _next(run, body):
        """Return ``(address of the next page, number of rows)``; the address is empty after the last one.

        When rows were deleted since the page before, others moved up to it: it is read once more.
        """
        total = body.get("total_entries") or 0
        if total < run["total"] and previous_link(body):
            return previous_link(body), total
        return next_link(body), total

    def _sweep_days(self):
        text = self.client.setting("sweep_days")
        if not text.isdigit():
            raise DataError(f"“{text}” is not a number of days: correct the connection's settings", "sweep_days")
        return int(text)

    @staticmethod
    def _is_due(state, run, options):
        """The daily pass is due. A first run has just read everything, and a back-fill leaves it to the poll."""
        if not state.get("at") or options.get("backfill"):
            return False
        return parse_instant(run["until"]) - parse_instant(state["swept"]) >= _DAILY

    # === RECORDS === #

    def _records(self, rows, clock, swept=""):
        """Return the records of ``rows``; an entry whose timer runs has no hours yet and is left out."""
        return [RawRecord(self.stream.object_type, str(row["id"]), version_of(row, clock, swept), self._shaped(row))
                for row in rows if not row.get("is_running")]

    def _shaped(self, row):
        """Return ``row`` with what a field map cannot work out, under names that begin with ``psa_``."""
        if self.stream.code == "user":
            return {**row, "psa_name": " ".join(filter(None, (row.get("first_name"), row.get("last_name"))))}
        if not self.source.dated:
            return row
        shaped = {**row, "psa_approved": is_approved(row, approval_required(self.client))}
        return {**shaped, "psa_amount": source_amount(row)} if self.stream.code == "time" else shaped

    def by_ids(self, external_ids):
        """Return these records as they stand; one that is gone comes back as ``DELETE``.

        Many are looked for in their list, of which only the page in hand is kept. A row may move from page to page
        while a list is read by page number: what was not met is asked for by its id before it is called gone.
        """
        wanted = list(dict.fromkeys(external_ids))
        known = [external_id for external_id in wanted if _is_id(external_id)]
        records = [self._gone(external_id, "") for external_id in wanted if not _is_id(external_id)]
        if len(known) > FEW or (known and not self.source.single):
            listed, clock = self._listed(set(known))
            records += self._records(listed.values(), clock)
            known = [external_id for external_id in known if external_id not in listed]
            if not self.source.single:
                return records + [self._gone(external_id, format_instant(clock)) for external_id in known]
        for external_id in known:
            row, response = self.client.find(f"{self.source.path}/{external_id}")
            clock = clock_of(response)
            records += self._records([row], clock) if row else [self._gone(external_id, format_instant(clock))]
        return records

    def _gone(self, external_id, version):
        return RawRecord.gone(self.stream.object_type, external_id, version)

    def _listed(self, wanted):
        """Return ``({id: row} of those wanted that are in the list, Harvest's clock)``."""
        found, link, more, last = {}, "", True, None
        while more:
            rows, body, clock = self.client.page(self.source.path, self.source.name, {"per_page": MAX_PAGE}, link)
            ids = [str(row["id"]) for row in rows]
            if ids and ids == last:
                raise PoisonError("The pages of the list do not come to an end", "paging")
            found |= {row_id: row for row_id, row in zip(ids, rows, strict=True) if row_id in wanted}
            link, last = next_link(body), ids
            more = bool(link) and len(found) < len(wanted)
        return found, clock


def _is_id(text):
    return text.isascii() and text.isdigit()
