"""How proposals become invoices: a contract that two customers pay, an invoice too small to send, corrections on a
credit note, an amount that needs two approvers.
"""

from datetime import date

from odoo.fields import Command

MAY = (date(2026, 5, 1), date(2026, 5, 31))


def build(env, firm):
    """Make the contracts and their May.

    :param firm: the example firm: ``company``, ``people``, ``roles``, ``users``, ``contract()``, ``time()``
    :return: ``{name: sale.order}``
    """
    firm.company.psa_second_approval_from = 20_000
    consultant = next(iter(firm.roles.values()))
    person = next(iter(firm.people.values()))
    return {
        "split": _split(env, firm, consultant, person),
        "small": _small(env, firm, consultant, person),
        "corrected": _corrected(env, firm, consultant, person),
        "large": _large(env, firm, consultant, person),
    }


def _contract(env, firm, customer, role, rate, **values):
    partner = env["res.partner"].create({"name": customer, "is_company": True, "company_id": firm.company.id})
    order = firm.contract(f"{customer}: advisory", [("time_material", 200, rate, {"psa_role_id": role.id})],
                          partner_id=partner.id, **values)
    env["psa.rate"].create({
        "company_id": firm.company.id, "order_id": order.id, "role_id": role.id, "amount": rate})
    return order


def _split(env, firm, role, person):
    """A joint venture: 60 % and 40 %, the rounding to the first, each with its own order number."""
    order = _contract(env, firm, "Northfleet Harbour", role, 145.0)
    partner = env["res.partner"].create({
        "name": "Northfleet Pilots", "is_company": True, "company_id": firm.company.id})
    order.psa_share_ids = [
        Command.create({"partner_id": order.partner_id.id, "percent": 60, "is_rounding": True, "reference": "NH-2291"}),
        Command.create({"partner_id": partner.id, "percent": 40, "reference": "PIL/26/17"}),
    ]
    firm.time(order, person, [("2026-05-04", 7.5), ("2026-05-05", 6.25), ("2026-05-06", 8)])
    return order


def _small(env, firm, role, person):
    """One hour in May: below the customer's smallest invoice, so June's comes with it."""
    order = _contract(env, firm, "Tollgate Books", role, 120.0)
    order.write({"psa_minimum_rule": "own", "psa_minimum_amount": 500})
    firm.time(order, person, [("2026-05-12", 1)])
    return order


def _corrected(env, firm, role, person):
    """Two hours too many in April: their correction stands on a credit note of its own, the rest by month."""
    order = _contract(env, firm, "Marlow Instruments", role, 130.0)
    order.psa_invoice_layout_id = env["psa.invoice.layout"].create({
        "name": "By month, corrections apart",
        "company_id": firm.company.id,
        "part_ids": [Command.create({"sequence": 1, "by": "month"}), Command.create({"sequence": 2, "by": "person"})],
        "show_sections": True,
        "text": "{person}: {quantity} {unit} at {rate}\n{narrative}",
        "negative_lines": "credit_note",
    })
    firm.time(order, person, [("2026-05-07", 8), ("2026-05-08", 7), ("2026-05-11", -2)])
    return order


def _large(env, firm, role, person):
    """160 hours at 175: from 20,000 on two approvers are needed. The first has approved; the second is asked."""
    order = _contract(env, firm, "Ravensworth Energy", role, 175.0)
    firm.time(order, person, [(f"2026-05-{day:02}", 8) for day in range(4, 24)])
    Proposal = env["psa.proposal"].with_context(allowed_company_ids=firm.company.ids)
    proposal = Proposal.with_user(firm.users["finance"])._create_proposals(*MAY, order)
    proposal.action_submit()
    proposal.with_user(firm.users["approver"]).action_approve()
    return order
