"""Failures on order, as a client sees them, and the log of what was asked."""

import http.client

import pytest
import requests
from sandbox_helpers import Client

from sandbox.server import start

QUERY = "SELECT Id FROM pse__Timecard__c ORDER BY Id"


@pytest.fixture(scope="module")
def sandbox():
    running = start(scale="tiny", minimum_batch=20)
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture
def client(sandbox):
    sandbox.faults.clear()
    return Client(sandbox)


def test_rate_limit_with_and_without_retry_after(client, sandbox):
    sandbox.faults.add("rate_limited", times=2, path="query", retry_after=7)
    for _again in range(2):
        answer = client.query(QUERY)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert client.query(QUERY).status_code == 200
    sandbox.faults.add("rate_limited")
    assert "Retry-After" not in client.query(QUERY).headers


def test_server_errors(client, sandbox):
    sandbox.faults.add("server_error")
    answer = client.query(QUERY)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (500, "UNKNOWN_EXCEPTION")
    sandbox.faults.add("maintenance")
    answer = client.query(QUERY)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    for kind, status in (("empty_406", 406), ("edge_420", 420)):
        sandbox.faults.add(kind)
        assert (client.query(QUERY).status_code, client.query(QUERY).status_code) == (status, 200)


def test_faults_match_method_path_and_turn(client, sandbox):
    sandbox.faults.add("server_error", method="post", path=r"sobjects/Account$", skip=1)
    assert client.query(QUERY).status_code == 200
    statuses = [client.call("POST", "sobjects/Account", json={"Name": "x"}).status_code for _turn in range(3)]
    assert statuses == [201, 500, 201]
    with pytest.raises(ValueError, match="unknown fault"):
        sandbox.faults.add("nonsense")


def test_hanging_and_dropped_connections(client, sandbox):
    sandbox.faults.add("hang", seconds=0.5)
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.call("GET", "limits", timeout=0.1)
    sandbox.faults.add("drop")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.query(QUERY)


def test_cut_body_and_wrong_encoding(client, sandbox):
    sandbox.faults.add("cut_body")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        client.query(QUERY)
    sandbox.faults.add("wrong_encoding")
    answer = client.query("SELECT Id, Name FROM Contact")
    assert "UTF-8" in answer.headers["Content-Type"]
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode("utf-8")


def test_lost_answer_has_written(client, sandbox):
    sandbox.faults.add("lost_answer", method="POST", path="sobjects/Account")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.call("POST", "sobjects/Account", json={"Name": "Lost and found"})
    assert len(client.records("SELECT Id FROM Account WHERE Name = 'Lost and found'")) == 1


def test_duplicate_and_reordered_rows(client, sandbox):
    ids = [record["Id"] for record in client.query(QUERY).json()["records"]]
    sandbox.faults.add("duplicate_rows")
    twice = [record["Id"] for record in client.query(QUERY).json()["records"]]
    assert twice == [id_ for id_ in ids for _twice in range(2)]
    sandbox.faults.add("reordered_page")
    assert [record["Id"] for record in client.query(QUERY).json()["records"]] == ids[::-1]


def test_endless_paging(client, sandbox):
    sandbox.faults.add("endless_paging", times=None, path="query")
    page = client.query(QUERY, batch=20).json()
    for _turn in range(12):
        assert page["done"] is False
        page = client.call("GET", page["nextRecordsUrl"]).json()
    sandbox.faults.clear()
    assert len(client.records(QUERY, batch=20)) == 80


def test_invalid_locator(client, sandbox):
    page = client.query(QUERY, batch=20).json()
    sandbox.faults.add("invalid_query_locator", path="/query/01g")
    answer = client.call("GET", page["nextRecordsUrl"])
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")
    again = client.call("GET", page["nextRecordsUrl"])
    assert again.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_locked_rows_whole_and_per_record(client, sandbox):
    sandbox.faults.add("lock_row", path="composite", records=1)
    body = {"allOrNone": False, "records": [{"attributes": {"type": "Account"}, "Name": name} for name in "ab"]}
    answer = client.call("POST", "composite/sobjects", json=body).json()
    assert [entry["success"] for entry in answer] == [False, True]
    assert answer[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    sandbox.faults.add("lock_row", path="sobjects/Account")
    answer = client.call("POST", "sobjects/Account", json={"Name": "x"})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "UNABLE_TO_LOCK_ROW")


def test_expired_token_ends_the_session_for_good(client, sandbox):
    sandbox.faults.add("expired_token", path="query")
    assert client.query(QUERY).status_code == 401
    assert client.query(QUERY).status_code == 401
    client.login()
    assert client.query(QUERY).status_code == 200


def test_revoked_grant_and_quota(client, sandbox):
    sandbox.faults.add("revoked_grant", path="oauth2/token")
    answer = client.token(grant_type="client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    for kind, message in (("quota_exceeded", "TotalRequests Limit exceeded."),
                          ("concurrency_exceeded", "ConcurrentPerOrgLongTxn Limit exceeded.")):
        sandbox.faults.add(kind)
        answer = client.query(QUERY)
        assert (answer.status_code, answer.json()[0]["message"]) == (403, message)


def test_the_control_api_orders_faults_and_shows_them(client):
    client.control("POST", "faults", kind="server_error", path="limits", times=1)
    assert client.control("GET", "faults")["faults"][0]["kind"] == "server_error"
    assert client.call("GET", "limits").status_code == 500
    assert client.control("GET", "faults")["faults"] == []
    answer = requests.post(f"{client.url}/_sandbox/faults", json={"kind": "nonsense"}, timeout=5)
    assert answer.status_code == 400
    assert "unknown fault" in answer.json()["error"]
    assert requests.get(f"{client.url}/_sandbox/nothing", timeout=5).status_code == 404


def test_the_log_tells_what_was_asked(client, sandbox):
    mark = sandbox.log()[-1]["number"]
    sandbox.faults.add("server_error")
    client.call("GET", "limits", headers={"Sforce-Call-Options": "client=odoo-test"})
    client.call("PATCH", "sobjects/Account/Odoo_Id__c/L1", json={"Name": "Logged"})
    first, second = sandbox.log(since=mark)
    assert (first["status"], first["fault"], first["client"]) == (500, "server_error", "odoo-test")
    assert (second["method"], second["status"], second["body"]) == ("PATCH", 201, '{"Name": "Logged"}')


def test_the_clock_runs_and_can_be_moved(client):
    before = client.control("GET", "clock")["now"]
    client.control("POST", "clock", seconds=3600)
    assert client.control("GET", "clock")["now"] > before
    assert requests.post(f"{client.url}/_sandbox/clock", json={"seconds": -1}, timeout=5).status_code == 400


def test_connections_are_kept_alive(client):
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=5)
    ports = set()
    for _turn in range(3):
        connection.request("GET", "/services/data/v62.0/limits", headers=dict(client.http.headers))
        assert connection.getresponse().read()
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1
