"""The records of the account and their order of change, under one lock."""

import threading
from bisect import bisect_left, insort
from collections import Counter

from .definitions import millis
from .errors import CONFLICT, ApiError, not_found
from .links import Links
from .objects import KINDS, STAGES

_FIRST_NEW_ID = 20_000_000


class Record:
    """:ivar modified: epoch milliseconds; :ivar archived_at: likewise, or None
    :ivar indexed_at: moment from which searches find it
    """

    __slots__ = ("id", "properties", "created", "modified", "archived_at", "indexed_at")

    def __init__(self, record_id, properties, created, modified):
        self.id, self.properties, self.created, self.modified = record_id, properties, created, modified
        self.archived_at, self.indexed_at = None, 0


class Table:
    """Records of one kind.

    :ivar by_change: sorted ``(modified, -id)`` of what is not archived: ids fall within one stamp, because HubSpot
        promises no order there and a reader must not rely on one
    :ivar by_id: sorted ids of what is not archived
    :ivar unique: ``{unique property: {value: id}}`` of what is not archived
    :ivar aliases: ``{id of a merged record: id of the one that took its place}``
    """

    def __init__(self, kind):
        self.kind = kind
        self.rows, self.by_change, self.by_id, self.aliases = {}, [], [], {}
        self.unique = {}

    def index(self, row):
        insort(self.by_change, (row.modified, -row.id))
        insort(self.by_id, row.id)
        for name, ids in self.unique.items():
            if row.properties.get(name):
                ids[row.properties[name]] = row.id

    def unindex(self, row):
        del self.by_change[bisect_left(self.by_change, (row.modified, -row.id))]
        del self.by_id[bisect_left(self.by_id, row.id)]
        for name, ids in self.unique.items():
            ids.pop(row.properties.get(name), None)

    def find(self, record_id):
        """Return the record of an id or of the one it was merged into, archived or not; None when there is none."""
        if not str(record_id).isdecimal():
            return None
        number = int(record_id)
        while number in self.aliases:
            number = self.aliases[number]
        return self.rows.get(number)


