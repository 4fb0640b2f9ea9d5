from odoo import models


class ApplyNoop(models.AbstractModel):
    """Does nothing, so that what is measured is the queue."""

    _name = "psa.apply.bench_noop"
    _inherit = "psa.apply"
    _description = "Apply an empty benchmark record"

    def _apply(self, items):
        for item in items:
            item.done()
