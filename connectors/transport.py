"""The one door to the network: every HTTP call of every connector passes here.

It gives each call time-outs and a size limit, goes only to addresses that :mod:`connectors.address` allows, logs
without secrets, and turns network failures into the classes of :mod:`connectors.errors`. What a status or an error body
means is the vendor's business: a :class:`Response` of any status is returned as it came.
"""

import logging
import os
import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from . import jsontext
from .address import CheckedAdapter, check_url
from .errors import ConnectionRefusedByVendor, PoisonError, TransientError, UnsafeUrlError

_logger = logging.getLogger(__name__)

#: Methods that change nothing at the vendor: losing their answer leaves no doubt behind.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
#: Statuses below 500 that say "later", whatever the vendor.
_LATER = frozenset({408, 420, 425, 429})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_CHUNK = 64 * 1024

_SECRETS = re.compile(
    r"(?i)((?:access_token|refresh_token|id_token|client_secret|assertion|password|code_verifier|authorization"
    r"|api[_-]?key|session[_-]?id|sid)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?|bearer\s+|basic\s+)"
    r"[^\s\"'&,;}<]+")


def redact(text):
    """Return ``text`` with whatever looks like a token or secret replaced by ``***``."""
    return _SECRETS.sub(r"\1***", str(text))


def parse_retry_after(value, now=None):
    """Return the seconds that a ``Retry-After`` header asks to wait, or None.

    :param value: header text: seconds or an HTTP date, or None
    :param now: aware datetime that a date is compared with (the server's own ``Date`` is best)
    """
    if not value:
        return None
    text = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - (now or datetime.now(timezone.utc))).total_seconds())


def is_outage(status):
    """True for a status that says "later", whatever the vendor."""
    return status in _LATER or status >= 500


@dataclass(frozen=True, slots=True)
class Call:
    """What ``after_call`` is told about one HTTP exchange; it holds no secret.

    :param status: HTTP status, or None when no answer came
    :param error: exception that ended the call, or None
    """

    method: str
    host: str
    path: str
    status: int | None
    seconds: float
    size: int
    error: Exception | None = None


@dataclass(slots=True)
class Response:
    """A complete answer.

    :param headers: case-insensitive mapping
    :param body: bytes after content decoding
    """

    method: str
    url: str
    status: int
    headers: CaseInsensitiveDict
    body: bytes = field(repr=False)

    @property
    def ok(self):
        return 200 <= self.status < 300

    @property
    def date(self):
        """The server's clock (aware datetime) from the ``Date`` header, or None."""
        try:
            return parsedate_to_datetime(self.headers["Date"]).astimezone(timezone.utc)
        except (KeyError, ValueError):
            return None

    @property
    def maybe_done(self):
        """True when the refused call may have taken effect all the same."""
        return self.method not in SAFE_METHODS and (self.status >= 500 or self.status == 408)

    @property
    def retry_after(self):
        return parse_retry_after(self.headers.get("Retry-After"), self.date)

    @property
    def text(self):
        """The body as text. :raise PoisonError: not UTF-8; a name with replaced letters would be a wrong name"""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise PoisonError("The answer is not UTF-8 text", code="encoding") from error

    def json(self):
        """Return the parsed body, numbers with a fraction as ``Decimal``.

        :raise PoisonError: empty, HTML, not UTF-8 or otherwise not JSON
        :raise TransientError: JSON that ends too early (the connection was cut)
        """
        text = self.text.lstrip("\ufeff").strip()
        if not text:
            raise PoisonError("The answer is empty where JSON was promised", code="empty_body")
        if text.startswith("<"):
            raise PoisonError("The answer is a web page where JSON was promised", code="html_body")
        try:
            return jsontext.loads(text)
        except ValueError as error:
            position = getattr(error, "pos", 0)
            if text[0] in "[{\"" and (position >= len(text) - 1 or "Unterminated" in str(error)):
                raise TransientError("The answer was cut off", code="cut_body",
                                     maybe_done=self.method not in SAFE_METHODS) from error
            raise PoisonError("The answer is not JSON", code="not_json") from error

    def raise_for_outage(self):
        """Raise what a status means that says "later" in every vendor's language.

        :raise TransientError: 408, 425, 429 and every 5xx
        """
        if is_outage(self.status):
            raise TransientError(f"The vendor's server answered {self.status}", f"http_{self.status}",
                                 self.retry_after, self.maybe_done)


def clock_of(response):
    """Return the server's clock (aware datetime) at an answer, or ours when it does not tell."""
    return response.date or datetime.now(timezone.utc)


