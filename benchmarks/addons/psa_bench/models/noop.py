import os
import time

from odoo import api, models

SLOW_SECONDS = 6


class ApplyNoop(models.AbstractModel):
    """Does nothing, so that what is measured is the queue; the record named "slow" takes its time and says so."""

    _name = "psa.apply.bench_noop"
    _inherit = "psa.apply"
    _description = "Apply an empty benchmark record"

    def _apply(self, items):
        for item in items:
            if item.values["name"] == "slow":
                self._note_attempt()
                time.sleep(SLOW_SECONDS)
            item.done()

    def _note_attempt(self):
        """Write the worker's process id in a transaction of its own, to be seen while this one is open."""
        with self.env.registry.cursor() as cr:
            api.Environment(cr, self.env.uid, {}, su=True)["psa.bench.row"].create(
                {"name": "attempt", "payload": str(os.getpid())})
