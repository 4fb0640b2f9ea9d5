"""The second firm of the demo: one contract for each billing method and each hold, set up as finance would in Odoo.

No connected system is involved. Each part of billing has a file ``money_<part>.py`` with ``build(env, firm)``; the run
then bills May 2026 and compares what each contract came to with what its builder says it must.
"""

from datetime import date
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules

from odoo.fields import Command

from . import acts
from .firm import PASSWORD

COMPANY = "Alderwick Advisory"
MAY = (date(2026, 5, 1), date(2026, 5, 31))
PEOPLE = {"Ada Byron": "Consultant", "Grace Murray": "Architect", "Alan Mathison": "Analyst"}
PRODUCTS = {
    "time_material": "product_time", "fixed_fee": "product_fixed_fee", "milestone": "product_milestone",
    "progress": "product_progress", "recurring": "product_recurring", "retainer": "product_retainer",
    "prepaid": "product_prepaid", "expense": "product_expense", "pass_through": "product_pass_through",
    "adjustment": "product_adjustment",
}


class Firm:
    """The firm and what makes contracts and approved work in it."""

    def __init__(self, env):
        self.company = _company(env)
        self.env = env = env(context={
            **env.context, "allowed_company_ids": [self.company.id], "tracking_disable": True,
            "mail_create_nolog": True, "mail_notrack": True,
        })
        self.hour = env.ref("uom.product_uom_hour")
        self.roles = {
            name: env["psa.role"].create({"name": name, "company_id": self.company.id})
            for name in sorted(set(PEOPLE.values()))
        }
        self.people = {
            name: env["hr.employee"].create({
                "name": name, "company_id": self.company.id, "psa_role_id": self.roles[role].id, "hourly_cost": 60.0,
            })
            for name, role in PEOPLE.items()
        }
        self.users = {login: env["res.users"].search([("login", "=", login)]) for login in ("finance", "approver")}
        for user in self.users.values():
            user.company_ids |= self.company
        self.expected = []

    def partner(self, name):
        """Return the customer or vendor of that name."""
        Partner = self.env["res.partner"]
        return Partner.search([("name", "=", name)], limit=1) or Partner.create({"name": name, "is_company": True})

    def contract(self, name, lines, **values):
        """Return a confirmed contract with its project.

        :param name: ``Customer: what is sold``
        :param lines: ``(billing method, quantity, unit price)`` or with a dict of more line values
        :param values: more values of the order
        """
        env = self.env
        currency = values.pop("currency", self.company.currency_id)
        pricelist = env["product.pricelist"].search([
            ("currency_id", "=", currency.id), ("company_id", "=", self.company.id)], limit=1,
        ) or env["product.pricelist"].create({
            "name": f"{COMPANY} {currency.name}", "currency_id": currency.id, "company_id": self.company.id})
        customer, _separator, subject = name.partition(": ")
        order = env["sale.order"].create({
            "partner_id": self.partner(customer).id, "company_id": self.company.id, "pricelist_id": pricelist.id,
            "origin": subject or customer, "psa_contract": True,
            "order_line": [
                Command.create({
                    "product_id": env.ref(f"psa_hub.{PRODUCTS[method]}").id,
                    "name": (more[0] if more else {}).get("name") or subject or customer,
                    "product_uom_qty": quantity, "price_unit": price, "technical_price_unit": 0.0,
                    "psa_billing_method": method,
                    **({key: value for key, value in more[0].items() if key != "name"} if more else {}),
                })
                for method, quantity, price, *more in lines
            ],
            **values,
        })
        order.with_context(disable_project_task_generation=True).action_confirm()
        project = env["project.project"].create({
            "name": f"{customer}: {subject}" if subject else customer, "company_id": self.company.id,
            "partner_id": order.partner_id.id, "allow_billable": True, "allow_milestones": True,
            "psa_contract_id": order.id, "reinvoiced_sale_order_id": order.id,
        })
        order.project_ids = [Command.link(project.id)]
        return order

    def project(self, order):
        return self.env["project.project"].search([("psa_contract_id", "=", order.id)], limit=1)

    def rate(self, order, amount, person=None, role=None, **values):
        """Price an hour of a person or role on a contract."""
        return self.env["psa.rate"].create({
            "company_id": self.company.id, "order_id": order.id, "amount": amount,
            "employee_id": person.id if person else False, "role_id": role.id if role else False, **values,
        })

    def time(self, order, employee, hours, line=None, **spec):
        """Return approved time entries.

        :param hours: list of ``(day, hours)``
        """
        line = line or order.order_line[:1]
        timesheets = self.env["account.analytic.line"].create([
            {
                "name": "Work", "project_id": self.project(order).id, "employee_id": employee.id, "date": day,
                "unit_amount": worked, "so_line": line.id, "is_so_line_edited": True,
            }
            for day, worked in hours
        ])
        return self.env["psa.entry"]._sync("time", [
            {
                "source": timesheet, "order_id": order.id, "order_line_id": line.id,
                "project_id": timesheet.project_id.id, "employee_id": employee.id, "role_id": None,
                "work_date": timesheet.date, "quantity": Decimal(repr(timesheet.unit_amount)),
                "currency_id": order.currency_id.id, "fixed_amount": None, "approved": True, "billable": True,
                "source_blocked": "", "description": "Work", "source_amount": None, "message_id": None, **spec,
            }
            for timesheet in timesheets
        ])

    def expect(self, order, what, billed="0", held="0"):
        """Say what the contract must come to: billed before tax, and held, in its currency (decimal strings)."""
        self.expected.append((order.id, what, Decimal(billed), Decimal(held)))


def build(env):
    """Make the firm, its contracts and its work; return the :class:`Firm`."""
    firm = Firm(env)
    package = import_module(__package__)
    for module in sorted(iter_modules(package.__path__), key=lambda module: module.name):
        if module.name.startswith("money_"):
            import_module(f"{__package__}.{module.name}").build(firm.env, firm)
    return firm


def bill(env, firm):
    """Bill May: proposals of all contracts, submitted where nothing holds them, approved and posted."""
    finance = acts.user_env(env, "finance")
    contracts = finance["sale.order"].search([("company_id", "=", firm.company.id), ("psa_contract", "=", True)])
    return finance["psa.proposal"]._create_proposals(*MAY, contracts)


def _company(env):
    company = env["res.company"].search([("name", "=", COMPANY)])
    if not company:
        env = env(context={**env.context, "chart_template_load": True})
        company = env["res.company"].create({
            "name": COMPANY, "currency_id": env.ref("base.USD").id, "country_id": env.ref("base.us").id})
        env["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
        env.user.company_ids |= company
    return company.with_context(chart_template_load=False)


__all__ = ["PASSWORD", "Firm", "bill", "build"]
