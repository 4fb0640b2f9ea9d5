from datetime import datetime, timedelta, timezone

import jmespath
import pytest
from mini_docusign import (
    CONNECTOR,
    NOW,
    PDF,
    ROOT,
    RUN,
    STREAM,
    MiniDocuSign,
    ago,
    envelope,
    read_run,
    session_of,
    seven,
)
from wire_server import Answer, serving

from connectors.base import DELETE, UPSERT
from connectors.canonical import coerce
from connectors.docusign.declaration import MAX_PAGE
from connectors.errors import ConnectionRefusedByVendor, NotFoundError, PoisonError, TransientError

HOUR = timedelta(hours=1)


def ids(records):
    return [int(record.external_id[-4:]) for record in records]


def fetched(server):
    return [asked.path.split("/")[-3] for asked in server.asked if asked.path.endswith("/documents/combined")]


def mapped(record):
    """Return the canonical record of a raw one by the default map."""
    values = {}
    for name, rule in CONNECTOR.default_mappings()["envelope"].items():
        value = jmespath.search(rule if isinstance(rule, str) else rule["path"], record.raw)
        values[name] = value.lower() if isinstance(rule, dict) and rule["transform"] == "lower" else value
    return coerce("agreement", values)


# === RECORDS === #


def test_a_signed_envelope_becomes_a_signed_agreement_with_its_document():
    signers = [
        {"routingOrder": "2", "name": "Zoe", "email": "ZOE@n.test", "signedDateTime": "2026-09-21T09:59:00.0000000Z"},
        {"routingOrder": "1", "name": "Ada", "email": "a@n.test", "signedDateTime": "2026-09-20T10:00:00.0000000Z"}]
    row = envelope(1, ago(hours=2), "Completed", completedDateTime="2026-09-21T10:00:00.1234567Z",
                   recipients={"signers": signers})
    with serving(MiniDocuSign(row)) as server:
        (record,), _cursor = read_run(server)
    assert (record.object_type, record.external_id, record.operation) == ("Envelope", row["envelopeId"], UPSERT)
    assert record.version == "2026-09-21T10:00:00.000000Z"
    (file,) = record.files
    assert (file.name, file.content_type, file.content) == ("signed-555005.pdf", "application/pdf", PDF)
    assert "emailBlurb" not in record.raw
    assert mapped(record) == {
        "name": "SOW 1", "subject_reference": "555005", "status": "completed", "signed": True, "void": False,
        "void_reason": None, "signed_at": datetime(2026, 9, 21, 10, 0, 0, 123456, tzinfo=timezone.utc),
        "signer_name": "Zoe", "signer_email": "zoe@n.test"}


@pytest.mark.parametrize(("status", "values", "reason"), [
    ("voided", {"voidedReason": "Wrong price", "voidedDateTime": "2026-09-21T10:00:00Z"}, "Wrong price"),
    ("declined", {"recipients": {"signers": [{"name": "A"}, {"name": "B", "declinedReason": "Too late"}]}}, "Too late"),
    ("timedout", {"recipients": None, "emailSubject": None}, None),
])
def test_an_envelope_that_will_not_be_signed(status, values, reason):
    with serving(MiniDocuSign(envelope(1, ago(hours=2), status, **values))) as server:
        (record,), _cursor = read_run(server)
    agreement = mapped(record)
    assert (agreement["signed"], agreement["void"], agreement["void_reason"]) == (False, True, reason)
    assert record.files == ()


def test_before_anybody_signs_the_signer_is_the_last_in_turn():
    row = envelope(1, ago(hours=2), recipients={"signers": [
        {"routingOrder": "2", "name": "First"}, {"routingOrder": "10", "name": "Last"}]})
    with serving(MiniDocuSign(row)) as server:
        (record,), _cursor = read_run(server)
    assert record.raw["signer"]["name"] == "Last"


def test_envelopes_without_the_field_are_left_alone():
    rows = [envelope(1, ago(hours=4), "completed", None), envelope(2, ago(hours=3), "completed", "  "),
            envelope(3, ago(hours=2), customFields=None)]
    with serving(MiniDocuSign(*rows, envelope(4, ago(hours=2)))) as server:
        assert ids(read_run(server)[0]) == [4]
        assert fetched(server) == []
        records = CONNECTOR.fetch_records(session_of(server), STREAM, [row["envelopeId"] for row in rows])
        assert records == []
        assert len(read_run(server, settings={"reference_field": "colour"})[0]) == 3


