import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from default_map import to_canonical
from mini_jira import CONNECTOR, INES, KOFI, NOW, STREAMS, MiniJira, read_run, text, worklog
from wire_server import Answer, serving

from connectors.base import DELETE, UPSERT
from connectors.canonical import Reference
from connectors.errors import DataError, UnsafeUrlError

STREAM = STREAMS["worklog"]


@pytest.fixture
def site():
    site = MiniJira()
    for number in range(1, 11):
        site.worklogs[number] = worklog(number, updated=NOW - timedelta(days=9, minutes=number % 4))
    with serving(site) as server:
        site.url, site.server = server.url, server
        yield site


def asked(site, path, start=0):
    return [item for item in site.server.asked[start:] if item.path == path]


def ids(records):
    return {record.external_id for record in records}


def status(records, number):
    return [record.raw["approval"]["status"] for record in records if record.external_id == str(number)]


# --- what a worklog becomes ---


def test_a_worklog_becomes_time_of_a_project_and_a_task(site):
    site.approve(INES, "2026-06-02", "APPROVED", NOW - timedelta(days=8))
    (record,) = CONNECTOR.fetch_records(site.session(), STREAM, ["1"])
    (part,) = CONNECTOR.split(STREAM, record.raw, record.external_id)
    time = to_canonical(CONNECTOR, STREAM, json.loads(json.dumps(part.raw, default=str)))
    assert time["project"] == Reference("Project", "10001")
    assert time["task"] == Reference("Issue", 10077)
    assert time["resource"] == Reference("User", INES)
    assert time["work_date"] == date(2026, 6, 2)
    assert (time["hours"], time["billable"], time["approved"]) == (Decimal("2.5"), True, True)
    assert (time["status"], time["billed_at_source"], time["billed_number"]) == ("APPROVED", False, None)
    assert record.raw["account"] == "ACC-NOVA"


@pytest.mark.parametrize(("spent", "billable", "hours", "is_billable"), [
    (8400, 9000, "2.5", True), (9000, 8400, "2.3333", True), (8400, 0, "2.3333", False), (1200, 1200, "0.3333", True)])
def test_billed_are_the_billable_hours_and_else_the_worked_ones(spent, billable, hours, is_billable):
    raw = {"timeSpentSeconds": spent, "billableSeconds": billable}
    (part,) = CONNECTOR.split(STREAM, raw, "1")
    assert (part.raw["hours"], part.raw["billable"]) == (Decimal(hours), is_billable)


def test_a_number_in_the_attribute_says_that_it_is_billed(site):
    site.worklogs[1]["attributes"]["values"].append({"key": "_Bill_", "value": "INV/7"})
    (record,) = CONNECTOR.fetch_records(site.session(billed_attribute="_Bill_"), STREAM, ["1"])
    assert record.raw["billed_number"] == "INV/7"


# --- a run ---


def test_the_first_run_reads_everything_once_over_pages(site):
    records, cursor, pages = read_run(site.session(), "worklog")
    assert sorted(int(record.external_id) for record in records) == list(range(1, 11))
    assert len(pages) == 4 + 2
    assert cursor == {"at": "2026-07-03T06:00:00.000Z", "deleted_at": "2026-07-03T06:00:00.000Z"}
    assert "updatedFrom" not in asked(site, "/4/worklogs")[0].query
    assert pages[-1].watermark == cursor["at"]


def test_projects_approvals_and_periods_are_asked_for_as_sets(site):
    site.worklogs[11] = worklog(11, KOFI, issue=10078)
    session = site.session()
    records, _cursor, _pages = read_run(session, "worklog", page_size=1000)
    assert {record.raw["project_id"] for record in records} == {"10001"}
    assert len(asked(site, "/rest/api/3/search/jql")) == 1
    assert len([item for item in site.server.asked if "/timesheet-approvals/user/" in item.path]) == 2
    assert len(asked(site, "/4/periods")) == 1


