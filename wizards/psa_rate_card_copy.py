from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.billing.pricing import decimal_of, round_amount


class PsaRateCardCopy(models.TransientModel):
    """Copies a rate card with a percentage uplift and a new validity: last year's prices become next year's."""

    _name = "psa.rate.card.copy"
    _description = "Copy a Rate Card"

    card_id = fields.Many2one("psa.rate.card", required=True, ondelete="cascade")
    name = fields.Char("New Card", required=True, compute="_compute_defaults", store=True, readonly=False,
        precompute=True)
    date_from = fields.Date("From", required=True, compute="_compute_defaults", store=True, readonly=False,
        precompute=True)
    date_to = fields.Date("To", compute="_compute_defaults", store=True, readonly=False,
        precompute=True)
    uplift = fields.Float("Uplift (%)", digits=(16, 4), help="Negative lowers the rates.")
    round_to = fields.Float(
        digits=(16, 4), required=True, default=0.01,
        help="Each new rate is rounded, half up, to a multiple of this: 0.01, 0.5, 1, 5 ...",
    )
    end_old = fields.Boolean(
        "End the Old Card", default=True,
        help="The old card ends the day before the new one begins, if it would last longer.",
    )

    _round_positive = models.Constraint("CHECK (round_to > 0)", "Rates are rounded to something above zero.")

    @api.depends("card_id")
    def _compute_defaults(self):
        """Propose the period that follows the old card's, as long as that was."""
        for wizard in self:
            card = wizard.card_id
            start = (
                card.date_to + relativedelta(days=1) if card.date_to
                else fields.Date.context_today(self) + relativedelta(years=1, month=1, day=1)
            )
            wizard.date_from = start
            wizard.date_to = (
                start + relativedelta(years=1, days=-1) if card.date_to else False)
            old_year = str((card.date_from or card.date_to or start).year)
            name = card.name or ""
            wizard.name = (
                name.replace(old_year, str(start.year)) if old_year in name and old_year != str(start.year)
                else f"{name} {start.year}".strip()
            )

    def action_copy(self):
        """Make the new card, in one transaction with the end of the old one, and show it.

        :raise UserError: when the old card has no rate to copy, or does not begin before the new one
        """
        self.ensure_one()
        self.card_id.check_access("write")
        self.env["psa.rate"].check_access("create")
        # All at once, then priced again: in between, work would seem to have no rate.
        card = self.card_id.sudo().with_context(psa_keep_prices=True)
        rates = card.rate_ids.filtered(lambda rate: rate.date_to == card.date_to or not rate.date_to)
        if not rates:
            raise UserError(self.env._("“%s” has no rate to copy.", card.name))
        last_day = self.date_from - relativedelta(days=1)
        priced, values = rates._priced_entries(), [self._new_rate(rate) for rate in rates]
        before = card.date_to
        if self.end_old and (not card.date_to or card.date_to > last_day):
            if card.date_from and card.date_from > last_day:
                raise UserError(self.env._("The new card must begin after “%s” has begun.", card.name))
            card.date_to = last_day
            # The database looks at overlaps at once.
            rates.flush_model()
        new = card.create({
            "name": self.name,
            "company_id": card.company_id.id,
            "partner_id": card.partner_id.id,
            "currency_id": card.currency_id.id,
            "date_from": self.date_from,
            "date_to": self.date_to,
        })
        created = rates.create([{**line, "card_id": new.id} for line in values])
        self.env["psa.entry"].sudo()._reprice(priced | created._priced_entries())
        self.env["psa.audit"]._log([{
            "event": "rate_card.copied",
            "res_model": new._name,
            "res_id": new.id,
            "company_id": new.company_id.id,
            "before": {"card": card.name, "date_to": before and before.isoformat()},
            "after": {"card": new.name, "uplift": self.uplift, "rates": len(created)},
        }])
        return new.with_env(self.env).get_formview_action()

    def _new_rate(self, rate):
        """Return the values of the new line: the old rate with the uplift, rounded once."""
        raised = decimal_of(rate.amount) * (100 + decimal_of(self.uplift)) / 100
        return {
            "employee_id": rate.employee_id.id,
            "role_id": rate.role_id.id,
            "amount": float(round_amount(raised, _Step(self.round_to))),
            "date_from": self.date_from,
            "date_to": self.date_to,
            "source": self.env._("%(card)s %(uplift)+g %%", card=rate.card_id.name, uplift=self.uplift),
        }


class _Step:
    """What :func:`round_amount` rounds to."""

    def __init__(self, rounding):
        self.rounding = rounding
