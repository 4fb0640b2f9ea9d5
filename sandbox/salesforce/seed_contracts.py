"""Seeds deals with their lines, projects, milestones and assignments, and the deals that must be left alone."""

from datetime import date, timedelta
from decimal import Decimal

from .firm import (
    ENTITIES,
    PAYMENT_TERMS,
    PROJECT_TEMPLATES,
    ROLES,
    UNDERTAKINGS,
    UNKNOWN_ROLE,
    UNSOLD_ROLE,
)
from .world import Contract, Seat, stamp_on

TIME_MATERIAL, FIXED_PRICE, MILESTONE = "Time and Materials", "Fixed Price", "Milestone"
_EU = ("DE", "FR", "BE")
_SHARES = ((20, 30, 50), (25, 25, 25, 25), (10, 40, 30, 20), (30, 40, 30), (15, 35, 25, 25))
_MISSING_TERMS = ("Payment_Terms__c", "Legal_Entity__c", "Tax_Profile__c", "Project_Template__c")


def seed_contracts(world):
    """Contracts of all three billing methods, then the teams, then the odd projects and deals."""
    rng = world.rng("contracts")
    for method, counts in ((TIME_MATERIAL, world.scale.time_material), (FIXED_PRICE, world.scale.fixed_price),
                           (MILESTONE, world.scale.milestone)):
        for index, count in enumerate(counts):
            for number in range(count):
                world.contracts.append(_add_contract(world, rng, index, method, number))
    _reserve(world)
    for number, contract in enumerate(world.contracts):
        _staff(world, rng, contract, number)
    _extra_projects(world, rng)
    _internal_projects(world, rng)
    _incomplete_deals(world, rng)
    _other_deals(world, rng)


def _customer(world, index, number):
    customers = [customer for customer in world.customers if customer.entity == index]
    return customers[number % len(customers)]


def _tax_profile(entity, customer):
    if customer.country_code == entity.country_code:
        return "Domestic"
    return "EU B2B" if entity.country_code in _EU and customer.country_code in _EU else "Export"


def _add_contract(world, rng, index, method, number):
    entity = ENTITIES[index]
    customer = _customer(world, index, number * 3 + (method != TIME_MATERIAL))
    # a fixed fee falls due when the deal is won: inside the quarter; the others were won before it
    closed = date(2026, 4, 1 + rng.randrange(3)) if method == FIXED_PRICE else date(2026, 1, 12) + timedelta(
        days=rng.randrange(60))
    contract = _add_deal(world, rng, entity, index, customer, method, closed,
                         f"{customer.name.split()[0]} {rng.choice(UNDERTAKINGS)} {number + 1}")
    contract.project_ids.append(_add_project(world, rng, contract, contract.name, closed))
    world.store.touch("Opportunity", contract.opportunity_id, stamp_on(closed + timedelta(days=1), rng),
                      pse__Primary_Project__c=contract.project_ids[0])
    if method == MILESTONE:
        _add_milestones(world, rng, contract, number)
    return contract


def _add_deal(world, rng, entity, index, customer, method, closed, name, won=True, stage="Closed Won", **overrides):
    values = {
        "Name": name, "AccountId": customer.id, "ContactId": customer.contact_id, "StageName": stage, "IsWon": won,
        "IsClosed": stage.startswith("Closed"), "CloseDate": closed.isoformat(), "Type": "New Business",
        "OwnerId": world.user_ids[1 + rng.randrange(len(world.user_ids) - 1)], "CurrencyIsoCode": entity.currency,
        "Pricebook2Id": world.pricebook_id, "HasOpportunityLineItem": True, "Legal_Entity__c": entity.code,
        "Billing_Method__c": method, "Payment_Terms__c": rng.choice(PAYMENT_TERMS),
        "Tax_Profile__c": _tax_profile(entity, customer), "Project_Template__c": rng.choice(PROJECT_TEMPLATES),
        "PO_Number__c": f"PO-{rng.randrange(10_000, 99_999)}", "pse__Is_Services_Opportunity__c": True,
        "Probability": 100.0 if won else 0.0, "pse__Region__c": world.region_ids[index],
        "ForecastCategoryName": "Closed" if won else "Pipeline",
        "Description": "Scope as agreed in the statement of work.", **overrides,
    }
    stamp = stamp_on(closed, rng)
    created = stamp_on(closed - timedelta(days=40), rng)
    opportunity = world.add("Opportunity", stamp, created, **values)
    world.add("OpportunityContactRole", stamp, OpportunityId=opportunity, ContactId=customer.contact_id,
              Role="Decision Maker", IsPrimary=True)
    contract = Contract(opportunity, index, method, entity.currency, customer, name)
    total = _add_lines(world, rng, contract, entity, stamp, closed)
    world.store.touch("Opportunity", opportunity, stamp, Amount=float(total), ExpectedRevenue=float(total))
    return contract


