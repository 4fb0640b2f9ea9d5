"""Odoo's side of the studio: one company whose sales, time, signatures and payments live in five systems and a folder.

What the systems hold is in ``sandbox/studio.py``; this is what an administrator sets up before the first read.
"""

from odoo.fields import Command

from ..sandbox import studio
from . import firm

LOGINS = ("finance", "approver", "auditor", "admin")


def set_up(env):
    """Make the company, its people and journals, and the words that the systems use; return the company."""
    env["res.currency"].with_context(active_test=False).search([("name", "=", studio.CURRENCY)]).active = True
    country = env["res.country"].search([("code", "=", "DE")])
    # the generic chart: no localisation module is installed on the way
    loading = env(context={**env.context, "chart_template_load": True})
    company = loading["res.company"].create({
        "name": studio.COMPANY, "country_id": country.id,
        "currency_id": env["res.currency"].search([("name", "=", studio.CURRENCY)]).id})
    loading["account.chart.template"].try_loading("generic_coa", company=company, install_demo=False)
    company = company.with_env(env)
    company.currency_id = env["res.currency"].search([("name", "=", studio.CURRENCY)])
    company.psa_match_from = 70  # a name is enough here: its customers are few, and no two are called alike
    firm._users(env, {studio.COMPANY: company})
    users = env["res.users"].search([("login", "in", LOGINS)])
    users.company_ids |= company
    if not env["psa.connection"].with_context(active_test=False).search_count([]):
        users.company_id = company  # no other firm was set up: they begin where something is to be seen
    env.user.company_ids |= company
    env = env(context={**env.context, "allowed_company_ids": company.ids})
    _people(env, company)
    _words(env, company)
    return company


def _people(env, company):
    """The firm's own people are in Odoo before: the other systems' users are matched to them by e-mail address."""
    roles = {role: firm._named(env, "psa.role", role) for role in sorted({person.role for person in studio.PEOPLE})}
    users = env["res.users"].with_context(no_reset_password=True).create([
        {"name": person.name, "login": person.email, "email": person.email, "company_id": company.id,
         "company_ids": [Command.set(company.ids)], "group_ids": [Command.link(env.ref("base.group_user").id)]}
        for person in studio.PEOPLE if person.owner_id])
    by_login = {user.login: user.id for user in users}
    env["hr.employee"].create([
        {"name": person.name, "work_email": person.email, "company_id": company.id, "hourly_cost": person.cost,
         "psa_role_id": roles[person.role].id, "employee_type": "contractor" if person.contractor else "employee",
         "user_id": by_login.get(person.email)}
        for person in studio.PEOPLE])


def _words(env, company):
    targets = [("company", "HM-DE", company)]
    targets += [("payment_term", word, firm._payment_term(env, word)) for word in ("Net 15", "Net 30")]
    targets += [("project_template", "Studio delivery", firm._template(env, "Studio delivery"))]
    targets += [("role", role, firm._named(env, "psa.role", role)) for role in
                sorted({person.role for person in studio.PEOPLE})]
    targets += [("expense_category", word, firm._expense_product(env, word))
                for word in ("Transportation", "Lodging", "Meals")]
    targets += [("tax_profile", "EU B2B", firm._fiscal_position(env, company, "EU B2B"))]
    ValueMap = env["psa.value.map"]
    known = {(row.domain, row.source_value, row.company_id.id) for row in ValueMap.search([("state", "=", "mapped")])}
    rows = []
    for domain, word, target in targets:
        company_id = company.id if domain == "tax_profile" else False
        if (domain, word, company_id) not in known:
            rows.append({"domain": domain, "source_value": word, "company_id": company_id,
                         "target_ref": f"{target._name},{target.id}"})
    ValueMap.create(rows)


def journals(env, company):
    """Return ``{field of the connection: record}``: where the payment provider's money is booked."""
    Journal = env["account.journal"].with_company(company)
    provider = Journal.create({"name": "Payment provider", "code": "PROV", "type": "bank", "company_id": company.id})
    bank = Journal.search([("type", "=", "bank"), ("company_id", "=", company.id), ("id", "!=", provider.id)], limit=1)
    fees = env["account.account"].with_company(company).create({
        "name": "Payment fees", "code": "627900", "account_type": "expense", "company_ids": [Command.set(company.ids)]})
    return {"payment_journal_id": provider.id, "payout_journal_id": bank.id, "fee_account_id": fees.id}


# Which log-in each system is connected with; what a stand-in's ``/_sandbox/credentials`` says is filled in by name.
AUTH_METHODS = {"hubspot": "private_app", "jira": "api_token", "harvest": "token", "stripe": "secret_key",
                "docusign": "jwt"}
NAMES = {"hubspot": "HubSpot", "jira": "Jira", "harvest": "Harvest", "stripe": "Stripe", "docusign": "DocuSign",
         "files": "Files"}


def connect(env, company, code, url, known, **values):
    """Make and check the connection to one system.

    :param known: what the stand-in's ``/_sandbox/credentials`` says
    :return: ``psa.connection``
    """
    connection = env["psa.connection"].create({
        "name": f"Studio {NAMES[code]}", "connector_code": code, "environment": "sandbox",
        "company_id": company.id, "auth_method": AUTH_METHODS.get(code), "rate_calls": 400, "rate_seconds": 1,
        **values})
    settings = dict(connection.settings or {})
    for line in connection.setting_ids:
        if line.code in known:
            settings[line.code] = str(known[line.code])
        elif line.code.endswith("_url") and line.code != "consent_url":
            settings[line.code] = url
    connection.settings = settings
    codes = set(connection.credential_ids.mapped("code"))
    connection._set_credentials({name: value for name, value in known.items() if name in codes and value})
    env.cr.commit()  # the check works in a transaction of its own
    connection.action_check()
    if connection.state != "connected":
        raise SystemExit(f"{connection.name} is {connection.state}: {connection.check_text}")
    return connection
