from odoo import api, fields, models

# What a connection must say before payments are booked.
PAYMENT_SETTINGS = ("payment_journal_id", "payout_journal_id", "fee_account_id")


class PsaConnection(models.Model):
    """Where the money of a payment provider is booked."""

    _inherit = "psa.connection"

    has_payments = fields.Boolean(compute="_compute_has_payments")
    payment_journal_id = fields.Many2one(
        "account.journal", check_company=True, ondelete="restrict", copy=False,
        domain="[('type', '=', 'bank'), ('company_id', '=', company_id)]",
        help="A bank journal for the money that the provider holds. Payments are booked on its own account, so an "
             "invoice is paid as soon as its payment arrives, and the account's balance is the provider's.",
    )
    payout_journal_id = fields.Many2one(
        "account.journal", "Payouts Arrive In", check_company=True, ondelete="restrict", copy=False,
        domain="[('type', '=', 'bank'), ('company_id', '=', company_id), ('id', '!=', payment_journal_id)]",
        help="The journal of the bank account to which the provider pays out.",
    )
    fee_account_id = fields.Many2one(
        "account.account", check_company=True, ondelete="restrict", copy=False,
        domain="[('account_type', 'in', ('expense', 'expense_direct_cost', 'expense_other'))]",
        help="What the provider keeps is booked here.",
    )

    @api.depends("stream_ids.canonical_type")
    def _compute_has_payments(self):
        for connection in self:
            streams = connection.with_context(active_test=False).stream_ids
            connection.has_payments = bool({"payment", "payout"} & set(streams.mapped("canonical_type")))

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() & set(PAYMENT_SETTINGS):
            self.env["psa.message"].sudo()._release_now([connection._payment_setup_key() for connection in self])
        return result

    def _payment_setup_key(self):
        """Return the exception subject of money that waits for these settings; setting them lets it go."""
        return f"payment_setup:{self.id}"

    def _hold_for_settings(self, item, names):
        """Hold ``item`` when one of the settings ``names`` is missing.

        :return: True when it is held
        """
        missing = [self._fields[name]._description_string(self.env) for name in names if not self[name]]
        if missing:
            item.hold(
                "payment_setup",
                self.env._(
                    "Money that %(connection)s reports cannot be booked until the connection says: %(settings)s.",
                    connection=self.name, settings=", ".join(missing),
                ),
                key=self._payment_setup_key(), company=self.company_id, record=self,
            )
        return bool(missing)


class PsaApplyMoney(models.AbstractModel):
    """What payments and payouts have in common."""

    _name = "psa.apply.money"
    _inherit = "psa.apply"
    _description = "Apply Money"

    def _risk(self, items):
        for item in items:
            item.risk(item.values.get("amount"), item.values.get("currency"))

    def _was_deleted(self, item):
        """A person deleted what was booked; it stays out of the books."""
        return bool(item.binding and item.binding.res_id and not item.record)

    def _hold_without_rate(self, item, currency, day, hold):
        """Hold ``item`` when nobody says what ``currency`` is worth on ``day``.

        :param hold: what else to say to :meth:`Item.hold`
        """
        company = item.company
        key = (company.root_id.id, currency.id, day)
        if currency != company.currency_id and not self.env["psa.exchange.rate"]._rates_on({key})[key]:
            item.hold("missing_exchange_rate", self.env._(
                "The money of %(record)s is in %(currency)s, and Odoo has no exchange rate of %(date)s for it.",
                record=item.name, currency=currency.name, date=day,
            ), **{**hold, "key": f"exchange:0:{currency.id}:{day}"})
