"""First load, changes, ties, deletions, and a vendor whose pages never end or change under the reader."""

from datetime import timedelta

from connectors.base import DELETE, MERGE, UPSERT
from connectors.errors import ConnectorError

from . import case

LATER = 120  # seconds: longer than a reader stays behind the vendor's clock
MANY_PAGES = 60


def living(records):
    return {record.external_id for record in records if record.operation == UPSERT}


def first_load_done(rig, vendor):
    """Return the cursor after everything was read and some time went by. Each run has a session of its own."""
    _records, cursor, _pages = rig.read_run(rig.session(vendor))
    vendor.clock.forward(LATER)
    return cursor


@case("The first load brings every record once, over all pages")
def first_load(rig, vendor):
    records, _cursor, pages = rig.read_run(rig.session(vendor))
    assert len(pages) > 1, "the stand-in has too few records to show paging"
    assert living(records) == rig.ids(vendor)
    assert len(records) == len(living(records))
    assert {record.object_type for record in records} == {rig.spec().object_type}
    assert all(record.version for record in records)


@case("The next run brings what changed and what is new, not everything")
def increment(rig, vendor):
    vendor.clock.forward(3 * 3600)
    cursor = first_load_done(rig, vendor)
    changed = sorted(rig.ids(vendor))[0]
    mark = rig.touch(vendor, changed)
    made = rig.make(vendor, 2)
    vendor.clock.forward(LATER)
    records, cursor, _pages = rig.read_run(rig.session(vendor), cursor)
    found = {record.external_id: record for record in records}
    assert {changed, *made} <= set(found)
    assert mark in str(found[changed].raw)
    assert len(found) < len(rig.ids(vendor))
    vendor.clock.forward(3 * 3600)
    mark = rig.touch(vendor, changed)
    vendor.clock.forward(LATER)
    assert mark in str([record.raw for record in rig.read_run(rig.session(vendor), cursor)[0]])


@case("A record that shows up late with an older stamp is read")
def back_dated(rig, vendor):
    cursor = first_load_done(rig, vendor)
    made = rig.make(vendor, 1, vendor.clock.now() - timedelta(minutes=6))
    vendor.clock.forward(LATER)
    assert set(made) <= living(rig.read_run(rig.session(vendor), cursor)[0])


@case("Many records of one second are all read, and the reader comes to an end")
def same_second(rig, vendor):
    cursor = first_load_done(rig, vendor)
    made = rig.make(vendor, 4 * rig.page_size + 1, vendor.clock.now().replace(microsecond=0))
    vendor.clock.forward(LATER)
    assert set(made) <= living(rig.read_run(rig.session(vendor), cursor)[0])


@case("A record without a change stamp is read")
def null_cursor(rig, vendor):
    (made,) = rig.make(vendor)
    rig.unstamp(vendor, made)
    vendor.clock.forward(LATER)
    records, cursor, _pages = rig.read_run(rig.session(vendor))
    assert made in living(records)
    assert living(records) == rig.ids(vendor)
    vendor.clock.forward(LATER)
    rig.read_run(rig.session(vendor), cursor)


@case("A deletion is learnt")
def deletion(rig, vendor):
    cursor = first_load_done(rig, vendor)
    gone = sorted(rig.ids(vendor))[0]
    rig.delete(vendor, gone)
    vendor.clock.forward(rig.deletion_seconds)
    records, _cursor, pages = rig.read_run(rig.session(vendor), cursor)
    deleted = {record.external_id for record in records if record.operation == DELETE}
    if gone not in deleted:
        assert any(page.reconcile for page in pages), "it is neither told nor can it be found out"
        every = sorted({gone, *rig.ids(vendor)})
        answers = rig.connector.fetch_records(rig.session(vendor), rig.spec(), every)
        deleted = {record.external_id for record in answers if record.operation == DELETE}
    assert deleted == {gone}


@case("A merge is followed to the surviving record")
def merge(rig, vendor):
    cursor = first_load_done(rig, vendor)
    loser, winner = sorted(rig.ids(vendor))[:2]
    rig.merge(vendor, loser, winner)
    vendor.clock.forward(LATER)
    records = rig.read_run(rig.session(vendor), cursor)[0]
    assert {record.external_id: record.raw for record in records if record.operation == MERGE} == {
        loser: {"winner": winner}}


@case("Endless paging is noticed")
def endless_paging(rig, vendor):
    vendor.faults.add("endless_paging", times=None)
    session, cursor, seen = rig.session(vendor), {}, []
    try:
        for _number in range(MANY_PAGES):
            page = rig.connector.fetch_page(session, rig.spec(), cursor, {
                "page_size": rig.page_size, "overlap_seconds": 600, "new_run": not seen, "since": "",
                "backfill": False})
            if not page.more:
                return
            if page.cursor in seen:
                return  # the engine ends the run: a cursor that stands still gets nowhere
            seen.append(page.cursor)
            cursor = page.cursor
    except ConnectorError:
        return
    raise AssertionError(f"{MANY_PAGES} pages and no end")


@case("Records that vanish while pages are read take no other one along")
def shrinking_page(rig, vendor):
    session = rig.session(vendor)
    options = {"page_size": rig.page_size, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}
    page = rig.connector.fetch_page(session, rig.spec(), {}, options)
    read = {record.external_id for record in page.records}
    for external_id in sorted(rig.ids(vendor))[:2]:
        rig.delete(vendor, external_id)
    while page.more:
        page = rig.connector.fetch_page(session, rig.spec(), page.cursor, {**options, "new_run": False})
        read |= {record.external_id for record in page.records}
    vendor.clock.forward(LATER)
    read |= {record.external_id for record in rig.read_run(rig.session(vendor), page.cursor)[0]}
    assert rig.ids(vendor) <= read
