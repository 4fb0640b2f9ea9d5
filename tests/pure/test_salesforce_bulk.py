from decimal import Decimal

import pytest
from mini_org import NOW, ROOT
from reading_rig import (
    CONNECTOR,
    RUN,
    STREAMS,
    accounts_org,
    deals_org,
    read_run,
)
from wire_server import Answer, serving, session_for

from connectors.salesforce import bulk, soql
from connectors.salesforce.ids import to_18


@pytest.fixture
def org():
    return accounts_org()


@pytest.fixture
def deals():
    return deals_org()


def test_a_large_first_run_uses_the_bulk_api(org):
    with serving(org) as server:
        session = session_for(server.url, settings={"bulk_threshold": "5"})
        records, cursor, pages = read_run(session, STREAMS["account"], {})
        assert {record.external_id for record in records} == set(org.tables["Account"])
        assert sum(asked.path.endswith("/results") for asked in server.asked) == 4
        assert "bulk" not in cursor
        records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], cursor)
        assert records == []
    assert pages[1].records[0].raw["BillingCity"] is None


def test_bulk_and_rest_give_the_same_record(deals):
    with serving(deals) as server:
        rest, _cursor, _pages = read_run(session_for(server.url), STREAMS["opportunity"], {})
        bulk_records, _cursor, _pages = read_run(session_for(server.url, settings={"bulk_threshold": "1"}),
                                                 STREAMS["opportunity"], {})
    assert bulk_records == rest


def test_below_the_threshold_the_bulk_api_is_left_alone(org):
    with serving(org) as server:
        read_run(session_for(server.url, settings={"bulk_threshold": "11"}), STREAMS["account"], {})
        assert not any("/jobs/" in asked.path for asked in server.asked)


def test_a_job_that_is_interrupted_is_resumed_and_a_lost_one_replaced(org):
    with serving(org) as server:
        settings = {"bulk_threshold": "5"}
        begun = CONNECTOR.fetch_page(session_for(server.url, settings=settings), STREAMS["account"], {}, RUN)
        assert begun.cursor["bulk"] == {"job": "750", "locator": ""}
        first = CONNECTOR.fetch_page(session_for(server.url, settings=settings), STREAMS["account"], begun.cursor, RUN)
        assert len(first.records) == 3
        rest, _cursor, _pages = read_run(session_for(server.url, settings=settings), STREAMS["account"], first.cursor)
        assert len(first.records) + len(rest) == 10
        assert sum(asked.method == "POST" for asked in server.asked) == 1
        org.fail[("GET", f"{ROOT}/jobs/query/750/results")] = Answer(404, [{"errorCode": "NOT_FOUND", "message": "x"}])
        rest, _cursor, _pages = read_run(session_for(server.url, settings=settings), STREAMS["account"], first.cursor)
    assert len(rest) == 10


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_failed_job_gives_way_to_page_by_page(org, state):
    org.fail[("GET", f"{ROOT}/jobs/query/750")] = Answer(body={"id": "750", "state": state, "errorMessage": "no"})
    with serving(org) as server:
        records, _cursor, _pages = read_run(session_for(server.url, settings={"bulk_threshold": "5"}),
                                            STREAMS["account"], {})
    assert len(records) == 10


def test_a_job_that_takes_long_is_left_and_taken_up_by_the_next_run(org, monkeypatch):
    monkeypatch.setattr(bulk, "WAIT_SECONDS", 0)
    running = Answer(body={"id": "750", "state": "InProgress"})
    with serving(org) as server:
        org.fail[("GET", f"{ROOT}/jobs/query/750")] = [running, running, None]
        settings, cursors = {"bulk_threshold": "5"}, [{}]
        session = session_for(server.url, settings=settings)
        for _number in range(3):
            page = CONNECTOR.fetch_page(session, STREAMS["account"], cursors[-1], RUN)
            assert (page.records, page.more) == ([], True)
            assert page.cursor not in cursors
            cursors.append(page.cursor)
        records, _cursor, _pages = read_run(session_for(server.url, settings=settings), STREAMS["account"], cursors[-1])
        assert len(records) == 10
        assert sum(asked.method == "POST" for asked in server.asked) == 1


def test_an_object_that_bulk_does_not_know_is_read_page_by_page(org):
    org.fail[("POST", f"{ROOT}/jobs/query")] = Answer(400, [{
        "errorCode": "INVALIDENTITY", "message": "Entity 'Account' is not supported by the Bulk API."}])
    with serving(org) as server:
        records, _cursor, _pages = read_run(session_for(server.url, settings={"bulk_threshold": "5"}),
                                            STREAMS["account"], {})
    assert len(records) == 10


def test_bulk_csv():
    header = '"Id","Amount","Won","Parent__r.Name","Note"\n'
    text_in = header + '"1","10.10","true","P\n""q"", x",""\x00\n' + header + '"2","","false","",""\n'
    assert bulk.parse(text_in, {"Amount": "currency", "Won": "boolean"}) == [
        {"Id": "1", "Amount": Decimal("10.10"), "Won": True, "Parent__r": {"Name": 'P\n"q", x'}, "Note": None},
        {"Id": "2", "Amount": None, "Won": False, "Parent__r": {"Name": None}, "Note": None},
    ]
    assert bulk.parse("", {}) == []


# --- text ---


def test_literals():
    assert soql.literal("O'Neill \\ Söhne\n") == "'O\\'Neill \\\\ Söhne\\n'"
    assert soql.literal(NOW) == "2026-07-03T12:00:00Z"
    assert soql.literal(NOW.date()) == "2026-07-03"
    assert (soql.literal(True), soql.literal(None), soql.literal(5)) == ("true", "null", "5")
    with pytest.raises(TypeError):
        soql.literal(object())


@pytest.mark.parametrize("full", ["0015g00000Xy12ZAAR", "0065g00000Lm9QrAAJ", "00D5g00000AbCdEEAV",
                                  "0035g00000Rs7TuAAJ", "a1P5g00000Pj8AaEAJ"])
def test_ids_get_their_check_characters(full):
    assert to_18(full[:15]) == full
    assert to_18(full) == full
    with pytest.raises(ValueError, match="not a Salesforce id"):
        to_18(full + "x")
