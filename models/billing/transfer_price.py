from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from .entry import RATE_DIGITS

METHODS = [
    ("percent", "Percent of the Customer's Rate"),
    ("fixed", "Fixed Price per Hour"),
    ("cost_plus", "Cost plus Percent"),
]


class Terms(NamedTuple):
    """A transfer price in force: its row, how it prices an hour, and when (None: open)."""

    id: int
    method: str
    percent: Decimal
    amount: Decimal
    currency_id: int | None
    date_from: date | None
    date_to: date | None

    def covers(self, day):
        return (not self.date_from or self.date_from <= day) and (not self.date_to or day <= self.date_to)


class PsaTransferPrice(models.Model):
    """What one company of the group asks another for the hours of its people, by role and date.

    Without one, people of another company cannot work on a contract: their time is held.
    """

    _name = "psa.transfer.price"
    _description = "Transfer Price"
    _order = "provider_company_id, receiver_company_id, role_id, date_from desc, id"

    # === FIELDS === #
    provider_company_id = fields.Many2one(
        "res.company", "Lends", required=True, ondelete="cascade", help="Employs the people and invoices their hours.")
    receiver_company_id = fields.Many2one(
        "res.company", "Borrows", required=True, index=True, ondelete="cascade",
        help="Holds the contract, invoices the customer and gets the bill.",
    )
    role_id = fields.Many2one("psa.role", ondelete="restrict", help="Empty: every role without a price of its own.")
    method = fields.Selection(METHODS, required=True, default="percent")
    percent = fields.Float(digits=(16, 4), help="Of the customer's rate, or on top of the person's hourly cost.")
    amount = fields.Float("Price per Hour", digits=RATE_DIGITS, aggregator=None)
    currency_id = fields.Many2one(
        "res.currency", compute="_compute_currency_id", store=True, readonly=False, precompute=True,
        ondelete="restrict", help="Of the fixed price.")
    date_from = fields.Date("From")
    date_to = fields.Date("To")

    _no_overlap = models.Constraint(
        """EXCLUDE USING gist (
            int4range(provider_company_id, provider_company_id, '[]') WITH =,
            int4range(receiver_company_id, receiver_company_id, '[]') WITH =,
            int4range(COALESCE(role_id, 0), COALESCE(role_id, 0), '[]') WITH =,
            daterange(date_from, date_to, '[]') WITH &&
        )""",
        "There is already a transfer price for these companies and this role at that time.",
    )
    _two_companies = models.Constraint(
        "CHECK (provider_company_id <> receiver_company_id)", "A company lends to another one, not to itself.")
    _dates_ordered = models.Constraint(
        "CHECK (date_to IS NULL OR date_from IS NULL OR date_to >= date_from)", "It cannot end before it starts.")
    _priced = models.Constraint(
        "CHECK ((method = 'fixed' AND amount > 0) OR (method = 'percent' AND percent > 0) "
        "OR (method = 'cost_plus' AND percent >= 0))",
        "Say the price of an hour, or the percentage.",
    )

    # === COMPUTE === #
    @api.depends("provider_company_id")
    def _compute_currency_id(self):
        for price in self:
            price.currency_id = price.currency_id or price.provider_company_id.currency_id

    @api.depends("provider_company_id", "receiver_company_id", "role_id")
    def _compute_display_name(self):
        for price in self.sudo():
            parts = f"{price.provider_company_id.name} → {price.receiver_company_id.name}", price.role_id.name
            price.display_name = ", ".join(filter(None, parts))

    @api.constrains("provider_company_id", "receiver_company_id")
    def _check_group(self):
        for price in self.sudo():
            for company in (price.provider_company_id, price.receiver_company_id):
                if not company.partner_id:
                    raise ValidationError(self.env._("%s has no contact to invoice.", company.name))

    # === CRUD: what waited for a price goes on === #
    @api.model_create_multi
    def create(self, vals_list):
        prices = super().create(vals_list)
        prices._release_held()
        return prices

    def write(self, vals):
        result = super().write(vals)
        self._release_held()
        return result

    def _release_held(self):
        """Send on the messages and entries that are held because people of another company work there."""
        exceptions = self.env["psa.exception"].sudo().search([
            ("cause_code", "=", "wrong_entity"), ("is_open", "=", True),
            ("company_id", "in", self.receiver_company_id.ids),
        ])
        if exceptions:
            self.env["psa.message"].sudo()._release_now(exceptions.mapped("subject_key"))
            self.env["psa.entry"].sudo()._reprice(exceptions.entry_ids)

    # === FINDING === #
    @api.model
    def _find(self, specs):
        """Find the transfer price of each spec; one query.

        :param specs: list of ``(provider company id, receiver company id, role id or None, day)``
        :return: list of :class:`Terms` or None, aligned
        """
        if not specs:
            return []
        self.flush_model()
        terms = defaultdict(list)
        for row in self.env.execute_query(SQL(
            """
            SELECT provider_company_id, receiver_company_id, COALESCE(role_id, 0), id, method, percent::text,
                   amount::text, currency_id, date_from, date_to
              FROM psa_transfer_price
             WHERE provider_company_id = ANY(%s) AND receiver_company_id = ANY(%s)
            """, list({spec[0] for spec in specs}), list({spec[1] for spec in specs}),
        )):
            price_id, method, percent, amount, *rest = row[3:]
            terms[row[:3]].append(Terms(price_id, method, Decimal(percent or 0), Decimal(amount or 0), *rest))
        return [
            next((
                found for key in ((provider, receiver, role or 0), (provider, receiver, 0))
                for found in terms[key] if found.covers(day)
            ), None)
            for provider, receiver, role, day in specs
        ]
