import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime

import pytest
from default_map import to_canonical
from wire_server import Answer, serving, session_for

from connectors import get
from connectors.base import DELETE
from connectors.canonical import Reference
from connectors.errors import (
    ConnectionRefusedByVendor,
    DataError,
    MissingScopeError,
    PoisonError,
    TransientError,
    UnsafeUrlError,
)
from connectors.harvest.reader import FEW

CONNECTOR = get("harvest")
STREAMS = {stream.code: stream for stream in CONNECTOR.streams}
NOW = datetime(2026, 11, 5, 8, 0, tzinfo=timezone.utc)
OPTIONS = {"page_size": 3, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}


def entry(number, updated="2026-11-04T07:12:00Z", **more):
    return {"id": number, "spent_date": "2026-11-02", "user": {"id": 17, "name": "Astrid Hagen"},
            "client": {"id": 42, "name": "Nordbakken AS", "currency": "NOK"},
            "project": {"id": 301, "name": "Network refresh", "code": "NB-301"},
            "task": {"id": 8, "name": "Engineering"},
            "hours": 2.33, "rounded_hours": 2.5, "notes": "Cut-over", "is_closed": True, "approval_status": "approved",
            "is_billed": False, "is_running": False, "billable": True, "billable_rate": 1450.0, "invoice": None,
            "created_at": "2026-11-02T10:31:00Z", "updated_at": updated, **more}


