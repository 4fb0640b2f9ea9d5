"""What happens after the first import: approvals taken back, time corrected, deleted and added late."""

from datetime import timedelta

from .. import studio
from .approvals import monday
from .seed import ACCOUNT, MANAGER, account_key, issue_id

INES, KOFI, LENA, SOFIA = (studio.person(email).account_id
                           for email in (studio.INES, studio.KOFI, studio.LENA, studio.SOFIA))
_ADDED_SECONDS = 4500


class SecondAct:
    """Plays once; :meth:`expected` tells beforehand what it changes."""

    def __init__(self, store, tempo):
        self.store, self.tempo, self.played = store, tempo, False
        self.week = monday(studio.PERIOD[0])
        self._plan = {
            "reopened": [row.id for row in self._rows(KOFI)], "edited": self._billable(INES).id,
            "deleted": self._billable(LENA).id, "added": 0}

    def _rows(self, user):
        return [row for row in self.store.worklogs.values() if row.author == user and monday(row.day) == self.week]

    def _billable(self, user):
        return next(row for row in self._rows(user) if row.billable)

    def expected(self):
        return {
            "approval_taken_back": {"user": KOFI, "week": self.week.isoformat(), "worklogs": self._plan["reopened"]},
            "late_edit": {"user": INES, "worklog": self._plan["edited"], "seconds_more": _ADDED_SECONDS},
            "delete_after_billing": {"user": LENA, "worklog": self._plan["deleted"]},
            "late_entry": {"user": SOFIA, "worklog": self._plan["added"], "seconds": 3600, "code": "DELF"},
        }

    def play(self):
        """Reopen one approved week for good; correct another and approve it again; delete and add approved time."""
        with self.store.lock:
            if not self.played:
                self.played = True
                self._play()
            return self.expected()

    def _play(self):
        self.tempo.act(KOFI, self.week, "reopen", MANAGER, "Hours are not agreed")
        self.tempo.act(INES, self.week, "reopen", MANAGER, "Correction")
        row = self.store.worklogs[self._plan["edited"]]
        self.store.change(row.id, actor=INES, seconds=row.seconds + _ADDED_SECONDS,
                          billable=row.billable + _ADDED_SECONDS, note=row.note + ", with rework")
        self.tempo.act(INES, self.week, "approve", MANAGER, "ok")
        self.store.delete(self._plan["deleted"], actor=MANAGER)
        deal = studio.deal("DELF")
        late = self.store.create(
            issue_id=issue_id(deal, "Build"), author=SOFIA, day=self.week + timedelta(days=3), start="13:00:00",
            seconds=3600, billable=3600, note="Forgotten until now", attributes={ACCOUNT: account_key(deal.code)},
            actor=MANAGER)
        self._plan["added"] = late.id
