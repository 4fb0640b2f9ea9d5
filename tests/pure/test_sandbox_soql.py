"""The sandbox's SOQL: grammar, comparison laws, ordering, relationships, pages and locators."""
# ruff: noqa: S608 - the queries are SOQL against a stand-in

import pytest

from sandbox.clock import Clock
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.ids import make, normalise, with_checksum
from sandbox.salesforce.query import QueryService
from sandbox.salesforce.soql_parser import instant_text, parse
from sandbox.salesforce.store import Store


@pytest.fixture
def store():
    """Three accounts, two of which share a stamp, with contacts."""
    made = Store(Clock())
    stamps = ("2026-01-01T00:00:00.000+0000", "2026-01-02T00:00:00.000+0000", "2026-01-02T00:00:00.000+0000")
    rows = ({"Name": "alpha", "NumberOfEmployees": 5, "AnnualRevenue": 10.5, "Website": "https://a.example"},
            {"Name": "Beta", "NumberOfEmployees": 50}, {"Name": "gamma's", "AnnualRevenue": 2.0, "Phone": "100%"})
    made.accounts = [made.seed("Account", stamp, **row) for stamp, row in zip(stamps, rows, strict=True)]
    for number in range(5):
        made.seed("Contact", f"2026-02-0{number + 1}T00:00:00.000+0000", LastName=f"Person {number}",
                  AccountId=made.accounts[number % 2], Email=f"p{number}@a.example",
                  pse__Start_Date__c=f"2026-03-0{number + 1}", pse__Is_Resource__c=number == 0 or None)
    return made


@pytest.fixture
def run(store):
    service = QueryService(store, minimum_batch=1, nested_page=2)

    def run(text, every=False, **options):
        return service.run(text, "v62.0", "session", options.get("header"), every, None)
    run.service = service
    return run


def names(page):
    return [record["Name"] for record in page["records"]]


@pytest.mark.parametrize(("where", "expected"), [
    ("Name = 'ALPHA'", ["alpha"]),
    ("Name != 'alpha'", ["Beta", "gamma's"]),
    ("Website = null", ["Beta", "gamma's"]),
    ("Website != null", ["alpha"]),
    ("Website != 'https://a.example'", ["Beta", "gamma's"]),
    ("Website = ''", ["Beta", "gamma's"]),
    ("AnnualRevenue < 11", ["alpha", "gamma's"]),
    ("AnnualRevenue >= 10.5", ["alpha"]),
    ("NOT NumberOfEmployees > 10", ["alpha", "gamma's"]),
    ("Name IN ('beta', 'Alpha')", ["alpha", "Beta"]),
    ("Name NOT IN ('beta', 'Alpha')", ["gamma's"]),
    ("Name LIKE '%A'", ["alpha", "Beta"]),
    ("Name LIKE '_eta'", ["Beta"]),
    ("Phone LIKE '100\\%'", ["gamma's"]),
    ("Phone LIKE '10\\%'", []),
    ("Phone LIKE '1%'", ["gamma's"]),
    ("Name = 'gamma\\'s'", ["gamma's"]),
    ("(Name = 'alpha' OR Name = 'Beta') AND NumberOfEmployees = 50", ["Beta"]),
    ("Name = 'alpha' OR (Name = 'Beta' AND NumberOfEmployees = 5)", ["alpha"]),
    ("SystemModstamp > 2026-01-01T00:00:00Z", ["Beta", "gamma's"]),
    ("SystemModstamp >= 2026-01-01T02:00:00+02:00 AND SystemModstamp < 2026-01-02T00:00:00.000+0000", ["alpha"]),
    ("Id IN (SELECT AccountId FROM Contact WHERE pse__Is_Resource__c = TRUE)", ["alpha"]),
])
def test_where(run, where, expected):
    assert names(run(f"SELECT Name FROM Account WHERE {where} ORDER BY SystemModstamp, Id")) == expected


def test_id_literals_take_15_and_18_characters_and_mind_case(store, run):
    id_ = store.accounts[1]
    assert names(run(f"SELECT Name FROM Account WHERE Id = '{id_[:15]}'")) == ["Beta"]
    assert names(run(f"SELECT Name FROM Account WHERE Id = '{id_}'")) == ["Beta"]
    swapped = id_[:15].swapcase()
    if swapped != id_[:15]:
        assert names(run(f"SELECT Name FROM Account WHERE Id = '{swapped}'")) == []


def test_keyset_over_a_tie_reads_every_row_once(store, run):
    stamp, last, seen = "2025-01-01T00:00:00Z", "000000000000000AAA", []
    while True:
        page = run(f"SELECT Id, SystemModstamp FROM Account WHERE (SystemModstamp = {stamp} AND Id > '{last}') OR "
                   f"SystemModstamp > {stamp} ORDER BY SystemModstamp, Id LIMIT 1")
        if not page["records"]:
            break
        seen.append(page["records"][0]["Id"])
        stamp, last = page["records"][0]["SystemModstamp"].replace("+0000", "Z"), seen[-1]
    assert seen == store.accounts


def test_order_by(run):
    assert names(run("SELECT Name FROM Account ORDER BY Name DESC")) == ["gamma's", "Beta", "alpha"]
    assert names(run("SELECT Name FROM Account ORDER BY AnnualRevenue")) == ["Beta", "gamma's", "alpha"]
    assert names(run("SELECT Name FROM Account ORDER BY AnnualRevenue ASC NULLS LAST")) == ["gamma's", "alpha", "Beta"]
    assert names(run("SELECT Name FROM Account ORDER BY SystemModstamp DESC, Name LIMIT 2")) == ["Beta", "gamma's"]
    assert names(run("SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 1")) == ["Beta"]


