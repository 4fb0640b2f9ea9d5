from odoo import api, fields, models
from odoo.exceptions import ValidationError

_SHARED = ("company_id", "partner_id", "currency_id")


class PsaRateCard(models.Model):
    """A named list of rates that hold together: the firm's prices of a year, or those agreed with one customer.

    Its lines are ordinary rates (:class:`~.rate.PsaRate`) of the company or of the customer. They have the card's
    company, customer and currency and stay within its dates; the rule that no two rates of one scope overlap in time
    counts across all cards.
    """

    _name = "psa.rate.card"
    _description = "Rate Card"
    _inherit = ["mail.thread"]
    _order = "company_id, date_from desc, name, id"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char(required=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="cascade")
    partner_id = fields.Many2one(
        "res.partner", "Customer", index="btree_not_null", ondelete="restrict", tracking=True,
        help="Empty: the company's prices for every customer.",
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, default=lambda self: self.env.company.currency_id, ondelete="restrict")
    date_from = fields.Date("From", tracking=True, help="First work date at these rates. Empty: since ever.")
    date_to = fields.Date("To", tracking=True, help="Last work date at these rates. Empty: open.")
    rate_ids = fields.One2many("psa.rate", "card_id", "Rates")
    rate_count = fields.Integer("Rate Lines", compute="_compute_rate_count")
    state = fields.Selection(
        [("coming", "Coming"), ("in_force", "In Force"), ("over", "Over")],
        compute="_compute_state",
        search="_search_state",
    )
    note = fields.Text("Notes")

    _dates_ordered = models.Constraint(
        "CHECK (date_to IS NULL OR date_from IS NULL OR date_to >= date_from)",
        "A rate card cannot end before it starts.",
    )

    # === COMPUTE === #
    @api.depends("rate_ids")
    def _compute_rate_count(self):
        counts = dict(self.env["psa.rate"]._read_group([("card_id", "in", self.ids)], ["card_id"], ["__count"]))
        for card in self:
            card.rate_count = counts.get(card._origin, 0)

    @api.depends("date_from", "date_to")
    @api.depends_context("tz")
    def _compute_state(self):
        today = fields.Date.context_today(self)
        for card in self:
            if card.date_from and card.date_from > today:
                card.state = "coming"
            else:
                card.state = "over" if card.date_to and card.date_to < today else "in_force"

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        today = fields.Date.context_today(self)
        domains = {
            "coming": fields.Domain("date_from", ">", today),
            "over": fields.Domain("date_to", "<", today),
            "in_force": (
                (fields.Domain("date_from", "=", False) | fields.Domain("date_from", "<=", today))
                & (fields.Domain("date_to", "=", False) | fields.Domain("date_to", ">=", today))
            ),
        }
        return fields.Domain.OR(domains[state] for state in value if state in domains)

    # === CRUD === #
    def write(self, vals):
        """Let the lines follow: customer and currency always, dates where a line had the card's own."""
        before = {card: (card.date_from, card.date_to) for card in self}
        result = super().write(vals)
        shared = {name: vals[name] for name in _SHARED if name in vals}
        if shared:
            self.rate_ids.write(shared)
        for card, (date_from, date_to) in before.items():
            moved = card.rate_ids.filtered(lambda rate, start=date_from: rate.date_from == start)
            if "date_from" in vals and card.date_from != date_from and moved:
                moved.write({"date_from": card.date_from})
            moved = card.rate_ids.filtered(lambda rate, end=date_to: rate.date_to == end)
            if "date_to" in vals and card.date_to != date_to and moved:
                moved.write({"date_to": card.date_to})
        if {"date_from", "date_to"} & set(vals):
            self.rate_ids._check_card()
        return result

    # === ACTIONS === #
    def action_copy_card(self):
        """Open the dialog that makes next year's card of this one."""
        self.ensure_one()
        self.check_access("write")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Copy with Uplift"),
            "res_model": "psa.rate.card.copy",
            "view_mode": "form",
            "target": "new",
            "context": {"default_card_id": self.id},
        }


class PsaRate(models.Model):
    """Lines of a rate card."""

    _inherit = "psa.rate"

    @api.model_create_multi
    def create(self, vals_list):
        """Complete a card's lines from their card: company, customer, currency, and its dates unless they have own."""
        cards = self.env["psa.rate.card"].browse({values.get("card_id") for values in vals_list} - {None, False})
        by_id = {card.id: card for card in cards}
        for values in vals_list:
            if card := by_id.get(values.get("card_id")):
                values.update({name: card[name].id for name in _SHARED})
                for name in ("date_from", "date_to"):
                    values[name] = values.get(name) or card[name]
        return super().create(vals_list)

    @api.constrains("card_id", "company_id", "partner_id", "currency_id", "date_from", "date_to")
    def _check_card(self):
        for rate in self.filtered("card_id"):
            card = rate.card_id
            if any(rate[name] != card[name] for name in _SHARED):
                raise ValidationError(self.env._(
                    "%(rate)s is not for the customer and currency of its card “%(card)s”.",
                    rate=rate.display_name, card=card.name,
                ))
            early = card.date_from and (not rate.date_from or rate.date_from < card.date_from)
            late = card.date_to and (not rate.date_to or rate.date_to > card.date_to)
            if early or late:
                raise ValidationError(self.env._(
                    "%(rate)s reaches beyond the dates of its card “%(card)s”.",
                    rate=rate.display_name, card=card.name,
                ))
