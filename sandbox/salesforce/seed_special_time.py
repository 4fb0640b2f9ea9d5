"""Seeds the timecards that a rule or a defect is about. Each split has one peculiarity at most.

Every list ends up in ``world.tags`` under the name of its kind; the manifest finds the same records by rule.
"""

from datetime import date, timedelta
from decimal import Decimal

from .firm import ENTITIES
from .seed_contracts import TIME_MATERIAL
from .seed_time import TIE, TimeSeeder, quarters, tie
from .world import stamp_on


def seed_time(world):
    """Seed all timecards of the scale, ``scale.timecards`` splits in all."""
    seeder = TimeSeeder(world)
    scale, tags = world.scale, world.tags
    tags["july"], june = _july(seeder)
    tags["internal"] = _internal(seeder)
    tags["negative"] = seeder.team_time(
        scale.negative, lambda number: {seeder.one_day(number): -quarters(2)}, start=1)
    tags["held_at_source"] = _flagged(seeder, scale.held_at_source, 2, pse__Billing_Hold__c=True)
    tags["excluded_at_source"] = _flagged(seeder, scale.excluded_at_source, 3, pse__Exclude_from_Billing__c=True)
    tags["billed_at_source"] = _flagged(
        seeder, scale.billed_at_source, 4, pse__Billed__c=True, pse__Bill_Date__c="2026-05-04", pse__Invoiced__c=True,
        pse__Invoice_Number__c="SI-2026-0093", pse__Invoice_Date__c="2026-05-05")
    tags["unknown_person"] = _unknown_person(seeder)
    tags["closed_project"] = _closed_project(seeder)
    tags["missing_rate"] = _missing_rate(seeder)
    tags["wrong_entity"] = _wrong_entity(seeder)
    tags["currency_mismatch"] = _currency_mismatch(seeder)
    tags["unmapped_role"] = _unmapped_role(seeder)
    tags["back_dated"] = _back_dated(seeder)
    tags["incomplete_terms"] = _incomplete(seeder)
    special = sum(map(len, tags.values()))
    tags["ordinary"] = june + seeder.ordinary(scale.timecards - special - len(june))
    older = sorted(id_ for id_ in tags["ordinary"] if world.row("pse__Timecard__c", id_)["SystemModstamp"] < TIE)
    picks = world.rng("ties").sample(older, scale.same_second)
    tie(world, picks)
    tags["same_second"] = sorted(picks)


def _days(seeder, number, count=1):
    """Return ``count`` days in a row of one week and month, with hours."""
    day = seeder.one_day(number)
    while count > 1 and (day.weekday() + count > 5 or (day + timedelta(days=count - 1)).month != day.month):
        day -= timedelta(days=1)
    return {day + timedelta(days=offset): quarters(4 + (number + offset) % 7) for offset in range(count)}


def _july(seeder):
    """Time after the quarter; every other card begins in June and is cut by the month's end."""
    july, june = [], []
    for number in range(seeder.world.scale.july):
        days = {date(2026, 7, 1 + number % 2): quarters(3 + number % 6)}
        if number % 2:
            days[date(2026, 6, 30)] = quarters(2 + number % 5)
        made = seeder.team_time(1, lambda _number, days=days: days, start=number, stamp=stamp_on(
            date(2026, 7, 2), seeder.rng, 15, 4))
        june += made[:-1]
        july += made[-1:]
    return july, june


def _internal(seeder):
    world, made = seeder.world, []
    for number in range(world.scale.internal_timecards):
        person = world.people[number % len(world.people)]
        made += seeder.add(person.id, world.internal_project_ids[person.entity], _days(seeder, number), rate=None,
                           currency=ENTITIES[person.entity].currency, billable=False, cost=person.cost)
    return made


def _flagged(seeder, count, start, **flags):
    return seeder.team_time(count, lambda number: _days(seeder, number), start=start, **flags)


def _sellers(world):
    return world.contracts_of(TIME_MATERIAL)


def _list_rate(contract):
    return Decimal(ENTITIES[contract.entity].base_rate)