def test_parents_and_dates(run):
    page = run("SELECT LastName, Account.Name, Account.Parent.Name FROM Contact WHERE "
               "pse__Start_Date__c >= 2026-03-04 AND Account.Name = 'beta'")
    record, = page["records"]
    assert record["Account"]["Name"] == "Beta"
    assert record["Account"]["attributes"]["type"] == "Account"
    assert record["Account"]["Parent"] is None


def test_child_query_counts_against_the_page_and_is_paged_itself(run):
    page = run("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC) FROM Account ORDER BY Name",
               header="batchSize=3")
    first, = page["records"]
    assert not page["done"]
    assert first["Contacts"]["totalSize"] == 3
    assert [row["LastName"] for row in first["Contacts"]["records"]] == ["Person 4", "Person 2"]
    nested = run.service.more(first["Contacts"]["nextRecordsUrl"].rpartition("/")[2], "v62.0", "session", None)
    assert [row["LastName"] for row in nested["records"]] == ["Person 0"]
    rest = run.service.more(page["nextRecordsUrl"].rpartition("/")[2], "v62.0", "session", None)
    assert names(rest) == ["Beta", "gamma's"][:len(rest["records"])]


def test_a_parent_without_children_has_null(run):
    record, = run("SELECT (SELECT Id FROM Contacts) FROM Account WHERE Name LIKE 'gamma%'")["records"]
    assert record["Contacts"] is None


def test_count(run):
    assert run("SELECT count() FROM Contact WHERE pse__Is_Resource__c = false") == {
        "totalSize": 4, "done": True, "records": []}


def test_deleted_rows_show_in_query_all_only(store, run):
    with store.writing():
        store.delete(store.table("Account"), store.accounts[0])
    assert len(run("SELECT Id FROM Account")["records"]) == 2
    gone, = run("SELECT Id, IsDeleted FROM Account WHERE IsDeleted = true", every=True)["records"]
    assert gone["IsDeleted"] is True


@pytest.mark.parametrize(("text", "code"), [
    ("SELECT Foo FROM Account", "INVALID_FIELD"),
    ("SELECT Owner.Foo FROM Account", "INVALID_FIELD"),
    ("SELECT Nobody.Name FROM Account", "INVALID_FIELD"),
    ("SELECT Id FROM Nothing__c", "INVALID_TYPE"),
    ("SELECT Id, (SELECT Id FROM Nothings) FROM Account", "INVALID_TYPE"),
    ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
    ("SELECT Id FROM Account WHERE NumberOfEmployees = '5'", "INVALID_FIELD"),
    ("SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
    ("SELECT Id FROM Account WHERE SystemModstamp > 2026-01-01", "INVALID_FIELD"),
    ("SELECT Id FROM Account WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR"),
    ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
    ("SELECT Id, Id FROM Account", "INVALID_FIELD"),
    ("SELECT FROM Account", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account WHERE Name = 'a' OR Name = 'b' AND Name = 'c'", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account trailing words", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account WHERE Name = 'open", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
])
def test_refused(run, text, code):
    with pytest.raises(ApiError) as error:
        run(text)
    assert error.value.code == code


def test_locators_belong_to_a_session_and_a_version(run):
    page = run("SELECT Id FROM Account", header="batchSize=2")
    locator = page["nextRecordsUrl"].rpartition("/")[2]
    for session, version in (("other", "v62.0"), ("session", "v61.0")):
        page = run("SELECT Id FROM Account", header="batchSize=2")
        locator = page["nextRecordsUrl"].rpartition("/")[2]
        with pytest.raises(ApiError, match="INVALID_QUERY_LOCATOR"):
            run.service.more(locator, version, session, None)
    page = run("SELECT Id FROM Account", header="batchSize=2")
    locator = page["nextRecordsUrl"].rpartition("/")[2]
    assert len(run.service.more(locator, "v62.0", "session", None)["records"]) == 1


def test_the_eleventh_open_cursor_drops_the_oldest(run):
    locators = [run("SELECT Id FROM Account", header="batchSize=2")["nextRecordsUrl"].rpartition("/")[2]
                for _number in range(11)]
    with pytest.raises(ApiError, match="INVALID_QUERY_LOCATOR"):
        run.service.more(locators[0], "v62.0", "session", None)
    assert run.service.more(locators[1], "v62.0", "session", None)["done"]


def test_batch_size_stays_within_its_limits(store):
    service = QueryService(store)
    assert service.batch_size(None) == 2000
    assert service.batch_size("batchSize=500") == 500
    assert service.batch_size("batchSize=1") == 200
    assert service.batch_size("batchSize=9999") == 2000


def test_instants_are_brought_to_utc():
    assert instant_text("2026-05-01T02:00:00+0200") == "2026-05-01T00:00:00.000+0000"
    assert instant_text("2026-05-01T00:00:00.5Z") == "2026-05-01T00:00:00.500+0000"


def test_ids_carry_the_documented_checksum():
    assert with_checksum("0015g00000Xy12Z") == "0015g00000Xy12ZAAR"
    assert with_checksum("00k5g00000Li5Nn") == "00k5g00000Li5NnAAJ"
    assert normalise("0065g00000Lm9Qr") == "0065g00000Lm9QrAAJ"
    assert normalise("0065g00000Lm9QrAAA") is None
    made = [make("a2S", number) for number in range(5000)]
    assert made == sorted(made)
    assert len({id_.lower() for id_ in made}) == 5000


def test_the_parser_gives_a_tree():
    query = parse("SELECT Id, (SELECT Id FROM Contacts) FROM Account "
                  "WHERE A = 1 AND NOT (B = 2 OR C IN (1, 2)) LIMIT 3")
    assert query.limit == 3
    assert query.where.operator == "and"
    assert query.where.parts[1].operator == "not"
