"""HTTP around a vendor's stand-in: real sockets, HTTP/1.1 with keep-alive, a log, faults and a control API."""

import importlib
import json
import sys
import threading
import time
from collections import deque
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .clock import Clock
from .control import CONTROL_PREFIX, control
from .faults import BEFORE, Faults, answer_before, wrong_encoding
from .messages import Request, Response, html_response

_LOG_SIZE = 20_000
_MAX_BODY = 64 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """Reads one request, lets it suffer its fault, asks the app, writes the answer in one piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = bytearray()
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return bytes(body)
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY:
            raise ValueError("request body too large")
        return self.rfile.read(length)

    def _serve(self):
        sandbox = self.server.sandbox
        started = time.perf_counter()
        request = Request(self.command, self.path, self.headers, self._read_body())
        if request.path.startswith(CONTROL_PREFIX):
            self._write(control(sandbox, request))
            return
        fault = sandbox.faults.take(request.method, request.target)
        kind = fault.kind if fault else ""
        response = None
        if kind in BEFORE:
            if kind == "hang":
                sandbox.stopping.wait(float(fault.options.get("seconds", 60)))
            response = answer_before(fault, sandbox.app.outage)
        else:
            request.fault = fault
            response = sandbox.app.handle(request)
        sandbox.record(request, response, kind, time.perf_counter() - started)
        if response is None or kind == "lost_answer":
            self.close_connection = True
            return
        if kind == "wrong_encoding":
            response = Response(response.status, wrong_encoding(response.body), response.headers)
        if kind == "html_body":
            response = html_response(200, "Sign in", "Your network wants you to sign in first.")
        self._write(response, cut=kind == "cut_body")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _serve

    def _write(self, response, cut=False):
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        body = response.body if self.command != "HEAD" else b""
        if cut:
            body = body[:len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)
        self.wfile.flush()

    def date_time_string(self, timestamp=None):
        return format_datetime(self.server.sandbox.clock.now(), usegmt=True)

    def version_string(self):
        return "sandbox"

    def log_message(self, format, *args):
        """The sandbox keeps its own log; nothing goes to stderr."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that hangs up in the middle is part of the game; anything else is kept for the tests to see."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.sandbox.errors.append(repr(error))
            super().handle_error(request, client_address)


class Sandbox:
    """A running stand-in.

    :ivar url: ``http://127.0.0.1:port``
    :ivar app: the vendor's app: ``handle``, ``manifest``, ``credentials``, ``advance``, ``VENDOR_KINDS``
    :ivar faults: :class:`Faults`
    :ivar errors: tracebacks of requests that broke the stand-in itself; a test may assert that it is empty
    """

    def __init__(self, vendor="salesforce", host="127.0.0.1", port=0, **settings):
        self.clock = Clock()
        self.stopping = threading.Event()
        self.errors = []
        self._log = deque(maxlen=_LOG_SIZE)
        self._count = 0
        self._log_lock = threading.Lock()
        self._http = Server((host, port), Handler)
        self._http.sandbox = self
        self.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{self._http.server_address[1]}"
        try:
            self.app = importlib.import_module(f"{__package__}.{vendor}").create_app(self.clock, self.url, **settings)
        except BaseException:
            self._http.server_close()
            raise
        self.faults = Faults(self.app.VENDOR_KINDS)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05},
                                        name="sandbox", daemon=True)
        self._thread.start()

    @property
    def manifest(self):
        """What a run on these data must come to, to the last record and cent."""
        return self.app.manifest()

    @property
    def credentials(self):
        return self.app.credentials()

    def advance(self):
        """Play the second act and return what it changed."""
        return self.app.advance()

    def record(self, request, response, fault, seconds):
        """Keep one line of the log: no header, no token, no body of a login."""
        entry = {
            "method": request.method, "target": self.app.redact(request), "status": response.status if response else 0,
            "fault": fault, "milliseconds": round(seconds * 1000, 1), "bytes": len(response.body) if response else 0,
            "client": self.app.client_name(request),
        }
        entry.update(self.app.log_details(request))
        with self._log_lock:
            self._count += 1
            self._log.append({"number": self._count, **entry})

    def log(self, since=0):
        """Return the log entries after number ``since``."""
        with self._log_lock:
            return [entry for entry in self._log if entry["number"] > since]

    def stop(self):
        """Stop serving and free the port."""
        self.stopping.set()
        self.app.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)


def start(scale="tiny", seed=1, port=0, host="127.0.0.1", vendor="salesforce", **settings):
    """Start a stand-in in a thread of this process and return the :class:`Sandbox`.

    :param scale: ``full``, ``small`` or ``tiny``
    :param seed: number from which all data follow
    :param settings: vendor's own, see ``create_app`` of the vendor's folder
    """
    return Sandbox(vendor, host, port, scale=scale, seed=seed, **settings)


def dump(value):
    """Return ``value`` as stable, readable JSON."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
