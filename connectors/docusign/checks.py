"""The connection test: log in, find the account, list envelopes, fetch one signed document."""

from datetime import timedelta

from ..base import Check
from ..cursor import format_instant
from ..errors import ConnectorError, TransientError
from .declaration import MAX_PAGE
from .reader import Reader

_DAYS = 30


def check(session, stream):
    """Return the lines of the test. :raise TransientError: no answer; that says nothing about rights"""
    reader = Reader(session, stream.object_type)
    try:
        account = reader.client.account()
    except TransientError:
        raise
    except ConnectorError as error:
        return [Check("login", "Login", False, str(error))]
    webhook = "" if session.settings.get("account_id") else (
        f"; put {account.id} into the settings to ignore webhooks of other accounts")
    lines = [Check("login", "Login", True, f"Logged in to account {account.name} ({account.id}){webhook}")]
    try:
        lines.append(Check(stream.code, stream.label, True, _sample(reader)))
    except TransientError:
        raise
    except ConnectorError as error:
        lines.append(Check(stream.code, stream.label, False, str(error), (stream.code,)))
    return lines


def _sample(reader):
    """List the latest envelopes, fetch one document, and say what was found."""
    since = format_instant(reader.client.now() - timedelta(days=_DAYS))
    rows, _total = reader.client.envelopes(from_date=since, order_by="status_changed", order="desc", count=MAX_PAGE)
    ours = [row for row in rows if reader.reference(row)]
    signed = next((row for row in ours if str(row.get("status")).lower() == "completed"), None)
    found = (f"Envelopes can be read; {len(ours)} of the latest {len(rows)} of {_DAYS} days have the field "
             f"{reader.reference_field}")
    if signed is None:
        return f"{found}; none of them is signed, so no document was tried"
    missing = reader.record(signed).raw.get("documentMissing")
    return f"{found}; {missing or 'a signed document can be read'}"
