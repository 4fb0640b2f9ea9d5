from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL, format_date

from .pricing import decimal_of
from .proposal import OPEN_STATES
from .splitting import Part

PERCENT_DIGITS = (9, 6)


class ShareOf(NamedTuple):
    """One customer's share of a contract, as plain values."""

    id: int
    partner_id: int
    percent: Decimal
    takes_rest: bool
    reference: str
    date_from: date
    date_to: date

    @property
    def part(self):
        return Part(self.partner_id, self.percent, self.takes_rest)


class PsaBillingShare(models.Model):
    """How much of a contract a customer pays, in percent. On any day the shares make exactly 100, or there are none.

    What cannot be divided to the cent goes to the one that takes the rounding. Work is divided by the shares in force
    on its work date; where there are none, the contract's own customer pays all of it.
    """

    _name = "psa.billing.share"
    _description = "Billing Share"
    _order = "order_id, date_from, sequence, id"
    _check_company_auto = True

    # === FIELDS === #
    order_id = fields.Many2one(
        "sale.order", "Contract", required=True, index=True, ondelete="cascade", check_company=True)
    company_id = fields.Many2one(related="order_id.company_id", store=True, index=True, precompute=True)
    sequence = fields.Integer(default=10)
    partner_id = fields.Many2one(
        "res.partner", "Customer", required=True, index=True, ondelete="restrict", check_company=True)
    percent = fields.Float("Share (%)", digits=PERCENT_DIGITS, required=True, aggregator=None)
    is_rounding = fields.Boolean("Takes the Rounding", help="What cannot be divided to the cent is billed here.")
    reference = fields.Char("Order Number", help="This customer's own order number; empty: the contract's.")
    date_from = fields.Date("From", help="First work date; empty: from the start.")
    date_to = fields.Date("To", help="Last work date; empty: until the end.")

    _percent_range = models.Constraint(
        "CHECK (percent > 0 AND percent <= 100)", "A share is more than 0 % and at most 100 %.")
    _dates_ordered = models.Constraint(
        "CHECK (date_to >= date_from)", "A share cannot end before it starts.")

    def init(self):
        """The law in the database, looked at when the transaction ends: until then shares may be entered one by one."""
        self.env.cr.execute(SQL(
            """
            CREATE OR REPLACE FUNCTION psa_billing_share_law() RETURNS trigger LANGUAGE plpgsql AS $body$
            DECLARE contract integer := COALESCE(NEW.order_id, OLD.order_id);
            BEGIN
                IF EXISTS (
                    SELECT FROM (
                        SELECT COALESCE(date_from, '-infinity'::date) AS since FROM psa_billing_share
                         WHERE order_id = contract
                         UNION
                        SELECT date_to + 1 FROM psa_billing_share WHERE order_id = contract AND date_to IS NOT NULL
                    ) AS change
                    JOIN psa_billing_share share
                      ON share.order_id = contract
                     AND COALESCE(share.date_from, '-infinity'::date) <= change.since
                     AND COALESCE(share.date_to, 'infinity'::date) >= change.since
                GROUP BY change.since
                  HAVING SUM(share.percent) <> 100 OR COUNT(*) FILTER (WHERE share.is_rounding) <> 1
                      OR COUNT(*) <> COUNT(DISTINCT share.partner_id)
                ) THEN
                    RAISE EXCEPTION 'The shares of a contract make 100 percent on any day, and one takes the rounding.'
                        USING ERRCODE = 'check_violation', CONSTRAINT = 'psa_billing_share_law';
                END IF;
                RETURN NULL;
            END $body$;
            DROP TRIGGER IF EXISTS psa_billing_share_law ON psa_billing_share;
            CREATE CONSTRAINT TRIGGER psa_billing_share_law AFTER INSERT OR UPDATE OR DELETE ON psa_billing_share
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION psa_billing_share_law();
            """))

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        shares = super().create(vals_list)
        shares.order_id._psa_follow_shares()
        return shares

    def write(self, vals):
        orders = self.order_id
        result = super().write(vals)
        (orders | self.order_id)._psa_follow_shares()
        return result

    def unlink(self):
        orders = self.order_id
        result = super().unlink()
        orders._psa_follow_shares()
        return result

    # === BUSINESS === #
    @api.model
    def _by_order(self, orders):
        """Return ``{order id: [ShareOf]}`` of contracts that are split. One query."""
        result = defaultdict(list)
        for share in self.sudo().search([("order_id", "in", orders.ids)], order="order_id, sequence, id"):
            result[share.order_id.id].append(ShareOf(
                share.id, share.partner_id.id, decimal_of(share.percent), share.is_rounding, share.reference or "",
                share.date_from or date.min, share.date_to or date.max,
            ))
        return dict(result)


def shares_on(shares, day):
    """Return those of ``shares`` that are in force on ``day``, as a tuple: equal tuples divide alike."""
    return tuple(share for share in shares if share.date_from <= day <= share.date_to)


class SaleOrder(models.Model):
    _inherit = "sale.order"

    psa_share_ids = fields.One2many(
        "psa.billing.share", "order_id", "Split Between", help="Customers who pay this contract together.")

    @api.constrains("psa_share_ids")
    def _check_psa_shares(self):
        """Say in plain words what the database would refuse at the end of the transaction."""
        for order_id, shares in self.env["psa.billing.share"]._by_order(self).items():
            days = {share.date_from for share in shares}
            days |= {share.date_to + timedelta(days=1) for share in shares if share.date_to < date.max}
            for day in sorted(days):
                if found := shares_on(shares, day):
                    self.browse(order_id)._check_psa_shares_on(day, found)

    def _check_psa_shares_on(self, day, shares):
        when = format_date(self.env, day) if day > date.min else self.env._("the start")
        total = sum(share.percent for share in shares)
        if total != 100:
            raise ValidationError(self.env._(
                "The shares of %(contract)s make %(total)s %% from %(date)s on: they must make exactly 100 %%.",
                contract=self.name, total=f"{total.normalize():f}", date=when))
        if sum(share.takes_rest for share in shares) != 1:
            raise ValidationError(self.env._(
                "Name the one customer of %(contract)s who takes the rounding (from %(date)s on).",
                contract=self.name, date=when))
        if len({share.partner_id for share in shares}) != len(shares):
            raise ValidationError(self.env._(
                "A customer has one share of %(contract)s at a time (from %(date)s on).",
                contract=self.name, date=when))

    def _psa_follow_shares(self):
        """Who pays what has changed: caps of a customer's share count anew, open proposals are out of date."""
        self._psa_outdate_proposals()
        caps = self.env["psa.cap"].sudo().search([("order_id", "in", self.ids), ("kind", "=", "customer")])
        if caps:
            caps._recount()

    def _psa_outdate_proposals(self):
        """Tell open proposals of these contracts that how they are invoiced has changed."""
        self.env["psa.proposal"].sudo().search([
            ("order_id", "in", self.ids), ("state", "in", OPEN_STATES),
            ("needs_refresh", "=", False),
        ]).needs_refresh = True
