"""Properties beyond those that a stream asks for by itself: what the account has, and what people's field maps read."""

import re

from ..errors import MissingScopeError
from .client import client_of
from .declaration import KINDS

#: Where the lines stand in the raw record of a deal, as paths write it.
_LINES = "line_items[]."
_PROPERTY = re.compile(rf"({re.escape(_LINES)})?properties\.(\w+)")


def with_wanted(session, stream, code):
    """Return the :class:`~.declaration.Kind` of ``code`` with the properties that the connection's field maps read.

    The account is asked what it has once a session, and only when a map reads a property that is not read anyway.

    :param code: the stream's own, or ``line_item`` for the lines of its records
    """
    known = session.memory.setdefault("hubspot_wanted", {})
    if code not in known:
        kind, prefix = KINDS[code], None if code == stream.code else _LINES
        paths = filter(None, map(_PROPERTY.match, session.wanted.get(stream.code, ())))
        names = dict.fromkeys(name for inside, name in map(re.Match.groups, paths) if inside == prefix)
        more = [name for name in names if name not in {kind.stamp, *kind.properties}]
        known[code] = kind._replace(properties=[*kind.properties, *_there(session, kind, more)]) if more else kind
    return known[code]


def described(session, stream):
    """Return the properties of a stream's records; see :meth:`connectors.base.Connector.describe_fields`."""
    client = client_of(session)
    result = _entries(client, stream.code, "")
    for code in ("line_item",) if stream.code == "deal" else ():
        try:
            result |= _entries(client, code, _LINES)
        except MissingScopeError:
            continue  # the properties of lines may need a right of their own; the deal itself is described
    return result


def _entries(client, code, prefix):
    return {f"{prefix}properties.{name}": {"type": row.get("type") or "", "label": row.get("label") or "",
                                           "custom": not row.get("hubspotDefined")}
            for name, row in _readable(client, KINDS[code]).items()}


def _there(session, kind, names):
    try:
        there = _readable(client_of(session), kind)
    except MissingScopeError:
        return names  # records can be read without this right, and HubSpot passes over a name that it does not know
    return [name for name in names if name in there]


def _readable(client, kind):
    """Return ``{name: definition}`` without archived properties and sensitive ones, which need rights of their own."""
    return {name: row for name, row in client.property_names(kind.path).items()
            if not row.get("archived") and row.get("dataSensitivity") in (None, "non_sensitive")}
