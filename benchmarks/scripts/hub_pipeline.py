"""One process: the bare bulk create() of timesheets and the whole pipeline, side by side and interleaved."""

import json
import os
import time

from odoo.addons.psa_bench.days import day
from odoo.addons.psa_hub.connectors.base import RawRecord

count = int(os.environ["BENCH_COUNT"])
contracts, people = int(os.environ["BENCH_CONTRACTS"]), int(os.environ["BENCH_PEOPLE"])
rounds = int(os.environ["BENCH_ROUNDS"])
connection = env["psa.connection"].search([("connector_code", "=", "bench")])
stream = connection.stream_ids.filtered(lambda item: item.code == "time" and item.direction == "in")
bindings = {(item.object_type, item.external_id): item.res_id for item in env["psa.binding"].search([])}
user = connection.user_id


def bulk(days):
    """The rival: nothing but create() in batches of 500, committed like the pipeline's."""
    Line = env["account.analytic.line"].with_user(user).sudo().with_context(
        tracking_disable=True, mail_create_nolog=True, mail_notrack=True)
    began = time.perf_counter()
    for first in range(0, len(days), 500):
        Line.create([{
            "name": item["description"], "project_id": bindings["Project", item["project"]],
            "employee_id": bindings["Resource", item["resource"]], "date": item["work_date"],
            "unit_amount": float(item["hours"]),
        } for item in days[first:first + 500]])
        env.cr.commit()
        env.invalidate_all()
    return len(days) / (time.perf_counter() - began)


def pipeline(days):
    began = time.perf_counter()
    for first in range(0, len(days), 500):
        env["psa.message"]._receive(
            stream, [RawRecord("Time", item["id"], "1", item) for item in days[first:first + 500]], "pull")
        env.cr.commit()
    env["psa.lane"]._drain("transaction", stand_by=0)
    return len(days) / (time.perf_counter() - began)


rates = {"bulk": [], "pipeline": []}
size = count // rounds
for number in range(rounds):
    days = [day(index, contracts, people) for index in range(number * size, (number + 1) * size)]
    pair = [("bulk", bulk), ("pipeline", pipeline)]
    for name, run in pair if number % 2 else reversed(pair):
        rates[name].append(run(days))
states = env["psa.message"]._read_group([("object_type", "=", "Time")], ["state"], ["__count"])
entries = env["psa.entry"].search_count([("kind", "=", "time")])
assert entries == size * rounds, (entries, states)
print("BENCH", json.dumps(rates))