def test_versions_sort_like_the_changes():
    row = envelope(1, ago(hours=2))
    with serving(MiniDocuSign(row)) as server:
        texts = ["2026-09-21T10:00:00Z", "2026-09-21T10:00:00.1Z", "2026-09-21T12:00:00.1234567+02:00",
                 "2026-09-21T10:00:00.1234580Z"]
        versions = []
        for text in texts:
            row["statusChangedDateTime"] = text
            versions.append(CONNECTOR.fetch_records(session_of(server), STREAM, [row["envelopeId"]])[0].version)
    assert versions == sorted(set(versions))
    assert {len(version) for version in versions} == {27}


# === DOCUMENTS === #


@pytest.mark.parametrize("answer", [
    Answer(404, {"errorCode": "ENVELOPE_DOES_NOT_EXIST", "message": "Purged"}),
    Answer(400, {"errorCode": "DOCUMENTS_PURGED", "message": "Purged"}),
])
def test_a_document_that_retention_took_is_told_and_holds_up_nothing(answer):
    row = envelope(1, ago(hours=2), "completed")
    vendor = MiniDocuSign(row, envelope(2, ago(hours=1), "completed"))
    vendor.documents[row["envelopeId"]] = answer
    with serving(vendor) as server:
        first, second = read_run(server)[0]
    assert (first.files, first.raw["documentMissing"]) == ((), "DocuSign: Purged")
    assert len(second.files) == 1
    assert "documentMissing" not in second.raw
    assert mapped(first)["signed"] is True


def test_a_document_that_is_none_is_asked_for_again():
    row = envelope(1, ago(hours=2), "completed")
    vendor = MiniDocuSign(row)
    with serving(vendor) as server:
        for answer, expected in ((Answer(body=b"<html>"), PoisonError), (Answer(503), TransientError),
                                 (Answer(400, {"errorCode": "Hourly_Envelope_Polling_Limit_Exceeded"}), TransientError),
                                 (Answer(403, {"errorCode": "X"}), ConnectionRefusedByVendor)):
            vendor.documents[row["envelopeId"]] = answer
            with pytest.raises(expected):
                read_run(server)
        vendor.documents.clear()
        assert len(read_run(server)[0][0].files) == 1


def test_a_document_that_is_too_large_is_told():
    row = envelope(1, ago(hours=2), "completed")
    vendor = MiniDocuSign(row)
    vendor.documents[row["envelopeId"]] = Answer(body=b"%PDF-" + bytes(100_000))
    with serving(vendor) as server:
        page = CONNECTOR.fetch_page(session_of(server, max_bytes=50_000), STREAM, {}, RUN)
    assert "too large" in page.records[0].raw["documentMissing"]


def test_file_names_are_plain():
    with serving(MiniDocuSign(envelope(1, ago(hours=2), "completed", "../S 42/ü"))) as server:
        (record,), _cursor = read_run(server)
    assert record.files[0].name == "signed-.._S_42_ü.pdf"


def test_a_document_is_fetched_once_although_runs_overlap():
    vendor = MiniDocuSign(envelope(1, ago(minutes=10), "completed"), envelope(2, ago(minutes=9)))
    with serving(vendor) as server:
        records, cursor = read_run(server)
        assert ids(records) == [1, 2]
        vendor.now += timedelta(minutes=15)
        vendor.rows[1] = envelope(2, NOW, "completed")
        records, cursor = read_run(server, cursor)
        assert [(number, record.raw["status"]) for number, record in zip(ids(records), records, strict=True)] == [
            (2, "completed")]
        vendor.now += HOUR
        records, cursor = read_run(server, cursor)
        assert records == []
        assert len(fetched(server)) == 2
        vendor.now += HOUR
        assert read_run(server, cursor)[1]["seen"] == {}


# === PAGES === #


def test_every_envelope_once_over_many_pages():
    vendor = MiniDocuSign(*(envelope(number, ago(days=40 - number)) for number in range(1, 11)))
    with serving(vendor) as server:
        records, cursor = read_run(server)
        lists = [asked.query for asked in server.asked if asked.path == f"{ROOT}/envelopes"]
    assert ids(records) == list(range(1, 11))
    assert {(query["to_date"], query["order"], query["count"]) for query in lists} == {
        ("2026-09-21T11:59:00.000Z", "asc", "3")}
    assert lists[0]["from_date"] == "2000-01-01T00:00:00.000Z"
    assert cursor["seen"] == {}


def test_a_page_is_small_whatever_is_asked_for():
    with serving(MiniDocuSign(*(envelope(number, ago(days=1)) for number in range(1, 30)))) as server:
        page = CONNECTOR.fetch_page(session_of(server), STREAM, {}, {**RUN, "page_size": 5000})
    assert len(page.records) == MAX_PAGE
    assert page.more


