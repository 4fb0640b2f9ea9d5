from odoo import api, fields, models
from odoo.tools import format_date

from .entry import QUANTITY_DIGITS
from .entry_kinds import HUSH
from .pricing import plain

# What a contract line charges by itself, without a record at a source.
CHARGE_KINDS = [("recurring", "Recurring Fee"), ("progress", "Progress"), ("retainer", "Retainer")]
CHARGED_KINDS = tuple(kind for kind, _label in CHARGE_KINDS)


class PsaCharge(models.Model):
    """What a contract line charges by itself: the fee of a period, a step of progress, the fee of a retainer.

    It is the source record of an entry, as a timesheet is for time. The database refuses two charges of one line for
    the same day. A charge is never deleted: one that no longer applies is withdrawn, and its entry with it.
    """

    _name = "psa.charge"
    _description = "Charge"
    _order = "date_from desc, id desc"
    _check_company_auto = True

    # === FIELDS === #
    order_line_id = fields.Many2one(
        "sale.order.line", "Contract Line", required=True, index=True, readonly=True, ondelete="restrict")
    order_id = fields.Many2one(
        "sale.order", "Contract", related="order_line_id.order_id", store=True, index=True, precompute=True)
    company_id = fields.Many2one(related="order_line_id.company_id", store=True, index=True, precompute=True)
    currency_id = fields.Many2one(related="order_line_id.currency_id")
    partner_id = fields.Many2one("res.partner", "Customer", related="order_id.partner_id")
    line_name = fields.Char("What", compute="_compute_line_name")
    kind = fields.Selection(CHARGE_KINDS, required=True, readonly=True)
    date_from = fields.Date("From", required=True, readonly=True)
    date_to = fields.Date("To", required=True, readonly=True)
    date_due = fields.Date(
        "To Bill From", required=True, readonly=True,
        help="Billed with work of this day: the first day of the period in advance, its last day in arrears.")
    quantity = fields.Float(digits=QUANTITY_DIGITS, readonly=True, help="In the unit of the contract line.")
    amount = fields.Monetary(readonly=True, help="Before tax, rounded once.")
    percent = fields.Float(
        digits=(7, 4), readonly=True, aggregator=None,
        help="Of the whole period; for progress: of the whole line, all steps up to this one.")
    state = fields.Selection(
        [("charged", "Charged"), ("withdrawn", "Withdrawn")], required=True, readonly=True, default="charged")
    trace = fields.Json("Why This Amount", readonly=True)
    entry_ids = fields.One2many("psa.entry", "charge_id", readonly=True)
    entry_state = fields.Selection(related="entry_ids.state", string="Entry State")
    billing_state = fields.Selection(related="entry_ids.billing_state", string="Billing")

    _no_overlap = models.Constraint(
        """EXCLUDE USING gist (
            int4range(order_line_id, order_line_id, '[]') WITH =,
            daterange(date_from, date_to, '[]') WITH &&
        ) WHERE (state = 'charged')""",
        "A day of this contract line would be charged twice.",
    )
    _dates_ordered = models.Constraint("CHECK (date_to >= date_from)", "A charge cannot end before it starts.")
    _percent_law = models.Constraint(
        "CHECK (percent IS NULL OR percent BETWEEN 0 AND 100)", "No more than 100 % can be charged.")

    @api.depends("order_line_id.name")
    def _compute_line_name(self):
        for charge in self:
            charge.line_name = (charge.order_line_id.name or "").split("\n")[0]

    @api.depends("order_line_id", "date_from", "date_to")
    def _compute_display_name(self):
        for charge in self:
            charge.display_name = charge._description_in(self.env)

    def _description_in(self, env):
        """Return what the charge is for, in the language of ``env``."""
        self.ensure_one()
        if self.kind == "progress":
            return env._(
                "Progress to %(percent)s %% on %(date)s", percent=plain(self.percent),
                date=format_date(env, self.date_to))
        if self.date_from == self.date_to:
            return format_date(env, self.date_from)
        return env._(
            "%(first)s to %(last)s", first=format_date(env, self.date_from), last=format_date(env, self.date_to))

    # === BUSINESS === #
    def _tell_billing(self):
        """Bring the entries of these charges up to date, in the caller's transaction."""
        self = self.sudo().with_context(**HUSH)
        projects = self.env["project.project"].search(
            [("psa_contract_id", "in", self.order_id.ids)], order="id desc").grouped("psa_contract_id")
        for kind, charges in self.grouped("kind").items():
            self.env["psa.entry"]._sync(kind, [charge._entry_spec(projects) for charge in charges])

    def _entry_spec(self, projects):
        self.ensure_one()
        return {
            "source": self,
            "order_id": self.order_id.id,
            "order_line_id": self.order_line_id.id,
            "project_id": projects[self.order_id][-1:].id if self.order_id in projects else None,
            "work_date": self.date_due,
            "quantity": self.quantity,
            "currency_id": self.currency_id.id,
            "fixed_amount": self.amount,
            "approved": True,
            "billable": True,
            "deleted": self.state == "withdrawn",
            "description": self.display_name,
        }

    def action_open_entry(self):
        """Show the entry of this charge, with where it was billed."""
        self.ensure_one()
        return self.entry_ids.get_formview_action()


class PsaEntry(models.Model):
    """Entries whose source is a charge."""

    _inherit = "psa.entry"

    charge_id = fields.Many2one("psa.charge", readonly=True, ondelete="restrict")

    _charge_uniq = models.UniqueIndex("(charge_id) WHERE charge_id IS NOT NULL")

    def _complete_quantity(self, row, line):
        """A charge knows its quantity and amount: nothing of them is guessed."""
        if row["kind"] not in CHARGED_KINDS:
            return super()._complete_quantity(row, line)
        if line:
            row["uom_id"] = line["line"].product_uom_id.id
        return None

    def _price_agreed(self, rows):
        """Tell in the trace how a charge came to its amount."""
        result = super()._price_agreed(rows)
        for row in rows:
            if row["kind"] in CHARGED_KINDS and row["source"].trace:
                row["trace"]["charge"] = row["source"].trace
        return result

    def _after_store(self, rows):
        """Let charges know the entries that have just been made of them."""
        result = super()._after_store(rows)
        charges = self.env["psa.charge"].browse([row["source_id"] for row in rows if row["kind"] in CHARGED_KINDS])
        charges.invalidate_recordset(["entry_ids", "entry_state", "billing_state"])
        return result

    def _follow_delivered(self):
        """Odoo's delivered quantity of charged lines is what is approved of them."""
        result = super()._follow_delivered()
        self.order_line_id.filtered(
            lambda line: line.psa_billing_method in ("recurring", "progress", "retainer", "prepaid")
        )._psa_follow_charges()
        return result


class PsaProposal(models.Model):
    """Charges that are due come before what is proposed."""

    _inherit = "psa.proposal"

    @api.model
    def _create_proposals(self, period_start, period_end, orders):
        allowed = self.env.su or self.env.user.has_group("psa_hub.group_operator")
        if allowed:
            self.env["psa.charge"].sudo()._charge_orders(orders, period_end)
        return super()._create_proposals(period_start, period_end, orders)

    def _line_name(self, line, partner):
        """Return the text of an invoice line; a charge says which period or step it is for."""
        row = line.pieces[0].row
        if row.kind not in CHARGED_KINDS:
            return super()._line_name(line, partner)
        env = self.with_context(lang=partner.lang).env
        text = row.narrative or env["psa.entry"].browse(row.entry_id).charge_id._description_in(env)
        return f"{line.order_line.with_env(env).name}\n{text}"
