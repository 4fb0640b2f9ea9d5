"""Rate cards, a blended rate and amendments of the example firm: a rise over a month that is billed in part, a fee that
grows, a cut, a version that is being signed, and a draft for next year."""

import base64
from datetime import date

from odoo import Command

MAY = 5


def build(env, firm):
    """Make the records; all work is of April and May 2026.

    :param firm: namespace of the example firm: ``company, people, roles, users, contract(), time()``
    """
    roles = list(firm.roles.values())
    people = list(firm.people.values())
    rate_cards(env, firm, roles)
    rise_over_a_billed_month(env, firm, people[0].psa_role_id, people[0])
    blended_contract(env, firm, roles, people)
    growing_fee(env, firm)


def rate_cards(env, firm, roles):
    """Last year's standard card, this year's made of it with 3.5 % more, and one for a single customer."""
    card = env["psa.rate.card"].create({
        "name": "Standard rates 2025", "company_id": firm.company.id, "currency_id": firm.company.currency_id.id,
        "date_from": date(2025, 1, 1), "date_to": date(2025, 12, 31),
        "rate_ids": [
            Command.create({"role_id": role.id, "amount": amount})
            for role, amount in zip(roles, (148.0, 185.0, 210.0, 120.0), strict=False)
        ],
    })
    env["psa.rate.card.copy"].create({"card_id": card.id, "uplift": 3.5, "round_to": 1.0}).action_copy()


def rise_over_a_billed_month(env, firm, role, person):
    """The rate rises from May 1, but the first half of May was billed at the old one: difference lines correct it."""
    order = firm.contract(
        "Harbour Authority: terminal planning", [("time_material", 200, 140.0)],
        note="Framework agreement of January")
    env["psa.rate"].create({"order_id": order.id, "role_id": role.id, "amount": 140.0})
    firm.time(order, person, [(date(2026, MAY, day), 8) for day in (4, 5, 6, 7)])
    _bill(env, firm, order, date(2026, MAY, 1), date(2026, MAY, 15))
    firm.time(order, person, [(date(2026, MAY, day), 7.5) for day in (18, 19, 20)])
    rise = _amendment(
        env, firm, order, "Rates from May", date(2026, MAY, 1), [_rate(role, 152.0)],
        clause="Change order 1, section 2",
        terms="From May 1, 2026 the hourly rate is 152.00. All other terms stay as they are.",
        purchase_order="HA-2026-0417", signed_on=date(2026, MAY, 21), signed_by="M. Okafor, Head of Procurement",
        document=base64.b64encode(b"%PDF-1.4 signed change order"), document_name="change-order-1.pdf")
    rise.with_user(_approver(firm)).action_put_in_force()
    _amendment(
        env, firm, order, "Night shifts in July", date(2026, 7, 1), [_rate(role, 175.0, date_to=date(2026, 7, 31))],
        clause="Change order 2").with_user(_preparer(firm)).action_send_to_sign()
    _amendment(env, firm, order, "Rebate for the second year", date(2027, 1, 1), [_rate(role, 149.0)])


def blended_contract(env, firm, roles, people):
    """One rate for everyone; each entry's trace shows what the card would have made of it."""
    order = firm.contract("Riverside Clinic: managed team", [("time_material", 400, 155.0)])
    env["psa.rate"].create({"order_id": order.id, "amount": 155.0})
    for person in people[:3]:
        firm.time(order, person, [(date(2026, MAY, day), 6) for day in (11, 12)])
    cut = _amendment(
        env, firm, order, "Team discount", date(2026, MAY, 12), [{"kind": "rate", "amount": 150.0}], clause="§ 4.1")
    cut.with_user(_approver(firm)).action_put_in_force()


def growing_fee(env, firm):
    """A fixed fee that is billed, and then grows by a change order."""
    order = firm.contract("Northern Rail: data platform", [("fixed_fee", 1, 48000.0)])
    line = order.order_line[:1]
    env["psa.entry"]._sync("fee", [{
        "source": line, "order_id": order.id, "work_date": date(2026, MAY, 4), "description": line.name}])
    _bill(env, firm, order, date(2026, MAY, 1), date(2026, MAY, 15))
    more = _amendment(env, firm, order, "Second data source", date(2026, MAY, 18), [
        {"kind": "line", "order_line_id": line.id, "price_delta": 6500.0},
        {"kind": "line", "name": "Training of operators", "billing_method": "fixed_fee", "quantity_delta": 1,
         "price_delta": 2800.0},
    ], clause="Change order 1", date_end=date(2026, 12, 31))
    more.with_user(_approver(firm)).action_put_in_force()


# === TOOLS === #
def _rate(role, amount, **values):
    return {"kind": "rate", "role_id": role.id, "amount": amount, **values}


def _amendment(env, firm, order, name, day, changes, **values):
    return env["psa.amendment"].with_user(_preparer(firm)).create({
        "order_id": order.id, "name": name, "date_effective": day,
        "change_ids": [Command.create(change) for change in changes], **values,
    })


def _bill(env, firm, order, start, end):
    """Propose, approve and post what is there."""
    proposal = env["psa.proposal"].with_user(_preparer(firm))._create_proposals(start, end, order)
    proposal.action_submit()
    proposal.with_user(_approver(firm)).action_approve()
    order.invoice_ids.filtered(lambda move: move.state == "draft").action_post()


def _preparer(firm):
    return firm.users["finance"]


def _approver(firm):
    return firm.users["approver"]
