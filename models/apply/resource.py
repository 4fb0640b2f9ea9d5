from odoo import api, fields, models
from odoo.tools import email_normalize

from .tools import currencies_by_code, link_key, linked_keys, save, share_prefetch, unique_by_key


class PsaApplyResource(models.AbstractModel):
    """People who work (employees and contractors) -> ``hr.employee`` of the legal entity that employs them.

    Matched by link, else by work e-mail within the company, archived employees included; else created. A person whom
    the source calls inactive is archived: old time of a leaver still finds the employee.
    """

    _name = "psa.apply.resource"
    _inherit = "psa.apply"
    _description = "Apply Resources"
    _canonical_names = {
        "work_email": "email", "company_id": "company", "psa_role_id": "role", "employee_type": "external",
        "hourly_cost": "cost_rate", "user_id": "user",
    }

    # === RECOGNISE === #
    @api.model
    def _recognise(self, connection, keys):
        """People by work e-mail, badge number or full name, in the connection's company."""
        employees = self.env["hr.employee"].with_context(active_test=False).search_fetch(
            [("company_id", "=", connection.company_id.id)], ["work_email", "barcode", "name"], order="active, id")
        return unique_by_key(keys, employees, (
            lambda employee: email_normalize(employee.work_email) or "", lambda employee: employee.barcode,
            lambda employee: employee.name))

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        for item in items:
            item.values["company"] = item.values["company"] or item.company
        open_items = [item for item in items if item.ok]
        self._match_by_email([item for item in open_items if item.unmatched])
        self._check_company_change([item for item in open_items if item.record])

    def _match_by_email(self, items):
        items = [item for item in items if email_normalize(item.values["email"])]
        if not items:
            return
        emails = {item.values["email"] for item in items}
        employees = self.env["hr.employee"].with_context(active_test=False).search_fetch(
            [
                ("work_email", "in", list(emails | {email_normalize(email) for email in emails})),
                ("company_id", "in", list({item.values["company"].id for item in items})),
            ],
            ["work_email", "company_id"], order="active, id desc",
        )
        linked = linked_keys(items, employees)
        by_email = {
            (employee.company_id.id, email_normalize(employee.work_email)): employee for employee in employees
        }
        for item in items:
            employee = by_email.get((item.values["company"].id, email_normalize(item.values["email"])))
            if employee and link_key(item, employee) not in linked:
                linked.add(link_key(item, employee))
                item.record = employee

    def _check_company_change(self, items):
        """Hold a person who moves to another legal entity while time of the old one exists."""
        moving = [item for item in items if item.record.company_id != item.values["company"]]
        if not moving:
            return
        worked = {
            employee.id for (employee,) in self.env["account.analytic.line"]._read_group(
                [("employee_id", "in", [item.record.id for item in moving]), ("project_id", "!=", False)],
                ["employee_id"],
            )
        }
        for item in moving:
            if item.record.id in worked:
                item.hold(
                    "wrong_entity",
                    self.env._(
                        "%(person)s moved from %(old)s to %(new)s at the source, but has time in %(old)s. "
                        "Create the employee of %(new)s in Odoo and link the person to it.",
                        person=item.values["name"], old=item.record.company_id.name, new=item.values["company"].name,
                    ),
                    key=item.key, company=item.values["company"], record=item.record,
                )

    # === APPLY === #
    def _apply(self, items):
        taken_users = self._taken_users(items)
        currencies = self._cost_currencies(items)
        values = {item: self._employee_values(item, taken_users, currencies) for item in items}
        for item in self._with_cost_history(items):  # the history says what an hour costs
            values[item].pop("hourly_cost", None)
        for item, employee in save(self, "hr.employee", items, values).items():
            item.done(employee)

    def _taken_users(self, items):
        """Return ``{(user id, company id): employee id}`` of the users that an employee has already."""
        users = self.env["res.users"].union(*(item.parents["user"] for item in items if item.parents.get("user")))
        if not users:
            return {}
        employees = self.env["hr.employee"].with_context(active_test=False).search_fetch(
            [("user_id", "in", users.ids)], ["user_id", "company_id"],
        )
        return {(employee.user_id.id, employee.company_id.id): employee.id for employee in employees}

    def _employee_values(self, item, taken_users, currencies):
        source = item.values
        company = source["company"]
        values = {
            "name": source["name"],
            "work_email": source["email"] or False,
            "company_id": company.id,
            "active": source["active"] is not False,
        }
        if source["role"]:  # a system without roles says nothing about them
            values["psa_role_id"] = source["role"].id
        if source["external"] is not None:
            values["employee_type"] = "contractor" if source["external"] else "employee"
        if source["cost_rate"] is not None and (cost := self._hourly_cost(item, currencies)) is not None:
            values["hourly_cost"] = cost
        user = item.parents.get("user")
        if user:
            me = item.record.id if item.record else (item.object_type, item.external_id)
            if taken_users.setdefault((user.id, company.id), me) == me:
                values["user_id"] = user.id
        return values

    def _with_cost_history(self, items):
        """Return the items whose person has a history of costs."""
        known = self.env["psa.cost.rate"].search(
            [("employee_id", "in", [item.record.id for item in items if item.record])]).employee_id
        return [item for item in items if item.record and item.record in known]

    def _cost_currencies(self, items):
        """Return ``{code: currency}`` of the foreign cost currencies that have a rate in Odoo."""
        codes = {item.values["cost_currency"] for item in items if item.values["cost_rate"] is not None} - {None}
        return {
            code: currency for code, currency in currencies_by_code(self.env, codes).items() if currency.rate_ids
        }

    def _hourly_cost(self, item, currencies):
        """Return the cost of one hour in the company's currency at today's rate, or None when Odoo knows no rate."""
        source = item.values
        company = source["company"]
        cost = float(source["cost_rate"])
        if source["cost_currency"] in (None, company.currency_id.name):
            return cost
        currency = currencies.get(source["cost_currency"])
        return currency and currency._convert(cost, company.currency_id, company, fields.Date.context_today(self))
