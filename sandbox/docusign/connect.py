"""Connect: each status event is posted as JSON, signed with every active key, and repeated until it is answered 200.

A repetition carries a higher ``retryCount`` and so another signature. Pauses are shortened to fit a test.
"""

import base64
import hashlib
import hmac
import json
import queue
import threading
import urllib.error
import urllib.request
from datetime import datetime, timezone

from .envelopes import text_of, view

EVENTS = tuple(f"envelope-{what}" for what in ("sent", "delivered", "completed", "declined", "voided", "corrected",
                                               "deleted"))
_ATTEMPTS = 10


def signature(key, body):
    """Return the value of one signature header: the key is taken as text, not decoded."""
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def message(row, event, ids, retry=0, moment=None, summary=True):
    """Return the body (bytes) of one event. :param summary: with recipients and custom fields of the envelope"""
    data = {"accountId": ids["account_id"], "userId": ids["user_id"], "envelopeId": row.id}
    if summary:
        data["envelopeSummary"] = view(row, ("recipients", "custom_fields"))
    return json.dumps({
        "event": event, "apiVersion": "v2.1",
        "uri": f"/restapi/v2.1/accounts/{ids['account_id']}/envelopes/{row.id}", "retryCount": retry,
        "configurationId": 104_211, "generatedDateTime": text_of(moment or datetime.now(timezone.utc)), "data": data,
    }, ensure_ascii=False, separators=(",", ":")).encode()


def headers(body, keys):
    """Return the headers of a delivery with one signature for each key."""
    signed = {f"X-DocuSign-Signature-{number}": signature(key, body) for number, key in enumerate(keys, 1)}
    return {"Content-Type": "application/json; charset=utf-8", "X-Authorization-Digest": "HMACSHA256", **signed}


class Connect:
    """Addresses that are told, and the thread that tells them.

    :ivar keys: the account's active HMAC keys
    """

    def __init__(self, store, ids, keys, retry_seconds=0.2):
        self.ids, self.keys, self.retry_seconds = ids, list(keys), retry_seconds
        self.targets, self.deliveries = [], []
        self._queue, self._stop, self._thread = queue.Queue(), threading.Event(), None
        store.listeners.append(self._changed)

    def register(self, url, events=EVENTS, include_data=("recipients", "custom_fields"), hmac_keys=()):
        """Tell ``url`` of ``events``.

        :param hmac_keys: keys that replace the account's
        :raise ValueError: unknown event
        """
        if not set(events) <= set(EVENTS):
            raise ValueError(f"unknown event; known: {', '.join(EVENTS)}")
        self.keys = list(hmac_keys) or self.keys
        self.targets.append((url, tuple(events), bool(include_data)))
        return self.status()

    def status(self):
        return {"targets": [{"url": url, "events": events} for url, events, _summary in self.targets],
                "deliveries": list(self.deliveries), "waiting": self._queue.unfinished_tasks,
                "hmac_keys": len(self.keys)}

    def clear(self):
        self.targets.clear()
        self.deliveries.clear()

    def _changed(self, event, row):
        for url, events, summary in self.targets:
            if event in events:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="docusign-connect", daemon=True)
                    self._thread.start()
                self._queue.put((url, message(row, event, self.ids, summary=summary), event, 0))

    def _run(self):
        while (job := self._queue.get()) is not None:
            url, body, event, retry = job
            outcome = self._post(url, body)
            self.deliveries.append({"event": event, "retryCount": retry, "outcome": str(outcome)})
            if outcome != 200 and retry + 1 < _ATTEMPTS and not self._stop.wait(self.retry_seconds):
                again = body.replace(b'"retryCount":%d,' % retry, b'"retryCount":%d,' % (retry + 1), 1)
                self._queue.put((url, again, event, retry + 1))
            self._queue.task_done()

    def _post(self, url, body):
        """Return the status that the address answered, 0 for none."""
        try:
            request = urllib.request.Request(url, body, headers(body, self.keys))  # noqa: S310 - a tester's own URL
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return response.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def close(self):
        self._stop.set()
        if self._thread:
            self._queue.put(None)
            self._thread.join(timeout=5)
