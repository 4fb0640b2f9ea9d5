"""Queue empty jobs on the rival, 500 a transaction."""

import os

count = int(os.environ["BENCH_COUNT"])
env.cr.execute("TRUNCATE queue_job CASCADE")
env.cr.commit()
for start in range(0, count, 500):
    env["psa.bench.rival.binding"].enqueue_noops(min(500, count - start))
    env.cr.commit()
