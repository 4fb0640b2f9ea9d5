"""Run inside `odoo shell`: export the add-on's texts as a translation template."""

import os

from odoo.tools.translate import trans_export

with open(os.environ["PSA_POT"], "wb") as template:
    trans_export(False, ["psa_hub"], template, "po", env)
