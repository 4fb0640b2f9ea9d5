from datetime import timedelta
from decimal import Decimal

import pytest
from mini_org import NOW, ROOT, MiniOrg, field, text
from reading_rig import (
    ACCOUNT_FIELDS,
    CONNECTOR,
    LINE_FIELDS,
    OLD,
    RUN,
    STREAMS,
    account_id,
    accounts,
    accounts_org,
    deals_org,
    read_run,
)
from wire_server import Answer, serving, session_for

from connectors.base import DELETE, MERGE, UPSERT
from connectors.errors import ConnectionRefusedByVendor, MissingScopeError, TransientError
from connectors.salesforce.ids import to_18


@pytest.fixture
def org():
    return accounts_org()


@pytest.fixture
def deals():
    return deals_org()


def test_all_rows_of_one_second_over_several_pages(org):
    with serving(org) as server:
        records, cursor, pages = read_run(session_for(server.url), STREAMS["account"], {})
    assert [record.external_id for record in records] == sorted(org.tables["Account"])
    assert all(record.operation == UPSERT and record.object_type == "Account" for record in records)
    assert records[0].version == "2026-07-01T12:00:00.000Z"
    assert "attributes" not in records[0].raw
    assert cursor["rows"]["at"] == "2026-07-03T11:59:00.000Z"
    assert pages[-1].watermark == "2026-07-03T11:59:00.000Z"


def test_the_bound_comes_from_the_vendors_clock(org):
    org.tables["Account"] |= {"late": {**accounts(1)[account_id(0)], "Id": account_id(99),
                                       "SystemModstamp": text(NOW - timedelta(seconds=20))}}
    with serving(org) as server:
        records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        assert account_id(99) not in {record.external_id for record in records}
        org.now = NOW + timedelta(minutes=5)
        records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], cursor)
    assert [record.external_id for record in records] == [account_id(99)]


def test_the_next_run_reads_the_overlap_only(org):
    with serving(org) as server:
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        server.asked.clear()
        session = session_for(server.url)
        records, cursor, _pages = read_run(session, STREAMS["account"], cursor)
        assert records == []
        calls = [asked.path for asked in server.asked]
    # The clock (free), one query, the delete log: no describe, because the cursor remembers the shape.
    assert calls == ["/services/data/", f"{ROOT}/query/", f"{ROOT}/sobjects/Account/deleted/"]


def test_an_interrupted_run_goes_on(org):
    with serving(org) as server:
        first = CONNECTOR.fetch_page(session_for(server.url), STREAMS["account"], {}, RUN)
        rest, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], first.cursor)
    ids = [record.external_id for record in first.records] + [record.external_id for record in rest]
    assert ids == sorted(org.tables["Account"])


def test_pages_of_the_vendor_are_followed(org):
    org.max_page = 2
    with serving(org) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {}, page_size=50)
    assert len(records) == 10


def test_a_lost_locator_is_a_matter_for_another_try(org):
    org.max_page = 2
    org.fail[("GET", f"{ROOT}/query/0-2")] = Answer(400, [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "gone"}])
    with serving(org) as server, pytest.raises(TransientError):
        read_run(session_for(server.url), STREAMS["account"], {}, page_size=50)


def test_a_heavy_query_asks_for_a_shorter_time(org):
    for number, row in enumerate(org.tables["Account"].values()):
        row["SystemModstamp"] = text(NOW - timedelta(hours=2, minutes=-10 * number))
    late = Answer(400, [{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}])
    with serving(org) as server:
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {"rows": {
            "at": text(NOW - timedelta(hours=4))}})
        assert cursor
        org.fail[("GET", f"{ROOT}/query/")] = [late, late, None]
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {"rows": {
            "at": text(NOW - timedelta(hours=4))}}, page_size=100)
    assert {record.external_id for record in records} == set(org.tables["Account"])


def test_fields_that_the_org_lacks_are_left_out_and_required_ones_named(org):
    with serving(org) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        assert "VAT_Number__c" not in records[0].raw
        org.fields["Account"] = [entry for entry in ACCOUNT_FIELDS if entry["name"] != "Name"]
        with pytest.raises(MissingScopeError, match="Name") as caught:
            read_run(session_for(server.url), STREAMS["account"], {})
    assert caught.value.missing == ("Account.Name",)


