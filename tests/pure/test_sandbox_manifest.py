"""The seeded data and their manifest: determinism, exact counts of each kind, and sums checked another way."""
# ruff: noqa: S608 - the queries are SOQL against a stand-in

import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from sandbox_helpers import Client

from sandbox.clock import START, Clock
from sandbox.salesforce.manifest import Books
from sandbox.salesforce.manifest_parts import build
from sandbox.salesforce.scales import SCALES
from sandbox.salesforce.second_act import SecondAct
from sandbox.salesforce.seed import seed
from sandbox.salesforce.store import instant
from sandbox.server import start

ROOT = Path(__file__).resolve().parents[2]
DEFECTS = ("unknown_person", "closed_project", "missing_rate", "wrong_entity", "currency_mismatch", "back_dated")


def fingerprint(world):
    tables = {name: list(table.rows.values()) for name, table in world.store.tables.items()}
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


@pytest.fixture(scope="module", params=["tiny", "small", "full"])
def made(request):
    world = seed(request.param, 1, Clock())
    return request.param, world, build(world.store, request.param, 1)


def test_the_same_seed_gives_the_same_bytes():
    assert fingerprint(seed("small", 7, Clock())) == fingerprint(seed("small", 7, Clock()))
    assert fingerprint(seed("small", 7, Clock())) != fingerprint(seed("small", 8, Clock()))


def test_the_manifest_does_not_hang_on_the_process():
    outputs = {subprocess.run([sys.executable, "-m", "sandbox", "--manifest", "--scale", "tiny"], cwd=ROOT, check=True,
                              capture_output=True, env={"PYTHONHASHSEED": number}).stdout for number in ("1", "2")}
    assert len(outputs) == 1


@pytest.mark.parametrize("number", range(2, 8))
def test_other_seeds_keep_every_count(number):
    world = seed("small", number, Clock())
    manifest = build(world.store, "small", number)
    assert manifest["streams"]["pse__Timecard__c"]["records"] == 1000
    assert {name: manifest["defects"][name] for name in DEFECTS} == {
        name: getattr(SCALES["small"], name) for name in DEFECTS}
    assert manifest["proposals"] == 6
    assert SecondAct(world).expected()["late_edit"]["records"] == 3


def test_the_scale_is_kept_to_the_last_record(made):
    name, _world, manifest = made
    scale, streams = SCALES[name], manifest["streams"]
    assert streams["pse__Timecard__c"]["records"] == scale.timecards
    assert streams["pse__Expense__c"]["records"] == scale.expenses
    assert streams["Contact"]["resources"] == sum(scale.people)
    contracts = sum(scale.time_material) + sum(scale.fixed_price) + sum(scale.milestone)
    assert streams["Opportunity"] == {
        "contracts": contracts, "incomplete": scale.incomplete_deals, "won": contracts + scale.incomplete_deals,
        "not_won": scale.open_deals + scale.lost_deals,
        "records": contracts + scale.incomplete_deals + scale.open_deals + scale.lost_deals}
    if name == "full":
        assert (sum(scale.people), contracts, scale.timecards) == (45, 60, 20_000)
        assert 22_000 <= manifest["time"]["days"] <= 25_000
        assert manifest["defects"]["same_second_ties"] > 2_500


def test_each_defect_is_found_by_rule_exactly_where_it_was_planted(made):
    _name, world, manifest = made
    books, found = Books(world.store), defaultdict(set)
    for id_, split in books.rows["pse__Timecard__c"].items():
        treatment = books.treatment(split)
        found[treatment].add(id_)
        if treatment == "applied":
            found[books.charge(split)].add(id_)
    for kind in ("unknown_person", "closed_project", "missing_rate", "wrong_entity", "currency_mismatch",
                 "held_at_source", "excluded_at_source", "billed_at_source", "internal"):
        assert found[kind] == set(world.tags[kind]), kind
    assert found["behind_unmapped_role"] == set(world.tags["unmapped_role"])
    assert found["behind_incomplete_deal"] == set(world.tags["incomplete_terms"])
    assert manifest["defects"]["back_dated"] == len(world.tags["back_dated"])
    assert manifest["defects"]["same_second_ties"] == len(world.tags["same_second"])
    assert manifest["defects"]["duplicate_account"] == len(world.duplicates)


