from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

STATES = [
    ("draft", "Draft"),
    ("to_sign", "To Sign"),
    ("in_force", "In Force"),
    ("superseded", "Superseded"),
    ("refused", "Refused"),
]
# Written by whoever has the signed paper, also once the text is final.
SIGNATURE_FIELDS = {"signed_on", "signed_by", "document", "document_name"}
_SOCIAL_FIELDS = {"message_follower_ids", "activity_ids", "message_main_attachment_id", "message_ids"}


class PsaAmendment(models.Model):
    """A change order: one dated version of a contract.

    Draft -> to sign -> in force, or refused. What it says (:class:`~.amendment_change.PsaAmendmentChange` and the
    fields of the customer's order, the end date and the clause) changes the contract the moment it comes into force,
    in one transaction; from then on it is evidence and never edited. Work is priced by the version in force on its
    work date. Who wrote or edited it does not put it in force.
    """

    _name = "psa.amendment"
    _description = "Contract Amendment"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "order_id, number desc"
    _check_company_auto = True
    _rec_names_search = ["name", "order_id.name"]

    # === FIELDS === #
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, check_company=True, ondelete="restrict",
        domain="[('psa_contract', '=', True), ('state', '=', 'sale')]", tracking=True,
    )
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True, precompute=True)
    partner_id = fields.Many2one(
        related="order_id.partner_id", string="Customer", store=True, index="btree_not_null", precompute=True)
    currency_id = fields.Many2one(related="order_id.currency_id")
    number = fields.Integer(readonly=True, copy=False, aggregator=None, help="Version of the contract: 1, 2, 3 ...")
    name = fields.Char("Subject", required=True, tracking=True)
    state = fields.Selection(STATES, required=True, readonly=True, default="draft", tracking=True, index=True)
    date_effective = fields.Date(
        "In Force From", required=True, tracking=True, default=fields.Date.context_today,
        help="First work date under this version. A day in the past is allowed: what is billed already is then "
        "corrected by difference lines.",
    )
    replaces_id = fields.Many2one(
        "psa.amendment", copy=False, index="btree_not_null", ondelete="restrict",
        domain="[('order_id', '=', order_id), ('id', '!=', id), ('state', 'in', ('draft', 'to_sign', 'in_force'))]",
        help="An earlier amendment that is superseded once this one comes into force.",
    )
    note = fields.Text("Why", help="What led to the change; internal.")

    # What it says.
    change_ids = fields.One2many("psa.amendment.change", "amendment_id", "Changes", copy=True)
    rate_change_ids = fields.One2many(
        "psa.amendment.change", "amendment_id", "Rates", domain=[("kind", "=", "rate")],
        context={"default_kind": "rate"}, copy=False)
    line_change_ids = fields.One2many(
        "psa.amendment.change", "amendment_id", "Contract Lines", domain=[("kind", "=", "line")],
        context={"default_kind": "line"}, copy=False)
    cap_change_ids = fields.One2many(
        "psa.amendment.change", "amendment_id", "Caps", domain=[("kind", "=", "cap")], context={"default_kind": "cap"},
        copy=False)
    purchase_order = fields.Char("New Order Number", help="Empty: unchanged.")
    purchase_order_amount = fields.Monetary("New Order Amount", help="The customer's order as a whole. 0: unchanged.")
    purchase_order_expiry = fields.Date("New Order Expiry", help="Empty: unchanged.")
    date_end = fields.Date("New Contract End", help="Empty: unchanged.")
    clause = fields.Char(help="Where the change is written down, for example “Change order 2, section 1”.")
    terms = fields.Text("Wording", help="The agreed text, as the customer signs it.")

    # Signature and approval.
    signed_on = fields.Date(copy=False, tracking=True)
    signed_by = fields.Char(copy=False, tracking=True, help="Who signed for the customer.")
    document = fields.Binary("Signed Document", copy=False, attachment=True)
    document_name = fields.Char(copy=False)
    evidence = fields.Selection(related="company_id.psa_amendment_evidence", string="Needs")
    editor_ids = fields.Many2many(
        "res.users", string="Edited By", readonly=True, copy=False, help="Wrote or edited it, so may not approve it.")
    approved_by = fields.Many2one("res.users", readonly=True, copy=False, tracking=True, ondelete="restrict")
    in_force_at = fields.Datetime("Put in Force At", readonly=True, copy=False)
    applied_at = fields.Datetime(
        "Terms Applied At", readonly=True, copy=False,
        help="When lines, caps, the customer's order and the end date followed: at once, or on the effective day.",
    )
    refused_reason = fields.Char(readonly=True, copy=False, tracking=True)
    before = fields.Json("Terms Before", readonly=True, copy=False)

    # What it came to.
    rate_ids = fields.One2many("psa.rate", "amendment_id", "Rates Made", readonly=True)
    difference_ids = fields.One2many("psa.entry", "amendment_id", "Differences", readonly=True)
    difference_amount = fields.Monetary(
        "Differences Proposed", compute="_compute_difference_amount",
        help="What its difference lines bill (or credit), before tax.",
    )
    difference_count = fields.Integer("Difference Lines", compute="_compute_difference_amount")

    _number_uniq = models.UniqueIndex(
        "(order_id, number) WHERE number > 0",
        "Another amendment of this contract was numbered at the same moment: try again.",
    )
    _in_force_law = models.Constraint(
        """CHECK (
            state NOT IN ('in_force') OR (in_force_at IS NOT NULL AND approved_by IS NOT NULL)
        )""",
        "An amendment in force has been approved.",
    )
    _replaces_another = models.Constraint("CHECK (replaces_id <> id)", "An amendment cannot replace itself.")

    # === COMPUTE === #
    @api.depends("order_id.name", "number", "name")
    def _compute_display_name(self):
        for amendment in self:
            amendment.display_name = self.env._(
                "%(contract)s / %(number)s %(name)s",
                contract=amendment.sudo().order_id.name or "", number=amendment.number or "",
                name=amendment.name or "",
            )

    @api.depends("difference_ids")
    def _compute_difference_amount(self):
        sums = {
            amendment: (amount, count)
            for amendment, amount, count in self.env["psa.entry"].sudo()._read_group(
                [("amendment_id", "in", self.ids), ("state", "!=", "withdrawn")],
                ["amendment_id"], ["amount:sum", "__count"],
            )
        }
        for amendment in self:
            amendment.difference_amount, amendment.difference_count = sums.get(amendment._origin, (0.0, 0))

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        amendments = super().create([{**vals, "number": 0} for vals in vals_list])
        amendments = amendments.sudo()
        latest = dict(self.sudo()._read_group(
            [("order_id", "in", amendments.order_id.ids)], ["order_id"], ["number:max"]))
        for amendment in amendments:
            latest[amendment.order_id] = number = (latest.get(amendment.order_id) or 0) + 1
            amendment.write({"number": number, "editor_ids": [fields.Command.link(self.env.uid)]})
        return amendments.with_env(self.env)

    def write(self, vals):
        """Users write drafts, and the signature until it is in force; the rest changes through the buttons."""
        changed = set(vals) - _SOCIAL_FIELDS
        if self.env.su or not changed:
            return super().write(vals)
        if {"state", "number", "approved_by", "in_force_at", "applied_at", "before", "editor_ids"} & changed:
            raise AccessError(self.env._("Amendments change their state through their buttons only."))
        allowed = ("draft", "to_sign") if changed <= SIGNATURE_FIELDS else ("draft",)
        self._require_states(allowed)
        if changed - SIGNATURE_FIELDS:
            self._note_editor()
        return super().write(vals)

    def _note_editor(self):
        self.sudo().write({"editor_ids": [fields.Command.link(self.env.uid)]})

    @api.ondelete(at_uninstall=False)
    def _unlink_except_evidence(self):
        if any(amendment.state not in ("draft", "refused") for amendment in self):
            raise UserError(self.env._("An amendment that was sent for signature is kept: it explains prices."))

    def copy_data(self, default=None):
        return [
            {**vals, "name": self.env._("%s (copy)", amendment.name)}
            for amendment, vals in zip(self, super().copy_data(default=default), strict=True)
        ]

    # === TOOLS === #
    def _require_states(self, states):
        labels = dict(self._fields["state"]._description_selection(self.env))
        for amendment in self:
            if amendment.state not in states:
                raise UserError(self.env._(
                    "%(amendment)s is %(state)s and stays as it is. Agree on another amendment instead.",
                    amendment=amendment.display_name, state=labels[amendment.state],
                ))

    def _refuse_to_apply(self, reason):
        """Say why this cannot come into force; nothing of it has happened then."""
        self.ensure_one()
        raise UserError(self.env._(
            "%(amendment)s cannot come into force: %(reason)s", amendment=self.display_name, reason=reason))

    def _been_in_force(self):
        """Return those that price work, or did before another one took over."""
        return self.filtered("in_force_at")

    def _version_on(self, day):
        """Return which of these is the version in force on ``day`` (empty: the contract as signed first)."""
        in_force = self._been_in_force().filtered(lambda amendment: amendment.date_effective <= day)
        return in_force.sorted(lambda amendment: (amendment.date_effective, amendment.number))[-1:]

    def action_open(self):
        """Show this amendment on a page of its own."""
        self.ensure_one()
        return self.get_formview_action()

    def action_show_differences(self):
        """Show the difference lines that this amendment proposes."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Differences of %s", self.display_name),
            "res_model": "psa.entry",
            "view_mode": "list,kanban,form,pivot",
            "domain": [("amendment_id", "=", self.id)],
        }
