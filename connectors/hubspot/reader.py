"""Reading one stream: what changed, what was archived or merged, and single records by id.

A run is a list of phases, kept in the cursor as ``todo`` so that an interrupted run goes on where it stood:

* ``rows``: search by change time. No query is paged: each one asks for what follows the last row, so that HubSpot's
  limit of 10,000 rows a query is never met. The rows of one stamp that fill a page are read by their ids.
* ``lines`` (deals): a changed line does not touch its deal, so changed lines are searched and their deals read again.
* ``archived``: the list of archived records, of which those since the last run are news.

The first run has ``rows`` only: what was deleted before the hub knew the object is no news. Cursor: ``{"todo": [...],
"rows": keyset, "lines": keyset, "after": page of the archived list, "gone_since": instant}``.
"""

from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal, DecimalException

from ..base import MERGE, Page, RawRecord
from ..cursor import Keyset, format_instant, page_size, parse_instant
from ..errors import PoisonError, TransientError
from .client import client_of, next_page, rows_of
from .declaration import CRM, KINDS, MERGED
from .wanted import with_wanted

_SEARCH_ROWS, _LIST_ROWS = 200, 100  # the largest pages
_TICK = timedelta(milliseconds=1)
_ID = "hs_object_id"
_PRIMARY_COMPANY = {"contacts": 1, "deals": 5}  # association types


def _milliseconds(moment):
    return str(round(moment.timestamp() * 1000))


def instant(text):
    """Return the aware datetime of HubSpot's text. :raise PoisonError: it is none"""
    try:
        return parse_instant(text)
    except (AttributeError, TypeError, ValueError) as error:
        raise PoisonError("A record of HubSpot has no readable change time", "stamp") from error


def version_of(text):
    """Return the version that a change time stands for; empty when HubSpot gives none."""
    return format_instant(instant(text)) if text else ""


def _changed_at(kind, row):
    return instant(row["properties"].get(kind.stamp) or row.get("updatedAt"))


def day_of(text, zone):
    """Return the ISO day of a date property: a day, or an instant (ISO or milliseconds) seen from ``zone``.

    Midnight in UTC is how HubSpot writes a mere day, and is not shifted.
    """
    if not text or len(text) == 10 and text[4] == "-":
        return text or None
    try:
        moment = (datetime.fromtimestamp(int(text) / 1000, timezone.utc) if text.lstrip("-").isdigit()
                  else parse_instant(text))
    except (ValueError, OverflowError):
        return text  # not a date: the mapping says so, with the text that stands there
    return (moment if moment.time() == time() else moment.astimezone(zone)).date().isoformat()


def net_price(properties):
    """Return the price of one unit after the line's discount (decimal text): its amount tells, however it was given."""
    price = properties.get("price")
    try:
        amount, quantity = Decimal(properties["amount"]), Decimal(properties["quantity"])
        if price and Decimal(price) * quantity == amount:
            return price
        return f"{round(amount / quantity, 6).normalize():f}"
    except (KeyError, TypeError, DecimalException):
        return price


def is_won(stage, properties):
    """True when the stage's own metadata, or HubSpot's flag, says won; a stage's name says nothing."""
    metadata = stage.get("metadata") or {}
    try:
        certain = Decimal(str(metadata.get("probability"))) == 1
    except DecimalException:
        certain = False
    closed = str(metadata.get("isClosed", "true")).lower() == "true"
    return certain and closed or str(properties.get("hs_is_closed_won")).lower() == "true"


