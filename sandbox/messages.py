"""A request and a response, as the stand-ins see them; neither knows a vendor."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(slots=True)
class Request:
    """One HTTP request.

    :param target: path with query as it came
    :param headers: mapping that does not mind the case of names
    :param fault: :class:`sandbox.faults.Fault` that the vendor's own code has to act out, or None
    """

    method: str
    target: str
    headers: object
    body: bytes = b""
    fault: object = None
    path: str = ""
    query: dict = field(default_factory=dict)

    def __post_init__(self):
        parts = urlsplit(self.target)
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))

    def raw_segments(self):
        """Return the path's segments, each unquoted only after the split (a value may hold a slash)."""
        return [unquote(segment) for segment in urlsplit(self.target).path.split("/") if segment]

    def json(self):
        """Return the parsed JSON body.

        :raise ValueError: when it is not JSON in UTF-8
        """
        return json.loads(self.body.decode("utf-8"))

    def form(self):
        return dict(parse_qsl(self.body.decode("utf-8"), keep_blank_values=True))


@dataclass(slots=True)
class Response:
    """One HTTP response; ``headers`` without Content-Length and Date, which the server adds."""

    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)


def json_response(value, status=200, headers=None):
    """Return ``value`` as a JSON response in UTF-8."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(status, body, {"Content-Type": "application/json;charset=UTF-8", **(headers or {})})


def html_response(status, title, text):
    """Return a small page, as proxies and maintenance hosts send it instead of JSON."""
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    return Response(status, body.encode(), {"Content-Type": "text/html;charset=UTF-8"})
