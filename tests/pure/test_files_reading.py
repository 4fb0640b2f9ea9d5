"""Files: what is a table, which row is which record, and how a cell is read."""

import io
import re
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pytest
from default_map import to_canonical

from connectors import jsontext
from connectors.base import DELETE
from connectors.canonical import Reference
from connectors.errors import DataError
from connectors.files.columns import COLUMNS, column_name, read_cell, template
from connectors.files.connector import FilesConnector
from connectors.files.records import Records, said_in
from connectors.files.table import rows

CONNECTOR = FilesConnector()
SPECS = {spec.code: spec for spec in CONNECTOR.streams}
HEADER = "date;person;project;hours;description;billable;approved"
ROW = "2026-05-04;ada@firm.example;NOVA;7,5;Forms;yes;no"


def records(*lines, code="time", name="hours.csv", stamp="2026-06-01"):
    return list(Records(SPECS[code], name, io.BytesIO("\n".join(lines).encode()), stamp))


def canonical(record, code="time"):
    raw = jsontext.loads(jsontext.dumps(record.raw))
    (part,) = CONNECTOR.split(SPECS[code], raw, record.external_id)
    return to_canonical(CONNECTOR, SPECS[code], part.raw)


def workbook(*table):
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in table:
        book.active.append(row)
    book.save(file)
    file.seek(0)
    return file


# === CELLS === #

@pytest.mark.parametrize(("text", "number"), [
    ("7", "7"), ("7,5", "7.5"), ("7.5", "7.5"), ("-7,25", "-7.25"), ("−3", "-3"), ("0,125", "0.125"), (".5", "0.5"),
    ("1,234.50", "1234.50"), ("1.234,50", "1234.50"), ("1 234,50", "1234.50"), ("1'234.50", "1234.50"),
    ("1.234.567", "1234567"), ("1,234,567.8", "1234567.8"), ("1234,567", "1234.567"), ("1 234,567", "1234.567"),
])
def test_a_number_says_which_sign_marks_its_decimals(text, number):
    assert Decimal(read_cell("decimal", text)) == Decimal(number)


@pytest.mark.parametrize("text", ["1,234", "1.234", "-12,345", "999.000"])
def test_a_number_with_two_readings_is_refused_and_both_are_named(text):
    with pytest.raises(ValueError, match="can mean") as caught:
        read_cell("decimal", text)
    assert text in str(caught.value)


@pytest.mark.parametrize(("kind", "text"), [
    ("decimal", "€5"), ("decimal", "1e3"), ("decimal", "12,34,56"), ("decimal", "1.2.3"), ("decimal", True),
    ("date", "05/04/2026"), ("date", "31.02.2026"), ("date", "2026-5-4"), ("date", 46000), ("boolean", "maybe"),
    ("boolean", 2), ("date", "2026-05-04T10:00:00"), ("decimal", "٣"),
])
def test_what_cannot_be_read_is_refused(kind, text):
    with pytest.raises(ValueError, match="“"):
        read_cell(kind, text)


def test_days_and_booleans():
    assert read_cell("date", "4.5.2026") == read_cell("date", "2026-05-04") == "2026-05-04"
    assert [read_cell("boolean", text) for text in ("Yes", "true", "1", 1, True)] == [True] * 5
    assert [read_cell("boolean", text) for text in ("No", "false", "0", 0, False)] == [False] * 5
    assert read_cell("text", 1001) == "1001"
    assert read_cell("decimal", Decimal("1.234")) == "1.234"


# === ROWS === #

def test_a_row_becomes_a_canonical_record():
    (record,) = records(HEADER, ROW)
    assert record.raw["file"] == "hours.csv"
    assert record.raw["row"] == 2
    assert record.raw["columns"]["hours"] == "7,5"
    assert CONNECTOR.describe(record.raw) == "hours.csv, row 2"
    time = canonical(record)
    assert time["hours"] == Decimal("7.5")
    assert time["work_date"] == date(2026, 5, 4)
    assert time["billable"] is True
    assert time["approved"] is False
    assert time["project"] == Reference("Project", "NOVA")
    assert time["resource"] == Reference("Person", "ada@firm.example")


def test_the_delimiter_is_the_one_that_finds_the_columns():
    for delimiter in ",;\t":
        lines = [delimiter.join(line.split(";")) if delimiter != "," else
                 ",".join(f'"{cell}"' for cell in line.split(";")) for line in (HEADER, ROW)]
        assert canonical(records(*lines)[0])["hours"] == Decimal("7.5")


def test_headers_may_come_in_any_order_and_case_and_unknown_columns_are_kept():
    (record,) = records("Approved;HOURS;Project; Person ;Date;Billable;Cost Centre", "1;8;NOVA;Ada;4.5.2026;0;K7")
    assert canonical(record)["hours"] == 8
    assert CONNECTOR.split(SPECS["time"], record.raw, "x")[0].raw["cost_centre"] == "K7"
    assert column_name(" Cost-Centre (new) ") == "cost_centre_new"


def test_missing_columns_are_all_named():
    (record,) = records("date;hours", "2026-05-04;8")
    with pytest.raises(DataError, match="lacks columns: person, project, billable, approved"):
        CONNECTOR.split(SPECS["time"], record.raw, record.external_id)


