from decimal import Decimal

from odoo import models
from odoo.tools import SQL

CAUSE = "suspected_duplicate"
SAME = "same"


class PsaApplyDuplicate(models.AbstractModel):
    """The same hour or expense from two systems: the second one is held until a person has compared the two.

    The same is: person, day, project and hours, or person, day, project, amount and currency. What one connection
    brings is never its own duplicate, for a source knows its records apart.
    """

    _name = "psa.apply.duplicate"
    _description = "Find Work That Came Twice"

    def _check_time(self, items):
        """Hold, or leave out as a person decided, what another connection has brought already.

        :param items: time that is new
        """
        found = self._find("time", items, lambda item: (
            item.parents["resource"].id, item.values["work_date"], item.parents["project"].id,
            item.values["hours"], 0), SQL(
            """
            JOIN account_analytic_line record ON record.employee_id = wanted.employee_id AND record.date = wanted.day
             AND record.project_id = wanted.project_id AND abs(record.unit_amount - wanted.quantity) < 0.005
            """), "account.analytic.line")
        amounts = self._amounts([item for item in found if item.values["billable"]])
        for item, (timesheet, connection) in found.items():
            self._hold(item, timesheet, connection, self.env._(
                "%(person)s's %(hours)s hours on %(day)s on “%(project)s” came from %(this)s, and %(other)s has "
                "brought the same already. Compare the two: bill them once, or say why it is other work.",
                person=item.parents["resource"].name, hours=f"{item.values['hours']:.2f}", day=item.values["work_date"],
                project=item.parents["project"].name, this=item.connection.name, other=connection.name,
            ), amounts.get(item))

    def _check_expenses(self, items, currencies):
        """Like :meth:`_check_time`, of expenses.

        :param currencies: ``{ISO code: res.currency}``
        """
        found = self._find("expense", items, lambda item: (
            item.parents["resource"].id, item.values["spent_on"], item.parents["project"].id,
            item.values["amount"], currencies[item.values["currency"]].id), SQL(
            """
            JOIN hr_expense record ON record.employee_id = wanted.employee_id AND record.date = wanted.day
             AND record.currency_id = wanted.currency_id
             AND abs(record.total_amount_currency - wanted.quantity) < 0.005
            JOIN project_project project ON project.id = wanted.project_id AND EXISTS (
                     SELECT FROM jsonb_object_keys(record.analytic_distribution) AS accounts(ids)
                      WHERE project.account_id::text = ANY(string_to_array(accounts.ids, ',')))
            """), "hr.expense")
        for item, (expense, connection) in found.items():
            source = item.values
            self._hold(item, expense, connection, self.env._(
                "%(person)s's expense of %(amount)s on %(day)s on “%(project)s” came from %(this)s, and %(other)s has "
                "brought the same already. Compare the two: bill it once, or say why it is another one.",
                person=item.parents["resource"].name, day=source["spent_on"], project=item.parents["project"].name,
                amount=currencies[source["currency"]].format(float(source["amount"])), this=item.connection.name,
                other=connection.name,
            ), (source["billing_amount"], source["billing_currency"] or source["currency"])
                if source["billable"] else None)

    # === FINDING === #
    def _find(self, canonical_type, items, key, join, model_name):
        """Return ``{item: (record, connection that brought it)}`` of what is there already.

        Where only one connection has ever brought such records, nothing is looked up.

        :param key: ``item -> (employee id, day, project id, hours or amount, currency id)``
        :param join: finds ``record`` by the columns of ``wanted``
        """
        items = [item for item in items if item.claim.decided.get(CAUSE) in (None, SAME)]
        if not items or not self._has_rivals(canonical_type, items):
            return {}
        keys = [key(item) for item in items]
        self.env["psa.apply.turn"]._take({
            f"{canonical_type}:{':'.join(map(str, (*place, Decimal(quantity).normalize(), currency)))}"
            for *place, quantity, currency in keys})
        self.env[model_name].flush_model()
        self.env["psa.binding"].flush_model()
        employees, days, projects, quantities, currencies = (list(column) for column in zip(*keys, strict=True))
        rows = self.env.execute_query(SQL(
            """
            SELECT DISTINCT ON (wanted.position) wanted.position::int, record.id, binding.connection_id
              FROM unnest(%(employees)s::int[], %(days)s::date[], %(projects)s::int[], %(quantities)s::numeric[],
                          %(currencies)s::int[], %(connections)s::int[])
                   WITH ORDINALITY
                   AS wanted(employee_id, day, project_id, quantity, currency_id, connection_id, position)
                   %(join)s
              JOIN psa_binding binding ON binding.res_model = %(model)s AND binding.res_id = record.id
               AND binding.connection_id <> wanted.connection_id AND binding.alias_of_id IS NULL
          ORDER BY wanted.position, binding.id
            """, employees=employees, days=days, projects=projects, quantities=quantities, currencies=currencies,
            connections=[item.connection.id for item in items], join=join, model=model_name))
        return {
            items[position - 1]: (self.env[model_name].browse(record_id),
                                  self.env["psa.connection"].browse(connection_id))
            for position, record_id, connection_id in rows
        }

    def _has_rivals(self, canonical_type, items):
        """True when another connection reads such records too, or once did."""
        return bool(self.env["psa.stream"].with_context(active_test=False).search_count([
            ("canonical_type", "=", canonical_type), ("direction", "=", "in"),
            ("connection_id", "not in", list({item.connection.id for item in items})),
        ], limit=1))

    # === HOLDING === #
    def _hold(self, item, record, connection, text, money):
        if item.claim.decided.get(CAUSE) == SAME:
            item.skip("duplicate")
            return
        amount, currency = money or (None, None)
        item.hold(CAUSE, text, key=item.key, amount=amount, currency=currency, record=item.parents["project"],
                  company=self._company(item), choices=record)

    def _company(self, item):
        project = item.parents["project"]
        return project.psa_contract_id.company_id or project.company_id or item.company

    def _amounts(self, items):
        """Return ``{item: (amount, currency)}``: what the source would bill, else the hours at the contract's rate."""
        amounts = {item: (item.values["source_amount"], item.values["currency"]) for item in items
                   if item.values["source_amount"] is not None}
        unpriced = [item for item in items if item not in amounts and item.parents["project"].psa_contract_id]
        rates = self.env["psa.rate"]._find([self._rate_spec(item) for item in unpriced])
        for item, (rate, _tried) in zip(unpriced, rates, strict=True):
            if rate:
                amounts[item] = item.values["hours"] * rate.amount, item.parents["project"].psa_contract_id.currency_id
        return amounts

    def _rate_spec(self, item):
        order = item.parents["project"].psa_contract_id
        return {
            "company_id": order.company_id.id, "currency_id": order.currency_id.id, "order_id": order.id,
            "project_id": item.parents["project"].id, "partner_id": order.partner_id.commercial_partner_id.id,
            "employee_id": item.parents["resource"].id, "role_id": self.env["psa.apply.time.place"]._role(item).id,
            "work_date": item.values["work_date"],
        }
