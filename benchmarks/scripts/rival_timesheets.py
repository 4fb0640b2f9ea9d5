"""Queue one timesheet job a record on the rival, 500 a transaction."""

import json
import os
from pathlib import Path

count = int(os.environ["BENCH_COUNT"])
env.cr.execute("TRUNCATE queue_job CASCADE")
env.cr.commit()
days = json.loads(Path(os.environ["BENCH_DAYS"]).read_text())[:count]
for start in range(0, count, 500):
    env["psa.bench.rival.binding"].enqueue_timesheets([json.dumps(day) for day in days[start:start + 500]])
    env.cr.commit()
