import pytest
from mini_jira import CONNECTOR, MiniJira, worklog
from wire_server import Answer, serving

from connectors.base import PushItem
from connectors.errors import ConflictError, ConnectionRefusedByVendor, DataError, NotFoundError, TransientError

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


@pytest.mark.parametrize("status", [400, 403, 409, 423])
def test_what_tempo_refuses_to_change_is_marked_in_jira(site, status):
    site.overrides["PUT", "/4/worklogs/551"] = Answer(status, b"<html>Forbidden</html>")
    first, second = push(site, item(), item(552))
    assert (first.error, first.written, first.version) == (None, True, "")
    assert site.properties == {551: {"odoo_invoice": {"invoice": NUMBER}}}
    assert (second.error, site.writes, site.property_writes) == (None, [552], [("PUT", 551)])
    assert attributes(site) == {"_Account_": "ACC-NOVA"}


def test_the_key_of_the_property_is_a_setting(site):
    site.approved.add(551)
    (result,) = CONNECTOR.push(site.session(billed_property="billed/by odoo"), OUTBOUND, [item()])
    assert (result.error, site.properties) == (None, {551: {"billed/by odoo": {"invoice": NUMBER}}})


def test_an_equal_number_in_jira_is_not_written_again_anywhere(site):
    site.approved.add(551)
    push(site, item())
    site.approved.clear()  # Tempo would take it now
    (result,) = push(site, item(in_doubt=True))
    assert (result.error, result.written, site.writes, site.property_writes) == (None, False, [], [("PUT", 551)])


def test_a_number_in_tempo_is_not_written_to_jira_once_the_period_is_approved(site):
    push(site, item())
    site.approved.add(551)
    (result,) = push(site, item())
    assert (result.error, result.written, site.property_writes) == (None, False, [])


def test_a_lost_answer_of_jira_is_found_written(site):
    def cut(asked, answer=site._answer):
        found = answer(asked)
        return Answer(raw=b"") if "/properties/" in asked.path else found
    site.approved.add(551)
    site._answer, whole = cut, site._answer
    with pytest.raises(TransientError) as caught:
        push(site, item())
    assert caught.value.maybe_done
    site._answer = whole
    (result,) = push(site, item(in_doubt=True))
    assert (result.error, result.written, site.property_writes) == (None, False, [("PUT", 551)])


def test_a_lost_answer_of_tempo_does_not_make_a_second_mark(site):
    site.overrides["PUT", "/4/worklogs/551"] = Answer(raw=b"")
    with pytest.raises(TransientError):
        push(site, item())
    assert site.property_writes == []


@pytest.mark.parametrize(("value", "theirs"), [
    ({"invoice": "INV/OTHER"}, "INV/OTHER"), ("INV/OTHER", "INV/OTHER"), (["x"], "['x']")])
@pytest.mark.parametrize("approved", [True, False])
def test_another_number_in_jira_is_a_conflict_and_stays(site, value, theirs, approved):
    site.approved |= {551} if approved else set()
    site.properties[551] = {"odoo_invoice": value, "else": {"invoice": "no matter"}}
    (result,) = push(site, item())
    assert isinstance(result.error, ConflictError)
    assert (result.error.ours, result.error.theirs) == (NUMBER, theirs)
    assert (site.properties[551]["odoo_invoice"], site.writes, site.property_writes) == (value, [], [])


def test_another_number_in_tempo_is_a_conflict_also_when_jira_holds_ours(site):
    push(site, item(invoice_number="INV/OTHER"))
    site.properties[551] = {"odoo_invoice": {"invoice": NUMBER}}
    (result,) = push(site, item())
    assert isinstance(result.error, ConflictError)
    assert result.error.theirs == "INV/OTHER"


@pytest.mark.parametrize("value", [None, {}, {"invoice": ""}, {"invoice": None}, ""])
def test_an_empty_property_is_no_number(site, value):
    site.approved.add(551)
    site.properties[551] = {"odoo_invoice": value}
    (result,) = push(site, item())
    assert (result.error, site.properties[551]) == (None, {"odoo_invoice": {"invoice": NUMBER}})


def test_a_credit_takes_its_number_out_of_jira_without_reopening(site):
    site.approved.add(551)
    push(site, item())
    (result,) = push(site, item(invoiced=False, invoice_number="INV/OTHER"))
    assert (result.error, result.written) == (None, False)
    (result,) = push(site, item(invoiced=False))
    assert (result.error, result.written, site.properties) == (None, True, {551: {}})
    (result,) = push(site, item(invoiced=False, in_doubt=True))
    assert (result.error, result.written, site.writes) == (None, False, [])


