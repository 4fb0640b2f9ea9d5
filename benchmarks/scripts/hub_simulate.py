"""A version of the time map that changes every record, simulated on what was received and applied before."""

import json
import os
import time

from odoo.addons.psa_bench.days import day
from odoo.addons.psa_hub.connectors.base import RawRecord

count = int(os.environ["BENCH_COUNT"])
contracts, people = int(os.environ["BENCH_CONTRACTS"]), int(os.environ["BENCH_PEOPLE"])
connection = env["psa.connection"].search([("connector_code", "=", "bench")])
stream = connection.stream_ids.filtered(lambda item: item.code == "time" and item.direction == "in")
for first in range(0, count, 500):
    env["psa.message"]._receive(stream, [
        RawRecord("Time", item["id"], "1", item)
        for item in (day(number, contracts, people) for number in range(first, min(first + 500, count)))], "pull")
    env.cr.commit()
env["psa.lane"]._drain("transaction", stand_by=0)
draft = stream.mapping_id.copy()
draft.line_ids.filtered(lambda line: line.canonical_field == "hours").write({"path": "", "constant": "3.25"})
env.cr.commit()
run = env["psa.mapping.simulation"].create({"mapping_id": draft.id, "message_limit": count})
before = env["psa.entry"]._read_group([], [], ["amount:sum", "__count"])
began = time.perf_counter()
run.action_run()
env.flush_all()
seconds = time.perf_counter() - began
assert env["psa.entry"]._read_group([], [], ["amount:sum", "__count"]) == before
assert run.record_count == count, run.record_count
assert run.changed_count > 0.9 * count, run.changed_count
assert not run.stopped_count, run.problems
assert run.line_ids, "no contract would change"
print("BENCH", json.dumps({"seconds": seconds, "changed": run.changed_count}))
