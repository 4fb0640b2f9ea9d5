"""Costs that are passed on, each method and hold once: expenses by policy, subcontractors, foreign amounts."""

from datetime import date

from odoo import Command


def build(env, firm):
    """Make the contracts, their policies and what is spent on them.

    :param firm: namespace with ``company``, ``people``, ``roles``, ``users`` and ``contract(name, lines, **values)``
    """
    env = env(context={**env.context, "tracking_disable": True, "mail_notrack": True})
    travel, meals, lodging = _categories(env, firm)
    people = list(firm.people.values())
    _expenses(env, firm, people, travel, meals, lodging)
    _subcontractors(env, firm)
    _foreign(env, firm, people, travel)


# === EXPENSES === #
def _categories(env, firm):
    return env["product.product"].create([
        {
            "name": name, "type": "service", "can_be_expensed": True, "standard_price": 0.0,
            "company_id": firm.company.id, "supplier_taxes_id": [Command.clear()],
        }
        for name in ("Rail and Air", "Meals on Site", "Lodging")
    ])


def _expenses(env, firm, people, travel, meals, lodging):
    order = firm.contract("Plant rollout, on site", [("time_material", 200, 140.0), ("expense", 0, 0)])
    env["psa.expense.policy"].create([
        {"company_id": firm.company.id, "order_id": order.id, **values}
        for values in (
            {"method": "markup", "markup_percent": 5, "product_id": travel.id, "receipt_required": True,
             "receipt_from": 150},
            {"method": "per_diem", "per_diem_amount": 58, "product_id": meals.id},
            {"method": "cost", "product_id": lodging.id, "cap_amount": 180, "over_cap": "tell"},
        )
    ])
    first, second = people[0], people[-1]
    train = spend(env, firm, order, first, travel, date(2026, 5, 4), 186.4, "Train to the plant")
    spend(env, firm, order, second, travel, date(2026, 5, 5), 412.0, "Flight to the plant")  # waits for its receipt
    env["ir.attachment"].create({
        "name": "train-ticket.txt", "raw": b"Ticket, 186.40", "res_model": "hr.expense", "res_id": train.expense_id.id})
    spend(env, firm, order, first, meals, date(2026, 5, 4), 21.5, "Lunch")
    spend(env, firm, order, first, meals, date(2026, 5, 4), 33.0, "Dinner")  # the per diem of the day paid it
    spend(env, firm, order, first, lodging, date(2026, 5, 4), 169.0, "Hotel, one night")
    spend(env, firm, order, second, lodging, date(2026, 5, 5), 224.0, "Hotel, one night at the fair")  # 44 wait


def spend(env, firm, order, person, category, day, amount, name, currency=None):
    """Return the entry of an approved expense."""
    currency = currency or order.currency_id
    project = order.project_ids[:1]
    expense = env["hr.expense"].with_company(firm.company).create({
        "name": name,
        "employee_id": person.id,
        "company_id": firm.company.id,
        "product_id": category.id,
        "date": day,
        "total_amount_currency": amount,
        "currency_id": currency.id,
        "tax_ids": [Command.clear()],
        "analytic_distribution": project._get_analytic_distribution() if project else False,
    })
    return env["psa.entry"]._sync("expense", [{
        "source": expense,
        "order_id": order.id,
        "project_id": project.id,
        "employee_id": person.id,
        "work_date": day,
        "quantity": 1,
        "currency_id": currency.id,
        "fixed_amount": amount,
        "description": name,
        "source_amount": amount,
    }])


# === SUBCONTRACTORS === #
def _subcontractors(env, firm):
    vendor = env["res.partner"].create({"name": "Harbour Security Testing", "is_company": True, "supplier_rank": 1})
    order = firm.contract("Security review", [("time_material", 80, 165.0), ("pass_through", 0, 0)])
    line = order.order_line.filtered(lambda line: line.psa_billing_method == "pass_through")
    line.psa_markup_percent = 12
    _purchase(env, firm, order, vendor, "Penetration test, portal", 4, 950.0)  # no bill yet: held
    done = _purchase(env, firm, order, vendor, "Code review, billing service", 3, 900.0)
    bill = _bill(env, firm, vendor, done.order_line, 3, 880.0, date(2026, 5, 18))
    bill.action_post()

    early = firm.contract("Data centre move", [("pass_through", 0, 0)])
    early.order_line.write({"psa_markup_percent": 6, "psa_before_bill": True})
    _purchase(env, firm, early, vendor, "Standby engineer, cut-over weekend", 2, 1100.0)  # billed before the bill


def _purchase(env, firm, order, vendor, name, days, price):
    purchase = env["purchase.order"].with_company(firm.company).create({
        "partner_id": vendor.id,
        "company_id": firm.company.id,
        "project_id": order.project_ids[:1].id,
        "order_line": [Command.create({
            "product_id": env.ref("psa_hub.product_pass_through").id, "name": name, "product_qty": days,
            "price_unit": price, "date_planned": "2026-05-12 12:00:00", "tax_ids": [Command.clear()],
        })],
    })
    purchase.button_confirm()
    return purchase


def _bill(env, firm, vendor, ordered, days, price, day):
    return env["account.move"].with_company(firm.company).create({
        "move_type": "in_invoice",
        "partner_id": vendor.id,
        "company_id": firm.company.id,
        "invoice_date": day,
        "invoice_line_ids": [Command.create({
            "product_id": ordered.product_id.id, "name": ordered.name, "quantity": days, "price_unit": price,
            "purchase_line_id": ordered.id, "tax_ids": [Command.clear()],
        })],
    })


# === FOREIGN AMOUNTS === #
def _foreign(env, firm, people, travel):
    foreign = [code for code in ("CHF", "SEK", "DKK", "NOK") if code != firm.company.currency_id.name]
    known, unknown, agreed = (
        env["res.currency"].with_context(active_test=False).search([("name", "=", code)]) for code in foreign[:3])
    (known | unknown | agreed).active = True
    Rate = env["res.currency.rate"].with_company(firm.company)
    Rate.search([
        ("currency_id", "in", (known | unknown).ids), ("company_id", "in", (False, firm.company.root_id.id)),
    ]).unlink()
    Rate.create({
        "currency_id": known.id, "name": date(2026, 5, 31), "inverse_company_rate": 1.04,
        "company_id": firm.company.root_id.id,
    })
    order = firm.contract(
        "Nordic and Alpine sites", [("time_material", 60, 150.0), ("expense", 0, 0)], psa_exchange_rule="month_end")
    spend(env, firm, order, people[0], travel, date(2026, 5, 20), 96.0, "Train to Zurich", known)
    spend(env, firm, order, people[0], travel, date(2026, 5, 21), 640.0, "Train to Malmo", unknown)  # no rate
    fixed = firm.contract(
        "Copenhagen office", [("time_material", 40, 150.0), ("expense", 0, 0)], psa_exchange_rule="fixed",
        psa_exchange_rate_ids=[Command.create({"currency_id": agreed.id, "rate": 0.14})])
    spend(env, firm, fixed, people[-1], travel, date(2026, 5, 22), 1200.0, "Ferry and hire car", agreed)
    plain = firm.contract("Geneva workshop", [("time_material", 10, 150.0), ("expense", 0, 0)])
    spend(env, firm, plain, people[-1], travel, date(2026, 5, 26), 180.0, "Flight to Geneva", known)  # held: no rule
