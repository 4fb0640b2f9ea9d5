"""Contracts that show how hours are counted, what a cap holds back, and what is written down."""

from datetime import date

from odoo.fields import Command


def build(env, firm):
    """Make the contracts of this part.

    :param firm: namespace: ``company``, ``people`` {name: hr.employee}, ``roles`` {name: psa.role}, ``users``
        {login: res.users}, ``contract(name, lines, **order values)``, ``time(order, employee, [(day, hours)])``
    """
    _quarter_hours(firm)
    _days(firm)
    _capped(env, firm)
    _soft_cap(env, firm)
    _purchase_orders(env, firm)
    _written_down(env, firm)


def _person(firm, number=0):
    return list(firm.people.values())[number % len(firm.people)]


def _quarter_hours(firm):
    """Each call counts as a quarter of an hour at least."""
    order = firm.contract(
        "Hotline", [("time_material", 40, 180.0)], psa_hours_rounding="15", psa_hours_rounding_mode="up")
    firm.time(order, _person(firm), [
        (date(2026, 5, 4), 0.1), (date(2026, 5, 4), 0.4), (date(2026, 5, 6), 1.1), (date(2026, 5, 7), 0.75)])


def _days(firm):
    """The customer is used to days of seven and a half hours."""
    order = firm.contract(
        "Data Platform Team", [("time_material", 300, 160.0)], psa_time_unit="day", psa_hours_per_day=7.5)
    firm.time(order, _person(firm, 1), [
        (date(2026, 5, day), hours) for day, hours in ((11, 7.5), (12, 7.5), (13, 3.75), (18, 7.5), (19, 7.5))])


def _capped(env, firm):
    """Not to exceed 6,000: the last day fits in part, the day after waits."""
    order = firm.contract("Warehouse Study, Not to Exceed", [("time_material", 50, 150.0)])
    env["psa.cap"].create({"order_id": order.id, "amount_limit": 6000.0, "quantity_limit": 60.0})
    firm.time(order, _person(firm), [
        (date(2026, 5, day), hours) for day, hours in ((4, 6), (5, 8), (6, 8), (7, 8), (8, 8), (11, 8), (12, 4))])


def _soft_cap(env, firm):
    """The budget only warns: the project manager hears of it, and the work is billed."""
    order = firm.contract("Reporting Budget", [("time_material", 40, 140.0)])
    env["psa.cap"].create({"order_id": order.id, "amount_limit": 4000.0, "enforcement": "soft"})
    firm.time(order, _person(firm, 1), [(date(2026, 5, day), 8) for day in (12, 13, 14, 15)])


def _purchase_orders(env, firm):
    """One customer wants a number, one order has ended, one is used up."""
    missing = firm.contract("Harbour Works", [("time_material", 40, 150.0)])
    missing.partner_id.commercial_partner_id.psa_purchase_order_required = True
    firm.time(missing, _person(firm), [(date(2026, 5, 20), 6)])
    ended = firm.contract(
        "Grid Maintenance", [("time_material", 40, 150.0)],
        psa_purchase_order="PO-2025-118", psa_purchase_order_expiry=date(2026, 5, 15))
    firm.time(ended, _person(firm, 1), [(date(2026, 5, 14), 4), (date(2026, 5, 18), 4)])
    used_up = firm.contract(
        "Portal Support", [("time_material", 40, 150.0)],
        psa_purchase_order="4500017734", psa_purchase_order_amount=1500.0)
    firm.time(used_up, _person(firm), [(date(2026, 5, 21), 8), (date(2026, 5, 22), 4)])


def _written_down(env, firm):
    """A day took too long, and another one waits for the approver; the customer reads better words than "misc"."""
    order = firm.contract("Interface to the Bank", [("time_material", 60, 150.0)])
    entries = firm.time(order, _person(firm), [(date(2026, 5, day), 8) for day in (25, 26, 27)])
    for entry, mode, reason in ((entries[0], {"mode": "percent", "percent": 25.0}, "overrun"),
                                (entries[1], {"mode": "full"}, "quality")):
        env["psa.write.down"].create({
            "entry_ids": [Command.set(entry.ids)],
            "reason_id": env.ref(f"psa_hub.write_down_reason_{reason}").id,
            "comment": "Agreed with the customer on the phone",
            **mode,
        }).action_submit()
    entries[2].narrative = "Payment files tested with the bank, acceptance on 27 May"
