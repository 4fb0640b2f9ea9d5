from datetime import timedelta

import pytest
from mini_portal import CONNECTOR, NOW, STREAMS, MiniPortal, read_run, session
from wire_server import Answer, serving

from connectors.base import DELETE, MERGE, UPSERT
from connectors.cursor import format_instant
from connectors.errors import PoisonError, TransientError

OLD = NOW - timedelta(days=2)


@pytest.fixture
def portal():
    found = MiniPortal()
    for number in range(1, 11):
        found.put("companies", number, OLD + timedelta(minutes=number), name=f"C{number}")
    return found


def ids(records, operation=UPSERT):
    return [record.external_id for record in records if record.operation == operation]


def searches(server):
    return [asked.json for asked in server.asked if asked.path.endswith("/search")]


def test_everything_is_read_once_and_no_query_is_paged(portal):
    with serving(portal) as server:
        records, cursor, pages = read_run(session(server), "company")
        queries = searches(server)
    assert ids(records) == [str(number) for number in range(1, 11)]
    assert len(pages) > 3
    assert all("after" not in query for query in queries)
    assert {query["sorts"][0]["propertyName"] for query in queries} == {"hs_lastmodifieddate"}
    assert records[0].object_type == "Company"
    assert records[0].version == format_instant(OLD + timedelta(minutes=1))
    assert records[0].raw["properties"]["name"] == "C1"
    assert cursor["todo"] == []
    assert pages[-1].watermark == format_instant(NOW - timedelta(minutes=1))


def test_contacts_have_another_stamp(portal):
    portal.put("contacts", 7, OLD, firstname="Ada")
    portal.link("contacts", "companies", 7, 3, 279)
    portal.link("contacts", "companies", 7, 9, 1)
    with serving(portal) as server:
        (record,), _cursor, _pages = read_run(session(server), "contact")
        (query,) = searches(server)
    assert query["sorts"] == [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]
    assert query["filterGroups"][0]["filters"][0]["propertyName"] == "lastmodifieddate"
    assert record.raw["company_id"] == "9"  # the primary one


def test_a_page_is_never_larger_than_hubspot_allows(portal):
    with serving(portal) as server:
        read_run(session(server), "company", page_size=2000)
        assert searches(server)[0]["limit"] == 200


def test_only_changes_are_read_with_the_overlap(portal):
    with serving(portal) as server:
        opened = session(server)
        _records, cursor, _pages = read_run(opened, "company")
        portal.now = NOW + timedelta(hours=1)
        portal.put("companies", 4, NOW + timedelta(minutes=30), name="new name")
        portal.put("companies", 5, NOW - timedelta(minutes=8), name="indexed late")
        records, _cursor, _pages = read_run(session(server), "company", cursor)
    assert ids(records) == ["5", "4"]


def test_what_is_too_young_waits_for_the_next_run(portal):
    portal.put("companies", 4, NOW - timedelta(seconds=20))
    with serving(portal) as server:
        records, cursor, _pages = read_run(session(server), "company")
        assert "4" not in ids(records)
        portal.now = NOW + timedelta(minutes=2)
        assert ids(read_run(session(server), "company", cursor)[0]) == ["4"]


def test_a_back_fill_begins_where_it_is_told(portal):
    with serving(portal) as server:
        records, _cursor, _pages = read_run(session(server), "company", backfill=True,
                                            since=format_instant(OLD + timedelta(minutes=8)))
    assert ids(records) == ["8", "9", "10"]


def test_an_interrupted_run_goes_on_where_it_stood(portal):
    portal.put("companies", 11, OLD + timedelta(minutes=3))
    with serving(portal) as server:
        first = CONNECTOR.fetch_page(session(server), STREAMS["company"], {}, {"page_size": 3, "new_run": True})
        records, _cursor, _pages = read_run(session(server), "company", first.cursor)
    assert sorted(ids(first.records + records), key=int) == [str(number) for number in range(1, 12)]


