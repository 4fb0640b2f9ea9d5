"""The connection test: log in, look at each object, name each missing right in the vendor's words."""

from ..base import Check
from ..errors import ConnectorError, DataError, MissingScopeError, TransientError
from . import auth, soql, status_fields
from .client import client_of
from .objects import resolve


def check(session, streams, objects, outbound):
    """Return the checks of the platform itself: login, organisation, streams, write-back."""
    login = check_login(session)
    if not login[-1].ok:
        return login
    return login + check_streams(session, streams, objects) + [
        check_status_fields(session, item.code, name) for item in outbound for name in item.object_types]


def check_login(session):
    """Log in and make one call; says which org answers."""
    client = client_of(session)
    try:
        client.call("GET", "/limits")
    except TransientError:
        raise
    except ConnectorError as error:
        return [Check("login", "Login", False, str(error))]
    token = session.tokens.get()
    org = auth.organization_id(token) if token else ""
    quota = session.memory.get("quota")
    usage = f"; {quota['used']} of {quota['limit']} API calls of 24 hours used" if quota else ""
    found = [Check("login", "Login", True, f"Logged in to organization {org or 'unknown'}{usage}")]
    configured = (session.settings.get("organization_id") or "").strip()
    if not configured:
        found.append(Check("organization", "Organization ID", True,
                           f"Outbound messages are refused until the setting holds {org or 'the Organization ID'}"))
    elif org and configured[:15] != org[:15]:
        found.insert(0, Check("organization", "Organization ID", False,
                              f"The setting says {configured}, the login belongs to {org}"))
    return found


def check_streams(session, streams, objects):
    """Read one record of each object; a missing right blocks that stream only.

    :raise TransientError: no answer; that says nothing about rights
    """
    client, found = client_of(session), []
    for stream in streams:
        spec = objects[stream.code]
        try:
            shape = resolve(client, spec)
            if spec.has_currency and not shape.own_currency:
                client.default_currency()
            client.query(soql.select(shape.fields, spec.source, limit=1))
        except (MissingScopeError, DataError) as error:
            missing = ", ".join(error.missing) if isinstance(error, MissingScopeError) else ""
            found.append(Check(stream.code, stream.label, False, f"{error} {f'({missing})' if missing else ''}".strip(),
                               (stream.code,)))
            continue
        absent = [name for name in spec.optional if name not in shape.fields]
        note = f"; not there or not visible: {', '.join(absent)}" if absent else ""
        found.append(Check(stream.code, stream.label, True, f"{spec.source} can be read{note}"))
    return found


def check_status_fields(session, code, source, needed=True):
    """Say which of the custom status fields will be filled.

    :param code: write-back that is blocked when there is none, if they are ``needed``
    """
    label = f"Invoice status on {source}"
    try:
        names = status_fields.writable(client_of(session), source)
    except MissingScopeError as error:
        return Check(f"{code}:{source}", label, not needed, str(error), (code,))
    absent = [name for name in status_fields.FIELDS if name not in names]
    if not names and needed:
        return Check(f"{code}:{source}", label, False,
                     f"None of the fields {', '.join(absent)} exists or may be edited; create them to see "
                     "invoices there", (code,))
    return Check(f"{code}:{source}", label, True,
                 f"Filled: {', '.join(names) or 'none'}" + (f"; not there: {', '.join(absent)}" if absent else ""))
