"""Run by `./dev demo` inside `odoo shell`: the billing run of the quarter, by the people who do it in real life."""

import os

from odoo.addons.psa_hub.demo import acts

acts.propose(env, {"start": os.environ["PSA_DEMO_START"], "end": os.environ["PSA_DEMO_END"]})
env.cr.commit()
acts.approve_and_post(env, os.environ["PSA_DEMO_END"], env.cr.commit)
env.cr.commit()
