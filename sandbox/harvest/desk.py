"""What people do in Harvest: time is written, changed, deleted, approved."""

from . import rows
from .store import stamp

_MADE_FROM = 2_000_000


class Desk:
    """:param approval_bumps: approving counts as a change of the row (``updated_at``); nothing says that it does"""

    def __init__(self, store, clock, approval_bumps=False):
        self.store, self.clock, self.approval_bumps = store, clock, approval_bumps
        self._made = _MADE_FROM

    def create(self, moment=None, code="BIRK", email="lena.vogt@haldenmarsh.example", hours="1.50", note="Late work",
               task="Build", status="approved", day=None):
        """Write an entry of time and return it; ``moment``: aware datetime of its stamps, by default now."""
        with self.store.lock:
            self._made += 1
            moment = moment or self.clock.now()
            return self.store["time_entries"].add(rows.time_entry(
                self._made, code, email, day or moment.date(), hours, note, task, True, status, moment))

    def change(self, id_, moment=None, table="time_entries", **changes):
        """Change fields of a row (an administrator may also change what is approved) and return it."""
        with self.store.lock:
            row = {**self._row(table, id_), **changes, "updated_at": stamp(moment or self.clock.now())}
            return self.store[table].add(row)

    def unstamp(self, id_, table="time_entries"):
        """Take ``updated_at`` away."""
        with self.store.lock:
            return self.store[table].add({**self._row(table, id_), "updated_at": None})

    def delete(self, id_, table="time_entries"):
        """Delete a row; nothing tells of it afterwards."""
        with self.store.lock:
            self._row(table, id_)
            self.store[table].remove(id_)

    def approve(self, ids, status="approved", table="time_entries"):
        """Set the approval of rows: ``approved``, ``submitted`` or ``unsubmitted`` (an approval taken back)."""
        with self.store.lock:
            for id_ in ids:
                row = {**self._row(table, id_), **rows.approval(status)}
                if self.approval_bumps:
                    row["updated_at"] = stamp(self.clock.now())
                self.store[table].add(row)

    def _row(self, table, id_):
        row = self.store[table].get(id_)
        if row is None:
            raise ValueError(f"no row {id_} in {table}")
        return row


class SecondAct:
    """Late edits, a deletion, an approval taken back, and the approval of the last week."""

    def __init__(self, desk):
        self._desk, self.played = desk, False

    def play(self):
        """Play it once and return ``{what happened: [ids]}``.

        :raise ValueError: it has been played
        """
        if self.played:
            raise ValueError("the second act has been played")
        self.played = True
        desk = self._desk
        with desk.store.lock:
            entries = [row for row in desk.store["time_entries"].all() if not row["is_running"]]
            waiting = [row for row in entries if row["approval_status"] != "approved"]
            deleted, withdrawn = [row for row in entries if row["billable"] and row["approval_status"] == "approved"
                                  and row["project"]["code"] in ("BIRK", "CALD")][:2]
            edited = next(row for row in waiting if row["billable"])
            expenses = [row["id"] for row in desk.store["expenses"].all() if row["approval_status"] != "approved"]
            desk.change(edited["id"], hours=edited["hours"] + 1, rounded_hours=edited["rounded_hours"] + 1,
                        hours_without_timer=edited["hours"] + 1)
            desk.delete(deleted["id"])
            desk.approve([withdrawn["id"]], "unsubmitted")
            desk.approve([row["id"] for row in waiting])
            desk.approve(expenses, table="expenses")
        return {"edited": [edited["id"]], "deleted": [deleted["id"]], "withdrawn": [withdrawn["id"]],
                "approved": [row["id"] for row in waiting], "approved_expenses": expenses}
