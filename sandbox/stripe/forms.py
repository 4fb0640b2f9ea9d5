"""Form bodies and queries in Stripe's notation ``a[b][0][c]=d``, and the check of what they may hold.

A specification of parameters is a dict of name -> kind. A kind is a function that turns text into a value or raises
``ValueError``, a dict (nested parameters), a one-element list (an array of that kind), :data:`METADATA` or
:data:`RANGE` (a number, or ``[gt]``, ``[gte]``, ``[lt]``, ``[lte]``, which comes back as ``(oldest, newest)``).
"""

import re
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from .errors import ApiError, unknown_parameter

METADATA, RANGE = "metadata", "range"
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 50, 40, 500


def parse(text):
    """Return the nested value of a form: dicts, lists and texts."""
    root = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        match = _KEY.fullmatch(key)
        if not match:
            raise ApiError(400, f"Invalid parameter name: {key}", param=key)
        parts = [match.group(1), *re.findall(r"\[([^\[\]]*)\]", match.group(2))]
        node = root
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            if part == "":
                part = str(len(node))
            if following is None:
                node[part] = value
            else:
                node = node.setdefault(part, {})
                if not isinstance(node, dict):
                    raise ApiError(400, f"Invalid hash: {key}", param=key)
    return root


def integer(text):
    if not re.fullmatch(r"-?\d+", text):
        raise ValueError("Invalid integer")
    return int(text)


def boolean(text):
    if text not in ("true", "false"):
        raise ValueError("Invalid boolean")
    return text == "true"


def text(value):
    return value


def decimal(value):
    try:
        return str(Decimal(value))
    except InvalidOperation:
        raise ValueError("Invalid decimal") from None


def currency(value):
    if not re.fullmatch(r"[a-z]{3}", value):
        raise ValueError("Invalid currency")
    return value


def one_of(*choices):
    def kind(value):
        if value not in choices:
            raise ValueError(f"Invalid value: must be one of {', '.join(choices)}")
        return value
    return kind


def at_most(length):
    def kind(value):
        if len(value) > length:
            raise ValueError(f"Invalid string: must be at most {length} characters")
        return value
    return kind


def between(low, high):
    def kind(value):
        number = integer(value)
        if not low <= number <= high:
            raise ValueError(f"This value must be between {low} and {high}")
        return number
    return kind


def checked(values, specification, prefix=""):
    """Return ``values`` in their kinds.

    :raise ApiError: unknown parameter, or a value that its kind refuses
    """
    result = {}
    for name, value in values.items():
        where = f"{prefix}[{name}]" if prefix else name
        if name not in specification:
            raise unknown_parameter(where)
        result[name] = _value(value, specification[name], where)
    return result


def _value(value, kind, where):
    if kind == METADATA:
        return _metadata(value, where)
    if kind == RANGE:
        return _range(value, where)
    if isinstance(kind, (dict, list)):
        if not isinstance(value, dict):
            raise ApiError(400, f"Invalid {'hash' if isinstance(kind, dict) else 'array'}: {where}", param=where)
        if isinstance(kind, dict):
            return checked(value, kind, where)
        if sorted(value, key=lambda part: (len(part), part)) != [str(place) for place in range(len(value))]:
            raise ApiError(400, f"Invalid array: {where}", param=where)
        return [_value(value[str(place)], kind[0], f"{where}[{place}]") for place in range(len(value))]
    if not isinstance(value, str):
        raise ApiError(400, f"Invalid string: {where}", param=where)
    try:
        return kind(value)
    except ValueError as error:
        code = {"code": "parameter_invalid_integer"} if str(error) == "Invalid integer" else {}
        raise ApiError(400, f"{error}: {where}", param=where, **code) from None


def _range(value, where):
    if isinstance(value, str):
        number = _value(value, integer, where)
        return number, number
    bounds = checked(value, dict.fromkeys(("gt", "gte", "lt", "lte"), integer), where)
    oldest = [bounds[name] + step for name, step in (("gt", 1), ("gte", 0)) if name in bounds]
    newest = [bounds[name] - step for name, step in (("lt", 1), ("lte", 0)) if name in bounds]
    return max(oldest, default=None), min(newest, default=None)


def _metadata(value, where):
    if value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ApiError(400, f"Invalid hash: {where}", param=where)
    if len(value) > _MAX_KEYS:
        raise ApiError(400, f"Metadata can hold {_MAX_KEYS} keys at most", param=where)
    for key, item in value.items():
        if len(key) > _MAX_KEY or len(item) > _MAX_VALUE:
            raise ApiError(400, f"Metadata keys can be {_MAX_KEY} characters long and values {_MAX_VALUE}",
                           param=f"{where}[{key}]")
    return value


def required(values, *names, prefix=""):
    """Check that parameters are there.

    :raise ApiError: parameter_missing
    """
    for name in names:
        if name not in values:
            where = f"{prefix}[{name}]" if prefix else name
            raise ApiError(400, f"Missing required param: {where}.", code="parameter_missing", param=where)
