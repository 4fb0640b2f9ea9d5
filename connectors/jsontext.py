"""JSON text in which numbers keep every digit: ``Decimal`` in, ``Decimal`` out."""

import json
import re
import secrets
from decimal import Decimal

# A mark that no vendor can have sent: it is drawn when the process starts.
_MARK = secrets.token_hex(8)
_MARKED = re.compile(rf'"{_MARK}:([^"]+)"')


def _mark(value):
    if isinstance(value, Decimal) and value.is_finite():
        return f"{_MARK}:{value}"
    raise TypeError(f"{type(value).__name__} is not JSON")


def loads(text):
    """Parse ``text`` (str or bytes); numbers with a fraction or exponent become ``Decimal``.

    :raise ValueError: not JSON, or the non-numbers NaN and Infinity
    """
    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_float=Decimal, parse_constant=refuse)


def dumps(value, sort_keys=False):
    """Return compact JSON text; a ``Decimal`` becomes a number literal with exactly its digits.

    :raise TypeError: a value that JSON does not know
    """
    text = json.dumps(value, default=_mark, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys,
                      allow_nan=False)
    return _MARKED.sub(r"\1", text)
