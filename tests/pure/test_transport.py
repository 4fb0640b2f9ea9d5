import json
import logging
import socket
import threading
import time
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from wire_server import Answer, serving

from connectors import address, jsontext
from connectors.errors import ConnectorError, PoisonError, TransientError, UnsafeUrlError
from connectors.transport import Transport, parse_retry_after, redact


def get(handler, **options):
    with serving(handler) as server:
        return Transport(allow_private=True, **options).request("GET", server.url + "/x")


# --- addresses ---


@pytest.mark.parametrize("url", [
    "http://example.com/", "ftp://example.com/", "https://user:secret@example.com/", "https:///path",
])
def test_form_of_an_address_is_checked_before_anything_is_sent(url):
    with pytest.raises(UnsafeUrlError):
        Transport().request("GET", url)


@pytest.mark.parametrize("host", [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[::]", "[::1]",
    "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "224.0.0.1", "localhost",
])
def test_addresses_that_are_not_public_are_refused(host):
    with pytest.raises(UnsafeUrlError):
        Transport(connect_timeout=1).request("GET", f"https://{host}:9/")


@pytest.mark.parametrize("text", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "100.100.100.200",
                                  "168.63.129.16", "fd00:ec2::254"])
def test_metadata_services_are_refused_even_for_a_sandbox(text):
    assert address.refusal(text, allow_private=True)


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_pass(text):
    assert not address.refusal(text, allow_private=False)


