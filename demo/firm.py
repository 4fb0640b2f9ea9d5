"""Odoo's side of the example firm: companies, taxes, terms, templates, roles, value maps, users, the connection.

What the stand-in serves is the vendor's side (``sandbox/``); this is what an administrator sets up in Odoo before the
first read. Everything is found by name before it is made, so that it can run again.
"""

from odoo.fields import Command

from ..devkit.demo_table import RATES

PASSWORD = "demo-{login}"  # printed by ./dev demo; the database listens on 127.0.0.1 only

LOGINS = (
    ("finance", "Fiona Finance", ("psa_hub.group_reviewer", "account.group_account_invoice")),
    ("approver", "Arthur Approver", ("psa_hub.group_approver", "account.group_account_invoice")),
    ("auditor", "Audrey Auditor", ("psa_hub.group_auditor",)),
)


def set_up(env, url, credentials, manifest):
    """Make the firm and its connection.

    :param url: address of the stand-in
    :param credentials: what the stand-in's ``/_sandbox/credentials`` says
    :param manifest: what its ``/_sandbox/manifest`` says
    :return: ``psa.connection`` record, checked
    """
    companies = _companies(env, manifest["entities"])
    env = env(context={**env.context, "allowed_company_ids": [company.id for company in companies.values()]})
    _rates(env, companies)
    _users(env, companies)
    connection = _connection(env, companies, url, credentials, manifest)
    _value_maps(env, companies, manifest["value_maps"])
    return connection


