import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .proposal import OPEN_STATES

# What lines are put together by; each is a column of the plan's rows (see proposal_plan.py).
PARTS = [
    ("project", "Project"),
    ("purchase_order", "Order Number"),
    ("month", "Month"),
    ("person", "Person"),
    ("role", "Role"),
    ("line", "Contract Line"),
    ("task", "Task"),
]
PLACEHOLDERS = (
    "contract", "line", "project", "purchase_order", "month", "person", "role", "task", "first_day", "last_day",
    "quantity", "unit", "rate", "narrative", "description",
)
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


def render(template, values):
    """Put ``values`` into the ``{placeholders}`` of ``template``, in one pass: what is put in is never looked at again.

    Lines that come out empty are left out, and so are separators that stand at an end or twice in a row.

    :param template: text; anything that is not a known placeholder stays as it is
    :param values: ``{placeholder: text}``
    """
    text = _PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), template)
    lines = []
    for line in text.splitlines():
        line = re.sub(r"([,;·|/-])(\s*[,;·|/-])+(?=\s|$)", r"\1", line)
        if line := line.strip().strip(",;·|").strip():
            lines.append(line)
    return "\n".join(lines)


class PsaInvoiceLayout(models.Model):
    """How the invoices of a customer or contract look: what lines are put together by, in which words, what becomes of
    lines that are worth nothing or less.

    The contract's own comes first, then the customer's, then the company's; without any, time is put together by role.
    """

    _name = "psa.invoice.layout"
    _description = "Invoice Layout"
    _order = "name, id"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index=True, help="Empty: for every company.")
    part_ids = fields.One2many("psa.invoice.layout.part", "layout_id", "Put Together By", copy=True)
    show_sections = fields.Boolean(
        "Sections", help="What comes first in the grouping becomes a heading on the invoice.")
    text = fields.Text(
        "Line Text",
        translate=True,
        help="Words of a line of time, with placeholders such as {line}, {project}, {person}, {month} or {narrative}. "
        "Empty: contract line, role or person, and the days.",
    )
    consolidate = fields.Selection(
        [("contract", "One per Contract"), ("customer", "One per Customer")],
        "Invoices",
        required=True,
        default="contract",
        help="One per customer: contracts that are approved together, in one currency, on the same terms, share an "
        "invoice. Needs a company that rounds taxes per line: only then are the totals of the contracts its total.",
    )
    zero_lines = fields.Selection(
        [("keep", "Show at Zero"), ("drop", "Leave Off"), ("carry", "Carry Forward")],
        "Worth Nothing",
        required=True,
        default="keep",
        help="Work at a rate of zero, or written down to nothing.",
    )
    negative_lines = fields.Selection(
        [("net", "Deduct on the Invoice"), ("credit_note", "On a Credit Note of Their Own")],
        "Corrections",
        required=True,
        default="net",
        help="Negative hours and amounts.",
    )

    # === CONSTRAINTS === #
    @api.constrains("text")
    def _check_text(self):
        for layout in self:
            unknown = set(_PLACEHOLDER.findall(layout.text or "")) - set(PLACEHOLDERS)
            if unknown:
                raise ValidationError(self.env._(
                    "There is nothing to put in for {%(unknown)s}. Known are: %(known)s.",
                    unknown="}, {".join(sorted(unknown)), known=", ".join(f"{{{name}}}" for name in PLACEHOLDERS)))

    # === CRUD === #
    def write(self, vals):
        result = super().write(vals)
        self._outdate_proposals()
        return result

    def _outdate_proposals(self):
        """Tell open proposals that use these that the invoice will look different."""
        proposals = self.env["psa.proposal"].sudo().search([
            ("state", "in", OPEN_STATES), ("needs_refresh", "=", False)])
        changed = proposals.filtered(lambda proposal: proposal.order_id._psa_layout() in self)
        changed.needs_refresh = True


class PsaInvoiceLayoutPart(models.Model):
    _name = "psa.invoice.layout.part"
    _description = "Invoice Layout Grouping"
    _order = "layout_id, sequence, id"

    layout_id = fields.Many2one("psa.invoice.layout", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="layout_id.company_id", store=True, index=True, precompute=True)
    sequence = fields.Integer(default=10)
    by = fields.Selection(PARTS, required=True)

    _by_once = models.Constraint("UNIQUE (layout_id, by)", "Lines are put together by each thing once.")

    @api.depends("by")
    def _compute_display_name(self):
        labels = dict(self._fields["by"]._description_selection(self.env))
        for part in self:
            part.display_name = labels.get(part.by, "")

    @api.model_create_multi
    def create(self, vals_list):
        parts = super().create(vals_list)
        parts.layout_id._outdate_proposals()
        return parts

    def write(self, vals):
        result = super().write(vals)
        self.layout_id._outdate_proposals()
        return result

    def unlink(self):
        layouts = self.layout_id
        result = super().unlink()
        layouts._outdate_proposals()
        return result
