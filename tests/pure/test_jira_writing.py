import pytest
from mini_jira import CONNECTOR, MiniJira, worklog
from wire_server import Answer, serving

from connectors.base import PushItem
from connectors.errors import ConflictError, DataError, NotFoundError, TransientError

(OUTBOUND,) = CONNECTOR.outbound
NUMBER = "INV/2026/00007"


@pytest.fixture
def site():
    site = MiniJira()
    site.worklogs = {551: worklog(551), 552: worklog(552)}
    with serving(site) as server:
        site.url, site.server = server.url, server
        yield site


def item(number=551, invoiced=True, invoice_number=NUMBER, **more):
    return PushItem(f"key-{number}", "Worklog", str(number), {
        "event": "posted" if invoiced else "credited", "invoiced": invoiced, "invoice_number": invoice_number}, **more)


def push(site, *items):
    return CONNECTOR.push(site.session(), OUTBOUND, list(items))


def attributes(site, number=551):
    return {entry["key"]: entry["value"] for entry in site.worklogs[number]["attributes"]["values"]}


def test_the_whole_worklog_is_sent_with_the_number_in_its_attribute(site):
    before = site.worklogs[551]
    (result,) = push(site, item())
    assert (result.error, result.written, result.version) == (None, True, "2026-07-03T06:00:01.000Z")
    assert attributes(site) == {"_Account_": "ACC-NOVA", "_Invoiced_": NUMBER}
    after = site.worklogs[551]
    for name in ("startDate", "startTime", "timeSpentSeconds", "billableSeconds", "description", "author", "issue"):
        assert after[name] == before[name], name
    put = site.server.asked[-1]
    assert (put.method, put.path) == ("PUT", "/4/worklogs/551")
    assert "issueId" not in put.json


def test_zero_billable_seconds_are_sent_too(site):
    site.worklogs[551]["billableSeconds"] = 0
    push(site, item())
    assert site.worklogs[551]["billableSeconds"] == 0


def test_an_equal_number_is_not_written_again(site):
    push(site, item())
    (result,) = push(site, item(in_doubt=True))
    assert (result.error, result.written, site.writes) == (None, False, [551])


def test_a_lost_answer_is_found_written(site):
    def cut(asked, answer=site._answer):
        found = answer(asked)
        return Answer(raw=b"") if asked.method == "PUT" else found
    site._answer, whole = cut, site._answer
    with pytest.raises(TransientError) as caught:
        push(site, item())
    assert caught.value.maybe_done
    site._answer = whole
    (result,) = push(site, item(in_doubt=True))
    assert (result.error, result.written, site.writes) == (None, False, [551])


def test_another_number_is_a_conflict_and_stays(site):
    push(site, item(invoice_number="INV/OTHER"))
    first, second = push(site, item(), item(552))
    assert isinstance(first.error, ConflictError)
    assert (first.error.ours, first.error.theirs) == (NUMBER, "INV/OTHER")
    assert (second.error, site.writes) == (None, [551, 552])
    assert attributes(site)["_Invoiced_"] == "INV/OTHER"


def test_a_credit_takes_back_its_own_number_only(site):
    push(site, item())
    (result,) = push(site, item(invoiced=False))
    assert (result.error, attributes(site)) == (None, {"_Account_": "ACC-NOVA"})
    push(site, item(invoice_number="INV/OTHER"))
    (result,) = push(site, item(invoiced=False))
    assert (result.error, result.written, attributes(site)["_Invoiced_"]) == (None, False, "INV/OTHER")
    (result,) = push(site, item(552, invoiced=False, invoice_number=""))
    assert (result.error, result.written) == (None, False)


def test_a_period_that_is_approved_is_refused_with_what_to_do(site):
    site.overrides["PUT", "/4/worklogs/551"] = Answer(400, {"errors": [{"message": "Timesheet is approved"}]})
    first, second = push(site, item(), item(552))
    assert type(first.error) is DataError
    assert "Timesheet is approved" in str(first.error)
    assert "reopen the period" in str(first.error)
    assert second.error is None


def test_what_may_not_be_written_is_refused_for_this_record(site):
    site.overrides["PUT", "/4/worklogs/551"] = Answer(403, b"<html>Forbidden</html>")
    (result,) = push(site, item())
    assert type(result.error) is DataError


def test_a_deleted_worklog(site):
    results = push(site, item(999), item(552), PushItem("x", "Worklog", "../1", item().values))
    assert [type(result.error) for result in results] == [NotFoundError, type(None), NotFoundError]


def test_an_invoice_without_a_number(site):
    (result,) = push(site, item(invoice_number=""))
    assert isinstance(result.error, DataError)
    assert site.writes == []


def test_a_value_that_tempo_took_but_does_not_show_is_a_conflict(site):
    site.overrides["PUT", "/4/worklogs/551"] = Answer(body=worklog(551))
    (result,) = push(site, item())
    assert isinstance(result.error, ConflictError)


def test_an_outage_fails_the_call(site):
    site.overrides["PUT", "/4/worklogs/551"] = Answer(502, b"<html>")
    with pytest.raises(TransientError) as caught:
        push(site, item())
    assert caught.value.maybe_done


@pytest.mark.parametrize(("attributes", "ok"), [
    ([{"key": "_Invoiced_", "type": "INPUT_FIELD"}], True), ([{"key": "_Invoiced_", "type": "CHECKBOX"}], False),
    ([{"key": "_Other_", "type": "INPUT_FIELD"}], False)])
def test_the_work_attribute_must_exist(site, attributes, ok):
    site.attributes = attributes
    (line,) = CONNECTOR.set_up(site.session())
    assert line.ok is ok
    assert line.blocks == (() if ok else ("worklog_status",))
    assert line == CONNECTOR.check(site.session())[-1]
