from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.cursor import Keyset, format_instant, parse_instant

START = datetime(2026, 5, 1, tzinfo=timezone.utc)


def at(seconds):
    return START + timedelta(seconds=seconds)


def read(rows, keyset, limit, bound):
    """What a vendor answers: ``rows`` is a set of (seconds or None, id)."""
    if keyset.in_nulls:
        found = sorted(row_id for seconds, row_id in rows if seconds is None and row_id > keyset.after_id)
        return [(None, row_id) for row_id in found][:limit]
    found = sorted((seconds, row_id) for seconds, row_id in rows if seconds is not None)
    if keyset.at is not None:
        found = [(seconds, row_id) for seconds, row_id in found
                 if at(seconds) > keyset.at or (at(seconds) == keyset.at and row_id > keyset.after_id)]
    return [(seconds, row_id) for seconds, row_id in found if at(seconds) <= bound][:limit]


def run(rows, keyset, now, limit=3, overlap=600, stop_after=None, **options):
    """Read one run; returns what was read and the cursor, which went through JSON after each page."""
    keyset, seen, pages = keyset.start(now, overlap, **options), [], 0
    while keyset.running:
        bound = keyset.until
        page = read(rows, keyset, limit, bound)
        seen += page
        last = (at(page[-1][0]) if page[-1][0] is not None else None, page[-1][1]) if page else None
        keyset = Keyset.load(keyset.advance(last, len(page) == limit, bound).dump())
        pages += 1
        assert pages < 1000, "the cursor turns in a circle"
        if pages == stop_after:
            break
    return seen, keyset


def test_ties_that_fill_more_than_a_page():
    rows = {(5, f"id{number:02}") for number in range(20)} | {(6, "z"), (1, "a")}
    seen, keyset = run(rows, Keyset(), at(1000))
    assert sorted(seen) == sorted(rows)
    assert len(seen) == len(rows)
    assert keyset == Keyset(at(940))


def test_a_page_that_is_exactly_full_ends_with_an_empty_one():
    rows = {(1, "a"), (2, "b"), (3, "c")}
    seen, keyset = run(rows, Keyset(), at(1000))
    assert len(seen) == 3
    assert not keyset.running


def test_the_next_run_steps_back_and_finds_late_rows():
    rows = {(900, "a")}
    _seen, keyset = run(rows, Keyset(), at(1000))
    rows |= {(400, "late"), (930, "b"), (300, "too late")}
    seen, keyset = run(rows, keyset, at(1100))
    assert {row_id for _seconds, row_id in seen} == {"late", "a", "b"}


def test_rows_newer_than_the_settled_end_are_left_to_the_next_run():
    rows = {(999, "open")}
    seen, keyset = run(rows, Keyset(), at(1000))
    assert seen == []
    seen, keyset = run(rows, keyset, at(1100))
    assert seen == [(999, "open")]


def test_an_interrupted_run_goes_on_where_it_stopped():
    rows = {(number, f"id{number:03}") for number in range(50)}
    first, keyset = run(rows, Keyset(), at(1000), stop_after=4)
    assert keyset.running
    second, keyset = run(rows, keyset, at(5000))
    assert first + second == sorted(rows)
    assert keyset.at == at(940)


def test_polling_twice_in_a_moment_does_not_move_the_end_back():
    _seen, keyset = run(set(), Keyset(), at(1000))
    _seen, again = run(set(), keyset, at(1010))
    assert again.at == at(950)
    _seen, again = run(set(), again, at(900))
    assert again.at == at(950)


def test_rows_without_time_come_first():
    rows = {(None, f"n{number}") for number in range(7)} | {(5, "a")}
    seen, _keyset = run(rows, Keyset(), at(1000), nulls=True)
    assert [row_id for _seconds, row_id in seen] == [f"n{number}" for number in range(7)] + ["a"]


def test_a_first_run_may_begin_at_a_date():
    seen, _keyset = run({(5, "old"), (50, "new")}, Keyset(), at(1000), since=at(20))
    assert seen == [(50, "new")]


def test_a_narrowed_window_loses_nothing():
    rows = {(number, f"id{number:03}") for number in range(100)}
    keyset, seen = Keyset(at(0)).start(at(200), 0), []
    while keyset.running:
        bound = keyset.narrowed(3)
        page = read(rows, keyset, 7, bound)
        seen += page
        keyset = keyset.advance((at(page[-1][0]), page[-1][1]) if page else None, len(page) == 7, bound)
    assert sorted(set(seen)) == sorted(rows)


def test_a_window_of_a_second_cannot_be_halved():
    keyset = Keyset(at(0), until=at(1))
    assert keyset.narrowed(2) == at(1)


def test_more_after_nothing_is_a_mistake():
    with pytest.raises(ValueError, match="empty page"):
        Keyset(at(0), until=at(1)).advance(None, True)


ROWS = st.sets(st.tuples(st.integers(0, 30), st.text("abAB01", min_size=1, max_size=3)), max_size=40)


@settings(max_examples=200, deadline=None)
@given(rows=ROWS, limit=st.integers(1, 5), stops=st.lists(st.integers(1, 4), max_size=6), added=ROWS)
def test_nothing_is_lost_whatever_happens(rows, limit, stops, added):
    """Runs are cut anywhere and rows appear late (within the overlap): every row is read in the end."""
    keyset, seen, now = Keyset(), set(), 100
    for stop in stops:
        page, keyset = run(rows, keyset, at(now), limit, stop_after=stop)
        seen.update(page)
        now += 10
    page, keyset = run(rows, keyset, at(now), limit)
    seen.update(page)
    assert rows <= seen
    rows |= added
    page, keyset = run(rows, keyset, at(now + 100), limit)
    assert rows <= seen | set(page)


@pytest.mark.parametrize("text", [
    "2026-05-28T21:10:08.000+0000", "2026-05-28T21:10:08Z", "2026-05-28T21:10:08.000Z", "2026-05-28T23:10:08+02:00",
    "2026-05-28T18:10:08.000-0300",
])
def test_instants_in_all_their_forms_become_one_text(text):
    assert format_instant(parse_instant(text)) == "2026-05-28T21:10:08.000Z"


def test_an_instant_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        parse_instant("2026-05-28T21:10:08")


def test_texts_sort_like_moments():
    moments = [START + timedelta(milliseconds=number * 333) for number in range(50)]
    texts = [format_instant(moment) for moment in moments]
    assert texts == sorted(texts)