@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
def test_many_of_one_moment(page_size):
    rows = [envelope(number, ago(days=1)) for number in range(1, 9)]
    vendor = MiniDocuSign(envelope(20, ago(days=2)), *rows, envelope(30, ago(hours=5)))
    with serving(vendor) as server:
        records, _cursor = read_run(server, page_size=page_size)
    assert sorted(ids(records)) == [*range(1, 9), 20, 30]
    assert set(ids(records)) == {*range(1, 9), 20, 30}


def test_what_is_signed_while_pages_are_read_takes_no_other_along():
    vendor = MiniDocuSign(*(envelope(number, ago(days=40 - number)) for number in range(1, 11)))
    with serving(vendor) as server:
        session = session_of(server)
        page = CONNECTOR.fetch_page(session, STREAM, {}, RUN)
        read = ids(page.records)
        vendor.rows[0] = envelope(1, NOW, "completed")
        vendor.rows[1] = envelope(2, NOW, "voided")
        vendor.rows[2] = envelope(3, NOW, "completed")
        while page.more:
            page = CONNECTOR.fetch_page(session, STREAM, page.cursor, {**RUN, "new_run": False})
            read += ids(page.records)
        assert sorted(read) == list(range(1, 11))
        vendor.now += timedelta(minutes=15)
        assert {number: record.raw["status"] for record in read_run(server, page.cursor)[0]
                for number in ids([record])} == {1: "completed", 2: "voided", 3: "completed"}


def test_an_interrupted_run_goes_on_where_it_was():
    vendor = MiniDocuSign(*(envelope(number, ago(days=40 - number)) for number in range(1, 11)))
    with serving(vendor) as server:
        page = CONNECTOR.fetch_page(session_of(server), STREAM, {}, RUN)
        vendor.now += HOUR
        records, _cursor = read_run(server, page.cursor)
        assert server.asked[-1].query["to_date"] == "2026-09-21T11:59:00.000Z"
    assert ids(page.records) + ids(records) == list(range(1, 11))


def test_a_row_that_is_repeated_counts_once():
    row = envelope(1, ago(hours=2), "completed")
    with serving(MiniDocuSign(row, row)) as server:
        assert ids(read_run(server)[0]) == [1]
        assert len(fetched(server)) == 1


def test_an_answer_out_of_order_is_read_to_its_end():
    vendor = MiniDocuSign(*(envelope(number, ago(days=40 - number)) for number in range(1, 11)))
    vendor.shuffle = True
    with serving(vendor) as server:
        assert sorted(ids(read_run(server)[0])) == list(range(1, 11))


def test_what_became_visible_late_is_read():
    vendor = MiniDocuSign()
    with serving(vendor) as server:
        _records, cursor = read_run(server)
        vendor.rows.append(envelope(1, ago(minutes=14)))
        vendor.now += timedelta(minutes=5)
        assert ids(read_run(server, cursor, overlap_seconds=60)[0]) == [1]


def test_a_lower_bound_is_kept():
    vendor = MiniDocuSign(envelope(1, ago(days=9)), envelope(2, ago(days=1)))
    with serving(vendor) as server:
        assert ids(read_run(server, since=seven(ago(days=5))[:19] + "Z")[0]) == [2]
        assert read_run(server, since=seven(NOW + HOUR)[:19] + "Z")[0] == []


def test_an_envelope_listed_for_an_older_change_ends_the_window():
    rows = [envelope(1, ago(hours=2)), envelope(2, NOW + HOUR), envelope(3, NOW + 2 * HOUR)]
    vendor = MiniDocuSign()
    body = {"envelopes": rows[:2], "totalSetSize": "3"}
    vendor.refuse = lambda asked: Answer(body=body) if ROOT in asked.path else None
    with serving(vendor) as server:
        records, cursor = read_run(server)
    assert ids(records) == [1, 2]
    assert (cursor["at"], cursor["until"]) == ("2026-09-21T11:59:00.000Z", "")


@pytest.mark.parametrize("rows", [[envelope(1, ago(days=2)), envelope(2, ago(days=1))], []])
def test_pages_that_lead_in_a_circle_are_noticed(rows):
    vendor = MiniDocuSign()
    body = {"envelopes": rows, "totalSetSize": "90"}
    vendor.refuse = lambda asked: Answer(body=body) if ROOT in asked.path else None
    with serving(vendor) as server, pytest.raises(PoisonError, match="circle"):
        read_run(server)


# === SINGLE ENVELOPES === #