def test_every_split_is_counted_once(made):
    _name, _world, manifest = made
    stream = manifest["streams"]["pse__Timecard__c"]
    assert stream["records"] == stream["applied"] + stream["held"] + stream["waiting"] + stream["rejected"]
    time = manifest["time"]
    assert time["applied"]["splits"] == sum(part["splits"] for part in time["by_charge"].values())
    assert time["applied"]["days"] == sum(part["days"] for part in time["by_charge"].values())
    entries = manifest["entries"]
    assert time["applied"]["days"] == sum(entries["time"].values()) + sum(entries["time_recorded_only"].values())
    left_out = sum(part["days"] for name, part in manifest["held"].items() if "days" in part and name != "missing_rate")
    left_out += sum(part["days"] for part in manifest["waiting"].values() if isinstance(part, dict))
    assert time["days"] == time["applied"]["days"] + time["rejected_days"] + left_out


def test_totals_are_the_sums_of_the_contracts(made):
    _name, _world, manifest = made
    for code, company in manifest["companies"].items():
        own = [contract for contract in manifest["contracts"] if contract["legal_entity"] == code]
        assert {contract["currency"] for contract in own} == {company["currency"]}
        for part in ("time", "expenses", "milestones", "fees", "net"):
            assert Decimal(company[part]) == sum(Decimal(contract[part]) for contract in own)
        assert Decimal(company["net"]) == sum(
            Decimal(company[part]) for part in ("time", "expenses", "milestones", "fees"))


def test_time_sums_agree_with_a_plain_walk_over_the_headers(made):
    """A second way to the same totals: from the headers' own rate and day hours, without the manifest's rules."""
    _name, world, manifest = made
    rows = {name: world.store.tables[name].rows for name in (
        "pse__timecard_header__c", "pse__timecard__c", "pse__proj__c", "opportunity")}
    held = {id_ for kind in ("unknown_person", "closed_project", "missing_rate", "wrong_entity", "currency_mismatch",
                             "unmapped_role", "incomplete_terms", "held_at_source", "excluded_at_source",
                             "billed_at_source", "july") for id_ in world.tags[kind]}
    totals = defaultdict(Decimal)
    for id_, split in rows["pse__timecard__c"].items():
        header = rows["pse__timecard_header__c"][split["pse__Timecard_Header__c"]]
        deal = rows["opportunity"].get(rows["pse__proj__c"][split["pse__Project__c"]].get("pse__Opportunity__c"))
        if (id_ in held or deal is None or deal["Billing_Method__c"] != "Time and Materials"
                or split["pse__Status__c"] != "Approved" or not split.get("pse__Billable__c")):
            continue
        for key, value in split.items():
            if key.endswith("_Hours__c") and not key.startswith("pse__Total"):
                amount = Decimal(str(value)) * Decimal(str(header["pse__Bill_Rate__c"]))
                totals[deal["Id"]] += amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    expected = {contract["opportunity"]: Decimal(contract["time"]) for contract in manifest["contracts"]
                if Decimal(contract["time"])}
    assert {key: value for key, value in totals.items() if value} == expected


def test_the_data_are_sound(made):
    """No row points to nothing except where a defect says so; no stamp lies after the clock's start."""
    _name, world, _manifest = made
    limit, hidden, splits_of = instant(START), set(world.hidden_people), Counter()
    for table in world.store.tables.values():
        for row in table.rows.values():
            assert row["CreatedDate"] <= row["SystemModstamp"] < limit
            for name, value in row.items():
                spec = table.spec.field(name)
                assert spec is not None, (table.spec.name, name)
                if spec.type == "reference" and value not in hidden:
                    assert any(value in world.store.tables[target.lower()].rows for target in spec.references), name
    for split in world.store.tables["pse__timecard__c"].rows.values():
        splits_of[split["pse__Timecard_Header__c"]] += 1
        assert split["pse__Start_Date__c"][:7] == split["pse__End_Date__c"][:7]
    assert set(splits_of) == set(world.store.tables["pse__timecard_header__c"].rows)
    assert max(splits_of.values()) == 2