def _companies(env, entities):
    """Return ``{legal entity code: res.company}``, each with its chart of accounts, currency and sale tax."""
    found = {}
    # the generic chart for all three: no localisation module is installed on the way
    env = env(context={**env.context, "chart_template_load": True})
    for code, entity in entities.items():
        currency = env["res.currency"].with_context(active_test=False).search([("name", "=", entity["currency"])])
        currency.active = True
        country = env["res.country"].search([("code", "=", entity["country"])])
        company = env["res.company"].search([("name", "=", entity["name"])])
        if not company:
            first = env.ref("base.main_company")
            values = {"name": entity["name"], "currency_id": currency.id, "country_id": country.id}
            if code == next(iter(sorted(entities, reverse=True))) and not env["account.move.line"].search_count(
                    [("company_id", "=", first.id)], limit=1):
                first.write({"name": entity["name"], "country_id": country.id})
                company = first
            else:
                company = env["res.company"].create(values)
            env["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
            company.currency_id = currency
        found[code] = company
    env.user.company_ids |= env["res.company"].concat(*found.values())
    return {code: company.with_context(chart_template_load=False) for code, company in found.items()}


def _rates(env, companies):
    for company in companies.values():
        base = RATES[company.currency_id.name]
        for name, dollars in RATES.items():
            currency = env["res.currency"].search([("name", "=", name)])
            known = env["res.currency.rate"].search_count(
                [("currency_id", "=", currency.id), ("company_id", "=", company.id)])
            if currency != company.currency_id and not known:
                env["res.currency.rate"].create({
                    "currency_id": currency.id, "company_id": company.id, "name": "2026-01-01",
                    "inverse_company_rate": float(dollars / base),
                })


def _users(env, companies):
    company_ids = [company.id for company in companies.values()]
    Users = env["res.users"].with_context(no_reset_password=True)
    for login, name, groups in LOGINS:
        if not Users.search_count([("login", "=", login)]):
            Users.create({
                "login": login, "name": name, "password": PASSWORD.format(login=login),
                "email": f"{login}@alderwick.example",
                "company_id": company_ids[0], "company_ids": [Command.set(company_ids)],
                "group_ids": [Command.link(env.ref(group).id) for group in groups],
            })
    env.ref("base.user_admin").company_ids |= env["res.company"].browse(company_ids)


def _connection(env, companies, url, credentials, manifest):
    connection = env["psa.connection"].search([("name", "=", "Alderwick Salesforce")])
    if not connection:
        connection = env["psa.connection"].create({
            "name": "Alderwick Salesforce",
            "connector_code": "salesforce",
            "environment": "sandbox",
            "company_id": next(iter(companies.values())).id,
            "auth_method": "jwt_bearer",
            "settings": {
                "login_url": url, "audience": credentials["audience"],
                "organization_id": manifest["organization_id"],
            },
            "package_codes": ["certinia"],
            "rate_calls": 200, "rate_seconds": 1,
        })
    connection.settings = {**connection.settings, "login_url": url}
    connection._set_credentials({
        "client_id": credentials["consumer_key"],
        "username": credentials["username"],
        "private_key": credentials["private_key"],
    })
    return connection


def _value_maps(env, companies, words):
    """Translate the words of the firm's Salesforce into records; what is left out is an unknown value on purpose."""
    targets = []
    targets += [("company", code, False, companies[code]) for code in words["company"]]
    targets += [("payment_term", word, False, _payment_term(env, word)) for word in words["payment_term"]]
    targets += [("project_template", word, False, _template(env, word)) for word in words["project_template"]]
    targets += [("role", word, False, _named(env, "psa.role", word)) for word in words["role"]]
    targets += [("expense_category", word, False, _expense_product(env, word)) for word in words["expense_category"]]
    targets += [
        ("product", word, False, env.ref(f"psa_hub.{xmlid}").product_variant_id if _is_template(env, xmlid)
         else env.ref(f"psa_hub.{xmlid}"))
        for word, xmlid in (("PS-TM", "product_time"), ("PS-FIXED", "product_fixed_fee"),
                            ("PS-MILESTONE", "product_milestone"))
    ]
    for company in companies.values():
        targets += [
            ("tax_profile", word, company.id, _fiscal_position(env, company, word))
            for word in words["tax_profile"] if word != "Domestic"
        ]
    ValueMap = env["psa.value.map"]
    known = {(row.domain, row.source_value, row.company_id.id) for row in ValueMap.search([("state", "=", "mapped")])}
    rows = [
        {"domain": domain, "source_value": word, "company_id": company_id,
         "target_ref": f"{target._name},{target.id}"}
        for domain, word, company_id, target in targets if (domain, word, company_id) not in known
    ]
    if ("tax_profile", "Domestic", False) not in known:
        rows.append({"domain": "tax_profile", "source_value": "Domestic", "target_code": "domestic"})
    ValueMap.create(rows)


def _is_template(env, xmlid):
    return env.ref(f"psa_hub.{xmlid}")._name == "product.template"


def _named(env, model, name, **values):
    return env[model].search([("name", "=", name)], limit=1) or env[model].create({"name": name, **values})


def _payment_term(env, word):
    days = int(word.split()[-1])
    return _named(env, "account.payment.term", word, line_ids=[
        Command.create({"value": "percent", "value_amount": 100, "nb_days": days})])


def _template(env, word):
    return env["project.project"].search([("name", "=", word), ("is_template", "=", True)], limit=1) or env[
        "project.project"].create({
            "name": word, "is_template": True, "allow_timesheets": True, "company_id": False,
            "task_ids": [Command.create({"name": name}) for name in ("Kick-off", "Delivery", "Handover")],
        })


def _expense_product(env, word):
    """A category that all companies share; one of the same name may be one company's own."""
    return env["product.product"].search(
        [("name", "=", word), ("can_be_expensed", "=", True), ("company_id", "=", False)], limit=1) or env[
        "product.product"].create({
            "name": word, "type": "service", "can_be_expensed": True, "standard_price": 0,
            "expense_policy": "no", "supplier_taxes_id": [Command.clear()],
        })


def _fiscal_position(env, company, word):
    """A position that takes the domestic sale tax away."""
    position = env["account.fiscal.position"].search([("name", "=", word), ("company_id", "=", company.id)])
    if not position:
        position = env["account.fiscal.position"].create({"name": word, "company_id": company.id})
        env["account.tax"].create({
            "name": f"0% {word}", "amount": 0, "type_tax_use": "sale", "company_id": company.id,
            "tax_group_id": company.account_sale_tax_id.tax_group_id.id,
            "country_id": company.account_sale_tax_id.country_id.id,
            "fiscal_position_ids": [Command.link(position.id)],
            "original_tax_ids": [Command.set(company.account_sale_tax_id.ids)],
        })
    return position
