from odoo import models


class ResPartner(models.Model):
    _inherit = "res.partner"

    # Customers are matched by their tax number without blanks and signs (see ``psa.apply.party``).
    _psa_vat_idx = models.Index("((regexp_replace(upper(vat), '[^A-Z0-9]', '', 'g'))) WHERE vat IS NOT NULL")
