"""Run by `./dev demo` inside `odoo shell`: set up the firm and let the connection read for the first time."""

import json
import os
import urllib.request

from odoo.addons.psa_hub.demo import firm

url = os.environ["PSA_DEMO_SANDBOX"]


def control(name):
    with urllib.request.urlopen(f"{url}/_sandbox/{name}", timeout=60) as answer:
        return json.load(answer)


connection = firm.set_up(env, url, control("credentials"), control("manifest"))
env.cr.commit()  # the check works in a transaction of its own
connection.action_check()
if connection.state != "connected":
    raise SystemExit(f"The connection is {connection.state}: {connection.breaker_reason}")
connection.action_pull_now()
env.cr.commit()
