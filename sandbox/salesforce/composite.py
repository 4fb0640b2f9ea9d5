"""``/composite`` and ``/composite/batch``: several calls in one."""

import json
import re

from ..messages import Request
from .errors import ApiError

MAX_REQUESTS = 25
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)\.([\w.\[\]]+)\}")
_FORBIDDEN_HEADERS = ("accept", "authorization", "content-type")


class _Headers(dict):
    """Headers of a subrequest; names in lower case."""

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Composite:
    """Runs subrequests through the same routes as real ones.

    :param store: :class:`Store`
    :param handle: function ``(request, version, segments, session) -> Response``
    """

    def __init__(self, store, handle):
        self.store, self.handle = store, handle

    def run(self, body, session):
        """Answer ``POST /composite``."""
        subrequests = body.get("compositeRequest")
        _check(subrequests)
        names = [subrequest.get("referenceId", "") for subrequest in subrequests]
        if not all(re.fullmatch(r"\w+", name) for name in names) or len(set(names)) != len(names):
            raise ApiError(400, "INVALID_FIELD", "referenceId must be unique and hold letters, digits and underscores")
        done, results, failed = {}, [], False
        with self.store.writing():
            start = self.store.mark()
            for subrequest in subrequests:
                result = self._one(subrequest, session, done)
                failed = failed or result["httpStatusCode"] >= 400
                results.append(result)
            if failed and body.get("allOrNone"):
                self.store.rollback(start)
                for result in results:
                    if result["httpStatusCode"] < 400:
                        result["httpStatusCode"] = 400
                        result["body"] = [{"errorCode": "PROCESSING_HALTED", "message":
                                           "The transaction was rolled back since another operation in the same "
                                           "transaction failed."}]
        return {"compositeResponse": results}

    def batch(self, body, session):
        """Answer ``POST /composite/batch``."""
        subrequests = body.get("batchRequests")
        _check(subrequests)
        results = []
        for subrequest in subrequests:
            url = "/services/data/" + subrequest["url"].removeprefix("/services/data/").lstrip("/")
            rich = subrequest.get("richInput")
            status, value, _headers = self._call(subrequest["method"], url, rich, {}, session)
            results.append({"statusCode": status, "result": value})
            if status >= 400 and body.get("haltOnError"):
                break
        return {"hasErrors": any(result["statusCode"] >= 400 for result in results), "results": results}

    def _one(self, subrequest, session, done):
        name, headers = subrequest["referenceId"], subrequest.get("httpHeaders") or {}
        try:
            if any(header.lower() in _FORBIDDEN_HEADERS for header in headers):
                raise ApiError(400, "INVALID_HTTP_HEADER", "header not allowed in a subrequest")
            url = _fill(subrequest["url"], done)
            body = json.loads(_fill(json.dumps(subrequest["body"]), done)) if "body" in subrequest else None
            status, value, answer_headers = self._call(subrequest["method"], url, body, headers, session)
        except ApiError as error:
            status, value, answer_headers = error.status, error.body(), {}
        if status < 400:
            done[name] = value
        return {"body": value, "httpHeaders": answer_headers, "httpStatusCode": status, "referenceId": name}

    def _call(self, method, url, body, headers, session):
        """Return ``(status, JSON value or None, headers)`` of a subrequest."""
        request = Request(method, url, _Headers({name.lower(): value for name, value in headers.items()}),
                          b"" if body is None else json.dumps(body).encode())
        segments = request.raw_segments()
        if segments[:2] != ["services", "data"] or len(segments) < 4:
            return 404, ApiError(404, "NOT_FOUND", "The requested resource does not exist").body(), {}
        try:
            response = self.handle(request, segments[2], segments[3:], session)
        except ApiError as error:
            return error.status, error.body(), {}
        value = json.loads(response.body) if response.body else None
        return response.status, value, {name: text for name, text in response.headers.items() if name == "Location"}


def _check(subrequests):
    if not isinstance(subrequests, list) or not subrequests:
        raise ApiError(400, "JSON_PARSER_ERROR", "a list of subrequests is required")
    if len(subrequests) > MAX_REQUESTS:
        raise ApiError(400, "LIMIT_EXCEEDED", f"A composite call may hold at most {MAX_REQUESTS} subrequests")


def _fill(text, done):
    """Put results of earlier subrequests in place of ``@{name.path}``."""
    def value(match):
        if match[1] not in done:
            raise ApiError(400, "PROCESSING_HALTED", f"Invalid reference specified. No value for {match[1]}")
        found = done[match[1]]
        for step in re.findall(r"\w+", match[2]):
            try:
                found = found[int(step)] if isinstance(found, list) else found[step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise ApiError(400, "PROCESSING_HALTED",
                               f"Invalid reference specified. No value for {match[0]}") from None
        return str(found)
    return _REFERENCE.sub(value, text)
