"""The same delivery from many concurrent transactions."""

import json
import os
import threading

from psycopg2.errors import SerializationFailure

from odoo import api
from odoo.addons.psa_hub.connectors.base import RawRecord

count = int(os.environ["BENCH_TRANSACTIONS"])
connection = env["psa.connection"].search([("connector_code", "=", "bench")])
stream_id = connection.stream_ids.filtered(lambda item: item.code == "noop" and item.direction == "in").id
env.cr.commit()
barrier = threading.Barrier(count)
ended = []


def deliver():
    """One sender. A transaction that meets the row of another one is repeated, as Odoo does with every request."""
    waited = False
    while True:
        try:
            with env.registry.cursor() as cr:
                own = api.Environment(cr, env.uid, {}, su=True)
                stream = own["psa.stream"].browse(stream_id)
                stream.connection_id  # noqa: B018  the snapshot is taken before the others commit
                if not waited:
                    waited = True
                    barrier.wait(60)
                own["psa.message"]._receive(stream, [RawRecord("Noop", "race", "1", {"name": "race"})], "webhook")
            ended.append(True)
            return
        except SerializationFailure:
            continue


threads = [threading.Thread(target=deliver) for _number in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
rows = env["psa.message"].search_count([("external_id", "=", "race")])
print("BENCH", json.dumps({"rows": rows, "transactions": len(ended)}))
