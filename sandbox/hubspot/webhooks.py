"""Webhooks: signed arrays of events, posted from a thread of their own and repeated until the target takes them."""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import queue
import re
import threading
import time
import urllib.error
import urllib.request

from .oauth import APP_ID, CLIENT_SECRET
from .objects import KINDS

MAX_EVENTS = 100
_ATTEMPTS = 11
_ANSWER_SECONDS = 5
_DECODED = {"%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")",
            "%2A": "*", "%2C": ",", "%3B": ";"}


def decoded(uri):
    """Return the address as it is signed: a fixed set of percent codes is written out, all others stay."""
    return re.sub("|".join(_DECODED), lambda code: _DECODED[code.group().upper()], uri, flags=re.IGNORECASE)


def signatures(secret, method, uri, body, milliseconds):
    """Return the headers by which HubSpot signs a request: version 3, and version 1 beside it."""
    signed = f"{method}{decoded(uri)}".encode() + body + str(milliseconds).encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {"X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
            "X-HubSpot-Request-Timestamp": str(milliseconds),
            "X-HubSpot-Signature": hashlib.sha256(secret.encode() + body).hexdigest(),
            "X-HubSpot-Signature-Version": "v1"}


class Webhooks:
    """The app's one target address and what is sent there.

    :param retry_seconds: pause before the first repetition; it doubles up to 40 times that
    :param generic: event types are ``object.*`` with ``objectTypeId`` instead of ``company.*``
    :ivar deliveries: what was sent: ``{"events", "attempt", "status"}``
    """

    def __init__(self, portal_id, retry_seconds=0.2, generic=False):
        self.portal_id, self.retry_seconds, self.generic = portal_id, retry_seconds, generic
        self.url, self.deliveries = "", []
        self._numbers = itertools.count(9001)
        self._queue, self._stop, self._thread = queue.Queue(), threading.Event(), None

    def register(self, url, generic=None):
        self.url = url
        self.generic = self.generic if generic is None else bool(generic)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hubspot-webhooks", daemon=True)
            self._thread.start()
        return self.status()

    def clear(self):
        self.url = ""
        self.deliveries.clear()

    def status(self):
        return {"url": self.url, "waiting": self._queue.unfinished_tasks, "deliveries": list(self.deliveries)}

    def close(self):
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    # === EVENTS === #

    def heard(self, event):
        """Take an event of the store; without a target it is lost."""
        if self.url:
            self._queue.put(self.event(event))

    def event(self, event, generic=None):
        """Return an event as it is sent."""
        kind = KINDS[event["kind"]]
        generic = self.generic if generic is None else generic
        names = {key: value for key, value in event.items() if key not in ("what", "kind") and value is not None}
        return {"eventId": next(self._numbers), "subscriptionId": 77, "portalId": self.portal_id, "appId": APP_ID,
                "subscriptionType": f"{'object' if generic else kind.single}.{event['what']}", "attemptNumber": 0,
                **({"objectTypeId": kind.type_id} if generic else {}), **names}

    def body(self, events, attempt=0):
        """Return the bytes of a delivery: a JSON array, the newest event first, since no order is promised."""
        rows = [{**event, "attemptNumber": attempt} for event in reversed(events)]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()

    # === SENDING === #

    def _run(self):
        while not self._stop.is_set():
            try:
                events = [self._queue.get(timeout=0.05)]
            except queue.Empty:
                continue
            self._stop.wait(0.05)
            while len(events) < MAX_EVENTS and not self._queue.empty():
                events.append(self._queue.get())
            self._deliver(events)
            for _event in events:
                self._queue.task_done()

    def _deliver(self, events):
        for attempt in range(_ATTEMPTS):
            if not self.url:
                return
            status = self._post(self.body(events, attempt))
            self.deliveries.append({"events": len(events), "attempt": attempt, "status": status})
            if status.startswith("2") or self._stop.wait(min(2 ** attempt, 40) * self.retry_seconds):
                return

    def _post(self, body):
        """Return the status that the target answers, or the name of what went wrong."""
        # The receiver measures the age of a signature with the machine's clock.
        headers = signatures(CLIENT_SECRET, "POST", self.url, body, round(time.time() * 1000))
        request = urllib.request.Request(  # noqa: S310
            self.url, body, {**headers, "Content-Type": "application/json", "User-Agent": "HubSpot Webhooks"})
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
                return str(answer.status)
        except urllib.error.HTTPError as error:
            return str(error.code)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
