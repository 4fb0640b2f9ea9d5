from odoo import fields, models


class PsaProposal(models.Model):
    """The tabs of a proposal's page: its lines by decision."""

    _inherit = "psa.proposal"

    in_line_ids = fields.One2many(
        "psa.proposal.line", "proposal_id", "Billed Now", domain=[("decision", "=", "in")])
    held_line_ids = fields.One2many(
        "psa.proposal.line", "proposal_id", "Held Lines", domain=[("decision", "=", "held")])
    carried_line_ids = fields.One2many(
        "psa.proposal.line", "proposal_id", "Carried Lines", domain=[("decision", "=", "carried")])
    excluded_line_ids = fields.One2many(
        "psa.proposal.line", "proposal_id", "Excluded Lines", domain=[("decision", "=", "excluded")])
