"""Good manners: secrets, time-outs, memory."""

import logging
import resource
from unittest.mock import patch

import requests

from connectors.errors import ConnectorError

from . import case

SAMPLE, WHOLE = 10_000, 100_000
GROWTH_LIMIT = 24 * 1024  # KiB: what an allocator keeps of a page or two


class _Texts(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        self.texts.append(self.format(record))


def _secrets_of(rig, session):
    methods = {method.code: method for method in rig.platform.auth_methods}
    secret = {field.code for field in methods[session.auth_method].fields if field.secret}
    values = [value for code, value in {**session.credentials, **session.tokens.credentials}.items() if code in secret]
    values += [value for key, value in (session.tokens.token.data if session.tokens.token else {}).items()
               if "token" in key and isinstance(value, str)]
    return [value for value in values if value]


@case("No secret is written to the log")
def secrets_in_log(rig, vendor):
    handler, root = _Texts(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        session = rig.session(vendor)
        rig.connector.check(session)
        rig.read_run(session)
        for kind in ("server_error", "rate_limited", "maintenance", "drop"):
            vendor.faults.add(kind)
            try:
                rig.read_run(rig.session(vendor))
            except ConnectorError as error:
                handler.texts.append(str(error))
            vendor.faults.clear()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    log = "\n".join(handler.texts)
    assert log
    for secret in _secrets_of(rig, session):
        assert secret not in log


@case("Every call has a time-out")
def time_outs(rig, vendor):
    timeouts = []
    send = requests.Session.request

    def spy(self, method, url, **options):
        timeouts.append(options.get("timeout"))
        return send(self, method, url, **options)

    with patch.object(requests.Session, "request", spy):
        session = rig.session(vendor)
        rig.connector.check(session)
        for stream in rig.connector.streams:
            rig.read_run(session, code=stream.code)
        if rig.connector.outbound and "write_lost_answer" not in rig.not_applicable:
            spec, items = rig.push_items(vendor)
            rig.connector.set_up(session)
            rig.connector.push(session, spec, items)
    assert timeouts
    assert all(timeout and all(timeout) for timeout in timeouts)


@case("Memory stays flat however much is read")
def memory(rig, vendor, records=SAMPLE):
    with rig.apart(records) as remote:
        session, cursor, count, before = rig.session(remote), {}, 0, None
        options = {"page_size": rig.load_page_size, "overlap_seconds": 600, "new_run": True, "since": "",
                   "backfill": False}
        while True:
            page = rig.connector.fetch_page(session, rig.spec(), cursor, options)
            count += len(page.records)
            cursor, options = page.cursor, {**options, "new_run": False}
            if before is None and count >= records / 5:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if not page.more:
                break
    assert count >= records
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_LIMIT
