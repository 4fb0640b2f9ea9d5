"""On a neutralized copy: switch the hub's jobs on again and run each of them once."""

import json

from odoo.addons.psa_bench import vendor

jobs = env["ir.cron"].with_context(active_test=False).search([("ir_actions_server_id.model_id.model", "like", "psa.")])
jobs.active = True
env["psa.connection"].with_context(active_test=False).search([]).active = True
env["psa.stream"].with_context(active_test=False).search([]).write({"active": True, "next_pull_at": False})
env.cr.commit()
for job in jobs:
    job.method_direct_trigger()
print("BENCH", json.dumps({"calls": vendor.CALLS, "jobs": len(jobs)}))