class Reader:
    """Reads one stream of CRM objects for one session."""

    def __init__(self, session, stream):
        self.session, self.client = session, client_of(session)
        self.settings = session.settings
        self.stream = stream
        self.kind = with_wanted(session, stream, stream.code)

    # === PHASES === #

    def page(self, cursor, options):
        """Return the next :class:`~connectors.base.Page`."""
        state = dict(cursor)
        if not state.get("todo"):
            self._start(state, options)
        phase = state["todo"][0]
        limit = page_size(options, _SEARCH_ROWS)
        records, done = getattr(self, f"_{phase}")(state, limit)
        if done:
            state["todo"] = state["todo"][1:]
        watermark = Keyset.load(state["rows"]).at
        return Page(records, state, bool(state["todo"]), format_instant(watermark) if watermark else "")

    def _start(self, state, options):
        now, overlap = self.client.now(self.kind.path), options.get("overlap_seconds", 600)
        before = Keyset.load(state.get("rows") or {})
        rows = before.start(now, overlap, parse_instant(options["since"]) if options.get("since") else None)
        state.update(todo=["rows"], rows=rows.dump(), after="")
        if before.at:
            state.update(todo=["rows", *(["lines"] if self.stream.code == "deal" else []), "archived"],
                         lines=rows.dump(), gone_since=format_instant(rows.at))

    def _rows(self, state, limit):
        rows, keyset = self._changed(self.kind, Keyset.load(state["rows"]), limit)
        state["rows"] = keyset.dump()
        return self._records(rows), not keyset.running

    def _lines(self, state, limit):
        rows, keyset = self._changed(KINDS["line_item"], Keyset.load(state["lines"]), limit)
        state["lines"] = keyset.dump()
        owners = self.client.associated("line_items", "deals", [row["id"] for row in rows])
        deals = dict.fromkeys(deal for found in owners.values() for deal in found)
        return self._records(self.client.batch_read(self.kind.path, self.kind.properties, deals)), not keyset.running

    def _archived(self, state, limit):
        answer = self.client.call("GET", f"{CRM}/objects/{self.kind.path}", params={
            "archived": "true", "limit": min(limit, _LIST_ROWS), "properties": _ID,
            **({"after": state["after"]} if state["after"] else {})})
        news = {}
        for row in rows_of(answer):
            moment = row.get("archivedAt") or row.get("updatedAt") or ""
            if not moment or instant(moment) >= instant(state["gone_since"]):
                news[str(row["id"])] = moment
        after = next_page(answer)
        if after and after == state["after"]:
            raise TransientError("HubSpot repeats a page of archived records", "repeated_page")
        state["after"] = after
        return self.by_ids(news, news), not after

    # === WHAT CHANGED === #

    def _changed(self, kind, keyset, limit):
        """Return ``(rows, keyset after them)`` of the next query in the run's window.

        While ``keyset.after_id`` is empty all stamps from ``at`` on are read in their order; rows of a full page's last
        stamp are left to the next query, because more of them may follow. Else one stamp is read by ascending ids.
        """
        tied = bool(keyset.after_id)
        rows, more = self._search(kind, keyset, limit)
        stamps = {row["id"]: _changed_at(kind, row) for row in rows}
        if (keyset.at and any(stamp < keyset.at for stamp in stamps.values())) or (
                tied and any(int(row["id"]) <= int(keyset.after_id) for row in rows)):
            raise TransientError("HubSpot repeats a page that was read", "repeated_page")
        if more and not rows:
            raise TransientError("HubSpot promises more records and gives none", "empty_page")
        if tied:
            if more:
                return rows, replace(keyset, after_id=str(max(int(row["id"]) for row in rows)))
            begin = keyset.at + _TICK
            return rows, (Keyset(keyset.until) if begin > keyset.until else replace(keyset, at=begin, after_id=""))
        if not more:
            return rows, Keyset(keyset.until)
        last = max(stamps.values())
        kept = [row for row in rows if stamps[row["id"]] < last]
        return kept, replace(keyset, at=last, after_id="" if kept else "0")

    def _search(self, kind, keyset, limit):
        """Return ``(rows, whether more follow)``; a record that is listed twice counts once."""
        tied = bool(keyset.after_id)
        filters = [(kind.stamp, "LTE", _milliseconds(keyset.at if tied else keyset.until))]
        if keyset.at:
            filters.append((kind.stamp, "GTE", _milliseconds(keyset.at)))
        if tied:
            filters.append((_ID, "GT", keyset.after_id))
        answer = self.client.call("POST", f"{CRM}/objects/{kind.path}/search", json={
            "filterGroups": [{"filters": [
                {"propertyName": name, "operator": operator, "value": value} for name, operator, value in filters]}],
            "sorts": [{"propertyName": _ID if tied else kind.stamp, "direction": "ASCENDING"}],
            "properties": [kind.stamp, *kind.properties], "limit": limit})
        rows = {str(row["id"]): {**row, "id": str(row["id"])} for row in rows_of(answer, "id", "properties")}
        if not all(row_id.isdigit() for row_id in rows):
            raise PoisonError("A record's id is not a number", "id")
        return list(rows.values()), bool(next_page(answer))

    # === RECORDS === #

    def probe(self):
        """Read one record with all that belongs to it.

        :raise ConnectorError: a right is missing, or the connection does not work
        """
        keyset = Keyset(until=self.client.now(self.kind.path))
        self._records(self._search(self.kind, keyset, 1)[0])
        if self.stream.code == "deal":
            self._search(KINDS["line_item"], keyset, 1)

    def _records(self, rows):
        """Return raw records of ``rows``, and a merge for each id that was merged into one of them."""
        if rows and self.kind.path in _PRIMARY_COMPANY:
            self._add_company(rows)
        if rows and self.stream.code == "deal":
            self._add_deal_parts(rows)
        records = []
        for row in rows:
            lines = KINDS["line_item"]
            moments = [_changed_at(self.kind, row)] + [_changed_at(lines, line) for line in row.get("line_items") or ()]
            version = format_instant(max(moments))
            records.append(RawRecord(self.stream.object_type, row["id"], version, row))
            losers = (row["properties"].get(MERGED) or "").split(";")
            records += [self._merge(loser, row["id"], version) for loser in losers if loser not in ("", row["id"])]
        return records

    def _merge(self, loser, winner, version):
        return RawRecord(self.stream.object_type, loser, version, {"winner": winner}, MERGE)

    def _add_company(self, rows):
        """Give each row the ``company_id`` of its primary company, else of the oldest."""
        primary = _PRIMARY_COMPANY[self.kind.path]
        found = self.client.associated(self.kind.path, "companies", [row["id"] for row in rows])
        for row in rows:
            companies = found.get(row["id"]) or {}
            row["company_id"] = min(companies, key=lambda key: (primary not in companies[key], int(key)), default=None)

    def _add_deal_parts(self, rows):
        ids = [row["id"] for row in rows]
        contacts = self.client.associated("deals", "contacts", ids)
        line_ids = self.client.associated("deals", "line_items", ids)
        kind = with_wanted(self.session, self.stream, "line_item")
        lines = {str(line["id"]): {**line, "id": str(line["id"]), "net_price": net_price(line["properties"])}
                 for line in self.client.batch_read(kind.path, (kind.stamp, *kind.properties), dict.fromkeys(
                     line_id for found in line_ids.values() for line_id in found))}
        stages = self._stages()
        for row in rows:
            properties = row["properties"]
            row["contact_id"] = min(contacts.get(row["id"]) or (), key=int, default=None)
            row["line_items"] = [lines[key] for key in sorted(line_ids.get(row["id"]) or (), key=int) if key in lines]
            row["stage"] = stages.get((properties.get("pipeline"), properties.get("dealstage"))) or {}
            row["won"] = is_won(row["stage"], properties)
            row["closed_on"] = day_of(properties.get("closedate"), self.client.zone)
            row["default_currency"] = self.settings.get("default_currency") or None

    def _stages(self):
        """Return ``{(pipeline id, stage id): stage}``, read once a session."""
        memory = self.client.session.memory
        if "hubspot_stages" not in memory:
            pipelines = rows_of(self.client.call("GET", f"{CRM}/pipelines/deals"))
            memory["hubspot_stages"] = {(str(pipeline["id"]), str(stage["id"])): stage
                                        for pipeline in pipelines for stage in pipeline.get("stages") or ()}
        return memory["hubspot_stages"]

    # === BY ID === #

    def by_ids(self, ids, gone_at=None):
        """Return these records as they stand: changed, gone (``DELETE``) or living on as another one (``MERGE``).

        :param gone_at: ``{id: instant text}`` when it was archived, where that is known
        """
        wanted = list(dict.fromkeys(str(row_id).partition(":")[0] for row_id in ids))
        known = [row_id for row_id in wanted if row_id.isdigit()]
        names = (self.kind.stamp, *self.kind.properties)
        found = {str(row["id"]): row for row in self.client.batch_read(self.kind.path, names, known)}
        rows, others = [found[row_id] for row_id in known if row_id in found], []
        for row_id in wanted:
            if row_id not in found:
                # A batch does not tell which of its ids was merged into which record; one at a time does. They are few.
                row = self._one(row_id, names) if row_id.isdigit() else None
                if row and str(row["id"]) == row_id:
                    rows.append(row)
                    continue
                moment = (gone_at or {}).get(row_id)
                version = version_of(moment) or format_instant(self.client.now(self.kind.path))
                others.append(self._merge(row_id, str(row["id"]), version) if row else
                              RawRecord.gone(self.stream.object_type, row_id, version))
        return self._records(rows) + others

    def _one(self, row_id, names):
        row, _response = self.client.find(f"{CRM}/objects/{self.kind.path}/{row_id}",
                                          params={"properties": ",".join(names)})
        return row and rows_of({"results": [row]}, "id", "properties")[0]


