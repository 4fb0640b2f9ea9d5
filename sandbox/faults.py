"""Failures on order: the next N requests that match a path and method go wrong in one chosen way.

Kinds that any HTTP server can show live here; a vendor adds its own (``VENDOR_KINDS`` of its app) and acts them out
where it builds the answer.
"""

import re
import threading
from dataclasses import dataclass, field

from .messages import Response, html_response, json_response

#: answered before the vendor's code sees the request
BEFORE = frozenset(("rate_limited", "server_error", "maintenance", "hang", "drop", "empty_406", "edge_420"))
STATUSES = {"rate_limited": 429, "server_error": 500}
#: the vendor's code runs, then the answer is spoilt
AFTER = frozenset(("lost_answer", "cut_body", "wrong_encoding", "html_body"))


@dataclass(slots=True)
class Fault:
    """One order.

    :param kind: see :data:`BEFORE`, :data:`AFTER` and the vendor's kinds
    :param times: how many matching requests go wrong; None until cleared
    :param method: HTTP method, or "" for any
    :param path: regular expression searched in path and query, or "" for any
    :param skip: matching requests that pass first
    :param options: ``retry_after`` (seconds or HTTP date text), ``seconds`` (hang), ``records`` (how many of a
        collection's records), ``message``
    """

    kind: str
    times: int | None = 1
    method: str = ""
    path: str = ""
    skip: int = 0
    options: dict = field(default_factory=dict)
    hits: int = 0

    def matches(self, method, target):
        return (not self.method or self.method == method) and (not self.path or bool(re.search(self.path, target)))

    def as_dict(self):
        return {"kind": self.kind, "times": self.times, "method": self.method, "path": self.path, "skip": self.skip,
                "hits": self.hits, **self.options}


class Faults:
    """The orders in force.

    :param vendor_kinds: kinds that the vendor's app acts out itself
    """

    def __init__(self, vendor_kinds=frozenset()):
        self.kinds = BEFORE | AFTER | frozenset(vendor_kinds)
        self._orders = []
        self._lock = threading.Lock()

    def add(self, kind, times=1, method="", path="", skip=0, **options):
        """Order a failure and return it.

        :raise ValueError: unknown kind, or a path that is no regular expression
        """
        if kind not in self.kinds:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(sorted(self.kinds))}")
        try:
            re.compile(path)
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from error
        fault = Fault(kind, times, method.upper(), path, skip, options)
        with self._lock:
            self._orders.append(fault)
        return fault

    def clear(self):
        with self._lock:
            self._orders.clear()

    def pending(self):
        """Return the orders in force as dicts."""
        with self._lock:
            return [fault.as_dict() for fault in self._orders]

    def take(self, method, target):
        """Return the fault that this request has to suffer, or None; each request suffers at most one."""
        with self._lock:
            for fault in self._orders:
                if not fault.matches(method, target):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._orders.remove(fault)
                return fault
        return None


def answer_before(fault, outage):
    """Return the :class:`Response` of a fault that happens before the vendor's code looks at the request.

    ``hang`` and ``drop``: None, no answer.

    :param outage: ``f(status) -> (JSON body, headers)``: how this vendor words its 429 and 500
    """
    if fault.kind in STATUSES:
        body, headers = outage(STATUSES[fault.kind])
        response = json_response(body, STATUSES[fault.kind], headers)
        if "retry_after" in fault.options:
            response.headers["Retry-After"] = str(fault.options["retry_after"])
        elif fault.kind == "rate_limited":
            response.headers.pop("Retry-After", None)
        return response
    if fault.kind == "maintenance":
        response = html_response(503, "Service Unavailable", "We are down for maintenance. Sorry for that.")
        if "retry_after" in fault.options:
            response.headers["Retry-After"] = str(fault.options["retry_after"])
        return response
    if fault.kind == "empty_406":
        return Response(406)
    if fault.kind == "edge_420":
        return Response(420)
    return None


def wrong_encoding(body):
    """Return ``body`` so that it is not UTF-8 any more although the header says it is."""
    spoilt = body.decode("utf-8").encode("latin-1", "replace")
    if spoilt.isascii():
        head, separator, rest = spoilt.partition(b'":"')
        spoilt = head + separator + b"\xe9\xff" + rest
    return spoilt