def test_milestones_add_up_to_their_line_in_ratios_of_four_decimals(made):
    _name, world, _manifest = made
    rows = world.store.tables
    for contract in world.contracts_of("Milestone"):
        line = rows["opportunitylineitem"].rows[contract.line_ids[0]]
        amounts = [Decimal(str(row["pse__Milestone_Amount__c"])) for row in rows["pse__milestone__c"].rows.values()
                   if row["pse__Project__c"] in contract.project_ids]
        total = Decimal(str(line["TotalPrice"]))
        assert sum(amounts) == total
        assert all((amount / total).as_tuple().exponent >= -4 for amount in amounts)


def test_rates_leave_room_for_one_price_per_person_and_contract(made):
    """No person has two assignments under one deal: their rates would overlap."""
    _name, world, _manifest = made
    pairs = Counter(
        (world.store.tables["pse__proj__c"].rows[row["pse__Project__c"]]["pse__Opportunity__c"],
         row["pse__Resource__c"]) for row in world.store.tables["pse__assignment__c"].rows.values())
    assert max(pairs.values()) == 1


def test_the_second_act_does_what_it_announced():
    sandbox = start(scale="small")
    try:
        client = Client(sandbox)
        expected = sandbox.manifest["second_act"]
        before = sandbox.clock.now()
        assert sandbox.advance()["played"] is True
        assert sandbox.advance() == {"played": False}
        assert sandbox.manifest["advanced"] is True
        assert (sandbox.clock.now() - before).total_seconds() >= 60
        edited = {item["split"]: item for item in expected["late_edit"]["items"]}
        changed = client.records("SELECT Id, SystemModstamp, IsDeleted, pse__Status__c, pse__Total_Hours__c FROM "
                                 f"pse__Timecard__c WHERE SystemModstamp >= {before:%Y-%m-%dT%H:%M:%SZ}", every=True)
        groups = {name: {item["split"] for item in expected[name]["items"]} for name in (
            "late_edit", "delete_after_billing", "rejected_after_approval_billed", "rejected_after_approval_unbilled")}
        assert {record["Id"] for record in changed} == set().union(*groups.values())
        for record in changed:
            assert record["IsDeleted"] == (record["Id"] in groups["delete_after_billing"])
            rejected = groups["rejected_after_approval_billed"] | groups["rejected_after_approval_unbilled"]
            assert (record["pse__Status__c"] == "Rejected") == (record["Id"] in rejected)
            if record["Id"] in edited:
                assert Decimal(str(record["pse__Total_Hours__c"])) == Decimal(edited[record["Id"]]["hours_after"])
        losers = client.records("SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true", every=True)
        assert {(row["Id"], row["MasterRecordId"]) for row in losers} == {
            (item["loser"], item["winner"]) for item in expected["merge"]["items"]}
        assert sandbox.errors == []
    finally:
        sandbox.stop()


def test_second_act_amounts_are_the_billed_ones(made):
    _name, world, _manifest = made
    books, act = Books(world.store), SecondAct(world).expected()
    for name in ("late_edit", "delete_after_billing", "rejected_after_approval_billed"):
        for item in act[name]["items"]:
            split = books.rows["pse__Timecard__c"][item["split"]]
            assert Decimal(item["amount"]) == books.amount_at_source(split)
            assert books.charge(split) == "billable"
    for item in act["late_edit"]["items"]:
        assert Decimal(item["difference"]) == Decimal(item["amount_after"]) - Decimal(item["amount"]) != 0
        assert Decimal(item["hours_after"]) > 0


def test_tax_numbers_have_right_check_digits():
    stdnum = pytest.importorskip("stdnum")
    assert stdnum
    from stdnum.be import vat as belgium
    from stdnum.ch import vat as switzerland
    from stdnum.de import vat as germany
    from stdnum.fr import tva as france
    from stdnum.gb import vat as britain
    from stdnum.us import ein as america
    checks = {"BE": belgium, "CH": switzerland, "DE": germany, "FR": france, "GB": britain, "US": america}
    rows = seed("full", 1, Clock()).store.tables["account"].rows.values()
    numbers = [(row["BillingCountryCode"], row["VAT_Number__c"]) for row in rows if "VAT_Number__c" in row]
    assert {country for country, _number in numbers} == set(checks)
    assert [number for country, number in numbers if not checks[country].is_valid(number)] == []
