"""Holds of every kind, late work under every rule, an accrual, and a billing run: what finance sees at month-end.

Called by the builder of the money demo; all work is done in May 2026. Everything goes through the same doors that
people use. It has to be the last part that makes work: it closes May, so what comes after it is late.
"""

import time
from datetime import date, timedelta

from odoo.fields import Command, Datetime

MAY = (date(2026, 5, 1), date(2026, 5, 31))


def build(env, firm):
    """Build the part of the demo that shows holds and periods.

    :param firm: namespace with ``company``, ``people``, ``roles``, ``users``, ``contract()`` and ``time()``
    """
    _rules(env, firm)
    _holds(env, firm)
    _late(env, firm)


def _rules(env, firm):
    """What the company's administrator sets up."""
    company = firm.company
    accounts = {
        name: env["account.account"].with_company(company).create({
            "name": name, "code": code, "account_type": kind, "company_ids": [Command.set(company.ids)]})
        for name, code, kind in (
            ("Accrued Revenue", "106900", "asset_current"), ("Revenue, Accrued", "400900", "income"))
    }
    company.write({
        "psa_hold_overdue": True, "psa_overdue_days": 30, "psa_overdue_amount": 500,
        "account_use_credit_limit": True,
        "psa_accrual_journal_id": env["account.journal"].search(
            [("type", "=", "general"), ("company_id", "=", company.id)], limit=1).id,
        "psa_accrued_account_id": accounts["Accrued Revenue"].id,
        "psa_accrual_revenue_account_id": accounts["Revenue, Accrued"].id,
    })


def _contract(env, firm, customer, **values):
    """A contract of hours at 120.00, with some work in May."""
    partner = env["res.partner"].create({"name": customer, "is_company": True})
    role = next(iter(firm.roles.values()))
    order = firm.contract(
        f"{customer}: support", [("time_material", 100, 120.0, {"psa_role_id": role.id})],
        partner_id=partner.id, **values)
    env["psa.rate"].create({
        "company_id": firm.company.id, "order_id": order.id, "role_id": role.id, "amount": 120})
    return order


def _person(firm):
    return next(iter(firm.people.values()))


def _work(env, firm, order, days):
    return firm.time(order, _person(firm), [(date(2026, 5, day), hours) for day, hours in days])


def _unpaid(env, firm, order, day, due=None):
    """An invoice of 1,200.00 before tax that nobody has paid."""
    move = env["account.move"].with_company(firm.company).create({
        "move_type": "out_invoice", "partner_id": order.partner_invoice_id.id, "company_id": firm.company.id,
        "invoice_date": day, "invoice_date_due": due or day, "invoice_payment_term_id": False,
        "invoice_line_ids": [Command.create({"name": "Support, first quarter", "quantity": 10, "price_unit": 120.0})],
    })
    move.action_post()
    return move


def _holds(env, firm):
    """Overdue, over the limit, disputed, by hand; and one that its payment has lifted."""
    overdue = _contract(env, firm, "Thornfield Mills")
    _unpaid(env, firm, overdue, date(2026, 3, 1))

    limited = _contract(env, firm, "Lowood Instruments")
    limited.partner_id.with_company(firm.company).credit_limit = 1000

    disputed = _contract(env, firm, "Ferndean Optics")
    open_until = Datetime.now().date() + timedelta(days=30)
    _unpaid(env, firm, disputed, date(2026, 5, 4), open_until)._psa_set_dispute("The last two days were not agreed")

    by_hand = _contract(env, firm, "Gateshead Foundry")
    env["psa.hold"]._put(by_hand, "A change of scope is being discussed")

    lifted = _contract(env, firm, "Moor House Press")
    paid = _unpaid(env, firm, lifted, date(2026, 3, 15))

    orders = overdue | limited | disputed | by_hand | lifted
    for order in orders:
        _work(env, firm, order, [(11, 8), (12, 6)])
    env["psa.billing.run"].create({
        "name": "May 2026, support contracts", "period_start": MAY[0], "period_end": MAY[1],
        "company_ids": [Command.set(firm.company.ids)], "order_ids": [Command.set(orders.ids)],
    }).action_run()
    env["account.payment.register"].with_context(
        active_model="account.move", active_ids=paid.ids,
    ).create({"payment_date": date(2026, 6, 2)})._create_payments()
    env.cr.flush()  # what the commit does first: the payment lifts the hold


def _late(env, firm):
    """May is closed; then work arrives under each rule."""
    orders = {
        policy: _contract(env, firm, customer, psa_late_policy=policy)
        for policy, customer in (
            ("next_period", "Marsh End Nurseries"), ("accrue", "Whitcross Carriers"), ("ask", "Vale Hall Estates"))
    }
    for order in orders.values():
        _work(env, firm, order, [(18, 8)])
    closing = env["psa.closing"].create({
        "company_id": firm.company.id, "period_start": MAY[0], "period_end": MAY[1],
        "cutoff_ids": [Command.create({"cutoff_at": Datetime.now()})],
        "check_ids": [Command.create({"label": "Subcontractors' bills are in", "sequence": 20})],
    })
    closing._close("The demo goes on: what is open is shown on purpose")
    time.sleep(1.1)  # moments are kept to the second, and what comes now has to come after the cut-off
    for order in orders.values():
        _work(env, firm, order, [(28, 7.5)])
