"""Run by `./dev demo` inside `odoo shell`: the billing run of the quarter, by three people as in real life.

Finance prepares the proposals, the approver approves them, finance posts the draft invoices.
"""

import os

from odoo import fields

start = fields.Date.to_date(os.environ["PSA_DEMO_START"])
end = fields.Date.to_date(os.environ["PSA_DEMO_END"])


def as_user(login):
    user = env["res.users"].search([("login", "=", login)])
    return env(user=user.id, context={"allowed_company_ids": user.company_ids.ids})


finance, approver = as_user("finance"), as_user("approver")
run = finance["psa.billing.run"].create({
    "period_start": start, "period_end": end, "company_ids": finance.user.company_ids.ids,
})
proposals = finance["psa.proposal"].search(run.action_run()["domain"])
proposals.action_submit()
proposals.with_env(approver).action_approve()
env.cr.commit()
proposals.invalidate_recordset()
proposals.move_id.action_post()
env.cr.commit()
