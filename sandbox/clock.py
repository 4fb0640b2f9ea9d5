"""The stand-in's own clock: it starts at a fixed moment and then runs as fast as the real one.

Seeded stamps all lie before :data:`START`, so a reader that stops a minute before "now" still sees everything.
Nothing in the data depends on the machine's clock.
"""

import threading
import time
from datetime import datetime, timedelta, timezone

#: three days after the end of the quarter that the data tells of
START = datetime(2026, 7, 3, 6, 0, 0, tzinfo=timezone.utc)


class Clock:
    """A clock that can be moved forward, never back.

    :param start: aware UTC datetime that is "now" when the clock is made
    """

    def __init__(self, start=START):
        self._start = start
        self._origin = time.monotonic()
        self._skipped = timedelta()
        self._lock = threading.Lock()

    def now(self):
        """Return the aware UTC datetime of this moment."""
        with self._lock:
            return self._start + self._skipped + timedelta(seconds=time.monotonic() - self._origin)

    def forward(self, seconds):
        """Move the clock ``seconds`` ahead.

        :raise ValueError: when ``seconds`` is negative
        """
        if seconds < 0:
            raise ValueError("a clock does not run backwards")
        with self._lock:
            self._skipped += timedelta(seconds=seconds)