def test_an_issue_that_cannot_be_seen_leaves_the_others_their_project(site):
    site.worklogs[11] = worklog(11, issue=666)
    records, _cursor, _pages = read_run(site.session(), "worklog", page_size=1000)
    assert {record.external_id for record in records if record.raw["project_id"] is None} == {"11"}


def test_a_search_that_jira_withdrew_is_no_missing_issue(site):
    site.overrides["POST", "/rest/api/3/search/jql"] = Answer(410, {"errorMessages": ["removed"]})
    with pytest.raises(DataError, match="newer version"):
        read_run(site.session(), "worklog")


def test_the_next_run_steps_back_by_the_overlap_and_back_dated_rows_are_read(site):
    session = site.session()
    _records, cursor, _pages = read_run(session, "worklog")
    site.worklogs[11] = worklog(11, updated=NOW - timedelta(minutes=8))
    site.worklogs[12] = worklog(12, updated=NOW - timedelta(minutes=11))
    start = len(site.server.asked)
    records, _cursor, _pages = read_run(session, "worklog", cursor)
    assert ids(records) == {"11"}
    assert asked(site, "/4/worklogs", start)[0].query["updatedFrom"] == text(NOW - timedelta(minutes=10))


def test_the_lower_bound_stays_the_same_over_the_pages_of_a_run(site):
    since = text(NOW - timedelta(days=9, minutes=2))
    read_run(site.session(), "worklog", since=since)
    assert {item.query["updatedFrom"] for item in asked(site, "/4/worklogs")} == {since}


def test_a_row_that_changes_during_the_run_loses_no_other(site):
    def between(count):
        if count == 1:
            site.now += timedelta(seconds=5)
            site.worklogs[1]["updatedAt"] = text(site.now)
    records, cursor, _pages = read_run(site.session(), "worklog", between=between)
    everything = ids(records) | ids(read_run(site.session(), "worklog", cursor)[0])
    assert everything == {str(number) for number in range(1, 11)}
    assert ids(records) >= {str(number) for number in range(2, 11)}


def test_a_row_that_is_deleted_during_the_run_loses_no_other(site):
    def between(count):
        if count == 1:
            first = max(site.worklogs.values(), key=lambda row: (row["updatedAt"], row["tempoWorklogId"]))
            site.now += timedelta(seconds=5)
            site.delete(first["tempoWorklogId"])
    records, cursor, pages = read_run(site.session(), "worklog", between=between)
    assert ids(record for record in records if record.operation == UPSERT) >= {str(key) for key in site.worklogs}
    assert [record.operation for record in records].count(DELETE) >= 1
    assert "repeated" not in cursor
    assert len({json.dumps(page.cursor, sort_keys=True) for page in pages}) == len(pages)


def test_an_interrupted_run_goes_on_in_another_session(site):
    page = CONNECTOR.fetch_page(site.session(), STREAM, {}, {"page_size": 3, "overlap_seconds": 600, "new_run": True})
    cursor = json.loads(json.dumps(page.cursor))
    records, _cursor, _pages = read_run(site.session(), "worklog", cursor)
    assert len(ids(page.records) | ids(records)) == 10
    assert not ids(page.records) & ids(records)


def test_the_same_page_again_and_again_shows_as_the_same_cursor(site):
    rows = [worklog(1)]
    site.overrides["GET", "/4/worklogs"] = Answer(body={
        "metadata": {"next": f"{site.url}/4/worklogs?offset=3"}, "results": rows})
    session, cursors = site.session(), []
    cursor = {}
    for _number in range(3):
        cursor = CONNECTOR.fetch_page(session, STREAM, cursor, {"page_size": 3}).cursor
        cursors.append(json.dumps(cursor, sort_keys=True))
    assert cursors[1] == cursors[2]


