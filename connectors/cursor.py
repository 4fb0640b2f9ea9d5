"""Reading what changed, without a gap: a keyset cursor over (change time, id).

The law of a run: it reads every row whose change time lies in [start, until], in the order (time, id), each page
beginning after the last row of the page before. Therefore

* many rows with one time stamp neither get lost nor turn the cursor in a circle: the id breaks the tie
* ``until`` is fixed when the run starts, a little in the past of the *vendor's* clock, so that the run ends and rows of
  transactions that are still open are left to the next one
* the next run steps back by the overlap: a row that became visible late is read then; rows read twice are no harm,
  because the engine knows them by id and version
* a run that was interrupted goes on exactly where its last stored page ended, without stepping back
* rows without a time stamp are read first, by id alone, in every run that is told that there may be some
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

MAX_SETTLE_SECONDS = 60


def page_size(options, largest):
    """Return how many rows to ask for: what the engine wants, at most the vendor's ``largest`` page."""
    return min(max(int(options.get("page_size") or largest), 1), largest)


def parse_instant(text):
    """Return the aware UTC datetime of ISO text with zone (``Z``, ``+00:00`` or ``+0000``).

    :raise ValueError: not such a text
    """
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    elif len(text) > 5 and text[-5] in "+-" and ":" not in text[-5:]:
        text = f"{text[:-2]}:{text[-2:]}"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.astimezone(timezone.utc)


def format_instant(moment):
    """Return ISO UTC text with milliseconds; texts sort like the moments."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Keyset:
    """Where a stream stands. Immutable; each step returns a new one.

    :param at: time of the last row read, or from where to read; None is the beginning
    :param after_id: id of the last row read at ``at``; empty: none yet, rows at ``at`` included
    :param until: upper end (included) of the run under way; None between runs
    :param in_nulls: the run still reads rows without time stamp
    """

    at: datetime | None = None
    after_id: str = ""
    until: datetime | None = None
    in_nulls: bool = False

    @classmethod
    def load(cls, state):
        """Return the cursor stored in ``state`` (dict of :meth:`dump`, or empty)."""
        def instant(key):
            return parse_instant(state[key]) if state.get(key) else None

        return cls(instant("at"), state.get("after_id") or "", instant("until"), bool(state.get("in_nulls")))

    def dump(self):
        """Return a JSON-ready dict."""
        state = {"after_id": self.after_id, "in_nulls": self.in_nulls}
        for key in ("at", "until"):
            moment = getattr(self, key)
            state[key] = format_instant(moment) if moment else ""
        return state

    @property
    def running(self):
        return self.until is not None

    def start(self, now, overlap_seconds, since=None, nulls=False):
        """Begin a run, or go on with the one that was interrupted.

        :param now: the vendor's clock
        :param overlap_seconds: how far to step back from where the last run ended
        :param since: lower bound of the very first run, or None
        :param nulls: rows may lack the time stamp
        """
        if self.running:
            return self
        until = now - timedelta(seconds=min(MAX_SETTLE_SECONDS, overlap_seconds / 10))
        at = self.at - timedelta(seconds=overlap_seconds) if self.at else since
        if self.at and until < self.at:
            until = self.at  # polled twice within the settling time: nothing new may be read yet
        return Keyset(at, "", until, nulls)

    def narrowed(self, halvings):
        """Return the end of a smaller window, 1/2, 1/4 ... of what is left, or ``until`` when it cannot be halved."""
        if self.at is None or self.in_nulls or not halvings:
            return self.until
        bound = (self.at + (self.until - self.at) / 2 ** halvings).replace(microsecond=0)
        return bound if bound > self.at else self.until

    def advance(self, last, more, bound=None):
        """Return the cursor after a page.

        :param last: ``(time or None, id)`` of the page's last row, or None for an empty page
        :param more: rows may follow in the window that was read
        :param bound: end of the window that was read, when it was not ``until``
        """
        if more and last is None:
            raise ValueError("an empty page cannot have more behind it")
        if more:
            moment, row_id = last
            return replace(self, after_id=row_id, at=self.at if self.in_nulls else moment)
        if self.in_nulls:
            return replace(self, in_nulls=False, after_id="")
        if bound is not None and bound < self.until:
            return replace(self, at=bound, after_id="")
        return Keyset(self.until)