class Harvest:
    """Lists by name and page number, with ``links``; ``now`` is its clock, ``bad`` answers instead."""

    def __init__(self, **lists):
        self.lists, self.now, self.before = lists, NOW, None

    def __call__(self, asked):
        headers = {"Date": format_datetime(self.now, usegmt=True)}
        if self.before:
            self.before(asked)
        name, _slash, number = asked.path.removeprefix("/v2/").partition("/")
        rows = self.lists[name]
        if number:
            for row in rows:
                if str(row["id"]) == number:
                    return Answer(body=row, headers=headers)
            return Answer(404, {"status": 404, "error": "Not Found"}, headers)
        if since := asked.query.get("updated_since"):
            rows = [row for row in rows if row["updated_at"] >= since]
        if first_day := asked.query.get("from"):
            rows = [row for row in rows if row["spent_date"] >= first_day]
        size, page = int(asked.query["per_page"]), int(asked.query.get("page", 1))
        pages = max(1, -(-len(rows) // size))
        kept = "".join(f"&{key}={value}" for key, value in asked.query.items() if key != "page")

        def link(target):
            host = asked.headers["Host"]
            return f"http://{host}{asked.path}?page={target}{kept}" if 1 <= target <= pages else None

        return Answer(headers=headers, body={
            name: rows[(page - 1) * size:page * size], "total_entries": len(rows), "page": page,
            "links": {"next": link(page + 1), "previous": link(min(page - 1, pages))}})


def session(server, token="secret-token", **settings):
    return session_for(server.url, "token", {"access_token": token}, token=None,
                       settings={"base_url": server.url, "account_id": "7", **settings})


def read(server, code="time", cursor=None, settings=None, **options):
    pages, cursor = [], cursor or {}
    while len(pages) < 30:
        page = CONNECTOR.fetch_page(session(server, **settings or {}), STREAMS[code], cursor, {**OPTIONS, **options})
        pages.append(page)
        cursor = json.loads(json.dumps(page.cursor))
        if not page.more:
            return [record for page in pages for record in page.records], cursor, pages
    raise AssertionError("endless")


def test_a_first_load_follows_the_links_with_the_headers_that_harvest_wants():
    with serving(Harvest(time_entries=[entry(number) for number in range(1, 9)])) as server:
        records, cursor, pages = read(server)
    assert [record.external_id for record in records] == [str(number) for number in range(1, 9)]
    assert cursor == {"at": "2026-11-05T08:00:00.000Z", "swept": "2026-11-05T08:00:00.000Z"}
    assert not any(page.reconcile for page in pages)
    for asked in server.asked:
        assert asked.headers["Authorization"] == "Bearer secret-token"
        assert asked.headers["Harvest-Account-Id"] == "7"
        assert asked.headers["User-Agent"].startswith("PSA Hub (")
    assert server.asked[0].query == {"per_page": "3"}
    assert server.asked[1].query == {"per_page": "3", "page": "2"}


def test_the_next_run_reads_what_changed_with_an_overlap():
    harvest = Harvest(time_entries=[entry(1), entry(2, "2026-11-05T07:55:00Z"), entry(3, "2026-11-05T08:10:00Z")])
    harvest.now = NOW + timedelta(minutes=15)
    cursor = {"at": "2026-11-05T08:00:00.000Z", "swept": "2026-11-05T08:00:00.000Z"}
    with serving(harvest) as server:
        records, cursor, _pages = read(server, cursor=cursor)
    assert [record.external_id for record in records] == ["2", "3"]
    assert server.asked[0].query["updated_since"] == "2026-11-05T07:50:00Z"
    assert cursor["at"] == "2026-11-05T08:15:00.000Z"


def test_a_back_fill_begins_at_its_lower_bound_and_leaves_the_daily_pass_alone():
    with serving(Harvest(time_entries=[entry(1)])) as server:
        _records, _cursor, pages = read(server, since="2026-04-01T00:00:00Z", backfill=True)
    assert [asked.query.get("updated_since") for asked in server.asked] == ["2026-04-01T00:00:00Z"]
    assert not pages[-1].reconcile


def test_once_a_day_the_open_window_is_read_again_and_deletions_are_looked_for():
    silent = entry(1, approval_status="submitted")
    harvest = Harvest(time_entries=[silent, entry(2, spent_date="2026-08-01")])
    with serving(harvest) as server:
        (first, _old), cursor, _pages = read(server)
        harvest.now += timedelta(hours=22)
        assert read(server, cursor=cursor)[0] == []
        silent["approval_status"] = "approved"  # without a new change time
        harvest.now += timedelta(hours=2)
        (approved,), cursor, pages = read(server, cursor=cursor)
        assert pages[-1].reconcile
        assert server.asked[-1].query["from"] == "2026-09-07"
        silent["approval_status"] = "submitted"
        harvest.now += timedelta(days=1)
        (again,), cursor, pages = read(server, cursor=cursor)
        silent.update(approval_status="approved", updated_at="2026-11-07T07:59:00Z")
        (changed,), _cursor, _pages = read(server, cursor=cursor)
    assert [record.raw["psa_approved"] for record in (first, approved, again, changed)] == [False, True, False, True]
    versions = [record.version for record in (first, approved, again, changed)]
    assert versions == sorted(set(versions))


def test_the_daily_pass_of_other_streams_is_only_the_look_for_deletions():
    harvest = Harvest(clients=[{"id": 1, "name": "N", "updated_at": "2026-01-01T00:00:00Z"}])
    with serving(harvest) as server:
        _records, cursor, _pages = read(server, "client")
        harvest.now += timedelta(days=1)
        records, cursor, pages = read(server, "client", cursor)
        asked = len(server.asked)
    assert (records, pages[-1].reconcile, asked) == ([], True, 2)
    assert cursor["swept"] == "2026-11-06T08:00:00.000Z"


def test_a_second_change_within_the_second_of_the_first_is_not_lost():
    row = entry(1, "2026-11-05T08:00:00Z", notes="first")
    harvest = Harvest(time_entries=[row])
    with serving(harvest) as server:
        (first,), cursor, _pages = read(server)
        row["notes"] = "second"  # with the same change time, after the row was read
        harvest.now += timedelta(minutes=15)
        (second,), cursor, _pages = read(server, cursor=cursor, overlap_seconds=0)
        row["updated_at"] = "2026-11-05T08:00:01Z"
        (third,) = CONNECTOR.fetch_records(session(server), STREAMS["time"], ["1"])
    assert (first.raw["notes"], second.raw["notes"]) == ("first", "second")
    assert first.version < second.version < third.version


def test_a_record_read_again_without_a_change_has_the_same_version():
    with serving(Harvest(time_entries=[entry(1)])) as server:
        (first,), _cursor, _pages = read(server)
        (again,) = CONNECTOR.fetch_records(session(server), STREAMS["time"], ["1"])
    assert (first.version, first.raw) == (again.version, again.raw)


def test_no_window_when_the_setting_says_so():
    harvest = Harvest(time_entries=[entry(1)])
    with serving(harvest) as server:
        _records, cursor, _pages = read(server)
        harvest.now += timedelta(days=1)
        records, _cursor, pages = read(server, cursor=cursor, settings={"sweep_days": "0"})
    assert (records, pages[-1].reconcile) == ([], True)


def test_a_row_that_moves_up_when_another_is_deleted_is_not_missed():
    rows = [entry(number) for number in range(1, 9)]
    harvest = Harvest(time_entries=rows)

    def delete(asked):
        if asked.query.get("page") == "2" and len(rows) == 8:
            rows.pop(0)

    harvest.before = delete
    with serving(harvest) as server:
        records, _cursor, _pages = read(server)
    assert {record.external_id for record in records} == {str(number) for number in range(1, 9)}


def test_a_page_that_names_itself_as_the_next_is_noticed():
    with serving(lambda asked: Answer(body={"time_entries": [entry(1)], "links": {
            "next": f"http://{asked.headers['Host']}/v2/time_entries?page=2"}})) as server:
        page = CONNECTOR.fetch_page(session(server), STREAMS["time"], {}, OPTIONS)
        with pytest.raises(PoisonError, match="end"):
            CONNECTOR.fetch_page(session(server), STREAMS["time"], page.cursor, OPTIONS)


def test_an_old_link_that_harvest_has_forgotten_begins_the_list_again():
    harvest = Harvest(time_entries=[entry(1)])
    forgotten = Answer(422, {"message": "cursor is invalid"})
    with serving(lambda asked: forgotten if "cursor" in asked.query else harvest(asked)) as server:
        run = {"phase": "changed", "until": "2026-11-05T07:00:00.000Z", "total": 0, "again": 0,
               "link": f"{server.url}/v2/time_entries?cursor=x"}
        records, cursor, _pages = read(server, cursor={"run": run})
        assert [record.external_id for record in records] == ["1"]
        assert cursor["at"] == "2026-11-05T07:00:00.000Z"
        with pytest.raises(DataError):
            CONNECTOR.fetch_page(session(server), STREAMS["time"], {"run": {**run, "again": 5}}, OPTIONS)


def test_a_link_to_another_host_is_not_followed():
    with serving(lambda asked: Answer(body={"time_entries": [], "links": {
            "next": "http://127.0.0.2:9/v2/time_entries?page=2"}})) as server:
        page = CONNECTOR.fetch_page(session(server), STREAMS["time"], {}, OPTIONS)
        with pytest.raises(UnsafeUrlError):
            CONNECTOR.fetch_page(session(server), STREAMS["time"], page.cursor, OPTIONS)
    assert len(server.asked) == 1


def test_running_timers_are_left_out_everywhere():
    with serving(Harvest(time_entries=[entry(1, is_running=True), entry(2)])) as server:
        records, _cursor, _pages = read(server)
        by_id = CONNECTOR.fetch_records(session(server), STREAMS["time"], ["1", "2"])
    assert [record.external_id for record in records] == ["2"]
    assert [(record.external_id, record.operation) for record in by_id] == [("2", "upsert")]


def test_few_records_are_asked_for_one_by_one():
    with serving(Harvest(time_entries=[entry(1)])) as server:
        nonsense, one, gone = CONNECTOR.fetch_records(session(server), STREAMS["time"], ["1", "9", "a/../b"])
    assert (one.operation, one.version) == ("upsert", "2026-11-04T07:12:00.000Z|")
    assert [(item.external_id, item.operation) for item in (gone, nonsense)] == [("9", DELETE), ("a/../b", DELETE)]
    assert gone.version == "2026-11-05T08:00:00.000Z"
    assert [asked.path for asked in server.asked] == ["/v2/time_entries/1", "/v2/time_entries/9"]


def test_many_records_are_looked_for_in_their_list_and_the_missing_ones_once_more():
    count = FEW + 5
    harvest = Harvest(time_entries=[entry(number) for number in range(1, count)])
    with serving(harvest) as server:
        records = CONNECTOR.fetch_records(session(server), STREAMS["time"], [str(n) for n in range(1, count + 1)])
    assert [record.operation for record in records] == ["upsert"] * (count - 1) + [DELETE]
    assert [asked.path for asked in server.asked] == ["/v2/time_entries", f"/v2/time_entries/{count}"]
    assert server.asked[0].query == {"per_page": "2000"}


def test_assignments_have_no_address_of_their_own_and_are_looked_for_in_the_list():
    row = {"id": 5, "updated_at": "2026-01-01T00:00:00Z", "project": {"id": 1}, "user": {"id": 2}}
    with serving(Harvest(user_assignments=[row])) as server:
        one, gone = CONNECTOR.fetch_records(session(server), STREAMS["rate"], ["5", "6"])
    assert (one.external_id, one.operation, gone.external_id, gone.operation) == ("5", "upsert", "6", DELETE)
    assert [asked.path for asked in server.asked] == ["/v2/user_assignments"]


def test_a_list_without_end_is_noticed_while_records_are_looked_for():
    pages = iter(range(2, 100))
    with serving(lambda asked: Answer(body={"user_assignments": [entry(1)], "links": {
            "next": f"http://{asked.headers['Host']}/v2/user_assignments?page={next(pages)}"}})) as server:
        with pytest.raises(PoisonError, match="end"):
            CONNECTOR.fetch_records(session(server), STREAMS["rate"], ["5"])


def test_time_in_the_shared_vocabulary():
    with serving(Harvest(time_entries=[entry(1, is_billed=True, invoice={"id": 3, "number": "H-9"})])) as server:
        (record,), _cursor, _pages = read(server)
    time = to_canonical(CONNECTOR, STREAMS["time"], record.raw)
    assert (time["project"], time["resource"]) == (Reference("Project", 301), Reference("User", 17))
    assert (time["hours"], time["source_amount"], time["currency"]) == (Decimal("2.5"), Decimal("3625.00"), "NOK")
    assert time["work_date"] == date(2026, 11, 2)
    assert (time["billable"], time["approved"], time["status"]) == (True, True, "approved")
    assert (time["billed_at_source"], time["billed_number"]) == (True, "H-9")
    assert time["description"] == "Cut-over"
    assert time["role"] is None


@pytest.mark.parametrize(("more", "required", "approved"), [
    ({"approval_status": "approved"}, "yes", True),
    ({"approval_status": "submitted", "is_closed": True}, "yes", False),
    ({"approval_status": "unsubmitted"}, "", False),
    ({"approval_status": None, "is_closed": True}, "yes", True),
    ({"approval_status": None, "is_closed": False}, "yes", False),
    ({"approval_status": "unsubmitted", "is_closed": False}, "No", True),
])
def test_when_an_entry_is_approved(more, required, approved):
    with serving(Harvest(time_entries=[entry(1, **more)])) as server:
        (record,), _cursor, _pages = read(server, settings={"approval_required": required})
    assert record.raw["psa_approved"] is approved


@pytest.mark.parametrize("more", [{"billable_rate": None}, {"billable": False}, {"rounded_hours": None}])
def test_no_amount_without_a_rate(more):
    with serving(Harvest(time_entries=[entry(1, **more)])) as server:
        (record,), _cursor, _pages = read(server)
    assert record.raw["psa_amount"] is None


def test_the_other_streams_in_the_shared_vocabulary():
    stamp = {"updated_at": "2026-11-03T18:00:00Z"}
    harvest = Harvest(
        clients=[{"id": 42, "name": "Nordbakken AS", "currency": "NOK", **stamp}],
        users=[{"id": 17, "first_name": "Astrid", "last_name": None, "email": "A.Hagen@Firm.example",
                "cost_rate": 610.5, "is_contractor": True, "is_active": True, "roles": ["Engineer", "Lead"], **stamp}],
        projects=[{"id": 301, "name": "Network refresh", "code": "NB-301", "client": {"id": 42, "currency": "NOK"},
                   "is_active": True, "is_billable": True, "starts_on": "2026-10-01", "ends_on": None, **stamp}],
        user_assignments=[
            {"id": 5, "project": {"id": 301}, "user": {"id": 17}, "use_default_rates": False, "hourly_rate": 1450.0,
             "is_active": True, **stamp},
            {"id": 6, "project": {"id": 301}, "user": {"id": 17}, "use_default_rates": True, "hourly_rate": 1.0,
             "is_active": False, **stamp}],
        expenses=[{"id": 7001, "spent_date": "2026-11-03", "total_cost": 480.4, "notes": "Train", "billable": True,
                   "approval_status": "submitted", "is_billed": False, "user": {"id": 17},
                   "expense_category": {"id": 4, "name": "Transportation"}, "client": {"id": 42, "currency": "NOK"},
                   "project": {"id": 301}, "invoice": None, **stamp}])
    with serving(harvest) as server:
        found = {code: [to_canonical(CONNECTOR, STREAMS[code], record.raw) for record in read(server, code)[0]]
                 for code in ("client", "user", "project", "rate", "expense")}
    assert found["client"][0]["name"] == "Nordbakken AS"
    user, project, expense = found["user"][0], found["project"][0], found["expense"][0]
    assert (user["name"], user["email"], user["role"], user["external"], user["cost_rate"]) == (
        "Astrid", "a.hagen@firm.example", "Engineer", True, Decimal("610.5"))
    assert (project["party"], project["code"], project["currency"]) == (Reference("Client", 42), "NB-301", "NOK")
    assert [(rate["bill_rate"], rate["active"]) for rate in found["rate"]] == [(Decimal(1450), True), (None, False)]
    assert (expense["amount"], expense["category"], expense["approved"], expense["status"]) == (
        Decimal("480.4"), "Transportation", False, "submitted")


@pytest.mark.parametrize(("answer", "expected", "words"), [
    (Answer(400, {"message": "User-Agent is missing"}), DataError, "User-Agent"),
    (Answer(401, {"error": "invalid_token", "error_description": "x"}), ConnectionRefusedByVendor, "token"),
    (Answer(403, {"message": "no"}), MissingScopeError, "right"),
    (Answer(422, {"message": "per_page is too large"}), DataError, "per_page"),
    (Answer(429, {"message": "slow down"}, {"Retry-After": "12"}), TransientError, "429"),
    (Answer(500, b"<html>"), TransientError, "500"),
    (Answer(503), TransientError, "503"),
    (Answer(404, b"<html>no such host</html>"), DataError, "no reason"),
    (Answer(200, b"<html>"), PoisonError, "web page"),
    (Answer(200, b'{"id": 1, "na'), TransientError, "cut off"),
    (Answer(200, '{"id": "ü"}'.encode("latin-1")), PoisonError, "UTF-8"),
])
def test_what_an_answer_means(answer, expected, words):
    with serving(lambda asked: answer) as server:
        with pytest.raises(expected) as caught:
            CONNECTOR.fetch_records(session(server), STREAMS["time"], ["1"])
    assert type(caught.value) is expected
    assert words in str(caught.value)
    if answer.status == 429:
        assert caught.value.retry_after == 12


def test_nothing_secret_is_logged(caplog):
    caplog.set_level("DEBUG")
    with serving(Harvest(time_entries=[entry(1)])) as server:
        read(server)
    assert "/v2/time_entries" in caplog.text
    assert "secret-token" not in caplog.text
