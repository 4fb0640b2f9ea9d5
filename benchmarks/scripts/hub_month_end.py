"""500 contracts with approved time, entered by SQL; then the billing of the month, timed."""

import json
import os
import resource
import time
from datetime import date

from odoo.fields import Command

contracts, entries = int(os.environ["BENCH_CONTRACTS"]), int(os.environ["BENCH_ENTRIES"])
company = env.company
if not env["account.journal"].search([("type", "=", "sale"), ("company_id", "=", company.id)]):
    env["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
env = env(context={**env.context, "tracking_disable": True, "mail_create_nolog": True, "mail_notrack": True})
roles = env["psa.role"].create([{"name": name, "company_id": company.id} for name in ("Consultant", "Architect")])
employees = env["hr.employee"].create([{"name": f"Person {number}", "company_id": company.id} for number in range(40)])
partners = env["res.partner"].create([
    {"name": f"Customer {number}", "is_company": True} for number in range(contracts)])
product = env.ref("psa_hub.product_time").product_variant_id
orders = env["sale.order"].create([
    {
        "partner_id": partner.id,
        "company_id": company.id,
        "psa_contract": True,
        "order_line": [Command.create({
            "product_id": product.id, "name": "Services", "product_uom_qty": 1000,
            "price_unit": 120.0, "technical_price_unit": 0.0,
            "tax_ids": [Command.set(company.account_sale_tax_id.ids)],
            "psa_billing_method": "time_material",
        })],
    }
    for partner in partners
])
orders.with_context(disable_project_task_generation=True).action_confirm()
projects = env["project.project"].create([
    {"name": order.name, "company_id": company.id, "allow_billable": True, "psa_contract_id": order.id}
    for order in orders
])
env.flush_all()

# The work itself: a timesheet and its entry each, hours in quarters, two rates.
hour = env.ref("uom.product_uom_hour")
rows = {
    "orders": orders.ids, "lines": orders.order_line.ids, "partners": partners.ids, "employees": employees.ids,
    "roles": roles.ids, "company": company.id, "currency": company.currency_id.id, "hour": hour.id,
    "projects": projects.ids, "contracts": contracts, "entries": entries,
}
env.cr.execute("""
    WITH work AS (
        SELECT number, number %% %(contracts)s + 1 AS contract, number / %(contracts)s AS turn,
               (1 + number %% 31) / 4.0 AS hours, 100 + 20 * ((number / %(contracts)s) %% 2) AS rate
          FROM generate_series(0, %(entries)s - 1) AS number
    ), timesheet AS (
        INSERT INTO account_analytic_line
               (name, date, amount, unit_amount, company_id, currency_id, employee_id, project_id, so_line,
                product_uom_id, ref)
        SELECT 'Work item ' || number, date '2026-05-01' + turn::int %% 28, -hours * 60, hours, %(company)s,
               %(currency)s, (%(employees)s::int[])[number %% 40 + 1], (%(projects)s::int[])[contract],
               (%(lines)s::int[])[contract], %(hour)s, number
          FROM work
     RETURNING id, ref::int AS number, date
    )
    INSERT INTO psa_entry
           (company_id, order_id, order_line_id, project_id, partner_id, kind, work_date, employee_id, role_id,
            description, source_quantity, gross_quantity, quantity, uom_id, rate, gross_amount, amount, currency_id,
            state, approved_at, billing_state, allocated_quantity, allocated_amount, status_sequence,
            analytic_line_id, source_currency_id)
    SELECT %(company)s, (%(orders)s::int[])[contract], (%(lines)s::int[])[contract], (%(projects)s::int[])[contract],
           (%(partners)s::int[])[contract], 'time', timesheet.date, (%(employees)s::int[])[number %% 40 + 1],
           (%(roles)s::int[])[turn %% 2 + 1], 'Work item ' || number, hours, hours, hours, %(hour)s, rate,
           hours * rate, hours * rate, %(currency)s, 'approved', now(), 'to_bill', 0, 0, 0, timesheet.id, %(currency)s
      FROM work JOIN timesheet USING (number)
""", rows)
env.cr.commit()
env.cr.execute("ANALYZE")
env.cr.commit()


def user(login, group):
    return env["res.users"].with_context(no_reset_password=True).create({
        "name": login, "login": login, "company_id": company.id, "company_ids": [Command.set(company.ids)],
        "group_ids": [Command.link(env.ref(name).id) for name in (group, "account.group_account_invoice")],
    })


preparer, approver = user("preparer", "psa_hub.group_operator"), user("approver", "psa_hub.group_approver")
env.cr.commit()
env.invalidate_all()

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seconds = {}
began = time.perf_counter()


def lap(name):
    env.cr.commit()
    env.invalidate_all()
    seconds[name] = time.perf_counter() - began - sum(seconds.values())


context = {"allowed_company_ids": company.ids}
proposals = env["psa.proposal"].with_user(preparer).with_context(**context)._create_proposals(
    date(2026, 5, 1), date(2026, 5, 31), orders)
lap("propose")
proposals.action_submit()
lap("submit")
proposals.with_user(approver).action_approve()
lap("approve")

total = time.perf_counter() - began
assert len(proposals) == contracts, len(proposals)
assert set(proposals.mapped("state")) == {"approved"}
billed = env["psa.entry"].search_count([("billing_state", "=", "billed")])
assert billed == entries, billed
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("BENCH", json.dumps({"seconds": total, "growth_mb": (after - before) / 1024, "laps": seconds}))
