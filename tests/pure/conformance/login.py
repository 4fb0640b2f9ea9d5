"""Logging in, renewing a token, losing a right."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.errors import ConnectionRefusedByVendor, ConnectorError, MissingScopeError

from . import case

WORKERS = 5


class SharedTokens:
    """What the engine's token store does: one renewal at a time, and nobody renews what was just renewed."""

    def __init__(self, store):
        self._store = store
        self._lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self._store, name)

    def refresh(self, used, authenticate):
        with self._lock:
            return self._store.refresh(used, authenticate)


def spoil(rig, session):
    """Make the secrets of a session wrong."""
    fields = next(method.fields for method in rig.platform.auth_methods if method.code == session.auth_method)
    for field in fields:
        if field.secret and session.credentials.get(field.code):
            for values in (session.credentials, session.tokens.credentials):
                values[field.code] = "wrong" + session.credentials[field.code][::-1][:20]


@case("Logs in, and says so when the secret is wrong")
def authenticate(rig, vendor):
    assert rig.platform.check(rig.session(vendor))[0].ok
    wrong = rig.session(vendor)
    spoil(rig, wrong)
    with pytest.raises(ConnectionRefusedByVendor):
        rig.read_run(wrong)


@case("Several workers renew an expired token once")
def refresh_contention(rig, vendor):
    first = rig.renewable_session(vendor)
    rig.read_run(first)
    shared = SharedTokens(first.tokens)
    sessions = [rig.renewable_session(vendor) for _number in range(WORKERS)]
    for session in sessions:
        session.tokens = shared
    before = first.tokens.refreshes
    rig.expire(vendor)
    with ThreadPoolExecutor(WORKERS) as pool:
        counts = list(pool.map(lambda session: len(rig.read_run(session)[0]), sessions))
    assert set(counts) == {len(rig.ids(vendor))}
    assert first.tokens.refreshes == before + 1


@case("A revoked access stops the connection and asks for a person")
def revoked(rig, vendor):
    session = rig.session(vendor)
    rig.read_run(session)
    rig.revoke(vendor)
    with pytest.raises(ConnectionRefusedByVendor) as caught:
        rig.read_run(session)
    assert not isinstance(caught.value, MissingScopeError)


@case("A missing right is named, and blocks only what needs it")
def wrong_scope(rig, vendor):
    code = rig.narrow(vendor)
    session = rig.session(vendor)
    with pytest.raises((MissingScopeError, ConnectorError)) as caught:
        rig.read_run(session, code=code)
    assert isinstance(caught.value, MissingScopeError), repr(caught.value)
    lines = {line.code: line for line in rig.connector.check(rig.session(vendor))}
    blocked = {stream for line in lines.values() if not line.ok for stream in line.blocks}
    assert code in blocked
    assert all(line.blocks for line in lines.values() if not line.ok), "the login itself is good"
    assert {stream.code for stream in rig.connector.streams} - blocked, "the others go on"
