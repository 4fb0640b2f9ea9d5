"""Child process of the benchmarks: several keep-alive clients post to a route for a while, routes in turn.

Standard input: JSON with ``url``, ``routes`` ({name: {path, secret, events}}), ``clients``, ``seconds``, ``rounds``.
Standard output: JSON {name: [requests a second of each round]}. Every answer must be 2xx.
"""

import hashlib
import hmac
import http.client
import itertools
import json
import sys
import threading
import time
from urllib.parse import urlsplit

NUMBERS = itertools.count(1)


def body(route):
    if not route.get("events"):
        return json.dumps({"name": f"row {next(NUMBERS)}", "text": "x" * 120}).encode()
    return json.dumps([
        {"id": f"w{next(NUMBERS)}-{time.time_ns()}", "version": "1", "name": "x" * 80} for _ in range(route["events"])
    ]).encode()


def client(host, route, stop, counts, failures):
    connection = http.client.HTTPConnection(host, timeout=60)
    count = 0
    while time.monotonic() < stop:
        content = body(route)
        headers = {"Content-Type": "application/json"}
        if route.get("secret"):
            headers["X-Signature"] = hmac.new(route["secret"].encode(), content, hashlib.sha256).hexdigest()
        connection.request("POST", route["path"], content, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status // 100 != 2:
            failures.append(f"{route['path']}: {answer.status}")
            break
        count += 1
    connection.close()
    counts.append(count)


def measure(host, route, clients, seconds):
    counts, failures = [], []
    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(host, route, began + seconds, counts, failures))
               for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit("; ".join(failures[:3]))
    return sum(counts) / (time.monotonic() - began)


def main():
    request = json.load(sys.stdin)
    host = urlsplit(request["url"]).netloc
    rates = {name: [] for name in request["routes"]}
    for route in request["routes"].values():
        measure(host, route, request["clients"], 1)  # warm up
    for number in range(request["rounds"]):
        names = list(request["routes"])
        for name in names if number % 2 else reversed(names):
            rates[name].append(measure(host, request["routes"][name], request["clients"], request["seconds"]))
    json.dump(rates, sys.stdout)


if __name__ == "__main__":
    main()
