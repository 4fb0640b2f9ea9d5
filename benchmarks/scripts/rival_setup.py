"""Projects and employees for the rival, bound to the external ids of the benchmark's timecards."""

import json
import os
from pathlib import Path

days = json.loads(Path(os.environ["BENCH_DAYS"]).read_text())
projects = sorted({day["project"] for day in days})
people = sorted({day["resource"] for day in days})
Binding = env["psa.bench.rival.binding"]
made = env["project.project"].create([{"name": name, "allow_timesheets": True} for name in projects])
staff = env["hr.employee"].create([{"name": name} for name in people])
Binding.create([
    {"external_id": key, "res_model": record._name, "res_id": record.id}
    for keys, records in ((projects, made), (people, staff)) for key, record in zip(keys, records, strict=True)
])
env.cr.commit()
