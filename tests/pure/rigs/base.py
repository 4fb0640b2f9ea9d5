"""How the conformance suite plays one vendor: its stand-in, its connector, and what happens at the vendor."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import requests

from connectors import get
from sandbox.server import start

REPO = Path(__file__).resolve().parents[3]
RUN = {"page_size": 7, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}


class Rig:
    """One vendor. A method that a case needs and that the vendor has no use for is named in ``not_applicable``.

    :cvar code: code of the connector
    :cvar vendor: folder in ``sandbox/``
    :cvar stream: code of the stream that the reading cases use
    :cvar page_size: rows a page in the reading cases
    """

    code = ""
    vendor = ""
    stream = ""
    page_size = 7
    #: rows a page when memory is measured
    load_page_size = 200
    #: regular expression of the calls that the failure cases let go wrong
    read_path = ""
    #: the call that writes, as an order of a fault
    write_fault = {"method": "POST"}
    #: how long after a deletion the next run must know of it
    deletion_seconds = 120
    #: how many events one delivery may hold
    events_per_delivery = 1
    #: ``{credential code: value}`` of the webhook secret that the stand-in signs with
    webhook_secrets = {}

    @property
    def connector(self):
        """The connector or package under test."""
        return get(self.code)

    @property
    def not_applicable(self):
        """What the vendor, or the platform that a package lives on, declares as impossible."""
        return self.connector.not_applicable

    @property
    def platform(self):
        """The connector that logs in: a package's host."""
        return get(getattr(self.connector, "host", "") or self.code)

    def spec(self, code=""):
        """Return the :class:`StreamSpec` of a stream, by default of the one that the reading cases use."""
        return next(stream for stream in self.connector.streams if stream.code == (code or self.stream))

    def start(self, **settings):
        """Start the stand-in; small, so that a test is quick."""
        return start(vendor=self.vendor, **{"scale": "tiny", **settings})

    @contextmanager
    def apart(self, records):
        """Run the stand-in in a process of its own, so that its memory is not the reader's."""
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--vendor", self.vendor, "--scale", "tiny", "--records", str(records)],
            cwd=REPO, stdout=subprocess.PIPE, text=True)
        try:
            url = process.stdout.readline().split()[1]
            known = requests.get(f"{url}/_sandbox/credentials", timeout=60).json()
            yield SimpleNamespace(url=url, credentials=known)
        finally:
            process.terminate()
            process.wait(30)

    def session(self, vendor, **transport):
        """Return a :class:`Session` for the running stand-in that has no token yet."""
        raise NotImplementedError

    def read_run(self, session, cursor=None, code="", **options):
        """Read one run. Return ``(records, cursor, pages)``; the cursor goes through JSON like in the database."""
        records, pages, cursor, new_run = [], [], cursor or {}, True
        options = {**RUN, "page_size": self.page_size, **options}
        while len(pages) < 500:
            page = self.connector.fetch_page(session, self.spec(code), cursor, {**options, "new_run": new_run})
            pages.append(page)
            records += page.records
            cursor, new_run = json.loads(json.dumps(page.cursor)), False
            if not page.more:
                return records, cursor, pages
        raise AssertionError("endless paging")

    def renewable_session(self, vendor, **transport):
        """Return a session of a login whose tokens expire, when :meth:`session` uses another one."""
        return self.session(vendor, **transport)

    # === WHAT HAPPENS AT THE VENDOR === #

    def ids(self, vendor):
        """Return the set of external ids that a first load of the stream must bring."""
        raise NotImplementedError

    def make(self, vendor, count=1, moment=None):
        """Make ``count`` records of the stream and return their external ids.

        :param moment: aware datetime of their change stamp; None: now, by the stand-in's clock
        """
        raise NotImplementedError

    def touch(self, vendor, external_id, moment=None):
        """Change something of a record that the connector reads; return a text that is then found in the raw record."""
        raise NotImplementedError

    def delete(self, vendor, external_id):
        raise NotImplementedError

    def merge(self, vendor, loser, winner):
        raise NotImplementedError

    def unstamp(self, vendor, external_id):
        """Take the change stamp away from a record."""
        raise NotImplementedError

    # === LOGIN === #

    def expire(self, vendor):
        """All access tokens given so far end now; a new login or refresh works."""
        raise NotImplementedError

    def revoke(self, vendor):
        """Nothing works until a person acts."""
        raise NotImplementedError

    def narrow(self, vendor):
        """Take the right to read one object away; return the code of a stream that cannot be read any more."""
        raise NotImplementedError

    # === WEBHOOK === #

    def delivery(self, vendor, external_ids, secrets=None, moment=None):
        """Return the :class:`WebhookRequest` by which the vendor tells of changes of these records of :attr:`stream`.

        :param secrets: ``{credential code: value}`` to sign with, by default :attr:`webhook_secrets`
        :param moment: aware datetime of the signature
        """
        raise NotImplementedError

    def settings(self, vendor):
        """Return the connection's settings, as ``verify_webhook`` gets them."""
        return self.session(vendor).settings

    def vectors(self):
        """Return the vendor sheet's test vectors: ``[(secrets, settings, request, now, accepted)]``."""
        raise NotImplementedError

    # === WRITING === #

    def push_items(self, vendor, count=1):
        """Return ``(outbound spec, [PushItem])`` for records that exist at the stand-in and hold nothing of ours."""
        raise NotImplementedError

    def written(self, vendor, item):
        """Return how often the stand-in took a write of this item's target; 1 after one write."""
        raise NotImplementedError

    def other_hand(self, vendor, item):
        """Let somebody else give the target other final values of ours (another invoice number)."""
        raise NotImplementedError

    def lock(self, vendor, item):
        """Let the target refuse changes for good (approved period, locked record)."""
        raise NotImplementedError

    def remove(self, vendor, item):
        """Delete the target."""
        raise NotImplementedError