# === OWNERS === #

def _owner_page(client, archived, after, limit):
    """Return ``(rows, cursor of the next page)`` of the list of owners."""
    answer = client.call("GET", f"{CRM}/owners", params={
        "limit": limit, "archived": str(archived).lower(), **({"after": after} if after else {})})
    following = next_page(answer)
    if following and following == after:
        raise TransientError("HubSpot repeats a page of owners", "repeated_page")
    return rows_of(answer), following


def _owner_record(row):
    return RawRecord("Owner", str(row["id"]), version_of(row.get("updatedAt")), row)


def owner_page(session, cursor, options):
    """Return one page of all owners, the active ones first; HubSpot cannot be asked for changed ones."""
    archived, after = bool(cursor.get("archived")), cursor.get("after") or ""
    rows, after = _owner_page(client_of(session), archived, after, page_size(options, _LIST_ROWS))
    more = bool(after) or not archived
    state = {"archived": archived or not after, "after": after} if more else {}
    return Page([_owner_record(row) for row in rows], state, more)


def owners_by_ids(session, ids):
    """Return these owners out of the whole list, which is short; one that is in it nowhere comes back as ``DELETE``."""
    client, found = client_of(session), {}
    for archived in (False, True):
        after = None
        while after != "":
            rows, after = _owner_page(client, archived, after, _LIST_ROWS)
            found.update({str(row["id"]): _owner_record(row) for row in rows if str(row["id"]) not in found})
    now = format_instant(client.now(KINDS["contact"].path)) if set(ids) - set(found) else ""
    return [found.get(row_id) or RawRecord.gone("Owner", row_id, now) for row_id in dict.fromkeys(ids)]