def test_an_object_that_is_not_there_is_a_missing_right():
    with serving(MiniOrg({}, {})) as server, pytest.raises(MissingScopeError, match="Account"):
        read_run(session_for(server.url), STREAMS["account"], {})


def test_a_field_taken_away_is_noticed(org):
    refusal = Answer(400, [{"errorCode": "INVALID_FIELD", "message": "No such column 'ParentId' on entity 'Account'."}])
    with serving(org) as server:
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        org.fields["Account"] = [entry for entry in ACCOUNT_FIELDS if entry["name"] != "ParentId"]
        org.fail[("GET", f"{ROOT}/query/")] = [refusal]
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], cursor)
    assert "ParentId" not in cursor["shape"]["fields"]


def test_a_stamp_that_cannot_be_filtered_gives_way_and_rows_without_it_come_first(org):
    org.fields["Account"] = [
        {**entry, "filterable": False} if entry["name"] == "SystemModstamp" else entry for entry in ACCOUNT_FIELDS
    ] + [field("LastModifiedDate", "datetime")]
    for number, row in enumerate(org.tables["Account"].values()):
        row["LastModifiedDate"] = text(NOW - OLD) if number > 4 else None
    with serving(org) as server:
        records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
    assert [record.version for record in records[:5]] == [""] * 5
    assert len(records) == 10
    assert cursor["shape"]["stamp"] == "LastModifiedDate"


# --- deletions and merges ---


def test_deletions_merges_and_restorations(org):
    with serving(org) as server:
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        table = org.tables["Account"]
        table[account_id(1)].update(IsDeleted=True)
        table[account_id(2)].update(IsDeleted=True, MasterRecordId=account_id(3))
        del table[account_id(4)]  # emptied from the recycle bin
        org.deleted_log = [{"id": account_id(number), "deletedDate": text(NOW + timedelta(minutes=number))}
                           for number in (1, 2, 4, 5)]  # 5 was restored meanwhile
        org.now = NOW + timedelta(minutes=30)
        records, cursor, pages = read_run(session_for(server.url), STREAMS["account"], cursor)
        assert {(record.external_id, record.operation) for record in records} == {
            (account_id(1), DELETE), (account_id(2), MERGE), (account_id(4), DELETE)}
        merged = next(record for record in records if record.operation == MERGE)
        assert merged.raw == {"winner": account_id(3)}
        assert merged.version == "2026-07-03T12:02:00.000Z"
        assert not any(page.reconcile for page in pages)
        org.now = NOW + timedelta(hours=5)
        records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], cursor)
        assert records == []


def test_the_delete_log_may_lag_behind(org):
    with serving(org) as server:
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        org.now, org.covered = NOW + timedelta(hours=1), text(NOW + timedelta(minutes=10))
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], cursor)
        assert cursor["deleted_at"] == "2026-07-03T12:10:00.000Z"
        org.covered, org.now = None, NOW + timedelta(hours=2)
        org.deleted_log = [{"id": account_id(1), "deletedDate": text(NOW + timedelta(minutes=30))}]
        org.tables["Account"][account_id(1)]["IsDeleted"] = True
        records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], cursor)
    assert [record.external_id for record in records] == [account_id(1)]


def test_a_gap_in_the_delete_log_asks_for_a_reconciliation(org):
    with serving(org) as server:
        _records, cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {})
        org.now, org.earliest = NOW + timedelta(hours=5), text(NOW + timedelta(hours=2))
        _records, cursor, pages = read_run(session_for(server.url), STREAMS["account"], cursor)
        assert [page.reconcile for page in pages] == [False, True]
        org.earliest, org.now = text(NOW), NOW + timedelta(days=20)
        _records, cursor, pages = read_run(session_for(server.url), STREAMS["account"], cursor)
    assert any(page.reconcile for page in pages)
    assert sum("/deleted/" in asked.path for asked in server.asked) > 14  # day by day
    assert cursor["deleted_to"] == ""


