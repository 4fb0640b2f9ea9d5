"""A small real HTTP server for tests: it plays a script and remembers what it was asked."""

import contextlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from requests.structures import CaseInsensitiveDict

from connectors.base import Session, Token, WebhookRequest
from connectors.transport import Transport


@dataclass
class Asked:
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def form(self):
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}

    @property
    def soql(self):
        return self.query["q"]


@dataclass
class Answer:
    """:param raw: bytes written to the socket instead of a proper answer; :param cut: bytes withheld from the body"""

    status: int = 200
    body: object = None
    headers: dict | None = None
    raw: bytes | None = None
    cut: int = 0


class WireServer:
    """``handler(Asked) -> Answer``; ``asked`` lists the requests in order."""

    def __init__(self, handler):
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet

            def _serve(self):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                request = Asked(self.command, parts.path, query, dict(self.headers), body)
                outer.asked.append(request)
                self._write(handler(request))

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

            def _write(self, answer):
                if answer.raw is not None:
                    self.wfile.write(answer.raw)
                    self.close_connection = True
                    return
                body = answer.body if isinstance(answer.body, bytes) else (
                    b"" if answer.body is None else json.dumps(answer.body).encode())
                self.send_response_only(answer.status)
                if "Date" not in (answer.headers or {}):
                    self.send_header("Date", self.date_time_string())
                for name, value in (answer.headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:len(body) - answer.cut] if answer.cut else body)
                if answer.cut:
                    self.close_connection = True

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(handler):
    server = WireServer(handler)
    try:
        yield server
    finally:
        server.close()


class MemoryTokens:
    """A token store of one process: what the engine keeps in the database."""

    def __init__(self, credentials, token=None):
        self.credentials = credentials
        self.token = token
        self.refreshes = 0

    def get(self):
        return self.token

    def refresh(self, used, authenticate):
        if self.token is None or used is None or self.token.data["access_token"] == used.data["access_token"]:
            self.refreshes += 1
            self.token = authenticate(dict(self.credentials))
            self.credentials.update(self.token.rotated)
        return self.token


def request_of(body, headers=None, method="POST", url="https://erp.example.com/psa_hub/webhook/token", query=None):
    """Return what the engine gives a connector for a request to the connection's webhook address."""
    return WebhookRequest(method, url, CaseInsensitiveDict(headers or {}), query or {}, body)


def session_for(url, method="client_credentials", credentials=None, token="first", settings=None, **transport):
    """Return a session whose data and login host is ``url``; ``token`` None means that it has to log in first."""
    credentials = credentials or {"client_id": "key", "client_secret": "secret"}
    stored = Token({"access_token": token, "instance_url": url}) if token else None
    return Session(credentials, {"login_url": url, **(settings or {})}, Transport(allow_private=True, **transport),
                   MemoryTokens(credentials, stored), method)
