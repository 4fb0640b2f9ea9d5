"""The Files connector: declaration, check, and one line to each of its parts."""

import json
import os
import time
from pathlib import Path

from ..base import DELETE, Check, Connector, OutboundSpec, Part, RawRecord, SettingField, StreamSpec
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError
from . import billed
from .columns import read_row, template
from .folder import OUT, ROOT_VARIABLE, fetch_page, folder_of, listing
from .records import Records, said_in

_NO_HTTP = "Files are read from a disk, not over HTTP."
_NO_LOGIN = "Nobody logs in to a folder."
_NO_WEBHOOK = "A folder sends no webhooks."
_NO_TARGET = "The hub writes a file of its own, in which nothing can be locked or deleted before."


class FilesConnector(Connector):
    """Customers, time, expenses, costs and rates from tables that a person uploads or a folder receives.

    :param clock: function that returns the seconds since 1970
    """

    code = "files"
    label = "Files"
    settings = (
        SettingField("folder", "Watched folder",
                     help=f"Below the server's {ROOT_VARIABLE}; one folder a stream in it. Empty: uploads only"),
    )
    streams = (
        StreamSpec("customer", "Customers", "Customer", "party", 10),
        StreamSpec("rate", "Rates", "Rate", "rate", 57),
        StreamSpec("cost", "Costs", "Cost", "cost", 58),
        StreamSpec("time", "Time", "Time", "time", 80),
        StreamSpec("expense", "Expenses", "Expense", "expense", 90),
    )
    outbound = (OutboundSpec("billed_file", "File of what was billed", "billing_status", ("Time", "Expense"), 500),)
    takes_files = True
    natural_keys = {"Project": "project", "Person": "resource"}
    not_applicable = {
        **{f"webhook_{name}": _NO_WEBHOOK
           for name in ("vectors", "tampered", "stale", "second_secret", "duplicate", "reordered", "burst")},
        **dict.fromkeys(("authenticate", "refresh_contention", "revoked", "secrets_in_log"), _NO_LOGIN),
        **dict.fromkeys(("rate_limited_with_retry_after", "rate_limited", "server_error", "time_out", "cut_body",
                         "html_body", "time_outs"), _NO_HTTP),
        "wrong_encoding": "It holds back the file, as a record of its own, and lets the stream go on.",
        "null_cursor": "Every file has a time of its last change.",
        "deletion": "A row that is missing in a later file is not taken back; zero hours are.",
        "merge": "A table has no word for a merge.",
        "endless_paging": "A file ends where it ends.",
        "write_locked": _NO_TARGET,
        "write_deleted": _NO_TARGET,
    }

    def __init__(self, clock=time.time):
        self._clock = clock

    def default_mappings(self):
        return json.loads(Path(__file__).with_name("mappings.json").read_text(encoding="utf-8"))

    # === READ === #

    def fetch_page(self, session, stream, cursor, options):
        return fetch_page(session, stream, cursor, options, self._clock())

    def fetch_records(self, session, stream, external_ids):
        """Files cannot be asked: what is asked for has not come, and a later file may bring it.

        So the answer is an absence that is older than any file.
        """
        return [RawRecord(stream.object_type, external_id, "0", {}, DELETE) for external_id in external_ids]

    def split(self, stream, raw, external_id):
        """Return the row with its cells read. :raise DataError: it has cells that cannot be; all are named"""
        if raw.get("failure"):
            raise DataError(raw["failure"], "file")
        values, problems = read_row(stream.code, raw["columns"])
        told = [f"in the column “{name}”, {problem}" for name, problem in problems.items()]
        if raw.get("surplus"):
            told.append("there are more cells than the header names (a text that holds the separator needs quotes)")
        if told:
            raise DataError(f"{self.describe(raw)}: {'; '.join(told)}.", next(iter(problems), "surplus"))
        return [Part(stream.object_type, external_id, stream.canonical_type, values)]

    def describe(self, raw):
        return f"{raw['file']}, row {raw['row']}" if raw.get("row") else str(raw.get("file") or "")

    # === UPLOADED FILES === #

    def read_file(self, stream, name, file, stamp):
        return Records(stream, name, file, stamp, tell_failure=False)

    def says_the_same(self, version, other):
        return said_in(version) == said_in(other)

    def file_template(self, stream):
        return f"{stream.code}.csv", template(stream.code)

    def written_file(self, outbound, items):
        return "billed.csv", billed.csv_bytes(
            billed.line_of(item.key, item.object_type, item.external_id, item.values) for item in items)

    # === WRITE === #

    def push(self, session, outbound, items):
        return billed.push(folder_of(session.settings), items)

    # === CHECK === #

    def check(self, session):
        """Look at the folder, what waits in it, and whether the results can be written."""
        try:
            folder = folder_of(session.settings)
        except ConnectionRefusedByVendor as error:
            return [Check("folder", "Watched folder", False, str(error))]
        if folder is None:
            return [Check("folder", "Watched folder", True, "No folder is watched; files are uploaded in Odoo.")]
        lines = [Check("folder", "Watched folder", True, f"{folder} can be read.")]
        for stream in self.streams:
            try:
                count = len(listing(folder, stream.code, self._clock()))
            except MissingScopeError as error:
                lines.append(Check(stream.code, stream.label, False, str(error), (stream.code,)))
            else:
                lines.append(Check(stream.code, stream.label, True, f"{count} files in the folder “{stream.code}”."))
        target = folder / OUT if (folder / OUT).exists() else folder
        if not os.access(target, os.W_OK | os.X_OK):
            lines.append(Check("billed_file", "File of what was billed", False,
                               f"The server may not write to “{OUT}”.", ("billed_file",)))
        return lines

