"""Fees by the period, progress, acceptance, a retainer and prepaid hours, each once, in May 2026."""

from datetime import date

MAY = date(2026, 5, 1)


def build(env, firm):
    """Make the contracts of this part and the work on them.

    :param firm: namespace with ``company``, ``people``, ``roles``, ``users``, ``contract()`` and ``time()``
    """
    _managed_service(env, firm)
    _progress(env, firm)
    _acceptance(env, firm)
    _retainer(env, firm)
    _prepaid(env, firm)


def _person_and_role(env, firm, order, rate):
    """Return someone of the firm whose hours on ``order`` have a price."""
    person = next(iter(firm.people.values()))
    role = person.psa_role_id or next(iter(firm.roles.values()))
    env["psa.rate"].create({
        "company_id": order.company_id.id, "order_id": order.id, "employee_id": person.id, "amount": rate,
        "role_id": role.id,
    })
    if not person.psa_role_id:
        person.psa_role_id = role
    return person


def _managed_service(env, firm):
    """A service desk that starts on May 11th, co-termed with the contract, and stands still over a shutdown."""
    order = firm.contract("Meridian Freight: managed service desk", [
        ("recurring", 1, 2480.0, {
            "name": "Managed service desk", "psa_interval": "month", "psa_date_start": date(2026, 5, 11),
            "psa_anchor": "contract", "psa_date_end": date(2026, 5, 31),
        }),
        ("recurring", 12, 95.0, {
            "name": "Monitoring, twelve servers", "psa_interval": "month", "psa_date_start": MAY,
            "psa_anchor": "contract", "psa_charge_when": "arrears", "psa_date_end": date(2026, 5, 31),
        }),
    ], psa_anchor_date=MAY)
    env["psa.pause"].create({
        "order_id": order.id, "date_from": date(2026, 5, 25), "date_to": date(2026, 5, 28),
        "reason": "Data centre moves",
    })
    env["psa.line.price"].create({
        "order_line_id": order.order_line[0].id, "date_from": date(2026, 5, 18), "price_unit": 2560.0,
        "reason": "Second shift from May 18th",
    })
    env["psa.charge"]._charge_orders(order, date(2026, 5, 31))
    # Something for the desk: a line sold without saying how often it is charged.
    lacking = firm.contract("Castell Dairies: reporting service", [
        ("recurring", 1, 640.0, {"name": "Monthly reporting"}),
    ])
    env["psa.charge"]._charge_orders(lacking, date(2026, 5, 31))


def _progress(env, firm):
    """A migration at 40 % in mid May by its hours, reported by one and approved by another; the next report waits."""
    order = firm.contract("Halden Museum: collection migration", [
        ("progress", 1, 48000.0, {
            "name": "Migration of the collection database", "psa_progress_method": "hours",
            "psa_budget_hours": 200.0,
        }),
    ])
    days = [date(2026, 5, day) for day in (4, 5, 6, 7, 8, 11, 12, 13, 14, 15)]
    firm.time(order, next(iter(firm.people.values())), [(day, 8) for day in days])
    reviewer = firm.users["approver"]
    Progress = env["psa.progress"].with_user(firm.users["finance"]).with_company(order.company_id)
    first = Progress.create({"order_line_id": order.order_line.id, "date": date(2026, 5, 15), "percent": 0})
    first.action_report()
    first.with_user(reviewer).action_approve()
    second = Progress.create({
        "order_line_id": order.order_line.id, "date": date(2026, 5, 31), "percent": 60,
        "note": "Import rehearsed twice; images are still to come."})
    second.action_report()


def _acceptance(env, firm):
    """Two milestones that need the customer's acceptance: one has it, the other one is held."""
    order = firm.contract("Orchard Clinics: patient portal", [
        ("milestone", 1, 36000.0, {"name": "Patient portal", "psa_acceptance_required": True}),
    ])
    project = env["project.project"].search([("psa_contract_id", "=", order.id)], limit=1)
    milestones = env["project.milestone"].create([
        {"name": name, "project_id": project.id, "sale_line_id": order.order_line.id, "quantity_percentage": share,
         "is_reached": True, "deadline": day}
        for name, share, day in [("Prototype", 0.25, date(2026, 5, 12)), ("First release", 0.5, date(2026, 5, 28))]
    ])
    env["psa.entry"]._sync("milestone", [
        {
            "source": milestone, "order_id": order.id, "order_line_id": order.order_line.id, "project_id": project.id,
            "work_date": milestone.deadline, "quantity": milestone.quantity_percentage,
            "currency_id": order.currency_id.id, "fixed_amount": None, "approved": True, "description": milestone.name,
        }
        for milestone in milestones
    ])
    milestones[0].psa_accepted_name = "Ines Okafor"
    milestones[0].action_psa_accept()


def _retainer(env, firm):
    """A monthly retainer of 3,000 that work has used up: what is over it waits for a word of the customer."""
    order = firm.contract("Lindqvist Legal: advisory retainer", [
        ("retainer", 1, 3000.0, {
            "name": "Advisory retainer", "psa_interval": "month", "psa_date_start": MAY, "psa_anchor": "calendar",
            "psa_date_end": date(2026, 5, 31),
        }),
    ])
    person = _person_and_role(env, firm, order, 160.0)
    env["psa.charge"]._charge_orders(order, date(2026, 5, 31))
    env["psa.retainer"].create({
        "name": "Advisory retainer", "order_id": order.id, "fee_line_id": order.order_line.id, "date_start": MAY,
        "period": "month", "rollover": "limited", "rollover_periods": 1, "overage": "hold",
    })
    firm.time(order, person, [(date(2026, 5, 6), 7.5), (date(2026, 5, 13), 8), (date(2026, 5, 21), 6.5)])


def _prepaid(env, firm):
    """Forty hours bought beforehand, three quarters of them used: manager and salesperson were told."""
    order = firm.contract("Fenwick Labs: prepaid engineering", [
        ("prepaid", 40, 140.0, {"name": "Prepaid engineering hours", "psa_date_start": MAY}),
    ])
    person = next(iter(firm.people.values()))
    env["psa.charge"]._charge_orders(order, date(2026, 5, 31))
    env["psa.retainer"].create({
        "name": "Prepaid engineering hours", "order_id": order.id, "fee_line_id": order.order_line.id,
        "unit": "hours", "period": "none", "date_start": MAY, "expiry_months": 12,
    })
    firm.time(order, person, [(date(2026, 5, day), 7.5) for day in (5, 12, 19, 26)])
