from odoo import Command, api, fields, models
from odoo.exceptions import UserError

_SHOWN = 20


class PsaPaymentChoose(models.TransientModel):
    """Asks a person which invoice a payment pays that does not say so itself, and lets it go on."""

    _name = "psa.payment.choose"
    _description = "Invoice of a Payment"

    exception_id = fields.Many2one("psa.exception", required=True, readonly=True)
    sentence = fields.Char(related="exception_id.name")
    amount = fields.Monetary(related="exception_id.amount")
    currency_id = fields.Many2one(related="exception_id.currency_id")
    company_id = fields.Many2one(related="exception_id.company_id")
    move_id = fields.Many2one(
        "account.move", "Another Invoice",
        domain="[('move_type', '=', 'out_invoice'), ('state', '=', 'posted'), ('company_id', '=', company_id)]")
    line_ids = fields.One2many(
        "psa.payment.choose.line", "choose_id", compute="_compute_line_ids", store=True, readonly=False)

    @api.depends("exception_id")
    def _compute_line_ids(self):
        """The open invoices of the company whose open amount is closest to the payment's."""
        for choose in self:
            amount = choose.exception_id.amount
            invoices = self.env["account.move"].search([
                ("move_type", "=", "out_invoice"), ("state", "=", "posted"),
                ("company_id", "=", choose.exception_id.company_id.id),
                ("payment_state", "in", ("not_paid", "partial")),
            ]).sorted(lambda move, amount=amount: (abs(move.amount_residual_signed - amount), -move.id))
            choose.line_ids = [Command.clear(), *(
                Command.create({"move_id": move.id}) for move in invoices[:_SHOWN])]

    def action_choose(self):
        """Take the other invoice.

        :raise UserError: none is chosen
        """
        self.ensure_one()
        if not self.move_id:
            raise UserError(self.env._("Choose the invoice that the money is for."))
        return self._take(self.move_id)

    def _take(self, invoice):
        """Remember that the payment pays ``invoice``, and let it go."""
        exception = self.exception_id
        exception._check_open()
        invoice.check_access("read")
        connection, object_type, external_id = exception._external_record()
        Match = self.env["psa.payment.match"].sudo()
        known = Match.search([
            ("connection_id", "=", connection.id), ("object_type", "=", object_type),
            ("external_id", "=", external_id)])
        before = known.move_id.name
        if known:
            known.move_id = invoice
        else:
            known = Match.create({
                "connection_id": connection.id, "object_type": object_type, "external_id": external_id,
                "move_id": invoice.id})
        self.env["psa.audit"]._log([{
            "event": "payment.match",
            "res_model": known._name,
            "res_id": known.id,
            "company_id": exception.company_id.id,
            "before": {"invoice": before} if before else None,
            "after": {"invoice": invoice.name, "payment": external_id},
            "reason": exception.name,
        }])
        self.env["psa.message"].sudo()._release([exception.subject_key])
        exception.sudo().write({"state": "retrying"})
        return {"type": "ir.actions.act_window_close"}


class PsaPaymentChooseLine(models.TransientModel):
    _name = "psa.payment.choose.line"
    _description = "Invoice to Choose"

    choose_id = fields.Many2one("psa.payment.choose", required=True, ondelete="cascade")
    move_id = fields.Many2one("account.move", "Invoice", required=True, readonly=True, ondelete="cascade")
    partner_id = fields.Many2one(related="move_id.partner_id", string="Customer")
    invoice_date_due = fields.Date(related="move_id.invoice_date_due")
    ref = fields.Char(related="move_id.ref", string="Customer's Reference")
    currency_id = fields.Many2one(related="move_id.currency_id")
    amount_residual = fields.Monetary(related="move_id.amount_residual", string="Open")

    def action_choose(self):
        """The money is for this invoice."""
        self.ensure_one()
        return self.choose_id._take(self.move_id)
