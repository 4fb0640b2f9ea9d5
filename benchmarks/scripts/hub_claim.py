"""Time the claim of a batch, rolled back each time, in a small and in a large queue."""

import json
import statistics
import time

connection = env["psa.connection"].search([("connector_code", "=", "bench")])
stream = connection.stream_ids.filtered(lambda item: item.code == "noop" and item.direction == "in")
columns = ("connection_id, stream_id, company_id, direction, lane, dedupe_key, object_type, external_id, operation, "
           "origin, payload, state, attempt_count, received_at, create_uid, create_date, write_uid, write_date")


def fill(first, last):
    env.cr.execute(f"""
        INSERT INTO psa_message ({columns})
        SELECT %s, %s, %s, 'in', 'transaction', 'k' || number, 'Noop', 'n' || number, 'upsert', 'pull',
               '{{"name": "n"}}', 'pending', 0, now(), 1, now(), 1, now()
          FROM generate_series(%s, %s) number
    """, [connection.id, stream.id, connection.company_id.id, first, last])
    env.cr.commit()
    # What the server does by itself some time after so many rows came: not while the claim is timed.
    env.cr._cnx.autocommit = True
    env.cr.execute("VACUUM ANALYZE psa_message")
    env.cr._cnx.autocommit = False


def measure(times=60):
    taken = []
    for _number in range(times):
        began = time.perf_counter()
        rows = env["psa.lane"]._claim("transaction", connection.id, 500)
        taken.append(time.perf_counter() - began)
        assert len(rows) == 500
        env.cr.rollback()
    return statistics.median(taken[10:])


env["psa.message"].search([]).flush_recordset()
fill(1, 1000)
small = measure()
fill(1001, 1_000_000)
large = measure()
print("BENCH", json.dumps({"small": small, "large": large}))
