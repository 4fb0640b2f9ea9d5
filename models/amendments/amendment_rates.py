from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

_DAY = timedelta(days=1)


class PsaRate(models.Model):
    """Rates that an amendment made or ended: history, changed by amendments only."""

    _inherit = "psa.rate"

    amendment_id = fields.Many2one(
        "psa.amendment", readonly=True, copy=False, index="btree_not_null", check_company=True,
        ondelete="restrict",
    )
    clause = fields.Char(readonly=True, copy=False)
    ended_by_id = fields.Many2one(
        "psa.amendment", readonly=True, copy=False, index="btree_not_null", ondelete="restrict")

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su and any(
            vals.get(name) for vals in vals_list for name in ("amendment_id", "clause", "ended_by_id")
        ):
            raise UserError(self.env._("Only an amendment in force makes its rates."))
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su:
            self._check_free_of_amendments()
        return super().write(vals)

    def unlink(self):
        if not self.env.su:
            self._check_free_of_amendments()
        return super().unlink()

    def _check_free_of_amendments(self):
        for rate in self:
            if amendment := rate.amendment_id or rate.ended_by_id:
                raise UserError(self.env._(
                    "%(rate)s follows from %(amendment)s: agree on another amendment to change it.",
                    rate=rate.display_name, amendment=amendment.sudo().display_name,
                ))


class PsaAmendment(models.Model):
    """What an amendment does to the contract's rates."""

    _inherit = "psa.amendment"

    uplift = fields.Float("Uplift (%)", copy=False, help="Fills in all rates of the contract with this much more.")

    def _apply_rates(self):
        """Make the new rates and end the old ones the day before; nothing is lost, nothing is priced yet.

        The version in force on a day is the one with the latest effective day before it. So a new rate lasts until
        the next one that is known (an amendment agreed on earlier for a later day stays), or until the day it names:
        then the old rate goes on.
        """
        self.ensure_one()
        if not self.rate_change_ids:
            return
        Rate = self.env["psa.rate"].with_context(psa_keep_prices=True)
        known = Rate.search([("order_id", "=", self.order_id.id)]).grouped(_scope)
        start, ended, replaced, vals_list = self.date_effective, Rate, Rate, []
        for change in self.rate_change_ids:
            rates = known.get(_scope(change), Rate)
            current = rates.filtered(lambda rate: (
                (not rate.date_from or rate.date_from <= start) and (not rate.date_to or rate.date_to >= start)))
            following = rates.filtered(lambda rate: rate.date_from and rate.date_from > start).sorted("date_from")[:1]
            if following and change.date_to and change.date_to >= following.date_from:
                self._refuse_to_apply(self.env._("%s begins before the new rate ends.", following.display_name))
            vals_list.append({
                **_scope_values(change),
                "company_id": self.company_id.id,
                "amount": change.amount,
                "currency_id": self.currency_id.id,
                "date_from": start,
                "date_to": change.date_to or (following and following.date_from - _DAY),
                "amendment_id": self.id,
                "clause": change._clause(),
                "source": self.display_name,
            })
            if current and change.date_to and (not current.date_to or current.date_to > change.date_to):
                vals_list.append({
                    **_scope_values(current),
                    "company_id": self.company_id.id,
                    "amount": current.amount,
                    "currency_id": current.currency_id.id,
                    "date_from": change.date_to + _DAY,
                    "date_to": current.date_to,
                    "amendment_id": current.amendment_id.id,
                    "clause": current.clause,
                    "source": current.source,
                })
            if current.date_from == start and current:
                replaced |= current
            else:
                ended |= current
        ended.write({"date_to": start - _DAY, "ended_by_id": self.id})
        replaced.write({"active": False, "ended_by_id": self.id})
        # The database looks at overlaps at once.
        Rate.flush_model()
        Rate.create(vals_list)

    def action_fill_rates(self):
        """Write a rate change for every rate of the contract on the effective day, with the uplift.

        :raise UserError: when the contract has no rates of its own
        """
        self.ensure_one()
        self.check_access("write")
        self._require_states(("draft",))
        day = self.date_effective
        rates = self.env["psa.rate"].search([
            ("order_id", "=", self.order_id.id),
            "|", ("date_from", "=", False), ("date_from", "<=", day),
            "|", ("date_to", "=", False), ("date_to", ">=", day),
        ])
        if not rates:
            raise UserError(self.env._(
                "%s has no rates of its own: its prices come from the rate cards.", self.sudo().order_id.name))
        known = {_scope(change) for change in self.rate_change_ids}
        self.env["psa.amendment.change"].create([
            {
                **{name: value for name, value in _scope_values(rate).items() if name != "order_id"},
                "amendment_id": self.id,
                "kind": "rate",
                "amount": self.currency_id.round(rate.amount * (100 + self.uplift) / 100),
            }
            for rate in rates if _scope(rate) not in known
        ])


# === PLAIN HELPERS === #
def _scope(record):
    """Return what a contract's rate, or a change of one, is for: project, person and role ids."""
    return (record.project_id.id, record.employee_id.id, record.role_id.id)


def _scope_values(record):
    project_id, employee_id, role_id = _scope(record)
    return {
        "order_id": record.order_id.id, "project_id": project_id, "employee_id": employee_id, "role_id": role_id}