def _unknown_person(seeder):
    """Time of people whose contact cannot be read; some of it spans two days."""
    world, made = seeder.world, []
    for number in range(world.scale.unknown_person):
        contract = _sellers(world)[number * 5 % len(_sellers(world))]
        person = world.hidden_people[number % len(world.hidden_people)]
        made += seeder.add(person, contract.project_ids[0], _days(seeder, number, 1 + (number % 5 == 2)),
                           rate=_list_rate(contract) + Decimal("0.50"), currency=contract.currency)
    return made


def _closed_project(seeder):
    """Time on a project that was closed for time entry afterwards."""
    world, made = seeder.world, []
    for number in range(world.scale.closed_project):
        contract, project = world.closed_projects[number % len(world.closed_projects)]
        person = contract.seats[number % len(contract.seats)].person
        made += seeder.add(person.id, project, _days(seeder, number, 1 + (number % 4 == 3)),
                           rate=_list_rate(contract), currency=contract.currency, cost=person.cost)
    return made


def _missing_rate(seeder):
    """Billable time of a person without a rate in a role that the contract does not sell.

    The amount on the split comes from a rate that somebody typed on the timecard itself.
    """
    world, made = seeder.world, []
    assignments = {(row["pse__Resource__c"], row["pse__Project__c"]): row["Id"]
                   for row in world.store.tables["pse__assignment__c"].rows.values()}
    for number in range(world.scale.missing_rate):
        contract, person = world.missing_rate_seats[number % len(world.missing_rate_seats)]
        project = contract.project_ids[0]
        made += seeder.add(person.id, project, _days(seeder, number), rate=_list_rate(contract) + 20,
                           currency=contract.currency, assignment=assignments[person.id, project], cost=person.cost)
    return made


def _wrong_entity(seeder):
    """Time of people whom another legal entity employs; some of it spans three days."""
    world, made = seeder.world, []
    for number in range(world.scale.wrong_entity):
        contract = _sellers(world)[number * 2 % len(_sellers(world))]
        others = [person for person in world.people if person.entity != contract.entity]
        person = others[number * 7 % len(others)]
        made += seeder.add(person.id, contract.project_ids[0], _days(seeder, number, 3 if number % 6 == 1 else 1),
                           rate=_list_rate(contract), currency=contract.currency, cost=person.cost)
    return made


def _currency_mismatch(seeder):
    """Time in another currency than the contract's."""
    world, made = seeder.world, []
    for number in range(world.scale.currency_mismatch):
        contract = _sellers(world)[number * 3 % len(_sellers(world))]
        seat = contract.seats[number % len(contract.seats)]
        currency = next(entity.currency for entity in ENTITIES[number % 3:] + ENTITIES
                        if entity.currency != contract.currency)
        made += seeder.add(seat.person.id, contract.project_ids[0], _days(seeder, number), rate=seat.rate,
                           currency=currency, cost=seat.person.cost)
    return made


def _unmapped_role(seeder):
    """Time on assignments whose role no value map knows."""
    world, made = seeder.world, []
    assignments = {(row["pse__Resource__c"], row["pse__Project__c"]): row["Id"]
                   for row in world.store.tables["pse__assignment__c"].rows.values()}
    for number in range(world.scale.unmapped_role):
        contract, person = world.unmapped_seats[number % len(world.unmapped_seats)]
        project = contract.project_ids[0]
        made += seeder.add(person.id, project, _days(seeder, number), rate=_list_rate(contract) + 40,
                           currency=contract.currency, assignment=assignments[person.id, project], cost=person.cost)
    return made


def _back_dated(seeder):
    """Work of about 60 days before it was entered and approved."""
    def make_days(number):
        day = date(2026, 4, 27) + timedelta(days=number % 4)
        return {day: quarters(4 + number % 9)}
    entered = stamp_on(date(2026, 6, 29), seeder.rng)
    return seeder.team_time(seeder.world.scale.back_dated, make_days, start=5, stamp=entered, created=entered)


def _incomplete(seeder):
    """Time on deals that are held for a missing term."""
    world, made = seeder.world, []
    staffed = [contract for contract in world.incomplete if contract.seats]
    for number in range(world.scale.incomplete_timecards):
        contract = staffed[number % len(staffed)]
        seat = contract.seats[0]
        made += seeder.add(seat.person.id, seat.project_id, _days(seeder, number), rate=seat.rate,
                           currency=contract.currency, assignment=seat.assignment_id, cost=seat.person.cost)
    return made