def _add_lines(world, rng, contract, entity, stamp, closed):
    """Add the deal's lines and return their total."""
    code = {TIME_MATERIAL: "PS-TM", FIXED_PRICE: "PS-FIXED", MILESTONE: "PS-MILESTONE"}[contract.method]
    product, price_entry = world.entries[code, entity.currency]
    if contract.method == TIME_MATERIAL:
        for role in rng.sample(sorted(ROLES), 3):
            contract.role_rates[role] = Decimal(entity.base_rate * ROLES[role] // 500 * 5)
        lines = [(f"{role} services", role, Decimal(rng.randrange(10, 40) * 20), rate)
                 for role, rate in contract.role_rates.items()]
    else:
        label = "Fixed fee" if contract.method == FIXED_PRICE else "Fee by milestones"
        lines = [(f"{label}: {contract.name}", None, Decimal(1), Decimal(rng.randrange(24, 120) * 1000))]
    total = Decimal(0)
    for order, (name, role, quantity, price) in enumerate(lines, start=1):
        amount = float(quantity * price)
        # a line of a time-and-materials deal may leave the method to the deal
        method = None if contract.method == TIME_MATERIAL and order == 2 else contract.method
        contract.line_ids.append(world.add(
            "OpportunityLineItem", stamp, OpportunityId=contract.opportunity_id, PricebookEntryId=price_entry,
            Product2Id=product, ProductCode=code, Name=name, Quantity=float(quantity), UnitPrice=float(price),
            ListPrice=float(price), TotalPrice=amount, Subtotal=amount, ServiceDate=closed.isoformat(),
            SortOrder=order, Billing_Method__c=method, Role__c=role, CurrencyIsoCode=entity.currency,
            Description=name, pse__IsServicesProductLine__c=True, pse__Added_To_Project__c=True))
        total += quantity * price
    return total


def _add_project(world, rng, contract, name, closed, **overrides):
    index, number = contract.entity, world.store.tables["pse__proj__c"].count_issued + 4100
    people = world.people_of(index)
    opportunity = world.row("Opportunity", contract.opportunity_id)
    values = {
        "Name": name[:80], "pse__Project_ID__c": f"PR-{number:06d}", "pse__Account__c": contract.customer.id,
        "pse__Opportunity__c": contract.opportunity_id, "pse__Opportunity_Owner__c": opportunity["OwnerId"],
        "pse__Project_Manager__c": people[number % len(people)].id, "OwnerId": opportunity["OwnerId"],
        "Legal_Entity__c": opportunity.get("Legal_Entity__c"), "CurrencyIsoCode": contract.currency,
        "pse__Region__c": world.region_ids[index], "pse__Practice__c": world.practice_ids[index],
        "pse__Group__c": world.group_ids[index], "pse__Start_Date__c": "2026-04-01",
        "pse__End_Date__c": "2026-12-31", "pse__Stage__c": "In Progress", "pse__Project_Status__c": "Green",
        "pse__Project_Type__c": "Customer Project", "pse__Billing_Type__c": contract.method, "pse__Is_Active__c": True,
        "pse__Is_Billable__c": True, "pse__Allow_Timecards_Without_Assignment__c": True,
        "pse__Planned_Hours__c": float(rng.randrange(200, 900)), "pse__Bookings__c": opportunity.get("Amount"),
        "pse__Billed__c": 0.0, "pse__Invoiced__c": 0.0, **overrides,
    }
    return world.add("pse__Proj__c", stamp_on(closed + timedelta(days=1), rng), **values)


def _add_milestones(world, rng, contract, number):
    total = Decimal(str(world.row("Opportunity", contract.opportunity_id)["Amount"]))
    shares = _SHARES[number % len(_SHARES)]
    reached = 1 + rng.randrange(len(shares) - 1)
    for order, share in enumerate(shares, start=1):
        day = date(2026, 4, 13) + timedelta(days=18 * (order - 1) + rng.randrange(5))
        approved = order <= reached
        flag = approved or None
        # one reached milestone in seven contracts is kept back at the source
        hold = (approved and order == 1 and number == 3) or None
        world.add(
            "pse__Milestone__c", stamp_on(day + timedelta(days=2), rng) if approved else stamp_on(
                date(2026, 4, 2), rng), Name=f"M{order} {contract.name}"[:80],
            pse__Project__c=contract.project_ids[0], pse__Milestone_Amount__c=float(total * share / 100),
            CurrencyIsoCode=contract.currency, pse__Target_Date__c=day.isoformat(),
            pse__Actual_Date__c=day.isoformat() if approved else None,
            pse__Status__c="Approved" if approved else "Planned", pse__Submitted__c=flag, pse__Approved__c=flag,
            pse__Include_In_Financials__c=flag, pse__Billing_Hold__c=hold,
            pse__Opportunity_Product__c=contract.line_ids[0], OwnerId=world.user_ids[2],
            pse__Approver__c=world.user_ids[3] if approved else None)


# === STAFFING === #


def _reserve(world):
    """Choose who causes a missing rate and an unmapped role on which contract, before teams are made."""
    specialists = [person for person in world.people if person.role == UNSOLD_ROLE]
    for number, person in enumerate(specialists):
        contract = world.contracts_of(TIME_MATERIAL, person.entity)[number % 2 - 1]
        contract.reserved.add(person.id)
        world.missing_rate_seats.append((contract, person))
    for number in range(world.scale.unmapped_assignments):
        contracts = [contract for contract in world.contracts_of(TIME_MATERIAL)
                     if contract.entity != 0 or len(world.people) > 10]
        contract = contracts[number * 17 % len(contracts)]
        person = [person for person in world.people_of(contract.entity) if person.id not in contract.reserved][-1]
        contract.reserved.add(person.id)
        world.unmapped_seats.append((contract, person))


def _staff(world, rng, contract, number):
    """Assign a team to the contract's project, then those whom a defect needs."""
    project = contract.project_ids[0]
    pool = [person for person in world.people_of(contract.entity) if person.id not in contract.reserved]
    team = rng.sample(pool, min(world.scale.team, len(pool)))
    entity = ENTITIES[contract.entity]
    for place, person in enumerate(team):
        if contract.method == TIME_MATERIAL:
            rate, stored = _hourly_rate(entity, person, contract, number, place)
            billable = True
        else:
            # time on fixed work is sometimes marked billable all the same: the contract decides, not the mark
            billable = place % 2 == 0
            rate = stored = Decimal(entity.base_rate) if billable else None
        contract.seats.append(_add_seat(world, rng, contract, project, person, person.role, rate, stored, billable))
    world.seats.extend(contract.seats)
    for held_contract, person in world.missing_rate_seats:
        if held_contract is contract:
            _add_seat(world, rng, contract, project, person, person.role, None, None, True)
    for held_contract, person in world.unmapped_seats:
        if held_contract is contract:
            rate = Decimal(entity.base_rate + 40)
            _add_seat(world, rng, contract, project, person, UNKNOWN_ROLE, rate, rate, True)


def _hourly_rate(entity, person, contract, number, place):
    """Return ``(rate that applies, rate on the assignment)``; the latter is None when the deal's line prices it."""
    if person.role in contract.role_rates and place % 3 == 0:
        return contract.role_rates[person.role], None
    base = Decimal(entity.base_rate * ROLES.get(person.role, 140) // 500 * 5)
    if (number + place) % 9 == 1:
        return base + Decimal("2.50"), base + Decimal("2.50")
    if (number, place) in ((0, 0), (4, 1), (17, 2)):
        return base + Decimal("1.1250"), base + Decimal("1.1250")
    return base + 5 * (number % 3), base + 5 * (number % 3)


def _add_seat(world, rng, contract, project, person, role, rate, stored, billable):
    stamp = stamp_on(date(2026, 3, 30) + timedelta(days=rng.randrange(2)), rng)
    schedule = world.add("pse__Schedule__c", stamp, Name=f"SCH-{rng.randrange(10 ** 6):06d}",
                         pse__Start_Date__c="2026-04-01", pse__End_Date__c="2026-12-31")
    number = world.store.tables["pse__assignment__c"].count_issued + 1
    assignment = world.add(
        "pse__Assignment__c", stamp, Name=f"{person.name}: {contract.name}"[:80],
        pse__Assignment_Number__c=f"A-{number:06d}", pse__Project__c=project, pse__Resource__c=person.id,
        pse__Role__c=role, pse__Status__c="Scheduled", pse__Is_Billable__c=billable,
        pse__Bill_Rate__c=float(stored) if stored is not None else (None if billable else 0.0),
        pse__Cost_Rate_Amount__c=float(person.cost), pse__Cost_Rate_Currency_Code__c=contract.currency,
        pse__Schedule__c=schedule, pse__Start_Date__c="2026-04-01", pse__End_Date__c="2026-12-31",
        pse__Percent_Allocated__c=50.0, CurrencyIsoCode=contract.currency, OwnerId=world.user_ids[2])
    return Seat(person, project, assignment, rate, billable)


# === ODD ONES === #


def _extra_projects(world, rng):
    """Second projects of some contracts: open ones with a team of their own, and closed ones."""
    sellers = world.contracts_of(TIME_MATERIAL)
    for number in range(world.scale.second_projects):
        contract = sellers[-1 - number * 3]
        project = _add_project(world, rng, contract, f"{contract.name} Phase 2", date(2026, 4, 8))
        contract.project_ids.append(project)
        busy = {seat.person.id for seat in contract.seats} | contract.reserved
        free = [person for person in world.people_of(contract.entity) if person.id not in busy]
        for person in free[:2]:
            rate = Decimal(ENTITIES[contract.entity].base_rate + 15)
            seat = _add_seat(world, rng, contract, project, person, person.role, rate, rate, True)
            contract.seats.append(seat)
            world.seats.append(seat)
    for number in range(world.scale.closed_projects):
        contract = sellers[number * 13 % len(sellers)]
        project = _add_project(world, rng, contract, f"{contract.name} Pilot", date(2026, 3, 2),
                               pse__Closed_for_Time_Entry__c=True, pse__Stage__c="Completed")
        contract.project_ids.append(project)
        world.closed_projects.append((contract, project))


def _internal_projects(world, rng):
    """An internal project per entity, and a template that must not be taken for a project."""
    for index, entity in enumerate(ENTITIES):
        world.internal_project_ids.append(world.add(
            "pse__Proj__c", stamp_on(date(2026, 3, 2), rng), Name=f"Internal {entity.code}",
            pse__Project_ID__c=f"PR-00000{index + 1}", pse__Project_Type__c="Internal", pse__Is_Active__c=True,
            Legal_Entity__c=entity.code, CurrencyIsoCode=entity.currency, OwnerId=world.user_ids[1],
            pse__Allow_Timecards_Without_Assignment__c=True, pse__Stage__c="In Progress",
            pse__Region__c=world.region_ids[index], pse__Start_Date__c="2026-01-01"))
    world.add("pse__Proj__c", stamp_on(date(2026, 3, 2), rng), Name="Template: Implementation",
              pse__Project_ID__c="PR-000009", pse__Is_Template__c=True, pse__Is_Active__c=True,
              CurrencyIsoCode="USD", OwnerId=world.user_ids[1])


def _incomplete_deals(world, rng):
    """Won deals that lack one commercial term; some are already staffed, so time waits behind them."""
    for number in range(world.scale.incomplete_deals):
        index = number % len(ENTITIES)
        customer = _customer(world, index, number)
        closed = date(2026, 5, 11) + timedelta(days=number)
        contract = _add_deal(world, rng, ENTITIES[index], index, customer, TIME_MATERIAL, closed,
                             f"{customer.name.split()[0]} Extension {number + 1}",
                             **{_MISSING_TERMS[number % len(_MISSING_TERMS)]: None})
        if number < world.scale.incomplete_with_project:
            contract.project_ids.append(_add_project(world, rng, contract, contract.name, closed))
            person = world.people_of(index)[0]
            rate = Decimal(ENTITIES[index].base_rate)
            contract.seats.append(_add_seat(world, rng, contract, contract.project_ids[0], person, person.role, rate,
                                            rate, True))
        world.incomplete.append(contract)


def _other_deals(world, rng):
    """Deals that are open or lost."""
    for number in range(world.scale.open_deals + world.scale.lost_deals):
        index = number % len(ENTITIES)
        is_open = number < world.scale.open_deals
        stage = rng.choice(("Qualification", "Proposal", "Negotiation")) if is_open else "Closed Lost"
        customer = _customer(world, index, number)
        _add_deal(world, rng, ENTITIES[index], index, customer, rng.choice((TIME_MATERIAL, FIXED_PRICE)),
                  date(2026, 6, 1) + timedelta(days=number), f"{customer.name.split()[0]} Option {number + 1}",
                  won=False, stage=stage, Payment_Terms__c=None)
