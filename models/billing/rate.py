from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .entry import RATE_DIGITS

# From the most to the least specific: the first scope with a rate on the work date gives the price.
SCOPES = [
    ("project_person_role", "Project, person and role"),
    ("project_person", "Project and person"),
    ("project_role", "Project and role"),
    ("contract_person_role", "Contract, person and role"),
    ("contract_person", "Contract and person"),
    ("contract_role", "Contract and role"),
    ("contract_blended", "Contract, blended"),
    ("customer_person_role", "Customer, person and role"),
    ("customer_person", "Customer and person"),
    ("customer_role", "Customer and role"),
    ("company_person_role", "Company, person and role"),
    ("company_person", "Company and person"),
    ("company_role", "Company and role"),
]


class PsaRate(models.Model):
    """The price of one hour, before tax, in one scope and between two dates (both included).

    Two rates of one scope and currency never overlap in time: the database refuses it. Which scope wins is fixed
    (:data:`SCOPES`), never "the highest rate". A contract's rate for no person and no role is its blended rate: one
    price for everyone who has none of their own there.
    """

    _name = "psa.rate"
    _description = "Billing Rate"
    _order = "company_id, order_id, project_id, partner_id, employee_id, role_id, date_from desc, id"
    _check_company_auto = True

    # === FIELDS === #
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="cascade"
    )
    card_id = fields.Many2one(
        "psa.rate.card", "Rate Card", index="btree_not_null", check_company=True, ondelete="cascade"
    )
    order_id = fields.Many2one(
        "sale.order", "Contract", index="btree_not_null", check_company=True, ondelete="cascade"
    )
    project_id = fields.Many2one(
        "project.project", index="btree_not_null", ondelete="restrict",
        help="A rate for the work on this project of the contract only.",
    )
    partner_id = fields.Many2one(
        "res.partner", "Customer", index="btree_not_null", ondelete="cascade", help="A rate for all its contracts."
    )
    employee_id = fields.Many2one("hr.employee", "Person", index="btree_not_null", ondelete="restrict")
    role_id = fields.Many2one("psa.role", index="btree_not_null", ondelete="restrict", check_company=True)
    amount = fields.Float(
        "Rate per Hour", digits=RATE_DIGITS, required=True, aggregator=None, help="Before tax."
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        compute="_compute_currency_id",
        store=True,
        readonly=False,
        precompute=True,
        ondelete="restrict",
    )
    date_from = fields.Date("From", help="First work date at this rate. Empty: since ever.")
    date_to = fields.Date("To", help="Last work date at this rate. Empty: open.")
    active = fields.Boolean(
        default=True,
        help="Off: an amendment of the same day has replaced it. It prices nothing and is kept to be read.",
    )
    scope = fields.Selection(SCOPES, compute="_compute_scope", store=True, precompute=True)
    source = fields.Char(help="Where the rate comes from, for example an assignment at the source.")

    _no_overlap = models.Constraint(
        """EXCLUDE USING gist (
            int4range(company_id, company_id, '[]') WITH =,
            int4range(COALESCE(order_id, 0), COALESCE(order_id, 0), '[]') WITH =,
            int4range(COALESCE(project_id, 0), COALESCE(project_id, 0), '[]') WITH =,
            int4range(COALESCE(partner_id, 0), COALESCE(partner_id, 0), '[]') WITH =,
            int4range(COALESCE(employee_id, 0), COALESCE(employee_id, 0), '[]') WITH =,
            int4range(COALESCE(role_id, 0), COALESCE(role_id, 0), '[]') WITH =,
            int4range(currency_id, currency_id, '[]') WITH =,
            daterange(date_from, date_to, '[]') WITH &&
        ) WHERE (active IS NOT FALSE)""",
        "There is already a rate for the same contract, project, customer, person and role at that time.",
    )
    _dates_ordered = models.Constraint(
        "CHECK (date_to IS NULL OR date_from IS NULL OR date_to >= date_from)", "A rate cannot end before it starts."
    )
    _not_negative = models.Constraint("CHECK (amount >= 0)", "A rate cannot be negative.")
    _known_scope = models.Constraint(
        """CHECK (
            (order_id IS NOT NULL AND partner_id IS NULL
                AND (project_id IS NULL OR employee_id IS NOT NULL OR role_id IS NOT NULL))
            OR (order_id IS NULL AND project_id IS NULL AND (employee_id IS NOT NULL OR role_id IS NOT NULL))
        )""",
        "A rate for a project, a customer or the company names a person or a role. Only a contract can have one rate "
        "for everyone, and a project's rate names its contract.",
    )
    _card_lines = models.Constraint(
        "CHECK (card_id IS NULL OR order_id IS NULL)", "The lines of a rate card are not a contract's own rates.")

    # === COMPUTE === #
    @api.depends("order_id.currency_id", "card_id.currency_id", "company_id")
    def _compute_currency_id(self):
        for rate in self:
            rate.currency_id = (
                rate.order_id.currency_id or rate.card_id.currency_id or rate.currency_id
                or rate.company_id.currency_id
            )

    @api.depends("order_id", "project_id", "partner_id", "employee_id", "role_id")
    def _compute_scope(self):
        for rate in self:
            if rate.order_id:
                level = "project" if rate.project_id else "contract"
            else:
                level = "customer" if rate.partner_id else "company"
            who = "_".join(
                name for name, record in (("person", rate.employee_id), ("role", rate.role_id)) if record)
            scope = f"{level}_{who or 'blended'}"
            # While a form is being filled in, there may be nothing yet that a scope could be named after.
            rate.scope = scope if scope in dict(SCOPES) else False

    @api.depends("order_id", "project_id", "partner_id", "employee_id", "role_id", "amount", "currency_id")
    def _compute_display_name(self):
        for rate in self.sudo():
            parts = (
                rate.order_id.name, rate.project_id.name, rate.partner_id.name, rate.employee_id.name,
                rate.role_id.name, rate.scope == "contract_blended" and self.env._("everyone"),
                (rate.currency_id or rate.company_id.currency_id).format(rate.amount),
            )
            rate.display_name = " / ".join(part for part in parts if part)

    # === CONSTRAINTS === #
    @api.constrains("order_id", "currency_id")
    def _check_currency(self):
        for rate in self:
            if rate.order_id and rate.order_id.currency_id != rate.currency_id:
                raise ValidationError(self.env._(
                    "The rate is in %(rate)s but the contract %(contract)s is in %(currency)s.",
                    rate=rate.currency_id.name,
                    contract=rate.order_id.name,
                    currency=rate.order_id.currency_id.name,
                ))

    @api.constrains("order_id", "project_id")
    def _check_project(self):
        for rate in self.filtered("project_id"):
            if rate.project_id.sudo().psa_contract_id != rate.order_id:
                raise ValidationError(self.env._(
                    "The project “%(project)s” does not belong to the contract %(contract)s.",
                    project=rate.project_id.name, contract=rate.order_id.name,
                ))
