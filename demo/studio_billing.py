"""Run by `./dev demo` inside `odoo shell`: the studio's quarter, by the people who bill it in real life."""

from odoo.addons.psa_hub.demo import acts
from odoo.addons.psa_hub.sandbox.studio import COMPANY, PERIOD

company = env["res.company"].search([("name", "=", COMPANY)])
start, end = (day.isoformat() for day in PERIOD)
acts.propose(env, {"start": start, "end": end}, company)
env.cr.commit()
acts.approve_and_post(env, end, env.cr.commit, company)
env.cr.commit()