@pytest.mark.parametrize("address", ["https://evil.example/4/worklogs?offset=3", "{url}.evil.example/4/worklogs"])
def test_a_next_page_at_another_address_is_not_asked_for(site, address):
    site.overrides["GET", "/4/worklogs"] = Answer(body={
        "metadata": {"next": address.format(url=site.url)}, "results": []})
    with pytest.raises(UnsafeUrlError, match="another address"):
        read_run(site.session(), "worklog")


def test_a_place_that_tempo_has_forgotten_is_read_from_the_beginning(site):
    site.overrides["GET", "/4/forgotten"] = Answer(400, {"errors": {"message": "offset"}})
    cursor = {"phase": "worklogs", "from": "", "started": "2026-07-03T05:00:00.000Z", "next": "/4/forgotten",
              "deleted_at": "2026-07-03T05:00:00.000Z"}
    records, _cursor, _pages = read_run(site.session(), "worklog", cursor)
    assert len(ids(records)) == 10


# --- approval ---


def test_an_approval_and_its_end_flip_hours_that_were_not_touched(site):
    session = site.session()
    records, cursor, _pages = read_run(session, "worklog")
    assert set(status(records, 1)) == {"OPEN"}
    versions = [record.version for record in records if record.external_id == "1"]
    for word in ("APPROVED", "OPEN", "APPROVED"):
        site.now += timedelta(hours=1)
        site.approve(INES, "2026-06-02", word, site.now - timedelta(minutes=1))
        records, cursor, _pages = read_run(session, "worklog", cursor)
        assert len(ids(records)) == 10
        assert set(status(records, 1)) == {word}
        versions += [record.version for record in records if record.external_id == "1"]
    assert versions == sorted(set(versions))


def test_only_the_period_that_covers_the_day_counts(site):
    site.approve(INES, "2026-06-02", "APPROVED", NOW - timedelta(days=8))
    site.worklogs[11] = worklog(11, day="2026-06-07")
    site.worklogs[12] = worklog(12, day="2026-06-08")
    site.worklogs[13] = worklog(13, KOFI, day="2026-06-02")
    records, _cursor, _pages = read_run(site.session(), "worklog", page_size=1000)
    assert [status(records, number) for number in (1, 11, 12, 13)] == [["APPROVED"], ["APPROVED"], ["OPEN"], ["OPEN"]]


def test_a_status_that_tempo_gives_without_its_time_has_the_time_of_the_log(site):
    session = site.session()
    site.approve(INES, "2026-06-02", "APPROVED", NOW - timedelta(hours=2))
    records, cursor, _pages = read_run(session, "worklog")
    before = max(record.version for record in records)
    site.now += timedelta(hours=1)
    site.approve(INES, "2026-06-02", "OPEN", site.now)
    site.overrides["GET", "/4/timesheet-approvals/user/" + INES] = Answer(body={
        "period": {"from": "2026-06-01", "to": "2026-06-07"}, "status": {"key": "OPEN"}})
    records, _cursor, _pages = read_run(session, "worklog", cursor)
    assert {record.raw["approval"]["status"] for record in records} == {"OPEN"}
    assert min(record.version for record in records) > before


def test_approvals_given_as_a_list_are_read_too(site):
    site.overrides["GET", "/4/timesheet-approvals/user/" + INES] = Answer(body={"results": [
        {"period": {"from": "2026-05-25", "to": "2026-05-31"}, "status": {"key": "OPEN"}},
        {"period": {"from": "2026-06-01", "to": "2026-06-07"}, "status": {"key": "APPROVED"}}]})
    records, _cursor, _pages = read_run(site.session(), "worklog")
    assert set(status(records, 1)) == {"APPROVED"}


def test_a_person_whom_tempo_does_not_know_has_nothing_approved(site):
    site.overrides["GET", "/4/timesheet-approvals/user/" + INES] = Answer(404, {"errors": {"message": "no user"}})
    records, _cursor, _pages = read_run(site.session(), "worklog")
    assert {record.raw["approval"]["status"] for record in records} == {""}


