"""Write-back against the stand-in, which is written from the vendors' documentation and not from this client."""


import pytest
from vendor_rig import CERTINIA, DAY, EXPENSE, MILESTONE, OWNERS, SALESFORCE, connect, read_run, rows

from connectors.base import PushItem
from connectors.certinia.billing_status import BLOCK
from connectors.errors import (
    ConflictError,
    DataError,
    TransientError,
)
from sandbox.server import start


@pytest.fixture
def vendor():
    sandbox = start("tiny")
    yield sandbox
    sandbox.stop()
    assert sandbox.errors == []


# --- writing ---

POSTED = {"event": "posted", "invoiced": True, "invoice_number": "INV/2026/00417", "invoice_date": "2026-07-03",
          "payment_state": "not_paid", "amount_total": "100.00", "amount_residual": "100.00", "currency": "EUR",
          "credit_note": None, "url": "https://odoo.example/1"}
CREDITED = {**POSTED, "event": "credited", "invoiced": False, "credit_note": "RINV/1"}


def approved(row):
    return row.get("pse__Approved__c") and row.get("pse__Include_In_Financials__c") and not row.get("pse__Billed__c")


def items_of(vendor, values=POSTED, count=6):
    """Push items of approved records of all three kinds, every day of each split."""
    found = []
    owner, stream = OWNERS["timecard"]
    records = {record.external_id: record.raw for record in read_run(connect(vendor), "timecard")[0]}
    for id_ in sorted(rows(vendor, "pse__Timecard__c", approved))[:count]:
        found += [PushItem(part.external_id, DAY, part.external_id, values)
                  for part in owner.split(stream, records[id_], id_)]
    for kind in (MILESTONE, EXPENSE):
        found += [PushItem(id_, kind, id_, values) for id_ in sorted(rows(vendor, kind, approved))[:2]]
    return found


def push(session, items):
    return {result.key: result for result in CERTINIA.push(session, CERTINIA.outbound[0], items)}


def stored(vendor, item):
    name = "pse__timecard__c" if item.object_type == DAY else item.object_type.lower()
    return vendor.app.store.tables[name].rows[item.external_id.partition(":")[0]]


def test_billing_status_there_and_back(vendor):
    items = items_of(vendor)
    assert {item.object_type for item in items} == {DAY, MILESTONE, EXPENSE}
    results = push(connect(vendor), items)
    assert {str(result.error) for result in results.values()} == {"None"}
    for item in items:
        row = stored(vendor, item)
        assert (row["pse__Billed__c"], row["pse__Invoiced__c"]) == (True, True)
        assert (row["pse__Invoice_Number__c"], row["pse__Invoice_Date__c"]) == ("INV/2026/00417", "2026-07-03")
        assert row["Odoo_Payment_State__c"] == "not_paid"
    assert not any(result.written for result in push(connect(vendor), items).values())
    results = push(connect(vendor), [PushItem(item.key, item.object_type, item.external_id, CREDITED)
                                     for item in items])
    assert {str(result.error) for result in results.values()} == {"None"}
    for item in items:
        row = stored(vendor, item)
        assert not any(row.get(name) for name in BLOCK)


def test_the_version_after_a_write_is_that_of_the_echo(vendor):
    cursor = read_run(connect(vendor), "timecard")[1]
    items = [item for item in items_of(vendor) if item.object_type == DAY]
    versions = {item.external_id.partition(":")[0]: result.version
                for item, result in zip(items[:1], push(connect(vendor), items[:1]).values(), strict=True)}
    vendor.clock.forward(300)
    echo = {record.external_id: record.version for record in read_run(connect(vendor), "timecard", cursor)[0]}
    assert versions.items() <= echo.items()


def test_a_record_that_was_rejected_meanwhile_is_refused_alone(vendor):
    items = items_of(vendor)
    victim = next(item for item in items if item.object_type == DAY)
    stored(vendor, victim)["pse__Approved__c"] = False
    results = push(connect(vendor), items)
    same_split = {item.key for item in items if item.external_id.startswith(victim.external_id[:18])}
    assert {key for key, result in results.items() if result.error} == same_split
    assert type(results[victim.key].error) is DataError
    assert "approved" in str(results[victim.key].error)


def test_another_hands_invoice_is_left_alone(vendor):
    item = items_of(vendor, count=1)[0]
    stored(vendor, item).update(pse__Billed__c=True, pse__Invoiced__c=True, pse__Invoice_Number__c="PSA-9")
    error = push(connect(vendor), [item])[item.key].error
    assert isinstance(error, ConflictError)
    assert stored(vendor, item)["pse__Invoice_Number__c"] == "PSA-9"


def test_a_lost_answer_is_settled_without_a_second_write(vendor):
    items = items_of(vendor, count=2)
    vendor.faults.add("lost_answer", method="PATCH")
    with pytest.raises(TransientError) as caught:
        push(connect(vendor), items)
    assert caught.value.maybe_done
    first = {item.key: dict(stored(vendor, item)) for item in items}
    results = push(connect(vendor), [PushItem(item.key, item.object_type, item.external_id, item.values, True)
                                     for item in items])
    assert {str(result.error) for result in results.values()} == {"None"}
    done = [item for item in items if first[item.key].get("pse__Invoiced__c")]
    assert done
    for item in done:
        assert not results[item.key].written
        assert dict(stored(vendor, item)) == first[item.key]


def test_locked_rows_are_a_matter_for_another_try(vendor):
    items = [item for item in items_of(vendor) if item.object_type == DAY]
    vendor.faults.add("lock_row", method="PATCH", records=1)
    results = push(connect(vendor), items)
    failed = [result for result in results.values() if result.error]
    assert failed
    assert all(isinstance(result.error, TransientError) for result in failed)
    assert {str(result.error) for result in push(connect(vendor), items).values()} == {"None"}


def test_the_deal_shows_its_invoice(vendor):
    deal = sorted(rows(vendor, "Opportunity", lambda row: row["IsWon"]))[0]
    item = PushItem("k", "Opportunity", deal, POSTED)
    (result,) = SALESFORCE.push(connect(vendor), SALESFORCE.outbound[0], [item])
    assert result.error is None
    row = vendor.app.store.tables["opportunity"].rows[deal]
    assert (row["Odoo_Invoice_Number__c"], row["Odoo_Payment_State__c"]) == ("INV/2026/00417", "not_paid")
    (result,) = SALESFORCE.push(connect(vendor), SALESFORCE.outbound[0], [item])
    assert not result.written
