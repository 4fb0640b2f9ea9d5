"""The second firm of the demo: one contract for each billing method and each hold, set up as finance would in Odoo.

No connected system is involved. Each part of billing has a file ``money_<part>.py`` with ``build(env, firm)``; then May
2026 is billed.
"""

from datetime import date
from decimal import Decimal
from importlib import import_module
from itertools import cycle

from odoo.fields import Command

from . import acts
from .money_expected import COMPANY

MAY = (date(2026, 5, 1), date(2026, 5, 31))
# The last part closes May: what comes after it is late.
PARTS = ("amendments", "caps", "charges", "costs", "group", "missing", "proposal", "periods")
PEOPLE = {"Ada Byron": "Consultant", "Grace Murray": "Architect", "Alan Mathison": "Analyst"}
CUSTOMERS = (
    "Ashdown Mutual", "Brightwater Utilities", "Cardinal Shipping", "Dunmore Foods", "Eastgate Housing",
    "Farrow Textiles", "Glenside Health", "Hartwell Rail", "Ironbridge Energy", "Juniper Retail", "Kingsway Media",
    "Larkhill Mining",
)
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
        self._customers = cycle(CUSTOMERS)

    def partner(self, name):
        """Return the customer or vendor of that name."""
        Partner = self.env["res.partner"]
        return Partner.search([("name", "=", name)], limit=1) or Partner.create({"name": name, "is_company": True})

    def contract(self, name, lines, **values):
        """Return a confirmed contract with its project.

        :param name: ``Customer: what is sold``, or what is sold to a customer of the list
        :param lines: ``(billing method, quantity, unit price)`` or with a dict of more line values
        :param values: more values of the order
        """
        env = self.env
        currency = values.pop("currency", self.company.currency_id)
        pricelist = env["product.pricelist"].search([
            ("currency_id", "=", currency.id), ("company_id", "=", self.company.id)], limit=1,
        ) or env["product.pricelist"].create({
            "name": f"{COMPANY} {currency.name}", "currency_id": currency.id, "company_id": self.company.id})
        customer, named, subject = name.partition(": ")
        if not named:
            customer, subject = next(self._customers), name
        order = env["sale.order"].create({
            "partner_id": self.partner(customer).id, "company_id": self.company.id, "pricelist_id": pricelist.id,
            "origin": subject, "psa_contract": True,
            "order_line": [
                Command.create({
                    "product_id": env.ref(f"psa_hub.{PRODUCTS[method]}").id,
                    "name": (more[0] if more else {}).get("name") or subject,
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
            "name": f"{customer}: {subject}", "company_id": self.company.id,
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

    def time(self, order, employee, hours, line=None, priced=True, **spec):
        """Return approved time entries.

        :param hours: list of ``(day, hours)``
        :param priced: see that there is a rate
        """
        line = line or order.order_line[:1]
        if priced:
            self._ensure_rate(order, employee, line)
        timesheets = order.env["account.analytic.line"].create([
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

    def _ensure_rate(self, order, employee, line):
        """Let hours on a line that is billed by the hour be worth its price, where no rate says otherwise."""
        if line.psa_billing_method != "time_material":
            return
        [(found, _tried)] = self.env["psa.rate"]._find([{
            "company_id": self.company.id, "currency_id": order.currency_id.id, "order_id": order.id,
            "partner_id": order.partner_id.commercial_partner_id.id, "employee_id": employee.id,
            "role_id": line.psa_role_id.id or employee.psa_role_id.id, "work_date": MAY[0],
            "project_id": self.project(order).id,
        }])
        if not found or not found.scope.startswith(("contract", "project")):
            self.rate(order, line.price_unit, person=employee)


def build(env):
    """Make the firm, its contracts and their work; return the :class:`Firm`."""
    firm = Firm(env)
    for part in PARTS:
        import_module(f"{__package__}.money_{part}").build(firm.env, firm)
    return firm


def bill(env, firm, commit=lambda: None):
    """Finance bills May, the approver approves and posts what is handed over; what is held stays held."""
    finance = acts.user_env(env, "finance")
    run = finance["psa.billing.run"].create({
        "name": "May 2026", "period_start": MAY[0], "period_end": MAY[1],
        "company_ids": [Command.set(firm.company.ids)],
    })
    run.action_run()
    commit()
    proposals = finance["psa.proposal"].search([("company_id", "=", firm.company.id), ("state", "=", "draft")])
    proposals.filtered(lambda proposal: proposal.amount_untaxed > 0 and not proposal.on_hold).action_submit()
    to_approve = acts.user_env(env, "approver")["psa.proposal"].search([
        ("company_id", "=", firm.company.id), ("state", "=", "to_approve")])
    to_approve.action_approve()
    moves = to_approve.move_ids.filtered(lambda move: move.state == "draft")
    moves.invoice_date = MAY[1]
    moves.action_post()
    commit()


def result(env, firm):
    """Return ``{customer: subject: (billed, held, reasons)}`` of every contract, amounts as texts."""
    rows = {}
    for order in env["sale.order"].sudo().search([("company_id", "=", firm.company.id), ("psa_contract", "=", True)]):
        entries = order.psa_entry_ids
        reasons = {entry.reason for entry in entries if entry.reason} | {
            f"over {entry.over_cap_amount:.2f}" for entry in entries if entry.over_cap_amount}
        rows[f"{order.partner_id.name}: {order.origin}"] = (
            f"{order.psa_billed_amount:.2f}", f"{order.psa_held_amount:.2f}", ", ".join(sorted(reasons)))
    return rows


def _company(env):
    company = env["res.company"].search([("name", "=", COMPANY)])
    if not company:
        env = env(context={**env.context, "chart_template_load": True})
        company = env["res.company"].create({
            "name": COMPANY, "currency_id": env.ref("base.USD").id, "country_id": env.ref("base.us").id})
        env["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
        env.user.company_ids |= company
    return company.with_context(chart_template_load=False)

