"""From rows to records: which row it is, and in which version."""

import hashlib
import json
from collections import Counter

from ..base import DELETE, RawRecord
from ..errors import DataError
from .columns import COLUMNS, read_row
from .table import rows

#: Prefix of the record that stands for a whole file which cannot be read.
FILE = "file:"


class Records:
    """The records of one file, in its order; an iterator.

    A row is known by its ``id``, else by a hash of the cells that tell it from others and, of rows that are alike, by
    how manieth it is in the file. So the same file again is the same records. A file that cannot be read (to its end)
    ends in a record of its own, which the inbox holds for a person; its next good version takes that away again.

    :param spec: :class:`~connectors.base.StreamSpec`
    :param name: of the file
    :param stamp: text that sorts like the versions of files
    :param tell_failure: False: a file that cannot be read has :attr:`failure` and no record of its own
    :ivar row: number of the row that was read last
    :ivar failure: sentence, when the file cannot be read
    """

    def __init__(self, spec, name, file, stamp, tell_failure=True):
        self.row = 0
        self.failure = ""
        self._spec, self._name, self._file, self._stamp = spec, name, file, stamp
        self._tell_failure = tell_failure
        self._keys = [column.name for column in COLUMNS[spec.code] if column.key]
        self._alike = Counter()
        self._source = self._read()

    def __iter__(self):
        return self._source

    def __next__(self):
        return next(self._source)

    def close(self):
        self._source.close()
        self._file.close()

    def _read(self):
        try:
            for number, cells, surplus in rows(self._spec.code, self._name, self._file):
                self.row = number
                raw = {"file": self._name, "row": number, "columns": cells}
                yield RawRecord(self._spec.object_type, self._id(cells), self._version(number, cells),
                                {**raw, "surplus": True} if surplus else raw)
        except DataError as error:
            self.failure = str(error)
            if not self._tell_failure:
                return
            yield RawRecord(self._spec.object_type, FILE + self._name, f"{self._stamp}|",
                            {"file": self._name, "row": 0, "failure": self.failure})

    def _id(self, cells):
        if cells.get("id", "") != "":
            return str(cells["id"])
        values, _problems = read_row(self._spec.code, cells)
        key = [values.get(name, str(cells.get(name, ""))) for name in self._keys]
        key = json.dumps([key_part.casefold() if isinstance(key_part, str) else key_part for key_part in key])
        digest = hashlib.sha256(key.encode()).digest()[:12]
        self._alike[digest] += 1
        place = self._alike[digest]
        return digest.hex() + (f"-{place}" if place > 1 else "")

    def _version(self, number, cells):
        """Return a version that sorts by file, then by row: of one id in two rows the later one counts."""
        return f"{self._stamp}|{number:07d}|{fingerprint(cells)}"


def fingerprint(cells):
    """Return a short hash of what a row says; the last part of its version."""
    text = json.dumps(cells, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def said_in(version):
    """Return the :func:`fingerprint` that a version carries."""
    return (version or "").rpartition("|")[2]


def healed(spec, name, stamp):
    """Return the record that takes back an earlier word of a file that could not be read."""
    return RawRecord(spec.object_type, FILE + name, f"{stamp}|", {}, DELETE)
