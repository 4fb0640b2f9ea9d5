"""Put messages into the hub's queue: empty ones, or approved timecard days."""

import json
import os
import time

from odoo.addons.psa_bench.days import day
from odoo.addons.psa_hub.connectors.base import RawRecord

kind, count = os.environ["BENCH_KIND"], int(os.environ["BENCH_COUNT"])
start = int(os.environ.get("BENCH_START", "0"))
contracts, people = int(os.environ.get("BENCH_CONTRACTS", "1")), int(os.environ.get("BENCH_PEOPLE", "1"))
connection = env["psa.connection"].search([("connector_code", "=", "bench")])
if "BENCH_BATCH" in os.environ:
    connection.batch_size = int(os.environ["BENCH_BATCH"])
stream = connection.stream_ids.filtered(lambda item: item.code == kind and item.direction == "in")
began = time.perf_counter()
for first in range(start, start + count, 500):
    numbers = range(first, min(first + 500, start + count))
    if kind == "noop":
        records = [RawRecord("Noop", f"n{number}", "", {"name": f"n{number}"}) for number in numbers]
    else:
        records = [RawRecord("Time", f"t{number}", "1", day(number, contracts, people)) for number in numbers]
    env["psa.message"]._receive(stream, records, "pull")
    env.cr.commit()
print("BENCH", json.dumps({"seconds": time.perf_counter() - began}))
