"""The account's log of events, which is also what webhooks send."""

import copy
from fnmatch import fnmatchcase

from .views import shown

API_VERSION = "2026-06-24.dahlia"
KEPT_SECONDS = 30 * 86_400


class Events:
    """:param store: :class:`Store`; ``sender`` is asked to deliver each event"""

    def __init__(self, store):
        self.store, self.sender = store, None

    def emit(self, type_, row, moment=None, previous=None):
        """Log an event of ``row`` as it stands now and have it delivered; return the event's row."""
        with self.store.lock:
            data = {"object": copy.deepcopy(shown(row, self.store.second()))}
            if previous is not None and type_.endswith(".updated"):
                data["previous_attributes"] = previous
            event = self.store.add("event", self.store.second(moment), api_version=API_VERSION, type=type_, data=data,
                                   pending_webhooks=0, request={"id": None, "idempotency_key": None})
            if self.sender:
                self.sender.send(event)
            return event

    def oldest(self):
        """Return the second from which events are still listed."""
        return self.store.second() - KEPT_SECONDS


def accepts(event, types=(), delivered=None):
    """Say whether a list's filters let an event through.

    :param types: names, with ``*`` at their end
    :param delivered: True: all webhooks took it; False: one is still waiting or has given up
    """
    if types and not any(fnmatchcase(event["type"], pattern) for pattern in types):
        return False
    return delivered is None or delivered == (event["pending_webhooks"] == 0)
