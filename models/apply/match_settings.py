from odoo import fields, models

_FROM = ("From this score on, 0 to 100, a customer of another system is taken for the one in Odoo without asking. "
         "100: only with the same tax number.")
_ASK = "From this score on a person is asked whether it is the same customer; below it is a new one."


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_match_from = fields.Integer("Match by Itself from", default=90, required=True, help=_FROM)
    psa_match_ask_from = fields.Integer("Ask from", default=60, required=True, help=_ASK)

    _psa_match_order = models.Constraint(
        "CHECK(0 < psa_match_ask_from AND psa_match_ask_from <= psa_match_from AND psa_match_from <= 100)",
        "Scores go from 1 to 100, and a person is asked below the score from which customers match by themselves.")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_match_from = fields.Integer(related="company_id.psa_match_from", readonly=False)
    psa_match_ask_from = fields.Integer(related="company_id.psa_match_ask_from", readonly=False)
