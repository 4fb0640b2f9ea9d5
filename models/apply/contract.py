from collections import defaultdict
from datetime import datetime, time

from odoo import models
from odoo.fields import Command

from ..sync.psa_apply import PsaApplyError
from .contract_start import Start
from .deal import line_method
from .project_code import code_of, projects_by_code
from .tools import currencies_by_code

# The service policy that a product needs to be billed this way, and the product that has it when the source names none.
_POLICIES = {
    "time_material": ("delivered_timesheet",),
    "milestone": ("delivered_milestones",),
    "fixed_fee": ("ordered_prepaid", "delivered_manual"),
    "expense": ("delivered_manual",),
}
_PRODUCTS = {
    "time_material": "psa_hub.product_time",
    "fixed_fee": "psa_hub.product_fixed_fee",
    "milestone": "psa_hub.product_milestone",
    "expense": "psa_hub.product_expense",
}


class PsaApplyContract(models.AbstractModel):
    """Makes the contract of a complete deal and starts it: confirmed order, project with analytic account, tasks, rates
    and fees. A deal that needs a signature becomes a quotation, which starts when it is confirmed.
    """

    _name = "psa.apply.contract"
    _description = "Make Contracts of Won Deals"

    def _make(self, items, source_terms):
        """Return ``{item: sale.order}``.

        :param items: complete deals (see ``psa.apply.deal``)
        :param source_terms: ``{item: terms of money as the source named them}``
        :raise PsaApplyError: when Odoo's total is not the deal's to the cent
        """
        if not items:
            return {}
        pricelists = self._pricelists(items)
        products = self._products(items)
        self.env["psa.agreement"]._take_turn([item for item in items if item.values["needs_signature"]])
        orders = self.env["sale.order"].create([
            {**self._order_values(item, pricelists, products), "psa_source_terms": source_terms[item]}
            for item in items
        ])
        order_by_item = dict(zip(items, orders, strict=True))
        self._check_totals(order_by_item)
        starts = {Start.of_deal(item, order): order for item, order in order_by_item.items()}
        for start, order in starts.items():
            if start.values["needs_signature"]:
                order.write({"state": "sent", "psa_start": start.stored()})
        self._start({start: order for start, order in starts.items() if not start.values["needs_signature"]})
        self.env["psa.agreement"]._release_unknown(
            orders.company_id.union(*(item.connection.company_id for item in items)))
        return order_by_item

    def _start(self, order_by_start):
        """Confirm contracts and make what work on them needs; all at once, in the caller's transaction.

        :param order_by_start: ``{Start: sale.order}``
        """
        if not order_by_start:
            return
        orders = self.env["sale.order"].union(*order_by_start.values())
        orders.with_context(disable_project_task_generation=True).action_confirm()
        for start, order in order_by_start.items():
            # Confirming stamps the present; the contract is as old as the deal. Noon: the same day in most zones.
            order.date_order = datetime.combine(start.values["closed_on"], time(12))
        projects = self._make_projects(order_by_start)
        self._make_tasks(order_by_start, projects)
        self._make_rates(order_by_start)
        self._make_fees(order_by_start, projects)
        self._hand_over(order_by_start, projects)

    # === ORDER === #
    def _order_values(self, item, pricelists, products):
        values = item.values
        company = values["company"]
        owner = item.parents.get("owner")
        return {
            "partner_id": item.parents["party"].id,
            "company_id": company.id,
            "pricelist_id": pricelists[company.id, values["currency"]].id,
            "payment_term_id": values["payment_term"].id,
            "fiscal_position_id": self._fiscal_position(values).id,
            "user_id": owner.id if owner else False,
            "origin": values["name"],
            "client_order_ref": values["purchase_order"] or False,
            "psa_purchase_order": values["purchase_order"] or False,
            "psa_contract": True,
            "psa_connection_id": item.connection.id,
            "order_line": [
                Command.create(self._line_values(item, line, position, products))
                for position, line in enumerate(values["lines"])
            ],
        }

    def _fiscal_position(self, values):
        """Return the fiscal position of the deal's tax profile; ``domestic`` means none."""
        profile = values["tax_profile"]
        return self.env["account.fiscal.position"] if isinstance(profile, str) else profile

    def _line_values(self, item, line, position, products):
        method = line_method(item.values, line)
        product = self._line_product(line, method, products)
        values = {
            "sequence": 10 * (position + 1),
            "product_id": product.id,
            "name": "\n".join(filter(None, (line["name"], line["description"]))),
            "product_uom_qty": float(line["quantity"]),
            "price_unit": float(line["unit_price"]),
            # Zero marks the price as set by hand: a later change of the quantity leaves it alone.
            "technical_price_unit": 0.0,
            "discount": 0.0,
            "psa_billing_method": method,
            "psa_role_id": line["role"].id if line["role"] else False,
        }
        company = item.values["company"]
        if not product.taxes_id._filter_taxes_by_company(company):
            taxes = self._fiscal_position(item.values).map_tax(company.account_sale_tax_id)
            values["tax_ids"] = [Command.set(taxes.ids)]
        return values

    def _line_product(self, line, method, products):
        """Return the source's product when it can be billed by ``method``, else the hub's product of the method."""
        product = line["product"]
        if product and product.type == "service" and product.service_policy in _POLICIES[method]:
            return product
        return products[method]

    def _products(self, items):
        methods = {line_method(item.values, line) for item in items for line in item.values["lines"]}
        return {method: self.env.ref(_PRODUCTS[method]) for method in methods}

    def _pricelists(self, items):
        """Return ``{(company id, currency code): pricelist}``, making those that Odoo lacks.

        Only lists without rules are taken: prices come from the deal.
        """
        keys = {(item.values["company"].id, item.values["currency"]) for item in items}
        companies = self.env["res.company"].browse({company_id for company_id, _code in keys})
        currencies = currencies_by_code(self.env, {code for _company_id, code in keys})
        found = {}
        for pricelist in self.env["product.pricelist"].search(
            [
                ("currency_id.name", "in", list(currencies)), ("item_ids", "=", False),
                ("company_id", "in", [*companies.ids, False]),
            ],
        ).sorted(lambda pricelist: bool(pricelist.company_id)):
            for company in pricelist.company_id or companies:
                found[company.id, pricelist.currency_id.name] = pricelist  # the company's own outranks a shared one
        lacking = sorted(keys - set(found))
        self.env["psa.apply.turn"]._take({f"pricelist:{company_id}:{code}" for company_id, code in lacking})
        made = self.env["product.pricelist"].create([
            {
                "name": self.env._("Contracts in %s", code),
                "company_id": company_id,
                "currency_id": currencies[code].id,
            }
            for company_id, code in lacking
        ])
        return {key: found[key] for key in keys & set(found)} | dict(zip(lacking, made, strict=True))

    def _check_totals(self, order_by_item):
        for item, order in order_by_item.items():
            expected = sum(
                order.currency_id.round(float(line["quantity"] * line["unit_price"])) for line in item.values["lines"]
            )
            if order.currency_id.compare_amounts(order.amount_untaxed, expected):
                raise PsaApplyError(self.env._(
                    "Odoo makes %(odoo)s of the deal “%(deal)s”, which is worth %(deal_amount)s. The sales tax of "
                    "%(company)s may be included in prices, or a quantity has too many decimals.",
                    odoo=order.currency_id.format(order.amount_untaxed), deal=item.values["name"],
                    deal_amount=order.currency_id.format(expected), company=order.company_id.name,
                ), cause="invalid_data", item=item)

    # === PROJECT === #
    def _make_projects(self, order_by_item):
        """Return ``{start: project}``.

        A project that another system has brought already is known by its contract or its code; else plain ones are
        made in one create, those from a template by Odoo's own copy of it.
        """
        projects = self._known_projects(order_by_item)
        projects.update(self._projects_that_wait(
            {item: order for item, order in order_by_item.items() if item not in projects}))
        plain = [item for item in order_by_item
                 if item not in projects and isinstance(item.values["project_template"], str)]
        made = self.env["project.project"].create([self._project_values(item, order_by_item[item]) for item in plain])
        projects.update(zip(plain, made, strict=True))
        for item, order in order_by_item.items():
            if item not in projects:
                template = item.values["project_template"]
                projects[item] = template.with_company(order.company_id).action_create_from_template(
                    self._project_values(item, order)
                )
        return projects

    def _projects_that_wait(self, order_by_item):
        """Return ``{start: project}`` of the deals whose project is there without a contract, and give it the contract.

        :raise PsaApplyError: the code is that of another contract's project
        """
        keys = {item: (order.company_id.id, code_of(item.values["project_code"]))
                for item, order in order_by_item.items() if code_of(item.values["project_code"])}
        known = projects_by_code(self.env, set(keys.values()))
        projects, taken = {}, {}
        for item, key in keys.items():
            project, rival = known.get(key), taken.setdefault(key, item)
            if rival is not item or (project and project.psa_contract_id):
                raise PsaApplyError(self.env._(
                    "The deal “%(deal)s” has the project code %(code)s, which is that of “%(other)s” already. If it is "
                    "more work on the same project, amend that contract and waive this; else give the deal a code of "
                    "its own at the source.",
                    deal=item.values["name"], code=key[1],
                    other=project.psa_contract_id.display_name if project else rival.values["name"],
                ), cause="incomplete_terms", item=item.item)
            if project:
                values = self._project_values(item, order_by_item[item])
                project.write({name: value for name, value in values.items() if name not in ("name", "user_id")})
                projects[item] = project
        return projects

    def _project_values(self, item, order):
        methods = set(order.order_line.mapped("psa_billing_method"))
        return {
            "name": item.values["name"],
            "partner_id": order.partner_id.id,
            "company_id": order.company_id.id,
            "allow_billable": True,
            "allow_timesheets": True,
            "allow_milestones": "milestone" in methods,
            "sale_line_id": self._main_line(order).id,
            "reinvoiced_sale_order_id": order.id,
            "psa_contract_id": order.id,
            "psa_code": code_of(item.values["project_code"]),
            "user_id": item.values["delivery_owner"].id,
        }

    def _main_line(self, order):
        """Return the line that the project's time goes to by default: the first one billed by time, else the first."""
        lines = order.order_line.sorted("sequence")
        return lines.filtered(lambda line: line.psa_billing_method == "time_material")[:1] or lines[:1]

    def _make_tasks(self, order_by_item, projects):
        self.env["project.task"].create([
            {
                "name": line.name.split("\n")[0],
                "project_id": projects[item].id,
                "company_id": order.company_id.id,
                "partner_id": order.partner_id.id,
                "sale_line_id": line.id,
                "allocated_hours": line.product_uom_qty,
                "user_ids": False,
            }
            for item, order in order_by_item.items()
            for line in order.order_line.sorted("sequence") if line.psa_billing_method == "time_material"
        ])

    # === MONEY === #
    def _make_rates(self, order_by_item):
        """Price the roles that the contract sells; one that it sells at two prices has no one price and gets none."""
        prices = defaultdict(set)
        for order in order_by_item.values():
            for line in order.order_line:
                if line.psa_billing_method == "time_material" and line.psa_role_id:
                    prices[order, line.psa_role_id].add(line.price_unit)
        self.env["psa.rate"].create([
            {
                "company_id": order.company_id.id,
                "order_id": order.id,
                "role_id": role.id,
                "amount": amounts.pop(),
                "currency_id": order.currency_id.id,
                "source": self.env._("Deal “%s”", order.origin),
            }
            for (order, role), amounts in prices.items() if len(amounts) == 1
        ])

    def _make_fees(self, order_by_item, projects):
        """Tell billing the fixed fees: due on the line's service date, else on the day that the deal was won."""
        specs = []
        for item, order in order_by_item.items():
            for line in order.order_line.sorted("sequence"):
                if line.psa_billing_method == "fixed_fee":
                    specs.append({
                        "source": line,
                        "order_id": order.id,
                        "order_line_id": line.id,
                        "project_id": projects[item].id,
                        "employee_id": False,
                        "role_id": False,
                        "work_date": item.values["service_dates"].get(line.id) or item.values["closed_on"],
                        "quantity": line.product_uom_qty,
                        "currency_id": order.currency_id.id,
                        "fixed_amount": line.price_subtotal,
                        "approved": True,
                        "billable": True,
                        "source_blocked": "",
                        "description": line.name,
                        "source_amount": line.price_subtotal,
                        "message_id": item.message.id,
                    })
        if specs:
            self.env["psa.entry"]._sync("fee", specs)
