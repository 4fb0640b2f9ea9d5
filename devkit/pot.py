"""`./dev pot`: the translation template, written anew from the sources."""

from .database import addon_template, clone_data, fresh_copy
from .paths import REPO, log_folder
from .postgres import server
from .run_odoo import OdooRun
from .say import say, step

SCRIPT = REPO / "devkit/export_pot.py"
TEMPLATE = REPO / "i18n/psa_hub.pot"


def pot():
    """Write `i18n/psa_hub.pot` as Odoo exports it; return the exit code."""
    running = server()
    run = OdooRun(running, fresh_copy(running, "pot", addon_template(running)), "pot", clone_data())
    with step("exporting the texts to translate"):
        run.run_script(SCRIPT, log=log_folder() / "pot.log", advice="The texts could not be exported.",
                       variables={"PSA_POT": str(TEMPLATE)})
    say(f"the template is in {TEMPLATE.relative_to(REPO)}")
    return 0