class Store:
    """All tables, and the links between their records.

    :param definitions: :class:`Definitions`
    :param index_delay: seconds until a search finds a change
    :ivar writes: ``Counter({(kind, id): writes over the API})``
    :ivar locked: ``{(kind, id)}`` whose changes over the API a rule of the account refuses
    :ivar listeners: called with each event as a dict
    """

    def __init__(self, clock, definitions, index_delay=0):
        self.clock, self.definitions, self.index_delay = clock, definitions, index_delay
        self.lock = threading.RLock()
        self.tables = {name: Table(kind) for name, kind in KINDS.items()}
        for name, table in self.tables.items():
            table.unique = {unique: {} for unique in definitions.unique(name)}
        self.links = Links()
        self.writes, self.locked = Counter(), set()
        self.listeners = []
        self._next_id = _FIRST_NEW_ID

    def now(self):
        return millis(self.clock.now())

    def live(self, kind, record_id):
        """Return the record, or raise the 404 of one that is archived or never was."""
        row = self.tables[kind].find(record_id)
        if row is None or row.archived_at is not None:
            raise not_found(KINDS[kind].single, record_id)
        return row

    def by_unique(self, kind, name, value):
        """Return the record with this value of a unique property, or None."""
        table = self.tables[kind]
        return table.rows.get(table.unique[name].get(value))

    def check_unique(self, kind, values, own_id=None):
        """Refuse a value of a unique property that another record has."""
        for name in self.tables[kind].unique:
            other = self.by_unique(kind, name, values[name]) if values.get(name) else None
            if other is not None and other.id != own_id:
                raise ApiError(409, CONFLICT, f"{KINDS[kind].single.capitalize()} already exists. "
                               f"Existing ID: {other.id}", context={"propertyName": [name]})

    # === CHANGES === #

    def add(self, kind, values, record_id=None, moment=None, created=None, source="CRM_UI"):
        """Add a record of checked values; ``moment``: its stamp in milliseconds, by default now."""
        with self.lock:
            table, now = self.tables[kind], self.now()
            moment = now if moment is None else moment
            if record_id is None:
                self._next_id += 1
                record_id = self._next_id
            row = Record(record_id, values, moment if created is None else created, moment)
            row.indexed_at = now + self.index_delay * 1000
            _derive(kind, values)
            table.rows[record_id] = row
            table.index(row)
            self._tell("creation", kind, record_id, source, changeFlag="CREATED")
            return row

    def change(self, kind, row, values, moment=None, source="CRM_UI"):
        """Change checked values; the stamp moves when one of them differs, or to ``moment`` when that is given."""
        with self.lock:
            changed = {name: value for name, value in values.items() if row.properties.get(name) != value}
            if not changed and moment is None:
                return row
            table, now = self.tables[kind], self.now()
            table.unindex(row)
            row.properties.update(values)
            row.modified = now if moment is None else moment
            row.indexed_at = now + self.index_delay * 1000
            table.index(row)
            if "dealstage" in changed:
                _derive(kind, row.properties)
            for name, value in changed.items():
                self._tell("propertyChange", kind, row.id, source, propertyName=name, propertyValue=value or "")
            return row

    def archive(self, kind, row, source="CRM_UI"):
        with self.lock:
            self.tables[kind].unindex(row)
            row.archived_at = self.now()
            self._tell("deletion", kind, row.id, source, changeFlag="DELETED")

    def merge(self, kind, winner, loser, new_record=False, source="CRM_UI"):
        """Merge ``loser`` into ``winner``; both ids then lead to the record that is left, which is returned.

        :param new_record: the record that is left is a third one, with an id of its own
        """
        with self.lock:
            table, now = self.tables[kind], self.now()
            gone = [winner, loser] if new_record else [loser]
            for row in gone:
                table.unindex(row)
                del table.rows[row.id]
            filled = {name: value for name, value in winner.properties.items() if value is not None}
            values = {**loser.properties, **filled}
            merged = [row.properties.get("hs_merged_object_ids") for row in (winner, loser)]
            values["hs_merged_object_ids"] = ";".join([*filter(None, merged), *(str(row.id) for row in gone)])
            if new_record:
                self._next_id += 1
                row = Record(self._next_id, values, winner.created, now)
                table.rows[row.id] = row
            else:
                row = winner
                table.unindex(row)
                row.properties, row.modified = values, now
            row.indexed_at = now + self.index_delay * 1000
            table.index(row)
            for old in gone:
                table.aliases[old.id] = row.id
                self.links.move(kind, old.id, row.id)
            self._tell("merge", kind, None, source, primaryObjectId=winner.id, mergedObjectIds=[loser.id],
                       newObjectId=row.id, numberOfPropertiesMoved=len(values) - len(filled))
            return row

    def link(self, kind, record_id, other_kind, other_id, primary=True, source="CRM_UI"):
        with self.lock:
            self.links.add(kind, record_id, other_kind, other_id, primary)
            for a, a_id, b, b_id in ((kind, record_id, other_kind, other_id), (other_kind, other_id, kind, record_id)):
                name = f"{KINDS[a].single}_to_{KINDS[b].single}".upper()
                self._tell("associationChange", a, None, source, associationType=name, fromObjectId=a_id,
                           toObjectId=b_id, associationRemoved=False, isPrimaryAssociation=primary)

    def _tell(self, what, kind, record_id, source, **values):
        event = {"what": what, "kind": kind, "objectId": record_id, "occurredAt": self.now(), "changeSource": source,
                 "sourceId": "userId:1" if source == "CRM_UI" else "1313", **values}
        for listener in self.listeners:
            listener(event)


def _derive(kind, values):
    """Set what HubSpot works out from the stage of a deal."""
    if kind == "deals" and values.get("dealstage"):
        stage = STAGES[values["dealstage"]][1]
        values.update(hs_is_closed=str(stage.closed).lower(), hs_is_closed_won=str(stage.won).lower(),
                      hs_deal_stage_probability=stage.probability)
