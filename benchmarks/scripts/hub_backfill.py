"""One worker reads and applies a long history; its resident memory is looked at on the way."""

import json
import os
import time

records, first = int(os.environ["BENCH_RECORDS"]), int(os.environ["BENCH_FIRST"])
connection = env["psa.connection"].search([("connector_code", "=", "bench")])
connection.settings = {**(connection.settings or {}), "records": str(records)}
connection.backfill_backlog_limit = 2000
stream = connection.stream_ids.filtered(lambda item: item.code == "noop" and item.direction == "in")
stream.action_backfill()
env.cr.commit()


def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


began, done, base, peak = time.perf_counter(), 0, None, 0
while stream.backfill_state == "running" or env["psa.lane"]._due_connections("transaction"):
    if stream.backfill_state == "running":
        stream._backfill(seconds=1)
    done += env["psa.lane"]._drain("transaction", stand_by=0)
    env.cr.commit()
    env.invalidate_all()
    if done >= first and base is None:
        base = resident_mb()
    if base is not None:
        peak = max(peak, resident_mb())
finished = env["psa.message"].search_count([("object_type", "=", "Noop"), ("state", "=", "done")])
assert finished == records, finished
print("BENCH", json.dumps({"growth_mb": peak - base, "rate": records / (time.perf_counter() - began)}))
