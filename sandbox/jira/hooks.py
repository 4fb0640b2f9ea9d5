"""Webhooks: Tempo's subscriptions with their activation, Jira's admin webhooks, and the thread that sends both.

A Tempo delivery is repeated with the bytes, stamp and signature of the first attempt. Pauses are shortened to fit a
test; after the last attempt the subscription is switched off.
"""

import queue
import secrets
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import urlencode

from . import signing
from .errors import JiraError, TempoError

_MOST_SUBSCRIPTIONS = 25
_ATTEMPTS = 10
_OTHER_TEMPO_EVENTS = frozenset(f"plan.{verb}" for verb in ("created", "updated", "deleted"))


@dataclass(slots=True)
class Target:
    """One address. ``kind`` is ``tempo`` or ``jira``; ``events`` are that vendor's names."""

    number: int
    kind: str
    url: str
    events: tuple
    name: str
    secret: str = field(repr=False)
    active: bool = False


class Hooks:
    """Targets, and a queue of deliveries that a thread works off.

    :param render: ``f(worklog) -> dict`` in Jira's form
    :ivar deliveries: what was sent: target, event, attempt, outcome
    """

    def __init__(self, store, url, cloud_id, render, retry_seconds=0.2):
        self.url, self.cloud_id, self.render, self.retry_seconds = url, cloud_id, render, retry_seconds
        self.targets, self.deliveries = [], []
        self._queue, self._stop, self._thread, self._count = queue.Queue(), threading.Event(), None, 0
        self._lock = threading.Lock()
        store.listeners.append(self._changed)

    # === REGISTERING === #

    def subscribe(self, url, event, name="", description="", secret=""):
        """Answer ``POST /4/webhooks/subscriptions``; the activation follows in the thread."""
        if event not in signing.TEMPO_EVENTS.values() and event not in _OTHER_TEMPO_EVENTS:
            raise TempoError(400, f"Unknown event {event}")
        known = [target for target in self.targets if target.kind == "tempo"]
        if any(target.url == url and event in target.events for target in known):
            raise TempoError(409, "A subscription for this url and event exists")
        if len(known) >= _MOST_SUBSCRIPTIONS:
            raise TempoError(400, f"At most {_MOST_SUBSCRIPTIONS} subscriptions are allowed")
        target = self._add("tempo", url, (event,), name, secret or secrets.token_hex(64))
        self._put(target, "activation", b"", {})
        return {**self._view(target), "sharedSecret": target.secret}

    def add_admin(self, url, events, name="", secret=""):
        """Register an admin webhook of Jira. :raise JiraError: unknown event"""
        unknown = sorted(set(events) - set(signing.JIRA_EVENTS.values()))
        if unknown or not events:
            raise JiraError(400, f"This stand-in sends no event {unknown[0] if unknown else ''}".strip(), "events")
        target = self._add("jira", url, tuple(events), name, secret)
        target.active = True
        return {"self": f"{self.url}/rest/webhooks/1.0/webhook/{target.number}", "name": name, "url": url,
                "events": list(target.events), "enabled": True}

    def _add(self, kind, url, events, name, secret):
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise (TempoError if kind == "tempo" else JiraError)(400, "url is not an address")
        with self._lock:
            self._count += 1
            target = Target(self._count, kind, url, events, name, secret)
            self.targets.append(target)
        return target

    def subscriptions(self):
        return [self._view(target) for target in self.targets if target.kind == "tempo"]

    def _view(self, target):
        return {"self": f"{self.url}/4/webhooks/subscriptions/{target.number}", "id": target.number, "url": target.url,
                "event": target.events[0], "name": target.name, "active": target.active}

    def _find(self, number):
        for target in self.targets:
            if target.number == number and target.kind == "tempo":
                return target
        raise TempoError(404, "Subscription not found")

    def refresh(self, number):
        """Try the activation again."""
        target = self._find(number)
        self._put(target, "activation", b"", {})
        return self._view(target)

    def unsubscribe(self, number):
        self.targets.remove(self._find(number))

    def status(self):
        return {"targets": [{"id": target.number, "kind": target.kind, "url": target.url, "events": target.events,
                             "active": target.active} for target in self.targets],
                "deliveries": list(self.deliveries), "waiting": self._queue.unfinished_tasks}

    # === SENDING === #

    def _changed(self, action, row):
        for target in list(self.targets):
            event = (signing.TEMPO_EVENTS if target.kind == "tempo" else signing.JIRA_EVENTS)[action]
            if event not in target.events or not target.active:
                continue
            if target.kind == "tempo":
                body, headers = signing.tempo_request(row, action, target.secret, self.cloud_id)
            else:
                body, headers = signing.jira_request(event, {"worklog": self.render(row)}, target.secret)
                if not target.secret:
                    del headers["X-Hub-Signature"]
            self._put(target, event, body, headers)

    def _put(self, target, event, body, headers):
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jira-hooks", daemon=True)
                self._thread.start()
        self._queue.put((target, event, body, headers, 1))

    def _run(self):
        while (job := self._queue.get()) is not None:
            target, event, body, headers, attempt = job
            taken, outcome = self._activate(target) if event == "activation" else self._post(target, body, headers)
            self.deliveries.append({"target": target.number, "event": event, "attempt": attempt, "outcome": outcome})
            if not taken and event != "activation":
                if attempt >= _ATTEMPTS:
                    target.active = False
                elif not self._stop.wait(self.retry_seconds):
                    again = dict(headers)
                    if target.kind == "jira":
                        again["x-atlassian-webhook-retry"] = str(attempt)
                    self._queue.put((target, event, body, again, attempt + 1))
            self._queue.task_done()

    def _activate(self, target):
        """Ask the address to send a random text back."""
        text = secrets.token_hex(16)
        separator = "&" if "?" in target.url else "?"
        status, answer, kind = self._call(urllib.request.Request(  # noqa: S310 - the URL is a tester's own
            target.url + separator + urlencode({"randomString": text})))
        target.active = status == 200 and answer.decode("utf-8", "replace") == text and kind.startswith("text/plain")
        return target.active, str(status)

    def _post(self, target, body, headers):
        status, _answer, _kind = self._call(urllib.request.Request(  # noqa: S310
            target.url, body, headers, method="POST"))
        return 0 < status < 400, str(status)

    @staticmethod
    def _call(request):
        """Return ``(status, body, content type)``; status 0: no answer."""
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return response.status, response.read(65_536), response.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            return error.code, b"", ""
        except OSError:
            return 0, b"", ""

    def close(self):
        self._stop.set()
        if self._thread:
            self._queue.put(None)
            self._thread.join(timeout=5)
