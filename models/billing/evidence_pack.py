"""The evidence of an invoice as one zip: a PDF to read, a CSV to calculate with, receipts, and a list of hashes.

Plain Python on plain data, so that a pack can be rebuilt and checked anywhere. The same facts give the same bytes: no
clock and no order of a dictionary gets in.
"""

import csv
import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass, field

from .evidence_pdf import evidence_pdf

CSV_COLUMNS = (
    "invoice_line", "entry", "date", "kind", "project", "person", "role", "text", "quantity", "unit", "rate", "worth",
    "written_down", "paid_by_retainer", "over_cap", "amount_on_this_invoice", "currency", "approved_at", "source",
    "source_record", "terms", "why_this_amount",
)
# Zip keeps no time zone and nothing before 1980: one fixed moment makes the archive depend on its content alone.
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass
class InvoiceFacts:
    """What a pack tells; all texts as they are to be read.

    :param rows: dicts of :data:`CSV_COLUMNS`, in the order of the invoice
    :param heading: ``[(label, text)]`` of the invoice: number, date, customer, contract, totals
    :param approvals: ``[(what, who, when)]``
    :param clauses: ``[(title, text)]`` of the contract and its amendments
    :param files: ``[(name, bytes)]`` of receipts and signed papers
    :param labels: ``{key: text}`` of headings, in the customer's language
    """

    number: str
    heading: list
    rows: list
    approvals: list = field(default_factory=list)
    clauses: list = field(default_factory=list)
    files: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)


def build_pack(facts):
    """Return the bytes of the zip of :class:`InvoiceFacts`."""
    members = {
        "evidence.pdf": evidence_pdf(facts),
        "entries.csv": _csv(facts.rows),
    }
    for name, content in facts.files:
        members[_free_name(members, f"receipts/{safe_name(name)}")] = content
    manifest = {
        "invoice": facts.number,
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        ],
    }
    members["manifest.json"] = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def check_pack(content):
    """Return the names of files that are not what the pack's own list of hashes says (empty: all is well).

    :param content: bytes of a pack
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = json.loads(archive.read("manifest.json"))["files"]
        known = {entry["name"]: entry["sha256"] for entry in files}
        found = set(archive.namelist()) - {"manifest.json"}
        return sorted(
            {name for name in found & set(known)
             if hashlib.sha256(archive.read(name)).hexdigest() != known[name]} | found ^ set(known)
        )


def safe_name(name):
    """Return a file name without a path and without what a spreadsheet or file system would trip over."""
    return re.sub(r"[^\w.\- ]+", "_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(". ") or "file"


def _free_name(taken, name):
    stem, dot, ending = name.rpartition(".")
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{stem} ({number}).{ending}" if dot else f"{name} ({number})"
    return candidate


def _csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, extrasaction="raise", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(value):
    """A text that a spreadsheet would run as a formula is shown as a text; numbers stay numbers."""
    text = "" if value is None else str(value)
    if text[:1] in ("=", "+", "@", "\t", "\r") or (text[:1] == "-" and not re.fullmatch(r"-\d+(\.\d+)?", text)):
        return f"'{text}"
    return text