def test_a_batch_may_take_a_number_back_and_give_another(site):
    site.approved.add(551)
    push(site, item())
    results = push(site, item(invoiced=False), item(invoice_number="INV/NEXT"))
    assert [(result.error, result.written) for result in results] == [(None, True)] * 2
    assert site.properties[551] == {"odoo_invoice": {"invoice": "INV/NEXT"}}


def test_a_credit_takes_its_number_out_of_both(site):
    push(site, item())
    site.properties[551] = {"odoo_invoice": {"invoice": NUMBER}}
    (result,) = push(site, item(invoiced=False))
    assert (result.error, result.written, site.properties) == (None, True, {551: {}})
    assert attributes(site) == {"_Account_": "ACC-NOVA"}


def test_a_number_that_tempo_does_not_let_go_is_refused_with_what_to_do(site):
    push(site, item())
    site.approved.add(551)
    (result,) = push(site, item(invoiced=False))
    assert type(result.error) is DataError
    assert "Timesheet is approved" in str(result.error)
    assert "reopen its period" in str(result.error)


@pytest.mark.parametrize("answer", [
    Answer(403, {"errorMessages": ["You may not edit this worklog."]}),
    Answer(401, {"code": 401, "message": "Unauthorized; scope does not match"}),
    Answer(400, {"errorMessages": ["You may not edit this worklog."]})])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_jira_lets_nobody_write_is_refused_for_this_record(site, answer, method):
    site.approved |= {551, 552}
    if method == "DELETE":
        push(site, item())
    site.overrides[method, "/rest/api/3/issue/10077/worklog/40551/properties/odoo_invoice"] = answer
    first, second = push(site, item(invoiced=method == "PUT"), item(552))
    assert type(first.error) is DataError
    assert "“Edit all worklogs”" in str(first.error)
    assert "odoo_invoice" in str(first.error)
    assert (second.error, site.properties[552]) == (None, {"odoo_invoice": {"invoice": NUMBER}})


def test_a_login_that_jira_refuses_stops_the_connection(site):
    site.approved.add(551)
    site.overrides["PUT", "/rest/api/3/issue/10077/worklog/40551/properties/odoo_invoice"] = Answer(401, {})
    with pytest.raises(ConnectionRefusedByVendor):
        push(site, item())


def test_a_worklog_that_jira_does_not_show(site):
    site.approved.add(551)
    site.overrides["POST", "/rest/api/3/worklog/list"] = Answer(body=[])
    first, second = push(site, item(), item(552))
    assert type(first.error) is DataError
    assert "access to the issue" in str(first.error)
    assert (second.error, attributes(site, 552)["_Invoiced_"]) == (None, NUMBER)


def test_without_the_attribute_the_refusal_is_not_taken_for_that_of_a_period(site):
    site.attributes = []
    site.overrides["PUT", "/4/worklogs/551"] = Answer(400, {"errors": [{"message": "Unknown attribute"}]})
    (result,) = push(site, item())
    assert type(result.error) is DataError
    assert "Unknown attribute" in str(result.error)
    assert "Make a work attribute" in str(result.error)
    assert site.property_writes == []


def test_one_deleted_worklog_does_not_hide_the_others_properties(site):
    """Whether Tempo leaves out an id that it does not know, or refuses the list, is not published."""
    def strict(asked, answer=site._answer):
        if asked.path == "/4/worklogs/tempo-to-jira" and not set(asked.json["tempoWorklogIds"]) <= {551, 552}:
            return Answer(404, {"errors": [{"message": "Worklog not found"}]})
        return answer(asked)
    site._answer = strict
    site.approved |= {551, 552}
    results = push(site, item(), item(999), item(552))
    assert [type(result.error) for result in results] == [type(None), NotFoundError, type(None)]
    assert site.property_writes == [("PUT", 551), ("PUT", 552)]


def test_nothing_is_written_while_jira_cannot_say_what_stands_there(site):
    site.overrides["POST", "/rest/api/3/worklog/list"] = Answer(400, {"errorMessages": ["no"]})
    results = push(site, item(), item(552))
    assert [type(result.error) for result in results] == [DataError] * 2
    assert site.writes == []


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
