"""Fields of issues beyond those that are always read: what the site has, and what people's field maps read."""

import re

from .client import client_of

_FIELD = re.compile(r"fields\.(\w+)")


def with_wanted(session, stream, fields):
    """Return ``fields`` and those that the connection's field maps read beside them (custom ones) and the site has.

    The site is asked what it has once a session, and only when a map reads a field that is not in ``fields``.
    """
    names = dict.fromkeys(found[1] for found in map(_FIELD.match, session.wanted.get(stream.code, ())) if found)
    more = [name for name in names if name not in fields]
    return [*fields, *(name for name in more if name in _site_fields(session))] if more else fields


def described(session):
    """Return the fields of issues; see :meth:`connectors.base.Connector.describe_fields`."""
    return {f"fields.{name}": {"type": row["schema"].get("type") or "", "label": row.get("name") or "",
                               "custom": bool(row.get("custom"))} for name, row in _site_fields(session).items()}


def _site_fields(session):
    """Return ``{id: field}``. One without a schema (the key) is no field of an issue's ``fields``."""
    if "jira_fields" not in session.memory:
        rows = client_of(session).jira("GET", "/field", kind=list)
        session.memory["jira_fields"] = {row["id"]: row for row in rows if row.get("schema")}
    return session.memory["jira_fields"]
