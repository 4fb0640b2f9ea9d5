"""The watched folder: which one may be used, what is read when, and the file that goes out."""

import csv
import json
import os
import time
from types import SimpleNamespace

import pytest
from wire_server import session_for

from connectors.base import DELETE, PushItem
from connectors.errors import ConflictError, ConnectionRefusedByVendor, DataError, MissingScopeError
from connectors.files import billed
from connectors.files.connector import FilesConnector
from connectors.files.folder import ROOT_VARIABLE, folder_of

HEADER = "id;date;person;project;hours;description;billable;approved\n"
NOW = 1_780_000_000


@pytest.fixture
def firm(tmp_path, monkeypatch):
    """A root with the folder ``firm`` and its stream folder ``time``."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    (tmp_path / "firm" / "time").mkdir(parents=True)
    return SimpleNamespace(root=tmp_path, path=tmp_path / "firm", now=NOW)


def put(firm, name, *ids, age=3600, code="time", content=None):
    path = firm.path / code / name
    path.write_bytes(content if content is not None else (HEADER + "".join(
        f"{row_id};2026-05-04;Ada;NOVA;8;Forms;yes;yes\n" for row_id in ids)).encode())
    os.utime(path, (firm.now - age, firm.now - age))
    return path


def read(firm, cursor=None, page_size=3, pages=100, session=None):
    """Return ``(ids, cursor)`` after at most ``pages`` pages, each of a session of its own unless one is given."""
    connector, ids, cursor = FilesConnector(lambda: firm.now), [], cursor or {}
    spec = next(stream for stream in connector.streams if stream.code == "time")
    for _number in range(pages):
        page = connector.fetch_page(session or open_session(), spec, cursor, {"page_size": page_size})
        ids += [record.external_id for record in page.records]
        cursor = json.loads(json.dumps(page.cursor))
        if not page.more:
            return ids, cursor
    return ids, cursor


def open_session(folder="firm"):
    return session_for("", "", {"none": ""}, None, {"folder": folder})


# === WHICH FOLDER === #

def test_without_a_root_no_folder_is_allowed(firm, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE)
    with pytest.raises(ConnectionRefusedByVendor, match=ROOT_VARIABLE):
        folder_of({"folder": "firm"})
    assert folder_of({"folder": " "}) is None


@pytest.mark.parametrize("wanted", ["../x", "firm/../..", "/etc", "firm/../firm"])
def test_no_way_leads_out_of_the_root(firm, wanted):
    with pytest.raises(ConnectionRefusedByVendor, match=r"below|upwards"):
        folder_of({"folder": wanted})


def test_no_link_leads_out_of_the_root(firm, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.csv").write_text(HEADER + "S1;2026-05-04;Ada;NOVA;8;;yes;yes\n")
    os.utime(outside / "secret.csv", (NOW - 999, NOW - 999))
    (firm.root / "link").symlink_to(outside)
    with pytest.raises(ConnectionRefusedByVendor, match="not below"):
        folder_of({"folder": "link"})
    (firm.path / "time" / "link.csv").symlink_to(outside / "secret.csv")
    assert read(firm)[0] == []
    (firm.path / "time" / "link.csv").unlink()
    (firm.path / "time").rmdir()
    (firm.path / "time").symlink_to(outside)
    with pytest.raises(MissingScopeError, match="link"):
        read(firm)


def test_the_check_says_what_is_there(firm):
    put(firm, "a.csv", "T1")
    connector = FilesConnector(lambda: firm.now)
    lines = {line.code: line for line in connector.check(open_session())}
    assert all(line.ok for line in lines.values())
    assert "1 files" in lines["time"].message
    assert not connector.check(open_session("nowhere"))[0].ok
    assert "uploaded" in connector.check(open_session(""))[0].message


# === WHAT IS READ === #

def test_files_are_read_in_the_order_of_their_times_over_pages(firm):
    put(firm, "b.csv", "B1", "B2", "B3", "B4", age=500)
    put(firm, "a.csv", "A1", "A2", age=400)
    put(firm, "c.csv", "C1", age=600)
    ids, cursor = read(firm)
    assert ids == ["C1", "B1", "B2", "B3", "B4", "A1", "A2"]
    assert read(firm, cursor)[0] == []


def test_every_interruption_goes_on_with_the_next_row(firm):
    put(firm, "a.csv", *[f"A{number}" for number in range(10)])
    put(firm, "b.csv", "B1", age=100)
    whole = read(firm)[0]
    for pages in range(1, 5):
        first, cursor = read(firm, pages=pages)
        assert first + read(firm, cursor)[0] == whole


def test_a_run_does_not_read_a_file_from_its_top_for_each_page(firm, monkeypatch):
    put(firm, "a.csv", *[f"A{number}" for number in range(30)])
    opened = []
    monkeypatch.setattr("connectors.files.folder._open", lambda path: opened.append(path) or path.open("rb"))
    session = open_session()
    assert len(read(firm, session=session)[0]) == 30
    assert len(opened) == 1


def test_a_file_that_kept_an_old_time_is_read_too(firm):
    put(firm, "a.csv", "A1", age=100)
    _ids, cursor = read(firm)
    put(firm, "old.csv", "O1", age=10_000_000)
    assert read(firm, cursor)[0] == ["O1"]


def test_a_corrected_file_is_read_again_and_its_rows_are_newer(firm):
    put(firm, "a.csv", "A1", "A2", age=200)
    _ids, cursor = read(firm)
    put(firm, "a.csv", "A1", "A2", "A3", age=100)
    assert read(firm, cursor)[0] == ["A1", "A2", "A3"]


def test_a_file_that_changes_while_it_is_read_begins_again(firm):
    put(firm, "a.csv", "A1", "A2", "A3", "A4", age=200)
    first, cursor = read(firm, pages=1)
    assert first == ["A1", "A2", "A3"]
    put(firm, "a.csv", "A0", "A1", "A2", "A3", "A4", age=100)
    assert read(firm, cursor)[0] == ["A0", "A1", "A2", "A3", "A4"]


def test_what_is_still_being_written_is_left_alone(firm):
    put(firm, "fresh.csv", "F1", age=30)
    put(firm, "big.csv.part", "P1")
    put(firm, ".hidden.csv", "H1")
    put(firm, "notes.txt", "N1")
    ids, cursor = read(firm)
    assert ids == []
    firm.now += 31
    assert read(firm, cursor)[0] == ["F1"]


def test_a_bad_file_is_held_and_does_not_stand_in_the_way(firm):
    put(firm, "bad.csv", content=b"date;hours\n2026-05-04;8\n", age=300)
    put(firm, "good.csv", "G1", age=200)
    ids, cursor = read(firm)
    assert ids == ["file:bad.csv", "G1"]
    assert read(firm, cursor)[0] == []
    put(firm, "bad.csv", "B1", age=100)
    connector = FilesConnector(lambda: firm.now)
    page = connector.fetch_page(open_session(), connector.streams[3], cursor, {"page_size": 9})
    assert [(record.external_id, record.operation) for record in page.records] == [
        ("B1", "upsert"), ("file:bad.csv", DELETE)]


def test_the_cursor_forgets_files_that_are_gone(firm):
    path = put(firm, "a.csv", "A1")
    _ids, cursor = read(firm)
    assert list(cursor["done"]) == ["a.csv"]
    path.unlink()
    assert read(firm, cursor)[1] == {"done": {}}


def test_files_stay_as_they_are(firm):
    path = put(firm, "a.csv", "A1")
    before = path.stat()
    read(firm)
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)


def test_the_real_clock_is_the_default(firm):
    put(firm, "a.csv", "A1")
    os.utime(firm.path / "time" / "a.csv", (time.time() - 61, time.time() - 61))
    connector = FilesConnector()
    assert connector.fetch_page(open_session(), connector.streams[3], {}, {"page_size": 9}).records


# === WHAT GOES OUT === #

def item(number, **values):
    return PushItem(f"key-{number}", "Time", f"T{number}", {
        "event": "posted", "invoiced": True, "invoice_number": "INV/1", "invoice_date": "2026-07-01",
        "payment_state": "not_paid", "amount_total": "1190.00", "amount_residual": "-5.00", "currency": "EUR",
        "credit_note": None, **values})


def push(*items):
    connector = FilesConnector()
    return {result.key: result for result in connector.push(open_session(), connector.outbound[0], list(items))}


def lines_of(firm, name="billed-2026-07-01.csv"):
    with (firm.path / "out" / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_key_twice_is_one_line(firm):
    assert all(result.written for result in push(item(1), item(2)).values())
    again = push(item(2), item(3))
    assert [again[f"key-{number}"].written for number in (2, 3)] == [False, True]
    assert [line["id"] for line in lines_of(firm)] == ["T1", "T2", "T3"]
    assert sorted(os.listdir(firm.path / "out")) == [".lock", "billed-2026-07-01.csv"]


def test_each_invoice_date_has_its_file(firm):
    push(item(1), item(2, invoice_date="2026-08-01"), item(3, invoice_date="", invoiced=False))
    assert [line["id"] for line in lines_of(firm, "billed-2026-08-01.csv")] == ["T2"]
    assert lines_of(firm, "billed-without-date.csv")[0]["invoiced"] == "no"


def test_a_text_is_no_formula(firm):
    push(item(1, invoice_number="=cmd()"))
    (line,) = lines_of(firm)
    assert line["invoice_number"] == "'=cmd()"
    assert line["amount_residual"] == "-5.00"


def test_another_hand_is_seen(firm):
    push(item(1))
    assert isinstance(push(item(1, invoice_number="INV/2"))["key-1"].error, ConflictError)
    path = firm.path / "out" / "billed-2026-07-01.csv"
    path.write_text("a;b\n")
    with pytest.raises(DataError, match="changed by hand"):
        push(item(2))
    assert path.read_text() == "a;b\n"


def test_a_failure_while_writing_leaves_the_old_file(firm, monkeypatch):
    push(item(1))
    monkeypatch.setattr(billed.os, "replace", lambda *_paths: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        push(item(2))
    monkeypatch.undo()
    assert [line["id"] for line in lines_of(firm)] == ["T1"]
    assert sorted(os.listdir(firm.path / "out")) == [".lock", "billed-2026-07-01.csv"]


def test_without_a_folder_nothing_is_written():
    connector = FilesConnector()
    (result,) = connector.push(open_session(""), connector.outbound[0], [item(1)])
    assert result.error is None
    assert not result.written
