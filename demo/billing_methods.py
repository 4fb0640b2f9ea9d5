"""Run by `./dev demo` inside `odoo shell`: the second firm, a contract for every billing method and every hold."""

from odoo.addons.psa_hub.demo import money

firm = money.build(env)
env.cr.commit()
money.bill(env, firm, env.cr.commit)
env.cr.commit()