def test_many_approvals_come_in_pages(site):
    session = site.session()
    _records, cursor, _pages = read_run(session, "worklog")
    for week in range(60):
        day = (date(2025, 3, 3) + timedelta(days=7 * week)).isoformat()
        site.worklogs[100 + week] = worklog(100 + week, KOFI, day)
        site.approve(KOFI, day, "APPROVED", NOW)
    records, _cursor, pages = read_run(session, "worklog", cursor)
    assert ids(records) == {str(100 + week) for week in range(60)}
    assert set(status(records, 159)) == {"APPROVED"}
    assert max(len(page.records) for page in pages) <= 25


def test_a_day_that_no_period_covers_is_asked_for_alone(site):
    site.overrides["GET", "/4/periods"] = Answer(body={"periods": []})
    site.approvals[INES, "2026-06-02", "2026-06-02"] = [{
        "user": {"accountId": INES}, "period": {"from": "2026-06-01", "to": "2026-06-07"},
        "status": {"key": "APPROVED", "updatedAt": text(NOW - timedelta(days=8))}}]
    (record,) = CONNECTOR.fetch_records(site.session(), STREAM, ["1"])
    assert record.raw["approval"] == {"status": "APPROVED", "updatedAt": "2026-06-25T06:00:00.000Z"}
    assert record.version == "2026-06-25T06:00:00.000Z"


# --- deletions ---


def test_deletions_come_from_the_audit_log_once_confirmed(site):
    session = site.session()
    _records, cursor, _pages = read_run(session, "worklog")
    site.now += timedelta(hours=1)
    site.delete(3)
    site.audit.append({"action": "Deleted", "entityType": "worklog", "entityId": 4, "timestamp": text(site.now)})
    site.now += timedelta(minutes=1)
    records, cursor, _pages = read_run(session, "worklog", cursor)
    assert {(record.external_id, record.operation) for record in records} == {("3", DELETE), ("4", UPSERT)}
    (gone,) = [record for record in records if record.operation == DELETE]
    assert gone.version == "2026-07-03T07:00:00.000Z"
    for expected in ({"3", "4"}, set()):  # once more for the overlap
        site.now += timedelta(hours=1)
        records, cursor, _pages = read_run(session, "worklog", cursor)
        assert ids(records) == expected


def test_without_the_right_to_the_audit_log_time_is_read_and_the_log_is_caught_up_later(site):
    session = site.session()
    refused = Answer(403, b"<html>Forbidden</html>", {"Content-Type": "text/html"})
    site.overrides["POST", "/4/papertrail/search"] = refused
    records, cursor, _pages = read_run(session, "worklog")
    assert len(ids(records)) == 10
    site.now += timedelta(hours=1)
    site.delete(3)
    site.now += timedelta(hours=1)
    _records, cursor, _pages = read_run(session, "worklog", cursor)
    assert cursor["at"] == "2026-07-03T08:00:00.000Z"
    site.overrides.clear()
    records, cursor, _pages = read_run(session, "worklog", cursor)
    assert [record.external_id for record in records if record.operation == DELETE] == ["3"]
    assert cursor["deleted_at"] == "2026-07-03T08:00:00.000Z"


def test_after_a_pause_longer_than_the_audit_log_every_record_is_asked_for_again(site):
    session = site.session()
    _records, cursor, pages = read_run(session, "worklog")
    assert not any(page.reconcile for page in pages)
    site.now += timedelta(days=200)
    _records, cursor, pages = read_run(session, "worklog", cursor)
    assert [page.reconcile for page in pages].count(True) == 1
    _records, _cursor, pages = read_run(session, "worklog", cursor)
    assert not any(page.reconcile for page in pages)


def test_single_records(site):
    records = CONNECTOR.fetch_records(site.session(), STREAM, ["1", "99", "1", "../x"])
    assert {(record.external_id, record.operation) for record in records} == {
        ("1", UPSERT), ("99", DELETE), ("../x", DELETE)}
    assert not [item for item in site.server.asked if ".." in item.path]
