"""Connection, value maps and master data of the benchmark firm in the hub."""

import os

from odoo.addons.psa_bench.vendor import firm

contracts, people = int(os.environ["BENCH_CONTRACTS"]), int(os.environ["BENCH_PEOPLE"])
company = env.company
if not env["account.journal"].search([("type", "=", "sale"), ("company_id", "=", company.id)]):
    env["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
connection = env["psa.connection"].create({
    "name": "Benchmark", "connector_code": "bench", "environment": "sandbox", "company_id": company.id,
    "webhook_backlog_limit": 10_000_000, "backfill_backlog_limit": 10_000_000, "webhook_max_bytes": 64 * 1024 * 1024,
})
connection._set_credentials({"key": "bench", "webhook_secret": "bench-secret"})
connection.sudo().state = "connected"
env["psa.value.map"].create([
    {"domain": "company", "source_value": "ONE", "target_ref": f"res.company,{company.id}"},
    {"domain": "payment_term", "source_value": "now",
     "target_ref": f"account.payment.term,{env.ref('account.account_payment_term_immediate').id}"},
    {"domain": "tax_profile", "source_value": "plain", "target_code": "domestic"},
    {"domain": "project_template", "source_value": "none", "target_code": "none"},
])
env["ir.cron"].search([("id", "not in", env["ir.cron"].search([("cron_name", "ilike", "psa")]).ids)]).active = False
env.cr.commit()
streams = {stream.code: stream for stream in connection.stream_ids if stream.direction == "in"}
for code, records in firm(contracts, people).items():
    env["psa.message"]._receive(streams[code], records, "pull")
    env.cr.commit()
    env["psa.lane"]._drain("master", stand_by=0)
env.cr.commit()
left = env["psa.message"].search([("state", "not in", ("done", "skipped"))])
assert not left, left.mapped(lambda m: (m.object_type, m.external_id, m.state, m.error))
print("BENCH", '{"master": %d}' % env["psa.message"].search_count([]))