def test_envelopes_are_read_again_by_one_list_call():
    rows = [envelope(1, ago(hours=2), "completed"), envelope(2, ago(hours=1)),
            envelope(3, ago(hours=1), reference=None)]
    gone = envelope(4, NOW)["envelopeId"]
    wanted = [*(row["envelopeId"] for row in rows), gone, gone]
    with serving(MiniDocuSign(*rows)) as server:
        records = CONNECTOR.fetch_records(session_of(server), STREAM, wanted)
        paths = [asked.path for asked in server.asked]
    assert [(ids([record])[0], record.operation, len(record.files)) for record in records] == [
        (1, UPSERT, 1), (2, UPSERT, 0), (4, DELETE, 0)]
    assert paths == ["/oauth/userinfo", f"{ROOT}/envelopes",
                     f"{ROOT}/envelopes/{rows[0]['envelopeId']}/documents/combined"]


def test_many_are_asked_for_in_parts():
    rows = [envelope(number, ago(hours=2)) for number in range(1, 46)]
    with serving(MiniDocuSign(*rows)) as server:
        records = CONNECTOR.fetch_records(session_of(server), STREAM, [row["envelopeId"] for row in rows])
        assert len(server.asked) == 1 + 3
    assert ids(records) == list(range(1, 46))


def test_one_unknown_id_does_not_hide_the_others():
    rows = [envelope(number, ago(hours=2)) for number in range(1, 4)]
    gone = envelope(9, NOW)["envelopeId"]
    vendor = MiniDocuSign(*rows)
    vendor.refuse = lambda asked: Answer(400, {"errorCode": "ENVELOPE_DOES_NOT_EXIST", "message": "gone"}) if (
        gone in asked.query.get("envelope_ids", "")) else None
    with serving(vendor) as server:
        records = CONNECTOR.fetch_records(session_of(server), STREAM, [*(row["envelopeId"] for row in rows), gone])
    assert [(ids([record])[0], record.operation) for record in records] == [
        (1, UPSERT), (2, UPSERT), (3, UPSERT), (9, DELETE)]


def test_a_wrong_address_deletes_nothing():
    vendor = MiniDocuSign()
    vendor.refuse = lambda asked: Answer(404, b"") if ROOT in asked.path else None
    with serving(vendor) as server, pytest.raises(NotFoundError):
        CONNECTOR.fetch_records(session_of(server), STREAM, ["a"])


def test_a_list_that_is_cut_short_deletes_nothing():
    vendor = MiniDocuSign()
    vendor.refuse = lambda asked: Answer(body={"envelopes": [envelope(1, NOW)], "totalSetSize": "2"}) if (
        ROOT in asked.path) else None
    with serving(vendor) as server, pytest.raises(PoisonError):
        CONNECTOR.fetch_records(session_of(server), STREAM, ["a", "b"])


def test_a_deleted_envelope_is_a_deletion():
    rows = [envelope(1, ago(hours=1), "deleted"), envelope(2, ago(hours=1), "Deleted", None)]
    with serving(MiniDocuSign(*rows)) as server:
        (record,), _cursor = read_run(server)
    assert (ids([record]), record.operation, record.raw) == ([1], DELETE, {})
    assert record.version


# === CONNECTION TEST === #


def test_check_tries_a_document():
    vendor = MiniDocuSign(envelope(1, ago(days=2), "completed"), envelope(2, ago(days=1)),
                          envelope(3, ago(days=1), reference=None))
    with serving(vendor) as server:
        login, stream = CONNECTOR.check(session_of(server))
        assert (login.ok, stream.ok) == (True, True)
        assert "2 of the latest 3" in stream.message
        assert "a signed document can be read" in stream.message
        vendor.documents[vendor.rows[0]["envelopeId"]] = Answer(403, {"errorCode": "X", "message": "no documents"})
        _login, stream = CONNECTOR.check(session_of(server))
        assert (stream.ok, stream.blocks) == (False, ("envelope",))
        assert "no documents" in stream.message
        vendor.rows.clear()
        assert "no document was tried" in CONNECTOR.check(session_of(server))[1].message


def test_check_tells_a_wrong_account_and_raises_an_outage():
    vendor = MiniDocuSign()
    with serving(vendor) as server:
        (line,) = CONNECTOR.check(session_of(server, {"account_id": "x"}))
        assert (line.ok, line.blocks) == (False, ())
        for part in ("/oauth/userinfo", ROOT):
            vendor.refuse = lambda asked, part=part: Answer(503) if part in asked.path else None
            with pytest.raises(TransientError):
                CONNECTOR.check(session_of(server))
