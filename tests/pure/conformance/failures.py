"""What goes wrong on the way: limits, outages, answers that are cut, foreign or spoilt. Nothing is lost by it."""

import pytest

from connectors.errors import (
    ConnectionRefusedByVendor,
    PoisonError,
    TransientError,
)

from . import case


def suffer(rig, vendor, kind, expected, **options):
    """Let one read fail, check its class, and that the same cursor works afterwards. Return the error."""
    session = rig.session(vendor, read_timeout=1)
    rig.read_run(session)
    vendor.faults.add(kind, path=rig.read_path, **options)
    with pytest.raises(expected) as caught:
        rig.read_run(session)
    assert not isinstance(caught.value, ConnectionRefusedByVendor), "no person needs to act"
    vendor.faults.clear()
    assert {record.external_id for record in rig.read_run(session)[0]} == rig.ids(vendor)
    return caught.value


@case("A limit that names a pause is kept")
def rate_limited_with_retry_after(rig, vendor):
    assert suffer(rig, vendor, "rate_limited", TransientError, retry_after=7).retry_after == 7


@case("A limit without a pause is tried again later")
def rate_limited(rig, vendor):
    suffer(rig, vendor, "rate_limited", TransientError)


@case("A server error is tried again later")
def server_error(rig, vendor):
    suffer(rig, vendor, "server_error", TransientError)


@case("A server that does not answer is given up in time")
def time_out(rig, vendor):
    suffer(rig, vendor, "hang", TransientError, seconds=3)


@case("An answer that is cut off is noticed")
def cut_body(rig, vendor):
    suffer(rig, vendor, "cut_body", TransientError)


@case("A web page instead of JSON is noticed")
def html_body(rig, vendor):
    suffer(rig, vendor, "maintenance", TransientError)
    suffer(rig, vendor, "html_body", (PoisonError, TransientError))


@case("Text in a wrong encoding is not guessed at")
def wrong_encoding(rig, vendor):
    suffer(rig, vendor, "wrong_encoding", PoisonError)