def test_a_back_fill_leaves_deletions_to_the_poll(org):
    with serving(org) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {}, backfill=True,
                                            since="2026-06-01T00:00:00Z")
        assert len(records) == 10
        assert not any("deleted" in asked.path for asked in server.asked)
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["account"], {}, backfill=True,
                                            since="2026-07-02T00:00:00Z")
        assert records == []


# --- by id ---


def test_single_records_as_they_stand(org):
    gone = to_18("0015g0000099999")
    org.tables["Account"][account_id(2)].update(IsDeleted=True, MasterRecordId=account_id(3))
    with serving(org) as server:
        records = CONNECTOR.fetch_records(session_for(server.url), STREAMS["account"], [
            account_id(1), account_id(1)[:15], account_id(2), gone, "nonsense'"])
    found = {record.external_id: record for record in records}
    assert found[account_id(1)].raw["Name"] == "A1"
    assert found[account_id(2)].operation == MERGE
    assert found[gone].operation == DELETE
    assert found["nonsense'"].operation == DELETE
    assert len(records) == 4


def test_resources_are_no_customer_contacts():
    def contact(number, resource):
        return {"Id": to_18(f"0035g00000{number:05d}"), "Name": f"C{number}", "SystemModstamp": text(NOW - OLD),
                "IsDeleted": False, "pse__Is_Resource__c": resource}

    rows = {row["Id"]: row for row in (contact(1, False), contact(2, True), contact(3, None))}
    fields = [field("Id", "id"), field("Name"), field("SystemModstamp"), field("IsDeleted"), field("MasterRecordId"),
              field("pse__Is_Resource__c", "boolean")]
    with serving(MiniOrg({"Contact": rows}, {"Contact": fields})) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["contact"], {})
        assert [record.raw["Name"] for record in records] == ["C1"]
        fetched = CONNECTOR.fetch_records(session_for(server.url), STREAMS["contact"], list(rows))
        assert {record.external_id: record.operation for record in fetched}[list(rows)[1]] == DELETE
    with serving(MiniOrg({"Contact": rows}, {"Contact": fields[:-1]})) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["contact"], {})
    assert len(records) == 3


# --- opportunities ---


def test_a_deal_has_its_lines_currency_and_the_newest_version(deals):
    with serving(deals) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["opportunity"], {})
    (record,) = records
    assert [line["Id"] for line in record.raw["OpportunityLineItems"]] == ["l1"]
    assert record.raw["OpportunityLineItems"][0]["Product2"] == {"Name": "Consulting", "ProductCode": "C-1"}
    assert record.raw["CurrencyIsoCode"] == "GBP"
    assert record.version == "2026-07-03T11:00:00.000Z"
    (part,) = CONNECTOR.split(STREAMS["opportunity"], record.raw, record.external_id)
    assert part.raw["OpportunityLineItems"][0]["NetUnitPrice"] == Decimal("89.991")
    assert "NetUnitPrice" not in record.raw["OpportunityLineItems"][0]


def test_the_setting_names_the_currency_before_the_org(deals):
    with serving(deals) as server:
        records, _cursor, _pages = read_run(session_for(server.url, settings={"default_currency": "eur"}),
                                            STREAMS["opportunity"], {})
    assert records[0].raw["CurrencyIsoCode"] == "EUR"


def test_an_unknown_currency_is_not_guessed(deals):
    deals.tables["Organization"] = {}
    with serving(deals) as server, pytest.raises(ConnectionRefusedByVendor, match="Currency of the org"):
        read_run(session_for(server.url), STREAMS["opportunity"], {})


def test_lines_that_exist_and_cannot_be_read_stop_the_stream(deals):
    deals.fields["OpportunityLineItem"] = [entry for entry in LINE_FIELDS if entry["name"] != "UnitPrice"]
    with serving(deals) as server, pytest.raises(MissingScopeError, match="UnitPrice"):
        read_run(session_for(server.url), STREAMS["opportunity"], {})


def test_an_org_without_products_has_deals_without_lines(deals):
    del deals.fields["OpportunityLineItem"]
    with serving(deals) as server:
        records, _cursor, _pages = read_run(session_for(server.url), STREAMS["opportunity"], {})
    assert "OpportunityLineItems" not in records[0].raw
