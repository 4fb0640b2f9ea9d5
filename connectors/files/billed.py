"""What was billed, as CSV: one line for each word on a record, in a file for each invoice date."""

import contextlib
import csv
import io
import os
import tempfile
from datetime import date

from ..base import PushResult
from ..errors import ConflictError, DataError, TransientError
from .folder import OUT

COLUMNS = ("key", "type", "id", "event", "invoiced", "invoice_number", "invoice_date", "payment_state", "amount_total",
           "amount_residual", "currency", "credit_note")
#: Event texts that begin so would be formulas in a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def line_of(key, object_type, external_id, values):
    """Return the line (list of texts) of a ``billing_status``."""
    known = {"key": key, "type": object_type, "id": external_id, **values,
             "invoiced": "yes" if values.get("invoiced") else "no"}
    return [_safe(known.get(name)) for name in COLUMNS]


def _safe(value):
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not text.lstrip("+-").replace(".", "", 1).isdigit() else text


def csv_bytes(lines):
    """Return the file of these lines, header first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return text.getvalue().encode("utf-8-sig")


def push(folder, items):
    """Add the lines of ``items`` to their files; a key that is there already stays one line.

    :return: list of :class:`~connectors.base.PushResult`
    """
    if folder is None:  # nobody reads files of this connection; what was billed can be downloaded from Odoo
        return [PushResult(item.key, written=False) for item in items]
    by_name, results = {}, []
    for item in items:
        by_name.setdefault(_file_name(item.values), []).append(item)
    try:
        out = _out(folder)
        with _alone(out):
            for name, group in by_name.items():
                results += _add(out / name, group)
    except OSError as error:
        raise TransientError(f"The folder “{OUT}” cannot be written: {error.strerror}.", "folder",
                             maybe_done=True) from error
    return results


def _file_name(values):
    """The invoice's date, not today's: a repetition tomorrow must find its line."""
    try:
        return f"billed-{date.fromisoformat(values['invoice_date']).isoformat()}.csv"
    except (KeyError, TypeError, ValueError):
        return "billed-without-date.csv"


def _out(folder):
    out = folder / OUT
    out.mkdir(exist_ok=True)
    if out.is_symlink():
        raise DataError(f"The folder “{OUT}” is a link: make it a folder.", "outside")
    return out


@contextlib.contextmanager
def _alone(out):
    """One worker at a time rewrites the files."""
    try:
        import fcntl  # not on every system, and only this needs it
    except ImportError as error:
        raise DataError("Files of what was billed need a server whose system can lock files.", "lock") from error
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add(path, items):
    lines = {}
    if path.exists():
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file)
            if tuple(next(table, ())) != COLUMNS:
                raise DataError(f"{path.name} was changed by hand: its first row is not what the hub writes.", "header")
            lines = {line[0]: line for line in table if line}
    results, wanted = [], dict(lines)
    for item in items:
        line = line_of(item.key, item.object_type, item.external_id, item.values)
        known = wanted.setdefault(item.key, line)
        if known != line:
            results.append(PushResult(item.key, ConflictError(
                f"{path.name} holds other values for this record", "changed", ours=", ".join(line[3:7]),
                theirs=", ".join(known[3:7]))))
            continue
        results.append(PushResult(item.key, written=item.key not in lines))
    if wanted != lines:
        _replace(path, csv_bytes(wanted.values()))
    return results


def _replace(path, content):
    """Readers see the old file or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o640)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