def test_a_name_that_changes_its_mind_gains_nothing(monkeypatch):
    """DNS rebinding: the first answer is public, every later one private. The connection goes to the checked one."""
    answers, connected = iter([["93.184.216.34"]]), []

    def resolver(host, port, *args, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in next(answers, ["127.0.0.1"])]

    def connect(self, sockaddr):
        connected.append(sockaddr[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(TransientError):
        Transport().request("GET", "https://rebind.example/")
    with pytest.raises(UnsafeUrlError):
        Transport().request("GET", "https://rebind.example/")
    assert connected == ["93.184.216.34"]


def test_one_private_answer_among_public_ones_refuses_the_name(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **kwargs: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("93.184.216.34", "10.0.0.1")])
    with pytest.raises(UnsafeUrlError):
        Transport().request("GET", "https://mixed.example/")


def test_redirects_to_another_host_are_refused():
    with pytest.raises(UnsafeUrlError, match="elsewhere"):
        get(lambda asked: Answer(302, headers={"Location": "http://elsewhere.example/"}))


def test_redirects_on_the_same_host_are_followed_for_reads_only():
    def handler(asked):
        return Answer(307, headers={"Location": "/y"}) if asked.path == "/x" else Answer(body={"at": asked.path})

    assert get(handler).json() == {"at": "/y"}
    with serving(handler) as server, pytest.raises(UnsafeUrlError):
        Transport(allow_private=True).request("POST", server.url + "/x")


def test_endless_redirects_end():
    with pytest.raises(UnsafeUrlError, match="circle"):
        get(lambda asked: Answer(302, headers={"Location": "/x"}))


# --- failures of the network ---


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_connection_leaves_no_doubt():
    with pytest.raises(TransientError) as caught:
        Transport(allow_private=True).request("POST", f"http://127.0.0.1:{closed_port()}/")
    assert caught.value.maybe_done is False


@pytest.mark.parametrize(("method", "doubt"), [("GET", False), ("POST", True), ("PATCH", True)])
def test_a_lost_answer_leaves_doubt_after_a_write(method, doubt):
    with serving(lambda asked: Answer(raw=b"")) as server, pytest.raises(TransientError) as caught:
        Transport(allow_private=True).request(method, server.url)
    assert caught.value.maybe_done is doubt


def test_a_late_answer_leaves_doubt_after_a_write():
    gate = threading.Event()

    def slow(asked):
        gate.wait(5)
        return Answer()

    with serving(slow) as server:
        with pytest.raises(TransientError) as caught:
            Transport(allow_private=True, read_timeout=0.2).request("POST", server.url)
        gate.set()
    assert caught.value.code == "read_timeout"
    assert caught.value.maybe_done


def test_a_body_that_drips_for_ever_is_given_up():
    def drip(connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            for _number in range(200):
                connection.sendall(b"x" * 10)
                time.sleep(0.05)
        except OSError:
            connection.close()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: drip(listener.accept()[0]), daemon=True).start()
    started = time.monotonic()
    with pytest.raises(TransientError) as caught:
        Transport(allow_private=True, read_timeout=5, total_timeout=0.5).request(
            "GET", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    listener.close()
    assert caught.value.code == "slow_body"
    assert time.monotonic() - started < 4


def test_a_cut_body_is_noticed_by_its_length():
    with pytest.raises(TransientError, match="cut off"):
        get(lambda asked: Answer(body={"a": 1}, cut=3))


def test_a_cut_chunked_body_is_noticed():
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with pytest.raises(TransientError, match="cut off"):
        get(lambda asked: Answer(raw=raw))


@pytest.mark.parametrize("body", [b'{"a": [1, 2', b'{"a": "bro', b"["])
def test_json_that_ends_too_early_is_a_cut_body(body):
    raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    with pytest.raises(TransientError, match="cut off"):
        get(lambda asked: Answer(raw=raw)).json()


@pytest.mark.parametrize("body", [b"", b"  ", b"<html>maintenance</html>", b"not json", b'{"a": 1} trailing {', b"NaN",
                                  '{"name": "Müller"}'.encode("latin-1")])
def test_what_is_not_json_is_poison(body):
    with pytest.raises(PoisonError):
        get(lambda asked: Answer(body=body)).json()


def test_an_answer_beyond_the_limit_is_not_read_to_its_end():
    with pytest.raises(PoisonError, match="larger"):
        get(lambda asked: Answer(body=b"x" * 300_000), max_bytes=100_000)


def test_a_compressed_bomb_counts_unpacked():
    import gzip

    packed = gzip.compress(b"0" * 5_000_000)
    with pytest.raises(PoisonError, match="larger"):
        get(lambda asked: Answer(body=packed, headers={"Content-Encoding": "gzip"}), max_bytes=1_000_000)


def test_a_compressed_body_of_right_length_is_whole():
    import gzip

    packed = gzip.compress(json.dumps({"a": "x" * 1000}).encode())
    assert get(lambda asked: Answer(body=packed, headers={"Content-Encoding": "gzip"})).json()["a"] == "x" * 1000


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_outages_can_be_raised_with_the_wait_that_was_asked(status):
    response = get(lambda asked: Answer(status, headers={"Retry-After": "7"}))
    with pytest.raises(TransientError) as caught:
        response.raise_for_outage()
    assert caught.value.retry_after == 7


# --- numbers, waits, secrets ---


def test_amounts_keep_every_digit_in_both_directions():
    text = '{"a":0.1,"b":12345678901234567.89,"c":1E+3,"d":7,"e":"0.10"}'
    value = jsontext.loads(text)
    assert value["b"] == Decimal("12345678901234567.89")
    assert isinstance(value["d"], int)
    assert jsontext.dumps(value) == text
    assert jsontext.dumps({"x": Decimal("2.50"), "é": None}) == '{"x":2.50,"é":null}'
    with pytest.raises(TypeError):
        jsontext.dumps({"x": Decimal("NaN")})
    with pytest.raises(ValueError, match="NaN"):
        jsontext.loads('{"x": NaN}')


def test_json_bodies_carry_decimals():
    with serving(lambda asked: Answer(body=asked.json)) as server:
        sent = Transport(allow_private=True).request("POST", server.url, json={"amount": Decimal("10.10")})
    assert sent.json() == {"amount": Decimal("10.1")}


@pytest.mark.parametrize(("value", "seconds"), [
    ("120", 120), ("0.5", 0.5), ("Sun, 22 Nov 2026 05:00:30 GMT", 30), ("Sun, 22 Nov 2026 04:00:00 GMT", 0),
    ("soon", None), ("", None), (None, None),
])
def test_retry_after(value, seconds):
    now = datetime(2026, 11, 22, 5, 0, 0, tzinfo=timezone.utc)
    assert parse_retry_after(value, now) == seconds


@pytest.mark.parametrize("text", [
    "Authorization: Bearer 00Dxx!AQ8TOPSECRET", '{"access_token":"TOPSECRET","id":1}',
    "grant_type=x&client_secret=TOPSECRET&b=1", "assertion=TOPSECRET", '"refresh_token": "TOPSECRET"',
    "session_id=TOPSECRET",
])
def test_secrets_are_redacted(text):
    assert "TOPSECRET" not in redact(text)
    assert "***" in redact(text)


def test_the_log_knows_neither_header_query_nor_body(caplog):
    with caplog.at_level(logging.DEBUG, logger="connectors"), serving(lambda asked: Answer(body={"t": "IN"})) as server:
        Transport(allow_private=True).request(
            "POST", server.url + "/path", params={"q": "INQUERY"}, json={"secret": "INBODY"},
            headers={"Authorization": "Bearer INHEADER"})
    text = caplog.text
    assert "/path" in text
    assert "200" in text
    for word in ("INQUERY", "INBODY", "INHEADER", "\"IN\""):
        assert word not in text


# --- hooks ---


def test_hooks_see_each_exchange_and_may_refuse_it():
    seen = []

    def refuse(method, host):
        raise TransientError("no budget", retry_after=3)

    with serving(lambda asked: Answer(503)) as server:
        Transport(allow_private=True, after_call=seen.append).request("GET", server.url + "/a?secret=1")
        assert (seen[0].method, seen[0].path, seen[0].status) == ("GET", "/a", 503)
        with pytest.raises(TransientError, match="no budget"):
            Transport(allow_private=True, before_call=refuse).request("GET", server.url)
        assert len(server.asked) == 1


def test_failed_exchanges_reach_the_hook_too():
    seen = []
    with pytest.raises(ConnectorError):
        Transport(allow_private=True, after_call=seen.append).request("GET", f"http://127.0.0.1:{closed_port()}/")
    assert seen[0].status is None
    assert isinstance(seen[0].error, TransientError)


def test_proxies_and_netrc_of_the_machine_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert get(lambda asked: Answer(body={})).status == 200
