"""The columns of each stream, and how a cell is read: never by guessing.

A number with one separator before exactly three digits (``1,234``) has two readings, of which one is a thousand times
the other: it is refused. Everything else says by its form which separator marks the decimals.
"""

import csv
import io
import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

TEXT, DECIMAL, DATE, BOOLEAN = "text", "decimal", "date", "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a stream knows.

    :param required: the header must have it (the field map says which cells may be empty)
    :param key: the cell is part of what a row without an id is known by
    """

    name: str
    kind: str = TEXT
    required: bool = False
    key: bool = False
    example: str = ""
    help: str = ""


COLUMNS = {
    code: tuple(Column(**column) for column in columns) for code, columns in json.loads(
        Path(__file__).with_name("columns.json").read_text(encoding="utf-8")).items()
}
_KINDS = {code: {column.name: column.kind for column in columns} for code, columns in COLUMNS.items()}


def column_name(header):
    """Return a header as the field maps write it: ``Cost Centre`` -> ``cost_centre``."""
    return re.sub(r"\W+", "_", str(header or "").strip().casefold()).strip("_")


# === CELLS === #

_GROUPING = re.compile(r"(?<=\d)[ \u00a0\u202f'’](?=\d{3}(?!\d))")
_PLAIN = re.compile(r"[+-]?(\d+|\d*[.,]\d+)", re.ASCII)
_TWO_READINGS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_GROUPED = (re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}", re.ASCII),
            re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d{1,3}(\.\d{3}){2,}", re.ASCII))
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_BOOLEANS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def _shortest(number):
    """Return a number's text without zeros that say nothing: 7.50 and 7.5 name the same row."""
    return format(Decimal(number).normalize(), "f")


def _decimal(text):
    bare = _GROUPING.sub("", text.replace("−", "-"))
    if bare == text and _TWO_READINGS.fullmatch(bare):
        digits = re.sub("[.,]", "", bare)
        raise ValueError(f"“{text}” can mean {digits} or {bare.replace(',', '.')}: write it as {digits} or as "
                         f"{bare.replace(',', '.')}0")
    if _PLAIN.fullmatch(bare):
        return _shortest(bare.replace(",", "."))
    for pattern, grouping, mark in zip(_GROUPED, ",.", ".,", strict=True):
        if pattern.fullmatch(bare):
            return _shortest(bare.replace(grouping, "").replace(mark, "."))
    raise ValueError(f"“{text}” is not a number")


def _date(text):
    try:
        if match := _DAY_FIRST.fullmatch(text):
            return date(int(match[3]), int(match[2]), int(match[1])).isoformat()
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"“{text}” is a day that no calendar has") from error
    raise ValueError(f"“{text}” is not a date like 2026-05-31 or 31.05.2026")


def _boolean(text):
    try:
        return _BOOLEANS[text.lower()]
    except KeyError as error:
        raise ValueError(f"“{text}” is neither yes nor no") from error


_READERS = {DECIMAL: _decimal, DATE: _date, BOOLEAN: _boolean}


def read_cell(kind, found):
    """Return a cell as the field maps get it: a text, for numbers without any doubt of the decimals, or a bool.

    :param found: text as written, or a number or bool of a spreadsheet
    :raise ValueError: it is not of this kind; the text is a clause for people
    """
    if isinstance(found, bool):
        if kind in (BOOLEAN, TEXT):
            return found if kind == BOOLEAN else str(found).lower()
        raise ValueError(f"“{found}” is not a {'number' if kind == DECIMAL else 'date'}")
    if isinstance(found, (int, Decimal)):
        text = _shortest(found)
        return text if kind == DECIMAL else _READERS.get(kind, str)(text)
    text = str(found).strip()
    return _READERS[kind](text) if text and kind in _READERS else text


def read_row(code, cells):
    """Return ``(values, problems)`` of a row's cells; columns that the stream does not know stay texts.

    :param cells: ``{column name: cell}``
    :return: ``{column name: value}``, and ``{column name: clause}`` of the cells that cannot be read
    """
    values, problems, kinds = {}, {}, _KINDS[code]
    for name, found in cells.items():
        try:
            values[name] = read_cell(kinds.get(name, TEXT), found)
        except ValueError as error:
            problems[name] = str(error)
    return values, problems


# === TEMPLATE === #

def template(code):
    """Return a CSV file (bytes, with the mark by which spreadsheets know UTF-8): the header and one example."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in COLUMNS[code]])
    writer.writerow([column.example for column in COLUMNS[code]])
    return text.getvalue().encode("utf-8-sig")
