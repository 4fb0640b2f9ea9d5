"""Tables: the rows of a CSV or XLSX file one after the other, whatever its size."""

import csv
import zipfile
from datetime import date, datetime, time
from decimal import Decimal

from ..errors import DataError
from .columns import COLUMNS, column_name

SUFFIXES = (".csv", ".xlsx")
DELIMITERS = ",;\t"
_LARGEST_SHEET = 1024 * 1024 * 1024  # bytes unpacked: a workbook beyond it is not one


def rows(code, name, file):
    """Yield ``(row number, {column name: cell}, surplus)`` of each row that says something.

    The header is row 1, as spreadsheets count. ``surplus`` tells that the row has more cells than the header.

    :param code: stream code
    :param name: of the file: its ending says what it is
    :param file: binary file
    :raise DataError: not such a file; the text names it, and the line where there is one
    """
    suffix = name.lower().rpartition(".")[2]
    if suffix == "csv":
        return _named(code, name, _csv_rows(code, name, file))
    if suffix == "xlsx":
        return _named(code, name, _xlsx_rows(name, file))
    raise DataError(f"{name} is neither a CSV nor an XLSX file: save it as “CSV UTF-8” or as an Excel workbook "
                    "(.xlsx).", "file_type")


def _named(code, name, table):
    header, names = None, []
    for number, cells in enumerate(table, 1):
        if header is None:
            header = cells
            names = [column_name(cell) for cell in cells]
            _check_header(code, name, names)
        elif any(cell != "" for cell in cells):
            surplus = any(cell != "" for cell in cells[len(names):])
            yield number, {key: cell for key, cell in zip(names, cells, strict=False) if key and cell != ""}, surplus
    if header is None:
        raise DataError(f"{name} is empty.", "empty_file")


def _check_header(code, name, names):
    given = [column for column in names if column]
    if missing := [column.name for column in COLUMNS[code] if column.required and column.name not in given]:
        raise DataError(f"{name} lacks columns: {', '.join(missing)}. Its first row must name them.", "missing_columns")
    if twice := sorted({column for column in given if given.count(column) > 1}):
        raise DataError(f"{name} has columns twice: {', '.join(twice)}.", "double_columns")


# === CSV === #

def _lines(name, file):
    """Yield the file's lines as texts; only UTF-8 is read, because any other encoding would be a guess."""
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}, line {number} is not UTF-8 text: save the file as “CSV UTF-8”.",
                            "encoding") from error


def _csv_rows(code, name, file):
    lines = _lines(name, file)
    first = next(lines, "")
    known = {column.name for column in COLUMNS[code]}

    def score(delimiter):
        return sum(column_name(cell) in known for cell in next(csv.reader([first], delimiter=delimiter), ()))

    delimiter = max(DELIMITERS, key=score)
    try:
        for cells in csv.reader(_chain(first, lines), delimiter=delimiter, strict=True):
            yield [cell.strip() for cell in cells]
    except csv.Error as error:
        raise DataError(f"{name} is not proper CSV ({error}).", "csv") from error


def _chain(first, lines):
    if first:
        yield first
    yield from lines


# === XLSX === #

def _xlsx_rows(name, file):
    """Yield the rows of the first sheet; formulas count as the value that was saved with them."""
    try:
        import openpyxl  # here, because only workbooks need it
    except ImportError as error:
        raise DataError("The server cannot read Excel workbooks, because the Python library openpyxl is missing: save "
                        f"{name} as “CSV UTF-8”.", "openpyxl") from error
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(part.file_size for part in archive.infolist()) > _LARGEST_SHEET:
                raise DataError(f"{name} is too large to be a workbook.", "too_large")
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except DataError:
        raise
    except Exception as error:  # the library raises whatever a broken workbook leads it to
        raise DataError(f"{name} is not a readable Excel workbook.", "xlsx") from error
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file claims of its size may be wrong
        for cells in sheet.iter_rows(values_only=True):
            yield [_plain(cell) for cell in cells]
    except (KeyError, IndexError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{name} is not a readable Excel workbook.", "xlsx") from error
    finally:
        book.close()


def _plain(cell):
    """Return a cell as JSON can hold it: numbers as they are shown, days as ISO texts, nothing as an empty text."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        number = Decimal(format(cell, ".15g"))  # a spreadsheet shows no more digits
        return int(number) if number == number.to_integral_value() else number
    return cell if isinstance(cell, (bool, int)) else str(cell).strip()
