"""Fields beyond those that a stream asks for by itself: what the org describes, and what people's field maps read."""

from dataclasses import replace

from ..errors import MissingScopeError
from .client import client_of

_UNREADABLE = {"address", "location", "base64"}  # made of other fields, or files: no bulk read takes them


def with_wanted(session, stream, spec):
    """Return ``spec`` with the fields that the connection's field maps read (custom ones) as optional ones.

    What the org does not have is left out when the shape is made, as with any optional field.
    """
    own, lines = [], {child.name: [] for child in spec.children}
    for path in session.wanted.get(stream.code, ()):
        name, brackets, inner = path.partition("[].")
        if not brackets and name.count(".") < 2 and '"' not in name:
            own.append(name)
        elif name in lines and inner.count(".") < 2 and '"' not in inner:
            lines[name].append(inner)
    known = {*spec.required, *spec.optional}
    return replace(
        spec,
        optional=(*spec.optional, *(name for name in own if name not in known)),
        children=tuple(
            replace(child, optional=(*child.optional, *(
                name for name in lines[child.name] if name not in {*child.required, *child.optional})))
            for child in spec.children))


def described(session, spec):
    """Return the describe of an object and of its lines; see :meth:`connectors.base.Connector.describe_fields`."""
    client = client_of(session)
    result = _entries(client.describe(spec.source), "")
    for child in spec.children:
        try:
            result |= _entries(client.describe(child.source), f"{child.name}[].")
        except MissingScopeError:
            continue  # the connection test says so; the record itself is described
    return result


def _entries(describe, prefix):
    return {f"{prefix}{name}": {"type": entry["type"], "label": entry.get("label") or "",
                                "custom": bool(entry.get("custom", name.endswith("__c")))}
            for name, entry in describe.items() if entry["type"] not in _UNREADABLE}