class Transport:
    """Makes HTTP calls for one connection.

    :param allow_private: sandbox connection: http and private addresses are allowed (metadata services never are)
    :param before_call: ``f(method, host)`` before each exchange; may wait, or raise to refuse (breaker, rate budget)
    :param after_call: ``f(Call)`` after each exchange, failed ones too
    :param connect_timeout: seconds
    :param read_timeout: seconds without a byte
    :param total_timeout: seconds for the whole answer
    :param max_bytes: largest decoded answer
    """

    def __init__(self, allow_private=False, before_call=None, after_call=None, connect_timeout=5, read_timeout=30,
                 total_timeout=120, max_bytes=64 * 1024 * 1024):
        self.allow_private = allow_private
        self._before_call = before_call
        self._after_call = after_call
        self._timeout = (connect_timeout, read_timeout)
        self._total_timeout = total_timeout
        self._max_bytes = max_bytes
        self._http = requests.Session()
        # No proxy, netrc or cookie of the machine may slip into a call; a private certificate authority may.
        self._http.trust_env = False
        self._http.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, CheckedAdapter(allow_private))
        self._http.headers["User-Agent"] = "psa-hub/1.0"

    def close(self):
        self._http.close()

    def request(self, method, url, *, headers=None, params=None, json=None, data=None, auth=None):
        """Make one call and return its :class:`Response`, whatever the status.

        :param params: query parameters (never logged)
        :param json: value sent as JSON (``Decimal`` allowed)
        :param data: form fields (dict) or bytes
        :param auth: ``(user, password)`` for HTTP Basic
        :raise UnsafeUrlError: the address, or the one it redirects to, may not be called
        :raise TransientError: no complete answer; ``maybe_done`` when the request may have taken effect
        :raise ConnectionRefusedByVendor: the server's certificate is not valid
        :raise PoisonError: the answer is larger than ``max_bytes``
        """
        headers = dict(headers or {})
        if json is not None:
            data = jsontext.dumps(json).encode()
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        for _hop in range(_MAX_REDIRECTS + 1):
            response = self._exchange(method, url, headers=headers, params=params, data=data, auth=auth)
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            url, params = self._redirected(response), None
        raise UnsafeUrlError("The vendor's server redirects in a circle")

    def _redirected(self, response):
        """Return where ``response`` points to; only a read, and only to the same server, is followed."""
        target = urljoin(response.url, response.headers["Location"])
        source, destination = urlsplit(response.url), urlsplit(target)
        if response.method not in SAFE_METHODS:
            raise UnsafeUrlError(f"{source.hostname} redirects a write; check the address in the settings")
        if (source.scheme, source.hostname, source.port) != (destination.scheme, destination.hostname,
                                                             destination.port):
            raise UnsafeUrlError(f"{source.hostname} redirects to {destination.hostname}; put that address into the "
                                 "settings if it is right")
        return target

    def _exchange(self, method, url, **options):
        check_url(url, self.allow_private)
        parts = urlsplit(url)
        if self._before_call:
            self._before_call(method, parts.hostname)
        started = time.monotonic()
        status, size, failure = None, 0, None
        try:
            response = self._send(method, url, started, options)
            status, size = response.status, len(response.body)
            return response
        except Exception as error:
            failure = error
            raise
        finally:
            call = Call(method, parts.hostname, parts.path, status, time.monotonic() - started, size, failure)
            _logger.info("%s %s%s -> %s, %d bytes, %.2f s", method, call.host, call.path,
                         status or type(failure).__name__, size, call.seconds)
            if self._after_call:
                self._after_call(call)

    def _send(self, method, url, started, options):
        doubtful = method not in SAFE_METHODS
        try:
            answer = self._http.request(method, url, timeout=self._timeout, allow_redirects=False, stream=True,
                                        **options)
        except requests.exceptions.ConnectTimeout as error:
            raise TransientError("The vendor's server could not be reached in time", code="connect_timeout") from error
        except requests.exceptions.ReadTimeout as error:
            raise TransientError("The vendor's server did not answer in time", code="read_timeout",
                                 maybe_done=doubtful) from error
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ConnectionRefusedByVendor("The server's certificate is not valid",
                                                code="certificate") from error
            raise TransientError("No secure connection to the vendor's server", code="tls") from error
        except requests.exceptions.ConnectionError as error:
            unsent = isinstance(getattr(error.args and error.args[0], "reason", None),
                                (NewConnectionError, ConnectTimeoutError))
            raise TransientError("The connection to the vendor's server failed", code="connection",
                                 maybe_done=doubtful and not unsent) from error
        except requests.exceptions.RequestException as error:
            raise UnsafeUrlError(f"The address cannot be called: {redact(error)}") from error
        with answer:
            body = self._read(answer, started, doubtful)
        return Response(method, url, answer.status_code, CaseInsensitiveDict(answer.headers), body)

    def _read(self, answer, started, doubtful):
        """Return the whole decoded body within the limits of size and time."""
        parts, size = [], 0
        # read1 returns what is there, so that the clock is looked at even when bytes come in drops.
        read = getattr(answer.raw, "read1", answer.raw.read)
        try:
            while chunk := read(_CHUNK, decode_content=True):
                size += len(chunk)
                if size > self._max_bytes:
                    raise PoisonError(f"The answer is larger than {self._max_bytes // 1048576} MB", code="too_large")
                if time.monotonic() - started > self._total_timeout:
                    raise TransientError("The answer took too long", code="slow_body", maybe_done=doubtful)
                parts.append(chunk)
        except (HTTPError, OSError) as error:
            raise TransientError("The answer was cut off", code="cut_body", maybe_done=doubtful) from error
        promised = answer.headers.get("Content-Length", "")
        if promised.isdigit() and answer.request.method != "HEAD" and answer.raw.tell() < int(promised):
            raise TransientError("The answer was cut off", code="cut_body", maybe_done=doubtful)
        return b"".join(parts)
