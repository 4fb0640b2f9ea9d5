"""Reading a request strictly: a parameter or body key that the vendor does not know is refused, not passed over."""

from urllib.parse import parse_qs, urlsplit


class Asked:
    """One call as a route sees it.

    :param error: class of the refusal, ``error(status, message)``
    :ivar path: segments below the API's root
    """

    def __init__(self, request, path, error):
        self.request, self.path, self.error = request, path, error
        self.method = request.method
        self.fault = request.fault.kind if request.fault else ""
        self.query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)

    def allow(self, *names):
        """:raise Refusal: the query holds another name"""
        unknown = sorted(set(self.query) - set(names))
        if unknown:
            raise self.error(400, f"Unknown query parameter: {unknown[0]}")

    def one(self, name, default=""):
        values = self.query.get(name, [default])
        if len(values) > 1:
            raise self.error(400, f"Query parameter {name} stands more than once")
        return values[0]

    def number(self, name, default, most=None):
        """Return a whole number >= 0, at most ``most``."""
        text = self.one(name, str(default))
        if not text.isascii() or not text.isdigit() or (most is not None and not 1 <= int(text) <= most):
            limit = "" if most is None else f" between 1 and {most}"
            raise self.error(400, f"{name} must be a number{limit}")
        return int(text)

    def numbers(self, name):
        values = self.query.get(name, [])
        if not all(value.isdigit() for value in values):
            raise self.error(400, f"{name} must be numeric")
        return {int(value) for value in values}

    def value(self, name, read, text=None):
        """Return ``read(text)`` of a query parameter (or of ``text``), None when it is empty."""
        text = self.one(name) if text is None else text
        if not text:
            return None
        try:
            return read(text)
        except (ValueError, TypeError) as error:
            raise self.error(400, f"{name} is not valid: {text}") from error

    def choice(self, name, choices):
        text = self.one(name)
        if text and text not in choices:
            raise self.error(400, f"{name} must be one of {', '.join(choices)}")
        return text

    def body(self, required=(), optional=None):
        """Return the JSON object sent; ``optional`` None allows any key."""
        if self.request.headers.get("Content-Type", "").split(";")[0].strip().lower() != "application/json":
            raise self.error(415, "The content type must be application/json")
        try:
            body = self.request.json()
        except ValueError as error:
            raise self.error(400, "The request body is not JSON") from error
        if not isinstance(body, dict):
            raise self.error(400, "The request body must be an object")
        missing = [name for name in required if body.get(name) is None]
        if missing:
            raise self.error(400, f"{missing[0]} is required")
        unknown = sorted(set(body) - {*required, *(body if optional is None else optional)})
        if unknown:
            raise self.error(400, f"Unknown property: {unknown[0]}")
        return body

    def spoil(self, rows):
        """Return the rows of a page, repeated or in another order when a fault says so."""
        if self.fault == "duplicate_rows" and rows:
            return [*rows, rows[-1]]
        return rows[::-1] if self.fault == "reordered_page" else rows
