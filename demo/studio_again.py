"""Run by `./dev demo` inside `odoo shell`: the studio's systems are read again now instead of at their next time."""

from odoo.addons.psa_hub.sandbox.studio import COMPANY

env["psa.connection"].search([("company_id.name", "=", COMPANY)]).action_pull_now()
env.cr.commit()