@pytest.mark.parametrize(("content", "told"), [
    (b"", "is empty"),
    (HEADER.encode() + b"\n" + ROW.encode("utf-8") + b"\n" + ROW.replace("Forms", "Büro").encode("cp1252"),
     "line 3 is not UTF-8 text: save the file as “CSV UTF-8”"),
    (("\ufeff" + HEADER).encode("utf-16-le"), "line 1 is not UTF-8"),
    (f"{HEADER};Hours\n".encode(), "columns twice: hours"),
    (f'{HEADER}\n"2026'.encode(), "not proper CSV"),
])
def test_a_file_that_cannot_be_read_is_one_record_that_says_why(content, told):
    found = list(Records(SPECS["time"], "hours.csv", io.BytesIO(content), "1"))
    assert found[-1].external_id == "file:hours.csv"
    assert told in found[-1].raw["failure"]
    with pytest.raises(DataError, match=re.escape("hours.csv")):
        CONNECTOR.split(SPECS["time"], found[-1].raw, found[-1].external_id)


def test_other_file_types_are_refused():
    assert "neither a CSV nor an XLSX" in records("x", name="hours.xls")[0].raw["failure"]
    assert "not a readable Excel workbook" in records("x", name="hours.xlsx")[0].raw["failure"]


def test_all_that_is_wrong_with_a_row_is_told_with_file_and_row():
    (good, bad) = records(HEADER, ROW, "2026-13-04;ada;NOVA;1,234;Meeting; prep;yes;yes")
    canonical(good)
    with pytest.raises(DataError) as caught:
        CONNECTOR.split(SPECS["time"], bad.raw, bad.external_id)
    for part in ("hours.csv, row 3:", "“date”", "“hours”", "can mean 1234 or 1.234", "more cells than the header"):
        assert part in str(caught.value)


# === IDENTITY === #

def test_the_same_row_is_the_same_record_wherever_it_stands():
    first = records(HEADER, ROW, ROW, "", "2026-05-05;ada@firm.example;NOVA;8;Forms;yes;no")
    second = records(HEADER, "5.5.2026;Ada@firm.example;NOVA;8,0;Forms;yes;no", "2026-05-04;ada@firm.example;NOVA;7.5;"
                     "Forms;yes;no", "2026-05-04;ada@firm.example;NOVA;7.5;Forms;yes;no", stamp="2026-07-01")
    assert len({record.external_id for record in first}) == 3, "the second of two equal rows is another one"
    assert {record.external_id for record in first} - {second[0].external_id} == {
        record.external_id for record in second[1:]} or first[2].raw["columns"]["hours"] == "8"
    assert first[2].raw["row"] == 5


def test_hours_are_the_same_in_any_notation():
    for text in ("8", "8,0", "8.00"):
        (record,) = records(HEADER, f"2026-05-05;ada;NOVA;{text};Forms;yes;no")
        assert record.external_id == records(HEADER, "5.5.2026;ADA;nova;8;Forms;no;yes")[0].external_id


def test_an_id_column_decides_and_a_later_file_or_row_counts():
    lines = (f"id;{HEADER}", f"T1;{ROW}", f"T1;{ROW.replace('7,5', '8')}")
    first, second = records(*lines)
    assert first.external_id == second.external_id == "T1"
    assert first.version < second.version
    (later,) = records(*lines[:2], stamp="2026-06-02")
    assert later.version > second.version
    assert said_in(later.version) == said_in(first.version) != said_in(second.version)


# === WORKBOOKS === #

def test_a_workbook_is_read_with_its_own_numbers_and_days():
    file = workbook(["Date", "Person", "Project", "Hours", "Billable", "Approved", "Amount"],
                    [datetime(2026, 5, 4), "Ada", 1001, 1.234, True, "no", 0.1 + 0.2],
                    [None, None, None, None, None, None, None],
                    ["4.5.2026", "Ada", "NOVA", "1,234", True, "no", None])
    first, second = Records(SPECS["time"], "Hours.XLSX", file, "1")
    time = canonical(first)
    assert time["hours"] == Decimal("1.234"), "a number of a spreadsheet has one reading"
    assert time["source_amount"] == Decimal("0.3")
    assert time["project"] == Reference("Project", "1001")
    assert time["work_date"] == date(2026, 5, 4)
    assert second.raw["row"] == 4
    with pytest.raises(DataError, match=re.escape("Hours.XLSX, row 4")):
        canonical(second)


def test_csv_and_workbook_name_a_row_alike():
    (from_csv,) = records(HEADER, ROW)
    (from_book,) = Records(SPECS["time"], "h.xlsx", workbook(
        HEADER.split(";"), [date(2026, 5, 4), "ada@firm.example", "NOVA", 7.5, "Forms", True, False]), "1")
    assert from_csv.external_id == from_book.external_id


# === TEMPLATES === #

@pytest.mark.parametrize("code", sorted(SPECS))
def test_each_template_can_be_read_back_and_mapped(code):
    (record,) = Records(SPECS[code], "template.csv", io.BytesIO(template(code)), "1")
    canonical(record, code)
    table = list(rows(code, "template.csv", io.BytesIO(template(code))))
    assert table[0][1].keys() <= {column.name for column in COLUMNS[code]}


def test_what_files_cannot_tell_is_absent_and_older_than_any_file():
    (answer,) = CONNECTOR.fetch_records(None, SPECS["customer"], ["K-1"])
    assert answer.operation == DELETE
    assert answer.version < records(HEADER, ROW)[0].version