@pytest.mark.parametrize("tied", [1, 2, 3, 4, 7, 30])
def test_rows_of_one_stamp_are_all_read(portal, tied):
    for number in range(tied):
        portal.put("companies", 500 + 7 * ((number * 11) % 30), OLD + timedelta(minutes=5, milliseconds=1))
    with serving(portal) as server:
        records, _cursor, _pages = read_run(session(server), "company")
    assert len(records) == 10 + tied
    assert set(ids(records)) == set(portal.objects["companies"])


def test_more_rows_than_a_query_gives_and_more_of_one_stamp_than_a_query_gives():
    portal = MiniPortal()
    for number in range(10_050):
        portal.put("companies", 20_000 - number, OLD)
    for number in range(10_050):
        portal.put("companies", 30_000 + number, OLD + timedelta(milliseconds=1 + number // 3))
    with serving(portal) as server:
        records, _cursor, pages = read_run(session(server), "company", page_size=200)
    assert len(records) == len(set(ids(records))) == 20_100
    assert max(len(page.records) for page in pages) <= 200


def test_a_row_that_is_listed_twice_or_in_another_order_counts_once(portal):
    def shuffled(asked):
        if not asked.path.endswith("/search"):
            return None
        answer = portal._answer(asked)
        rows = answer.body["results"]
        answer.body["results"] = [*rows[::-1], *rows[:1]]
        return answer

    portal.before = shuffled
    with serving(portal) as server:
        records, _cursor, _pages = read_run(session(server), "company")
    assert sorted(ids(records), key=int) == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("spread", [0, 1])
def test_a_page_that_comes_again_and_again_is_noticed(portal, spread):
    rows = [portal.put("companies", number, OLD + timedelta(seconds=spread * number)) for number in (1, 2, 3)]
    portal.before = lambda asked: Answer(body={"results": rows, "paging": {"next": {"after": "3"}}}) if (
        asked.path.endswith("/search")) else None
    with serving(portal) as server:
        with pytest.raises(TransientError, match="repeats"):
            read_run(session(server), "company")


@pytest.mark.parametrize("body", [
    {"total": 1}, {"results": {}}, {"results": [{"id": "x", "properties": {}}]}, {"results": [{"properties": {}}]},
    {"results": [{"id": "1"}]}, {"results": [{"id": "1", "properties": {"hs_lastmodifieddate": "soon"}}]},
])
def test_an_answer_that_is_not_what_is_documented(portal, body):
    portal.before = lambda asked: Answer(body=body) if asked.path.endswith("/search") else None
    with serving(portal) as server:
        with pytest.raises(PoisonError):
            read_run(session(server), "company")


def test_more_is_promised_but_nothing_comes(portal):
    portal.before = lambda asked: Answer(body={"results": [], "paging": {"next": {"after": "3"}}}) if (
        asked.path.endswith("/search")) else None
    with serving(portal) as server:
        with pytest.raises(TransientError, match="promises"):
            read_run(session(server), "company")


# --- what is gone ---


def test_deletions_since_the_last_run_are_learnt_once_they_happened(portal):
    portal.archive("companies", 1, OLD)
    with serving(portal) as server:
        records, cursor, _pages = read_run(session(server), "company")
        assert ids(records, DELETE) == []
        for number in (3, 4, 5, 6, 7):
            portal.archive("companies", number, NOW + timedelta(minutes=number))
        portal.now = NOW + timedelta(hours=1)
        records, cursor, pages = read_run(session(server), "company", cursor)
        assert ids(records, DELETE) == ["3", "4", "5", "6", "7"]
        assert records[-1].version == format_instant(NOW + timedelta(minutes=7))
        assert records[-1].raw == {}
        assert sum(bool(ids(page.records, DELETE)) for page in pages) > 1
        portal.now = NOW + timedelta(hours=2)
        assert read_run(session(server), "company", cursor)[0] == []


def test_an_interrupted_list_of_deletions_goes_on(portal):
    with serving(portal) as server:
        _records, cursor, _pages = read_run(session(server), "company")
        portal.now = NOW + timedelta(hours=1)
        for number in range(3, 9):
            portal.archive("companies", number, NOW + timedelta(minutes=5))
        options = {"page_size": 3, "overlap_seconds": 600}
        gone = []
        for new_run in (True, False):
            page = CONNECTOR.fetch_page(session(server), STREAMS["company"], cursor, {**options, "new_run": new_run})
            gone, cursor = gone + ids(page.records, DELETE), page.cursor
        assert len(gone) == 3
        records, _cursor, _pages = read_run(session(server), "company", cursor)
    assert sorted(gone + ids(records, DELETE)) == ["3", "4", "5", "6", "7", "8"]


def test_a_list_of_deletions_without_end_is_noticed(portal):
    portal.archive("companies", 1)
    with serving(portal) as server:
        _records, cursor, _pages = read_run(session(server), "company")
        portal.before = lambda asked: Answer(body={
            "results": [portal.objects["companies"]["1"]], "paging": {"next": {"after": "1"}}}) if (
                asked.query.get("archived")) else None
        with pytest.raises(TransientError, match="repeats"):
            read_run(session(server), "company", cursor)


def test_the_loser_of_a_merge_is_told_with_its_winner(portal):
    with serving(portal) as server:
        _records, cursor, _pages = read_run(session(server), "company")
        portal.now = NOW + timedelta(hours=1)
        portal.archive("companies", 2, NOW + timedelta(minutes=5))
        portal.merged["2"] = "9"
        records, cursor, _pages = read_run(session(server), "company", cursor)
        assert [(record.external_id, record.raw) for record in records if record.operation == MERGE] == [
            ("2", {"winner": "9"})]
        assert ids(records, DELETE) == []
        # the winner itself tells it, where the account shows that property
        portal.now = NOW + timedelta(hours=2)
        portal.put("companies", 8, NOW + timedelta(minutes=90), hs_merged_object_ids="5;8;6")
        records, cursor, _pages = read_run(session(server), "company", cursor)
    assert [(record.external_id, record.raw) for record in records if record.operation == MERGE] == [
        ("5", {"winner": "8"}), ("6", {"winner": "8"})]


def test_single_records_changed_gone_and_merged(portal):
    portal.archive("companies", 1, OLD)
    portal.archive("companies", 2, OLD)
    portal.merged["2"] = "9"
    with serving(portal) as server:
        records = CONNECTOR.fetch_records(session(server), STREAMS["company"],
                                                   ["1", "2", "3", "3:x", "999", "no-id"])
    found = {record.external_id: (record.operation, record.raw) for record in records}
    assert found["1"] == found["999"] == found["no-id"] == (DELETE, {})
    assert found["2"] == (MERGE, {"winner": "9"})
    assert found["3"][0] == UPSERT
    assert len(records) == 5
    assert all(record.version for record in records)


def test_many_single_records_need_few_calls():
    portal = MiniPortal()
    for number in range(250):
        portal.put("companies", 1 + number, OLD)
    with serving(portal) as server:
        records = CONNECTOR.fetch_records(session(server), STREAMS["company"], list(portal.objects["companies"]))
        assert len(server.asked) == 3
    assert len(records) == 250


# --- owners ---


def owner(number, archived=False):
    return {"id": str(number), "email": f"P{number}@firm.example", "firstName": "Pat", "lastName": str(number),
            "archived": archived, "updatedAt": format_instant(OLD)}


def test_owners_active_and_not(portal):
    portal.owners = [*(owner(number) for number in range(501, 508)), owner(400, True)]
    with serving(portal) as server:
        records, cursor, pages = read_run(session(server), "owner")
        assert ids(records) == [*(str(number) for number in range(501, 508)), "400"]
        assert len(pages) == 4
        assert ids(read_run(session(server), "owner", cursor)[0]) == ids(records)
        found = {record.external_id: record for record in CONNECTOR.fetch_records(
            session(server), STREAMS["owner"], ["400", "503", "9"])}
    assert (found["400"].operation, found["503"].operation, found["9"].operation) == (UPSERT, UPSERT, DELETE)
    assert found["503"].version == format_instant(OLD)


def test_a_list_of_owners_without_end_is_noticed(portal):
    portal.before = lambda asked: Answer(body={"results": [owner(1)], "paging": {"next": {"after": "1"}}}) if (
        asked.path == "/crm/v3/owners") else None
    with serving(portal) as server:
        with pytest.raises(TransientError, match="repeats"):
            read_run(session(server), "owner")
