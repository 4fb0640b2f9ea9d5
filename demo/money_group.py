"""Two companies of the group: people of one work on contracts of the other, with a transfer price and without."""

from datetime import date

from odoo.fields import Command

LENDER = "Alderwick Labs"


def build(env, firm):
    """Make the lender, a contract whose hours have a transfer price, and one that waits for its price.

    :param firm: :class:`~.money.Firm`
    """
    lender = _lender(env, firm)
    specialist, stranger = env["hr.employee"].create([
        {"name": "Hedy Kiesler", "company_id": lender.id, "hourly_cost": 75.0, "psa_role_id": False},
        {"name": "Emmy Noether", "company_id": lender.id, "hourly_cost": 90.0, "psa_role_id": False},
    ])
    consultant, architect = firm.roles["Consultant"], firm.roles["Architect"]
    env["psa.transfer.price"].create({
        "provider_company_id": lender.id, "receiver_company_id": firm.company.id, "role_id": consultant.id,
        "method": "percent", "percent": 65.0,
    })
    priced = firm.contract("Holloway Optics: signal study", [
        ("time_material", 40, 160.0, {"psa_role_id": consultant.id})])
    waiting = firm.contract("Trent Bearings: vibration study", [
        ("time_material", 40, 190.0, {"psa_role_id": architect.id})])
    for order, person, role in ((priced, specialist, consultant), (waiting, stranger, architect)):
        firm.rate(order, order.order_line.price_unit, role=role)
        # Time of another company's person is booked with both companies at hand, as a lane does.
        firm.time(order.with_context(allowed_company_ids=[firm.company.id, lender.id]), person,
                  [(date(2026, 5, 19), 7.5), (date(2026, 5, 20), 6)], role_id=role.id)


def _lender(env, firm):
    lender = env["res.company"].search([("name", "=", LENDER)])
    if not lender:
        lender = env["res.company"].create({
            "name": LENDER, "currency_id": firm.company.currency_id.id, "country_id": firm.company.country_id.id})
        env.user.company_ids |= lender
        env["account.chart.template"].with_context(chart_template_load=True).try_loading(
            "generic_coa", company=lender, install_demo=False)
    for user in firm.users.values():
        user.company_ids = [Command.link(lender.id)]
    return lender
