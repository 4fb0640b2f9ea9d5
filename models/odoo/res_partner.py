from odoo import api, fields, models

from ..apply.party_match import domain_of, name_key


class ResPartner(models.Model):
    _inherit = "res.partner"

    psa_match_key = fields.Char(
        "Name for Matching", compute="_compute_psa_match", store=True, index="btree_not_null",
        help="A company's name without case, accents, blanks and legal form, by which other systems' customers are "
             "recognised.")
    psa_match_domain = fields.Char(
        "Domain for Matching", compute="_compute_psa_match", store=True, index="btree_not_null",
        help="A company's web domain, by which other systems' customers are recognised.")

    # Customers are matched by their tax number without blanks and signs (see ``psa.apply.party``).
    _psa_vat_idx = models.Index("((regexp_replace(upper(vat), '[^A-Z0-9]', '', 'g'))) WHERE vat IS NOT NULL")

    @api.depends("is_company", "name", "website", "email")
    def _compute_psa_match(self):
        for partner in self:
            partner.psa_match_key = partner.is_company and name_key(partner.name)
            partner.psa_match_domain = partner.is_company and domain_of(partner.website, partner.email)
