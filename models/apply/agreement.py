from odoo import api, fields, models

STATES = [("sent", "Out for Signature"), ("signed", "Signed"), ("void", "Void")]


class PsaAgreement(models.Model):
    """A document that a signing system holds: the evidence that a contract or an amendment was signed.

    It is what the record at the source is bound to, so that one contract can have several. Only the source writes it.
    """

    _name = "psa.agreement"
    _description = "Signed Agreement"
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(required=True, readonly=True, help="Subject of the document.")
    reference = fields.Char(readonly=True, help="What the source says is signed.")
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="restrict")
    connection_id = fields.Many2one(
        "psa.connection", required=True, readonly=True, index=True, ondelete="restrict")
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, readonly=True, index=True, ondelete="restrict")
    amendment_id = fields.Many2one(
        "psa.amendment", readonly=True, index="btree_not_null", ondelete="restrict",
        help="Empty: the contract itself is signed.")
    partner_id = fields.Many2one(related="order_id.partner_id", string="Customer")
    state = fields.Selection(STATES, required=True, readonly=True, default="sent")
    status = fields.Char("Status at the Source", readonly=True)
    signed_at = fields.Datetime("Signed", readonly=True)
    signer_name = fields.Char("Signer", readonly=True)
    signer_email = fields.Char("Signer's E-mail", readonly=True)
    void_reason = fields.Char("Why Void", readonly=True)
    attachment_ids = fields.Many2many("ir.attachment", string="Documents", readonly=True)

    @api.model
    def _link(self, exception, subject):
        """Return a new agreement for the record at the source that a person has linked to ``subject``.

        :param exception: ``psa.exception`` of cause ``unknown_agreement``
        :param subject: ``sale.order`` or ``psa.amendment``
        """
        connection, _object_type, external_id = exception._external_record()
        return self.sudo().create({
            "name": external_id,
            "connection_id": connection.id,
            **self._subject_values(subject),
        })

    @api.model
    def _subject_values(self, subject):
        """Return the fields that say what is signed."""
        is_amendment = subject._name == "psa.amendment"
        return {
            "order_id": subject.order_id.id if is_amendment else subject.id,
            "amendment_id": subject.id if is_amendment else False,
            "company_id": subject.company_id.id,
        }

    def _subject(self):
        """Return what is signed."""
        self.ensure_one()
        return self.amendment_id or self.order_id

    def _signed_on(self):
        """Return the day of the signature where the company is."""
        self.ensure_one()
        zone = self.company_id.partner_id.tz or "UTC"
        moment = self.signed_at or fields.Datetime.now()
        return fields.Datetime.context_timestamp(self.with_context(tz=zone), moment).date()

    # === WHAT WAITS FOR ITS CONTRACT === #
    @api.model
    def _take_turn(self, items):
        """Let nobody else look for a contract of the items' companies while one is made, and the other way round."""
        self.env["psa.apply.turn"]._take({f"agreements:{item.connection.company_id.id}" for item in items})

    @api.model
    def _release_unknown(self, companies):
        """Contracts of ``companies`` were made: let the agreements look again that belonged to nothing."""
        exceptions = self.env["psa.exception"].sudo().search([
            ("cause_code", "=", "unknown_agreement"), ("is_open", "=", True), ("company_id", "in", companies.ids)])
        self.env["psa.message"].sudo()._release_now(exceptions.mapped("subject_key"))


class SaleOrder(models.Model):
    """The agreements of a contract, and whether it still waits for one."""

    _inherit = "sale.order"

    psa_agreement_ids = fields.One2many("psa.agreement", "order_id", "Agreements", readonly=True)
    psa_agreement_count = fields.Integer("Signed Agreements", compute="_compute_psa_agreement_count")
    psa_awaits_signature = fields.Boolean("Waits for Signature", compute="_compute_psa_awaits_signature")

    @api.depends("psa_agreement_ids")
    def _compute_psa_agreement_count(self):
        counts = dict(self.env["psa.agreement"].sudo()._read_group(
            [("order_id", "in", self.ids)], ["order_id"], ["__count"]))
        for order in self:
            order.psa_agreement_count = counts.get(order._origin, 0)

    @api.depends("psa_start", "state")
    def _compute_psa_awaits_signature(self):
        for order in self:
            order.psa_awaits_signature = bool(order.psa_start) and order.state in ("draft", "sent")

    def action_psa_agreements(self):
        """Show the agreements of this contract."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Agreements of %s", self.name),
            "res_model": "psa.agreement",
            "view_mode": "list,kanban,form",
            "domain": [("order_id", "=", self.id)],
        }


class ResPartner(models.Model):
    """A customer that is completed lets go the signed contracts that waited for it."""

    _inherit = "res.partner"

    #: What an account needs before a signed contract starts.
    _PSA_ACCOUNT_FIELDS = {"vat", "country_id", "street", "city", "active"}

    def write(self, vals):
        result = super().write(vals)
        if self._PSA_ACCOUNT_FIELDS & set(vals):
            self.env["psa.message"].sudo()._release_now([f"account:{partner.id}" for partner in self])
        return result

    def _psa_missing_account(self, fiscal_position):
        """Return what keeps a signed contract under ``fiscal_position`` from starting, as clauses for a sentence.

        Whoever is taxed as abroad needs the address that the invoice has to prove it with.
        """
        self.ensure_one()
        missing = []
        if not self.active:
            missing.append(self.env._("it is archived"))
        if not self.country_id:
            missing.append(self.env._("it has no country"))
        if fiscal_position and not (self.street and self.city):
            missing.append(self.env._("it has no complete address (street and city)"))
        if fiscal_position.vat_required and not self.vat:
            missing.append(self.env._("it has no tax number"))
        return missing


class PsaException(models.Model):
    """An agreement is linked to what it signs."""

    _inherit = "psa.exception"

    def _link_to(self, record):
        """EXTENDS desk: a contract or an amendment stands for the agreement that is made for it."""
        if self.cause_code == "unknown_agreement":
            record = self.env["psa.agreement"]._link(self, record)
        return super()._link_to(record)
