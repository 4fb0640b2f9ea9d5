"""Rate limits: counted windows, and the headers that tell of them."""

import threading
import time
from collections import deque

from .errors import rate_limit

_SHOWN_TEN_SECONDS, _SHOWN_DAY = 190, 625_000


class Limits:
    """A limit of 0 is not enforced; its headers then show what a Professional account has.

    :param ten_seconds: calls in 10 seconds; :param searches: searches a second; :param day: calls in all
    """

    def __init__(self, ten_seconds=0, searches=0, day=0):
        self.ten_seconds, self.searches, self.day = ten_seconds, searches, day
        self.calls = 0
        self._recent, self._searched = deque(), deque()
        self._lock = threading.Lock()

    def count(self, is_search):
        """Count a call, or raise the 429 of the limit that it is beyond."""
        now = time.monotonic()
        with self._lock:
            _forget(self._recent, now - 10)
            _forget(self._searched, now - 1)
            if self.day and self.calls >= self.day:
                raise rate_limit("DAILY")
            if self.ten_seconds and len(self._recent) >= self.ten_seconds:
                raise rate_limit("TEN_SECONDLY_ROLLING")
            if is_search and self.searches and len(self._searched) >= self.searches:
                raise rate_limit("SECONDLY")
            self.calls += 1
            self._recent.append(now)
            if is_search:
                self._searched.append(now)

    def headers(self, with_day):
        """Return the headers of an answer that is no search; ``with_day``: not for tokens of OAuth."""
        most, day = self.ten_seconds or _SHOWN_TEN_SECONDS, self.day or _SHOWN_DAY
        headers = {"X-HubSpot-RateLimit-Max": most, "X-HubSpot-RateLimit-Interval-Milliseconds": 10_000,
                   "X-HubSpot-RateLimit-Remaining": max(0, most - len(self._recent))}
        if with_day:
            headers.update({"X-HubSpot-RateLimit-Daily": day,
                            "X-HubSpot-RateLimit-Daily-Remaining": max(0, day - self.calls)})
        return {name: str(value) for name, value in headers.items()}


def _forget(moments, before):
    while moments and moments[0] < before:
        moments.popleft()
