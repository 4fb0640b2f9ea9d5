"""Webhooks: each event is posted to every enabled endpoint that wants it, signed, and repeated until a 2xx comes.

Pauses between attempts are shortened to fit a test. A signature's time is the machine's own, not the stand-in's:
whoever receives it judges its age by a real clock.
"""

import hashlib
import hmac
import json
import queue
import threading
import time
import urllib.error
import urllib.request
from fnmatch import fnmatchcase

from .views import shown


def signature(secrets, body, second):
    """Return the ``Stripe-Signature`` header of ``body`` (bytes): one ``v1`` for each secret."""
    signed = f"{second}.".encode() + body
    parts = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={second}", *parts])


class Sender:
    """Posts events from a thread of its own.

    :param attempts: how often an event is sent to an endpoint before it is given up
    """

    def __init__(self, store, retry_seconds=0.2, attempts=4):
        self.store, self.retry_seconds, self.attempts = store, retry_seconds, attempts
        self.deliveries = []
        self._queue = queue.Queue()
        self._stop = threading.Event()
        self._thread = None

    def send(self, event):
        """Queue an event to all endpoints that want it."""
        for endpoint in self.store["webhook_endpoint"].all():
            if endpoint["status"] == "enabled" and any(
                    fnmatchcase(event["type"], pattern) for pattern in endpoint["enabled_events"]):
                event["pending_webhooks"] += 1
                self._put(endpoint, event, 1)

    def status(self):
        return {"deliveries": list(self.deliveries), "waiting": self._queue.unfinished_tasks}

    def close(self):
        self._stop.set()
        if self._thread:
            self._queue.put(None)
            self._thread.join(timeout=5)

    def _put(self, endpoint, event, attempt):
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()
        self._queue.put((endpoint, event, attempt))

    def _run(self):
        while (job := self._queue.get()) is not None:
            endpoint, event, attempt = job
            outcome = self._post(endpoint, event)
            taken = outcome.startswith("2")
            self.deliveries.append({"endpoint": endpoint["id"], "event": event["id"], "type": event["type"],
                                    "attempt": attempt, "outcome": outcome, "taken": taken})
            if taken:
                with self.store.lock:
                    event["pending_webhooks"] -= 1
            elif (attempt < self.attempts and endpoint["status"] == "enabled"
                  and not self._stop.wait(self.retry_seconds * 2 ** (attempt - 1))):
                self._put(endpoint, event, attempt + 1)
            self._queue.task_done()

    def _post(self, endpoint, event):
        """Return the status, or the name of what kept the answer from coming."""
        with self.store.lock:
            body = json.dumps(shown(event, self.store.second()), indent=2).encode()
            header = signature(endpoint["_secrets"], body, int(time.time()))
        request = urllib.request.Request(endpoint["url"], body, {  # noqa: S310 - the URL is a tester's own
            "Content-Type": "application/json; charset=utf-8", "Stripe-Signature": header,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}, method="POST")
        try:
            with _OPENER.open(request, timeout=10) as response:
                return str(response.status)
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return type(error).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect counts as a failure."""

    def redirect_request(self, *_arguments):
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)
