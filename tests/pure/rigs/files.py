"""The conformance suite's rig of Files: the vendor is a folder of CSV files on this machine's disk."""

import csv
import errno
import itertools
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from wire_server import session_for

from connectors.base import PushItem
from connectors.files import billed
from connectors.files.connector import FilesConnector
from connectors.files.folder import ROOT_VARIABLE
from sandbox.clock import Clock

from .base import Rig

HEADER = ("id", "date", "person", "project", "hours", "description", "billable", "approved")
ROWS_A_FILE = 12


class Faults:
    """The one fault that a disk is ordered to have: it fails after the file was replaced."""

    def add(self, kind, **_options):
        assert kind == "lost_answer"
        replace = billed._replace

        def once(path, content):
            billed._replace = replace
            replace(path, content)
            raise OSError(errno.EIO, "Input/output error")

        billed._replace = once


class Folder:
    """What people put into the watched folder.

    :ivar rows: ``{file name: {id: cells}}``
    """

    url = ""
    credentials = {}

    def __init__(self, records=0):
        self.clock = Clock()
        self.errors = []
        self.faults = Faults()
        self.rows = {}
        self.root = Path(tempfile.mkdtemp(prefix="psa_hub_files_"))
        self.app = self.folder = self.root / "firm"
        (self.folder / "time").mkdir(parents=True)
        os.environ[ROOT_VARIABLE] = str(self.root)
        for file in range(3):
            self.add(f"hours-{file}.csv", [f"T{file}{row:02d}" for row in range(ROWS_A_FILE)])
        if records:
            self.add("load.csv", [f"L{row}" for row in range(records)])
        self.clock.forward(3600)

    def stop(self):
        shutil.rmtree(self.root)

    def add(self, name, ids, moment=None):
        self.rows[name] = {row_id: [row_id, "2026-06-01", "ada@firm.example", "NOVA", "7,5", "Forms", "yes", "yes"]
                           for row_id in ids}
        self.save(name, moment)

    def save(self, name, moment=None):
        path = self.folder / "time" / name
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, delimiter=";")
            table.writerow(HEADER)
            table.writerows(self.rows[name].values())
        self.stamp(path, moment)

    def stamp(self, path, moment=None):
        seconds = (moment or self.clock.now()).timestamp()
        os.utime(path, (seconds, seconds))

    def file_of(self, row_id):
        return next(name for name, rows in self.rows.items() if row_id in rows)


class FilesRig(Rig):
    """Hours in three files of twelve rows."""

    code = "files"
    stream = "time"

    def __init__(self):
        self._numbers = itertools.count(1)
        self._clock = Clock()
        self._connector = FilesConnector(lambda: self._clock.now().timestamp())

    @property
    def connector(self):
        return self._connector

    def start(self, **settings):
        folder = Folder(settings.get("records", 0))
        self._clock = folder.clock
        return folder

    @contextmanager
    def apart(self, records):
        folder = self.start(records=records)
        try:
            yield folder
        finally:
            folder.stop()

    def session(self, vendor, **transport):
        return session_for("", "", {"none": ""}, None, {"folder": "firm"}, **transport)

    # === WHAT HAPPENS IN THE FOLDER === #

    def ids(self, vendor):
        return {row_id for rows in vendor.rows.values() for row_id in rows}

    def make(self, vendor, count=1, moment=None):
        made = [f"N{next(self._numbers)}" for _place in range(count)]
        vendor.add(f"more-{made[0]}.csv", made, moment)
        return made

    def touch(self, vendor, external_id, moment=None):
        text = f"noted {next(self._numbers)}"
        name = vendor.file_of(external_id)
        vendor.rows[name][external_id][HEADER.index("description")] = text
        vendor.save(name, moment)
        return text

    def delete(self, vendor, external_id):
        name = vendor.file_of(external_id)
        del vendor.rows[name][external_id]
        vendor.save(name)

    # === RIGHTS === #

    def narrow(self, vendor):
        (vendor.folder / "expense").symlink_to("/")
        return "expense"

    # === WRITING === #

    def push_items(self, vendor, count=1):
        return self.connector.outbound[0], [self._item(next(self._numbers)) for _place in range(count)]

    @staticmethod
    def _item(number):
        return PushItem(f"key-{number}", "Time", f"T{number:03d}", {
            "event": "posted", "invoiced": True, "invoice_number": f"INV/2026/{number:05d}",
            "invoice_date": "2026-07-01", "payment_state": "not_paid", "amount_total": "1190.00",
            "amount_residual": "1190.00", "currency": "EUR", "credit_note": None, "url": ""})

    def written(self, vendor, item):
        path = vendor.folder / "out" / "billed-2026-07-01.csv"
        if not path.exists():
            return 0
        with path.open(encoding="utf-8-sig", newline="") as file:
            return sum(line[0] == item.key for line in csv.reader(file))

    def other_hand(self, vendor, item):
        self.connector.push(self.session(vendor), self.connector.outbound[0], [
            PushItem(item.key, item.object_type, item.external_id, {**item.values, "invoice_number": "X-1"})])


RIG = FilesRig()
