"""Writing back: once, whatever happens to the answer, and never over another hand's value."""

from dataclasses import replace

from connectors.errors import ConflictError, ConnectionRefusedByVendor, ConnectorError, DataError, TransientError

from . import case


def push(rig, vendor, spec, items, session=None):
    results = rig.connector.push(session or rig.session(vendor), spec, items)
    assert {result.key for result in results} == {item.key for item in items}
    return {result.key: result for result in results}


def outcomes(rig, vendor, spec, items):
    """Return the error of each write (None for a success), whether it is raised or is the record's result."""
    try:
        results = push(rig, vendor, spec, items)
    except ConnectorError as error:
        return [error] * len(items)
    return [results[item.key].error for item in items]


def refusal(rig, vendor, spec, item):
    return outcomes(rig, vendor, spec, [item])[0]


@case("A lost answer is found out, and nothing is written twice")
def write_lost_answer(rig, vendor):
    spec, items = rig.push_items(vendor)
    rig.connector.set_up(rig.session(vendor))
    vendor.faults.add("lost_answer", **rig.write_fault)
    for error in outcomes(rig, vendor, spec, items):
        assert isinstance(error, TransientError), repr(error)
        assert error.maybe_done
    results = push(rig, vendor, spec, [replace(item, in_doubt=True) for item in items])
    assert {str(result.error) for result in results.values()} == {"None"}
    assert [rig.written(vendor, item) for item in items] == [1] * len(items)
    again = push(rig, vendor, spec, items)
    assert not any(result.written for result in again.values())
    assert [rig.written(vendor, item) for item in items] == [1] * len(items)


@case("Another hand's value is left, and both are shown")
def write_conflict(rig, vendor):
    spec, items = rig.push_items(vendor)
    rig.connector.set_up(rig.session(vendor))
    rig.other_hand(vendor, items[0])
    before = rig.written(vendor, items[0])
    error = refusal(rig, vendor, spec, items[0])
    assert isinstance(error, ConflictError), repr(error)
    assert error.ours
    assert error.theirs
    assert rig.written(vendor, items[0]) == before


@case("A locked target is reported for this record alone")
def write_locked(rig, vendor):
    spec, items = rig.push_items(vendor)
    rig.connector.set_up(rig.session(vendor))
    rig.lock(vendor, items[0])
    error = refusal(rig, vendor, spec, items[0])
    assert isinstance(error, (DataError, TransientError)), repr(error)
    assert not isinstance(error, ConnectionRefusedByVendor)


@case("A deleted target is reported, the others are written")
def write_deleted(rig, vendor):
    spec, items = rig.push_items(vendor, 2)
    rig.connector.set_up(rig.session(vendor))
    rig.remove(vendor, items[0])
    results = push(rig, vendor, spec, items)
    assert isinstance(results[items[0].key].error, DataError), repr(results[items[0].key].error)
    assert results[items[1].key].error is None
